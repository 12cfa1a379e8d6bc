"""What any layer puts out as maps `[B, C, T, H, W]`, whichever way its network lays out frames, channels and tokens."""

from dataclasses import dataclass

from torch import Tensor, nn

from action_recognition.models.networks.base import ActionNetwork

CHANNELS_FIRST = (nn.Conv2d, nn.Conv3d, nn.BatchNorm2d, nn.BatchNorm3d)
HEAD = "head"


@dataclass(frozen=True)
class MapLayout:
    """How the outputs of one layer become maps, for clips of `clip_shape`, `(B, C, T, H, W)`, at the network's input.

    Outputs may be of these shapes:

    - `[B, C, t, h, w]` or `[B, t, h, w, C]`; of attention heads in the batch, `[B * heads, C, t, h, w]`;
    - `[B * t, C, h, w]` or `[B * t, h, w, C]`, frames folded into the batch;
    - `[B, tokens, D]` or `[B * T, tokens, D]`, with class tokens in front or without: t and h by w of them;
    - `[B, D]` or `[B * t, D]`, features of clips or frames, as maps of 1x1.

    Channels are told from sides by the sides' ratio, which is that of the clip. Where both readings fit (C = h = w) the
    kind of layer and the network's `channels_last` decide.
    """

    network: ActionNetwork
    module: nn.Module
    in_head: bool
    clip_shape: tuple[int, ...]

    def maps(self, output: Tensor) -> Tensor | None:
        """The maps `[B, C, t, h, w]`, a view where possible; None if the output is none of the known layouts."""
        batch, frames = self.clip_shape[0], self.clip_shape[2]
        if output.ndim < 2 or not output.numel() or output.shape[0] % batch:
            return None
        folded = output.shape[0] // batch
        if output.ndim == 5:
            return self._of_clips(output, folded)
        if folded > frames:  # windows of attention, and the like
            return None
        if output.ndim == 4:
            return self._of_frames(output)
        if output.ndim == 3:
            return self._of_tokens(output)
        if output.ndim == 2:
            return output.unflatten(0, (batch, folded)).transpose(1, 2)[..., None, None]
        return None

    def _of_clips(self, output: Tensor, folded: int) -> Tensor | None:
        last = self._channels_are_last(output)
        if last is None or (last and folded > 1):
            return None
        if last:
            return output.movedim(-1, 1)
        return output.unflatten(0, (self.clip_shape[0], folded)).flatten(1, 2)

    def _of_frames(self, output: Tensor) -> Tensor | None:
        last = self._channels_are_last(output)
        if last is None:
            return None
        maps_NCHW = output.movedim(-1, 1) if last else output
        return maps_NCHW.unflatten(0, (self.clip_shape[0], -1)).transpose(1, 2)

    def _of_tokens(self, output: Tensor) -> Tensor | None:
        batch, _, frames, height, width = self.clip_shape
        folded, tokens = output.shape[0] // batch, output.shape[1]
        if folded not in (1, frames):
            return None
        steps = 1 if folded > 1 else -(-frames // self.network.token_stride)
        side_by_side = (1, 1) if self.in_head else (height, width)
        for prefix in dict.fromkeys((1 if self.in_head else self.network.prefix_tokens, 0)):
            cells, rest = divmod(tokens - prefix, steps)
            grid = _grid(cells, *side_by_side)
            if rest or cells < 1 or grid is None:
                continue
            maps_NTHWD = output[:, prefix:].unflatten(1, (steps, *grid))
            return maps_NTHWD.unflatten(0, (batch, folded)).flatten(1, 2).movedim(-1, 1)
        return None

    def _channels_are_last(self, output: Tensor) -> bool | None:
        """None if the sides are neither in front of the channels nor behind them."""
        height, width = self.clip_shape[3:]
        first, last = (
            abs(h * width - w * height) < max(height, width) for h, w in (output.shape[-2:], output.shape[-3:-1])
        )
        if first and last:
            return self.network.channels_last and not isinstance(self.module, CHANNELS_FIRST)
        return last if first or last else None


def _grid(cells: int, height: int, width: int) -> tuple[int, int] | None:
    """Rows and columns of so many cells over frames of this size, or None."""
    rows = round((cells * height / width) ** 0.5) if cells > 0 else 0
    if rows < 1 or cells % rows:
        return None
    columns = cells // rows
    return (rows, columns) if abs(rows * width - columns * height) < max(height, width) else None

"""What tokens attend to in a forward pass, as steps from the outputs of each layer back to its inputs."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers.attention import Attention
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torchvision.models.swin_transformer import PatchMerging
from torchvision.models.video.mvit import MultiscaleBlock
from torchvision.models.video.swin_transformer import ShiftedWindowAttention3d

from action_recognition.models.networks.frame_heads import EncoderBlock

# Takes shares of a layer's output tokens, `[N, outputs]`, to shares of its input tokens, `[N, inputs]`; sums stay.
Step = Callable[[Tensor], Tensor]
SOFTMAXES = (F.softmax, torch.softmax, Tensor.softmax)


class RecordedAttention(TorchFunctionMode):
    """Keeps the attention of each layer, `[N, queries, keys]`, the mean over heads; rows sum to 1.

    Networks compute it in the middle of their modules, where no hook reaches; `softmax` and
    `scaled_dot_product_attention` can be listened to instead.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func in SOFTMAXES:
            self.found.append(result.detach().mean(dim=1))
        elif func is F.scaled_dot_product_attention:
            self.found.append(_probabilities(*args, **kwargs).mean(dim=1))
        return result


def _probabilities(
    query: Tensor, key: Tensor, _value: Tensor, attn_mask: Tensor | None = None, **options: Any
) -> Tensor:
    scale = options.get("scale") or query.shape[-1] ** -0.5
    scores = query.detach() @ key.detach().transpose(-2, -1) * scale
    return (scores if attn_mask is None else scores + attn_mask).softmax(dim=-1)


@contextmanager
def attention_steps(network: nn.Module) -> Iterator[list[tuple[str, Step]]]:
    """The steps of a forward pass inside of a `with` block, in the network's order, each with its module's name."""
    steps: list[tuple[str, Step]] = []
    with ExitStack() as stack:
        mode = stack.enter_context(RecordedAttention())
        stack.enter_context(torch.compiler.set_stance("force_eager"))

        def begin(*_: Any) -> None:
            mode.found.clear()

        for name, module in network.named_modules():
            make = next((step for kind, step in STEPS.items() if isinstance(module, kind)), None)
            if make is None:
                continue

            def end(module: nn.Module, args: Any, _: Any, name: str = name, make: Any = make) -> None:
                steps.append((name, make(module, args, mode.found)))

            stack.callback(module.register_forward_pre_hook(begin).remove)
            stack.callback(module.register_forward_hook(end).remove)
        yield steps


def plain_step(_: nn.Module, __: Any, found: list[Tensor]) -> Step:
    """Attention among all tokens, and the residual connection with the same weight (Abnar and Zuidema 2020)."""
    (attention_NQK,) = found
    return lambda share_NQ: (share_NQ + (share_NQ[:, None] @ attention_NQK)[:, 0]) / 2


def multiscale_step(block: Any, args: Any, found: list[Tensor]) -> Step:
    """A block of MViT: class token first; queries, keys and the residual connection are pooled in time and space.

    Pooling shares out equally among the tokens in its reach: convolutions weigh channels differently, so there is
    no one weight per token. MViTv2 adds the pooled queries to what attention gives (not for the class token), which is
    a residual connection of its own, with half of the weight once more.
    """
    (attention_NQK,) = found
    grid, attention = args[1], block.attn
    adds_queries = attention.residual_pool

    def step(share_NQ: Tensor) -> Tensor:
        token, places = share_NQ[:, :1], share_NQ[:, 1:]
        attending = torch.cat([token, places / 2 if adds_queries else places], dim=1)
        if adds_queries and attention.residual_with_cls_embed:
            attending = share_NQ / 2
        keys_NK = (attending[:, None] @ attention_NQK)[:, 0]
        attended = torch.cat([keys_NK[:, :1], unpooled(keys_NK[:, 1:], grid, *_pooling(attention.pool_k))], dim=1)
        if adds_queries:
            kept = token / 2 if attention.residual_with_cls_embed else torch.zeros_like(token)
            attended = attended + torch.cat([kept, unpooled(places / 2, grid, *_pooling(attention.pool_q))], dim=1)
        skipped = torch.cat([token, unpooled(places, grid, *_pooling(block.pool_skip))], dim=1)
        return (skipped + attended) / 2

    return step


def window_step(module: Any, args: Any, found: list[Tensor]) -> Step:
    """Attention within shifted windows (Swin), and the residual connection; what goes to padding is left out."""
    (attention_WQK,) = found
    grid = tuple(args[0].shape[1:4])
    place_WQ = window_places(grid, module.window_size, module.shift_size).to(attention_WQK.device)
    is_real = place_WQ >= 0
    real_WQK = attention_WQK * is_real[:, None]
    real_WQK = real_WQK / real_WQK.sum(dim=2, keepdim=True).clamp_min(1e-12)

    def step(share_NQ: Tensor) -> Tensor:
        share_WQ = share_NQ[0][place_WQ.clamp_min(0)] * is_real
        attended_WK = (share_WQ[:, None] @ real_WQK)[:, 0]
        attended_Q = torch.zeros_like(share_NQ[0]).index_add_(0, place_WQ[is_real], attended_WK[is_real])
        return (share_NQ + attended_Q) / 2

    return step


def merging_step(_: nn.Module, args: Any, __: list[Tensor]) -> Step:
    """Four neighbours become one token: each has a quarter."""
    frames, height, width = args[0].shape[1:4]
    rows, columns = height + height % 2, width + width % 2  # odd sides are padded

    def step(share_NQ: Tensor) -> Tensor:
        real = torch.zeros(1, frames, rows, columns, dtype=share_NQ.dtype, device=share_NQ.device)
        real[:, :, :height, :width] = 1
        share = share_NQ.view(-1, frames, rows // 2, columns // 2) / F.avg_pool2d(real, 2, divisor_override=1)
        spread = share.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        return spread[:, :, :height, :width].flatten(1)

    return step


STEPS: dict[type[nn.Module], Callable[[Any, Any, list[Tensor]], Step]] = {
    EncoderBlock: plain_step,
    Attention: plain_step,
    MultiscaleBlock: multiscale_step,
    ShiftedWindowAttention3d: window_step,
    PatchMerging: merging_step,
}


def window_places(grid: tuple[int, ...], window_size: list[int], shift_size: list[int]) -> Tensor:
    """Which token is where in the windows, `[windows, tokens of one]`; -1 is padding.

    A window that is larger than the grid is cut to it, and not shifted along that axis.
    """
    sizes = [min(window, side) for window, side in zip(window_size, grid, strict=True)]
    shifts = [0 if side <= window else shift for window, side, shift in zip(window_size, grid, shift_size, strict=True)]
    place = torch.arange(grid[0] * grid[1] * grid[2]).view(1, *grid)
    widths = [width for size, side in zip(reversed(sizes), reversed(grid), strict=True) for width in (0, -side % size)]
    place = F.pad(place, widths, value=-1).roll([-shift for shift in shifts], dims=(1, 2, 3))
    for axis, size in ((1, sizes[0]), (3, sizes[1]), (5, sizes[2])):
        place = place.unflatten(axis, (-1, size))
    return place.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, sizes[0] * sizes[1] * sizes[2])


def unpooled(
    share_NQ: Tensor, grid: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...]
) -> Tensor:
    """Shares of pooled tokens, each shared out equally among the tokens of `grid` in its reach."""
    reach = share_NQ.new_ones(1, 1, *kernel)
    in_reach = F.conv3d(share_NQ.new_ones(1, 1, *grid), reach, stride=stride, padding=padding)
    share = share_NQ.view(-1, *in_reach.shape[1:]) / in_reach
    # What is left over of the input's sides, which the transposed convolution has to be told.
    left = [
        side - ((pooled - 1) * step - 2 * pad + size)
        for side, pooled, step, pad, size in zip(grid, in_reach.shape[2:], stride, padding, kernel, strict=True)
    ]
    return F.conv_transpose3d(share, reach, stride=stride, padding=padding, output_padding=left).flatten(1)


def _pooling(pool: Any) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    if pool is None:
        return (1, 1, 1), (1, 1, 1), (0, 0, 0)
    return tuple(
        (value,) * 3 if isinstance(value, int) else tuple(value)
        for value in (pool.pool.kernel_size, pool.pool.stride, pool.pool.padding)
    )  # type: ignore[return-value]

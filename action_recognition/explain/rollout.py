"""Attention roll-out: how much of each place of a clip reaches the class through a transformer's attention."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from action_recognition.explain.attention import attention_steps
from action_recognition.explain.cam import as_batch
from action_recognition.explain.passing import undisturbed
from action_recognition.models.networks.base import ActionNetwork
from action_recognition.models.networks.frame_heads import TransformerHead
from action_recognition.models.networks.timm_frames import TimmFrames
from action_recognition.models.networks.torchvision_video import MViTV2S, Swin3DT

if TYPE_CHECKING:
    from action_recognition.models.module import VideoActionModel

HEAD = "head."


@dataclass(frozen=True, kw_only=True)
class RollOut:
    """Attention roll-out of one clip.

    Attributes:
        share_THW: float32, sums to 1, at the resolution of the tokens; `[T, 1, 1]` where attention is over frames only.
    """

    share_THW: NDArray[np.float32]

    @property
    def over_frames_only(self) -> bool:
        """Whether it says nothing about places."""
        return self.share_THW.shape[1:] == (1, 1)


def has_roll_out(network: ActionNetwork) -> bool:
    """Whether a network is one of those that `roll_out` takes; for others there are class activation maps."""
    return isinstance(network, MViTV2S | Swin3DT) or isinstance(network.head, TransformerHead) or _has_vit(network)


def roll_out(model: "VideoActionModel", clip_CTHW: NDArray[np.generic] | Tensor) -> RollOut | None:
    """Attention roll-out (Abnar and Zuidema 2020, arXiv:2005.00928): attention and residual connections, multiplied.

    Each layer's attention is the mean over its heads; with the residual connection, `(A + 1) / 2`. The product over all
    layers says how much of each input token there is in the output. It does not look at values or at the class: it
    shows what the network could see, not what speaks for a class. No library has it for networks like these:

    - `mvit_v2_s` pools queries and keys: shares of a pooled token go equally to those that it was pooled from.
    - `swin3d_t` attends within shifted windows and merges neighbours; its output is the mean of the last tokens.
    - Frame networks and `timm` with `pooling=transformer` attend over frames: a share for each frame.
    - `timm` with a plain vision transformer attends within each frame, and over frames if it has that pooling.

    Only the row of the output is carried, from the last layer back, so nothing of tokens x tokens is multiplied.

    Returns:
        None for networks without attention of one of these kinds (`has_roll_out`).
    """
    network = model.network
    if not has_roll_out(network):
        return None
    with undisturbed(model), torch.no_grad():
        clip_BCTHW = as_batch(model, clip_CTHW)
        with attention_steps(network) as steps:
            model(clip_BCTHW)
        backbone = [step for name, step in steps if not name.startswith(HEAD)]
        head = [step for name, step in steps if name.startswith(HEAD)]
        frames = clip_BCTHW.shape[2]
        if isinstance(network, MViTV2S | Swin3DT):
            share_THW = _of_video_transformer(network, backbone, clip_BCTHW)
        else:
            share_T = _from_class_token(head, frames)[0] if head else torch.full((frames,), 1 / frames)
            share_THW = share_T.to(clip_BCTHW.device)[:, None, None] * _within_frames(network, backbone, frames)
    return RollOut(share_THW=(share_THW / share_THW.sum()).cpu().numpy())


def carried(steps: list[Any], share_NQ: Tensor) -> Tensor:
    """Shares of output tokens as shares of input tokens, through all layers from the last one back."""
    for step in reversed(steps):
        share_NQ = step(share_NQ)
    return share_NQ


def _of_video_transformer(network: Any, steps: list[Any], clip_BCTHW: Tensor) -> Tensor:
    """Shares of the first tokens, `[T, H, W]`. Three times on the way height and width are halved, rounding up."""
    patch = (
        network.backbone.conv_proj.stride if isinstance(network, MViTV2S) else network.backbone.patch_embed.proj.stride
    )
    grid = tuple(-(-side // step) for side, step in zip(clip_BCTHW.shape[2:], patch, strict=True))
    last = grid[0] * _halved(grid[1], 3) * _halved(grid[2], 3)
    if isinstance(network, MViTV2S):
        return _from_class_token(steps, last, device=clip_BCTHW.device).view(grid)
    return carried(steps, torch.full((1, last), 1 / last, device=clip_BCTHW.device)).view(grid)


def _halved(side: int, times: int) -> int:
    for _ in range(times):
        side = -(-side // 2)
    return side


def _from_class_token(
    steps: list[Any], places: int, *, batch: int = 1, prefix: int = 1, device: torch.device | str | None = None
) -> Tensor:
    """Shares of places `[batch, places]` in the class token, those of tokens in front of them left out; sum to 1."""
    share_NQ = torch.zeros(batch, prefix + places, device=device)
    share_NQ[:, 0] = 1
    return _of_places(carried(steps, share_NQ), prefix)


def _of_places(share_NQ: Tensor, prefix: int) -> Tensor:
    share_NP = share_NQ[:, prefix:]
    return share_NP / share_NP.sum(dim=1, keepdim=True)


def _has_vit(network: nn.Module) -> bool:
    """Whether each frame goes through a plain vision transformer, read out by its class token or by a mean."""
    if not isinstance(network, TimmFrames) or not isinstance(network.backbone, VisionTransformer):
        return False
    return network.backbone.global_pool in ("token", "avg")


def _within_frames(network: Any, steps: list[Any], frames: int) -> Tensor:
    """Shares of places in each frame, `[T, H, W]`, each frame's sum 1; a single place for other than transformers."""
    if not _has_vit(network):
        return torch.ones(1, 1, 1)
    vit = network.backbone
    height, width = vit.patch_embed.grid_size
    prefix, places = vit.num_prefix_tokens, height * width
    device = vit.patch_embed.proj.weight.device
    if vit.global_pool == "token":
        share_TP = _from_class_token(steps, places, batch=frames, prefix=prefix, device=device)
    else:
        share_TQ = torch.zeros(frames, prefix + places, device=device)
        share_TQ[:, prefix:] = 1 / places
        share_TP = _of_places(carried(steps, share_TQ), prefix)
    return share_TP.view(frames, height, width)

"""How one tensor of a weights file is made to fit a network that differs a little from the one it was saved from."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd


def stem_weight_name(state: Mapping[str, Tensor]) -> str | None:
    """The weight of the first convolution: the one that sees the input's channels."""
    return next((name for name, tensor in state.items() if tensor.ndim >= 4), None)


def last_linear(network: nn.Module) -> str | None:
    """Name of the last linear layer of `network.head`: the classifier."""
    head = getattr(network, "head", None)
    if not isinstance(head, nn.Module):
        return None
    linears = [name for name, module in head.named_modules(prefix="head") if isinstance(module, nn.Linear)]
    return linears[-1] if linears else None


def fit_tensor(name: str, tensor: Tensor, here: Tensor, *, is_stem: bool) -> tuple[Tensor, str] | None:
    """`tensor` in the shape and type of `here`, and what was done to it (empty for nothing); None if it cannot be.

    Args:
        name: in the network; position tables are known by it.
        is_stem: whether it is the weight of the first convolution.
    """
    if tensor.is_floating_point() != here.is_floating_point():
        return None
    how = "half to float" if tensor.dtype in (torch.float16, torch.bfloat16) and here.dtype == torch.float32 else ""
    tensor = tensor.to(here.dtype)
    if tensor.shape == here.shape:
        return tensor, how
    if tensor.numel() == here.numel() and _without_ones(tensor) == _without_ones(here):
        return tensor.reshape(here.shape), how  # a 1x1x1 convolution as a linear layer
    differing = [i for i in range(min(tensor.ndim, here.ndim)) if tensor.shape[i] != here.shape[i]]
    if tensor.ndim != here.ndim or len(differing) != 1:
        return None
    if is_stem and differing == [1]:
        before, after = tensor.shape[1], here.shape[1]
        mean = tensor.mean(dim=1, keepdim=True) * (before / after)
        return mean.expand_as(here).contiguous(), f"stem from {before} to {after} channels"
    # Not timm's `pos_embed`: its places lie on a grid, not on a line.
    if any(part.startswith(("pos_", "position", "rel_pos")) and part != "pos_embed" for part in name.split(".")):
        return _interpolated(tensor, dim=differing[0], length=here.shape[differing[0]]), "positions interpolated"
    return None


def _without_ones(tensor: Tensor) -> list[int]:
    return [side for side in tensor.shape if side != 1]


def _interpolated(tensor: Tensor, *, dim: int, length: int) -> Tensor:
    """Linear along `dim`, as MViT does with its relative positions (Li et al. 2022, arXiv:2112.01526)."""
    moved = tensor.movedim(dim, -1)
    resized = F.interpolate(moved.reshape(1, -1, moved.shape[-1]), size=length, mode="linear", align_corners=False)
    return resized.reshape(*moved.shape[:-1], length).movedim(-1, dim).contiguous()


@dataclass(frozen=True)
class FoldedNorm:
    """A batch norm whose scale and shift the file has inside the convolution before it."""

    name: str
    eps: float

    def identity(self, bias: Tensor, here: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors that make it add `bias` and nothing else in evaluation, by their names in the network."""
        weight = here[f"{self.name}.weight"]
        return {
            f"{self.name}.weight": torch.ones_like(weight),
            f"{self.name}.bias": bias.to(weight.dtype),
            f"{self.name}.running_mean": torch.zeros_like(weight),
            f"{self.name}.running_var": torch.full_like(weight, 1 - self.eps),
        }


def folded_norm(network: nn.Module, name: str, *, taken: Collection[str]) -> FoldedNorm | None:
    """The batch norm behind the convolution that `name` is the bias of, where that has none here.

    Args:
        taken: names here of what the file holds; a norm that it holds itself was not folded.
    """
    owner, _, last = name.rpartition(".")
    if last != "bias":
        return None
    try:
        convolution = network.get_submodule(owner)
    except AttributeError:
        return None
    if not isinstance(convolution, _ConvNd) or convolution.bias is not None:
        return None
    norm_name = _next_norm(network, owner)
    if norm_name is None or f"{norm_name}.weight" in taken:
        return None
    norm = network.get_submodule(norm_name)
    fits = isinstance(norm, _BatchNorm) and norm.affine and norm.num_features == convolution.out_channels
    return FoldedNorm(norm_name, norm.eps) if fits and isinstance(norm, _BatchNorm) else None


def _next_norm(network: nn.Module, convolution: str) -> str | None:
    """Where a convolution's batch norm is: next in the same Sequential, or `bn1` beside `conv1`."""
    parent_name, _, own = convolution.rpartition(".")
    parent = network.get_submodule(parent_name)
    beside = str(int(own) + 1) if isinstance(parent, nn.Sequential) and own.isdigit() else own.replace("conv", "bn")
    if beside == own or beside not in dict(parent.named_children()):
        return None
    return f"{parent_name}.{beside}" if parent_name else beside

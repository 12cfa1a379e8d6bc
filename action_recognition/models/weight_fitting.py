"""Fitting one tensor of a weights file to a network that differs a little from the one it was saved from."""

from collections.abc import Collection, Mapping

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
    linears = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    return next((name for name in reversed(linears) if f"{name}.".startswith("head.")), None)


def fit_tensor(name: str, tensor: Tensor, here: Tensor, *, is_stem: bool) -> tuple[Tensor, str] | None:
    """`tensor` in the shape and type of `here`, and what was changed (or an empty text); None if it does not fit.

    Args:
        name: in the network; position tables are recognised by it.
        is_stem: whether it is the weight of the first convolution.
    """
    if tensor.is_floating_point() != here.is_floating_point():
        return None
    how = "half to float" if tensor.dtype in (torch.float16, torch.bfloat16) and here.dtype == torch.float32 else ""
    tensor = tensor.to(here.dtype)
    if tensor.shape == here.shape:
        return tensor, how
    if tensor.squeeze().shape == here.squeeze().shape:
        return tensor.reshape(here.shape), how  # a 1x1x1 convolution as a linear layer
    differing = [i for i in range(min(tensor.ndim, here.ndim)) if tensor.shape[i] != here.shape[i]]
    if tensor.ndim != here.ndim or len(differing) != 1:
        return None
    if is_stem and differing == [1]:
        before, after = tensor.shape[1], here.shape[1]
        mean = tensor.mean(dim=1, keepdim=True) * (before / after)
        return mean.expand_as(here).contiguous(), f"stem from {before} to {after} channels"
    # Not timm's `pos_embed`: its positions lie on a grid, not on a line.
    if any(part.startswith(("pos_", "position", "rel_pos")) and part != "pos_embed" for part in name.split(".")):
        return _interpolated(tensor, dim=differing[0], length=here.shape[differing[0]]), "positions interpolated"
    return None


def _interpolated(tensor: Tensor, *, dim: int, length: int) -> Tensor:
    """Linear along `dim`, as MViT does with its relative positions (Li et al. 2022, arXiv:2112.01526)."""
    moved = tensor.movedim(dim, -1)
    resized = F.interpolate(moved.reshape(1, -1, moved.shape[-1]), size=length, mode="linear", align_corners=False)
    return resized.reshape(*moved.shape[:-1], length).movedim(-1, dim).contiguous()


def unfolded_norm(network: nn.Module, name: str, bias: Tensor, *, taken: Collection[str]) -> Mapping[str, Tensor]:
    """Tensors for a batch norm that the file has folded into the convolution before it; empty if there is none.

    They make the norm add `bias` and nothing else in evaluation.

    Args:
        name: of the convolution's bias in the file; the convolution has none here.
        taken: names here of what the file holds; a norm that it holds itself was not folded.
    """
    owner, _, last = name.rpartition(".")
    try:
        convolution = network.get_submodule(owner)
        norm_name = _next_norm(network, owner)
        norm = network.get_submodule(norm_name)
    except AttributeError:
        return {}
    if last != "bias" or not isinstance(convolution, _ConvNd) or convolution.bias is not None:
        return {}
    if not isinstance(norm, _BatchNorm) or not norm.affine or norm.num_features != convolution.out_channels:
        return {}
    if f"{norm_name}.weight" in taken:
        return {}
    return {
        f"{norm_name}.weight": torch.ones_like(norm.weight),
        f"{norm_name}.bias": bias.to(norm.weight.dtype),
        f"{norm_name}.running_mean": torch.zeros_like(norm.weight),
        f"{norm_name}.running_var": torch.full_like(norm.weight, 1 - norm.eps),
    }


def _next_norm(network: nn.Module, convolution: str) -> str:
    """Where a convolution's batch norm would be: next in the same Sequential, or `bn1` beside `conv1`."""
    parent, dot, own = convolution.rpartition(".")
    in_sequence = isinstance(network.get_submodule(parent), nn.Sequential) and own.isdigit()
    return parent + dot + (str(int(own) + 1) if in_sequence else own.replace("conv", "bn"))

"""Class activation maps: where, and when, in a clip a network finds what speaks for a class."""

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from captum.attr import FeatureAblation, LayerAttribution, LayerGradCam
from numpy.typing import NDArray
from torch import Tensor, nn

from action_recognition.config.schema import CAM_METHODS
from action_recognition.errors import ConfigError
from action_recognition.explain.passing import kept_outputs, maps_through, shapes_recorded, undisturbed
from action_recognition.models.layers import Layer, captured, list_layers

if TYPE_CHECKING:
    from action_recognition.models.module import VideoActionModel

METHODS = CAM_METHODS
ABLATED_BYTES = 2**27  # of maps that are tried together
MOST_ABLATED = 64


@dataclass(frozen=True, kw_only=True)
class ClassMap:
    """The class activation map of one clip.

    Attributes:
        layer: whose maps it was made of.
        target: the class that it speaks for, as a place in `contract.class_names`.
        logits_K: of the clip, float32.
        heat_THW: float32, 0 or more, at the layer's resolution; unscaled, so that maps of one model, layer and method
            can be compared.
    """

    layer: str
    target: int
    logits_K: NDArray[np.float32]
    heat_THW: NDArray[np.float32]

    def over_clip(self, shape_THW: tuple[int, int, int]) -> NDArray[np.float32]:
        """The heat on frames of this size, float32 in 0-1: 1 is the clip's largest; all 0 where nothing speaks for it.

        Trilinear, cells and frames aligned at their edges.
        """
        heat = LayerAttribution.interpolate(torch.from_numpy(self.heat_THW)[None, None], shape_THW, "trilinear")
        assert isinstance(heat, Tensor)
        return scaled(heat[0, 0].numpy())


def scaled(heat: NDArray[np.float32], largest: float | None = None) -> NDArray[np.float32]:
    """`heat / largest` in 0-1, float32; by its own largest value unless another is given, and 0 if that is 0."""
    top = float(heat.max(initial=0.0)) if largest is None else largest
    return np.clip(heat / top, 0, 1).astype(np.float32) if top > 0 else np.zeros_like(heat, dtype=np.float32)


def class_map(
    model: "VideoActionModel",
    clip_CTHW: NDArray[np.generic] | Tensor,
    *,
    method: str = "grad_cam",
    layer: str | None = None,
    target: int | None = None,
) -> ClassMap:
    """The class activation map of a clip.

    `grad_cam` weighs a layer's channels with the mean gradient of the class's logit (Selvaraju et al. 2017,
    arXiv:1610.02391; means over time too, as usual for 3D networks). It costs a forward pass and a backward pass from
    the end to the layer.

    `ablation_cam` weighs each channel with how far the logit falls when that channel is zero (Desai and Ramaswamy 2020,
    WACV; the paper divides by the logit, which only scales the map, and turns it round where the logit is negative). It
    needs no gradients, which saturate and shatter. It costs three passes to the layer, and from there one for each of
    the layer's C channels, which is little for the last layer. Score-CAM (Wang et al. 2020, arXiv:1910.01279) would
    run the whole network C times.

    Both sum the weighted channels and keep what is above 0. Captum computes both; `maps_through` shows it every
    network's layers as `[B, C, T, H, W]`, which it expects but frame networks and transformers do not have.

    The model is left as it was: weights, modes, flags, hooks. No random numbers are drawn.

    Args:
        clip_CTHW: of the model's contract: uint8, 0-255.
        layer: by name; None for `default_layer`, which costs a pass, so ask for it once.
        target: a class; None for the likeliest.

    Raises:
        ConfigError: if there is no such layer, or it has no maps.
    """
    with undisturbed(model):
        clip_BCTHW = as_batch(model, clip_CTHW)
        layer = default_layer(model, clip_BCTHW) if layer is None else layer
        find = {"grad_cam": _grad_cam, "ablation_cam": _ablation_cam}[method]
        heat_THW, target, logits_K = find(model, clip_BCTHW, layer, target)
    return ClassMap(layer=layer, target=target, logits_K=logits_K.cpu().numpy(), heat_THW=heat_THW.cpu().numpy())


Found = tuple[Tensor, int, Tensor]


def _grad_cam(model: "VideoActionModel", clip_BCTHW: Tensor, layer: str, target: int | None) -> Found:
    probe = nn.Identity()  # captum looks at the maps here, where channels are behind the batch
    seen: list[Tensor] = []

    def score(clip_BCTHW: Tensor) -> Tensor:
        logits_BK = model(clip_BCTHW)
        seen.append(logits_BK.detach()[0])
        return logits_BK[:, _chosen(logits_BK[0], target)]

    with maps_through(model.network, layer, probe):
        heat = LayerGradCam(score, probe).attribute(clip_BCTHW, relu_attributions=True)
    assert isinstance(heat, Tensor)
    return heat.detach()[0, 0].float(), _chosen(seen[0], target), seen[0]


@torch.no_grad()
def _ablation_cam(model: "VideoActionModel", clip_BCTHW: Tensor, layer: str, target: int | None) -> Found:
    seen: list[Tensor] = []

    def keep(maps: Tensor) -> Tensor:
        seen.append(maps.clone())
        return maps

    with maps_through(model.network, layer, keep), shapes_recorded(model.network) as once:
        logits_K = model(clip_BCTHW)[0]
    maps, chosen = seen[0], _chosen(logits_K, target)
    twice = _shapes_of_two(model, clip_BCTHW, layer, maps, logits_K)
    # What puts out the same for one map and for two does not depend on the maps: it is run once for all channels.
    apart = {module for module, shapes in twice.items() if shapes == once.get(module) and len(shapes) == 1}

    def tail(maps_NCTHW: Tensor) -> Tensor:
        given = clip_BCTHW if twice else clip_BCTHW.expand(len(maps_NCTHW), -1, -1, -1, -1)
        with maps_through(model.network, layer, lambda _: maps_NCTHW):
            return model(given)[:, chosen]

    channels = maps.shape[1]
    together = min(MOST_ABLATED, channels, max(1, ABLATED_BYTES // (maps.nbytes or 1)))
    by_channel = torch.arange(channels, device=maps.device).view(1, -1, 1, 1, 1)
    with kept_outputs(model.network, apart):
        fall = FeatureAblation(tail).attribute(maps, feature_mask=by_channel, perturbations_per_eval=together)
    return (fall * maps).sum(dim=1).relu()[0].float(), chosen, logits_K


Shapes = dict[nn.Module, list[tuple[Any, ...]]]


def _shapes_of_two(model: "VideoActionModel", clip_BCTHW: Tensor, layer: str, maps: Tensor, logits_K: Tensor) -> Shapes:
    """What modules put out in a pass of one clip that goes on with two maps behind the layer.

    Empty if the network cannot do that; then each map needs a clip of its own, and the whole way to the layer.
    """
    try:
        with (
            maps_through(model.network, layer, lambda _: maps.expand(2, *maps.shape[1:])),
            shapes_recorded(model.network) as shapes,
        ):
            logits_BK = model(clip_BCTHW)
    except RuntimeError:  # shapes that were taken from the batch before the layer
        return {}
    goes = len(logits_BK) == 2 and torch.allclose(logits_BK, logits_K.expand(2, -1), rtol=1e-3, atol=1e-4)
    return shapes if goes else {}


def default_layer(model: "VideoActionModel", clip_CTHW: NDArray[np.generic] | Tensor) -> str:
    """The layer that class activation maps are made of: the last one with a map of more than a point.

    Layers whose places do not reach the logits are left out, such as the last tokens of a network that classifies by
    its class token, and the insides of attention. Where only pooling follows a finer map, that is taken; where a
    network has branches, the branch with the finest last map.

    Raises:
        ConfigError: if no layer is of this kind.
    """
    with undisturbed(model):
        clip_BCTHW = as_batch(model, clip_CTHW)
        candidates = [layer for layer in list_layers(model, clip_BCTHW) if layer.has_maps and layer.stage]
        candidates = _reaching_logits(model, clip_BCTHW, [one for one in candidates if not _in_attention(model, one)])
    if not candidates:
        network = model.hparams["model"]["network"]
        raise ConfigError(
            f"{network}: no layer with maps of more than a point reaches the logits; there is no class map"
        )
    stage = max(layer.stage for layer in candidates)
    branches: dict[str, list[Layer]] = {}
    for layer in candidates:
        if layer.stage == stage:
            branches.setdefault(layer.name.partition(".")[0], []).append(layer)
    return max((_finest_end(branch) for branch in branches.values()), key=_places).name


def _reaching_logits(model: "VideoActionModel", clip_BCTHW: Tensor, layers: list[Layer]) -> list[Layer]:
    """Those of `layers` on whose maps the logits depend."""
    with captured(model.network, [layer.name for layer in layers], copy=None) as found:
        logits_BK = model(clip_BCTHW.float().requires_grad_())
    # The sum of logits could be constant (of log-probabilities nearly is); this is not.
    weights_K = torch.linspace(-1, 1, logits_BK.shape[1] + 1, device=logits_BK.device)[1:]
    outputs = [found.outputs[layer.name] for layer in layers]
    gradients = torch.autograd.grad((logits_BK * weights_K).sum(), outputs, allow_unused=True)
    reached = zip(layers, gradients, strict=True)
    return [layer for layer, grad in reached if grad is not None and found.maps(layer.name, grad).any()]


def _in_attention(model: "VideoActionModel", layer: Layer) -> bool:
    parts = layer.name.partition("#")[0].split(".")
    above = (model.network.get_submodule(".".join(parts[:end])) for end in range(1, len(parts) + 1))
    return any("attention" in type(module).__name__.lower() for module in above)


def _finest_end(layers: list[Layer]) -> Layer:
    """The last layer, or a finer one that only layers without weights follow."""
    best = layers[-1]
    for layer in reversed(layers):
        if any(other.name.startswith(f"{layer.name}.") for other in layers):
            continue  # it puts out what its last part does
        best = max(best, layer, key=_places)
        if layer.parameters:
            break
    return best


def _places(layer: Layer) -> int:
    return prod(layer.map_shape[1:]) if layer.map_shape else 0


def _chosen(logits_K: Tensor, target: int | None) -> int:
    return int(logits_K.argmax()) if target is None else target


def as_batch(model: "VideoActionModel", clip: NDArray[np.generic] | Tensor) -> Tensor:
    """`[1, C, T, H, W]` on the model's device; a copy, because tensors of inference mode take part in no gradient."""
    clip_CTHW = torch.as_tensor(clip).clone().to(model.mean.device)
    return clip_CTHW if clip_CTHW.ndim == 5 else clip_CTHW[None]

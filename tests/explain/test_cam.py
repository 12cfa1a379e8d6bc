"""Class activation maps: equal to independent references, for every network, and leaving the model as it was."""

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from helpers.frame_checks import settle
from helpers.tiny_models import tiny_contract, tiny_model
from models.networks.test_networks import OPTIONS
from models.test_layers import model_of

from action_recognition.errors import ConfigError
from action_recognition.explain.cam import METHODS, class_map, default_layer, scaled
from action_recognition.explain.passing import maps_through
from action_recognition.models.layers import captured
from action_recognition.models.module import VideoActionModel


def clip_of(model: VideoActionModel, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, model.contract.clip_shape, dtype=np.uint8)


def state_of(model: VideoActionModel) -> list[object]:
    """Everything that an explanation could leave behind."""
    hooks = [
        (len(module._forward_hooks), len(module._forward_pre_hooks), "forward" in vars(module), module.training)
        for module in model.modules()
    ]
    weights = [
        (weight.requires_grad, weight.grad is None, float(weight.detach().sum())) for weight in model.parameters()
    ]
    return [hooks, weights, [float(buffer.sum()) for buffer in model.buffers()]]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_network_has_maps_of_both_kinds_and_stays_as_it_was(option: str) -> None:
    model = model_of(option).train()
    next(model.network.parameters()).requires_grad_(False)
    clip_CTHW, before, seed = clip_of(model), state_of(model), torch.random.get_rng_state()
    layer = default_layer(model, clip_CTHW)
    shape_THW = (model.contract.frames, model.contract.size, model.contract.size)
    for method in METHODS:
        found = class_map(model, clip_CTHW, method=method, layer=layer)
        assert found.heat_THW.shape[1] == found.heat_THW.shape[2] > 1
        assert found.heat_THW.dtype == np.float32
        assert np.isfinite(found.heat_THW).all()
        assert found.heat_THW.min() >= 0
        assert found.target == found.logits_K.argmax()
        heat_THW = found.over_clip(shape_THW)
        assert heat_THW.shape == shape_THW
        assert heat_THW.dtype == np.float32
        assert 0 <= heat_THW.min() <= heat_THW.max() <= 1
    with torch.no_grad():
        logits_K = model.eval()(torch.from_numpy(clip_CTHW)[None])[0].numpy()
    np.testing.assert_allclose(found.logits_K, logits_K, rtol=1e-4, atol=1e-4)
    assert state_of(model.train()) == before
    assert torch.equal(torch.random.get_rng_state(), seed)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("option", "layer"),
    [
        ("cnn3d", "blocks.1.2"),
        ("resnet18", "backbone.maxpool"),
        ("resnet18_transformer", "backbone.layer1.0"),
        ("two_stream", "motion.conv1"),
        ("two_stream", "appearance.features.1"),
        ("swin3d_t", "backbone.patch_embed"),
        ("mvit_v2_s", "backbone.blocks.0"),
        ("timm_vit", "backbone.blocks.3"),
        ("lrcn_adapted", "frames.1"),
    ],
)
def test_maps_are_those_of_the_formulas_written_out(option: str, layer: str, method: str) -> None:
    """Gradients and ablations by plain autograd and by one whole pass per channel, in the layer's own layout."""
    model = model_of(option).eval()
    clip_CTHW, target = clip_of(model), 2
    clip_BCTHW = torch.from_numpy(clip_CTHW)[None]
    settle(model.network, model.network_input(torch.from_numpy(np.stack([clip_of(model, 1), clip_of(model, 2)]))))
    found = class_map(model, clip_CTHW, method=method, layer=layer, target=target)
    with captured(model.network, [layer], copy=None) as seen:
        score = model(clip_BCTHW)[0, target]
        (gradient,) = torch.autograd.grad(score, [seen.outputs[layer]])
        gradient_CTHW, maps_CTHW = seen.maps(layer, gradient)[0], seen.maps(layer).detach()[0]
    if method == "grad_cam":
        weights_C = gradient_CTHW.mean(dim=(1, 2, 3))
    else:
        weights_C = torch.zeros(len(maps_CTHW))
        for channel in range(len(weights_C)):

            def without(_: object, __: object, output: object, channel: int = channel) -> None:
                given = output if isinstance(output, torch.Tensor) else output[0]
                seen.layouts[layer].maps(given)[:, channel] = 0

            module = model.network.get_submodule(layer)
            hook = module.register_forward_hook(without)
            with torch.no_grad():
                weights_C[channel] = score.detach() - model(clip_BCTHW)[0, target]
            hook.remove()
    heat_THW = (weights_C[:, None, None, None] * maps_CTHW).sum(0).relu()
    largest = float((weights_C[:, None, None, None] * maps_CTHW).abs().sum(0).max())
    np.testing.assert_allclose(found.heat_THW, heat_THW.detach().numpy(), rtol=2e-3, atol=2e-3 * largest)


def test_grad_cam_is_captums_own_where_captum_can_be_asked_directly() -> None:
    model = tiny_model()
    clip_CTHW = clip_of(model)
    for layer in ("blocks.0", "blocks.1.2", "blocks.2.1"):
        found = class_map(model, clip_CTHW, layer=layer, target=1)
        direct = LayerGradCam(model, model.network.get_submodule(layer))
        clip_BCTHW = torch.from_numpy(clip_CTHW)[None].float().requires_grad_()
        heat = direct.attribute(clip_BCTHW, target=1, relu_attributions=True)
        np.testing.assert_allclose(found.heat_THW, heat[0, 0].detach().numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("option", ["cnn3d", "swin3d_t", "two_stream"])
@pytest.mark.parametrize("method", METHODS)
def test_the_same_clip_has_the_same_maps(option: str, method: str) -> None:
    model = model_of(option)
    first, second = (class_map(model, clip_of(model), method=method).heat_THW for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_frozen_model_in_inference_mode_gives_the_same_maps() -> None:
    model = tiny_model()
    clip_CTHW = torch.from_numpy(clip_of(model))
    expected = [class_map(model, clip_CTHW, method=method).heat_THW for method in METHODS]
    model.requires_grad_(False)
    with torch.inference_mode():
        given = clip_CTHW.clone()
        found = [class_map(model, given, method=method).heat_THW for method in METHODS]
    np.testing.assert_array_equal(found, expected)
    assert max(heat.max() for heat in expected) > 0


def test_maps_speak_for_the_class_that_was_asked_for() -> None:
    """Two classes of opposite weights: what speaks for one is where nothing speaks for the other."""
    model = tiny_model(class_names=("left", "right"))
    with torch.no_grad():
        linear = model.network.head[-1]
        linear.weight[1] = -linear.weight[0]
    clip_CTHW = clip_of(model)
    for method in METHODS:
        left, right = (class_map(model, clip_CTHW, method=method, target=target).heat_THW for target in (0, 1))
        assert left.max() > 0 or right.max() > 0
        assert (left * right).max() == 0


def test_a_class_token_takes_what_layers_behind_the_last_attention_know_of_places() -> None:
    """The default layer is one whose places reach the logits; behind it, gradients of places are zero."""
    model = model_of("mvit_v2_s")
    assert default_layer(model, clip_of(model)) == "backbone.blocks.3.norm1"
    assert class_map(model, clip_of(model), layer="backbone.blocks.3").heat_THW.max() == 0


@pytest.mark.parametrize(
    ("layer", "words"),
    [("blocks.9", "layer blocks.9: no such layer"), ("head.1", "head.1: its output of 1x3"), ("", "no such layer")],
)
def test_layers_that_have_no_maps_are_refused_in_one_line(layer: str, words: str) -> None:
    model = tiny_model()
    before = state_of(model)
    with pytest.raises(ConfigError, match=words):
        class_map(model, clip_of(model), layer=layer)
    assert state_of(model) == before


def test_a_network_without_maps_has_no_default_layer() -> None:
    contract = tiny_contract(frames=1, size=16, short_side=16)
    model = VideoActionModel(contract.to_dict(), {"network": "cnn3d", "args": {"widths": [4] * 5}})
    with torch.no_grad():
        for weight in model.network.head.parameters():
            weight.zero_()  # nothing reaches the logits
    with pytest.raises(ConfigError, match="cnn3d: no layer with maps"):
        default_layer(model, clip_of(model))


def test_what_nothing_speaks_for_is_dark_not_divided_by_zero() -> None:
    np.testing.assert_array_equal(scaled(np.zeros((2, 3), np.float32)), 0)
    np.testing.assert_allclose(scaled(np.array([0.0, 2.0, 4.0], np.float32)), [0, 0.5, 1])
    np.testing.assert_allclose(scaled(np.array([0.0, 2.0, 4.0], np.float32), 2.0), [0, 1, 1])


def test_maps_of_a_layer_can_be_replaced_for_many_clips_at_once() -> None:
    """The rest of the network runs on as many clips as there are maps, and gives what each gives alone."""
    for option in ("two_stream", "swin3d_t", "lrcn", "resnet18_transformer"):
        model = model_of(option).eval()
        clip_BCTHW = torch.from_numpy(clip_of(model))[None]
        layer = default_layer(model, clip_BCTHW)
        with torch.no_grad(), captured(model.network, [layer]) as seen:
            logits_BK = model(clip_BCTHW)
            maps = seen.maps(layer)
            with maps_through(model.network, layer, lambda _, maps=maps: torch.cat([maps, 0 * maps, maps])):
                three_BK = model(clip_BCTHW)
        torch.testing.assert_close(three_BK[::2], logits_BK.expand(2, -1), rtol=1e-3, atol=1e-4)

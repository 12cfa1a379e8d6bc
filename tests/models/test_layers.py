"""Layers by name: listed, chosen and captured for every network; maps lie where the network's own code puts them."""

import pytest
import torch
from helpers.network_checks import noise
from helpers.tiny_models import tiny_contract, tiny_model
from models.networks.test_networks import OPTIONS

from action_recognition.errors import ConfigError
from action_recognition.models.layers import captured, choose_layers, default_layers, list_layers
from action_recognition.models.module import VideoActionModel

# Sides of clips where the miniature's own are too small for more than a point at the end.
SIDES = {"timm_vit": 160, "mvit_v2_s": 64}


def model_of(option: str) -> VideoActionModel:
    name, args, features = OPTIONS[option]
    channels, frames, height, width = next(iter(features))
    size = SIDES.get(option, max(height, width))
    contract = tiny_contract(
        channels=channels, mean=(100.0,) * channels, std=(50.0,) * channels, frames=frames, size=size, short_side=size
    )
    torch.manual_seed(0)
    return VideoActionModel(contract.to_dict(), {"network": name, "args": args})


@pytest.mark.parametrize("option", OPTIONS)
def test_layers_of_every_network_are_listed_and_captured(option: str) -> None:
    model = model_of(option)
    layers = list_layers(model)
    chosen = default_layers(layers)
    assert 2 <= len(chosen) <= 10
    clip_BCTHW = torch.randint(0, 256, (2, *model.contract.clip_shape)).to(torch.uint8)
    model.eval()
    with torch.no_grad(), captured(model.network, [layer.name for layer in chosen]) as found:
        model(clip_BCTHW)
    frames = model.contract.frames
    for layer in chosen:
        maps_BCTHW = found.maps(layer.name)
        assert maps_BCTHW.shape == (2, *layer.map_shape)
        assert maps_BCTHW.shape[2] <= frames
        assert maps_BCTHW.shape[3] == maps_BCTHW.shape[4] > 0
    sides = [layer.map_shape[2] for layer in chosen if layer.name.partition(".")[0] != "appearance"]
    assert sides == sorted(sides, reverse=True), "maps grow smaller towards the output"
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("option", OPTIONS)
def test_a_clip_of_the_batch_keeps_its_own_maps(option: str) -> None:
    """Two clips together give what each gives alone: nothing was unfolded along the wrong axis."""
    model = model_of(option).eval()
    names = [layer.name for layer in list_layers(model) if layer.map_shape]
    torch.manual_seed(1)
    clips = torch.randint(0, 256, (2, *model.contract.clip_shape)).to(torch.uint8)
    with torch.no_grad(), captured(model.network, names) as both, captured(model.network, names) as alone:
        model(clips)
        together = {name: both.maps(name) for name in names}
        for number, clip_CTHW in enumerate(clips):
            model(clip_CTHW[None])
            for name in names:
                torch.testing.assert_close(alone.maps(name)[0], together[name][number], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("option", ["resnet18", "swin3d_t", "mvit_v2_s", "timm_vit", "lrcn_adapted"])
def test_a_map_is_brightest_where_and_when_the_clip_changes(option: str) -> None:
    """A patch in one corner of one late frame changes that corner of the first stage's maps most, at its time."""
    model = model_of(option).eval()
    layer = default_layers(list_layers(model))[0]
    clip_BCTHW = torch.full((1, *model.contract.clip_shape), 100, dtype=torch.uint8)
    changed = clip_BCTHW.clone()
    size = model.contract.size // 4
    changed[:, :, -1, :size, -size:] = 255
    with torch.no_grad(), captured(model.network, [layer.name]) as found:
        model(clip_BCTHW)
        before = found.maps(layer.name)
        model(changed)
        change_THW = (found.maps(layer.name) - before).abs().mean(dim=(0, 1))
    time, row, column = (int(place) for place in torch.unravel_index(change_THW.argmax(), change_THW.shape))
    steps, rows, _ = change_THW.shape
    assert time == steps - 1
    assert row < rows / 2 <= column  # rows are as many as columns


def test_copies_are_from_before_a_layer_in_place_and_hooks_leave_the_logits_alone() -> None:
    model = tiny_model()
    clip_BCTHW = torch.randint(0, 256, (2, 3, 4, 32, 32)).to(torch.uint8)
    expected_BK = model(clip_BCTHW)
    with captured(model.network, ["blocks.0.1", "blocks.0.2"], copy=None) as found:
        logits_BK = model(clip_BCTHW)
    torch.testing.assert_close(logits_BK, expected_BK)
    norm, relu = (found.outputs[name] for name in ("blocks.0.1", "blocks.0.2"))
    assert norm.min() < 0, "the norm's output is not what the ReLU in place made of it"
    torch.testing.assert_close(norm.relu(), relu)
    through_norm, through_relu = torch.autograd.grad(logits_BK[:, 0].sum(), [norm, relu])
    torch.testing.assert_close(through_norm, through_relu * (norm > 0))


def test_hooks_are_gone_after_an_error_and_modes_are_put_back() -> None:
    model = tiny_model().train()
    model.network.blocks[0].eval()
    with pytest.raises(RuntimeError), captured(model.network):
        model.network(noise(1, 2, 4, 32, 32))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    statistics = model.network.blocks[1][1].running_mean.clone()
    list_layers(model)
    assert model.training
    assert not model.network.blocks[0].training
    assert torch.equal(model.network.blocks[1][1].running_mean, statistics)


def test_a_module_that_is_called_twice_has_two_names() -> None:
    model = model_of("resnet18").eval()
    names = ["backbone.layer1.0.relu", "backbone.layer1.0.relu#2", "backbone.layer1.0"]
    assert set(names) <= {layer.name for layer in list_layers(model)}
    with torch.no_grad(), captured(model.network, names) as found:
        model(torch.randint(0, 256, (1, *model.contract.clip_shape)).to(torch.uint8))
    first, second, block = (found.outputs[name] for name in names)
    assert not torch.equal(first, second)
    assert torch.equal(second, block)


def test_compiled_and_half_networks_are_captured() -> None:
    model = tiny_model()
    clip_BCTHW = torch.randint(0, 256, (1, 3, 4, 32, 32)).to(torch.uint8)
    model.network.compile(backend="eager")
    with torch.no_grad():
        model(clip_BCTHW)
        with captured(model.network, ["blocks.1.0", "blocks.1"]) as found, torch.autocast("cpu", torch.bfloat16):
            model(clip_BCTHW)
    assert found.maps("blocks.1").shape == (1, 4, 2, 4, 4)
    assert found.outputs["blocks.1.0"].dtype == torch.bfloat16


def test_patterns_choose_layers() -> None:
    layers = list_layers(tiny_model())
    names = [layer.name for layer in choose_layers(layers, ["head.*", "blocks.?.0", "blocks.1"])]
    assert names == ["blocks.0.0", "blocks.1.0", "blocks.1", "blocks.2.0", "head.1"]
    first = choose_layers(layers, ["blocks.0.0"])[0]
    assert (first.kind, first.shape, first.parameters, first.stage) == ("Conv3d", (4, 4, 16, 16), 324, 1)
    assert choose_layers(layers, ["head.1"])[0].stage == 0
    with pytest.raises(ConfigError, match=r"visualize\.layers=blocks\.0\.l: no such layer \(did you mean 'blocks\.0"):
        choose_layers(layers, ["blocks.0.l"])
    with pytest.raises(ConfigError, match="list-layers"), captured(tiny_model().network, ["block.0"]):
        pass

import pytest
import torch
import torchvision
from helpers.frame_checks import settle
from helpers.network_checks import check_logits, check_parts, noise

from action_recognition.models.networks import build_network
from action_recognition.models.networks.base import ActionNetwork
from action_recognition.models.pretrained import load_pretrained

SHAPE = (3, 4, 48, 40)  # maps of 2x2
BACKBONES = ["resnet18", "resnet50", "efficientnet_b0", "mobilenet_v2"]


def make(name: str = "mobilenet_v2", *, shape: tuple[int, int, int, int] = SHAPE, **args: object) -> ActionNetwork:
    torch.manual_seed(0)
    network = build_network(name, clip_shape=shape, num_classes=5, **args)
    return settle(network, noise(4, *shape, seed=9))


@pytest.mark.parametrize("name", BACKBONES)
def test_torchvisions_weights_fit_with_their_classifier(name: str, tmp_path) -> None:
    torch.manual_seed(1)
    theirs = settle(torchvision.models.get_model(name, weights=None, num_classes=5), noise(8, 3, 48, 40, seed=9))
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    network = make(name)
    report = load_pretrained(network, str(tmp_path / "weights.pth"), network_name=name)
    assert (report.missing, report.unexpected, report.mismatched) == ([], [], {})
    still = noise(2, 3, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network(still), theirs(still[:, :, 0]), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("head", "pooling", "features"),
    [
        ("linear", "average", (1280,)),
        ("light", "temporal_shift", (1280,)),
        ("linear", "transformer", (4, 1280)),
        ("conv", "average", (4, 1280, 2, 2)),
        ("conv", "temporal_shift", (4, 1280, 2, 2)),
        ("baseline", "average", (4, 1280, 2, 2)),
    ],
)
def test_heads_and_poolings(head: str, pooling: str, features: tuple[int, ...]) -> None:
    network = make(head=head, pooling=pooling, dim=16)
    found = check_logits(network, noise(2, *SHAPE), num_classes=5)
    assert found.shape == (2, *features)
    check_parts(network)


@pytest.mark.parametrize("name", BACKBONES)
def test_stages_are_of_one_resolution_each(name: str) -> None:
    network = make(name)
    check_parts(network)
    assert len(network.stages()) == 5
    if name.startswith("resnet"):
        assert network.stages()[1:] == [getattr(network.backbone, f"layer{n}") for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("head", ["linear", "conv", "baseline"])
def test_a_head_gives_the_consensus_of_its_frames(head: str) -> None:
    network, clip = make(head=head), noise(2, *SHAPE)
    with torch.no_grad():
        frames = [network(clip[:, :, t : t + 1]) for t in range(4)]
        torch.testing.assert_close(network(clip), torch.stack(frames).mean(0), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("pooling", "blind"), [("average", True), ("temporal_shift", False), ("transformer", False)])
def test_who_sees_the_order_of_frames(pooling: str, blind: bool) -> None:
    network, clip = make(pooling=pooling, dim=16), noise(1, *SHAPE)
    with torch.no_grad():
        assert torch.allclose(network(clip), network(clip.flip(2)), rtol=1e-4, atol=1e-5) == blind


def test_conv_head_layers() -> None:
    head = make("resnet50", head="conv").head
    shapes = [tuple(weight.shape) for weight in head.parameters() if weight.ndim > 1]
    assert shapes == [(512, 2048, 3, 3), (256, 512, 3, 3), (5, 256)]
    assert sum(isinstance(layer, torch.nn.BatchNorm2d) for layer in head) == 2


def test_baseline_head_is_made_for_one_size() -> None:
    network = make(head="baseline")
    assert [layer.in_features for layer in network.head if isinstance(layer, torch.nn.Linear)] == [1280 * 2 * 2, 512]
    assert network(noise(1, 3, 2, 33, 64)).shape == (1, 5)  # rounded up to the same map
    with pytest.raises(ValueError, match="head=baseline: made for maps of 2x2, not 3x2"):
        network(noise(1, 3, 1, 65, 64))


@pytest.mark.parametrize("size", [(32, 32), (33, 64), (95, 97)])
def test_baseline_head_knows_the_size_of_every_backbones_map(size: tuple[int, int]) -> None:
    shape = (3, 1, *size)
    for name, args in (("resnet18", {}), ("efficientnet_b0", {}), ("mobilenet_v2", {"same_padding": True})):
        assert make(name, shape=shape, head="baseline", **args)(noise(1, *shape)).shape == (1, 5)


def test_dropout_is_the_heads_own_unless_given() -> None:
    def chances(network: ActionNetwork) -> set[float]:
        return {module.p for module in network.head.modules() if isinstance(module, torch.nn.Dropout)}

    assert chances(make(head="linear")) == {0.5}
    assert chances(make(head="light")) == {0.2}
    assert chances(make(head="conv", dropout=0.3)) == {0.3}
    assert chances(make(pooling="transformer", dropout=0.4)) == {0.4}


@pytest.mark.parametrize("channels", [1, 6])
@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "mobilenet_v2"])
def test_other_channels(name: str, channels: int, tmp_path) -> None:
    network = make(name, shape=(channels, *SHAPE[1:]))
    torch.save(make(name).backbone.state_dict(), tmp_path / "rgb.pth")
    report = load_pretrained(network, str(tmp_path / "rgb.pth"), network_name=name)
    assert list(report.adapted.values()) == [f"stem from 3 to {channels} channels"]
    assert all(name.startswith("head.") for name in report.missing)


def test_efficientnet_b7() -> None:
    network = make("efficientnet_b7", shape=(3, 1, 64, 64), head="light")
    assert check_logits(network, noise(2, 3, 1, 64, 64), num_classes=5).shape == (2, 2560)
    check_parts(network)
    assert sum(weight.numel() for weight in network.backbone.parameters()) == 63_786_960


def test_channels_last_keeps_parameters_and_logits() -> None:
    network, clip = make(pooling="temporal_shift"), noise(2, *SHAPE)
    with torch.no_grad():
        before, parameters = network(clip), [id(weight) for weight in network.parameters()]
        network.to(memory_format=torch.channels_last_3d)
        torch.testing.assert_close(network(clip.contiguous(memory_format=torch.channels_last_3d)), before)
    assert [id(weight) for weight in network.parameters()] == parameters
    assert network.backbone.features[0][0].weight.is_contiguous(memory_format=torch.channels_last)

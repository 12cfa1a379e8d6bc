"""MViT and Swin: the same function as torchvision's own, also where positions had to be interpolated."""

from pathlib import Path

import pytest
import torch
from helpers.network_checks import check_every_stage_learns, check_logits, check_onnx, check_parts, noise, stir
from torch import nn
from torchvision.models import get_model

from action_recognition.errors import ConfigError
from action_recognition.models.networks import build_network
from action_recognition.models.pretrained import load_pretrained

SHAPE = (3, 4, 32, 32)


def test_mvit_of_another_size_is_torchvisions_with_positions_interpolated(tmp_path: Path) -> None:
    theirs = get_model("mvit_v2_s", weights=None).eval()  # for 16 frames of 224x224
    stir(theirs)
    with torch.no_grad():
        for name, weight in theirs.named_parameters():
            if "rel_pos" in name:
                weight.mul_(20)  # else positions hardly matter
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    ours = build_network("mvit_v2_s", clip_shape=SHAPE, num_classes=400)
    report = load_pretrained(ours, str(tmp_path / "theirs.pth"), network_name="mvit_v2_s")
    assert (report.missing, report.unexpected, report.mismatched) == ((), (), ())
    assert set(report.adapted.values()) == {"positions interpolated"}
    assert all(".rel_pos_" in name for name in report.adapted)
    # Told the map's size, torchvision's own interpolates while it runs.
    theirs.pos_encoding.spatial_size, theirs.pos_encoding.temporal_size = (8, 8), 2
    clip_BCTHW = noise(2, *SHAPE)
    features_BD = check_logits(ours, clip_BCTHW, num_classes=400)
    assert features_BD.shape == (2, 768)
    with torch.inference_mode():
        torch.testing.assert_close(ours.head(features_BD), theirs(clip_BCTHW), rtol=1e-3, atol=1e-4)
    check_parts(ours)


def test_mvit_at_its_own_size_has_torchvisions_shapes() -> None:
    with torch.device("meta"):
        theirs = get_model("mvit_v2_s", weights=None)
        ours = build_network("mvit_v2_s", clip_shape=(3, 16, 224, 224), num_classes=400)
    theirs.head = nn.Identity()
    shapes = {name: tensor.shape for name, tensor in ours.backbone.state_dict().items()}
    assert shapes == {name: tensor.shape for name, tensor in theirs.state_dict().items()}


def test_swin_is_torchvisions_own(tmp_path: Path) -> None:
    theirs = get_model("swin3d_t", weights=None).eval()
    stir(theirs)
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    ours = build_network("swin3d_t", clip_shape=SHAPE, num_classes=400)
    report = load_pretrained(ours, str(tmp_path / "theirs.pth"), network_name="swin3d_t")
    assert (report.missing, report.unexpected, report.mismatched, dict(report.adapted)) == ((), (), (), {})
    clip_BCTHW = noise(2, 3, 6, 60, 64)  # windows of 8x7x7 are shifted on a map of 3x15x16
    features_BD = check_logits(ours, clip_BCTHW, num_classes=400)
    with torch.inference_mode():
        torch.testing.assert_close(ours.head(features_BD), theirs(clip_BCTHW), rtol=1e-4, atol=1e-4)
    check_parts(ours)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("mvit_v2_s", (1, 2, 32, 36)),
        ("mvit_v2_s", (6, 4, 40, 32)),
        ("swin3d_t", (1, 1, 30, 41)),
        ("swin3d_t", (6, 5, 32, 32)),
    ],
)
def test_other_channels_sizes_and_training(name: str, shape: tuple[int, int, int, int]) -> None:
    torch.manual_seed(0)
    network = build_network(name, clip_shape=shape, num_classes=3, depths=[1, 1, 1, 1], stochastic_depth=0.0)
    check_parts(network)
    clip_BCTHW = noise(2, *shape)
    check_logits(network, clip_BCTHW, num_classes=3)
    check_every_stage_learns(network, clip_BCTHW)


@pytest.mark.parametrize("shape", [(3, 5, 32, 32), (3, 1, 32, 32), (3, 4, 34, 32), (3, 4, 32, 28)], ids=str)
def test_mvit_names_the_sizes_it_takes(shape: tuple[int, int, int, int]) -> None:
    with pytest.raises(ConfigError, match="even number of frames and sides that are multiples of 4 from 32") as raised:
        build_network("mvit_v2_s", clip_shape=shape, num_classes=2)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["mvit_v2_s", "swin3d_t"])
def test_depths_that_cannot_be(name: str) -> None:
    with pytest.raises(ConfigError, match=r"depths=\[1, 0, 1, 1\]"):
        build_network(name, clip_shape=SHAPE, num_classes=2, depths=[1, 0, 1, 1])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mvit_v2_s", "swin3d_t"])
def test_onnx(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(name, clip_shape=SHAPE, num_classes=3, depths=[1, 1, 1, 1])
    check_onnx(network, SHAPE)

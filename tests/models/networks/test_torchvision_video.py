"""torchvision's video networks: the same function as torchvision's own on the same weights, on any channels."""

from pathlib import Path

import pytest
import torch
from helpers.network_checks import check_logits, check_onnx, noise, stir
from torch import nn
from torchvision.models import get_model

from action_recognition.models.networks import build_network
from action_recognition.models.networks.base import ActionNetwork
from action_recognition.models.pretrained import PretrainedReport, load_pretrained

SHAPE = (3, 4, 32, 32)
S3D_SMALLEST = (3, 13, 209, 209)


def twins(
    name: str, folder: Path, shape: tuple[int, int, int, int]
) -> tuple[ActionNetwork, nn.Module, PretrainedReport]:
    """Ours with the weights of torchvision's, that one, and what was said of the weights."""
    theirs = get_model(name, weights=None).eval()
    stir(theirs)
    with torch.no_grad():
        for part, weight in theirs.named_parameters():
            if "rel_pos" in part:
                weight.mul_(20)  # else positions hardly matter
    torch.save(theirs.state_dict(), folder / "theirs.pth")
    ours = build_network(name, clip_shape=shape, num_classes=400).eval()
    report = load_pretrained(ours, str(folder / "theirs.pth"), network_name=name)
    assert (report.missing, report.unexpected, report.mismatched) == ([], [], {})
    assert set(report.matched) == set(ours.state_dict())
    return ours, theirs, report


@pytest.mark.parametrize(
    ("name", "shape", "clip_shape"),
    [
        ("r3d_18", SHAPE, (2, *SHAPE)),
        ("mc3_18", SHAPE, (2, *SHAPE)),
        ("r2plus1d_18", SHAPE, (2, *SHAPE)),
        # Theirs classifies with a 1x1x1 convolution, ours with a linear layer.
        ("s3d", S3D_SMALLEST, (1, *S3D_SMALLEST)),
        ("swin3d_t", SHAPE, (2, 3, 6, 60, 64)),  # windows of 8x7x7 are shifted on a map of 3x15x16
    ],
)
def test_same_function_as_torchvisions_own(name: str, shape: tuple, clip_shape: tuple, tmp_path: Path) -> None:
    ours, theirs, report = twins(name, tmp_path, shape)
    assert report.adapted == {}
    assert len(ours.stages()) == 5
    with torch.inference_mode():
        clip_BCTHW = noise(*clip_shape)
        torch.testing.assert_close(ours(clip_BCTHW), theirs(clip_BCTHW), rtol=1e-4, atol=1e-4)


def test_mvit_of_another_size_is_torchvisions_with_positions_interpolated(tmp_path: Path) -> None:
    ours, theirs, report = twins("mvit_v2_s", tmp_path, SHAPE)  # theirs is for 16 frames of 224x224
    assert set(report.adapted.values()) == {"positions interpolated"}
    assert all(".rel_pos_" in name for name in report.adapted)
    # Told the map's size, torchvision's own interpolates while it runs.
    theirs.pos_encoding.spatial_size, theirs.pos_encoding.temporal_size = (8, 8), 2
    clip_BCTHW = noise(2, *SHAPE)
    with torch.inference_mode():
        torch.testing.assert_close(ours(clip_BCTHW), theirs(clip_BCTHW), rtol=1e-3, atol=1e-4)


def test_mvit_at_its_own_size_has_torchvisions_shapes() -> None:
    with torch.device("meta"):
        theirs = get_model("mvit_v2_s", weights=None)
        ours = build_network("mvit_v2_s", clip_shape=(3, 16, 224, 224), num_classes=400)
    theirs.head = nn.Identity()
    shapes = {name: tensor.shape for name, tensor in ours.backbone.state_dict().items()}
    assert shapes == {name: tensor.shape for name, tensor in theirs.state_dict().items()}


@pytest.mark.parametrize("channels", [1, 6])
def test_stem_of_other_channels_sees_grey_as_rgb_did(channels: int, tmp_path: Path) -> None:
    theirs = get_model("mc3_18", weights=None).eval()
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    theirs.fc = nn.Identity()
    ours = build_network("mc3_18", clip_shape=(channels, *SHAPE[1:]), num_classes=3, dropout=0.5)
    assert ours.head[0].p == 0.5
    report = load_pretrained(ours, str(tmp_path / "theirs.pth"), network_name="mc3_18")
    assert report.adapted == {"backbone.stem.0.weight": f"stem from 3 to {channels} channels"}
    assert report.head_classes == (400, 3)
    grey = noise(2, 1, *SHAPE[1:])
    found_BD = check_logits(ours, grey.repeat(1, channels, 1, 1, 1), num_classes=3)
    with torch.inference_mode():
        torch.testing.assert_close(found_BD, theirs(grey.repeat(1, 3, 1, 1, 1)), rtol=1e-4, atol=1e-5)


def test_s3d_takes_other_channels() -> None:
    with torch.device("meta"):
        network = build_network("s3d", clip_shape=(6, 16, 224, 224), num_classes=7)
        assert network(torch.empty(2, 6, 16, 224, 224)).shape == (2, 7)


@pytest.mark.slow
def test_s3d_exports() -> None:
    network = build_network("s3d", clip_shape=S3D_SMALLEST, num_classes=5)
    stir(network)
    check_onnx(network, S3D_SMALLEST, batch=1)


@pytest.mark.parametrize("name", ["r3d_18", "mc3_18", "r2plus1d_18", "s3d", "mvit_v2_s", "swin3d_t"])
def test_published_weights_are_known_by_name(name: str) -> None:
    with torch.device("meta"):
        names = build_network(name, clip_shape=(3, 16, 224, 224), num_classes=2).weight_names()
    assert names["DEFAULT"] == names["KINETICS400_V1"]
    assert names["DEFAULT"].startswith(f"https://download.pytorch.org/models/{name}-")
    assert names["DEFAULT"].endswith(".pth")

"""torchvision's video ResNets: the same function as torchvision's own on the same weights, on any channels."""

from pathlib import Path

import pytest
import torch
from helpers.network_checks import check_every_stage_learns, check_logits, check_onnx, check_parts, noise, stir
from torchvision.models import get_model

from action_recognition.models.networks import build_network
from action_recognition.models.pretrained import load_pretrained

SHAPE = (3, 4, 32, 32)


@pytest.mark.parametrize("name", ["r3d_18", "mc3_18", "r2plus1d_18"])
def test_same_function_as_torchvisions_own(name: str, tmp_path: Path) -> None:
    theirs = get_model(name, weights=None).eval()
    stir(theirs)
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    ours = build_network(name, clip_shape=SHAPE, num_classes=400)
    report = load_pretrained(ours, str(tmp_path / "theirs.pth"), network_name=name)
    assert (report.missing, report.unexpected, report.mismatched, dict(report.adapted)) == ((), (), (), {})
    assert set(report.matched) == set(ours.state_dict())
    clip_BCTHW = noise(2, *SHAPE)
    features_BD = check_logits(ours, clip_BCTHW, num_classes=400)
    assert features_BD.shape == (2, 512)
    with torch.inference_mode():
        torch.testing.assert_close(ours.head(features_BD), theirs(clip_BCTHW))
    check_parts(ours)


@pytest.mark.parametrize("channels", [1, 6])
def test_stem_of_other_channels_sees_grey_as_rgb_did(channels: int, tmp_path: Path) -> None:
    theirs = get_model("mc3_18", weights=None).eval()
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    theirs.fc = torch.nn.Identity()
    ours = build_network("mc3_18", clip_shape=(channels, *SHAPE[1:]), num_classes=3)
    report = load_pretrained(ours, str(tmp_path / "theirs.pth"), network_name="mc3_18")
    assert dict(report.adapted) == {"backbone.stem.0.weight": f"stem from 3 to {channels} channels"}
    assert report.head_classes == (400, 3)
    grey = noise(2, 1, *SHAPE[1:])
    found_BD = check_logits(ours, grey.repeat(1, channels, 1, 1, 1), num_classes=3)
    with torch.inference_mode():
        torch.testing.assert_close(found_BD, theirs(grey.repeat(1, 3, 1, 1, 1)), rtol=1e-4, atol=1e-5)


def test_training_and_onnx() -> None:
    torch.manual_seed(0)
    network = build_network("mc3_18", clip_shape=SHAPE, num_classes=3, dropout=0.5)
    assert network.head[0].p == 0.5
    check_every_stage_learns(network, noise(2, *SHAPE))
    check_onnx(network, SHAPE)


def test_separated_convolutions_train_and_export() -> None:
    torch.manual_seed(0)
    network = build_network("r2plus1d_18", clip_shape=(1, 2, 24, 24), num_classes=3)
    check_every_stage_learns(network, noise(2, 1, 2, 24, 24))
    check_onnx(network, (1, 2, 24, 24))

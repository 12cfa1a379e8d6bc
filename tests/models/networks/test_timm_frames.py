"""timm's own miniature networks stand for all of its 1,300: a ResNet, a ConvNeXt and a vision transformer."""

import pytest
import timm
import torch
from helpers.network_checks import check_every_stage_learns, check_logits, check_onnx, check_parts, noise, stir

from action_recognition.errors import ConfigError
from action_recognition.models.networks import build_network
from action_recognition.models.networks.base import ActionNetwork
from action_recognition.models.pretrained import load_pretrained

SHAPE = (3, 2, 64, 64)
MINIATURES = ["test_resnet", "test_convnext", "test_vit"]


def make(backbone: str, *, shape: tuple[int, int, int, int] = SHAPE, **args: object) -> ActionNetwork:
    torch.manual_seed(0)
    network = build_network("timm", clip_shape=shape, num_classes=5, backbone=backbone, **args)
    stir(network)
    return network


@pytest.mark.parametrize("backbone", MINIATURES)
def test_stages_learn_and_logits_follow_from_frames(backbone: str) -> None:
    network = make(backbone)
    check_parts(network)
    assert len(network.stages()) > 3
    features = check_logits(network, noise(2, *SHAPE), num_classes=5)
    clip = noise(2, *SHAPE)
    with torch.no_grad():
        frames = [network.backbone(clip[:, :, number]) for number in range(SHAPE[1])]
    torch.testing.assert_close(features, torch.stack(frames).mean(dim=0), rtol=1e-4, atol=1e-5)
    check_every_stage_learns(network, clip)


def test_other_channels_and_a_transformer_over_time_export() -> None:
    network = make("test_convnext", shape=(1, 3, 64, 64), pooling="transformer", dim=16)
    assert check_logits(network, noise(2, 1, 3, 64, 64), num_classes=5).shape[:2] == (2, 3)
    check_onnx(network, (1, 3, 64, 64))


@pytest.mark.parametrize("backbone", MINIATURES)
def test_a_file_of_timms_weights_fits_with_its_classifier(backbone: str, tmp_path) -> None:
    torch.manual_seed(1)
    size = {"img_size": 64} if backbone == "test_vit" else {}
    theirs = timm.create_model(backbone, num_classes=5, **size).eval()
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    network = make(backbone).eval()
    report = load_pretrained(network, str(tmp_path / "weights.pth"), network_name="timm")
    assert (report.missing, report.unexpected, report.mismatched) == ((), (), ())
    frame = noise(2, 3, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network(frame), theirs(frame[:, :, 0]), rtol=1e-4, atol=1e-5)


def test_positions_of_another_grid_are_left_out(tmp_path) -> None:
    torch.save(timm.create_model("test_vit", num_classes=5, img_size=32).state_dict(), tmp_path / "weights.pth")
    report = load_pretrained(make("test_vit"), str(tmp_path / "weights.pth"), network_name="timm")
    assert [mismatch.name for mismatch in report.mismatched] == ["backbone.pos_embed"]


def test_published_weights_have_timms_tags() -> None:
    names = make("resnet18").weight_names()
    assert {"a1_in1k", "tv_in1k"} <= set(names)
    assert all(url.startswith("https://") for url in names.values())


def test_an_unknown_name_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"args.backbone=resnet_18: expected one of timm.* \(did you mean 'resn"):
        make("resnet_18")

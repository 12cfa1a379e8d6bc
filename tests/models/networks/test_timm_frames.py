"""timm's own miniature networks stand for all of its 1,300."""

import pytest
import timm
import torch
from helpers.network_checks import noise

from action_recognition.models.networks import build_network
from action_recognition.models.pretrained import load_pretrained


@pytest.mark.parametrize("backbone", ["test_resnet", "test_convnext", "test_vit"])
def test_a_file_of_timms_weights_gives_the_mean_of_timms_logits(backbone: str, tmp_path) -> None:
    torch.manual_seed(1)
    size = {"img_size": 64} if backbone == "test_vit" else {}
    theirs = timm.create_model(backbone, num_classes=5, **size).eval()
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    network = build_network("timm", clip_shape=(3, 2, 64, 64), num_classes=5, backbone=backbone).eval()
    report = load_pretrained(network, str(tmp_path / "weights.pth"), network_name="timm")
    assert (report.missing, report.unexpected, report.mismatched) == ([], [], {})
    clip_BCTHW = noise(2, 3, 2, 64, 64)
    with torch.no_grad():
        expected_BK = torch.stack([theirs(frame_BCHW) for frame_BCHW in clip_BCTHW.unbind(2)]).mean(dim=0)
        torch.testing.assert_close(network(clip_BCTHW), expected_BK, rtol=1e-4, atol=1e-5)
    assert len(network.stages()) > 3


def test_positions_of_another_grid_are_left_out(tmp_path) -> None:
    torch.save(timm.create_model("test_vit", num_classes=5, img_size=32).state_dict(), tmp_path / "weights.pth")
    network = build_network("timm", clip_shape=(3, 2, 64, 64), num_classes=5, backbone="test_vit")
    report = load_pretrained(network, str(tmp_path / "weights.pth"), network_name="timm")
    assert list(report.mismatched) == ["backbone.pos_embed"]


def test_published_weights_have_timms_tags() -> None:
    names = build_network("timm", clip_shape=(3, 1, 32, 32), num_classes=5, backbone="resnet18").weight_names()
    assert {"a1_in1k", "tv_in1k"} <= set(names)
    assert all(url.startswith("https://") for url in names.values())

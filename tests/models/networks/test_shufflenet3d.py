"""3D-ShuffleNet against the authors' weights and against a shuffle written out by hand."""

from pathlib import Path

import pytest
import torch
from helpers.network_checks import check_logits, noise

from action_recognition.models.networks import build_network
from action_recognition.models.networks.base import ActionNetwork
from action_recognition.models.networks.shufflenet3d import ShuffleBlock, shuffle_channels
from action_recognition.models.pretrained import load_pretrained

JESTER = "weights/jester_shufflenet3d_v1_0.5x_g3_state_dict.pt"


def made(clip_shape: tuple[int, int, int, int] = (3, 4, 32, 32), num_classes: int = 5, **args: object) -> ActionNetwork:
    torch.manual_seed(0)
    return build_network("shufflenet3d", clip_shape=clip_shape, num_classes=num_classes, **args)


@pytest.mark.parametrize(("groups", "width_mult", "features"), [(1, 0.25, 144), (4, 1.0, 1088), (8, 2.0, 3072)])
def test_widths_of_the_paper(groups: int, width_mult: float, features: int) -> None:
    with torch.device("meta"):
        network = made(groups=groups, width_mult=width_mult)
        assert network.features(torch.empty(1, 3, 16, 112, 112)).shape == (1, features)


def test_shuffle_deals_each_groups_channels_to_all() -> None:
    maps = torch.arange(6.0).view(1, 6, 1, 1, 1)
    assert shuffle_channels(maps, 3).flatten().tolist() == [0, 2, 4, 1, 3, 5]
    assert shuffle_channels(maps, 2).flatten().tolist() == [0, 3, 1, 4, 2, 5]


def test_an_odd_last_frame_is_pooled_alone() -> None:
    block = ShuffleBlock(3, 15, stride=2, groups=3).eval()
    maps = noise(1, 3, 5, 4, 4).abs()
    with torch.inference_mode():
        beside = block(maps)[:, 12:]  # what is put beside the convolutions' channels
    last = torch.nn.functional.avg_pool2d(maps[:, :, 4], 3, stride=2, padding=1)
    torch.testing.assert_close(beside[:, :, 2], last)


def test_jester_weights_fit_and_classify(shared_dir: Path) -> None:
    network = made((3, 16, 112, 112), num_classes=27)
    report = load_pretrained(network, str(shared_dir / JESTER), network_name="shufflenet3d")
    assert (len(report.matched), report.missing, report.unexpected, report.mismatched) == (296, [], [], {})
    assert "296 of 296 tensors matched" in report.line()
    clip_BCTHW = noise(2, 3, 16, 112, 112) * 40 + 10
    logits_BK = network.head(check_logits(network, clip_BCTHW, num_classes=27))
    assert logits_BK.softmax(dim=1).amax() > 0.1, "27 classes alike would be 0.04"


def test_jester_weights_for_other_classes_and_channels(shared_dir: Path) -> None:
    gray = made((1, 16, 112, 112), num_classes=4)
    report = load_pretrained(gray, str(shared_dir / JESTER), network_name="shufflenet3d")
    assert report.head_classes == (27, 4)
    assert report.adapted == {"conv1.0.weight": "stem from 3 to 1 channels"}
    colour = made((3, 16, 112, 112), num_classes=4)
    load_pretrained(colour, str(shared_dir / JESTER), network_name="shufflenet3d")
    clip_BCTHW = noise(1, 1, 16, 64, 64) * 40
    with torch.inference_mode():
        torch.testing.assert_close(
            gray.eval().features(clip_BCTHW),
            colour.eval().features(clip_BCTHW.repeat(1, 3, 1, 1, 1)),
            rtol=1e-3,
            atol=1e-4,
        )

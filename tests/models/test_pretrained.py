"""Pretrained weights: every form they come in, what is adapted to the network, and what is left out."""

from pathlib import Path

import pytest
import torch
from helpers.network_checks import stir
from helpers.published import Published, Tiny, assert_same, load, one_line, saved
from torch import nn

from action_recognition.errors import ConfigError
from action_recognition.models.networks.base import ActionNetwork

WRAPPED = {
    "plain": dict,
    "state_dict": lambda state: {"epoch": 3, "state_dict": dict(state)},
    "model": lambda state: {"model": dict(state), "optimizer": {}},
    "parallel": lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
    "project": lambda state: {
        "state_dict": {f"network.{name}": tensor for name, tensor in state.items()},
        "hyper_parameters": {"lr": 1},
    },
    "compiled": lambda state: {"state_dict": {f"module._orig_mod.{name}": tensor for name, tensor in state.items()}},
}


@pytest.mark.parametrize("form", WRAPPED)
def test_published_file_in_any_wrapping(form: str, theirs: Published, tmp_path: Path) -> None:
    ours = Tiny()
    report = load(ours, str(saved(WRAPPED[form](theirs.state_dict()), tmp_path / "weights.pth")))
    assert_same(ours, theirs)
    assert set(report.matched) == set(ours.state_dict())
    assert (report.missing, report.unexpected, report.mismatched, report.adapted) == ([], [], {}, {})
    assert report.line() == f"weights tiny {tmp_path}/weights.pth: 15 of 15 tensors matched"


def test_classifier_of_other_classes_is_left_out_whole(path: Path, theirs: Published) -> None:
    ours = Tiny(classes=4)
    before = ours.head[1].weight.clone()
    report = load(ours, str(path))
    assert torch.equal(ours.head[1].weight, before)
    assert report.head_classes == (7, 4)
    assert list(report.mismatched) == ["head.1.weight", "head.1.bias"]
    assert report.mismatched["head.1.weight"] == ((7, 5), (4, 5))
    assert report.line() == f"weights tiny {path}: 13 of 15 tensors matched; left out: head (7 classes, here 4)"
    theirs.fc = nn.Identity()
    assert_same(ours.backbone, theirs)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_stem_takes_other_channels(channels: int, path: Path, theirs: Published) -> None:
    ours = Tiny(channels=channels)
    report = load(ours, str(path))
    weight = theirs.stem[0].weight
    by_hand = (weight[:, :1] + weight[:, 1:2] + weight[:, 2:3]) / 3 * 3 / channels
    for channel in range(channels):
        torch.testing.assert_close(ours.backbone.stem[0].weight[:, channel : channel + 1], by_hand)
    assert report.adapted == {"backbone.stem.0.weight": f"stem from 3 to {channels} channels"}
    assert f"stem from 3 to {channels} channels (1)" in report.line()


def test_only_the_stem_takes_other_channels(theirs: Published, tmp_path: Path) -> None:
    state = theirs.state_dict() | {"conv2.weight": torch.zeros(5, 9, 1, 1, 1)}
    report = load(Tiny(), str(saved(state, tmp_path / "other.pth")))
    assert list(report.mismatched) == ["backbone.conv2.weight"]
    assert "of other shapes: backbone.conv2.weight" in report.line()


def test_positions_are_interpolated_linearly(theirs: Published, tmp_path: Path) -> None:
    line = torch.arange(6.0).view(1, 6, 1).expand(1, 6, 5)
    state = theirs.state_dict() | {"pos_embedding": line.contiguous()}
    ours = Tiny(positions=3)
    report = load(ours, str(saved(state, tmp_path / "other.pth")))
    # Three places over six: each in the middle of two.
    assert ours.backbone.pos_embedding[0, :, 0].tolist() == [0.5, 2.5, 4.5]
    assert report.adapted == {"backbone.pos_embedding": "positions interpolated"}


def test_half_becomes_float(theirs: Published, tmp_path: Path) -> None:
    ours = Tiny()
    report = load(ours, str(saved(theirs.half().state_dict(), tmp_path / "half.pth")))
    assert {weight.dtype for weight in ours.parameters()} == {torch.float32}
    assert set(report.adapted.values()) == {"half to float"}
    assert_same(ours, theirs.float())


def test_folded_batch_norm_becomes_an_identity_plus_bias(tmp_path: Path) -> None:
    folded = Published(bias=True)
    folded.stem[1], folded.bn2 = nn.Identity(), nn.Identity()
    ours = Tiny()
    stir(ours)
    report = load(ours, str(saved(folded.state_dict(), tmp_path / "folded.pth")))
    assert_same(ours, folded)
    assert report.adapted == dict.fromkeys(
        ["backbone.stem.1.bias", "backbone.bn2.bias"], "batch norm unfolded from its convolution"
    )
    assert (report.missing, report.unexpected) == ([], [])


def test_a_norm_that_the_file_holds_is_not_overwritten(theirs: Published, tmp_path: Path) -> None:
    state = theirs.state_dict() | {"stem.0.bias": torch.full((4,), 9.0)}
    ours = Tiny()
    report = load(ours, str(saved(state, tmp_path / "both.pth")))
    assert report.unexpected == ["stem.0.bias"]
    torch.testing.assert_close(ours.backbone.stem[1].running_mean, theirs.stem[1].running_mean)


def test_what_is_missing_and_unexpected_is_named(theirs: Published, tmp_path: Path) -> None:
    state = dict(theirs.state_dict())
    state["extra.weight"] = state.pop("conv2.weight")
    del state["bn2.num_batches_tracked"]
    report = load(Tiny(), str(saved(state, tmp_path / "other.pth")))
    assert report.missing == ["backbone.conv2.weight"]
    assert report.unexpected == ["extra.weight"]
    assert "not in the file: backbone.conv2.weight; not in the network: extra.weight" in report.line()


def test_nothing_that_fits_names_both_sides(tmp_path: Path) -> None:
    ours = Tiny()
    before = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    line = one_line(ConfigError, ours, str(saved({"a.w": torch.ones(2), "b.w": torch.ones(3)}, tmp_path / "x.pth")))
    assert "a.w, b.w" in line
    assert "backbone.pos_embedding" in line
    assert all(torch.equal(tensor, before[name]) for name, tensor in ours.state_dict().items())


def test_parts_are_given_each_their_own(tmp_path: Path, path: Path) -> None:
    class Two(ActionNetwork):
        def __init__(self) -> None:
            super().__init__()
            self.appearance, self.motion = Tiny(classes=2), Tiny(classes=7)
            self.head = nn.Linear(10, 2)

    ours = Two()
    other = Published(classes=9)
    report = load(ours, {"appearance": str(saved(other.state_dict(), tmp_path / "other.pth")), "motion": str(path)})
    assert torch.equal(ours.appearance.backbone.conv2.weight, other.conv2.weight)
    assert not torch.equal(ours.motion.backbone.conv2.weight, other.conv2.weight)
    assert ["head.1.weight" in part.matched for part in report.parts] == [False, True]
    assert [part.network_name for part in report.parts] == ["tiny.appearance", "tiny.motion"]
    assert report.line().count("tensors matched") == 2
    assert "\n" not in report.line()

"""A checkpoint with another contract: all else is as it was, and half of it never stays."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.tiny_models import file_size_limit, names_in, save_checkpoint, tiny_model

from action_recognition.errors import UserError
from action_recognition.models.module import VideoActionModel
from action_recognition.models.stored_contract import check_rewritable, rewrite_contract


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """With what Lightning keeps beside weights and settings, and the layout of `channels_last_3d`."""
    path = save_checkpoint(tiny_model(memory_format="channels_last_3d"), tmp_path / "run" / "best.ckpt")
    content = torch.load(path, weights_only=True)
    shared = torch.arange(6.0)
    content |= {"epoch": 3, "optimizer_states": [{"state": {0: {"exp_avg": shared[:4], "step": shared}}}]}
    torch.save(content, path)
    return path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "run"
    path.mkdir()
    return path


def test_weights_and_all_else_stay(checkpoint: Path) -> None:
    before = torch.load(checkpoint, weights_only=True)
    contract = replace(VideoActionModel.from_checkpoint(checkpoint).contract, temperature=1.75, threshold=0.4)
    rewrite_contract(checkpoint, contract)
    assert VideoActionModel.from_checkpoint(checkpoint).contract == contract
    after = torch.load(checkpoint, weights_only=True)
    assert after.pop("sha256")
    assert after["hyper_parameters"] == before["hyper_parameters"] | {"contract": contract.to_dict()}
    assert after.keys() == before.keys()
    for name, tensor in before["state_dict"].items():
        assert torch.equal(after["state_dict"][name], tensor)
        assert after["state_dict"][name].stride() == tensor.stride()
    state = after["optimizer_states"][0]["state"][0]
    assert torch.equal(state["step"], torch.arange(6.0))
    assert state["exp_avg"].untyped_storage().data_ptr() == state["step"].untyped_storage().data_ptr()


@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_older_contract_becomes_one_of_this_version(checkpoint: Path, version: int) -> None:
    content = torch.load(checkpoint, weights_only=True)
    newer = {1: ("bits", "fps"), 2: ("fps",), 3: ()}[version]
    old = dict(content["hyper_parameters"]["contract"])
    for key in (*newer, "temperature", "threshold"):
        del old[key]
    content["hyper_parameters"]["contract"] = old | {"version": version}
    torch.save(content, checkpoint)
    contract = VideoActionModel.from_checkpoint(checkpoint).contract
    assert not contract.is_calibrated
    rewrite_contract(checkpoint, replace(contract, temperature=0.5))
    assert VideoActionModel.from_checkpoint(checkpoint).contract == replace(contract, temperature=0.5)


def test_where_it_cannot_be_written_the_old_one_stays(checkpoint: Path) -> None:
    before = checkpoint.read_bytes()
    contract = VideoActionModel.from_checkpoint(checkpoint).contract
    with (
        file_size_limit(1000),
        pytest.raises(UserError, match=r"best\.ckpt: cannot be rewritten .*calibrate") as raised,
    ):
        rewrite_contract(checkpoint, replace(contract, temperature=2.0))
    assert "\n" not in str(raised.value)
    assert checkpoint.read_bytes() == before
    assert names_in(checkpoint.parent) == ["best.ckpt"]


def test_an_interrupt_leaves_the_old_one(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    before = checkpoint.read_bytes()
    contract = VideoActionModel.from_checkpoint(checkpoint).contract
    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        rewrite_contract(checkpoint, replace(contract, temperature=2.0))
    assert checkpoint.read_bytes() == before
    assert names_in(checkpoint.parent) == ["best.ckpt"]


def test_a_link_is_replaced_and_its_target_stays(checkpoint: Path, tmp_path: Path) -> None:
    """As in DVC's cache, whose files are read-only and shared."""
    link = tmp_path / "best.ckpt"
    link.symlink_to(checkpoint)
    before = checkpoint.read_bytes()
    rewrite_contract(link, replace(VideoActionModel.from_checkpoint(link).contract, temperature=2.0))
    assert checkpoint.read_bytes() == before
    assert VideoActionModel.from_checkpoint(link).contract.temperature == 2.0


def test_a_read_only_folder_is_refused_at_once(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(UserError, match=r"its folder is read-only.*evaluation\.checkpoint=COPY"):
        check_rewritable(checkpoint)

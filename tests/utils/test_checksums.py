"""Damaged model files are refused before anything runs, or the damage is harmless; the answer is never another."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from helpers.tiny_models import exported_bytes, save_checkpoint, tiny_contract, tiny_model

from action_recognition.errors import ContractError
from action_recognition.export.tensorrt import _read_onnx
from action_recognition.inference.backends import load_backend
from action_recognition.models.module import VideoActionModel
from action_recognition.utils.checksums import (
    SEAL_BYTES,
    check_checkpoint,
    check_onnx,
    is_sealed,
    seal_file,
    sealed_onnx,
)

FLIPS = 150
load_onnx = partial(load_backend, kind="onnx", device="cpu")


def flipped(content: bytes, place: int) -> bytes:
    damaged = bytearray(content)
    damaged[place] ^= 1 << (place % 8)
    return bytes(damaged)


def places(content: bytes) -> list[int]:
    """Both ends, where formats keep their headers, and random places."""
    drawn = np.random.default_rng(0).integers(0, len(content), size=FLIPS).tolist()
    return [*range(0, 60), *drawn, *range(len(content) - 100, len(content))]


def clips() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, size=(2, *tiny_contract().clip_shape), dtype=np.uint8)


def attempt(load: Callable[[Path], Any], path: Path) -> tuple[Any, str]:
    """What `load` gives, or the one line with which it refuses the file."""
    try:
        return load(path), ""
    except ContractError as error:
        line = str(error)
    assert line.startswith(str(path))
    assert "\n" not in line
    return None, line


def test_a_flipped_bit_in_a_checkpoint_is_refused_or_harmless(tmp_path: Path) -> None:
    path = save_checkpoint(tiny_model(), tmp_path / "model.ckpt")
    whole, expected = path.read_bytes(), tiny_model().state_dict()
    refused = 0
    for place in places(whole):
        path.write_bytes(flipped(whole, place))
        model, line = attempt(VideoActionModel.from_checkpoint, path)
        if line:
            refused += 1
            continue
        assert model.contract == tiny_contract()
        assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())
    assert refused > FLIPS / 2


@pytest.mark.parametrize("part", ["optimizer_states", "hyper_parameters", "state_dict"])
def test_every_part_of_a_checkpoint_is_checked(tmp_path: Path, part: str) -> None:
    model, marked = tiny_model(), torch.full((64,), 1.2345)
    content = {"state_dict": model.state_dict(), "hyper_parameters": dict(model.hparams), "optimizer_states": []}
    content[part] = {"momentum": marked}
    path = tmp_path / "last.ckpt"
    torch.save(content, path)
    check_checkpoint(path)
    whole = path.read_bytes()
    path.write_bytes(flipped(whole, whole.index(marked.numpy().tobytes()) + 40))
    assert torch.load(path, weights_only=True) is not None, "torch itself does not notice"
    with pytest.raises(ContractError, match=r"damaged .*last\.ckpt|last\.ckpt.*damaged"):
        check_checkpoint(path)


@pytest.mark.parametrize("change", ["weight", "name", "setting", "digest"])
def test_a_checkpoint_written_again_with_other_content_is_refused(tmp_path: Path, change: str) -> None:
    model, path = tiny_model(), tmp_path / "model.ckpt"
    content: dict[str, Any] = {"state_dict": model.state_dict(), "hyper_parameters": dict(model.hparams)}
    model.on_save_checkpoint(content)
    torch.save(content, path)
    VideoActionModel.from_checkpoint(path)
    content = torch.load(path, weights_only=True)
    names = list(content["state_dict"])
    if change == "weight":
        content["state_dict"][names[0]].view(-1)[0] += 1
    elif change == "name":
        content["state_dict"]["other"] = content["state_dict"].pop(names[-1])
    elif change == "setting":
        content["hyper_parameters"]["contract"]["mean"] = [0.0, 0.0, 0.0]
    else:
        content["sha256"] = None
    torch.save(content, path)
    check_checkpoint(path)
    with pytest.raises(ContractError, match="are not those that were saved"):
        VideoActionModel.from_checkpoint(path)


def test_what_training_saves_bears_a_digest(
    run_cli: Callable[..., Any], tiny_overrides: list[str], tmp_path: Path
) -> None:
    """With averaged weights, which take the place of the model's while they are saved."""
    run = run_cli("train", *tiny_overrides, f"trainer.run_dir={tmp_path}/run", "trainer.ema_decay=0.9")
    assert run.code == 0, run.err
    for name in ("best", "last"):
        path = tmp_path / f"run/checkpoints/{name}.ckpt"
        assert len(torch.load(path, weights_only=True)["sha256"]) == 64
        VideoActionModel.from_checkpoint(path)
    longer = [word.replace("max_epochs=2", "max_epochs=3") for word in tiny_overrides]
    again = run_cli("train", *longer, f"trainer.resume={path}", "trainer.ema_decay=0.9")
    assert again.code == 0, again.err


def test_a_flipped_bit_in_an_onnx_file_is_refused_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(exported_bytes())
    expected = load_onnx(path)(clips())
    refused = 0
    for place in places(exported_bytes()):
        path.write_bytes(flipped(exported_bytes(), place))
        backend, line = attempt(load_onnx, path)
        if line:
            refused += 1
            continue
        # Only the checksum itself was hit.
        assert place >= len(exported_bytes()) - SEAL_BYTES
        assert backend.contract == tiny_contract()
        assert np.array_equal(backend(clips()), expected)
    assert refused > FLIPS / 2


def test_a_damaged_onnx_file_makes_no_engine(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(flipped(exported_bytes(), len(exported_bytes()) // 2))
    with pytest.raises(ContractError, match="damaged"):
        _read_onnx(path)


def test_the_checksum_is_a_metadata_entry_and_the_model_still_one_model() -> None:
    proto = onnx.load_from_string(exported_bytes())
    onnx.checker.check_model(proto, full_check=True)
    assert [entry.key for entry in proto.metadata_props].count("sha256") == 1


def test_an_onnx_file_from_before_runs_and_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(exported_bytes()[:-SEAL_BYTES])
    assert load_onnx(path).contract == tiny_contract()
    said = [line for line in capfd.readouterr().err.splitlines() if "frame rate" not in line]
    assert len(said) == 1
    assert "no checksum" in said[0]
    path.write_bytes(sealed_onnx(path.read_bytes()))
    check_onnx(path)
    assert path.read_bytes() == exported_bytes()
    assert not capfd.readouterr().err


@pytest.mark.parametrize("size", [0, 1, SEAL_BYTES - 1, SEAL_BYTES, 1000])
def test_a_cut_file_is_one_line(tmp_path: Path, size: int) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(exported_bytes()[:size])
    with pytest.raises(ContractError, match=r"model\.onnx"):
        load_onnx(path)
    path.write_bytes(save_checkpoint(tiny_model(), tmp_path / "model.ckpt").read_bytes()[:size])
    with pytest.raises(ContractError, match=r"model\.onnx"):
        VideoActionModel.from_checkpoint(path)


def test_an_array_with_a_seal_is_the_same_array_and_damage_is_noticed(tmp_path: Path) -> None:
    path, array = tmp_path / "features.npy", np.arange(3000, dtype=np.float16)
    np.save(path, array)
    assert not is_sealed(path)
    seal_file(path)
    assert is_sealed(path)
    assert np.array_equal(np.load(path, mmap_mode="r"), array)
    whole = path.read_bytes()
    for place in range(0, len(whole), 37):
        path.write_bytes(flipped(whole, place))
        assert not is_sealed(path)
    path.write_bytes(b"")
    assert not is_sealed(path)

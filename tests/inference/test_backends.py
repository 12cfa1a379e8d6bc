"""Backends against torch and each other, and the files they refuse."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from helpers.tiny_models import exported_bytes, save_checkpoint, tiny_contract, tiny_model

from action_recognition.contract import CONTRACT_KEY
from action_recognition.errors import ConfigError, ContractError, MissingLibraryError, UserError
from action_recognition.export.engine import EngineInfo, gpu_capability, load_library, sidecar_path
from action_recognition.export.tensorrt import convert_trt
from action_recognition.inference.backends import load_backend
from action_recognition.inference.backends.onnx import OnnxBackend
from action_recognition.inference.backends.tensorrt import check_version, fill_batch
from action_recognition.utils.cpu import available_cores

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
with_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="engines run on a GPU")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return save_checkpoint(tiny_model(), tmp_path / "model.ckpt")


def clips(count: int) -> np.ndarray:
    shape = (count, *tiny_contract().clip_shape)
    return np.random.default_rng(count).integers(0, 256, size=shape, dtype=np.uint8)


@pytest.mark.parametrize("kind", ["torch", "onnx"])
@pytest.mark.parametrize("count", [1, 3])
def test_logits_are_the_models(onnx_file: Path, checkpoint: Path, kind: str, count: int) -> None:
    backend = load_backend(checkpoint if kind == "torch" else onnx_file, kind=kind, device="cpu")
    with torch.inference_mode():
        expected_BK = tiny_model()(torch.from_numpy(clips(count))).numpy()
    found_BK = backend(clips(count))
    assert (found_BK.shape, found_BK.dtype) == ((count, 3), np.float32)
    np.testing.assert_allclose(found_BK, expected_BK, rtol=1e-4, atol=1e-4)
    assert backend.contract == tiny_contract()
    assert backend.device == "cpu"


@pytest.mark.parametrize("kind", ["torch", "onnx"])
@without_gpu
def test_cuda_where_there_is_none(
    onnx_file: Path, checkpoint: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = checkpoint if kind == "torch" else onnx_file
    assert load_backend(path, kind=kind, device="auto").device == "cpu"
    capfd.readouterr()  # about the frame rate that the tiny contract does not have
    with pytest.raises(UserError, match=r"predict\.device=cuda: .* use predict\.device=cpu or auto") as raised:
        load_backend(path, kind=kind, device="cuda")
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", ""), "the library's own complaint reaches the terminal"


def test_onnxruntime_uses_the_cores_it_may(onnx_file: Path) -> None:
    options = OnnxBackend(onnx_file, device="cpu")._session.get_session_options()
    assert options.intra_op_num_threads == available_cores() >= 1


@pytest.mark.parametrize(
    ("kind", "command"), [("torch", "train"), ("onnx", "export-onnx"), ("tensorrt", "convert-trt")]
)
def test_missing_file_names_the_command_that_makes_it(tmp_path: Path, kind: str, command: str) -> None:
    with pytest.raises(UserError, match=rf"none: no such model file; .*python commands\.py {command}$"):
        load_backend(tmp_path / "none", kind=kind, device="auto")


def test_misspelt_backend_and_device(onnx_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"predict\.backend=onxx: .*did you mean 'onnx'"):
        load_backend(onnx_file, kind="onxx", device="auto")
    with pytest.raises(ConfigError, match=r"predict\.device=gpu: expected one of auto, cpu, cuda"):
        load_backend(onnx_file, kind="onnx", device="gpu")


@pytest.mark.parametrize("kind", ["torch", "onnx"])
def test_file_that_is_no_model_is_one_line(tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "text"
    path.write_text("not a model\n")
    with pytest.raises(ContractError, match="text: not a ") as raised:
        load_backend(path, kind=kind, device="auto")
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


def with_contract(text: str | None, path: Path) -> Path:
    """The tiny ONNX file with another contract, or none."""
    proto = onnx.load_from_string(exported_bytes())
    del proto.metadata_props[:]
    if text is not None:
        onnx.helper.set_model_props(proto, {CONTRACT_KEY: text})
    path.write_bytes(proto.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no clip contract inside; was it made by python commands.py export-onnx"),
        ("{", "clip contract is not JSON"),
        (json.dumps(tiny_contract().to_dict() | {"version": 99}), "clip contract version 99, expected 4"),
        (tiny_contract(frames=8).to_json(), "contradict the clip contract inside"),
        (tiny_contract(class_names=("a", "b")).to_json(), "contradict the clip contract inside"),
    ],
    ids=["none", "broken", "version", "frames", "classes"],
)
def test_contract_that_does_not_fit_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    path = with_contract(text, tmp_path / "model.onnx")
    with pytest.raises(ContractError, match=message) as raised:
        load_backend(path, kind="onnx", device="cpu")
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.fixture
def engine_path(onnx_file: Path) -> Path:
    """An engine for a GeForce card of SM89, really built; skips without the library."""
    try:
        load_library("tensorrt_rtx")
    except MissingLibraryError as error:
        pytest.skip(str(error))
    return build(onnx_file, engine="tensorrt_rtx", compute_capability="8.9", precision="fp16")


def build(onnx_file: Path, **settings: str | None) -> Path:
    path = onnx_file.with_name("model.engine")
    convert_trt(onnx_file, path, min_batch=2, opt_batch=2, max_batch=4, **settings)  # type: ignore[arg-type]
    return path


@without_gpu
def test_engine_without_a_gpu_is_one_line(engine_path: Path) -> None:
    with pytest.raises(UserError, match=r"this machine has none; use predict\.backend=onnx") as raised:
        load_backend(engine_path, kind="tensorrt", device="auto")
    assert "\n" not in str(raised.value)
    with pytest.raises(UserError, match=r"predict\.device=cpu: engines run on a GPU"):
        load_backend(engine_path, kind="tensorrt", device="cpu")


def test_engine_without_its_own_sidecar_is_refused(engine_path: Path) -> None:
    sidecar = sidecar_path(engine_path)
    text = sidecar.read_text()
    engine_path.write_bytes(engine_path.read_bytes() + b"\0")
    with pytest.raises(ContractError, match=r"not the engine that model\.engine\.json describes; .*convert-trt"):
        load_backend(engine_path, kind="tensorrt", device="auto")
    for broken, message in (
        ("{", "not JSON"),
        ("[]", "not a sidecar of version 1"),
        (text.replace('"precision"', '"precisoin"'), "keys differ: .'precision', 'precisoin'."),
        (text.replace('"tensorrt_rtx"', '"tensor"'), "expected one of tensorrt, tensorrt_rtx"),
        (text.replace('"version": 4\n  }', '"version": 99\n  }'), "clip contract version 99"),
    ):
        sidecar.write_text(broken)
        with pytest.raises(UserError, match=message) as raised:
            EngineInfo.read(sidecar)
        assert str(sidecar) in str(raised.value)
    sidecar.unlink()
    with pytest.raises(ContractError, match=r"model\.engine\.json: missing; .*convert-trt"):
        load_backend(engine_path, kind="tensorrt", device="auto")


def test_engine_of_another_library_version_is_refused(engine_path: Path) -> None:
    info = EngineInfo.read(sidecar_path(engine_path))
    check_version(info, engine_path, installed=info.library_version)
    with pytest.raises(UserError, match=r"built by TensorRT for RTX 1\.0\.0, 2\.0 is installed; build it again"):
        check_version(replace(info, library_version="1.0.0"), engine_path, installed="2.0")


@with_gpu
@pytest.mark.parametrize("precision", ["fp32", "fp16"])  # TensorRT's fp32 rounds products to TF32
@pytest.mark.parametrize("engine", ["tensorrt", "tensorrt_rtx"])
def test_engine_gives_the_models_logits(onnx_file: Path, engine: str, precision: str) -> None:
    try:
        path = build(onnx_file, engine=engine, compute_capability=None, precision=precision)
    except (MissingLibraryError, ConfigError) as error:
        pytest.skip(str(error))
    backend = load_backend(path, kind="tensorrt", device="auto")
    for count in (1, 3, 4, 9):  # below, at and beyond the profile of 2 to 4 clips
        expected_BK = OnnxBackend(onnx_file, device="cpu")(clips(count))
        np.testing.assert_allclose(backend(clips(count)), expected_BK, atol=0.01 * np.abs(expected_BK).max())
    assert EngineInfo.read(sidecar_path(path)).compute_capability == gpu_capability()


@pytest.mark.parametrize(
    ("count", "least", "expected"), [(1, 3, [0, 0, 0]), (2, 3, [0, 1, 1]), (3, 3, [0, 1, 2]), (4, 1, [0, 1, 2, 3])]
)
def test_small_batches_are_filled_up(count: int, least: int, expected: list[int]) -> None:
    clip_BCTHW = np.arange(count, dtype=np.uint8)[:, None, None, None, None] + np.zeros((1, 3, 2, 2, 2), dtype=np.uint8)
    filled = fill_batch(clip_BCTHW, least)
    assert filled[:, 0, 0, 0, 0].tolist() == expected
    assert filled.flags.c_contiguous


@pytest.mark.parametrize(
    ("changes", "lines"), [({}, 1), ({"fps": 30.0}, 0), ({"channels": 1, "mean": (9.0,), "std": (9.0,)}, 0)]
)
def test_model_without_a_frame_rate_says_so_once(
    changes: dict[str, object], lines: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = save_checkpoint(tiny_model(**changes), tmp_path / "m.ckpt")
    for _ in range(2):
        load_backend(path, kind="torch", device="cpu")
    assert capfd.readouterr().err.count("m.ckpt: its contract does not say at which frame rate") == lines

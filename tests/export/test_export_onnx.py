"""ONNX export against torch itself, and what happens when it must not replace the older file."""

import copy
import errno
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from helpers.support import ROOT
from helpers.tiny_models import export_report, exported_bytes, file_size_limit, names_in, tiny_contract, tiny_model
from torch import Tensor, nn

from action_recognition.contract import CONTRACT_KEY, ClipContract
from action_recognition.errors import UserError
from action_recognition.export.onnx import compare, export_onnx, trace, write_artifacts


def clips(count: int, *, seed: int = 1) -> np.ndarray:
    shape = (count, *tiny_contract().clip_shape)
    return np.random.default_rng(seed).integers(0, 256, size=shape, dtype=np.uint8)


def described(value: onnx.ValueInfoProto) -> tuple[str, int, list[str | int]]:
    tensor = value.type.tensor_type
    return value.name, tensor.elem_type, [side.dim_param or side.dim_value for side in tensor.shape.dim]


def test_the_file_says_what_goes_in_and_out() -> None:
    proto = onnx.load_from_string(exported_bytes())
    onnx.checker.check_model(proto, full_check=True)
    (given,), (result,) = proto.graph.input, proto.graph.output
    assert described(given) == ("clip", onnx.TensorProto.UINT8, ["batch", 3, 4, 32, 32])
    assert described(result) == ("logits", onnx.TensorProto.FLOAT, ["batch", 3])
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    assert ClipContract.from_json(metadata[CONTRACT_KEY], origin="test") == tiny_contract()
    assert proto.producer_name == "action-recognition"
    assert proto.opset_import[0].version == 20
    # It stands alone, and names no folder of this machine.
    assert all(weight.data_location == onnx.TensorProto.DEFAULT for weight in proto.graph.initializer)
    assert str(ROOT).encode() not in exported_bytes()
    assert b".py" not in exported_bytes()


def test_report_holds_the_real_difference() -> None:
    report = export_report()
    assert report.bytes == len(exported_bytes())
    assert report.clips == 3
    assert 0 <= report.relative_difference < 1e-4
    # A file of another model is as far away as the models are from each other.
    other, clip_BCTHW = tiny_model(seed=5), clips(2)
    absolute, relative = compare(other, exported_bytes(), clip_BCTHW)
    with torch.inference_mode():
        ours, theirs = (model(torch.from_numpy(clip_BCTHW)).numpy() for model in (tiny_model(), other))
    assert absolute == pytest.approx(np.abs(ours - theirs).max(), rel=1e-3)
    assert relative == pytest.approx(absolute / np.abs(theirs).max(), rel=1e-3)


def test_training_model_is_exported_and_left_as_it_was(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = tiny_model(memory_format="channels_last_3d").train().to(torch.bfloat16)
    before = copy.deepcopy(model.state_dict())
    path = tmp_path / "folder" / "model.onnx"
    report = export_onnx(model, path, clip_BCTHW=clips(1), opset=18, tolerance=1e-3)
    assert capfd.readouterr() == ("", ""), "the exporter's chatter reaches the terminal"
    assert (report.clips, report.path) == (1, path)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    weight = model.network.blocks[0][0].weight
    assert weight.dtype == torch.bfloat16
    assert weight.is_contiguous(memory_format=torch.channels_last_3d)
    assert weight.requires_grad
    assert onnx.load(path).opset_import[0].version == 18


def test_model_that_gives_nan_does_not_replace_a_good_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"older")
    model = tiny_model()
    torch.nn.init.constant_(model.network.head[-1].bias, float("nan"))
    with pytest.raises(UserError, match=r"model\.onnx: not written: weights that are infinite or NaN: 3 of 3 v"):
        export_onnx(model, path, clip_BCTHW=clips(2), opset=20, tolerance=1e-3)
    assert path.read_bytes() == b"older"
    assert names_in(tmp_path) == ["model.onnx"]


def test_artifacts_are_put_in_place_together_or_not_at_all(tmp_path: Path) -> None:
    engine, sidecar = tmp_path / "a.engine", tmp_path / "a.engine.json"
    write_artifacts({engine: b"1", sidecar: b"2"})
    full = rf"a\.engine\.json: could not be written .{os.strerror(errno.EFBIG)}"
    with pytest.raises(UserError, match=full), file_size_limit(100):
        write_artifacts({engine: b"3", sidecar: b"4" * 200})
    assert (engine.read_bytes(), sidecar.read_bytes()) == (b"1", b"2")
    assert names_in(tmp_path) == ["a.engine", "a.engine.json"]
    with pytest.raises(UserError, match="could not be written"):
        write_artifacts({engine / "below_a_file.onnx": b""})


class Undecided(nn.Module):
    """Which way it goes depends on the values: no graph of it exists."""

    def forward(self, clip_BCTHW: Tensor) -> Tensor:
        mean_B = clip_BCTHW.mean(dim=(1, 2, 3, 4))
        return mean_B[:, None].repeat(1, 3) if mean_B.sum() > 0 else mean_B[:, None].repeat(1, 3) * 2


def test_network_without_a_graph_is_one_line() -> None:
    model = tiny_model()
    model.network = Undecided()
    with pytest.raises(UserError, match=r"export\.opset=20: cnn3d cannot be exported to ONNX \(\w+"):
        trace(model, opset=20)


def test_operator_set_of_the_future_is_one_line() -> None:
    with pytest.raises(UserError, match=r"export\.opset=99: torch cannot write it .* but \d+ it can"):
        trace(tiny_model(), opset=99)


@pytest.mark.parametrize(
    "wrong", [clips(2)[:, :, :2], clips(2).astype(np.float32), clips(1)[:0]], ids=["short", "float", "none"]
)
def test_clips_of_another_shape_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="clip_BCTHW: expected uint8"):
        compare(tiny_model(), exported_bytes(), wrong)

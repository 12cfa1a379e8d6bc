"""16-bit clips through ONNX and into an engine: TensorRT has no uint16."""

import dataclasses

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from helpers.tiny_models import tiny_contract

from action_recognition.config import ModelConfig
from action_recognition.errors import MissingLibraryError
from action_recognition.export.engine import load_library
from action_recognition.export.onnx import INPUT_NAME, OUTPUT_NAME, export_onnx
from action_recognition.export.tensorrt import convert_trt, widened
from action_recognition.inference.backends import load_backend
from action_recognition.models.module import VideoActionModel


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A small depth model, and the ONNX file made of it."""
    torch.manual_seed(0)
    depth = {"channels": 1, "bits": 16, "mean": (30_000.0,), "std": (20_000.0,)}
    contract = tiny_contract(frames=2, stride=1, short_side=16, size=16, **depth)
    model = VideoActionModel(contract.to_dict(), ModelConfig(network="cnn3d", args={"widths": [4, 4]})).eval()
    path = tmp_path_factory.mktemp("onnx") / "depth.onnx"
    export_onnx(model, path, clip_BCTHW=None, opset=18, tolerance=1e-4)
    return model, path


def clips(model):
    contract = model.contract
    return np.random.default_rng(1).integers(0, 65_536, size=(3, *contract.clip_shape), dtype=np.uint16)


def test_the_backend_takes_sixteen_bits_and_agrees_with_torch(exported):
    model, path = exported
    backend = load_backend(path, kind="onnx", device="cpu")
    assert backend.contract == model.contract
    assert dataclasses.replace(backend.contract, bits=8) != model.contract
    with torch.inference_mode():
        expected_BK = model(torch.from_numpy(clips(model))).numpy()
    assert np.allclose(backend(clips(model)), expected_BK, atol=1e-4)
    assert np.abs(expected_BK[0] - expected_BK[1]).max() > 1e-4  # or anything would agree


def test_the_widened_graph_says_the_same(exported):
    model, path = exported
    narrow = onnx.load(path)
    wide = widened(narrow)
    onnx.checker.check_model(wide, full_check=True)
    assert narrow.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT16
    session = onnxruntime.InferenceSession(wide.SerializeToString(), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].type == "tensor(int32)"
    found = session.run([OUTPUT_NAME], {INPUT_NAME: clips(model).astype(np.int32)})[0]
    assert np.allclose(found, load_backend(path, kind="onnx", device="cpu")(clips(model)), atol=1e-6)
    assert widened(wide) is wide


def test_an_engine_is_built_of_it(exported, tmp_path):
    try:
        load_library("tensorrt_rtx")
    except MissingLibraryError as error:
        pytest.skip(str(error))
    model, path = exported
    target = {"engine": "tensorrt_rtx", "compute_capability": "8.9", "precision": "fp16"}
    batches = {"min_batch": 1, "opt_batch": 1, "max_batch": 2}
    report = convert_trt(path, tmp_path / "depth.engine", **target, **batches)
    assert report.bytes == (tmp_path / "depth.engine").stat().st_size > 0
    assert report.info.contract == model.contract

"""convert-trt: engines really built by TensorRT for RTX, which needs no GPU; what is refused, and how."""

import hashlib
import importlib.util
import json
import re
import struct
from pathlib import Path
from types import ModuleType

import onnx
import pytest
import torch
from helpers.tiny_models import exported_bytes, names_in, tiny_contract

from action_recognition.contract import CONTRACT_KEY
from action_recognition.errors import ConfigError, ContractError, MissingLibraryError, UserError
from action_recognition.export.engine import EngineInfo, load_library, make_log, sidecar_path, supported_capabilities
from action_recognition.export.half import to_half
from action_recognition.export.tensorrt import build_plan, convert_trt, target_capability

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


@pytest.fixture(scope="module")
def rtx() -> ModuleType:
    try:
        return load_library("tensorrt_rtx")
    except MissingLibraryError as error:
        pytest.skip(str(error))


@pytest.fixture
def onnx_path(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(exported_bytes())
    return path


SETTINGS = {"engine": "tensorrt_rtx", "compute_capability": "8.9", "precision": "fp16"}
BATCHES = {"min_batch": 1, "opt_batch": 2, "max_batch": 4}


def convert(onnx_path: Path, **changes: object):
    return convert_trt(onnx_path, onnx_path.with_name("model.engine"), **BATCHES, **(SETTINGS | changes))


def header(plan: bytes) -> tuple[bytes, int, tuple[int, ...], int]:
    """Magic, size, library version and target mask, by the layout of the plans that RTX writes."""
    magic, _, _, size, version, _, targets = struct.unpack_from("<4s4s8sQ4s4sQ", plan)
    return magic, size, tuple(version), targets


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_engine_and_sidecar(
    rtx: ModuleType, onnx_path: Path, precision: str, capfd: pytest.CaptureFixture[str]
) -> None:
    report = convert(onnx_path, precision=precision)
    assert capfd.readouterr() == ("", "")
    assert names_in(onnx_path.parent) == ["model.engine", "model.engine.json", "model.onnx"]
    plan = report.path.read_bytes()
    magic, size, version, _ = header(plan)
    assert (magic, size) == (b"vtrt", len(plan))
    assert ".".join(map(str, version)) == rtx.__version__
    sidecar = json.loads(report.sidecar.read_text())
    assert sidecar.pop("contract") == tiny_contract().to_dict()
    assert sidecar == {
        **(SETTINGS | BATCHES | {"precision": precision}),
        "library_version": rtx.__version__,
        "onnx_sha256": hashlib.sha256(exported_bytes()).hexdigest(),
        "engine_sha256": hashlib.sha256(plan).hexdigest(),
        "version": 1,
    }
    assert EngineInfo.read(sidecar_path(report.path)) == report.info
    assert (report.half_difference is None) == (precision == "fp32")
    assert f"compute capability 8.9, TensorRT for RTX {rtx.__version__}, {precision}" in str(report)
    assert "\n" not in str(report)


def test_each_capability_has_an_engine_of_its_own(rtx: ModuleType, onnx_path: Path) -> None:
    capabilities = ["7.5", "8.9", "12.0"]
    targets = {header(convert(onnx_path, compute_capability=name).path.read_bytes())[3] for name in capabilities}
    assert len(targets) == 3


def test_network_is_typed_as_the_graph_says(rtx: ModuleType) -> None:
    log = make_log(rtx)
    builder = rtx.Builder(log)
    network = builder.create_network(1 << int(rtx.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = rtx.OnnxParser(network, log)
    assert parser.parse(to_half(onnx.load_from_string(exported_bytes())).SerializeToString())
    assert (network.get_input(0).dtype, network.get_output(0).dtype) == (rtx.uint8, rtx.float32)
    layers = [network.get_layer(number) for number in range(network.num_layers)]
    convolutions = [layer for layer in layers if layer.type == rtx.LayerType.CONVOLUTION]
    assert [layer.get_output(0).dtype for layer in convolutions] == [rtx.float16] * 3
    products = [layer for layer in layers if layer.type == rtx.LayerType.MATRIX_MULTIPLY]
    assert [layer.get_output(0).dtype for layer in products] == [rtx.float32]


def test_capabilities_are_named_like_nvidia_names_them(rtx: ModuleType) -> None:
    capabilities = supported_capabilities(rtx)
    assert capabilities["8.9"] == rtx.ComputeCapability.SM89
    assert capabilities["12.0"] == rtx.ComputeCapability.SM120
    assert all(re.fullmatch(r"\d+\.\d", name) for name in capabilities)


@pytest.mark.parametrize("wrong", ["9.0", "89", "sm_89", "8.99"])
def test_unknown_capability_names_those_there_are(rtx: ModuleType, onnx_path: Path, wrong: str) -> None:
    with pytest.raises(ConfigError, match=rf"export\.compute_capability={wrong}: .*7\.5, 8\.0, 8\.6, 8\.9, 12\.0"):
        convert(onnx_path, compute_capability=wrong)
    assert names_in(onnx_path.parent) == ["model.onnx"]


@without_gpu
def test_no_gpu_and_no_capability_is_one_line(rtx: ModuleType, onnx_path: Path) -> None:
    with pytest.raises(UserError, match=r"no GPU here to build for; name one: export\.compute_capability= one of 7\.5"):
        convert(onnx_path, compute_capability=None)


@without_gpu
def test_tensorrt_itself_needs_a_gpu() -> None:
    with pytest.raises(UserError, match=r"this machine has none; try export\.engine=tensorrt_rtx"):
        target_capability(ModuleType("tensorrt"), "tensorrt", None)


@pytest.mark.skipif(importlib.util.find_spec("tensorrt") is not None, reason="TensorRT is installed")
def test_missing_library_says_how_to_install_it(onnx_path: Path) -> None:
    with pytest.raises(MissingLibraryError, match=r"TensorRT is not installed; .*poetry sync --extras tensorrt .*pip"):
        convert(onnx_path, engine="tensorrt", compute_capability=None)


def test_misspelt_engine_and_precision(onnx_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"export\.engine=tensort: .*did you mean 'tensorrt'"):
        convert(onnx_path, engine="tensort")
    with pytest.raises(ConfigError, match=r"export\.precision=int8: expected one of fp32, fp16"):
        convert(onnx_path, precision="int8")


def test_onnx_file_that_cannot_be_used(rtx: ModuleType, onnx_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing\.onnx: no such file; .*commands\.py export-onnx"):
        convert(onnx_path.with_name("missing.onnx"))
    stripped = onnx.load_from_string(exported_bytes())
    del stripped.metadata_props[:]
    onnx_path.write_bytes(stripped.SerializeToString())
    with pytest.raises(ContractError, match="no clip contract inside"):
        convert(onnx_path)
    onnx.helper.set_model_props(
        stripped, {CONTRACT_KEY: tiny_contract().to_json().replace('"version": 4', '"version": 7')}
    )
    onnx_path.write_bytes(stripped.SerializeToString())
    with pytest.raises(ContractError, match="clip contract version 7, expected 4"):
        convert(onnx_path)
    onnx_path.write_bytes(b"not a model")
    with pytest.raises(ContractError, match="not an ONNX file"):
        convert(onnx_path)


def test_library_error_becomes_one_line(rtx: ModuleType) -> None:
    shapes = [(1, 3, 4, 16, 16)] * 3  # the graph says 32 x 32
    target, said = supported_capabilities(rtx)["8.9"], {"origin": "model", "label": "RTX"}
    with pytest.raises(UserError, match="model: RTX could not build it") as raised:
        build_plan(rtx, exported_bytes(), target=target, shapes=shapes, **said)
    assert "does not say why" not in str(raised.value)
    with pytest.raises(UserError, match="model: RTX cannot read the graph"):
        build_plan(rtx, b"no graph", target=None, shapes=shapes, **said)

"""ONNX to an engine of TensorRT or TensorRT for RTX, with a sidecar beside it."""

import copy
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime

from action_recognition.contract import CONTRACT_KEY, ClipContract
from action_recognition.errors import ConfigError, ContractError, UserError, check_choice
from action_recognition.export.engine import (
    ENGINE_KINDS,
    EngineInfo,
    gpu_capability,
    load_library,
    make_log,
    sidecar_path,
    supported_capabilities,
)
from action_recognition.export.half import to_half
from action_recognition.export.onnx import INPUT_NAME, OUTPUT_NAME, noise_clips, write_artifacts
from action_recognition.utils.checksums import check_onnx, say_unchecked

TURING = ("tensorrt_rtx", "7.5")  # the one target without a float32 matrix product


@dataclass(frozen=True)
class EngineReport:
    """An engine that was built.

    Attributes:
        path, sidecar: the two files.
        info: the content of the sidecar.
        bytes: size of the engine.
        half_difference: largest difference of the float16 graph's logits from float32's on noise, relative to the
            largest logit, both computed by onnxruntime; None for fp32.
    """

    path: Path
    sidecar: Path
    info: EngineInfo
    bytes: int
    build_seconds: float
    half_difference: float | None

    def __str__(self) -> str:
        info = self.info
        half = "" if self.half_difference is None else f", float16 changes logits by {self.half_difference:.1e}"
        return (
            f"{self.path}: {self.bytes / 1e6:.1f} MB for compute capability {info.compute_capability}, "
            f"{ENGINE_KINDS[info.engine].label} {info.library_version}, {info.precision}{half}, "
            f"{info.min_batch}-{info.max_batch} clips per batch, built in {self.build_seconds:.1f} s"
        )


def convert_trt(
    onnx_path: Path,
    engine_path: Path,
    *,
    engine: str,
    compute_capability: str | None,
    precision: str,
    min_batch: int,
    opt_batch: int,
    max_batch: int,
) -> EngineReport:
    """Build `engine_path` and its sidecar; both are put in place together.

    Args:
        engine: `tensorrt` builds for this machine's GPU, `tensorrt_rtx` for any that it knows.
        compute_capability: such as `8.9`; None takes this machine's GPU.
        precision: `fp32`, or `fp16` for operations that it does not harm (see `half`).
        min_batch, opt_batch, max_batch: clips per call: fewest, usual (the engine is tuned for it), most.

    Raises:
        MissingLibraryError: if the library is not installed.
        ContractError: if the ONNX file holds no contract of this version.
        UserError: without a GPU if one is needed, for a capability that the library does not know, or if it cannot
            build the model. Older files stay then.
    """
    check_choice("export.precision", precision, ("fp32", "fp16"))
    model, onnx_sha256 = _read_onnx(onnx_path)
    library = load_library(engine)
    capability = target_capability(library, engine, compute_capability)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    contract = ClipContract.from_json(metadata.get(CONTRACT_KEY), origin=str(onnx_path))
    half_difference = None
    if precision == "fp16":
        model, half_difference = _half_precision(model, contract, onnx_path, turing=(engine, capability) == TURING)
    batches = {"min_batch": min_batch, "opt_batch": opt_batch, "max_batch": max_batch}
    started = time.perf_counter()
    plan = build_plan(
        library,
        widened(model).SerializeToString(),
        target=supported_capabilities(library)[capability] if engine == "tensorrt_rtx" else None,
        shapes=[(batch, *contract.clip_shape) for batch in batches.values()],
        origin=f"{onnx_path} for compute capability {capability} in {precision}",
        label=ENGINE_KINDS[engine].label,
    )
    seconds = time.perf_counter() - started
    info = EngineInfo(
        contract=contract,
        engine=engine,
        library_version=str(library.__version__),
        compute_capability=capability,
        precision=precision,
        onnx_sha256=onnx_sha256,
        engine_sha256=hashlib.sha256(plan).hexdigest(),
        **batches,
    )
    sidecar = sidecar_path(engine_path)
    write_artifacts({engine_path: plan, sidecar: info.to_json().encode()})
    return EngineReport(engine_path, sidecar, info, len(plan), seconds, half_difference)


def widened(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with an int32 input if it was uint16, which TensorRT does not know; the first cast takes either."""
    if model.graph.input[0].type.tensor_type.elem_type != onnx.TensorProto.UINT16:
        return model
    wide = copy.deepcopy(model)
    wide.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT32
    return wide


def target_capability(library: ModuleType, engine: str, wanted: str | None) -> str:
    """The compute capability to build for.

    Raises:
        UserError: if there is no GPU to take it from, or the library does not build for it.
    """
    if engine == "tensorrt":
        own = gpu_capability()
        if own is None:
            raise UserError(
                "export.engine=tensorrt: it builds on the GPU that will run the engine, and this machine has none; "
                "try export.engine=tensorrt_rtx export.compute_capability=8.9"
            )
        if wanted not in (None, own):
            raise ConfigError(
                f"export.compute_capability={wanted}: TensorRT builds for this machine's GPU, which has {own}; "
                "only export.engine=tensorrt_rtx builds for others"
            )
        return own
    allowed = supported_capabilities(library)
    names = ", ".join(allowed)
    capability = wanted or gpu_capability()
    if capability is None:
        raise UserError(f"no GPU here to build for; name one: export.compute_capability= one of {names}")
    if capability not in allowed:
        whose = "" if wanted else " (this machine's GPU)"
        raise ConfigError(
            f"export.compute_capability={capability}{whose}: TensorRT for RTX builds for {names}; "
            "for data centre GPUs: export.engine=tensorrt"
        )
    return capability


def build_plan(
    library: ModuleType,
    onnx_content: bytes,
    *,
    target: Any,
    shapes: list[tuple[int, ...]],
    origin: str,
    label: str,
) -> bytes:
    """Build an engine from a serialised graph.

    Args:
        target: a `ComputeCapability`; None for this machine's GPU.
        shapes: fewest, usual and most clips of the input, as whole shapes.
        origin, label: the graph and the library, for messages.

    Raises:
        UserError: with the library's first error, if it cannot build it.
    """
    log = make_log(library)
    try:
        builder = library.Builder(log)
    except TypeError:  # a null pointer, without a usable driver
        raise UserError(f"{label} could not start ({log.reason()})") from None
    # TensorRT 11 knows no other kind and ignores the flag; 10 needs it to take its types from the graph.
    network = builder.create_network(1 << int(library.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = library.OnnxParser(network, log)
    if not parser.parse(onnx_content):
        reasons = [parser.get_error(number).desc() for number in range(parser.num_errors)] or [log.reason()]
        raise UserError(f"{origin}: {label} cannot read the graph ({' '.join(reasons[0].split())})")
    config = builder.create_builder_config()
    if target is not None:
        config.num_compute_capabilities = 1
        config.set_compute_capability(target, 0)
    profile = builder.create_optimization_profile()
    profile.set_shape(INPUT_NAME, *shapes)
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise UserError(f"{origin}: {label} could not build it ({log.reason()})")
    return bytes(plan)


def _read_onnx(path: Path) -> tuple[onnx.ModelProto, str]:
    if not path.is_file():
        raise UserError(f"{path}: no such file; make it: python commands.py export-onnx")
    checked = check_onnx(path)
    content = path.read_bytes()
    try:
        model = onnx.load_from_string(content)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's and onnx's errors have no common type
        raise ContractError(f"{path}: not an ONNX file ({str(error).splitlines()[0]})") from None
    if not checked:
        say_unchecked(path)
    return model, hashlib.sha256(content).hexdigest()


def _half_precision(
    model: onnx.ModelProto, contract: ClipContract, path: Path, *, turing: bool
) -> tuple[onnx.ModelProto, float]:
    """The graph in float16 and its relative difference.

    Raises:
        UserError: if the graph has no float16 form, or its values exceed float16's range.
    """
    try:
        half = to_half(model, logits_in_half=turing)
    except ValueError as error:
        raise UserError(f"{path}: no float16 form ({error}); use export.precision=fp32") from None
    clip_BCTHW = noise_clips(contract)
    found = []
    for graph in (model, half):
        session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
        found.append(np.asarray(session.run([OUTPUT_NAME], {INPUT_NAME: clip_BCTHW})[0]))
    if not np.isfinite(found[1]).all():
        raise UserError(f"{path}: its values exceed float16's range; use export.precision=fp32")
    difference, largest = float(np.abs(found[1] - found[0]).max()), float(np.abs(found[0]).max())
    return half, difference / largest if largest else difference

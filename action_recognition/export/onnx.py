"""Checkpoint to ONNX: one file, dynamic batch, contract inside, compared with torch before the file is replaced."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from io import StringIO
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from action_recognition.contract import CONTRACT_KEY, ClipContract
from action_recognition.errors import UserError
from action_recognition.models.module import VideoActionModel
from action_recognition.utils.checksums import sealed_onnx
from action_recognition.utils.files import replacing
from action_recognition.utils.finite import check_weights

INPUT_NAME = "clip"
OUTPUT_NAME = "logits"
PRODUCER = "action-recognition"
NOISE_CLIPS = 3


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """An exported file, and the largest difference of a logit to torch's, absolute and relative to the largest logit.

    Attributes:
        clips: number of clips compared.
        bytes: size of the file.
    """

    path: Path
    max_abs_difference: float
    relative_difference: float
    clips: int
    bytes: int


def export_onnx(
    model: VideoActionModel, path: Path, *, clip_BCTHW: NDArray[np.uint8] | None, opset: int, tolerance: float
) -> ExportReport:
    """Write `model` as one ONNX file: `clip` uint8 (or uint16) `[batch, C, T, H, W]` to `logits` float32 `[batch, K]`.

    The model itself is unchanged; the exported graph computes in float32 whatever the training used.

    Args:
        clip_BCTHW: real clips to compare on; None compares on noise, always the same.
        opset: ONNX operator set, from 18.
        tolerance: the largest accepted `relative_difference`.

    Raises:
        ContractError: if its weights are not finite.
        UserError: if the model cannot be expressed in ONNX, differs from torch by more than `tolerance`, or cannot
            be written. An older file at `path` stays then.
    """
    check_weights(model.state_dict(), origin=f"{path}: not written")
    plain = plain_model(model)
    content = sealed_onnx(trace(plain, opset=opset).SerializeToString())
    clips = noise_clips(plain.contract) if clip_BCTHW is None else clip_BCTHW
    absolute, relative = compare(plain, content, clips)
    if not relative <= tolerance:  # also where either of them gave NaN
        raise UserError(
            f"{path}: not written: its logits differ from torch's by {relative:.1e} of the largest; allowed is "
            f"export.tolerance={tolerance:g}; try another export.opset, or allow more"
        )
    write_artifacts({path: content})
    return ExportReport(
        path=path, max_abs_difference=absolute, relative_difference=relative, clips=len(clips), bytes=len(content)
    )


def plain_model(model: VideoActionModel) -> VideoActionModel:
    """A copy on the CPU, float32, contiguous, ready for inference, without optimizer, augmentation or trainer."""
    copy = VideoActionModel(contract=model.contract.to_dict(), model=model.hparams["model"])
    copy.load_state_dict(model.state_dict())
    return copy.eval().requires_grad_(False)


def noise_clips(contract: ClipContract) -> NDArray[np.uint8]:
    """The same few clips of noise every time, `[B, C, T, H, W]`."""
    noise = np.random.default_rng(0)
    return noise.integers(0, 2**contract.bits, size=(NOISE_CLIPS, *contract.clip_shape), dtype=contract.dtype)


def trace(model: VideoActionModel, *, opset: int) -> onnx.ModelProto:
    """The checked ONNX graph of a plain model, contract and origin in its metadata.

    Raises:
        UserError: if an operation of the network does not exist in this operator set.
    """
    example = torch.zeros(2, *model.contract.clip_shape, dtype=getattr(torch, model.contract.dtype))
    try:
        with _quiet():
            program = torch.onnx.export(
                model,
                (example,),
                input_names=[INPUT_NAME],
                output_names=[OUTPUT_NAME],
                dynamic_shapes={"clip_BCTHW": {0: torch.export.Dim("batch")}},
                opset_version=opset,
                dynamo=True,
                verbose=False,
            )
    except (torch.onnx.OnnxExporterError, ValueError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        network = model.hparams["model"]["network"]
        raise UserError(f"export.opset={opset}: {network} cannot be exported to ONNX ({reason})") from error
    assert program is not None
    proto = program.model_proto
    written = next(entry.version for entry in proto.opset_import if not entry.domain)
    if written != opset:  # the exporter falls back to another one without an error
        raise UserError(f"export.opset={opset}: torch cannot write it for this network, but {written} it can")
    _describe(proto, model.contract)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def compare(model: VideoActionModel, content: bytes, clip_BCTHW: NDArray[np.uint8]) -> tuple[float, float]:
    """Largest absolute difference to torch, and the same relative to torch's largest logit.

    Both run the clips one by one and all together, so that a graph with a fixed batch size fails here.
    """
    dtype, shape = model.contract.dtype, model.contract.clip_shape
    if clip_BCTHW.dtype != dtype or clip_BCTHW.shape[1:] != shape or not len(clip_BCTHW):
        found = f"{clip_BCTHW.dtype} {clip_BCTHW.shape}"
        raise ValueError(f"clip_BCTHW: expected {dtype} [B, {shape}] with B >= 1, got {found}")
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    together = clip_BCTHW if len(clip_BCTHW) > 1 else clip_BCTHW.repeat(2, axis=0)
    batches = [*(clip_BCTHW[i : i + 1] for i in range(len(clip_BCTHW))), together]
    difference = largest = 0.0
    with torch.inference_mode():
        for batch in batches:
            expected_BK = model(torch.from_numpy(batch)).numpy()
            found_BK = np.asarray(session.run([OUTPUT_NAME], {INPUT_NAME: batch})[0])
            # np.maximum, not max: it keeps NaN.
            difference = float(np.maximum(difference, np.abs(found_BK - expected_BK).max()))
            largest = float(np.maximum(largest, np.abs(expected_BK).max()))
    return difference, difference / largest if largest else difference


def _describe(proto: onnx.ModelProto, contract: ClipContract) -> None:
    """Add contract and origin; drop the stack traces that the exporter leaves, which name folders of this machine."""
    for node in proto.graph.node:
        del node.metadata_props[:]
    for value in (*proto.graph.value_info, *proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        del value.metadata_props[:]
    del proto.graph.metadata_props[:]
    proto.graph.name = "video_action_model"
    proto.producer_name = PRODUCER
    with suppress(PackageNotFoundError):  # run from a checkout without an installed package
        proto.producer_version = version("action-recognition")
    what = f"{contract.dtype} {'RGB' if contract.channels == 3 else 'depth'} clips [batch, C, T, H, W]"
    proto.doc_string = f"{what}, 0-{2**contract.bits - 1}, to logits of {contract.num_classes} actions"
    onnx.helper.set_model_props(proto, {CONTRACT_KEY: contract.to_json(), "torch": torch.__version__})


def write_artifacts(contents: Mapping[Path, bytes]) -> None:
    """Write temporary files beside the targets, then rename them, the last one first.

    Raises:
        UserError: if a file cannot be written, for example on a full disk; older files stay then.
    """
    path = next(iter(contents))
    try:
        with ExitStack() as stack:
            for path, content in contents.items():
                stack.enter_context(replacing(path)).write_bytes(content)
    except OSError as error:
        total = sum(map(len, contents.values()))
        raise UserError(
            f"{path}: could not be written ({error.strerror or error}); {total / 1e6:.1f} MB are needed; "
            "free some space or choose another path with export.onnx=PATH or export.engine_path=PATH"
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide the exporter's steps and its notes on libraries that it did not find."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)

"""ONNX files, run by ONNX Runtime. Needs no torch."""

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from action_recognition.contract import CONTRACT_KEY, ClipContract
from action_recognition.errors import ContractError, UserError
from action_recognition.utils.checksums import EXPORT_AGAIN, check_onnx, say_unchecked
from action_recognition.utils.cpu import available_cores
from action_recognition.utils.finite import DIVERGED

SILENT = 4  # of ONNX Runtime's log levels: only what ends the process
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class OnnxBackend:
    """An exported file, on CUDA where asked for and to be had, else on all cores this process may use.

    Args:
        threads: on the CPU; None for one per core.

    Raises:
        ContractError: if `path` is no ONNX file, damaged, or not one that `export-onnx` of this version made.
        UserError: if `device` is `cuda` and ONNX Runtime cannot use a GPU.
    """

    def __init__(self, path: Path, *, device: str, threads: int | None = None) -> None:
        checked = check_onnx(path)
        self._session = _open_session(path, device, threads or available_cores())
        # ONNX Runtime only warns where there is no CUDA, and runs on the CPU.
        self.device = "cuda" if CUDA in self._session.get_providers() else "cpu"
        if device == "cuda" and self.device == "cpu":
            raise UserError(
                "predict.device=cuda: ONNX Runtime cannot use a GPU here (no GPU or driver, or CUDA libraries "
                "missing); use predict.device=cpu or auto"
            )
        try:
            text = self._session.get_modelmeta().custom_metadata_map.get(CONTRACT_KEY)
        except UnicodeDecodeError:
            raise ContractError(f"{path}: damaged (its metadata is not UTF-8); {EXPORT_AGAIN}") from None
        self.contract = ClipContract.from_json(text, origin=str(path))
        self._input, self._output = self._session.get_inputs()[0], self._session.get_outputs()[0]
        found = (self._input.type, tuple(self._input.shape[1:]), self._output.shape[-1])
        if found != (f"tensor({self.contract.dtype})", self.contract.clip_shape, self.contract.num_classes):
            raise ContractError(f"{path}: input and output {found} contradict the clip contract inside; {EXPORT_AGAIN}")
        if not checked:
            say_unchecked(path)
            check_initializers(path)

    def __call__(self, clip_BCTHW: NDArray[np.uint8]) -> NDArray[np.float32]:
        (logits_BK,) = self._session.run([self._output.name], {self._input.name: clip_BCTHW})
        return np.asarray(logits_BK, dtype=np.float32)


def check_initializers(path: Path) -> None:
    """Refuse an ONNX file whose weights are not finite; what `export-onnx` seals with a checksum has been looked at.

    A single infinity may be a constant of the graph; a weight has more values.

    Raises:
        ContractError: if there is infinity or NaN in a weight.
    """
    import onnx  # only here: importing it takes four times as long as ONNX Runtime

    for tensor in onnx.load(path).graph.initializer:
        value = onnx.numpy_helper.to_array(tensor)
        if value.dtype.kind != "f":
            continue
        bad = np.isnan(value) if value.size == 1 else ~np.isfinite(value)
        if bad.any():
            line = f"{path}: weights that are infinite or NaN: {bad.sum()} of {bad.size} values of {tensor.name}"
            raise ContractError(f"{line}; {DIVERGED}")


def _open_session(path: Path, device: str, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Waiting threads sleep: the cores belong to decoding then. One run takes no longer for it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = SILENT
    onnxruntime.set_default_logger_severity(SILENT)
    providers = [CPU]
    if device != "cpu" and CUDA in onnxruntime.get_available_providers():
        providers = [CUDA, CPU]
        with redirect_stdout(StringIO()):  # it prints what it does not find
            onnxruntime.preload_dlls()
    try:
        return onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:  # the binding has a class of its own for every status
        reason = str(error).strip().splitlines()[0]
        raise ContractError(f"{path}: not a file that ONNX Runtime can run ({reason})") from None

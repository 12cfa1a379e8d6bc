"""Parts of an engine beside its file: the library that built it, and a sidecar file that describes it."""

import importlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Self

from action_recognition.contract import ClipContract
from action_recognition.errors import ContractError, MissingLibraryError, check_choice, first_line
from action_recognition.utils.rules import Choice, Range, Text
from action_recognition.utils.stored_values import check_keys, check_values

SIDECAR_VERSION = 1
Batch = Annotated[int, Range(1, 65536)]


@dataclass(frozen=True, kw_only=True)
class EngineKind:
    """A library that builds and runs engines. Both kinds have one Python API.

    Attributes:
        label: its name in messages.
        modules: modules to try. RTX's wheels contain the second; the first belongs to a stub package.
        extra: the project's extra that installs it.
        packages: the packages for pip.
    """

    label: str
    modules: tuple[str, ...]
    extra: str
    packages: str


ENGINE_KINDS = {
    "tensorrt": EngineKind(label="TensorRT", modules=("tensorrt",), extra="tensorrt", packages="'tensorrt>=10.13,<12'"),
    "tensorrt_rtx": EngineKind(
        label="TensorRT for RTX",
        modules=("tensorrt_rtx", "tensorrt_rtx_bindings"),
        extra="tensorrt-rtx",
        packages="'tensorrt-rtx-cu13-libs>=1.5,<2' 'tensorrt-rtx-cu13-bindings>=1.5,<2'",
    ),
}


def load_library(engine: str) -> ModuleType:
    """Import TensorRT or TensorRT for RTX.

    Raises:
        ConfigError: if `engine` is neither.
        MissingLibraryError: if it is not installed, with the line that installs it.
    """
    check_choice("export.engine", engine, ENGINE_KINDS)
    kind = ENGINE_KINDS[engine]
    for module in kind.modules:
        try:
            return importlib.import_module(module)
        # A wheel whose shared libraries are missing ends in OSError, or FileNotFoundError on Windows.
        except (ImportError, OSError) as error:
            reason = f" ({error})" if not isinstance(error, ModuleNotFoundError) else ""
    raise MissingLibraryError(
        f"{kind.label} is not installed{reason}; install it: .tools/bin/poetry sync --extras {kind.extra}  "
        f"or: .venv/bin/pip install {kind.packages}"
    )


def make_log(library: ModuleType) -> Any:
    """A logger for `library` that keeps errors instead of printing; `reason()` gives the first in one line."""

    class Log(library.ILogger):  # type: ignore[name-defined]
        def __init__(self) -> None:
            library.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            # Most severe first: internal error 0, error 1, warning 2.
            if int(severity) <= int(library.ILogger.ERROR):
                self.errors.append(" ".join(message.split()))

        def reason(self) -> str:
            return self.errors[0][:400] if self.errors else "it does not say why"

    return Log()


def supported_capabilities(library: ModuleType) -> dict[str, Any]:
    """`{"8.9": ComputeCapability.SM89, ...}`: targets that RTX can build for without the GPU."""
    members = library.ComputeCapability.__members__
    return {f"{name[2:-1]}.{name[-1]}": value for name, value in members.items() if name.startswith("SM")}


def gpu_capability() -> str | None:
    """Compute capability of this machine's first GPU, such as `8.9`; None without one."""
    import torch  # takes seconds, and is not needed if a capability is named

    return "{}.{}".format(*torch.cuda.get_device_capability()) if torch.cuda.is_available() else None


@dataclass(frozen=True, kw_only=True)
class EngineInfo:
    """The sidecar of an engine.

    Attributes:
        contract: the clips that the model was trained on.
        engine: `tensorrt` or `tensorrt_rtx`.
        library_version: an engine runs on the version that built it.
        compute_capability: of the GPU it was built for.
        precision: `fp32` or `fp16`.
        min_batch, opt_batch, max_batch: clips per call, from the engine's optimisation profile.
        onnx_sha256, engine_sha256: of the ONNX file, and of the engine itself.
    """

    contract: ClipContract
    engine: Annotated[str, Choice(*ENGINE_KINDS)]
    library_version: Annotated[str, Text(100)]
    compute_capability: Annotated[str, Text(100)]
    precision: Annotated[str, Choice("fp32", "fp16")]
    min_batch: Batch
    opt_batch: Batch
    max_batch: Batch
    onnx_sha256: Annotated[str, Text(64)]
    engine_sha256: Annotated[str, Text(64)]
    version: Annotated[int, Choice(SIDECAR_VERSION)] = SIDECAR_VERSION

    def to_json(self) -> str:
        values = asdict(self) | {"contract": self.contract.to_dict()}
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a sidecar.

        Raises:
            ContractError: if it is missing, damaged, or of another version.
        """
        again = "build the engine again: python commands.py convert-trt"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(values, dict) or values.get("version") != SIDECAR_VERSION:
                raise ContractError(f"{path}: not a sidecar of version {SIDECAR_VERSION}")
            check_keys([field.name for field in fields(cls)], values, origin=str(path))
            check_values(cls, values, origin=str(path))
            if not values["min_batch"] <= values["opt_batch"] <= values["max_batch"]:
                raise ContractError(f"{path}: expected min_batch <= opt_batch <= max_batch")
        except FileNotFoundError:
            raise ContractError(f"{path}: missing; an engine cannot be used without it; {again}") from None
        except OSError as error:
            raise ContractError(f"{path}: cannot be read ({error.strerror or error}); {again}") from None
        except (ValueError, RecursionError) as error:
            raise ContractError(f"{path}: not JSON ({first_line(error)}); {again}") from None
        except ContractError as error:
            raise ContractError(f"{error}; {again}") from None
        return cls(contract=ClipContract.from_dict(values.pop("contract"), origin=str(path)), **values)


def sidecar_path(engine_path: Path) -> Path:
    """`model.engine` has `model.engine.json` beside it."""
    return engine_path.with_name(f"{engine_path.name}.json")

"""Exported files are replaced all together or not at all; a full disk is one line."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from action_recognition.errors import UserError
from action_recognition.utils.files import replacing


def write_artifacts(contents: Mapping[Path, bytes]) -> None:
    """Write temporary files beside the targets, then rename them, the last one first.

    Raises:
        UserError: if a file cannot be written, on a full disk for one; what was there before is untouched.
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

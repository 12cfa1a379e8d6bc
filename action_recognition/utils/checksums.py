"""Whether a model file holds the bytes that were written: checked before anything is made of them.

A flipped bit in a weight is no error to torch or ONNX Runtime. The model runs and is wrong.
"""

import sys
import zipfile
from hashlib import sha256
from pathlib import Path

from action_recognition.errors import ContractError, first_line

CHUNK_BYTES = 1 << 20
SEAL_KEY = b"sha256"
DIGEST_LENGTH = 64
# The protobuf encoding of a last `metadata_props` (field 14 of ModelProto) with this key, up to its value.
SEAL_START = (
    bytes([14 << 3 | 2, 2 + len(SEAL_KEY) + 2 + DIGEST_LENGTH])
    + bytes([1 << 3 | 2, len(SEAL_KEY)])
    + SEAL_KEY
    + bytes([2 << 3 | 2, DIGEST_LENGTH])
)
FILE_SEAL = b"sha256:"
SEAL_BYTES = len(SEAL_START) + DIGEST_LENGTH
EXPORT_AGAIN = "export it again: python commands.py export-onnx"


def check_checkpoint(path: Path) -> None:
    """Compare everything in a checkpoint with its checksums: weights, settings, state of the optimizer.

    `torch.save` writes a zip file, so each record has a CRC-32, in files of older versions too; `torch.load` does not
    look at them. A file that is no zip file at all never was a checkpoint of this project.

    Raises:
        ContractError: if one differs, or it is no zip file.
    """
    try:
        if not zipfile.is_zipfile(path):
            raise ContractError(f"{path}: not a checkpoint of VideoActionModel (no zip file, as torch.save writes)")
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        reason = f"the checksum of {damaged} is another" if damaged else ""
    except ContractError:
        raise
    except Exception as error:  # a damaged directory ends in many kinds
        reason = first_line(error)
    if reason:
        raise ContractError(f"{path}: damaged ({reason}); take another copy, or: python commands.py train")


def sealed_onnx(content: bytes) -> bytes:
    """An ONNX file with the SHA-256 of all bytes before it as its last metadata entry, `sha256`.

    Protobuf messages may be put behind one another, so this is still one model to every program.
    """
    return content + SEAL_START + sha256(content).hexdigest().encode()


def check_onnx(path: Path) -> bool:
    """Compare an ONNX file with the checksum at its end. False where there is none, as in files of older versions.

    Raises:
        ContractError: if it is another, or the file cannot be read.
    """
    try:
        size_bytes = max(0, path.stat().st_size - SEAL_BYTES)
        with path.open("rb") as file:
            file.seek(size_bytes)
            seal = file.read()
        digest = _digest(path, size_bytes)
    except OSError as error:
        raise ContractError(f"{path}: cannot be read ({error.strerror or error})") from None
    if not seal.startswith(SEAL_START):
        return False
    if seal != SEAL_START + digest:
        raise ContractError(
            f"{path}: damaged, or changed after its export (its checksum is another); {EXPORT_AGAIN}; whoever changed "
            "it on purpose deletes 'sha256' from its metadata"
        )
    return True


def say_unchecked(path: Path) -> None:
    """Say that a file that can be used has no checksum."""
    print(f"{path}: carries no checksum, so damage cannot be noticed; {EXPORT_AGAIN}", file=sys.stderr)


def seal_file(path: Path) -> None:
    """Add the SHA-256 of a file to its end, for formats whose readers do not look behind their own."""
    digest = _digest(path, path.stat().st_size)
    with path.open("ab") as file:
        file.write(FILE_SEAL + digest)


def is_sealed(path: Path) -> bool:
    """Whether a file ends in the SHA-256 of the bytes before it."""
    seal_bytes = len(FILE_SEAL) + DIGEST_LENGTH
    size_bytes = path.stat().st_size - seal_bytes
    if size_bytes < 0:
        return False
    with path.open("rb") as file:
        file.seek(size_bytes)
        seal = file.read()
    return seal == FILE_SEAL + _digest(path, size_bytes)


def _digest(path: Path, size_bytes: int) -> bytes:
    digest = sha256()
    with path.open("rb") as file:
        while size_bytes > 0 and (chunk := file.read(min(size_bytes, CHUNK_BYTES))):
            digest.update(chunk)
            size_bytes -= len(chunk)
    return digest.hexdigest().encode()

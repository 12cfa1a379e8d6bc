"""Whether a model file holds the bytes that were written, checked before anything is built from them.

Torch and ONNX Runtime do not notice a flipped bit in a weight: the model runs and is wrong.
"""

import sys
import zipfile
from hashlib import sha256
from pathlib import Path

from action_recognition.errors import ContractError, first_line
from action_recognition.utils.files import blocks_of

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

    `torch.save` writes a zip file, so each record has a CRC-32, in files of older versions too. `torch.load` ignores
    them.

    Raises:
        ContractError: if a checksum differs, or the file is not a zip file.
    """
    try:
        if not zipfile.is_zipfile(path):
            raise ContractError(f"{path}: not a checkpoint of VideoActionModel (torch.save writes zip files)")
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        reason = f"the checksum of {damaged} differs" if damaged else ""
    except ContractError:
        raise
    except Exception as error:  # a damaged directory raises many types
        reason = first_line(error)
    if reason:
        raise ContractError(f"{path}: damaged ({reason}); use another copy, or: python commands.py train")


def sealed_onnx(content: bytes) -> bytes:
    """An ONNX file with the SHA-256 of all bytes before it as its last metadata entry, `sha256`.

    Protobuf messages may be concatenated, so every program still reads this as one model.
    """
    return content + SEAL_START + sha256(content).hexdigest().encode()


def check_onnx(path: Path) -> bool:
    """Compare an ONNX file with the checksum at its end. False if it has none, as in files of older versions.

    Raises:
        ContractError: if the checksum differs, or the file cannot be read.
    """
    try:
        digest, seal = _split(path, SEAL_BYTES)
    except OSError as error:
        raise ContractError(f"{path}: cannot be read ({error.strerror or error})") from None
    if not seal.startswith(SEAL_START):
        return False
    if seal != SEAL_START + digest:
        raise ContractError(
            f"{path}: damaged, or changed after its export (its checksum differs); {EXPORT_AGAIN}; if the change is "
            "intended, delete 'sha256' from its metadata"
        )
    return True


def say_unchecked(path: Path) -> None:
    """Say that a file that can be used has no checksum."""
    print(f"{path}: has no checksum, so damage cannot be detected; {EXPORT_AGAIN}", file=sys.stderr)


def seal_file(path: Path) -> None:
    """Append the SHA-256 of a file to it, for formats whose readers ignore what follows their own content."""
    digest, _ = _split(path, 0)
    with path.open("ab") as file:
        file.write(FILE_SEAL + digest)


def is_sealed(path: Path) -> bool:
    """Whether a file ends in the SHA-256 of the bytes before it."""
    digest, seal = _split(path, len(FILE_SEAL) + DIGEST_LENGTH)
    return seal == FILE_SEAL + digest


def _split(path: Path, seal_bytes: int) -> tuple[bytes, bytes]:
    """The SHA-256 (hexadecimal) of a file without its last `seal_bytes`, and those last bytes."""
    digest = sha256()
    with path.open("rb") as file:
        for block in blocks_of(file, max(0, path.stat().st_size - seal_bytes)):
            digest.update(block)
        return digest.hexdigest().encode(), file.read()

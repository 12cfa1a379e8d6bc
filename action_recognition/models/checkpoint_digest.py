"""A digest of a checkpoint's weights and settings, kept inside of it.

The checksums of the file (`utils.checksums.check_checkpoint`) show that it holds what was written. This digest shows
that what was read is what was saved, also after another program has rewritten the file.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from action_recognition.errors import ContractError

DIGEST_KEY = "sha256"


def checkpoint_digest(checkpoint: Mapping[str, Any]) -> str:
    """SHA-256 of `state_dict` (names, types, shapes, values) and `hyper_parameters`."""
    digest = sha256()
    for name, tensor in checkpoint["state_dict"].items():
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")
    digest.update(json.dumps(checkpoint["hyper_parameters"], sort_keys=True, default=repr).encode())
    return digest.hexdigest()


def check_digest(checkpoint: Mapping[str, Any], path: Path) -> None:
    """Compare a checkpoint that was read with the digest in it; one of an older version has none.

    Raises:
        ContractError: if they differ.
    """
    if DIGEST_KEY in checkpoint and checkpoint[DIGEST_KEY] != checkpoint_digest(checkpoint):
        reason = "its weights or settings are not those that were saved"
        raise ContractError(f"{path}: damaged ({reason}); take another copy, or: python commands.py train")

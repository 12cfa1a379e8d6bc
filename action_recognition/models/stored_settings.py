"""Checks of a checkpoint before a model is built from it: types and ranges of its settings, a digest of its content.

The checksums of the file (`utils.checksums.check_checkpoint`) show that it holds what was written. The digest shows
that what was read is what was saved, also after another program has rewritten the file.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import torch

from action_recognition.contract import ClipContract
from action_recognition.errors import ContractError
from action_recognition.utils.rules import Length, Range, Text
from action_recognition.utils.stored_values import check_values, shown


class Provenance:
    """Facts about the training: overrides of the command, hashes of its source videos; `config` is checked below."""

    overrides: Annotated[list[Annotated[str, Text()]], Length(0, 10_000)]
    train_groups: Annotated[list[Annotated[str, Text(64)]], Length(0, 100_000_000)]


class Settings:
    """The arguments of `VideoActionModel` that nothing else checks."""

    memory_format: Annotated[str, Text(64)]
    seed: Annotated[int, Range(0, 2**63 - 1)]


DIGEST_KEY = "sha256"
SECTIONS = ("model", "optimizer", "augment", "provenance")


def check_settings(settings: Any, *, origin: str) -> dict[str, Any]:
    """The hyper-parameters of a checkpoint, if a `VideoActionModel` can be built from them.

    Raises:
        ContractError: with one line that names the key, if a value has another type or range.
    """
    if not isinstance(settings, dict) or not {"contract", "model"} <= settings.keys():
        raise ContractError(f"{origin}: not a checkpoint of VideoActionModel: no contract and model in its settings")
    ClipContract.from_dict(settings["contract"], origin=origin)
    for name in SECTIONS:
        values = settings.get(name)
        if values is not None and not _has_text_keys(values):
            raise ContractError(f"{origin}: {name}={shown(values)}: expected keys and values")
    check_values(Settings, settings, origin=origin)
    provenance = settings.get("provenance") or {}
    check_values(Provenance, provenance, origin=f"{origin}: provenance")
    config = provenance.get("config", {"values": {}, "choices": {}})
    parts = [config.get(name) for name in ("values", "choices")] if isinstance(config, dict) else [config]
    if not all(map(_has_text_keys, parts)):
        raise ContractError(f"{origin}: provenance: config={shown(config)}: expected values and choices")
    return settings


def _has_text_keys(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


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

"""The settings in a checkpoint, checked for types and ranges before a model is built from them."""

from typing import Annotated, Any

from action_recognition.contract import ClipContract
from action_recognition.errors import ContractError
from action_recognition.utils.rules import Length, Range, Text
from action_recognition.utils.stored_values import check_values, shown


class Provenance:
    """Facts about the training: overrides of the command, and hashes of the source videos trained on.

    `config` is checked below: `{"values": ..., "choices": ...}` of `models.checkpoint_config`.
    """

    overrides: Annotated[list[Annotated[str, Text()]], Length(0, 10_000)]
    train_groups: Annotated[list[Annotated[str, Text(64)]], Length(0, 100_000_000)]


class Settings:
    """The arguments of `VideoActionModel` that nothing else checks."""

    memory_format: Annotated[str, Text(64)]
    seed: Annotated[int, Range(0, 2**63 - 1)]


SECTIONS = ("model", "optimizer", "augment", "provenance")


def check_settings(settings: Any, *, origin: str) -> dict[str, Any]:
    """The hyper-parameters of a checkpoint, if a `VideoActionModel` can be built from them.

    Raises:
        ContractError: with one line that names the key, if a value has another type or range.
    """
    if not isinstance(settings, dict) or not {"contract", "model"} <= set(settings):
        raise ContractError(f"{origin}: not a checkpoint of VideoActionModel: no contract and model in its settings")
    ClipContract.from_dict(settings["contract"], origin=origin)
    for name in SECTIONS:
        values = settings.get(name)
        if values is not None and not (isinstance(values, dict) and all(isinstance(key, str) for key in values)):
            raise ContractError(f"{origin}: {name}={shown(values)}: expected keys and values")
    check_values(Settings, settings, origin=origin)
    provenance = settings.get("provenance") or {}
    check_values(Provenance, provenance, origin=f"{origin}: provenance")
    config = provenance.get("config", {"values": {}, "choices": {}})
    parts = [config.get(name) for name in ("values", "choices")] if isinstance(config, dict) else [config]
    if not all(isinstance(part, dict) and all(isinstance(key, str) for key in part) for part in parts):
        raise ContractError(f"{origin}: provenance: config={shown(config)}: expected values and choices")
    return settings

"""Where each value of a configuration comes from."""

from collections.abc import Sequence
from typing import Any

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from action_recognition.config.compose import prepared
from action_recognition.config.keys import key_of
from action_recognition.config.option_files import CONF_DIR, keys_in
from action_recognition.config.parameter_files import MARK, expand_files

GIVEN = "given here"


def places_of_keys(overrides: Sequence[str]) -> dict[str, str]:
    """The file below `conf/`, the parameter file or `GIVEN`, for each key that is set: `{"data.split": "given here"}`.

    A key that is not in it has the default of the schema.

    Raises:
        ConfigError: for overrides that cannot be composed.
    """
    places: dict[str, str] = {}
    for file, package in _merged_files(expand_files(overrides)):
        for key in keys_in(file):
            places[f"{package}.{key.name}" if package else key.name] = f"conf/{file}"
    for word in overrides:
        for override in expand_files([word]):
            places[key_of(override)] = word.removeprefix(MARK) if word.startswith(MARK) else GIVEN
    return places


def _merged_files(overrides: Sequence[str]) -> list[tuple[str, str]]:
    """The files that Hydra merges, in order, and below which key each lies."""
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        loader: Any = GlobalHydra.instance().config_loader()
        words = [prepared(override) for override in overrides]
        defaults = loader.compute_defaults_list(config_name="config", overrides=words, run_mode=RunMode.RUN).defaults
    return [
        (f"{entry.config_path}.yaml", "" if entry.package == "_global_" else entry.package or "")
        for entry in defaults
        if entry.config_path and (CONF_DIR / f"{entry.config_path}.yaml").is_file()
    ]


def place_of(key: str, places: dict[str, str]) -> str:
    """Where a value comes from: its own key's place, or that of the nearest key above it that was given as a whole."""
    while key:
        if key in places:
            return places[key]
        key = key.rpartition(".")[0]
    return "default"

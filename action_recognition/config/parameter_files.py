"""Overrides from a YAML file, `@params.yaml` among the words of a command (argparse writes it so too).

DVC sets parameters in a file (`dvc exp run -S trainer.max_epochs=2`), and tracks them there; this is how they get from
there into the configuration, under the same names.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from action_recognition.config.keys import in_dots
from action_recognition.errors import ConfigError, first_line

MARK = "@"
# What Hydra's grammar reads as this very text; everything else is quoted.
PLAIN_TEXT = re.compile(r"[A-Za-z_][\w.\-/]*")
NOT_TEXT = ("null", "true", "false", "nan", "inf")


def expand_files(words: Sequence[str]) -> list[str]:
    """The overrides, with those of a file in the place of each `@FILE`.

    Raises:
        ConfigError: if a file is not there, or is no YAML mapping.
    """
    return [
        override
        for word in words
        for override in (read_overrides(Path(word.removeprefix(MARK))) if word.startswith(MARK) else [word])
    ]


def read_overrides(path: Path) -> list[str]:
    """`{"trainer": {"max_epochs": 2}}` in the file as `["trainer.max_epochs=2"]`."""
    try:
        content = OmegaConf.load(path)
        if not isinstance(content, DictConfig):
            raise ConfigError(f"{MARK}{path}: expected keys with values, as in conf/; it holds a list")
        return [f"{key}={_text(value)}" for key, value in in_dots(OmegaConf.to_container(content, resolve=True))]
    except FileNotFoundError:
        raise ConfigError(f"{MARK}{path}: no such file; expected a YAML file of keys, such as @params.yaml") from None
    except (OSError, UnicodeDecodeError, YAMLError, OmegaConfBaseException) as error:
        raise ConfigError(f"{MARK}{path}: not a YAML file of keys with values ({first_line(error)})") from None


def _text(value: Any) -> str:
    """As Hydra's grammar reads the value back."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(map(_text, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_text(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    if PLAIN_TEXT.fullmatch(text) and text.lower() not in NOT_TEXT:
        return text
    return quoted(text)


def quoted(text: str) -> str:
    """A text as Hydra's quoted string, where a backslash escapes quotes, and itself only before one."""
    return "'" + re.sub(r"(\\*)('|$)", lambda match: 2 * match[1] + ("\\'" if match[2] else ""), text) + "'"

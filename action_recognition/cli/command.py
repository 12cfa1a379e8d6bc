"""What a command is: the groups of `conf/` that it reads, what is checked before its slow imports, and its function."""

import inspect
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from action_recognition.cli.next_commands import print_next, with_overrides

if TYPE_CHECKING:
    from rich.console import Console

    from action_recognition.config import Config

OVERRIDE = re.compile(r"^([+~]{0,2}[A-Za-z_][\w./@]*=|@(?!.*\.(?i:txt)$))", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a command: its checked configuration, and where it prints."""

    config: "Config"
    console: "Console"
    overrides: tuple[str, ...]  # as given
    inputs: tuple[str, ...] = ()

    def print_next(self, commands: Mapping[str, Sequence[str]]) -> None:
        """Say what may follow: each command with those of the overrides whose keys it has to be told."""
        print_next(self.console, *(with_overrides(name, self.overrides, keys) for name, keys in commands.items()))


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command. Its function is given a `Call`, or the words as they were typed where `composes` is False.

    Configuration and folders are checked first. The function imports what is slow, such as torch, inside.

    Args:
        groups: the groups of `conf/` that it reads.
        of_checkpoint: it takes the configuration that a checkpoint was trained with.
        reads_videos: it cannot read shards.
        needs_data: the folders of the data set have to be there.
        makes_batches: a batch has to fit into memory.
        takes_inputs: it is given videos or folders beside overrides.
        fixed: overrides that the command itself gives; `instead` is the command that takes other values.
        usage: the words that it takes, as help shows them.
    """

    function: Callable[[Any], None]
    composes: bool = True
    groups: tuple[str, ...] = ()
    of_checkpoint: bool = False
    reads_videos: bool = False
    needs_data: bool = False
    makes_batches: bool = False
    takes_inputs: bool = False
    fixed: tuple[str, ...] = ()
    instead: str = ""
    usage: str = "[key=value ...]"

    @property
    def help(self) -> str:
        return inspect.getdoc(self.function) or ""

    @property
    def summary(self) -> str:
        return self.help.partition("\n")[0]

    def run(self, words: Sequence[str]) -> None:
        """Check everything that can be checked at once, then do the work.

        Raises:
            UserError: for a wrong configuration, missing data, or whatever the command meets.
        """
        self.function(self.prepare(words) if self.composes else words)

    def prepare(self, words: Sequence[str]) -> Call:
        """The configuration that `words` and, where it is used, a checkpoint give; and the terminal.

        Raises:
            ConfigError: for a key, a value or a combination that cannot be used.
            DataError: if the data is not there.
        """
        from action_recognition.cli.terminal import Terminal
        from action_recognition.video.pixel_limit import set_max_pixels

        inputs, overrides = split_words(words) if self.takes_inputs else ([], list(words))
        config = self.compose(overrides)
        set_max_pixels(config.data.max_pixels)
        if self.needs_data:
            from action_recognition.data.preconditions import check_data_there

            check_data_there(config.data)
        if self.makes_batches:
            from action_recognition.data.preconditions import check_batches_fit

            views = config.data.test_clips * config.data.test_crops if self.of_checkpoint else 1
            check_batches_fit(config, views=views)
        return Call(config=config, console=Terminal(), overrides=tuple(overrides), inputs=tuple(inputs))

    def compose(self, overrides: Sequence[str]) -> "Config":
        """The configuration that this command would run with.

        Raises:
            ConfigError: for a key or a value that cannot be used here.
        """
        from action_recognition.config import load_config
        from action_recognition.config.keys import check_given_once
        from action_recognition.datasets import check_dataset, dataset_of
        from action_recognition.errors import ConfigError

        check_given_once(overrides)
        self._check_fixed(overrides)
        config = load_config((*(set(self.fixed) - set(overrides)), *overrides))
        dataset = dataset_of(config.data)
        if dataset.reads_shards and self.reads_videos:
            raise ConfigError("data=shards: this command reads videos; name the data set itself, such as data=hmdb51")
        if self.of_checkpoint or config.trainer.resume:
            from action_recognition.models.checkpoint_config import config_of_checkpoint

            config = config_of_checkpoint(config)
        elif dataset.reads_shards:
            from action_recognition.readers.shards.exported_settings import as_exported

            config = as_exported(config)
        check_dataset(config)
        return config

    def _check_fixed(self, overrides: Sequence[str]) -> None:
        from action_recognition.config import key_of
        from action_recognition.errors import ConfigError

        keys = {key_of(override) for override in overrides}
        for fixed in self.fixed:
            if (key := key_of(fixed)) in keys and fixed not in overrides:
                raise ConfigError(f"{key} can be chosen with {self.instead}; expected {fixed} or nothing here")


def command(**declared: Any) -> Callable[[Callable[[Any], None]], Command]:
    """Make a `Command` of the function below it; takes the arguments of `Command`."""
    return lambda function: Command(function=function, **declared)


def split_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Inputs and overrides, told apart by `key=` or `@` at the start; files that exist and `@list.txt` are inputs."""
    inputs = [word for word in words if os.path.exists(word) or not OVERRIDE.match(word)]  # noqa: PTH110 - no Path per word
    return inputs, [word for word in words if word not in inputs]

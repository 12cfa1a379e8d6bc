"""What docs/visualize.md tells people to type composes, and its pictures are there and small."""

import re
import shlex

import pytest
from helpers.support import ROOT

from action_recognition.cli.command import split_words
from action_recognition.cli.commands import COMMANDS
from action_recognition.config import load_config

TEXT = (ROOT / "docs/visualize.md").read_text()
TYPED = sorted(set(re.findall(r"`((?:visualize|list-layers)(?: [^`]*)?)`", TEXT)))


def test_there_are_commands() -> None:
    assert len(TYPED) > 8


@pytest.mark.parametrize("line", TYPED)
def test_every_command_composes(line: str) -> None:
    name, *words = shlex.split(line)
    assert name in COMMANDS
    load_config(split_words(words)[1])


def test_pictures_are_there_and_small() -> None:
    pictures = re.findall(r"\]\((\w+\.jpg)\)", TEXT)
    assert pictures
    assert all((ROOT / "docs" / name).stat().st_size < 150_000 for name in pictures)

"""What the README tells people to type is there, and composes."""

import re
import shlex

import pytest
from helpers.support import ROOT

from action_recognition.cli.command import split_words
from action_recognition.cli.commands import COMMANDS
from action_recognition.config import load_config

TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
TYPED = re.compile(r"python commands\.py ([^`\n#]+)")
LINES = sorted({match.strip() for text in TEXTS for match in TYPED.findall(text.read_text())})


def test_the_readme_has_commands():
    assert len(LINES) > 12


@pytest.mark.parametrize("line", LINES)
def test_every_command_is_known_and_its_overrides_compose(line):
    name, *words = shlex.split(line)
    if name.startswith("-"):
        assert name == "--help"
        return
    assert name in COMMANDS
    _, overrides = split_words(words)
    load_config(overrides)


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.name)
def test_every_file_linked_is_there(text):
    for target in re.findall(r"\]\(([^)#]+)\)", text.read_text()):
        if "://" not in target:
            assert (ROOT / target).exists(), target


def test_every_make_target_is_there():
    makefile = (ROOT / "Makefile").read_text()
    for text in TEXTS:
        for target in re.findall(r"^\s*make ([a-z]+)", text.read_text(), re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target

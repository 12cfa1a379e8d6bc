import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.support import ROOT
from hypothesis import example, given
from hypothesis import strategies as st

from action_recognition.cli.command import Command, split_words
from action_recognition.cli.commands import COMMANDS
from action_recognition.cli.main import main


@pytest.mark.parametrize("words", [(), ("--help",), ("help",)])
def test_help_lists_every_command_with_one_line(run_cli, words):
    result = run_cli(*words)
    assert result.code == 0
    lines = result.out.splitlines()
    for name in COMMANDS:
        assert sum(line.split()[:1] == [name] for line in lines) == 1


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (("trian",), 2, "did you mean 'train'"),
        (("train", "--epochs", "3"), 2, "key=value"),
        (("train", "trainer.max_epoch=1"), 1, "trainer.max_epochs"),
        (("train", "data.split=5"), 1, "1, 2, 3"),
        (("predict",), 1, "no input given"),
        (("infer",), 1, "commands.py train"),
        (("infer", "evaluation.checkpoint=missing.ckpt"), 1, "missing.ckpt"),
        (("train", "data=folder", "data.videos_dir=nowhere"), 1, "nowhere"),
        (("export-onnx", "export.checkpoint=missing.ckpt"), 1, "missing.ckpt"),
        (("train", "lr=0.1"), 1, "did you mean optimizer.lr=0.1?"),
        (("infer-from-onnx", "x.mp4", "predict.backend=torch"), 1, "expected predict.backend=onnx"),
        (("predict", "2024"), 1, "2024: no such file or folder"),
    ],
)
def test_a_mistake_is_one_line_and_a_non_zero_exit(run_cli, tmp_path, words, code, expected):
    result = run_cli(*words)
    assert result.code == code
    lines = result.err.strip().splitlines()
    assert len(lines) == 1, result.err
    assert lines[0].startswith("error: ")
    assert expected in lines[0]
    assert not (tmp_path / "plots").exists()


def test_sources_and_overrides_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.avi").write_bytes(b"")
    words = ["a=b.avi", "missing.avi", "predict.top_k=2", "~data", "+x.y=1"]
    assert split_words(words) == (["a=b.avi", "missing.avi", "~data"], ["predict.top_k=2", "+x.y=1"])


GIVEN: list[tuple[str, ...]] = []


def _break_down(words):
    raise ZeroDivisionError("line one\nline two")


keep = Command(function=lambda words: GIVEN.append(tuple(words)), composes=False)
break_down = Command(function=_break_down, composes=False)
numpy = Command(function=lambda words: np.empty(2**60, dtype=np.uint8), composes=False)
torch_ = Command(function=lambda words: torch.empty(2**60, dtype=torch.uint8), composes=False)
MINE = {name.rstrip("_").replace("_", "-"): f"{__name__}:{name}" for name in ("keep", "break_down", "numpy", "torch_")}


WORDS = ["2024", "0", "1e5", "None", "[a]", "{a: 1}", "true", "'x'", "a=b", "a b = c", "\u00fc\udcff", "", "=", "#x"]


@given(st.lists(st.text().filter(lambda word: not word.startswith("-"))))
@example(WORDS)
def test_words_reach_a_command_as_they_were_typed(words):
    assert main(["keep", *words], MINE) == 0
    assert GIVEN[-1] == tuple(words)


@pytest.mark.parametrize("word", ["-", "--", "--separator", "--help-me", "-x.avi"])
def test_a_word_with_a_dash_is_refused_unless_it_is_a_file(word, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["keep", word], MINE) == 2
    assert capsys.readouterr().err == f"error: {word!r}: expected key=value, without dashes; keys are in conf/\n"
    Path(word).touch()
    assert main(["keep", "a", word, "b"], MINE) == 0
    assert GIVEN[-1] == ("a", word, "b")


def test_a_bug_is_one_line_that_names_its_traceback(capsys, monkeypatch):
    monkeypatch.delenv("DEBUG", raising=False)
    assert main(["break-down"], MINE) == 70
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: a bug in this program, not in how it was called: ZeroDivisionError: line one;")
    traceback = Path(line.rpartition(" ")[2])
    assert "in _break_down" in traceback.read_text()
    traceback.unlink()


@pytest.mark.parametrize(
    ("words", "output", "code", "error"),
    [
        ("--help", "| true", 141, ""),
        ("train --help", "| true", 141, ""),
        ("trian 2>&1", "| true", 2, ""),
        ("--help", ">/dev/full", 1, "error: No space left on device: standard output"),
        ("--help", ">&-", 1, "error: standard output is closed"),
        ("trian", "2>&-", 2, ""),
        ("--help", ">&- 2>&- <&-", 1, ""),
    ],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_nobody_takes_ends_a_command_without_a_traceback(words, output, code, error, unbuffered):
    # The pipe's reader is gone before anything is written.
    line = f'(sleep 0.2; exec "$0" commands.py {words}) {output}'
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line, sys.executable],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={"PYTHONUNBUFFERED": unbuffered, "PATH": "/usr/bin:/bin"},
    )
    assert result.returncode == code
    assert result.stdout == ""
    assert result.stderr.startswith(error)
    assert result.stderr.count("\n") == bool(error)


def test_a_table_into_a_closed_pipe_ends_as_quietly():
    code = "import sys, rich.console as r; from action_recognition.cli import command, main; show = command.Command("
    code += "function=lambda words: r.Console().print('x'), composes=False); "
    code += "sys.exit(main.main(['show'], {'show': '__main__:show'}))"
    line = f'(sleep 0.2; exec "$0" -c "{code}") | true'
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line, sys.executable], cwd=ROOT, capture_output=True, text=True
    )
    assert (result.returncode, result.stderr) == (141, "")


def test_a_key_given_twice_is_one_line(capsys):
    assert main(["train", "trainer.max_epochs=1", "trainer.max_epochs=2"]) == 1
    assert capsys.readouterr().err == "error: trainer.max_epochs is given twice, as 1 and 2: expected one of them\n"


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_too_little_memory_is_one_line(library, capsys):
    assert main([library], MINE) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: not enough memory for {library}; a smaller data.batch_size")

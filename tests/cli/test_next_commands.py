import shlex

import pytest
from rich.console import Console

from action_recognition.cli.next_commands import DATA, PLACES, print_next, with_overrides
from action_recognition.tracking.run_folders import last_run, remember_run

FOLDER = ("data=folder", "data.videos_dir=my clips/it's")
GIVEN = (*FOLDER, "data.archive=https://u:p@host/x", "trainer.seed=1", "plots_dir=p")


def test_overrides_that_a_command_would_not_know_are_repeated_for_the_shell():
    line = with_overrides("check-data", GIVEN, DATA)
    assert shlex.split(line) == ["python", "commands.py", "check-data", *FOLDER, "plots_dir=p"]
    assert with_overrides("infer", GIVEN, PLACES) == "python commands.py infer plots_dir=p"


def test_what_the_command_says_itself_is_not_said_twice():
    given = ("export.checkpoint=a", "export.onnx=b", "data=demo")
    assert with_overrides("export-onnx export.checkpoint=c", given, ("export",)).split()[3:] == [
        "export.checkpoint=c",
        "export.onnx=b",
    ]


@pytest.mark.parametrize(("stage", "expected"), [(None, "next: a  or  b\n"), ("train", "")])
def test_a_stage_of_dvc_says_no_next_and_leaves_the_last_run(stage, expected, monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("DVC_STAGE", raising=False)
    remember_run(tmp_path / "mine", plots_dir=str(tmp_path))
    if stage:
        monkeypatch.setenv("DVC_STAGE", stage)
    print_next(Console(), "a", "b")
    assert capsys.readouterr().out == expected
    remember_run(tmp_path / "of_the_pipeline", plots_dir=str(tmp_path))
    assert last_run(str(tmp_path)).name == ("mine" if stage else "of_the_pipeline")


def test_a_name_with_an_escape_does_not_reach_the_terminal(capsys, monkeypatch):
    monkeypatch.delenv("DVC_STAGE", raising=False)
    print_next(Console(width=200), "predict '\x1b[31m.avi'")
    assert capsys.readouterr().out == "next: predict '\\x1b[31m.avi'\n"

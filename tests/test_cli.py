import subprocess
import sys

import pytest
from support import ROOT

from action_recognition.cli import command_names, split_arguments
from action_recognition.commands import Commands


@pytest.mark.parametrize("words", [(), ("--help",), ("help",)])
def test_help_lists_every_command_with_one_line(run_cli, words):
    result = run_cli(*words)
    assert result.code == 0
    lines = result.out.splitlines()
    for name in command_names(Commands):
        assert sum(line.split()[:1] == [name] for line in lines) == 1


def test_help_does_not_import_torch_or_hydra():
    code = "import sys, commands; commands.main(commands.Commands, ['--help']); print(sorted(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = result.stdout.splitlines()[-1]
    assert "'fire'" in modules
    assert not any(f"'{name}'" in modules for name in ("torch", "lightning", "hydra", "mlflow", "numpy", "cv2"))


def test_help_of_one_command_shows_its_text(run_cli):
    result = run_cli("train", "--help")
    assert result.code == 0
    assert "trainer.resume=last" in result.out


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (("trian",), 2, "did you mean 'train'"),
        (("train", "--epochs", "3"), 2, "key=value"),
        (("train", "trainer.max_epoch=1"), 1, "trainer.max_epochs"),
        (("train", "data.split=5"), 1, "1, 2, 3"),
        (("predict",), 1, "no video given"),
        (("infer",), 1, "commands.py train"),
        (("infer", "evaluation.checkpoint=missing.ckpt"), 1, "missing.ckpt"),
        (("train", "data=folder", "data.videos_dir=nowhere"), 1, "nowhere"),
        (("export-onnx", "export.checkpoint=missing.ckpt"), 1, "missing.ckpt"),
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


def test_the_script_itself_exits_with_the_code():
    result = subprocess.run([sys.executable, "commands.py", "trian"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1


def test_sources_and_overrides_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.avi").write_bytes(b"")
    words = ["a=b.avi", "missing.avi", "predict.top_k=2", "~data", "+x.y=1"]
    assert split_arguments(words) == (["a=b.avi", "missing.avi", "~data"], ["predict.top_k=2", "+x.y=1"])

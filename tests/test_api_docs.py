"""The code of docs/api.md runs, from the first block to the last, in one namespace."""

import re
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest
from helpers.support import ROOT, moving_square
from helpers.tiny_models import exported_bytes, save_checkpoint, tiny_model

import action_recognition

TEXT = (ROOT / "docs/api.md").read_text()
BLOCK = re.compile(r"(<!-- not run -->\n)?```python\n(.*?)```", re.DOTALL)
BLOCKS = BLOCK.findall(TEXT)


@pytest.fixture
def here(tiny_set: Path, tmp_path: Path, make_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the text takes for granted: a trained model, an ONNX file, a video, the demo set."""
    monkeypatch.chdir(tmp_path)
    checkpoints = tmp_path / "plots/runs/one/checkpoints"
    checkpoints.mkdir(parents=True)
    save_checkpoint(tiny_model(fps=30.0), checkpoints / "best.ckpt")
    (tmp_path / "plots/last_run").write_text("plots/runs/one\n")
    (tmp_path / "video_action_model.onnx").write_bytes(exported_bytes())
    make_video(tmp_path / "my_video.avi", moving_square(90)).rename("my_video.mp4")
    make_video(tmp_path / "clips/deep/other.avi", moving_square(40)).rename("clips/other.mp4")
    copytree(tiny_set, "data/demo")
    return tmp_path


def test_all_blocks_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for skipped, code in BLOCKS:
        compiled = compile(code, "docs/api.md", "exec")
        if not skipped:
            exec(compiled, names)
    printed = capsys.readouterr().out
    assert "clips/other.mp4 " in printed
    for name in ("labelled.mp4", "timeline.png", "mine.ckpt"):
        assert (here / name).stat().st_size > 1000, name


def test_the_readmes_lines_run(here: Path) -> None:
    names: dict[str, object] = {}
    for _, code in BLOCK.findall((ROOT / "README.md").read_text()):
        exec(compile(code, "README.md", "exec"), names)


def test_few_blocks_are_not_run() -> None:
    assert len(BLOCKS) > 10
    assert [code.count("\n") for skipped, code in BLOCKS if skipped] == [4]


def test_every_public_name_is_explained() -> None:
    said = set(re.findall(r"\w+", TEXT))
    of_contributors = {"Backend", "Window", "Segment", "Manifest", "Config", "ClipContract", "Prediction", "ClipBatch"}
    of_contributors |= {"VideoActionModel", "load_backend", "Metric", "register_metric"}
    assert set(action_recognition.PUBLIC) - said - of_contributors == set()

"""Fixtures: tiny videos and data sets in HMDB51's layout, and the real material where it is at hand."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

# As action_recognition itself does, but the tests import OpenCV first.
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
# `make test` runs one worker per core: threads inside each would fight over the same cores.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from helpers.mirror_server import Server, running_server
from helpers.support import ROOT, TINY_MODEL, latest_of_each_key, moving_square, write_video
from helpers.tiny_models import tiny_contract

from action_recognition.cli.main import main
from action_recognition.config import Config, load_config
from action_recognition.contract import ClipContract


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The whole pipeline takes longest: it starts first, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: item.path.name != "test_pipeline.py")


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of real clips beside the project."""
    path = ROOT.parent / "shared"
    if not (path / "hmdb51_sample").is_dir():
        pytest.skip("no ../shared with real clips on this machine")
    return path


@pytest.fixture
def make_video() -> Callable[..., Path]:
    return write_video


@pytest.fixture(scope="session")
def tiny_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, 6 source videos each with 2 clips, in HMDB51's layout: sources 0-3 train, 4-5 test."""
    root = tmp_path_factory.mktemp("tiny")
    for label, direction in (("run", 1), ("walk", -1)):
        lines = []
        for source in range(6):
            for number in range(2):
                name = f"Film_{source}_{label}_f_nm_np1_ri_goo_{number}.avi"
                frames = moving_square(10 + source, direction=direction, seed=10 * source + number)
                write_video(root / "videos" / label / name, frames)
                lines.append(f"{name} {1 if source < 4 else 2} ")
        for split in (1, 2, 3):
            path = root / "splits" / f"{label}_test_split{split}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def tiny_overrides(tiny_set: Path, tmp_path: Path) -> list[str]:
    """Overrides that train a tiny model on `tiny_set`, with everything written below `tmp_path`."""
    return [
        "data=hmdb51",
        f"data.videos_dir={tiny_set}/videos",
        f"data.splits_dir={tiny_set}/splits",
        "data.val_fraction=0.25",
        "data.batch_size=4",
        "data.num_workers=0",
        "data.test_clips=2",
        *TINY_MODEL,
        "clip.stride=2",
        "trainer.max_epochs=2",
        "trainer.accelerator=cpu",
        "trainer.precision=32-true",
        "trainer.memory_format=contiguous",
        "evaluation.bootstrap=50",
        f"plots_dir={tmp_path}/plots",
        f"export.onnx={tmp_path}/model.onnx",
        "tracking.system_metrics=false",
    ]


@pytest.fixture
def tiny_config(tiny_overrides: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """The config of `tiny_overrides`; the working directory is `tmp_path`, so that caches land there."""
    monkeypatch.chdir(tmp_path)
    return load_config(tiny_overrides)


@pytest.fixture(name="tiny_contract")
def fixture_tiny_contract() -> ClipContract:
    return tiny_contract()


@pytest.fixture
def server() -> Iterator[Server]:
    """An HTTP server on loopback; `server.add` gives it something to serve."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database; making one takes seconds, copying it does not."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@dataclass
class Outcome:
    """What a command left: exit code and the two streams."""

    code: int
    out: str
    err: str


@pytest.fixture
def run_cli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Run a command in this process, in `tmp_path`: the same front, without five seconds of imports each."""
    monkeypatch.setenv("COLUMNS", "120")

    def run(*words: str) -> Outcome:
        monkeypatch.chdir(tmp_path)
        capfd.readouterr()
        code = main(latest_of_each_key(words))
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run

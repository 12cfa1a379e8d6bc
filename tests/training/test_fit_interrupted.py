"""Trainings that Ctrl-C, SIGTERM, a kill or a full disk end: what is said, what is left, and that they go on."""

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest
import torch
from helpers.tiny_models import file_size_limit
from lightning.pytorch.callbacks import Callback
from rich.console import Console

from action_recognition.config import load_config
from action_recognition.errors import ConfigError
from action_recognition.models.checkpoint_config import config_of_checkpoint
from action_recognition.tracking.run_folders import resolve_checkpoint
from action_recognition.training.fit import train
from action_recognition.utils.interruption import Interrupted, exit_code, interruption_line


def epochs(overrides: list[str], number: int) -> list[str]:
    """The overrides for a training of so many epochs, without early stopping."""
    kept = [override for override in overrides if not override.startswith("trainer.max_epochs=")]
    return [*kept, f"trainer.max_epochs={number}", "trainer.patience=5000"]


@contextmanager
def sent_when(condition, signal_number: int) -> Iterator[None]:
    """Send this process a signal as soon as the condition holds."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            if condition():
                os.kill(os.getpid(), signal_number)
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def last_checkpoints(folder: Path) -> list[Path]:
    return list(folder.rglob("last.ckpt"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_training_says_how_to_go_on_and_goes_on(run_cli, tiny_overrides, tmp_path, number, code):
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with sent_when(lambda: last_checkpoints(tmp_path), number):
        outcome = run_cli("train", *epochs(tiny_overrides, 5000))
    assert outcome.code == code, outcome.err
    last_line = outcome.err.splitlines()[-1]
    plots = f"plots_dir={tmp_path}/plots"
    start = f"interrupted; continue with: python commands.py train trainer.resume=last {plots}"
    assert last_line.startswith(start)
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
    (last,) = last_checkpoints(tmp_path)
    done = torch.load(last, weights_only=True)["epoch"] + 1
    again = last_line.split("commands.py ")[1].split()
    resumed = run_cli(*again, f"trainer.max_epochs={done + 1}")
    assert resumed.code == 0, resumed.err
    assert f"epoch {done + 1:>3}/" in resumed.out
    assert torch.load(last, weights_only=True)["epoch"] == done


class Interrupt(Callback):
    """Ctrl-C in the first step."""

    def on_train_batch_start(self, *_: object) -> None:
        signal.raise_signal(signal.SIGINT)


def test_before_the_first_epoch_nothing_is_there_to_go_on_from(tiny_config, tmp_path):
    with pytest.raises(Interrupted) as raised:
        train(tiny_config, console=Console(), callbacks=[Interrupt()], command="train-ml-flow")
    assert raised.value.advice.startswith("no epoch was finished, so nothing was saved; start again with: python comm")
    assert "commands.py train-ml-flow data=hmdb51" in raised.value.advice
    assert last_checkpoints(tmp_path) == []


def test_an_interrupted_run_is_killed_in_mlflow_and_the_same_command_goes_on(run_cli, tiny_overrides, tmp_path):
    store = [f"tracking.tracking_uri=sqlite:///{tmp_path}/mlflow.db", f"tracking.artifact_root={tmp_path}/mlruns"]
    with sent_when(lambda: last_checkpoints(tmp_path / "plots"), signal.SIGINT):
        outcome = run_cli("train-ml-flow", *epochs(tiny_overrides, 5000), *store)
    assert outcome.code == 130
    (again,) = re.findall(r"continue with: python commands.py (train-ml-flow trainer.resume=last .*)", outcome.err)
    assert again.split()[-2:] == store
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    assert [run.info.status for run in client.search_runs(experiments)] == ["KILLED"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["cache-data", "data=demo"], "interrupted; continue with: python commands.py cache-data data=demo"),
        (["tune", "tune.trials=3"], "interrupted; continue with: python commands.py tune tune.trials=3"),
        (["predict", "a b.mp4"], "interrupted"),
        ([], "interrupted"),
    ],
)
def test_commands_that_go_on_when_repeated_are_named(words, line):
    assert interruption_line(KeyboardInterrupt(), words) == line
    assert exit_code(KeyboardInterrupt()) == 130
    assert exit_code(Interrupted(signal_number=signal.SIGTERM)) == 143


def test_a_run_killed_before_its_first_last_checkpoint_goes_on_from_the_best(run, tiny_config, tmp_path, console):
    settings = ["optimizer.schedule=constant", "optimizer.warmup_epochs=0"]
    whole = run(*settings, "trainer.run_dir=whole")
    run(*settings, "trainer.max_epochs=1", "trainer.run_dir=killed")
    (tmp_path / "killed/checkpoints/last.ckpt").unlink()
    with pytest.raises(ConfigError, match=r"last\.ckpt: no such file; there is .*best\.ckpt; give its path"):
        resolve_checkpoint("last", plots_dir=tiny_config.plots_dir)
    given = load_config([f"plots_dir={tmp_path}/plots", "trainer.resume=last", "trainer.max_epochs=2"])
    resumed = train(config_of_checkpoint(given), console=console)
    assert "so training goes on from" in console.export_text()
    paths = (result.run_dir / "checkpoints/last.ckpt" for result in (whole, resumed))
    a, b = (torch.load(path, weights_only=True)["state_dict"] for path in paths)
    assert all(torch.allclose(a[name], b[name], atol=1e-6) for name in a)


def test_a_full_disk_names_the_checkpoint_and_the_run_goes_on(run_cli, tiny_overrides, tmp_path):
    run_dir = tmp_path / "run"
    assert run_cli("train", *epochs(tiny_overrides, 1), f"trainer.run_dir={run_dir}").code == 0
    before = {path.name: path.read_bytes() for path in (run_dir / "checkpoints").iterdir()}
    with file_size_limit(20_000):
        outcome = run_cli("train", "trainer.resume=last", "trainer.max_epochs=2", f"plots_dir={tmp_path}/plots")
    assert outcome.code == 1
    last_line = outcome.err.splitlines()[-1]
    assert re.search(r"error: File too large: .*run/checkpoints/(best|last)\.ckpt", last_line), outcome.err
    assert "trainer.resume=last" in last_line
    assert {path.name: path.read_bytes() for path in (run_dir / "checkpoints").iterdir()} == before
    assert run_cli("train", "trainer.resume=last", "trainer.max_epochs=2", f"plots_dir={tmp_path}/plots").code == 0

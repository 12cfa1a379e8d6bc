"""The history of a training: its scores against scikit-learn's, its times, and histories of other versions."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from sklearn.metrics import precision_recall_fscore_support

from action_recognition.config import load_config
from action_recognition.training.callbacks import COLUMNS, read_history, write_history
from action_recognition.training.fit import train
from action_recognition.training.step_clock import PARTS, StepClock, time_lines


class Witness(Callback):
    """Keeps what the network's head said in each epoch, and the labels."""

    def __init__(self) -> None:
        self.predicted: dict[tuple[str, int], list[int]] = defaultdict(list)
        self.labels: dict[tuple[str, int], list[int]] = defaultdict(list)
        self.now = ("", 0)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        def hear(_module: Any, _given: Any, logits_BK: torch.Tensor) -> None:
            self.predicted[self.now].extend(logits_BK.argmax(dim=1).tolist())

        pl_module.network.head.register_forward_hook(hear)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self._hear_labels("train", trainer, batch)

    def on_validation_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, *_: Any) -> None:
        self._hear_labels("val", trainer, batch)

    def _hear_labels(self, split: str, trainer: Any, batch: Any) -> None:
        self.now = split, trainer.current_epoch
        self.labels[self.now].extend(batch.label_B.tolist())


FROZEN = ["trainer.freeze=backbone", "trainer.feature_views=2"]


@pytest.mark.parametrize("recipe", [["trainer.accumulate=2"], FROZEN])
def test_scores_of_every_epoch_are_scikit_learns(recipe, tiny_overrides, tiny_config, console):
    witness = Witness()
    config = load_config([*tiny_overrides, *recipe])
    result = train(config, console=console, callbacks=[witness])
    rows = read_history(result.run_dir / "history.csv")
    assert len(rows) == 2
    for row in rows:
        for split in ("train", "val"):
            key = split, int(row["epoch"])
            found = [row[f"{split}_{name}"] for name in ("precision", "recall", "f1")]
            given = witness.labels[key], witness.predicted[key]
            assert len(given[0]) == len(given[1]) > 0
            expected = precision_recall_fscore_support(*given, average="macro", zero_division=0)[:3]
            assert found == pytest.approx(expected, abs=1e-6), key
            right = sum(a == b for a, b in zip(*given, strict=True)) / len(given[0])
            assert row[f"{split}_top1"] == pytest.approx(right, abs=1e-6)


def test_the_parts_of_an_epoch_add_up_to_it(run):
    for row in read_history(run().run_dir / "history.csv"):
        assert set(row) == set(COLUMNS)
        parts = [row[f"{part}_seconds"] for part in PARTS]
        assert min(parts) >= 0
        assert sum(parts) == pytest.approx(row["seconds"], rel=1e-9)
        assert all(row[f"{part}_seconds"] > 0 for part in ("data", "augment", "forward", "backward", "validation"))
        training = row["seconds"] - row["validation_seconds"] - row["other_seconds"]
        assert row["clips_per_second"] == pytest.approx(12 / training)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_the_time_is_the_devices():
    """Work that is queued and takes long counts where it was queued, not where it was waited for."""
    clock, matrix = StepClock(torch.device("cuda")), torch.rand(4096, 4096, device="cuda")
    (matrix @ matrix).sum().item()
    clock.start()
    for _ in range(20):
        matrix = (matrix @ matrix).softmax(dim=0)
    clock.mark("forward")
    clock.mark("data")
    seconds = clock.stop()
    assert seconds["forward_seconds"] > 0.9 * seconds["seconds"] > 0
    assert sum(seconds[f"{part}_seconds"] for part in PARTS) == pytest.approx(seconds["seconds"], rel=1e-6)


def test_a_history_of_an_older_version_goes_on(run):
    first = run("trainer.max_epochs=1", "trainer.run_dir=parts")
    path = first.run_dir / "history.csv"
    old = "epoch,train_loss,train_top1,val_loss,val_top1,val_top5,lr,seconds"
    path.write_text(f"{old}\n0,1.5,0.5,1.25,0.5,1.0,0.001,2.5\n")
    run("trainer.resume=last", "trainer.max_epochs=2")
    rows = read_history(path)
    assert [row["epoch"] for row in rows] == [0, 1]
    assert (rows[0]["val_loss"], rows[0]["seconds"]) == (1.25, 2.5)
    assert "train_f1" not in rows[0]
    assert "train_f1" in rows[1]


def test_columns_of_a_newer_version_stay(tmp_path: Path):
    path = tmp_path / "history.csv"
    write_history(path, [{"epoch": 0, "seconds": 1.0}, {"epoch": 1, "seconds": 1.0, "something_new": 3.0}])
    assert read_history(path) == [{"epoch": 0, "seconds": 1.0}, {"epoch": 1, "seconds": 1.0, "something_new": 3.0}]


def row_of(**seconds: float) -> dict[str, float]:
    return {f"{part}_seconds": seconds.get(part, 0.0) for part in PARTS}


def test_the_line_on_time_names_shares_and_hints_where_data_is_waited_for():
    rows = [{"epoch": 0.0, "seconds": 9.0}, row_of(data=300, forward=100, backward=199, other=1)]
    line, hint = time_lines(rows, decodes=True)
    assert line == "time: 10:00 in 1 epochs: 50 % waiting for data, 17 % forward, 33 % backward and optimizer"
    assert "commands.py cache-data" in hint
    assert "cache-data" not in time_lines(rows, decodes=False)[1]
    assert len(time_lines([row_of(data=9, forward=1)], decodes=True)) == 1  # a start of workers is no bottleneck
    assert time_lines(rows[:1], decodes=True) == []

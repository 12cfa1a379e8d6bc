import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from rich.console import Console

from action_recognition.config import load_config
from action_recognition.datasets.records import read_records
from action_recognition.errors import ConfigError, DataError
from action_recognition.evaluation.evaluate import evaluate
from action_recognition.models.checkpoint_config import config_of_checkpoint
from action_recognition.models.module import VideoActionModel
from action_recognition.tracking.run_folders import last_run, resolve_checkpoint
from action_recognition.training import checkpoint_files
from action_recognition.training.callbacks import read_history
from action_recognition.training.fit import train
from action_recognition.utils import progress


def weights(result):
    return torch.load(result.run_dir / "checkpoints/last.ckpt", weights_only=True)["state_dict"]


def test_a_run_leaves_checkpoints_history_manifest_and_curves(tiny_config, console):
    result = train(tiny_config, console=console)
    names = {path.relative_to(result.run_dir).as_posix() for path in result.run_dir.rglob("*") if path.is_file()}
    checkpoints = {"checkpoints/best.ckpt", "checkpoints/last.ckpt"}
    curves = {"learning_curves.png", "learning_curves.svg"}
    assert names == checkpoints | curves | {"config.yaml", "history.csv", "manifest.csv"}
    assert last_run(tiny_config.plots_dir) == result.run_dir
    rows = read_history(result.run_dir / "history.csv")
    assert [row["epoch"] for row in rows] == [0, 1]
    assert all(0 < row["train_loss"] < 10 and 0 <= row["val_top1"] <= 1 for row in rows)
    model = VideoActionModel.from_checkpoint(result.best_checkpoint)
    assert model.contract.class_names == ("run", "walk")
    assert model.contract.data_hash
    assert len(read_records(result.run_dir / "manifest.csv")) == 24
    printed = console.export_text()
    assert "epoch   2/2" in printed
    assert re.search(r"^time: 0:\d\d in 2 epochs: .*\d % forward, \d+ % backward and optimizer", printed, re.M)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(run):
    settings = [], ["trainer.run_dir=second", "data.num_workers=2"], ["trainer.run_dir=third", "trainer.seed=1"]
    a, b, c = (weights(run(*overrides)) for overrides in settings)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


def test_resuming_ends_where_an_uninterrupted_run_ends(run, tiny_config, console):
    settings = ["optimizer.schedule=constant", "optimizer.warmup_epochs=0", "model.args.dropout=0.5"]
    whole = run(*settings, "trainer.max_epochs=3", "trainer.run_dir=whole")
    run(*settings, "trainer.max_epochs=1", "trainer.run_dir=parts")
    given = load_config([f"plots_dir={tiny_config.plots_dir}", "trainer.resume=last", "trainer.max_epochs=3"])
    resumed = train(config_of_checkpoint(given), console=console)
    assert resumed.run_dir.name == "parts"
    assert [row["epoch"] for row in read_history(resumed.run_dir / "history.csv")] == [0, 1, 2]
    a, b = weights(whole), weights(resumed)
    assert {n: float((a[n] - b[n]).abs().max()) for n in a if not torch.allclose(a[n], b[n], atol=1e-6)} == {}


def test_unreadable_clips_are_reported_skipped_and_counted(tiny_set, run, tmp_path, console):
    shutil.copytree(tiny_set, tmp_path / "own")
    folder = tmp_path / "own/videos/run"
    (folder / "Film_0_run_f_nm_np1_ri_goo_0.avi").write_bytes(b"")
    (folder / "Film_1_run_f_nm_np1_ri_goo_0.avi").write_text("a text file")
    result = run(f"data.videos_dir={tmp_path}/own/videos", "trainer.max_epochs=1")
    text = console.export_text()
    assert result.skipped == 2
    assert "Film_0_run_f_nm_np1_ri_goo_0.avi: empty file" in text
    assert "Film_1_run_f_nm_np1_ri_goo_0.avi: not a video" in text
    assert "2 unreadable clips were skipped" in text


def test_an_epoch_that_takes_long_says_how_far_it_is(tiny_config, capsys, monkeypatch):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.001)
    train(tiny_config, console=Console(width=200))
    lines = capsys.readouterr().out
    assert re.search(r"^epoch 1/2: \d of 4 \(\d+ %\), 0:\d\d elapsed", lines, re.M)
    assert re.search(r"^epoch 2/2: \d of 4 .* elapsed", lines, re.M)


def test_training_stops_early_without_progress(run):
    stuck = ["optimizer.lr=1e-12", "optimizer.warmup_epochs=0", "trainer.patience=2", "trainer.max_epochs=30"]
    assert run(*stuck).epochs < 10


def test_without_validation_the_best_is_by_training_loss(run):
    result = run("data.val_fraction=0")
    assert result.best_checkpoint.is_file()
    row = read_history(result.run_dir / "history.csv")[0]
    assert not {"val_top1", "val_f1"} & row.keys()
    assert row["validation_seconds"] == 0


def test_a_model_is_not_judged_on_what_it_was_trained_on(tiny_set, tiny_overrides, tiny_config, tmp_path, console):
    train(tiny_config, console=console)
    shutil.copytree(tiny_set / "splits", tmp_path / "swapped")
    for path in (tmp_path / "swapped").iterdir():
        path.write_text(path.read_text().replace(" 1 ", " 9 ").replace(" 2 ", " 1 ").replace(" 9 ", " 2 "))
    swapped = [*tiny_overrides, f"data.splits_dir={tmp_path}/swapped"]
    checkpoint = resolve_checkpoint("best", plots_dir=tiny_config.plots_dir)
    with pytest.raises(DataError, match="16 of 16 test clips come from source videos"):
        evaluate(load_config(swapped), checkpoint, console=console)
    allowed = load_config([*swapped, "evaluation.allow_leakage=true"])
    assert evaluate(allowed, checkpoint, console=console).metrics.clips == 16


def test_no_run_yet_says_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match=r"no run in .*commands.py train"):
        resolve_checkpoint("best", plots_dir=str(tmp_path))


def test_an_evaluation_keeps_its_files_with_its_run(tiny_overrides, tiny_config, console):
    """A second run's evaluation, and another checkpoint's, leave the first one's as they are."""
    folders = []
    for name, checkpoint in (("one", "best"), ("two", "best"), ("two", "last")):
        config = load_config([*tiny_overrides, f"trainer.run_dir={tiny_config.plots_dir}/runs/{name}"])
        path = Path(config.trainer.run_dir) / f"checkpoints/{checkpoint}.ckpt"
        if not path.exists():
            train(config, console=console)
        folders.append(evaluate(config, path, console=console).directory)
    runs = Path(tiny_config.plots_dir) / "runs"
    assert folders == [runs / "one/test_best", runs / "two/test_best", runs / "two/test_last"]
    names = {"metrics.json", "predictions.csv", "confusion_matrix.png", "class_accuracy.png"}
    assert all({path.name for path in folder.iterdir()} >= names for folder in folders)
    assert all((runs / name / "learning_curves.png").is_file() for name in ("one", "two"))
    # Beside the runs lies only what is asked for by name: the newest metrics.
    assert {path.name for path in Path(tiny_config.plots_dir).iterdir()} == {"runs", "last_run", "metrics.json"}
    latest = Path(tiny_config.evaluation.metrics).read_text()
    assert latest == (folders[-1] / "metrics.json").read_text()
    rows = [row.split(",") for row in (folders[-1] / "predictions.csv").read_text().splitlines()[1:]]
    assert sum(row[2] == row[3] for row in rows) / 8 == pytest.approx(json.loads(latest)["top1"])

    sent = tiny_config.plots_dir + "/../sent.ckpt"
    Path(sent).write_bytes(path.read_bytes())
    assert evaluate(config, Path(sent), console=console).directory == runs / "sent/test_sent"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["trainer.limit_val_batches=0.1"], ["trainer.limit_val_batches=0.1: none of", "batches; expected at least"]),
        (["trainer.accelerator=mps"], ["trainer.accelerator=mps: no such device here"]),
        (["trainer.devices=256"], ["trainer.devices=256: this machine has", "expected 1 to"]),
        (["augment.keep_direction=[wak]"], ["wak is no class", "'walk'"]),
    ],
)
def test_what_this_machine_or_data_cannot_do_is_refused_before_any_work(overrides, words, run, tiny_config):
    with pytest.raises(ConfigError) as caught:
        run(*overrides)
    assert all(word in str(caught.value) for word in words)
    assert not Path(tiny_config.plots_dir).exists()


def test_a_training_that_can_read_no_clip_is_refused(run):
    with pytest.raises(DataError, match=r"^no training clip could be read: .*short_clip.*check-data$"):
        run("clip.stride=900", "clip.short_clip=error")


def test_a_run_is_the_last_one_only_once_it_has_a_checkpoint(tiny_config, console, monkeypatch):
    """Killed while it writes its first checkpoint, it must not hide the run before it."""
    first = train(tiny_config, console=console)

    class Killed(BaseException):
        pass

    def killed(*given):
        raise Killed

    monkeypatch.setattr(checkpoint_files, "replace_file", killed)
    with pytest.raises(Killed):
        train(tiny_config, console=console)
    assert last_run(tiny_config.plots_dir) == first.run_dir

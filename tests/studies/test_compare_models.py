"""`compare-models`: the same clips for both, classes in any order, and one line for what cannot be compared."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.html_pages import Page
from helpers.tiny_models import exported_bytes, save_checkpoint, tiny_model

from action_recognition.data.open import open_data
from action_recognition.datasets.records import group_digests
from action_recognition.models.module import VideoActionModel

RunCli = Callable[..., Any]
NAMES = ("run", "walk")


@pytest.fixture
def data(tiny_set: Path, tmp_path: Path) -> list[str]:
    """Overrides for four test clips of each of two classes, from two source videos each."""
    folders = [f"data.videos_dir={tiny_set}/videos", f"data.splits_dir={tiny_set}/splits"]
    return ["data=hmdb51", *folders, "data.num_workers=0", f"plots_dir={tmp_path}/plots", "evaluation.bootstrap=30"]


def checkpoint(path: Path, *, seed: int = 0, class_names: tuple[str, ...] = NAMES, **provenance: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    model = tiny_model(seed=seed, class_names=class_names)
    model.hparams["provenance"] = {"train_groups": ["of another film"]} | provenance
    return save_checkpoint(model, path)


def with_other_order(model: VideoActionModel, path: Path) -> Path:
    """The same model with its classes the other way round."""
    contract = model.hparams["contract"] | {"class_names": model.contract.class_names[::-1]}
    other = VideoActionModel(contract, model.hparams["model"]).eval()
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        for parameter in other.network.head[-1].parameters():
            parameter.copy_(parameter.flip(0))
    return save_checkpoint(other, path)


def read(folder: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    with (folder / "clips.csv").open(newline="") as file:
        return json.loads((folder / "comparison.json").read_text()), list(csv.DictReader(file))


def test_two_checkpoints(run_cli: RunCli, data: list[str], tmp_path: Path) -> None:
    first, second = (checkpoint(tmp_path / f"{name}.ckpt", seed=seed) for seed, name in enumerate("ab", start=1))
    done = run_cli("compare-models", str(first), str(second), *data)
    assert done.code == 0, done.err
    folder = tmp_path / "plots/compare_models/a.ckpt_vs_b.ckpt"
    figures, clips = read(folder)
    right = {letter: [row[letter] == row["label"] for row in clips] for letter in "AB"}
    assert figures["clips"] == len(clips) == len(load_records(data))
    for letter, hits in right.items():
        assert figures["scores"]["top1"][letter] == pytest.approx(np.mean(hits))
    difference = figures["scores"]["top1"]["difference"]
    assert difference == pytest.approx(np.mean(right["B"]) - np.mean(right["A"]))
    counts = [
        sum(a is one and b is other for a, b in zip(right["A"], right["B"], strict=True))
        for one, other in ((True, True), (True, False), (False, True), (False, False))
    ]
    names = ("both_right", "only_A_right", "only_B_right", "neither_right")
    assert [figures[name] for name in names] == counts
    assert figures["verdict"] in done.out
    assert "of only 2 source videos" in figures["verdict"]
    text = (folder / "comparison.html").read_text()
    page = Page(text)
    assert page.open == []
    assert all(address.startswith("data:") for address in page.fetched)
    assert f'data-key="comparison.json/scores/top1/difference">{100 * difference:+.1f}<' in text
    assert (folder / "only_one_right.jpg").exists() is bool(counts[1] + counts[2])


def load_records(data: list[str]) -> list[Any]:
    return list(open_data(*[word for word in data if not word.startswith("evaluation")]).manifest.split("test"))


def test_the_order_of_classes_does_not_matter(run_cli: RunCli, data: list[str], tmp_path: Path) -> None:
    one = checkpoint(tmp_path / "a.ckpt")
    with_other_order(VideoActionModel.from_checkpoint(one), tmp_path / "b.ckpt")
    done = run_cli("compare-models", "a.ckpt", "b.ckpt", *data)
    assert done.code == 0, done.err
    figures, clips = read(tmp_path / "plots/compare_models/a.ckpt_vs_b.ckpt")
    assert all(row["A"] == row["B"] and float(row["A_of_label"]) > 0 for row in clips)
    assert figures["mcnemar_p"] == 1
    assert figures["better"] is None
    for score in figures["scores"].values():
        assert score["difference"] == pytest.approx(0, abs=1e-6)


def test_a_model_and_its_onnx_file(run_cli: RunCli, data: list[str], tmp_path: Path) -> None:
    """A third class has no clips; runs go by their names, and the same file twice is said to be that."""
    names = ("run", "walk", "wave")
    checkpoint(tmp_path / "plots/runs/läuft 跑/checkpoints/best.ckpt", class_names=names)
    (tmp_path / "m.onnx").write_bytes(exported_bytes())
    done = run_cli("compare-models", "läuft 跑", "m.onnx", *data)
    assert done.code == 0, done.err
    figures, _ = read(tmp_path / "plots/compare_models/läuft-跑-best_vs_m.onnx")
    assert figures["A"] == "läuft 跑/best"
    assert figures["remarks"] == ["B (m.onnx) does not say what it was trained on: leakage cannot be seen"]
    assert figures["only_A_right"] == figures["only_B_right"] == 0
    assert figures["scores"]["log_loss"]["difference"] == pytest.approx(0, abs=1e-4)
    same = run_cli("compare-models", "plots/runs/läuft 跑", "läuft 跑", *data)
    assert "A and B are the same file" in same.out


def test_predictions_of_an_evaluation_are_taken_while_they_are_true(
    run_cli: RunCli, data: list[str], tmp_path: Path
) -> None:
    best = checkpoint(tmp_path / "plots/runs/one/checkpoints/best.ckpt")
    checkpoint(tmp_path / "b.ckpt", seed=1)
    folder = tmp_path / "plots/compare_models/one-best_vs_b.ckpt"
    taken = "taken from its evaluation"

    def compared(model: str, *more: str) -> tuple[int, dict[str, Any]]:
        done = run_cli("compare-models", model, "b.ckpt", *data, *more)
        assert done.code == 0, done.err
        return done.out.count(taken), read(folder)[0]

    before = compared("one")
    assert before[0] == 0
    assert run_cli("infer", f"evaluation.checkpoint={best}", *data).code == 0
    assert compared("plots/runs/one/test_best") == (1, before[1])
    assert compared("one", "data.test_clips=1", "data.test_crops=1")[0] == 0, "other views"
    checkpoint(best, seed=2)
    again = compared("one")
    assert again[0] == 0, "another model"
    assert again[1] != before[1]


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ([], "models given: none; expected two: python commands.py compare-models A.ckpt B.ckpt"),
        (["a.ckpt", "a.ckpt", "evaluation.checkpoint=best"], r"evaluation.checkpoint: here the models are given as"),
        (["a.ckpt"], r"models given: 1 \(a.ckpt\); expected two"),
        (["a.ckpt", "gone.ckpt"], r"checkpoint gone.ckpt: no such file; there is a.ckpt"),
        (["a.ckpt", "nothing"], r"'nothing': no such model"),
        (["a.ckpt", "empty"], r"empty: a folder without checkpoints/best.ckpt; expected best, last"),
        (["a.ckpt", "three.ckpt"], r"models of other classes cannot be compared: three.ckpt alone knows wave"),
        (["a.ckpt", "leaks.ckpt"], r"leaks.ckpt: \d+ of \d+ test clips come from source videos that the model was"),
        (["a.ckpt", "text.ckpt"], r"text.ckpt: not a checkpoint"),
    ],
)
def test_what_cannot_be_compared(
    models: list[str], said: str, run_cli: RunCli, data: list[str], tmp_path: Path
) -> None:
    checkpoint(tmp_path / "a.ckpt")
    checkpoint(tmp_path / "three.ckpt", class_names=(*NAMES, "wave"))
    checkpoint(tmp_path / "leaks.ckpt", train_groups=group_digests(load_records(data)[:1]))
    (tmp_path / "text.ckpt").write_text("no model")
    (tmp_path / "empty").mkdir()
    done = run_cli("compare-models", *models, *data)
    assert done.code == 1
    assert_line(done.err, said)
    assert not (tmp_path / "plots/compare_models").exists()


def test_leaking_models_are_compared_only_on_demand(run_cli: RunCli, data: list[str], tmp_path: Path) -> None:
    checkpoint(tmp_path / "a.ckpt")
    checkpoint(tmp_path / "leaks.ckpt", train_groups=group_digests(load_records(data)))
    done = run_cli("compare-models", "a.ckpt", "leaks.ckpt", "evaluation.allow_leakage=true", *data)
    assert done.code == 0, done.err
    figures, clips = read(tmp_path / "plots/compare_models/a.ckpt_vs_leaks.ckpt")
    assert figures["remarks"] == [f"leaking: B was trained on the source videos of {len(clips)} of these clips"]


def assert_line(err: str, said: str) -> None:
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert re.search(said, line), line


def test_other_test_clips_are_refused(run_cli: RunCli, data: list[str], tiny_set: Path, tmp_path: Path) -> None:
    """Each model knows its own data; what is given on the command line holds for both."""
    checkpoint(tmp_path / "a.ckpt", overrides=data[:4])
    own = ["data=folder", f"data.videos_dir={tiny_set}/videos", "data.test_fraction=0.5", "data.num_workers=0"]
    checkpoint(tmp_path / "b.ckpt", overrides=own)
    done = run_cli("compare-models", "a.ckpt", "b.ckpt", *data[4:])
    assert done.code == 1
    assert_line(done.err, r"a.ckpt and b.ckpt have other clips \(hmdb51, split 1 and folder\): \d+ and \d+, of which")
    done = run_cli("compare-models", "a.ckpt", "b.ckpt", *data)
    assert done.code == 0, done.err


def test_the_verdict_goes_by_the_metric_that_was_asked_for(run_cli: RunCli, data: list[str], tmp_path: Path) -> None:
    for seed, name in enumerate("ab", start=1):
        checkpoint(tmp_path / f"{name}.ckpt", seed=seed)
    done = run_cli("compare-models", "a.ckpt", "b.ckpt", "compare.metric=log_loss", "compare.examples=0", *data)
    assert done.code == 0, done.err
    figures, _ = read(tmp_path / "plots/compare_models/a.ckpt_vs_b.ckpt")
    loss = figures["scores"]["log_loss"]
    assert "log loss" in figures["verdict"]
    better = None if loss["difference_low"] <= 0 <= loss["difference_high"] else "AB"[loss["difference"] < 0]
    assert figures["better"] == better
    done = run_cli("compare-models", "a.ckpt", "b.ckpt", "compare.metric=top", *data)
    assert_line(done.err, r"compare.metric=top: expected one of top1, .*did you mean 'top")

"""The way a user goes, command after command."""

import ast
import csv
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import cv2
import numpy as np
import pytest
from helpers.support import ROOT, TINY_MODEL, write_video

SCORES = {"top1", "top5", "mean_class_accuracy", "clips"}


def test_from_training_to_a_labelled_video(run_cli, tiny_overrides, tiny_set, tmp_path):
    plots = [word for word in tiny_overrides if word.startswith(("plots_dir", "export.onnx", "tracking"))]
    trained = run_cli("train-ml-flow", *tiny_overrides)
    assert trained.code == 0, trained.err
    assert "next: python commands.py infer" in trained.out

    # What the checkpoint was trained with is recalled; only where things lie is said again.
    judged = run_cli("infer-ml-flow", *plots)
    assert judged.code == 0, judged.err
    metrics = json.loads((tmp_path / "plots/metrics.json").read_text())
    assert set(metrics) >= SCORES
    assert metrics["clips"] == 8

    assert run_cli("index-to-class", *plots).code == 0
    with (tmp_path / "index_to_class.csv").open() as file:
        assert list(csv.reader(file)) == [["index", "class"], ["0", "run"], ["1", "walk"]]

    exported = run_cli("export-onnx", *plots)
    assert exported.code == 0, exported.err
    assert "8 real clips" in exported.out

    video = next((tiny_set / "videos/walk").iterdir())
    answers = {}
    for command, backend in (("infer-from-onnx", []), ("predict", [])):
        output = tmp_path / f"{command}.json"
        labelled = run_cli(command, str(video), *backend, *plots, f"predict.output={output}")
        assert labelled.code == 0, labelled.err
        assert str(output) in labelled.out.splitlines()
        assert f"next: python commands.py {command} {video} " in labelled.out
        (answers[command],) = json.loads(output.read_text())["predictions"]
    assert answers["infer-from-onnx"]["label"] == answers["predict"]["label"]
    for a, b in zip(answers["infer-from-onnx"]["top"], answers["predict"]["top"], strict=True):
        assert a["probability"] == pytest.approx(b["probability"], abs=1e-4)


def test_the_runs_are_in_mlflow(run_cli, tiny_overrides, tmp_path):
    import mlflow

    trained = run_cli("train-ml-flow", *tiny_overrides, "tracking.run_name=first")
    assert trained.code == 0
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/plots/mlflow.db")
    experiment = client.get_experiment_by_name("hmdb51")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (
        f"#/experiments/{experiment.experiment_id}/runs/{run.info.run_id}?workflowType=machine_learning" in trained.out
    )
    assert run.info.run_name == "first"
    assert run.info.status == "FINISHED"
    assert run.data.params["clip.frames"] == "4"
    assert run.data.params["optimizer.lr"] == "0.002"
    assert len(client.get_metric_history(run.info.run_id, "val_top1")) == 2
    # What is one number is no chart.
    histories = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    assert all(len(history) > 1 for history in histories.values())
    assert int(run.data.tags["run/parameters"]) > 0
    folders = {path.path for path in client.list_artifacts(run.info.run_id)}
    assert {"checkpoints", "plots", "history.csv", "manifest.csv"} <= folders
    note = run.data.tags["mlflow.note.content"]
    assert note.startswith(
        "**Training:** cnn3d on hmdb51, split 1: 12 training, 4 validation and 8 test clips of 2 classes"
    )
    assert "python commands.py train-ml-flow data=hmdb51" in note
    assert "**Validation:** best top-1 " in note
    inputs = {given.tags[0].value: given.dataset for given in run.inputs.dataset_inputs}
    assert {context: json.loads(data.profile)["clips"] for context, data in inputs.items()} == {
        "training": 12,
        "validation": 4,
    }
    assert {data.digest for data in inputs.values()} == {run.data.tags["data_hash"]}

    plots = f"plots_dir={tmp_path}/plots"
    assert run_cli("infer-ml-flow", plots, "evaluation.split=val").code == 0
    assert "test_top1" not in client.get_run(run.info.run_id).data.metrics
    judged = run_cli("infer-ml-flow", plots, "trainer.accelerator=cpu")
    assert judged.code == 0, judged.err
    after = client.get_run(run.info.run_id)
    scores = json.loads((tmp_path / "plots/metrics.json").read_text())
    assert after.data.metrics["test_top1"] == scores["top1"]
    assert after.data.tags["test_clips"] == "8"
    assert after.info.status == "FINISHED"
    evaluation = client.get_run(after.data.tags["evaluation_run_id"])
    assert evaluation.data.tags["training_run_id"] == run.info.run_id
    (given,) = evaluation.inputs.dataset_inputs
    assert (given.tags[0].value, json.loads(given.dataset.profile)["clips"]) == ("test", 8)
    assert evaluation.info.run_id in after.data.tags["mlflow.note.content"].split("**Test:** top-1 ")[1]
    assert run.info.run_id in evaluation.data.tags["mlflow.note.content"]


def test_real_clips_are_learned_judged_and_real_videos_labelled(run_cli, shared_dir, tmp_path):
    sample = shared_dir / "hmdb51_sample"
    trained = run_cli(
        "train",
        "data=hmdb51",
        f"data.videos_dir={sample}/videos",
        f"data.splits_dir={sample}/splits",
        "data.split=2",
        "data.test_clips=1",
        "data.batch_size=32",
        "trainer=debug",
        "trainer.memory_format=contiguous",
        *TINY_MODEL,
    )
    assert trained.code == 0, trained.err
    judged = run_cli("infer")
    assert judged.code == 0, judged.err
    assert "237 test clips" in judged.out
    assert run_cli("export-onnx").code == 0
    labelled = run_cli("infer-from-onnx", str(shared_dir / "videos"), "predict.output=labels.json")
    assert labelled.code == 0, labelled.err
    predictions = json.loads((tmp_path / "labels.json").read_text())["predictions"]
    assert len(predictions) == 9
    classes = {path.name for path in (sample / "videos").iterdir()}
    for prediction in predictions:
        assert prediction["label"] in classes
        assert len(prediction["top"]) == 5
        assert prediction["windows"][-1]["end_seconds"] == pytest.approx(prediction["duration_seconds"], abs=0.05)


@pytest.fixture
def bad_videos(tmp_path) -> Path:
    folder = tmp_path / "bad"
    folder.mkdir()
    good = write_video(folder / "good.avi", np.random.default_rng(0).integers(0, 256, (12, 48, 64, 3), dtype=np.uint8))
    (folder / "truncated.avi").write_bytes(good.read_bytes()[:4000])
    (folder / "empty.avi").write_bytes(b"")
    (folder / "text.avi").write_text("only text")
    write_video(folder / "one.avi", np.zeros((1, 48, 64, 3), dtype=np.uint8))
    return folder


def test_each_bad_video_is_one_line_and_a_non_zero_exit(run_cli, tiny_overrides, bad_videos, tmp_path):
    assert run_cli("train", *tiny_overrides).code == 0
    reasons = {"truncated": "truncated", "empty": "empty file", "text": "not a video", "one": "1 frame"}
    for name, reason in reasons.items():
        result = run_cli("predict", f"{bad_videos}/{name}.avi", f"plots_dir={tmp_path}/plots")
        assert result.code == 1
        assert len(result.err.strip().splitlines()) == 1, result.err
        assert f"{name}.avi" in result.err
        assert reason in result.err
    together = run_cli("predict", str(bad_videos), f"plots_dir={tmp_path}/plots", "predict.output=out.json")
    assert together.code == 1
    assert len(together.err.strip().splitlines()) == 5
    saved = json.loads((tmp_path / "out.json").read_text())
    assert len(saved["predictions"]) == 1
    assert {Path(error["source"]).stem for error in saved["errors"]} == set(reasons)


def test_an_unknown_class_folder_is_one_line(run_cli, tiny_set, tiny_overrides, tmp_path):
    shutil.copytree(tiny_set, tmp_path / "own")
    shutil.copytree(tmp_path / "own/videos/run", tmp_path / "own/videos/runn")
    result = run_cli("train", *tiny_overrides, f"data.videos_dir={tmp_path}/own/videos")
    assert result.code == 1
    assert "'runn'" in result.err
    assert "did you mean 'run'" in result.err
    assert not (tmp_path / "plots").exists()


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A fresh clone of what is committed, as a newcomer has it."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    path = tmp_path_factory.mktemp("clone") / "project"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(path)], check=True)
    return path


def environment() -> dict[str, str]:
    """With the environment's programs first, as after `source .venv/bin/activate`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "COLUMNS": "120"}


def run_in(clone: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=clone, capture_output=True, text=True, timeout=280, env=environment())


@pytest.mark.timeout(600)
def test_demo_and_pipeline_run_in_a_fresh_clone_and_leave_it_clean(clone):
    """The demo's whole way with a model too small to learn: what it scores is for `make demo` to show."""
    small = ["trainer.max_epochs=1", "model.args.widths=[4,4,4]", "data.test_clips=1", "evaluation.bootstrap=50"]
    first = run_in(clone, "python", "commands.py", "train-ml-flow-dvc", *small, "trainer.limit_train_batches=1")
    assert first.returncode == 0, first.stdout[-2000:] + first.stderr[-2000:]
    assert "DVC: data is clean" in first.stdout
    demo = run_in(clone, "python", "commands.py", "demo", *small)
    assert demo.returncode == 0, demo.stdout[-2000:] + demo.stderr[-2000:]
    assert "one frame" in demo.stdout
    assert "16 frames" in demo.stdout
    assert "6 of 144 test videos" in demo.stdout
    labelled = list((clone / "plots/labelled").iterdir())
    assert len(labelled) == 6
    assert all(video.stat().st_size > 10_000 for video in labelled)
    sheet = cv2.imread(str(clone / "plots/demo.png"))
    assert sheet.shape[0] > 600
    # The renderer's bytes are pinned: a changed one has to come with a new data.dvc.
    assert "DVC: data is clean" in demo.stdout
    assert run_in(clone, "git", "status", "--porcelain").stdout == ""

    evaluated = {path: path.stat().st_mtime_ns for path in clone.glob("plots/*.*")}
    run_in(clone, "git", "config", "user.name", "n")
    run_in(clone, "git", "config", "user.email", "e@x")
    small = ["-S", "trainer.max_epochs=1", "-S", "model.args.widths=[4,4,4]", "-S", "+data.test_clips=1"]
    tried = run_in(clone, "dvc", "exp", "run", "-n", "small", *small)
    assert tried.returncode == 0, tried.stdout[-2000:] + tried.stderr[-2000:]
    assert {path: path.stat().st_mtime_ns for path in clone.glob("plots/*.*")} == evaluated

    assert "mean_class_accuracy" in run_in(clone, "dvc", "metrics", "show").stdout
    assert "trainer.max_epochs" in run_in(clone, "dvc", "params", "diff").stdout
    rows = json.loads(run_in(clone, "dvc", "exp", "show", "--json").stdout)
    (small_run,) = (found for row in rows for tries in row["experiments"] or [] for found in tries["revs"])
    (metrics,) = small_run["data"]["metrics"].values()
    assert set(metrics["data"]) >= SCORES
    assert small_run["data"]["params"]["params.yaml"]["data"]["trainer"]["max_epochs"] == 1
    plots = json.loads(run_in(clone, "dvc", "plots", "show", "--json").stdout)
    assert not plots.get("errors")
    assert {"loss", "top-1", "confusion", "class accuracy", "risk by coverage"} <= set(plots["data"])
    assert len([kind for drawn in plots["data"].values() for kind in drawn if kind["type"] == "image"]) == 4


SMALL = "trainer.max_epochs=1 model.args.widths=[4,4,4] data.test_clips=1"


@pytest.mark.timeout(600)
def test_the_rest_section_of_the_readme_works_in_a_fresh_clone(clone):
    """Its own lines, but for a smaller model and a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    section = (ROOT / "README.md").read_text().split("**REST.**")[1].split("\n## ")[0]
    to_serve, to_ask = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    to_serve = to_serve.replace("experiment=demo\n", f"experiment=demo {SMALL}\n").replace("5001", port)
    server = subprocess.Popen(
        ["bash", "-e", "-c", to_serve],
        cwd=clone,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        wait_for_server(server, f"http://127.0.0.1:{port}/ping")
        video = next((clone / "data/demo/videos").glob("*/*"))
        ask = to_ask.replace("5001", port).replace("some_video.mp4", shlex.quote(str(video)))
        answer = run_in(clone, "bash", "-e", "-c", ask)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    assert answer.returncode == 0, answer.stderr[-2000:]
    (prediction,) = ast.literal_eval(answer.stdout)
    assert len(prediction["probabilities"]) == 3, "top_k, as the text says"
    assert prediction["label"] in prediction["probabilities"]


def wait_for_server(server: subprocess.Popen[str], url: str) -> None:
    """Until it answers; fails with what it printed if it ends first."""
    for _ in range(500):
        if server.poll() is not None:
            assert server.stdout is not None
            pytest.fail(server.stdout.read()[-2000:])
        with suppress(OSError), urlopen(url, timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.5)
    pytest.fail(f"{url} does not answer")

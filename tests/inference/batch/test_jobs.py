"""Many files in processes of their own: the same results, whatever is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from helpers.support import ROOT, moving_square
from helpers.tiny_models import names_in, save_checkpoint, tiny_model

from action_recognition.errors import ContractError, UserError
from action_recognition.inference.batch.jobs import Setup, Task, Workers, label, ready

MakeVideo = Callable[..., Path]


@pytest.fixture
def videos(make_video: MakeVideo, tmp_path: Path) -> list[Path]:
    folder = tmp_path / "videos"
    return [make_video(folder / f"{seed}.avi", moving_square(12 + seed, seed=seed)) for seed in range(5)]


def labelled(setup: Setup, videos: list[Path], workers: int) -> list[dict[str, Any]]:
    with ready(setup, videos, workers=workers) as (labelling, clips):
        records = list(labelling([Task(given=clip) for clip in clips], lambda *_: None))
    return sorted(records, key=lambda record: record["source"])


@pytest.mark.parametrize(("kind", "workers"), [("onnx", 2), ("torch", 1)])
def test_workers_find_what_none_finds(
    kind: str, workers: int, onnx_file: Path, videos: list[Path], bad_videos: dict[str, Path], tmp_path: Path
) -> None:
    if kind == "torch":
        onnx_file = save_checkpoint(tiny_model(), tmp_path / "model.ckpt")
    setup = Setup(model=onnx_file, kind=kind, device="cpu")
    given = [*videos, *bad_videos.values()]
    expected = labelled(setup, given, workers=0)
    found = labelled(setup, given, workers=workers)
    for ours, theirs in zip(found, expected, strict=True):
        shares = [[entry.pop("probability") for entry in record.get("top", [])] for record in (ours, theirs)]
        assert shares[0] == pytest.approx(shares[1], abs=1e-5)
        assert {key: ours.get(key) for key in ("source", "label", "top", "frames", "error")} == {
            key: theirs.get(key) for key in ("source", "label", "top", "frames", "error")
        }
    assert sum("error" in record for record in found) == len(bad_videos)


def test_a_killed_worker_loses_only_its_file(onnx_file: Path, videos: list[Path]) -> None:
    found: list[dict[str, Any]] = []
    with Workers(Setup(model=onnx_file, kind="onnx", device="cpu"), 2) as workers:
        (victim,) = workers._workers
        os.kill(victim.process.pid or 0, signal.SIGSTOP)  # it has a task in its hands when it is killed
        tasks = [Task(given=video) for video in videos]
        thread = threading.Thread(target=lambda: found.extend(workers.label(tasks)))
        thread.start()
        while victim.task is None:
            time.sleep(0.01)
        os.kill(victim.process.pid or 0, signal.SIGKILL)
        thread.join()
    assert sorted(record["source"] for record in found) == [str(video) for video in videos]
    (lost,) = [record for record in found if "error" in record]
    assert lost["error"].startswith(f"{videos[0]}: its process has ended (killed by SIGKILL); if memory ran out")


def test_a_model_that_cannot_be_loaded_is_one_error(onnx_file: Path, videos: list[Path]) -> None:
    onnx_file.write_bytes(b"no model")
    with pytest.raises(ContractError, match=r"model\.onnx"), Workers(Setup(model=onnx_file, kind="onnx"), 2):
        pass


def test_labelled_videos_and_timelines_come_from_workers(onnx_file: Path, videos: list[Path], tmp_path: Path) -> None:
    task = Task(given=videos[0], video=tmp_path / "out/a.labelled.mp4", timeline=tmp_path / "out/a.timeline.png")
    with Workers(Setup(model=onnx_file, kind="onnx", device="cpu"), 1) as workers:
        (record,) = workers.label([task])
    assert "error" not in record
    assert names_in(tmp_path / "out") == ["a.labelled.mp4", "a.timeline.png"]


def test_what_cannot_be_written_is_an_error_beside_the_label(
    onnx_file: Path, videos: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "out").touch()
    predictor = Setup(model=onnx_file, kind="onnx", device="cpu").predictor()
    record = label(predictor, Task(given=videos[0], timeline=tmp_path / "out/a.timeline.png"), top_k=1)
    assert record["label"]
    assert "could not be written" in record["error"]
    assert "fingerprint" not in record


def start(onnx_file: Path, folder: Path, output: Path) -> "subprocess.Popen[str]":
    words = [
        str(folder),
        f"predict.model={onnx_file}",
        "predict.device=cpu",
        "predict.workers=2",
        f"predict.output={output}",
    ]
    command = [sys.executable, str(ROOT / "commands.py"), "predict", *words]
    return subprocess.Popen(
        command, cwd=output.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_ended_early_goes_on(
    signal_number: int, onnx_file: Path, videos: list[Path], tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    for number in range(300):
        (videos[0].parent / f"copy{number:03d}.avi").write_bytes(videos[number % 5].read_bytes())
    output = tmp_path / "out.jsonl"
    with start(onnx_file, videos[0].parent, output) as run:
        while not output.exists() or output.read_bytes().count(b"\n") < 3:
            assert run.poll() is None, run.communicate()
            time.sleep(0.005)
        children = psutil.Process(run.pid).children(recursive=True)
        if signal_number == signal.SIGINT:
            os.killpg(run.pid, signal.SIGINT)
        else:
            run.kill()
        _, err = run.communicate()
    gone, alive = psutil.wait_procs(children, timeout=30)
    assert (alive, len(gone) >= 2) == ([], True)
    kept = [json.loads(line) for line in output.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    assert all("label" in record for record in kept)
    if signal_number == signal.SIGINT:
        assert run.returncode == 130
        assert f"{len(kept)} of 305 inputs are done and kept; the same command goes on with the others" in err
    again = run_cli("predict", str(videos[0].parent), f"predict.model={onnx_file}", f"predict.output={output}")
    assert again.code == 0
    assert f"{len(kept)} of 305 are done already" in again.err
    records = [json.loads(line) for line in output.read_bytes().splitlines()]
    assert [record["source"] for record in records] == [str(path) for path in sorted(videos[0].parent.iterdir())]


def test_a_process_that_cannot_start_is_one_error(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="no such model file"),
        Workers(Setup(model=tmp_path / "x.onnx", kind="onnx"), 1),
    ):
        pass

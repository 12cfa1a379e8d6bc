"""`predict` and `infer-from-onnx` as they are called."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers.support import moving_square
from helpers.tiny_models import exported_bytes, names_in, save_checkpoint, tiny_model

RunCli = Callable[..., Any]


@pytest.fixture
def videos(make_video: Callable[..., Path], tmp_path: Path) -> Path:
    for seed, name in enumerate(("a", "b", "wörk [1]")):
        make_video(tmp_path / f"videos/{name}.avi", moving_square(20, seed=seed))
    (tmp_path / "model.onnx").write_bytes(exported_bytes())
    return tmp_path / "videos"


@pytest.mark.parametrize("workers", [0, 2])
def test_all_of_it_at_once(workers: int, videos: Path, tmp_path: Path, run_cli: RunCli) -> None:
    (videos / "empty.mp4").touch()
    words = ["predict", "videos", "predict.model=model.onnx", "predict.output=out/o.csv", f"predict.workers={workers}"]
    words += ["predict.video_dir=v", "predict.timeline_dir=t", "predict.cut=c", "predict.top_k=1"]
    first = run_cli(*words)
    assert first.code == 1
    assert "error: videos/empty.mp4: empty file" in first.err
    assert "error: 1 of 4 videos could not be read or written" in first.err
    assert "out/o.csv; labelled videos: v/; timelines: t/; clips: c/" in first.out
    assert len(names_in(tmp_path / "v")) == len(names_in(tmp_path / "t")) == 3
    table = pd.read_csv(tmp_path / "out/o.csv")
    clips = [path.parent.name for path in (tmp_path / "c").rglob("*.mp4")]
    assert sorted(clips) == sorted(table["label"].dropna())
    assert table["source"].unique().tolist() == [
        f"videos/{name}" for name in ("a.avi", "b.avi", "empty.mp4", "wörk [1].avi")
    ]
    assert names_in(tmp_path / "out") == ["o.csv"]
    (videos / "empty.mp4").unlink()
    second = run_cli(*words)
    assert (second.code, second.out) == (0, second.out)
    assert "3 of 3 are done already, in out/o.csv" in second.err


def test_the_suffix_of_the_model_is_its_backend(videos: Path, tmp_path: Path, run_cli: RunCli) -> None:
    save_checkpoint(tiny_model(), tmp_path / "model.ckpt")
    (tmp_path / "model.bin").write_bytes(exported_bytes())
    calls = (["model.onnx"], ["model.ckpt"], ["model.bin", "predict.backend=onnx"])
    tables = [run_cli("predict", "videos", f"predict.model={name}", *more).out for name, *more in calls]
    rows = [[line for line in table.splitlines() if "avi" in line] for table in tables]
    assert len(rows[0]) == 3
    assert rows[0] == rows[1] == rows[2]
    refused = run_cli("predict", "videos", "predict.model=model.bin")
    assert (refused.code, len(refused.err.splitlines())) == (1, 1)
    assert "model.bin: which backend runs it cannot be told" in refused.err


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("o.txt", "expected a name ending in .json, .jsonl, .csv, .parquet, .srt, .vtt"),
        ("o.srt", "subtitles of one input, 3 are given; .csv holds any number"),
        ("videos/a.avi/o.csv", "videos/a.avi"),
    ],
)
def test_an_output_that_cannot_be_is_one_line(output: str, words: str, videos: Path, run_cli: RunCli) -> None:
    outcome = run_cli(
        "infer-from-onnx", *map(str, sorted(videos.iterdir())), "export.onnx=model.onnx", f"predict.output={output}"
    )
    assert (outcome.code, outcome.out) == (1, "")
    (line,) = [line for line in outcome.err.splitlines() if "frame rate" not in line]
    assert words in line


def test_subtitles_of_one_video(videos: Path, tmp_path: Path, run_cli: RunCli) -> None:
    outcome = run_cli(
        "predict", "videos/a.avi", "predict.model=model.onnx", "predict.output=o.vtt", "predict.workers=1"
    )
    assert outcome.code == 0
    assert (tmp_path / "o.vtt").read_text().startswith("WEBVTT")


def test_other_settings_keep_the_old_results(videos: Path, tmp_path: Path, run_cli: RunCli) -> None:
    words = ["predict", "videos", "predict.model=model.onnx", "predict.output=o.parquet"]
    run_cli(*words)
    outcome = run_cli(*words, "predict.overlap=0.25")
    assert (
        "o.parquet: held results of another model, of other settings or of another program; they are kept in"
        in outcome.err
    )
    assert [len(pd.read_parquet(tmp_path / name)) for name in ("o.parquet", "o.1.parquet")] == [3, 3]

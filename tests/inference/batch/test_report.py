"""Many videos: the table, the JSON file, labelled videos, and one line for each that could not be read."""

import json
import os
from collections.abc import Callable
from functools import partial
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from helpers.colour_backend import GREEN, RED, ColourBackend, coloured
from helpers.tiny_models import names_in
from PIL import Image
from rich.console import Console

from action_recognition.inference.backends import Backend
from action_recognition.inference.batch.jobs import label_here
from action_recognition.inference.batch.report import NO_H264, predict_inputs, print_segments, print_table
from action_recognition.inference.batch.targets import Outputs, named_files
from action_recognition.inference.labelled_video import video_writer
from action_recognition.inference.predictor import Predictor
from action_recognition.video.clip_files import open_clip

MakeVideo = Callable[..., Path]


def run(paths: list[Path], backend: Backend | None = None, **outputs: Path):
    out = StringIO()
    console = Console(file=out, width=80, color_system=None, soft_wrap=True)
    predictor = Predictor(backend or ColourBackend(), batch_size=2, overlap=0.0)
    labelling = partial(label_here, predictor, top_k=5)
    records, errors = predict_inputs(labelling, paths, outputs=Outputs(**outputs), run="run", console=console)
    return records, errors, out.getvalue()


def test_bad_videos_do_not_stop_the_others(
    bad_videos: dict[str, Path], make_video: MakeVideo, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    good = make_video(tmp_path / "good [x] #1.avi", coloured((8, GREEN)), fps=25.0)
    paths = [*bad_videos.values(), good]
    records, errors, table = run(paths, results=tmp_path / "out" / "p.json", video_dir=tmp_path / "labelled")
    assert [record["source"] for record in records] == [str(good)]
    assert len(errors) == 4
    captured = capfd.readouterr()
    assert captured.err.splitlines() == [f"error: {error}" for error in errors]
    assert captured.out == ""
    assert str(good) in table
    assert not any(str(path) in table for path in bad_videos.values())
    written = json.loads((tmp_path / "out" / "p.json").read_text())
    assert written["predictions"][0].pop("fingerprint").startswith("run-")
    assert written == {
        "predictions": [Predictor(ColourBackend()).predict(good).to_dict(5)],
        "errors": [{"source": str(p), "error": e} for p, e in zip(bad_videos.values(), errors, strict=True)],
    }
    assert names_in(tmp_path / "labelled") == ["good [x] #1.labelled.mp4"]


def a_record(given: str, names: tuple[str, ...], **changes: object) -> dict[str, object]:
    shares = np.arange(len(names), 0, -1) / np.arange(len(names), 0, -1).sum()
    top = [{"label": name, "probability": float(share)} for name, share in zip(names, shares, strict=True)]
    return {"source": given, "label": names[0], "top": top, "fps": 30.0, "duration_seconds": 0.3} | changes


def test_table_fits_80_columns_and_keeps_names_whole_in_a_pipe() -> None:
    long_name = "folder/" + "Pippi_Michel_cartwheel_" * 5 + ".avi"
    names = ("soccer juggling", "fall floor", "draw sword")
    for terminal in (True, False):
        out = StringIO()
        console = Console(file=out, width=80, force_terminal=terminal, color_system=None, soft_wrap=True)
        print_table([a_record(long_name, names)] * 2, console=console)
        lines = out.getvalue().splitlines()
        assert all(text in out.getvalue() for text in (*names, "50.0%", "33.3%", "0.3"))
        if terminal:
            assert max(map(len, lines)) <= 80
        else:
            assert sum(long_name in line for line in lines) == 2


def test_a_video_below_the_threshold_is_none_of_these() -> None:
    out = StringIO()
    record = a_record("x.avi", ("walk [sic]", "run"), none_of_these=True)
    print_table([record], console=Console(file=out, width=80, soft_wrap=True))
    assert "none of these (likeliest walk [sic])" in out.getvalue()


def test_labelled_videos_of_namesakes_have_names_of_their_own(make_video: MakeVideo, tmp_path: Path) -> None:
    paths = [make_video(tmp_path / name, coloured((3, RED))) for name in ("a/x.avi", "b/x.avi", "b/y.avi")]
    run(paths, video_dir=tmp_path / "out")
    assert names_in(tmp_path / "out") == ["x-1.labelled.mp4", "x-2.labelled.mp4", "y.labelled.mp4"]


def test_every_labelled_video_has_a_file_of_its_own(tmp_path: Path) -> None:
    out = tmp_path / "out"
    names = ["a/x.avi", "b/x.avi", "x-1.avi", "x-2.mp4", "out/y.labelled.mp4", "y.avi", "..", "ä" * 120 + ".avi"]
    paths = [tmp_path / name for name in names]
    chosen = named_files(out, paths, ".labelled.mp4")
    assert list(chosen) == paths
    targets = list(chosen.values())
    assert len(set(targets)) == len(targets)
    assert not set(targets) & set(paths), "an input would be overwritten"
    assert {target.parent for target in targets} == {out}
    assert all(len(os.fsencode(target.name)) <= 230 for target in targets)
    assert chosen[paths[5]].name == "y-2.labelled.mp4"


def test_a_video_that_cannot_be_drawn_in_costs_the_others_nothing(make_video: MakeVideo, tmp_path: Path) -> None:
    narrow = make_video(tmp_path / "narrow.avi", np.zeros((8, 8, 800, 3), dtype=np.uint8))
    good = make_video(tmp_path / "good.avi", coloured((8, GREEN)))
    predictions, errors, _ = run([narrow, good], results=tmp_path / "p.json", video_dir=tmp_path / "labelled")
    assert [record["source"] for record in predictions] == [str(narrow), str(good)]
    assert errors == [f"{narrow}: 800x8 pixels are too long and narrow for labels to be drawn in"]
    assert names_in(tmp_path / "labelled") == ["good.labelled.mp4"]
    written = json.loads((tmp_path / "p.json").read_text())
    assert [len(written["predictions"]), len(written["errors"])] == [2, 1]


def test_labelled_videos_that_cannot_be_written_cost_no_result(make_video: MakeVideo, tmp_path: Path) -> None:
    paths = [make_video(tmp_path / name, coloured((8, RED))) for name in ("a.avi", "b.avi")]
    (tmp_path / "file").touch()
    predictions, errors, _ = run(paths, results=tmp_path / "p.json", video_dir=tmp_path / "file")
    assert (len(predictions), len(errors)) == (2, 2)
    assert all("could not be written" in error for error in errors)
    assert len(json.loads((tmp_path / "p.json").read_text())["predictions"]) == 2


def test_images_become_a_video_of_25_frames_per_second(tmp_path: Path) -> None:
    (tmp_path / "wave").mkdir()
    for number in range(5):
        Image.fromarray(coloured((1, RED))[0]).save(tmp_path / f"wave/{number}.png")
    (record,), errors, _ = run([tmp_path / "wave"], video_dir=tmp_path / "out")
    assert (record["duration_seconds"], record["fps"], errors) == (0.0, 0.0, [])
    with open_clip(tmp_path / "out/wave.labelled.mp4") as clip:
        assert (clip.metadata.frames, clip.metadata.fps) == (5, 25.0)


def test_a_build_without_h264_says_that_browsers_will_not_play_it(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(video_writer, "ENCODERS", ("mpeg4",))
    paths = [make_video(tmp_path / name, coloured((8, RED))) for name in ("a.avi", "b.avi")]
    run(paths, video_dir=tmp_path / "out")
    assert names_in(tmp_path / "out") == ["a.labelled.mp4", "b.labelled.mp4"]
    assert capfd.readouterr().err.splitlines() == [NO_H264]


@pytest.mark.parametrize("terminal", [True, False])
def test_names_do_not_reach_the_terminal_as_they_are(terminal: bool) -> None:
    out = StringIO()
    console = Console(file=out, width=200, force_terminal=terminal, color_system=None)
    print_table([a_record("a\x1b[2J\r\n\u202e[/red]\udce9.avi", ("run\x07", "walk"))], console=console)
    assert r"a\x1b[2J\r\n\u202e[/red]\xe9.avi" in out.getvalue()
    assert not any(character in out.getvalue() for character in "\x1b\r\x07\u202e\udce9")


def test_memory_that_is_not_there_is_one_line(make_video: MakeVideo, tmp_path: Path) -> None:
    class Hungry(ColourBackend):
        def __call__(self, clip_BCTHW: np.ndarray) -> np.ndarray:
            raise MemoryError

    path = make_video(tmp_path / "a.avi", coloured((8, RED)))
    _, errors, _ = run([path], Hungry())
    assert errors == [f"{path}: not enough memory for it"]


def test_a_bug_costs_one_of_several_inputs(make_video: MakeVideo, tmp_path: Path) -> None:
    class Broken(ColourBackend):
        def __call__(self, clip_BCTHW: np.ndarray) -> np.ndarray:
            if clip_BCTHW.mean() > 150:
                raise IndexError("out of range")
            return super().__call__(clip_BCTHW)

    paths = [
        make_video(tmp_path / "a.avi", coloured((8, (250, 250, 250)))),
        make_video(tmp_path / "b.avi", coloured((8, RED))),
    ]
    records, errors, _ = run(paths, Broken())
    assert [record["source"] for record in records] == [str(paths[1])]
    assert errors == [f"{paths[0]}: a bug in this program, not in how it was called: IndexError: out of range"]
    with pytest.raises(IndexError):
        run(paths[:1], Broken())


def test_a_second_run_labels_what_is_left(
    make_video: MakeVideo, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = [make_video(tmp_path / name, coloured((8, RED))) for name in ("a.avi", "b.avi", "c.avi")]
    output = tmp_path / "out.csv"
    run(paths[1:2], results=output)
    backend = ColourBackend()
    records, _, table = run(paths, backend, results=output)
    assert len(backend.batches) == 2
    assert [record["source"] for record in records] == [str(path) for path in paths]
    assert [table.count(str(path)) for path in paths] == [1, 1, 1]
    assert capfd.readouterr().err.splitlines() == [f"1 of 3 are done already, in {output}"]
    make_video(paths[0], coloured((9, GREEN)))
    backend = ColourBackend()
    records, _, _ = run(paths, backend, results=output)
    assert len(backend.batches) == 1
    assert [record["label"] for record in records] == ["green", "red", "red"]
    backend = ColourBackend()
    run(paths, backend, results=output, video_dir=tmp_path / "labelled")
    assert len(backend.batches) == 3, "labelled videos were not asked for before"
    run(paths, backend, results=output, video_dir=tmp_path / "labelled")
    assert len(backend.batches) == 3


def test_a_single_video_of_several_actions_has_a_table_of_them(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", coloured((30, RED), (60, GREEN)), fps=30.0)
    _, _, table = run([path])
    lines = [line.split() for line in table.splitlines()[-2:]]
    assert [line[2] for line in lines] == ["red", "green"]
    assert [lines[0][0], lines[1][1]] == ["0:00.0", "0:03.0"]
    _, _, table = run([path, make_video(tmp_path / "b.avi", coloured((30, RED)))])
    assert "from" not in table


def test_a_terminal_shows_the_first_segments() -> None:
    segment = {"start_seconds": 3599.96, "end_seconds": 3661.0, "label": None, "probability": 0.1}
    out = StringIO()
    console = Console(file=out, width=80, force_terminal=True, color_system=None)
    print_segments(a_record("a.mp4", ("run",), segments=[segment] * 100), console=console)
    assert "and 60 more; predict.output=labels.csv" in out.getvalue()
    assert out.getvalue().count("1:00:00.0   1:01:01.0   none of these") == 40

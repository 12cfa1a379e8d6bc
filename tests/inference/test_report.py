"""Many videos: the table, the JSON file, labelled videos, and one line for each that could not be read."""

import json
import os
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from helpers.colour_backend import GREEN, RED, ColourBackend, coloured
from helpers.tiny_models import names_in
from PIL import Image
from rich.console import Console

from action_recognition.errors import UserError
from action_recognition.inference import video_writer
from action_recognition.inference.prediction import Prediction
from action_recognition.inference.predictor import Predictor
from action_recognition.inference.report import NO_H264, labelled_paths, predict_inputs, print_table
from action_recognition.inference.segments import Window
from action_recognition.video.clip_files import open_clip

MakeVideo = Callable[..., Path]


def run(paths: list[Path], **options: object):
    out = StringIO()
    console = Console(file=out, width=80, color_system=None, soft_wrap=True)
    settings = {"top_k": 5, "output": None, "video_dir": None} | options
    predictor = Predictor(ColourBackend(), batch_size=2, overlap=0.0)
    predictions, errors = predict_inputs(predictor, paths, console=console, **settings)  # type: ignore[arg-type]
    return predictions, errors, out.getvalue()


def test_bad_videos_do_not_stop_the_others(
    bad_videos: dict[str, Path], make_video: MakeVideo, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    good = make_video(tmp_path / "good [x] #1.avi", coloured((8, GREEN)), fps=25.0)
    paths = [*bad_videos.values(), good]
    predictions, errors, table = run(paths, output=tmp_path / "out" / "p.json", video_dir=tmp_path / "labelled")
    assert [prediction.input for prediction in predictions] == [str(good)]
    assert len(errors) == 4
    captured = capfd.readouterr()
    assert captured.err.splitlines() == [f"error: {error}" for error in errors]
    assert captured.out == ""
    assert str(good) in table
    assert not any(str(path) in table for path in bad_videos.values())
    written = json.loads((tmp_path / "out" / "p.json").read_text())
    assert written == {
        "predictions": [predictions[0].to_dict(5)],
        "errors": [{"source": str(p), "error": e} for p, e in zip(bad_videos.values(), errors, strict=True)],
    }
    assert names_in(tmp_path / "labelled") == ["good [x] #1.labelled.mp4"]


def a_prediction(given: str, names: tuple[str, ...]) -> Prediction:
    probabilities = np.arange(len(names), 0, -1) / np.arange(len(names), 0, -1).sum()
    window = Window(first_frame=0, end_frame=9, start_seconds=0.0, end_seconds=0.3, probabilities=probabilities)
    return Prediction(
        input=given,
        frames=9,
        fps=30.0,
        duration_seconds=0.3,
        windows=(window,),
        probabilities=probabilities,
        class_names=names,
    )


def test_table_fits_80_columns_and_keeps_names_whole_in_a_pipe() -> None:
    long_name = "folder/" + "Pippi_Michel_cartwheel_" * 5 + ".avi"
    names = ("soccer juggling", "fall floor", "draw sword")
    for terminal in (True, False):
        out = StringIO()
        console = Console(file=out, width=80, force_terminal=terminal, color_system=None, soft_wrap=True)
        print_table([a_prediction(long_name, names)] * 2, top_k=2, console=console)
        lines = out.getvalue().splitlines()
        assert all(text in out.getvalue() for text in ("soccer juggling", "50.0%", "fall floor", "33.3%", "0.3"))
        assert "draw sword" not in out.getvalue()
        if terminal:
            assert max(map(len, lines)) <= 80
        else:
            assert sum(long_name in line for line in lines) == 2


def test_json_that_cannot_be_written_is_one_line(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", coloured((8, RED)))
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match=r"predict\.output=.*folder: could not be written"):
        run([path], output=tmp_path / "folder")
    assert names_in(tmp_path) == ["a.avi", "folder"]


def test_labelled_videos_of_namesakes_have_names_of_their_own(make_video: MakeVideo, tmp_path: Path) -> None:
    paths = [make_video(tmp_path / name, coloured((3, RED))) for name in ("a/x.avi", "b/x.avi", "b/y.avi")]
    run(paths, video_dir=tmp_path / "out")
    assert names_in(tmp_path / "out") == ["x-1.labelled.mp4", "x-2.labelled.mp4", "y.labelled.mp4"]


def test_every_labelled_video_has_a_file_of_its_own(tmp_path: Path) -> None:
    out = tmp_path / "out"
    names = ["a/x.avi", "b/x.avi", "x-1.avi", "x-2.mp4", "out/y.labelled.mp4", "y.avi", "..", "ä" * 120 + ".avi"]
    paths = [tmp_path / name for name in names]
    chosen = labelled_paths(out, paths)
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
    predictions, errors, _ = run([narrow, good], output=tmp_path / "p.json", video_dir=tmp_path / "labelled")
    assert [prediction.input for prediction in predictions] == [str(narrow), str(good)]
    assert errors == [f"{narrow}: 800x8 pixels are too long and narrow for labels to be drawn in"]
    assert names_in(tmp_path / "labelled") == ["good.labelled.mp4"]
    written = json.loads((tmp_path / "p.json").read_text())
    assert [len(written["predictions"]), len(written["errors"])] == [2, 1]


def test_labelled_videos_that_cannot_be_written_cost_no_result(make_video: MakeVideo, tmp_path: Path) -> None:
    paths = [make_video(tmp_path / name, coloured((8, RED))) for name in ("a.avi", "b.avi")]
    (tmp_path / "file").touch()
    predictions, errors, _ = run(paths, output=tmp_path / "p.json", video_dir=tmp_path / "file")
    assert (len(predictions), len(errors)) == (2, 2)
    assert all("could not be written" in error for error in errors)
    assert len(json.loads((tmp_path / "p.json").read_text())["predictions"]) == 2


def test_images_become_a_video_of_25_frames_per_second(tmp_path: Path) -> None:
    (tmp_path / "wave").mkdir()
    for number in range(5):
        Image.fromarray(coloured((1, RED))[0]).save(tmp_path / f"wave/{number}.png")
    (prediction,), errors, _ = run([tmp_path / "wave"], video_dir=tmp_path / "out")
    assert (prediction.frames, prediction.fps, errors) == (5, 0.0, [])
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
    print_table([a_prediction("a\x1b[2J\r\n\u202e[/red]\udce9.avi", ("run\x07", "walk"))], top_k=2, console=console)
    assert r"a\x1b[2J\r\n\u202e[/red]\xe9.avi" in out.getvalue()
    assert not any(character in out.getvalue() for character in "\x1b\r\x07\u202e\udce9")


def test_memory_that_is_not_there_is_one_line(make_video: MakeVideo, tmp_path: Path) -> None:
    class Hungry(ColourBackend):
        def __call__(self, clip_BCTHW: np.ndarray) -> np.ndarray:
            raise MemoryError

    path = make_video(tmp_path / "a.avi", coloured((8, RED)))
    console = Console(file=StringIO())
    hungry = Predictor(Hungry(), batch_size=2, overlap=0.0)
    _, errors = predict_inputs(hungry, [path], top_k=1, output=None, video_dir=None, console=console)
    assert errors == [f"{path}: not enough memory for it"]

"""Predictions against computations that hold the whole video in memory, and a second decoder."""

import json
import os
import tracemalloc
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from helpers.support import moving_square
from helpers.tiny_models import exported_bytes, names_in, save_checkpoint, tiny_contract, tiny_model
from helpers.window_starts import window_starts
from rich.console import Console

from action_recognition.contract import ClipContract
from action_recognition.errors import UserError, VideoError
from action_recognition.inference.backends import Backend, load_backend
from action_recognition.inference.inputs import expand_sources
from action_recognition.inference.prediction import Prediction, Window
from action_recognition.inference.predictor import Predictor, softmax
from action_recognition.inference.report import labelled_paths, predict_sources, print_table

MakeVideo = Callable[..., Path]


class ColourBackend:
    """A model simple enough to check by eye: logits are the mean red, green and blue, over ten."""

    device = "cpu"

    def __init__(self, **changes: object) -> None:
        self.contract: ClipContract = tiny_contract(class_names=("red", "green", "blue"), **changes)
        self.batches: list[np.ndarray] = []

    def __call__(self, clip_BCTHW: np.ndarray) -> np.ndarray:
        self.batches.append(clip_BCTHW)
        return (clip_BCTHW.mean(axis=(2, 3, 4)) / 10).astype(np.float32)


def coloured(*runs: tuple[int, tuple[int, int, int]]) -> np.ndarray:
    """`count` frames of each colour, one after the other."""
    return np.concatenate([np.full((count, 40, 60, 3), colour, dtype=np.uint8) for count, colour in runs])


RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)


@pytest.fixture(scope="module")
def onnx_backend(tmp_path_factory: pytest.TempPathFactory) -> Backend:
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    path.write_bytes(exported_bytes())
    return load_backend(path, kind="onnx", device="cpu")


def decode_with_pyav(path: Path) -> np.ndarray:
    with av.open(path) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def brute_force(frames_THWC: np.ndarray, *, overlap: float) -> tuple[np.ndarray, np.ndarray]:
    """Starts of windows, and their probabilities by torch, from all frames at once."""
    model = tiny_model()
    contract = model.contract
    height, width = frames_THWC.shape[1:3]
    scale = contract.short_side / min(height, width)
    small = np.stack(
        [
            cv2.resize(frame, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
            for frame in frames_THWC
        ]
    )
    top, left = ((side - contract.size) // 2 for side in small.shape[1:3])
    square = small[:, top : top + contract.size, left : left + contract.size]
    starts = window_starts(len(square), span=contract.span, overlap=overlap)
    clips = np.stack([square[start : start + contract.span : contract.stride] for start in starts])
    with torch.inference_mode():
        logits = model(torch.from_numpy(np.ascontiguousarray(clips.transpose(0, 4, 1, 2, 3))))
        return starts, logits.softmax(dim=1).numpy()


@pytest.mark.parametrize("overlap", [0.0, 0.5])
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_windows_and_mean_of_a_whole_video(
    onnx_backend: Backend, make_video: MakeVideo, tmp_path: Path, overlap: float, batch_size: int
) -> None:
    path = make_video(tmp_path / "a.avi", moving_square(40), fps=20.0)
    prediction = Predictor(onnx_backend, batch_size=batch_size, overlap=overlap).predict(path)
    starts, expected = brute_force(decode_with_pyav(path), overlap=overlap)
    assert [window.first_frame for window in prediction.windows] == starts.tolist()
    found = np.stack([window.probabilities for window in prediction.windows])
    # Two decoders differ by a level here and there.
    np.testing.assert_allclose(found, expected, atol=0.05)
    np.testing.assert_allclose(prediction.probabilities, found.mean(axis=0))
    assert prediction.probabilities.sum() == pytest.approx(1)
    assert (prediction.frames, prediction.fps, prediction.duration_seconds) == (40, 20.0, 2.0)
    times = [(window.start_seconds, window.end_seconds) for window in prediction.windows]
    np.testing.assert_allclose(times, [(start / 20, (start + 7) / 20) for start in starts])


def test_real_videos_are_cut_as_another_decoder_sees_them(shared_dir: Path) -> None:
    """Every frame that reaches the model, for containers and codecs of HMDB51, UCF101 and Kinetics."""
    for name in (
        "SOX5yA1l24A.mp4",
        "v_SoccerJuggling_g23_c01.avi",
        "RATRACE_wave_f_nm_np1_fr_goo_37.avi",
    ):
        backend = ColourBackend(frames=1, stride=1)
        path = shared_dir / "videos" / name
        prediction = Predictor(backend, batch_size=32, overlap=0.0).predict(path)
        frames_THWC = decode_with_pyav(path)
        assert prediction.frames == len(prediction.windows) == len(frames_THWC)
        height, width = frames_THWC.shape[1:3]
        size = (round(width * 36 / min(height, width)), round(height * 36 / min(height, width)))
        left, top = (size[0] - 32) // 2, (size[1] - 32) // 2
        seen = np.concatenate(backend.batches)[:, :, 0].transpose(0, 2, 3, 1)
        for number in range(0, len(seen), 10):
            small = cv2.resize(frames_THWC[number], size, interpolation=cv2.INTER_AREA)
            expected = small[top : top + 32, left : left + 32].astype(int)
            assert np.abs(seen[number] - expected).mean() < 3, f"{name}, frame {number}"


def test_real_videos_have_one_label_on_two_backends(shared_dir: Path, onnx_backend: Backend, tmp_path: Path) -> None:
    torch_backend = load_backend(save_checkpoint(tiny_model(), tmp_path / "m.ckpt"), kind="torch", device="cpu")
    path = shared_dir / "videos" / "TrumanShow_wave_f_nm_np1_fr_med_26.avi"
    by_onnx, by_torch = (Predictor(b, batch_size=4, overlap=0.25).predict(path) for b in (onnx_backend, torch_backend))
    assert by_onnx.label == by_torch.label
    assert len(by_onnx.windows) == len(by_torch.windows) > 5
    np.testing.assert_allclose(by_onnx.probabilities, by_torch.probabilities, atol=1e-5)


def test_label_of_each_stretch_of_a_video(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", coloured((7, RED), (14, BLUE), (9, GREEN)))
    prediction = Predictor(ColourBackend(), batch_size=2, overlap=0.0).predict(path)
    best = [prediction.class_names[window.probabilities.argmax()] for window in prediction.windows]
    assert best == ["red", "blue", "blue", "green", "green"]
    assert prediction.windows[-1].first_frame == 23  # moved back to end with the video
    assert prediction.label in ("blue", "green")
    assert [label for label, _ in prediction.top(9)][-1] == "red"


@pytest.mark.parametrize("count", [2, 5, 6])
def test_video_shorter_than_a_window(make_video: MakeVideo, tmp_path: Path, count: int) -> None:
    path = make_video(tmp_path / "a.avi", coloured((count, BLUE)))
    prediction = Predictor(ColourBackend(), batch_size=2, overlap=0.0).predict(path)
    assert (prediction.label, prediction.frames, len(prediction.windows)) == ("blue", count, 1)
    assert prediction.windows[0].end_frame == count


def test_memory_does_not_grow_with_the_video(make_video: MakeVideo, tmp_path: Path) -> None:
    peaks = []
    for seconds in (2, 20):
        path = make_video(tmp_path / f"{seconds}.avi", coloured((30 * seconds, RED)))
        backend = load_free_backend()
        tracemalloc.start()
        Predictor(backend, batch_size=2, overlap=0.5).predict(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # What is left to grow are the predictions, under 1 kB a window; the frames would be 7 kB each.
    assert peaks[1] < peaks[0] + 200_000


def load_free_backend() -> Backend:
    class Forgetful(ColourBackend):
        def __call__(self, clip_BCTHW: np.ndarray) -> np.ndarray:
            logits_BK = super().__call__(clip_BCTHW)
            self.batches.clear()
            return logits_BK

    return Forgetful()


def test_progress_reaches_the_whole_video(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", coloured((64, RED)))
    seen: list[tuple[int, int]] = []
    Predictor(ColourBackend(), batch_size=2, overlap=0.0).predict(path, progress=lambda *counts: seen.append(counts))
    assert seen == [(16, 64), (32, 64), (48, 64), (64, 64)]


def test_softmax_of_large_logits() -> None:
    logits_BK = np.array([[1000.0, 999.0], [-1000.0, -1000.0]], dtype=np.float32)
    np.testing.assert_allclose(softmax(logits_BK), torch.from_numpy(logits_BK).double().softmax(dim=1).numpy())


def test_model_without_numbers_is_one_line(make_video: MakeVideo, tmp_path: Path) -> None:
    class Broken(ColourBackend):
        def __call__(self, clip_BCTHW: np.ndarray) -> np.ndarray:
            return np.full((len(clip_BCTHW), 3), np.nan, dtype=np.float32)

    path = make_video(tmp_path / "a.avi", coloured((8, RED)))
    with pytest.raises(UserError, match=r"a\.avi: the model gives logits that are infinite or NaN"):
        Predictor(Broken(), batch_size=2, overlap=0.0).predict(path)


@pytest.fixture
def bad_videos(make_video: MakeVideo, tmp_path: Path) -> dict[str, Path]:
    folder = tmp_path / "bad"
    whole = make_video(tmp_path / "whole.avi", moving_square(30)).read_bytes()
    folder.mkdir()
    contents = {"cut.avi": whole[: len(whole) // 2], "empty.mp4": b"", "text.avi": b"hello\n" * 100}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    make_video(folder / "single.avi", moving_square(1))
    return {path.name: path for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cut.avi", "truncated"),
        ("empty.mp4", "empty file"),
        ("text.avi", "not a video"),
        ("single.avi", "1 frame, expected at least 2"),
        ("missing.avi", "no such file"),
    ],
)
def test_bad_video_is_one_line(bad_videos: dict[str, Path], name: str, message: str) -> None:
    path = bad_videos.get(name, Path("missing.avi"))
    with pytest.raises(VideoError, match=message) as raised:
        Predictor(ColourBackend(), batch_size=2, overlap=0.0).predict(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert str(raised.value).count(str(path)) == 1
    assert "\n" not in str(raised.value)


def run(paths: list[Path], *, width: int = 80, terminal: bool = False, **options: object):
    out = StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, color_system=None, soft_wrap=True)
    settings = {"top_k": 5, "output": None, "video_dir": None} | options
    predictor = Predictor(ColourBackend(), batch_size=2, overlap=0.0)
    predictions, errors = predict_sources(predictor, paths, console=console, **settings)  # type: ignore[arg-type]
    return predictions, errors, out.getvalue()


def test_bad_videos_do_not_stop_the_others(
    bad_videos: dict[str, Path], make_video: MakeVideo, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    good = make_video(tmp_path / "good [x] #1.avi", coloured((8, GREEN)), fps=25.0)
    paths = [*bad_videos.values(), good]
    predictions, errors, table = run(paths, output=tmp_path / "out" / "p.json", video_dir=tmp_path / "labelled")
    assert [prediction.source for prediction in predictions] == [str(good)]
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


def test_json_schema(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", coloured((7, RED), (7, BLUE)), fps=10.0)
    values = Predictor(ColourBackend(), batch_size=2, overlap=0.0).predict(path).to_dict(2)
    windows = [
        {"start_seconds": 0.0, "end_seconds": 0.7, "label": "red"},
        {"start_seconds": 0.7, "end_seconds": 1.4, "label": "blue"},
    ]
    assert [window.pop("probability") > 0.99 for window in values["windows"]] == [True, True]
    assert values.pop("windows") == windows
    top = values.pop("top")
    assert {entry["label"] for entry in top} == {"red", "blue"}
    assert [set(entry) for entry in top] == [{"label", "probability"}] * 2
    assert all(0.4 < entry["probability"] < 0.6 for entry in top)
    assert values == {
        "source": str(path),
        "label": top[0]["label"],
        "frames": 14,
        "fps": 10.0,
        "duration_seconds": 1.4,
    }


def a_prediction(source: str, names: tuple[str, ...]) -> Prediction:
    probabilities = np.arange(len(names), 0, -1) / np.arange(len(names), 0, -1).sum()
    window = Window(first_frame=0, end_frame=9, start_seconds=0.0, end_seconds=0.3, probabilities=probabilities)
    return Prediction(
        source=source,
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


def test_sources_are_files_and_folders(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.AVI", "deep/er/c.webm", "notes.txt", ".hidden.mp4", ".trash/d.mp4", "named"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = expand_sources([f"{tmp_path}/named", f"{tmp_path}", f"{tmp_path}/b.mp4"])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["named", "a.AVI", "b.mp4", "deep/er/c.webm"]


def test_sources_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: no such file or folder"):
        expand_sources([str(tmp_path / "nowhere")])
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=r"no videos in this folder; expected \.3gp, \.avi"):
        expand_sources([str(tmp_path)])


@pytest.mark.parametrize("source", ["", " ", "\t"])
def test_an_empty_name_is_no_folder(
    make_video: MakeVideo, tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_video(tmp_path / "a.avi", coloured((8, RED)))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="expected the name of one"):
        expand_sources([source])
    assert expand_sources(["."]) == [Path("a.avi")]


def test_every_labelled_video_has_a_file_of_its_own(tmp_path: Path) -> None:
    out = tmp_path / "out"
    names = ["a/x.avi", "b/x.avi", "x-1.avi", "x-2.mp4", "out/y.labelled.mp4", "y.avi", "..", "ä" * 120 + ".avi"]
    paths = [tmp_path / name for name in names]
    chosen = labelled_paths(out, paths)
    assert list(chosen) == paths
    targets = list(chosen.values())
    assert len(set(targets)) == len(targets)
    assert not set(targets) & set(paths), "a source would be overwritten"
    assert {target.parent for target in targets} == {out}
    assert all(len(os.fsencode(target.name)) <= 230 for target in targets)
    assert chosen[paths[5]].name == "y-2.labelled.mp4"


def test_a_video_that_cannot_be_drawn_in_costs_the_others_nothing(make_video: MakeVideo, tmp_path: Path) -> None:
    narrow = make_video(tmp_path / "narrow.avi", np.zeros((8, 8, 800, 3), dtype=np.uint8))
    good = make_video(tmp_path / "good.avi", coloured((8, GREEN)))
    predictions, errors, _ = run([narrow, good], output=tmp_path / "p.json", video_dir=tmp_path / "labelled")
    assert [prediction.source for prediction in predictions] == [str(narrow), str(good)]
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
    _, errors = predict_sources(hungry, [path], top_k=1, output=None, video_dir=None, console=console)
    assert errors == [f"{path}: not enough memory for it"]

"""Predictions against computations that hold the whole video in memory, and a second decoder."""

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from helpers.colour_backend import BLUE, GREEN, RED, ColourBackend, coloured
from helpers.support import ROOT, moving_square
from helpers.tiny_models import exported_bytes, save_checkpoint, tiny_model
from helpers.window_starts import window_starts

from action_recognition.errors import UserError, VideoError
from action_recognition.inference.backends import Backend, load_backend
from action_recognition.inference.predictor import Predictor
from action_recognition.inference.temporal.segments import SegmentSettings

MakeVideo = Callable[..., Path]


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
    starts = window_starts(len(square), frames=contract.frames, stride=contract.stride, overlap=overlap)
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
    np.testing.assert_allclose(times, [(start / 20, (start + 8) / 20) for start in starts])


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
    path = make_video(tmp_path / "a.avi", coloured((8, RED), (16, BLUE), (10, GREEN)))
    prediction = Predictor(ColourBackend(), batch_size=2, overlap=0.0).predict(path)
    best = [prediction.class_names[window.probabilities.argmax()] for window in prediction.windows]
    assert best == ["red", "blue", "blue", "green", "green"]
    assert prediction.windows[-1].first_frame == 26  # moved back to end with the video
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
        backend = ColourBackend(keeps_clips=False)
        tracemalloc.start()
        Predictor(backend, batch_size=2, overlap=0.5).predict(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # What is left to grow are the predictions, under 1 kB a window; the frames would be 7 kB each.
    assert peaks[1] < peaks[0] + 200_000


def test_an_onnx_file_labels_videos_without_torch(make_video: MakeVideo, tmp_path: Path) -> None:
    """Nor does writing labelled videos import it; a server needs neither torch nor PyAV."""
    make_video(tmp_path / "a.avi", moving_square(20))
    (tmp_path / "m.onnx").write_bytes(exported_bytes())
    code = """
import sys
from pathlib import Path
from action_recognition.inference.backends import load_backend
from action_recognition.inference.predictor import Predictor
backend = load_backend(Path("m.onnx"), kind="onnx", device="cpu")
prediction = Predictor(backend, batch_size=2, overlap=0.0).predict(Path("a.avi"))
print({"torch", "lightning", "av"} & set(sys.modules))
from action_recognition.inference.labelled_video.overlay import write_labelled_video
write_labelled_video(prediction, Path("a.avi"), Path("a.mp4"))
print({"torch", "lightning"} & set(sys.modules))
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("set()\nset()\n", 0), done.stderr


def test_progress_reaches_the_whole_video(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", coloured((64, RED)))
    seen: list[tuple[int, int]] = []
    Predictor(ColourBackend(), batch_size=2, overlap=0.0).predict(path, progress=lambda *counts: seen.append(counts))
    assert seen == [(16, 64), (32, 64), (48, 64), (64, 64)]


def test_temperature_and_threshold_of_the_contract(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", coloured((16, RED), (16, GREEN)))
    plain = Predictor(ColourBackend()).predict(path)
    assert not plain.is_none_of_these
    backend = ColourBackend(temperature=9.0, threshold=0.999)
    found = Predictor(backend).predict(path)
    for window, clip_CTHW in zip(found.windows, np.concatenate(backend.batches), strict=True):
        logits_K = torch.from_numpy(clip_CTHW.mean(axis=(1, 2, 3)) / 10)
        np.testing.assert_allclose(window.probabilities, (logits_K / 9).softmax(dim=0).numpy(), atol=1e-5)
    np.testing.assert_allclose(found.probabilities, np.mean([w.probabilities for w in found.windows], axis=0))
    assert found.is_none_of_these
    assert found.label == plain.label
    assert [segment.label for segment in found.segments] == [None]
    assert found.to_dict()["none_of_these"] is True
    assert not Predictor(backend, segments=SegmentSettings(threshold=0.1)).predict(path).is_none_of_these


def test_model_without_numbers_is_one_line(make_video: MakeVideo, tmp_path: Path) -> None:
    class Broken(ColourBackend):
        def __call__(self, clip_BCTHW: np.ndarray) -> np.ndarray:
            return np.full((len(clip_BCTHW), 3), np.nan, dtype=np.float32)

    path = make_video(tmp_path / "a.avi", coloured((8, RED)))
    with pytest.raises(UserError, match=r"a\.avi: the model gives logits that are infinite or NaN"):
        Predictor(Broken(), batch_size=2, overlap=0.0).predict(path)


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


def test_json_schema(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", coloured((8, RED), (8, BLUE)), fps=10.0)
    values = Predictor(ColourBackend(), batch_size=2, overlap=0.0).predict(path).to_dict(2)
    windows = [
        {"start_seconds": 0.0, "end_seconds": 0.8, "label": "red"},
        {"start_seconds": 0.8, "end_seconds": 1.6, "label": "blue"},
    ]
    assert [window.pop("probability") > 0.99 for window in values["windows"]] == [True, True]
    assert values.pop("windows") == windows
    segments = values.pop("segments")
    assert [segment.pop("probability") > 0.99 for segment in segments] == [True, True]
    frames = ({"first_frame": 0, "end_frame": 8}, {"first_frame": 8, "end_frame": 16})
    assert segments == [window | numbers for window, numbers in zip(windows, frames, strict=True)]
    top = values.pop("top")
    assert {entry["label"] for entry in top} == {"red", "blue"}
    assert [set(entry) for entry in top] == [{"label", "probability"}] * 2
    assert all(0.4 < entry["probability"] < 0.6 for entry in top)
    assert values == {
        "source": str(path),
        "label": top[0]["label"],
        "none_of_these": False,
        "frames": 16,
        "fps": 10.0,
        "duration_seconds": 1.6,
    }

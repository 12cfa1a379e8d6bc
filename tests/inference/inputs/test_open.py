"""Whatever frames come in, the model sees the same: files, bytes, arrays, tensors and iterators."""

import io
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from helpers.colour_backend import BLUE, RED, ColourBackend, coloured
from helpers.support import moving_square
from helpers.video_makers import write_at
from PIL import Image

from action_recognition.errors import ConfigError, UserError, VideoError
from action_recognition.inference.inputs.base import InputSettings
from action_recognition.inference.inputs.open import open_input
from action_recognition.inference.predictor import Predictor
from action_recognition.video.frames import FrameFormat

MakeVideo = Callable[..., Path]
RGB = FrameFormat(short_side=36)
DEPTH_16 = FrameFormat(short_side=36, channels=1, bits=16)


def decoded(path: Path) -> np.ndarray:
    """All frames, RGB, by OpenCV alone."""
    capture, frames = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        frames.append(read[1][..., ::-1])
    return np.stack(frames)


def seen(given: Any, *, fps: float | None = None) -> tuple[np.ndarray, tuple[float, ...]]:
    """All clips that a model is given, and the times of windows."""
    backend = ColourBackend(fps=30.0)
    prediction = Predictor(backend, batch_size=2, overlap=0.5).predict(given, fps=fps)
    times = tuple(time for window in prediction.windows for time in (window.start_seconds, window.end_seconds))
    return np.concatenate(backend.batches), times


def read(given: Any, frame_format: FrameFormat = RGB, **settings: Any) -> tuple[list[np.ndarray], list[float | None]]:
    with open_input(given, frame_format, InputSettings(**settings)) as opened:
        frames = [(frame.read(), frame.seconds) for frame in opened.timed()]
    return [frame for frame, _ in frames], [seconds for _, seconds in frames]


@pytest.mark.parametrize("fps", [30.0, 15.0])
def test_a_model_sees_the_same_of_a_file_and_of_its_frames(make_video: MakeVideo, tmp_path: Path, fps: float) -> None:
    path = make_video(tmp_path / "a.avi", moving_square(41), fps=fps)
    clips, times = seen(path)
    frames = decoded(path)
    content = path.read_bytes()
    with path.open("rb") as file:
        inputs = {
            "str": str(path),
            "file URL": path.as_uri(),
            "bytes": content,
            "bytearray": bytearray(content),
            "memoryview": memoryview(content),
            "file in memory": io.BytesIO(content),
            "file": file,
            "array": frames,
            "array in Fortran order": np.asfortranarray(frames),
            "array with negative strides": np.ascontiguousarray(frames[::-1, :, ::-1])[::-1, :, ::-1],
            "memory map": np.memmap(io_file(tmp_path, frames), dtype=np.uint8, mode="r", shape=frames.shape),
            "tensor": torch.from_numpy(frames.copy()),
            "list": list(frames),
            "iterator": iter(frames),
            "iterator over tensors": iter(torch.from_numpy(frames.copy())),
            "iterator that fills one array": one_array(frames),
            "PIL images": (Image.fromarray(frame) for frame in frames),
        }
        for name, given in inputs.items():
            found, found_times = seen(given, fps=fps)
            np.testing.assert_array_equal(found, clips, err_msg=name)
            np.testing.assert_allclose(found_times, times, atol=1e-9, err_msg=name)


def io_file(folder: Path, frames: np.ndarray) -> Path:
    path = folder / "frames.raw"
    path.write_bytes(frames.tobytes())
    return path


def one_array(frames: np.ndarray) -> Iterator[np.ndarray]:
    buffer = np.empty_like(frames[0])
    for frame in frames:
        buffer[:] = frame
        yield buffer
    buffer[:] = 0


def test_a_real_video_by_all_ways(shared_dir: Path) -> None:
    """Whose shorter side is not what the model takes; and one whose own times are those of its frames."""
    path = shared_dir / "videos" / "TrumanShow_wave_f_nm_np1_fr_med_26.avi"
    clips, times = seen(path)
    assert len(times) > 10
    for given in (path.read_bytes(), decoded(path), iter(decoded(path))):
        found, found_times = seen(given, fps=30)
        np.testing.assert_array_equal(found, clips)
        np.testing.assert_allclose(found_times, times, atol=0.002)


def test_times_are_given_only_to_inputs_without(tmp_path: Path) -> None:
    path = write_at(tmp_path / "uneven.mp4", [0, 40, 120, 130, 300])
    _, own = read(path)
    assert read(path, fps=7)[1] == own
    assert read(decoded(path), fps=7)[1] == [number / 7 for number in range(5)]
    assert read(decoded(path))[1] == [None] * 5


def test_images_get_times_too(tmp_path: Path) -> None:
    for number in range(8):
        Image.fromarray(moving_square(8)[number]).save(tmp_path / f"img_{number:04}.png")
    expected = read(moving_square(8), fps=4)
    for given in (tmp_path, tmp_path / "img_%04d.png", f"{tmp_path}/img_*.png", f"{tmp_path}/img_%04d.png"):
        frames, seconds = read(given, fps=4)
        np.testing.assert_array_equal(frames, expected[0])
        assert seconds == expected[1] == [number / 4 for number in range(8)]
    np.testing.assert_array_equal(read(f"{tmp_path}/img_%04d.png[2:5]")[0], expected[0][2:5])


@pytest.mark.parametrize("given", ["file", "array", "iterator"])
def test_an_input_ends_after_max_seconds(make_video: MakeVideo, tmp_path: Path, given: str) -> None:
    path = make_video(tmp_path / "a.avi", moving_square(40), fps=20.0)
    frames = decoded(path)
    inputs = {"file": path, "array": frames, "iterator": cycle(frames)}
    _, seconds = read(inputs[given], fps=20, max_seconds=1.5)
    np.testing.assert_allclose(seconds, np.arange(30) / 20)
    settings = InputSettings(fps=20, max_seconds=1.5)
    prediction = Predictor(ColourBackend(fps=20), inputs=settings).predict(inputs[given])
    assert (prediction.frames, prediction.duration_seconds) == (30, pytest.approx(1.5))


def test_an_end_needs_times() -> None:
    with pytest.raises(UserError, match=r"array: its frames have no times.*expected fps"):
        read(moving_square(8), max_seconds=1)


def test_progress_counts_to_the_end_that_was_asked_for(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", coloured((64, RED)), fps=32)
    counts: list[tuple[int, int]] = []
    predictor = Predictor(ColourBackend(), inputs=InputSettings(max_seconds=1))
    predictor.predict(path, progress=lambda *count: counts.append(count))
    assert counts == [(16, 32), (32, 32)]


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "many", [30]])
@pytest.mark.parametrize("key", ["fps", "max_seconds"])
def test_settings_are_numbers_above_0(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{key}=.*: expected a number above 0, or None$"):
        InputSettings(**{key: value})


@pytest.mark.parametrize("dtype", [np.uint16, ">u2"])
@pytest.mark.parametrize("shape", [(5, 48, 64), (5, 48, 64, 1)])
def test_depth(dtype: Any, shape: tuple[int, ...]) -> None:
    depth = np.random.default_rng(0).integers(0, 65535, size=shape).astype(dtype)
    expected = [cv2.resize(frame, (48, 36), interpolation=cv2.INTER_AREA) for frame in depth.astype(np.uint16)]
    for given in (depth, list(depth), (Image.fromarray(np.squeeze(frame).astype(np.uint16)) for frame in depth)):
        frames, _ = read(given, DEPTH_16)
        assert {(frame.shape, str(frame.dtype)) for frame in frames} == {((36, 48, 1), "uint16")}
        np.testing.assert_array_equal(np.stack(frames)[..., 0], np.squeeze(expected))


CLIP = np.zeros((4, 48, 64, 3), dtype=np.uint8)
MIXED = [np.zeros((48, 64, 3), np.uint8), np.zeros((48, 65, 3), np.uint8)]
IMAGE_16 = Image.fromarray(np.zeros((48, 64), np.uint16))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (CLIP.astype(np.float32), r"array: values of type float32, expected uint8, RGB from 0 to 255; multiply"),
        (np.full((4, 48, 64, 3), np.nan), r"array: values of type float64, expected uint8"),
        (CLIP.astype(np.int64), r"array: values of type int64, expected uint8, RGB from 0 to 255$"),
        (CLIP > 0, r"array: values of type bool"),
        (CLIP.astype(object), r"array: values of type object"),
        (CLIP.astype(np.uint16), r"array: values of type uint16, expected uint8"),
        (torch.rand(4, 48, 64, 3, requires_grad=True), r"tensor: values of type float32"),
        (CLIP.transpose(0, 3, 1, 2), r"of shape \[4, 3, 48, 64\].*if it is \[T, C, H, W\], x.transpose\(0, 2, 3, 1\)$"),
        (CLIP.transpose(3, 0, 1, 2), r"\[3, 4, 48, 64\].*if it is \[C, T, H, W\], x.transpose\(1, 2, 3, 0\)$"),
        (torch.zeros(4, 3, 48, 64, dtype=torch.uint8), r"^tensor: .*x.permute\(0, 2, 3, 1\)$"),
        (CLIP[0], r"of shape \[48, 64, 3\], expected \[T, H, W, 3\]; one image is x\[None\]$"),
        (CLIP[..., 0], r"of shape \[4, 48, 64\], expected \[T, H, W, 3\]$"),
        (CLIP[None], r"one clip at a time$"),
        (CLIP[:0], r"array: 0 frames, expected at least 2$"),
        (CLIP[:, :0], r"array, frame 0: of shape \[0, 64, 3\], expected \[H, W, 3\]$"),
        (CLIP[:1], r"array: 1 frame, expected at least 2$"),
        (np.array(3.5), r"array: of shape \[\], expected \[T, H, W, 3\]$"),
        ([], r"frames: 0 frames, expected at least 2$"),
        (MIXED, r"frames, frame 1: frames of 65x48 and 64x48 pixels, expected one size$"),
        (
            ["a.mp4", "b.mp4"],
            r"frames, frame 0: of type str, expected an array \[H, W, 3\] or a PIL image; several inputs",
        ),
        ({"a": 1}, r"frames, frame 0: of type str"),
        ([CLIP], r"frames, frame 0: of shape \[4, 48, 64, 3\], expected \[H, W, 3\]$"),
        (iter([CLIP[0] / 255]), r"frames, frame 0: values of type float64"),
        ([IMAGE_16], r"frames, frame 0: an image of mode I;16, expected 8 bits per value$"),
        (b"", r"^bytes: empty file$"),
        (b"hello\n" * 100, r"^bytes: not a video"),
        (io.StringIO("text"), r"^bytes: a file open as text, expected one open in mode 'rb'$"),
        ([1, 2], r"frames, frame 0: of type int, expected an array"),
        (np.datetime64("now") + np.zeros((4, 48, 64, 3), int), r"array: values of type datetime64"),
        (torch.zeros(4, 48, 64, 3, dtype=torch.uint8, device="meta"), r"tensor: not an array that numpy can read"),
        (torch.zeros(4, 48, 64, 3, dtype=torch.uint8).to_sparse(), r"tensor: not an array that numpy can read"),
        (None, r"^NoneType: expected a path, URL, bytes"),
        (True, r"^bool: expected a path"),
        (2.5, r"^float: expected a path"),
    ],
)
def test_what_is_no_video_is_one_line(given: Any, message: str) -> None:
    with pytest.raises(VideoError, match=message) as raised:
        Predictor(ColourBackend()).predict(given)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", [str, Path])
def test_one_input_at_a_time(make_video: MakeVideo, tmp_path: Path, kind: Callable[[Path], Any]) -> None:
    make_video(tmp_path / "a.avi", coloured((8, BLUE)))
    assert Predictor(ColourBackend()).predict(kind(tmp_path)).label == "blue"
    make_video(tmp_path / "b.avi", coloured((8, RED)))
    for name in (tmp_path, tmp_path / "*.avi"):
        with pytest.raises(VideoError, match=r": 2 inputs, expected one; expand_inputs lists them$"):
            read(kind(name))
    assert Predictor(ColourBackend()).predict(kind(tmp_path / "[a]*")).label == "blue"


def test_a_path_is_only_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("0", "-", "http://host/a.mp4"):
        with pytest.raises(VideoError, match=r"no such file or folder$"):
            read(Path(name))


def test_what_can_be_read_only_once_is_not_kept_for_a_second_time(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", moving_square(8))
    frames = decoded(path)
    for given in (path, str(path), path.read_bytes(), frames, list(frames)):
        assert Predictor(ColourBackend()).predict(given).given is given
    for given in (iter(frames), io.BytesIO(path.read_bytes())):
        assert Predictor(ColourBackend()).predict(given).given is None


def test_many_frames_cost_no_memory() -> None:
    """A billion frames that are one in memory."""
    frames = np.broadcast_to(CLIP[0], (10**9, *CLIP.shape[1:]))
    assert len(read(frames, fps=25, max_seconds=1)[0]) == 25


def test_a_frame_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTION_RECOGNITION_MAX_PIXELS", "3071")
    for given, name in ((CLIP, "array"), (iter(CLIP), "frames")):
        with pytest.raises(VideoError, match=f"{name}, frame 0: 64x48 pixels, more than data.max_pixels=3071"):
            read(given)


def test_bytes_leave_nothing_behind(make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = make_video(tmp_path / "a.avi", coloured((40, BLUE))).read_bytes()
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))

    def breaks_off(_: int) -> bytes:
        raise OSError(28, "No space left on device")

    file = io.BytesIO(content)
    monkeypatch.setattr(file, "read", lambda count: breaks_off(count) if count else b"", raising=False)
    with pytest.raises(VideoError, match=r"could not be copied to .*No space left on device\); TMPDIR names another"):
        read(file)
    with pytest.raises(VideoError, match=r"^bytes: not a video that FFmpeg can decode$"):
        read(b"hello")
    read(content)
    stream = Predictor(ColourBackend()).stream(content)
    next(stream)
    assert len(list(folder.iterdir())) == 1
    stream.close()
    assert list(folder.iterdir()) == []


def test_no_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(VideoError, match=r"^bytes: no temporary file can be made .*; TMPDIR names the folder$"):
        read(b"")


def test_a_closed_file() -> None:
    file = io.BytesIO()
    file.close()
    with pytest.raises(VideoError, match=r"^bytes: could not be copied to .*closed file"):
        read(file)


def test_a_cut_video_in_memory_has_its_name_in_the_error(bad_videos: dict[str, Path]) -> None:
    with bad_videos["cut.avi"].open("rb") as file, pytest.raises(VideoError, match=r"cut\.avi: truncated"):
        read(file)
    with pytest.raises(VideoError, match=r"^bytes: truncated"):
        read(bad_videos["cut.avi"].read_bytes())

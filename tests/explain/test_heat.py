"""Heat over a whole video: means of windows, in time and in place, and the files that show it."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from helpers.support import moving_square, write_video
from helpers.tiny_models import names_in, tiny_contract, tiny_model

from action_recognition.contract import ClipContract
from action_recognition.errors import VideoError
from action_recognition.explain.cam import class_map
from action_recognition.explain.example import ModelBackend
from action_recognition.explain.heat import Found, Heat, measure
from action_recognition.explain.heat_pictures import caption, draw_heat, seen_square
from action_recognition.explain.heat_video import write_heat_video
from action_recognition.inference.predictor import Predictor
from action_recognition.video.frames import center_crop, resize_short_side
from action_recognition.video.windows import CutWindow

ONES = np.ones((1, 2, 2), np.float32)


def heat_of(contract: ClipContract, *windows: tuple[int, np.ndarray], fps: float = 0.0) -> Heat:
    """Windows by their first frame."""
    heat = Heat(contract)
    for number, (first, heat_THW) in enumerate(windows):
        cut = CutWindow("x", first, first + 1, first / fps if fps else 0.0, 0.0, np.zeros(1, np.uint8))
        heat.add(cut, Found(f"class {number}", 0.5, heat_THW))
    return heat


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize("fps", [0.0, 30.0])
def test_a_frame_has_the_mean_of_the_windows_that_it_is_in(fps: float) -> None:
    """Windows of 8 places from 0, 4 and 8: the first alone, two of them, the last alone; 1 is the largest of all."""
    contract = tiny_contract(frames=4, stride=2, fps=fps)
    heat = heat_of(contract, (0, ONES), (4, 3 * ONES), (8, 4 * ONES), fps=fps)
    found = [heat.at(number, number / fps if fps else None) for number in range(16)]
    means = [float(heat_HW.mean()) for heat_HW, _ in found]
    np.testing.assert_allclose(means, [0.25] * 4 + [0.5] * 4 + [0.875] * 4 + [1.0] * 4)
    labels = [window.label for _, window in found]
    assert labels[:4] == ["class 0"] * 4
    assert labels[-4:] == ["class 2"] * 4
    assert heat.at(99, 99 / fps if fps else None)[1].label == "class 2"  # later than expected: the last one


def test_between_frames_of_a_clip_heat_is_interpolated_as_torch_does() -> None:
    contract = tiny_contract(frames=8, stride=1, fps=25.0)
    heat_THW = np.random.default_rng(0).random((3, 2, 2), dtype=np.float32)
    heat = heat_of(contract, (0, heat_THW), fps=25.0)
    expected = torch.nn.functional.interpolate(torch.from_numpy(heat_THW)[None, None], (8, 2, 2), mode="trilinear")[
        0, 0
    ]
    for number in range(8):
        np.testing.assert_allclose(
            heat.at(number, number / 25)[0], expected[number].numpy() / heat_THW.max(), rtol=1e-5
        )


def test_where_nothing_speaks_for_the_class_nothing_glows() -> None:
    heat = heat_of(tiny_contract(), (0, 0 * ONES))
    np.testing.assert_array_equal(heat.at(0, None)[0], 0)


@pytest.mark.parametrize("frames", [2, 5, 8, 31])
def test_windows_are_those_of_the_predictor_also_of_short_videos(tmp_path: Path, frames: int) -> None:
    model = tiny_model(fps=30.0)
    path = write_video(tmp_path / "a.avi", moving_square(frames))
    predictor = Predictor(ModelBackend(model), overlap=0.5)

    def find(cut: CutWindow) -> Found:
        found = class_map(model, cut.clip_CTHW, layer="blocks.2")
        return Found(model.contract.class_names[found.target], 0.5, found.heat_THW)

    heat, prediction = measure(predictor, path, find), predictor.predict(path)
    assert heat.frames == frames
    assert [window.first_frame for window in heat.windows] == [window.first_frame for window in prediction.windows]
    for number in range(frames):
        heat_HW, _ = heat.at(number, number / 30)
        assert heat_HW.shape == (4, 4)
        assert np.isfinite(heat_HW).all()


@pytest.mark.parametrize(("width", "height"), [(64, 48), (48, 64), (63, 49), (400, 20), (32, 32)])
def test_heat_lies_where_the_model_saw(width: int, height: int) -> None:
    """A dot anywhere in the model's square comes from the same place of the square in the whole frame."""
    contract = tiny_contract(size=32, short_side=36)
    left, top, right, bottom = seen_square(width, height, contract)
    for row, column in ((top + 3, left + 3), ((top + bottom) // 2, right - 4)):
        frame = np.zeros((height, width, 3), np.uint8)
        frame[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = 255
        seen = center_crop(resize_short_side(frame, 36), 32)[..., 0].astype(float)
        assert seen.sum() > 0
        rows, columns = np.mgrid[:32, :32]
        at = [(axis * seen).sum() / seen.sum() + 0.5 for axis in (rows, columns)]
        scale = (bottom - top) / 32
        assert top + at[0] * scale == pytest.approx(row + 0.5, abs=1.5 * max(1, scale))
        assert left + at[1] * scale == pytest.approx(column + 0.5, abs=1.5 * max(1, scale))


def test_what_the_model_does_not_see_is_dark_and_has_no_heat() -> None:
    contract = tiny_contract(size=32, short_side=32)
    canvas = np.full((64, 128, 3), 200, np.uint8)
    draw_heat(canvas, np.zeros((4, 4), np.float32), contract)
    assert (canvas[:, :31] == 80).all()
    assert (canvas[2:-2, 34:94] == 200).all()
    draw_heat(canvas := np.full((64, 128, 3), 200, np.uint8), np.ones((4, 4), np.float32), contract)
    assert (canvas[:, :31] == 80).all()
    assert canvas[32, 64, 2] < 190  # yellow has no blue


def test_a_video_keeps_its_frames_rate_and_size(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", moving_square(21, height=250, width=300), fps=24.0)
    heat = heat_of(tiny_contract(fps=24.0), (0, ONES), (8, 2 * ONES), (13, ONES), fps=24.0)
    heat.frames, heat.fps = 21, 24.0
    written = write_heat_video(heat, path, tmp_path / "out", method="Grad-CAM, blocks.2", scale="most in this video")
    assert written.name == "out.mp4"
    frames = decoded(written)
    strip = caption(300, 250, "class 0 50%", "Grad-CAM, blocks.2", "most in this video")
    assert len(frames) == 21
    assert frames[0].shape == (250 + len(strip), 300, 3)
    assert frames[0][: len(strip)].max() > 200  # letters
    with av.open(str(written)) as container:
        assert float(container.streams.video[0].average_rate) == pytest.approx(24)


def test_a_still_becomes_a_png(tmp_path: Path) -> None:
    image = tmp_path / "still.png"
    cv2.imwrite(str(image), moving_square(1)[0])
    heat = heat_of(tiny_contract(frames=1, stride=1), (0, ONES))
    heat.frames = 1
    written = write_heat_video(heat, image, tmp_path / "out", method="m", scale="most")
    assert written.name == "out.png"
    assert cv2.imread(str(written)).shape[1] == 320


def test_a_video_that_is_gone_meanwhile_leaves_no_file(tmp_path: Path) -> None:
    heat = heat_of(tiny_contract(), (0, ONES))
    heat.frames = 5
    with pytest.raises(VideoError, match="no such file"):
        write_heat_video(heat, tmp_path / "gone.avi", tmp_path / "out", method="m", scale="most")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("label", ["", "кувырок 後転 " * 40, "a\nb\x1b[31m", "x" * 1000])
def test_any_label_fits_above_any_picture(label: str) -> None:
    for width, height in ((120, 240), (240, 240), (1920, 1080)):
        strip = caption(width, height, label, label, "most in this video")
        assert strip.shape[1:] == (width, 3)
        assert strip.shape[0] % 2 == 0
        assert strip.shape[0] < 0.5 * height

"""Resizing and cropping: frames of usual shapes give the same bytes as ever, long ones take little memory."""

import cv2
import numpy as np
import pytest
from helpers.clips import read_all
from helpers.video_makers import Container, video_bytes

from action_recognition.video.frames import MAX_ASPECT, center_crop, resize_short_side, resized_size


def resized_as_ever(frame_HWC, short_side):
    """The whole frame scaled, as every store and model so far has seen it."""
    height, width = frame_HWC.shape[:2]
    scale = short_side / min(height, width)
    if scale == 1:
        return frame_HWC
    size = max(short_side, round(width * scale)), max(short_side, round(height * scale))
    return cv2.resize(frame_HWC, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


@pytest.mark.parametrize("short_side", [36, 112, 128])
@pytest.mark.parametrize("size", [(240, 320), (64, 48), (128, 1536), (10, 120), (36, 36)], ids=str)
def test_frames_of_usual_shapes_are_scaled_to_the_same_bytes_as_ever(size, short_side):
    frame_HWC = np.random.default_rng(0).integers(0, 256, size=(*size, 3), dtype=np.uint8)
    small = resize_short_side(frame_HWC, short_side)
    assert np.array_equal(small, resized_as_ever(frame_HWC, short_side))
    assert min(small.shape[:2]) == short_side


def test_real_clips_are_scaled_to_the_same_bytes_as_ever(shared_dir):
    for path in sorted((shared_dir / "hmdb51_sample/videos").glob("*/*.avi"))[::150]:
        whole = [resized_as_ever(frame[..., ::-1], 128)[..., ::-1] for frame in read_all(path)]
        assert np.array_equal(read_all(path, short_side=128), np.stack(whole))


@pytest.mark.parametrize("is_wide", [True, False])
@pytest.mark.parametrize("position", [0.0, 0.5, 1.0])
def test_what_is_cropped_from_a_long_frame_is_what_the_whole_of_it_would_give(position, is_wide):
    generator = np.random.default_rng(1)
    frame_HWC = generator.integers(0, 256, size=(8, 8 * 40, 3), dtype=np.uint8)
    frame_HWC = frame_HWC if is_wide else np.ascontiguousarray(frame_HWC.swapaxes(0, 1))
    short = resize_short_side(frame_HWC, 32)
    assert short.shape[:2] == resized_size(*frame_HWC.shape[1::-1], 32)[::-1]
    assert max(short.shape) == MAX_ASPECT * 32
    expected = center_crop(resized_as_ever(frame_HWC, 32), 28, position)
    assert np.array_equal(center_crop(short, 28, position), expected)


def test_a_line_of_pixels_takes_little_memory(tmp_path):
    line = np.random.default_rng(0).integers(0, 256, size=(3, 1, 120_000, 3), dtype=np.uint8)
    path = tmp_path / "line.mkv"
    path.write_bytes(video_bytes(Container(".mkv", "matroska", "ffv1"), line))
    assert read_all(path, short_side=128).shape == (3, 128, 128 * MAX_ASPECT, 3)  # the whole of it would be 5.9 GB


def test_center_crop_takes_the_middle():
    frames = np.arange(2 * 6 * 8).reshape(2, 6, 8, 1).astype(np.uint8)
    assert (center_crop(frames, 2) == frames[:, 2:4, 3:5]).all()

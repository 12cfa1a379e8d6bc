"""Videos are decoded as PyAV decodes them; what is no whole video is refused in one line."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from helpers.clips import probe, read_all, read_at
from helpers.support import moving_square
from helpers.video_makers import CONTAINERS, video_bytes, write_turned
from PIL import Image

from action_recognition.config import load_config
from action_recognition.errors import VideoError
from action_recognition.video import decoder, frames
from action_recognition.video.clip_files import open_clip
from action_recognition.video.image_sequence import read_image
from action_recognition.video.pixel_limit import DEFAULT_MAX_PIXELS, VARIABLE, check_pixels, set_max_pixels

# Tags of HMDB51's files are not UTF-8; from PyAV 19 on that is no error.
LENIENT = {"metadata_errors": "ignore"} if int(av.__version__.partition(".")[0]) < 19 else {}


def decode_with_pyav(path: Path) -> list[np.ndarray]:
    with av.open(str(path), **LENIENT) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_real_clips_decode_as_pyav_decodes_them(shared_dir):
    clips = sorted((shared_dir / "hmdb51_sample/videos").glob("*/*.avi"))[::83]
    assert len(clips) >= 8
    for path in clips:
        reference = decode_with_pyav(path)
        with open_clip(path) as clip:
            found, ours = clip.probe(), np.stack(list(clip))
            assert np.array_equal(clip.frames_at(np.array([9, 2])), ours[[9, 2]])
            # The reason for counting: every header of the sample claims more.
            assert clip.metadata.frames > found.frames == len(reference)
        assert (found.height, found.width) == reference[0].shape[:2]
        # Two colour converters round differently.
        assert np.abs(ours.astype(int) - np.stack(reference)).mean() < 2


def test_real_long_videos_count_as_pyav_counts_them(shared_dir):
    for path in sorted((shared_dir / "videos").iterdir()):
        assert probe(path).frames == len(decode_with_pyav(path))


def test_frames_come_in_the_order_asked_for(tmp_path, make_video):
    frames = np.stack([np.full((32, 48, 3), 20 * number, dtype=np.uint8) for number in range(8)])
    path = make_video(tmp_path / "levels.avi", frames)
    found = read_at(path, [5, 0, 5, 7])
    assert np.abs(found.mean(axis=(1, 2, 3)) - [100, 0, 100, 140]).max() < 2


def test_colours_are_rgb(tmp_path, make_video):
    red = np.zeros((3, 32, 32, 3), dtype=np.uint8)
    red[..., 0] = 220
    frame = read_all(make_video(tmp_path / "red.avi", red))[0]
    assert frame[..., 0].mean() > 200
    assert frame[..., 2].mean() < 20


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_video_filmed_on_its_side_comes_upright(tmp_path, degrees):
    path = write_turned(tmp_path / "phone.mp4", moving_square(6), degrees)
    # PyAV gives frames as they are stored; the flag turns them counter-clockwise.
    expected = np.rot90(np.stack(decode_with_pyav(path)), degrees // 90, axes=(1, 2)).astype(int)
    with open_clip(path) as clip:
        for found in (np.stack(list(clip)), clip.frames_at(np.arange(6)), np.stack([f.read() for f in clip.timed()])):
            assert found.shape == expected.shape
            assert np.abs(found - expected).mean() < 2
        for about in (clip.metadata, clip.probe()):
            assert (about.height, about.width) == expected.shape[1:3]


def test_a_video_is_opened_once_however_often_it_is_read(tmp_path, make_video, monkeypatch):
    path, opened, check = make_video(tmp_path / "a.avi", moving_square(7)), [], decoder.check_file
    monkeypatch.setattr(decoder, "check_file", lambda file: opened.append(file) or check(file))
    with open_clip(path) as clip:
        assert (clip.metadata.fps, clip.metadata.width, clip.metadata.height) == (30.0, 64, 48)
        frames = np.stack(list(clip))
        for begun in (0, 1):  # a reading that was left in the middle does not matter to the next
            for _, _frame in zip(range(begun), clip, strict=False):
                pass
            assert np.array_equal(clip.frames_at(np.array([6, 0])), frames[[6, 0]])
            assert np.array_equal(np.stack(list(clip)), frames)
            assert clip.probe().frames == 7
    assert opened == [path]


def test_a_frame_past_the_end_is_an_error(tmp_path, make_video):
    path = make_video(tmp_path / "short.avi", np.zeros((4, 32, 32, 3), dtype=np.uint8))
    with pytest.raises(VideoError, match="ends after 4 frames, frame 9"):
        read_at(path, [2, 9])


def test_real_truncated_clip_is_refused(shared_dir, tmp_path):
    original = min((shared_dir / "hmdb51_sample/videos").glob("*/*.avi"))
    path = tmp_path / "cut.avi"
    path.write_bytes(original.read_bytes()[:60_000])
    with pytest.raises(VideoError, match="truncated, 60000 bytes of the"):
        probe(path)


def test_the_limit_is_the_one_of_the_configuration():
    assert load_config([]).data.max_pixels == DEFAULT_MAX_PIXELS >= 8192 * 4320


@pytest.mark.parametrize("suffix", ["avi", "png", "jpg", "bmp", "tiff", "webp", "pgm", "gif"])
def test_too_many_pixels_are_refused(tmp_path, suffix, monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")  # put back at the end
    frames_THWC = moving_square(3, height=48, width=64)
    path = tmp_path / f"large.{suffix}"
    if suffix == "avi":
        path.write_bytes(video_bytes(CONTAINERS["avi"], frames_THWC))
    else:
        Image.fromarray(frames_THWC[0]).convert("L" if suffix == "pgm" else "RGB").save(path)
    read = probe if suffix == "avi" else read_image
    set_max_pixels(64 * 48 - 1)
    with pytest.raises(VideoError, match=rf"large\.{suffix}: 64x48 pixels, more than data\.max_pixels=3071; raise"):
        read(path)
    set_max_pixels(64 * 48)
    read(path)


def test_a_frame_that_would_be_scaled_to_too_many_pixels_is_refused(tmp_path, make_video, monkeypatch):
    path = make_video(tmp_path / "a.avi", moving_square(3, height=48, width=64))
    monkeypatch.setenv(VARIABLE, "100000")
    with pytest.raises(VideoError, match=r"a\.avi: would be resized to 400x300 pixels, more than .* clip\.short_side"):
        read_all(path, short_side=300)


def test_nonsense_in_the_environment_is_no_limit_of_its_own(monkeypatch):
    monkeypatch.setenv(VARIABLE, "many")
    with pytest.raises(VideoError, match=rf"data\.max_pixels={DEFAULT_MAX_PIXELS}"):
        check_pixels(Path("a"), DEFAULT_MAX_PIXELS + 1, 1)


@pytest.mark.parametrize("error", [MemoryError(), cv2.error("Insufficient memory")])
def test_what_opencv_raises_is_one_line(tmp_path, make_video, monkeypatch, error):
    path = make_video(tmp_path / "a.avi", moving_square(3))

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(frames, "resize_short_side", fail)
    with pytest.raises(VideoError, match=r"a\.avi: (not enough memory to decode it|cannot be decoded)"):
        read_all(path, short_side=36)


def test_a_users_own_options_of_ffmpeg_cannot_lift_the_restrictions(tmp_path, make_video, monkeypatch):
    good = make_video(tmp_path / "good.avi", moving_square(3))
    list_of_it = tmp_path / "list.avi"
    list_of_it.write_text(f"ffconcat version 1.0\nfile {good}\n")
    monkeypatch.setenv(decoder.OPTIONS_VARIABLE, "safe;0|format_whitelist;concat,avi|threads;1")
    assert cv2.VideoCapture(str(list_of_it), cv2.CAP_FFMPEG).isOpened(), "it would be opened"
    decoder._restrict_ffmpeg()
    with pytest.raises(VideoError, match=r"list\.avi: not a video"):
        probe(list_of_it)
    assert probe(good).frames == 3

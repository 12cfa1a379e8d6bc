from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from action_recognition.data.video import center_crop, iter_frames, probe, read_frames, resize_short_side
from action_recognition.errors import VideoError


def decode_with_pyav(path: Path) -> list[np.ndarray]:
    with av.open(str(path), metadata_errors="ignore") as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_real_clips_decode_as_pyav_decodes_them(shared_dir):
    clips = sorted((shared_dir / "hmdb51_sample/videos").glob("*/*.avi"))[::83]
    assert len(clips) >= 8
    for path in clips:
        reference = decode_with_pyav(path)
        info = probe(path)
        assert info.frames == len(reference)
        # The reason for counting: every header of the sample claims more.
        assert info.header_frames > info.frames
        assert (info.height, info.width) == reference[0].shape[:2]
        ours = np.stack(list(iter_frames(path)))
        # Two colour converters round differently.
        assert np.abs(ours.astype(int) - np.stack(reference)).mean() < 2


def test_real_long_videos_count_as_pyav_counts_them(shared_dir):
    for path in sorted((shared_dir / "videos").iterdir()):
        assert probe(path).frames == len(decode_with_pyav(path))


def test_frames_come_in_the_order_asked_for(tmp_path, make_video):
    frames = np.stack([np.full((32, 48, 3), 20 * number, dtype=np.uint8) for number in range(8)])
    path = make_video(tmp_path / "levels.avi", frames)
    found = read_frames(path, np.array([5, 0, 5, 7]))
    assert np.abs(found.mean(axis=(1, 2, 3)) - [100, 0, 100, 140]).max() < 2


def test_colours_are_rgb(tmp_path, make_video):
    red = np.zeros((3, 32, 32, 3), dtype=np.uint8)
    red[..., 0] = 220
    frame = next(iter_frames(make_video(tmp_path / "red.avi", red)))
    assert frame[..., 0].mean() > 200
    assert frame[..., 2].mean() < 20


@pytest.mark.parametrize(("height", "width"), [(48, 64), (64, 48), (30, 30), (240, 432)])
def test_the_short_side_is_met_and_the_shape_kept(height, width):
    frame = np.zeros((height, width, 3), dtype=np.uint8)
    small = resize_short_side(frame, 20)
    assert min(small.shape[:2]) == 20
    assert abs(small.shape[1] / small.shape[0] - width / height) < 0.06


def test_center_crop_takes_the_middle():
    frames = np.arange(2 * 6 * 8).reshape(2, 6, 8, 1).astype(np.uint8)
    assert (center_crop(frames, 2) == frames[:, 2:4, 3:5]).all()


def bad_files(folder: Path, make_video) -> dict[str, Path]:
    good = make_video(folder / "good.avi", np.zeros((12, 64, 64, 3), dtype=np.uint8)).read_bytes()
    contents = {"empty": b"", "text": b"not a video\n" * 50, "truncated": good[: len(good) * 2 // 3]}
    for name, content in contents.items():
        (folder / f"{name}.avi").write_bytes(content)
    return {name: folder / f"{name}.avi" for name in (*contents, "missing")} | {"not a file": folder}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty", "empty file"),
        ("text", "not a video"),
        ("truncated", "truncated"),
        ("missing", "no such file"),
        ("not a file", "not a file"),
    ],
)
def test_what_is_no_whole_video_is_refused_by_name(tmp_path, make_video, name, reason):
    path = bad_files(tmp_path, make_video)[name]
    for read in (probe, lambda p: list(iter_frames(p)), lambda p: read_frames(p, np.array([0]))):
        with pytest.raises(VideoError) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert reason in str(caught.value)


def test_a_truncated_mp4_is_refused(tmp_path):
    path = tmp_path / "whole.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (64, 48))
    for level in range(30):
        writer.write(np.full((48, 64, 3), level * 8, dtype=np.uint8))
    writer.release()
    assert probe(path).frames == 30
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(VideoError, match=r"truncated|not a video"):
        probe(cut)


def test_a_frame_past_the_end_is_an_error(tmp_path, make_video):
    path = make_video(tmp_path / "short.avi", np.zeros((4, 32, 32, 3), dtype=np.uint8))
    with pytest.raises(VideoError, match="ends after 4 frames, frame 9"):
        read_frames(path, np.array([2, 9]))


def test_real_truncated_clip_is_refused(shared_dir, tmp_path):
    original = min((shared_dir / "hmdb51_sample/videos").glob("*/*.avi"))
    path = tmp_path / "cut.avi"
    path.write_bytes(original.read_bytes()[:60_000])
    with pytest.raises(VideoError, match="truncated, 60000 bytes of the"):
        probe(path)

"""Sizes in headers of videos are those of the frames, and a file that claims too much is never given to FFmpeg."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.clips import probe
from helpers.support import moving_square
from helpers.video_makers import CONTAINERS, video_bytes

from action_recognition.errors import VideoError
from action_recognition.video.declared_size import declared_sizes
from action_recognition.video.pixel_limit import VARIABLE

SAID = ("avi", "mp4", "mp4, faststart", "mp4, fragments", "mp4, live", "mov", "3gp", "mkv", "mkv, live", "webm")


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_headers_say_the_size_of_the_frames(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"a{CONTAINERS[name].suffix}"
    path.write_bytes(video_bytes(CONTAINERS[name], moving_square(4, height=48, width=64)))
    with path.open("rb") as file:
        assert declared_sizes(file) == ([(64, 48)] if name in SAID or name in ("webm, live", "avi, live") else [])
    if name in SAID:
        monkeypatch.setenv(VARIABLE, "3000")
        monkeypatch.delattr(cv2, "VideoCapture")  # not to be asked
        with pytest.raises(VideoError, match=r"64x48 pixels, more than data\.max_pixels=3000"):
            probe(path)


def test_real_videos_say_their_size(shared_dir: Path) -> None:
    for path in (shared_dir / "videos").iterdir():
        info = probe(path)
        with path.open("rb") as file:
            assert declared_sizes(file) == [(info.width, info.height)]


@pytest.mark.parametrize("name", ["avi", "mp4", "mkv"])
def test_damaged_headers_are_no_error(tmp_path: Path, name: str) -> None:
    content, generator = video_bytes(CONTAINERS[name], moving_square(4)), np.random.default_rng(0)
    path = tmp_path / "damaged"
    for _ in range(100):
        damaged = np.frombuffer(content[: int(generator.integers(50, len(content)))], np.uint8).copy()
        damaged[generator.integers(4, len(damaged), size=10)] = generator.integers(0, 256, size=10)
        path.write_bytes(damaged.tobytes())
        with path.open("rb") as file:
            assert all(width >= 0 and height >= 0 for width, height in declared_sizes(file))


def box(kind: bytes, body: bytes) -> bytes:
    return (8 + len(body)).to_bytes(4, "big") + kind + body


@pytest.mark.parametrize("kind", ["boxes", "elements"])
def test_headers_nested_without_end_are_not_followed(tmp_path: Path, kind: str) -> None:
    content = b""
    for _ in range(5_000):
        content = (
            box(b"trak", content)
            if kind == "boxes"
            else b"\xe0" + (1 << 28 | len(content)).to_bytes(4, "big") + content
        )
    start = box(b"moov", content) if kind == "boxes" else b"\x1aE\xdf\xa3\x80" + content
    path = tmp_path / "deep"
    path.write_bytes(start)
    with path.open("rb") as file:
        assert declared_sizes(file) == []

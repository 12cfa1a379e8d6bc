"""A small model as an ONNX file, and videos that cannot be labelled, each in its own way."""

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.support import moving_square
from helpers.tiny_models import exported_bytes

MakeVideo = Callable[..., Path]


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    """`tiny_model()`, exported."""
    path = tmp_path / "model.onnx"
    path.write_bytes(exported_bytes())
    return path


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

"""Cameras, as far as they can be tested without one."""

from pathlib import Path

import pytest

from action_recognition.errors import VideoError
from action_recognition.inference.inputs.camera import CameraConnection, open_camera
from action_recognition.video.frames import FrameFormat


@pytest.mark.skipif(Path("/dev/video63").exists(), reason="there are cameras here")
def test_missing_camera_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(VideoError, match=r"^camera 63: there is none"), open_camera(63, FrameFormat()):
        pass
    assert capfd.readouterr().err == ""


def test_depth_is_refused() -> None:
    with pytest.raises(VideoError, match="camera 0: RGB, expected depth images"):
        CameraConnection(0, FrameFormat(channels=1))

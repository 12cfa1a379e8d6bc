"""A browser plays labelled videos, with their sound."""

from pathlib import Path

import numpy as np
import pytest
from helpers.chromium import chromium, play
from helpers.sound_makers import write_with_sound
from helpers.support import moving_square

from action_recognition.inference.overlay import write_labelled_video
from action_recognition.inference.segments import Window
from action_recognition.inference.video_labels import VideoLabels


@pytest.mark.skipif(chromium() is None, reason="needs Chromium or Chrome")
@pytest.mark.parametrize("codec", ["aac", "ac3"])
def test_a_browser_plays_it(tmp_path: Path, codec: str) -> None:
    source = write_with_sound(tmp_path / "a.mkv", moving_square(50, height=240, width=320), codec=codec, rate=48_000)
    window = Window(first_frame=0, end_frame=50, start_seconds=0.0, end_seconds=2.0, probabilities=np.array([0.8, 0.2]))
    labels = VideoLabels(
        input="a.mkv",
        frames=50,
        fps=25,
        duration_seconds=2.0,
        windows=(window,),
        probabilities=window.probabilities,
        class_names=("walk", "run"),
    )
    write_labelled_video(labels, source, tmp_path / "a.mp4")
    found = play(tmp_path / "a.mp4", seconds=1.0)
    assert found["error"] == ""
    assert found["seconds"] >= 1.0
    assert found["length"] == pytest.approx(2, abs=0.1)
    assert (found["width"], found["height"]) == (320, 240)
    assert found["frames"] > 5
    assert found["picture_bytes"] > 0
    assert found["sound_bytes"] > 0

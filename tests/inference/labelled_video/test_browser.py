"""A browser plays labelled videos, with their sound."""

from pathlib import Path

import pytest
from helpers.chromium import chromium, play
from helpers.colour_backend import ColourBackend
from helpers.sound_makers import write_with_sound
from helpers.support import moving_square

from action_recognition.inference.labelled_video.overlay import write_labelled_video
from action_recognition.inference.predictor import Predictor

pytestmark = pytest.mark.skipif(chromium() is None, reason="needs Chromium or Chrome")


def labelled(source: Path, path: Path) -> Path:
    write_labelled_video(Predictor(ColourBackend(keeps_clips=False)).predict(source), source, path)
    return path


@pytest.mark.parametrize("codec", ["aac", "ac3"])
def test_a_browser_plays_it(tmp_path: Path, codec: str) -> None:
    source = write_with_sound(tmp_path / "a.mkv", moving_square(50, height=240, width=320), codec=codec, rate=48_000)
    found = play(labelled(source, tmp_path / "a.mp4"), seconds=1.0)
    assert found["error"] == ""
    assert found["seconds"] >= 1.0
    assert found["length"] == pytest.approx(2, abs=0.1)
    assert (found["width"], found["height"]) == (320, 240)
    assert found["frames"] > 5
    assert found["picture_bytes"] > 0
    assert found["sound_bytes"] > 0


def test_a_browser_plays_a_real_video_with_its_sound(shared_dir: Path, tmp_path: Path) -> None:
    source = shared_dir / "videos" / "SOX5yA1l24A.mp4"
    found = play(labelled(source, tmp_path / "a.mp4"), seconds=2.0, picture=tmp_path / "a.png")
    assert found["error"] == ""
    assert found["seconds"] >= 2.0
    assert found["length"] == pytest.approx(11.08, abs=0.1)
    assert found["sound_bytes"] > 10_000, "two seconds of it"
    assert (tmp_path / "a.png").stat().st_size > 10_000

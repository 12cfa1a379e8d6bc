"""The sound of a labelled video is the original's, at the same moments of the picture."""

from pathlib import Path

import av
import numpy as np
import pytest
from helpers.sound_makers import HERTZ, Tracks, heard, read_tracks, write_with_sound
from helpers.support import moving_square

from action_recognition.inference.labelled_video.sound import open_sound
from action_recognition.inference.labelled_video.video_writer import VideoWriter

FRAMES = moving_square(50)
PICTURE_SECONDS = 2.0


def copied(source: Path, *, frames: int = 50) -> Tracks:
    path = source.with_name("copy.mp4")
    with (
        open_sound(source) as sound,
        VideoWriter(path, fps=25, width=64, height=48, sound=sound) as writer,
    ):
        for frame_HWC in FRAMES[:frames]:
            writer.write(frame_HWC)
    return read_tracks(path)


def pitch(tracks: Tracks, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(tracks.samples[0][:rate]))
    return float(spectrum.argmax())


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [("a.mp4", "aac", 44_100), ("a.mkv", "aac", 48_000), ("a.mp4", "libmp3lame", 44_100), ("a.mkv", "flac", 44_100)],
)
def test_what_browsers_play_is_copied(tmp_path: Path, name: str, codec: str, rate: int) -> None:
    source = write_with_sound(tmp_path / name, FRAMES, codec=codec, rate=rate)
    before, after = read_tracks(source), copied(source)
    assert after.codec == before.codec
    length = min(before.samples.shape[1], after.samples.shape[1])
    assert length > 1.9 * rate
    np.testing.assert_array_equal(after.samples[:, :length], before.samples[:, :length])
    np.testing.assert_allclose(after.sound_seconds[:length], before.sound_seconds[:length], atol=0.002)


def test_opus_is_copied(tmp_path: Path) -> None:
    """Players leave out other parts of its first milliseconds, depending on the container."""
    source = write_with_sound(tmp_path / "a.webm", FRAMES, codec="libopus", rate=48_000, pieces=((0.3, 1.9),))
    after = copied(source)
    assert after.codec == "opus"
    assert heard(after) == pytest.approx(heard(read_tracks(source)), abs=0.002)


@pytest.mark.parametrize(
    ("name", "codec", "rate", "channels"),
    [
        ("a.avi", "pcm_s16le", 44_100, 2),
        ("a.mkv", "ac3", 48_000, 6),
        ("a.mkv", "pcm_s16le", 96_000, 1),
        ("a.avi", "pcm_s16le", 11_000, 1),
    ],
)
def test_other_sound_becomes_aac(tmp_path: Path, name: str, codec: str, rate: int, channels: int) -> None:
    source = write_with_sound(tmp_path / name, FRAMES, codec=codec, rate=rate, channels=channels)
    after = copied(source)
    assert after.codec == "aac"
    assert heard(after) == pytest.approx(heard(read_tracks(source)), abs=0.05)
    assert len(after.samples) == min(2, channels)
    found_rate = round(1 / np.diff(after.sound_seconds[:2])[0])
    assert pitch(after, found_rate) == pytest.approx(HERTZ, abs=2)


@pytest.mark.parametrize("codec", ["aac", "ac3"])
def test_offset_and_pauses_stay(tmp_path: Path, codec: str) -> None:
    source = write_with_sound(tmp_path / "a.mkv", FRAMES, codec=codec, rate=48_000, pieces=((0.3, 0.8), (1.4, 1.8)))
    before, after = read_tracks(source), copied(source)
    assert heard(after) == pytest.approx(heard(before), abs=0.03)
    for tracks in (before, after):
        pause = np.abs(tracks.samples[0][(tracks.sound_seconds > 0.9) & (tracks.sound_seconds < 1.3)])
        assert pause.size == 0 or pause.max() < 0.05


def test_times_count_from_the_first_frame(tmp_path: Path) -> None:
    """A recording whose picture begins 0.5 s after its sound."""
    seconds = [0.5 + number / 25 for number in range(50)]
    source = write_with_sound(tmp_path / "a.mkv", FRAMES, seconds=seconds, pieces=((1.0, 2.0),))
    assert read_tracks(source).frame_seconds[0] == pytest.approx(0.5)
    after = copied(source)
    assert after.frame_seconds[0] == 0
    assert heard(after) == pytest.approx((0.5, 1.5), abs=0.04)


@pytest.mark.parametrize("codec", ["aac", "ac3"])
def test_sound_before_and_after_the_picture_is_left_out(tmp_path: Path, codec: str) -> None:
    seconds = [1.0 + number / 25 for number in range(25)]
    source = write_with_sound(
        tmp_path / "a.mkv", FRAMES[:25], seconds=seconds, codec=codec, rate=48_000, pieces=((0, 5),)
    )
    after = copied(source, frames=25)
    assert heard(after) == pytest.approx((0, 1), abs=0.12)
    with av.open(str(tmp_path / "copy.mp4")) as container:
        assert container.duration / av.time_base == pytest.approx(1, abs=0.06)


def test_transport_streams_have_another_kind_of_aac(tmp_path: Path) -> None:
    source = write_with_sound(tmp_path / "a.ts", FRAMES)
    after = copied(source)
    assert after.codec == "aac"
    assert heard(after)[1] == pytest.approx(2, abs=0.1)


def test_damaged_sound_leaves_the_picture_and_the_rest(tmp_path: Path) -> None:
    source = write_with_sound(tmp_path / "a.mkv", FRAMES)
    with av.open(str(source)) as container:
        packets = [(packet.stream.type, bytes(packet)) for packet in container.demux() if packet.size]
    content = source.read_bytes()
    for kind, packet in packets[20:]:
        if kind == "audio" and len(packet) > 20:
            content = content.replace(packet, b"\xff" * len(packet), 1)
    source.write_bytes(content)
    assert len(copied(source).frame_seconds) == 50


@pytest.mark.parametrize("content", [None, b"", b"no video"])
def test_no_file_or_no_sound_is_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    with open_sound(path) as sound:
        assert sound is None
    with open_sound(write_with_sound(tmp_path / "b.mp4", FRAMES, codec=None)) as sound:
        assert sound is None


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    write_with_sound(tmp_path / "b.mp4", FRAMES)
    (tmp_path / "a.mp4").write_text("ffconcat version 1.0\nfile b.mp4\n")
    with open_sound(tmp_path / "a.mp4") as sound:
        assert sound is None

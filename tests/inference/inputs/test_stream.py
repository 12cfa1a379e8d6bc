"""Videos behind URLs: the frames of the same local file, or one line that says what is wrong."""

from pathlib import Path

import numpy as np
import pytest
from helpers.colour_backend import BLUE, GREEN, ColourBackend, coloured
from helpers.live_server import LiveServer
from helpers.mirror_server import Server
from helpers.rtsp_server import RtspServer
from helpers.video_makers import CONTAINERS, video_bytes, write_turned

from action_recognition.errors import VideoError
from action_recognition.inference.inputs import stream
from action_recognition.inference.inputs.base import InputSettings
from action_recognition.inference.inputs.stream import Connection, open_stream
from action_recognition.inference.predictor import Predictor
from action_recognition.video.decoder import VideoFile
from action_recognition.video.frames import FrameFormat
from action_recognition.video.pixel_limit import VARIABLE

SMALL = FrameFormat(short_side=36)
NOISE_THWC = np.kron(
    np.random.default_rng(0).integers(0, 255, (12, 6, 8, 3), dtype=np.uint8), np.ones((1, 8, 8, 1), np.uint8)
)
MP4, TS = video_bytes(CONTAINERS["mp4"], NOISE_THWC), video_bytes(CONTAINERS["ts"], NOISE_THWC)
PLAYLIST = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:0.48,\n{}\n"


def frames_of(address: str, frame_format: FrameFormat = SMALL) -> list[tuple[float | None, np.ndarray]]:
    with open_stream(address, frame_format, stall_seconds=1.0) as opened:
        assert not opened.is_live
        return [(frame.seconds, frame.read()) for frame in opened.timed()]


def line_of(address: str) -> str:
    """What opening and reading says; without passwords, on one line."""
    with pytest.raises(VideoError) as caught:
        frames_of(address)
    line = str(caught.value)
    assert "secret" not in line
    assert "\n" not in line
    return line


def check_same(found: list[tuple[float | None, np.ndarray]], path: Path, frame_format: FrameFormat = SMALL) -> None:
    expected = [(frame.seconds, frame.read()) for frame in VideoFile(path, frame_format).timed()]
    assert [seconds for seconds, _ in found] == pytest.approx([seconds for seconds, _ in expected])
    for (_, frame_HWC), (_, expected_HWC) in zip(found, expected, strict=True):
        assert np.abs(frame_HWC.astype(int) - expected_HWC).max() <= 1


@pytest.mark.parametrize("name", CONTAINERS)
def test_file_has_the_frames_and_times_that_opencv_gives(name: str, server: Server, tmp_path: Path) -> None:
    path = tmp_path / f"video{CONTAINERS[name].suffix}"
    path.write_bytes(video_bytes(CONTAINERS[name], NOISE_THWC))
    check_same(frames_of(server.add("/a video ü", path.read_bytes())), path)


@pytest.mark.parametrize("name", ["RATRACE_wave_f_nm_np1_fr_goo_37.avi", "v_SoccerJuggling_g23_c01.avi"])
def test_real_video_out_of_order(name: str, server: Server, shared_dir: Path) -> None:
    path = shared_dir / "videos" / name
    check_same(frames_of(server.add("/video.avi", path.read_bytes())), path)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_obeyed(degrees: int, server: Server, tmp_path: Path) -> None:
    path = write_turned(tmp_path / "video.mp4", NOISE_THWC, degrees)
    found = frames_of(server.add("/video.mp4", path.read_bytes()))
    assert found[0][1].shape == ((36, 48, 3) if degrees == 180 else (48, 36, 3))
    check_same(found, path)


@pytest.mark.parametrize("name", ["mp4", "mp4, faststart", "mkv", "avi"])
def test_server_without_ranges(name: str, server: Server, tmp_path: Path) -> None:
    """The index of an MP4 lies behind its pictures."""
    path = tmp_path / "video.mp4"
    path.write_bytes(video_bytes(CONTAINERS[name], NOISE_THWC))
    check_same(frames_of(server.add("/video", path.read_bytes(), honours_range=False)), path)


def test_server_without_ranges_of_a_file_with_its_index_far_away(server: Server, shared_dir: Path) -> None:
    content = (shared_dir / "videos" / "SOX5yA1l24A.mp4").read_bytes()
    assert "download it" in line_of(server.add("/video.mp4", content, honours_range=False))


@pytest.mark.parametrize("name", ["mp4, faststart", "mkv", "avi", "ts"])
def test_transfer_that_breaks_off_is_no_short_video(name: str, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(video_bytes(CONTAINERS[name], NOISE_THWC))
    half = path.stat().st_size // 2
    check_same(frames_of(server.add("/once", path.read_bytes(), drops=[half])), path)
    assert "/always: " in line_of(server.add("/always", path.read_bytes(), drops=[half] * 99, honours_range=False))


def test_label_is_that_of_the_same_file(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "video.mkv"
    path.write_bytes(video_bytes(CONTAINERS["mkv"], coloured((40, GREEN), (20, BLUE))))
    predictor = Predictor(ColourBackend(fps=25.0), overlap=0.5)
    local, remote = predictor.predict(path), predictor.predict(server.add("/video.mkv", path.read_bytes()))
    assert remote.input == f"{server.url}/video.mkv"
    assert remote.label == local.label == "green"
    assert remote.duration_seconds == pytest.approx(local.duration_seconds)
    np.testing.assert_allclose(remote.probabilities, local.probabilities, atol=0.01)


def test_playlist_with_an_end(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "video.ts"
    path.write_bytes(TS)
    server.add("/video.ts", TS)
    playlist = PLAYLIST.format("video.ts")
    check_same(frames_of(server.add("/a.m3u8", f"{playlist}#EXT-X-ENDLIST\n".encode())), path)


@pytest.mark.parametrize("kind", ["file:", "file://", "", "concat:", "subfile,,start,0,end,0,,:", "cache:file:"])
def test_playlist_may_not_name_local_files(kind: str, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "video.ts"
    path.write_bytes(TS)
    url = server.add("/a.m3u8", f"{PLAYLIST.format(f'{kind}{path}')}#EXT-X-ENDLIST\n".encode())
    assert "not a video" in line_of(url)
    url = server.add("/b.m3u8", f"{PLAYLIST.format('file:///etc/passwd')}#EXT-X-ENDLIST\n".encode())
    assert "not a video" in line_of(url)


def test_other_playlists_are_no_videos(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "video.ts"
    path.write_bytes(TS)
    line_of(server.add("/a.ffconcat", f"ffconcat version 1.0\nfile {path}\n".encode()))
    line_of(server.add("/a.sdp", b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\nm=video 5004 RTP/AVP 33\n"))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<!doctype html><html><body>video</body></html>" * 40, "web page"),
        (b"", "not a video"),
        (MP4[: len(MP4) // 2], "not a video"),
        (video_bytes(CONTAINERS["mp4"], NOISE_THWC)[:40], "not a video"),
    ],
)
def test_not_a_video(body: bytes, words: str, server: Server) -> None:
    assert words in line_of(server.add("/video.mp4", body))


def test_statuses_are_said(server: Server) -> None:
    host = server.url.removeprefix("http://")
    assert "404 Not Found" in line_of(f"http://me:secret@{host}/nothing.mp4?token=secret")
    server.add("/closed.mp4", MP4, statuses=[403])
    assert "403" in line_of(f"{server.url}/closed.mp4")


def test_unreachable() -> None:
    assert "***@127.0.0.1:9/a.mp4: cannot be opened (Connection refused)" in line_of(
        "http://me:secret@127.0.0.1:9/a.mp4"
    )
    assert "Connection refused" in line_of("rtsp://me:secret@127.0.0.1:9/camera")


def test_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CONNECT_SECONDS", 0.3)
    silent = LiveServer(stall_after=0)
    try:
        assert "nothing came for 0.3 seconds" in line_of(f"{silent.url}/stall")
    finally:
        silent.end()


def test_other_schemes_are_refused(tmp_path: Path) -> None:
    for address in ("file:///etc/passwd", "concat:a|b", "nothing", f"cache:{tmp_path}", ""):
        assert "expected a URL of http, https" in line_of(address)


def test_pixel_limit(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "3000")
    assert "data.max_pixels=3000" in line_of(server.add("/video.mp4", MP4))


def test_depth_is_refused(server: Server) -> None:
    with pytest.raises(VideoError, match="expected a folder of depth images"):
        Connection(server.add("/video.mp4", MP4), FrameFormat(channels=1))


def test_sound_alone_is_refused(server: Server, tmp_path: Path) -> None:
    import av

    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as output:
        sound = output.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        output.mux(sound.encode(frame))
        output.mux(sound.encode())
    assert "no pictures" in line_of(server.add("/sound.mp4", path.read_bytes()))


def test_rtsp_is_live() -> None:
    camera = RtspServer()
    try:
        address = camera.url.replace("://", "://me:secret@")
        with open_stream(address, SMALL, InputSettings(max_seconds=0.5)) as opened:
            assert opened.is_live
            assert opened.origin == camera.url.replace("://", "://***@")
            greys = [int(frame.read().mean()) for frame in opened.timed()]
    finally:
        camera.end()
    assert len(greys) > 2
    assert np.diff(greys) == pytest.approx(5, abs=2)

"""Whole files of every usual container are decoded; cut ones are refused; live ones and trailing junk are no fault."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from helpers.clips import probe
from helpers.support import moving_square
from helpers.video_makers import BELIEVED, CONTAINERS, video_bytes

from action_recognition.errors import VideoError
from action_recognition.video.decoder import VIDEO_SUFFIXES
from action_recognition.video.truncation import MAX_STEPS, NoVideoError, promised_bytes

FRAMES = 30


@pytest.fixture(scope="module", params=sorted(CONTAINERS))
def made(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    return request.param, video_bytes(CONTAINERS[request.param], moving_square(FRAMES))


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / f"video{CONTAINERS[name].suffix}"
    path.write_bytes(content)
    return path


def test_whole_files_are_decoded(made: tuple[str, bytes], tmp_path: Path) -> None:
    name, content = made
    assert probe(write(tmp_path, name, content)).frames == FRAMES


def test_every_suffix_has_a_container() -> None:
    aliases = {".m4v": ".mp4", ".mpeg": ".mpg", ".mts": ".m2ts"}
    assert {aliases.get(suffix, suffix) for suffix in VIDEO_SUFFIXES} <= {kind.suffix for kind in CONTAINERS.values()}


def test_cut_files_are_refused(made: tuple[str, bytes], tmp_path: Path) -> None:
    name, content = made
    cuts = np.random.default_rng(0).integers(len(content) // 3, len(content) - 20, size=20).tolist()
    refused, lost_nothing = [], []
    for cut in cuts:
        try:
            if probe(write(tmp_path, name, content[:cut])).frames == FRAMES:
                lost_nothing.append(cut)
        except VideoError:
            refused.append(cut)
    if name in BELIEVED:
        assert not refused
    else:
        # A cut that falls between two packets leaves a file that looks whole.
        assert len(refused) >= len(cuts) - len(lost_nothing) - 2, sorted(set(cuts) - set(refused))


@pytest.mark.parametrize(
    "junk", [b"\0" * 500, b"recorded with a camera that writes notes here " * 4], ids=["0", "text"]
)
def test_what_follows_the_end_is_no_fault(made: tuple[str, bytes], tmp_path: Path, junk: bytes) -> None:
    name, content = made
    if name == "y4m":
        pytest.skip("its frames go on to the end of the file")
    assert probe(write(tmp_path, name, content + junk)).frames >= FRAMES


def test_a_recording_that_begins_inside_a_packet_is_no_fault(tmp_path: Path) -> None:
    content = video_bytes(CONTAINERS["ts"], moving_square(FRAMES))
    assert probe(write(tmp_path, "ts", content[100:])).frames > 0


@pytest.mark.parametrize(
    "content",
    [
        (8).to_bytes(4, "big") + b"free",
        bytes.fromhex("1a45dfa380") * 2,
        b"FLV\x01\x05\0\0\0\x09\0\0\0\0" + bytes.fromhex("0900000000000000000000" + "00000000"),
        bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + (24).to_bytes(8, "little"),
        b"\0\0\1\xba" * 2,
        b"OggS\0" + bytes(30),
        b"G" * 188,
    ],
    ids=["boxes", "elements", "tags", "objects", "packs", "pages", "packets"],
)
def test_files_of_nothing_but_tiny_parts_cost_a_bounded_number_of_reads(tmp_path: Path, content: bytes) -> None:
    class Counting:
        def __init__(self, path: Path) -> None:
            self.file, self.reads = path.open("rb"), 0
            self.seek, self.fileno = self.file.seek, self.file.fileno

        def read(self, size: int) -> bytes:
            self.reads += 1
            return self.file.read(size)

    path = tmp_path / "parts"
    path.write_bytes(content * (3_000_000 // len(content)))
    counting = Counting(path)
    with suppress(NoVideoError):
        promised_bytes(counting)  # type: ignore[arg-type]
    counting.file.close()
    assert counting.reads <= MAX_STEPS + 10
    with pytest.raises(VideoError):
        probe(path)


def test_tiny_boxes_are_not_even_given_to_ffmpeg(tmp_path: Path) -> None:
    path = tmp_path / "boxes.mp4"
    path.write_bytes(((8).to_bytes(4, "big") + b"free") * 2_000)
    with pytest.raises(VideoError, match=r"boxes\.mp4: not a video \(1000 boxes of 8 bytes each\)"):
        probe(path)


@pytest.mark.parametrize("seed", range(4))
def test_no_bytes_upset_it(made: tuple[str, bytes], tmp_path: Path, seed: int) -> None:
    name, content = made
    generator = np.random.default_rng(seed)
    damaged = np.frombuffer(content[: int(generator.integers(1, 400))], np.uint8).copy()
    damaged[generator.integers(0, len(damaged), size=6)] = generator.integers(0, 256, size=6)
    path = write(tmp_path, name, damaged.tobytes())
    with path.open("rb") as file:
        found = promised_bytes(file)
    assert found is None or found >= 0

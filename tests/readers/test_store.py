import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.clips import read_all
from helpers.support import write_video

from action_recognition.data.batch_memory import BatchBuffers
from action_recognition.datasets.manifest import probed
from action_recognition.datasets.records import ClipRecord
from action_recognition.errors import DataError, VideoError
from action_recognition.readers.store.build import build_store, choose_format, raw_bytes, unused_files
from action_recognition.readers.store.entry import (
    CHECKSUMS,
    DATA_OFFSET,
    HEADER,
    StoreFormat,
    join_square,
    split_square,
)
from action_recognition.readers.store.reader import ClipStore
from action_recognition.video.frames import center_crop

RAW = StoreFormat(codec="raw", short_side=36)
JPEG = StoreFormat(codec="jpeg", short_side=36, quality=95)
SIZES = {"wide": (48, 64), "tall": (65, 49), "square": (50, 50), "odd": (37, 91)}
EACH_FORMAT = pytest.mark.parametrize("entry_format", [RAW, JPEG], ids=["raw", "jpeg"])


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A folder of smooth clips of several shapes."""
    folder = tmp_path_factory.mktemp("clips")
    for name, (height, width) in SIZES.items():
        rows, columns = np.mgrid[0:height, 0:width]
        frames = [np.stack([rows * 3 + n, columns * 2, rows + columns + 5 * n], axis=-1) % 256 for n in range(9)]
        write_video(folder / f"{name}.avi", np.array(frames, dtype=np.uint8))
    return folder


@pytest.fixture(scope="module")
def records(videos):
    blank = {"label": "a", "split": "train", "source_video": "s"}
    return [probed(ClipRecord(path=path.name, **blank), videos) for path in sorted(videos.iterdir())]


@pytest.fixture
def build(videos, records, tmp_path):
    """Builds a store in `tmp_path`, of all clips unless some are given."""
    return lambda entry_format, wanted=records: build_store(wanted, videos, tmp_path, entry_format)


@pytest.fixture
def opened(tmp_path):
    """The clip of a record in a newly opened store."""
    return lambda record, *formats, **wanted: ClipStore(tmp_path, formats).entry(record.md5, **wanted)


@pytest.mark.parametrize("shape", [(5, 9, 3), (9, 5, 3), (6, 6, 3), (5, 6, 3), (4, 7, 3)])
def test_a_frame_is_its_square_and_its_margin(shape):
    frame = np.random.default_rng(0).integers(0, 256, size=shape, dtype=np.uint8)
    square, margin = split_square(frame)
    assert np.array_equal(square, center_crop(frame, min(shape[:2])))
    assert np.array_equal(join_square(square[None], margin[None])[0], frame)


@EACH_FORMAT
@pytest.mark.parametrize("name", SIZES)
def test_frames_are_those_of_the_video(videos, records, build, opened, entry_format, name):
    record = next(record for record in records if record.path == f"{name}.avi")
    build(entry_format, [record])
    entry = opened(record, entry_format)
    frames = entry.read(np.arange(9))
    difference = np.abs(frames.astype(int) - read_all(videos / record.path, short_side=36))
    assert difference.max() == 0 if entry_format is RAW else difference.mean() < 6
    indices = np.array([7, 0, 0, 3])
    assert np.array_equal(entry.read(indices), frames[indices])
    for size in (36, 35, 32, 21):
        out = np.zeros((4, size, size, 3), dtype=np.uint8)
        entry.read_square(indices, out)
        assert np.array_equal(out, center_crop(frames[indices], size)), size


def test_entries_are_reused_and_damaged_ones_built_again(records, build, opened, tmp_path):
    assert opened(records[0], RAW) is None
    first = build(RAW)
    assert (first.built, first.reused, first.failed) == (4, 0, [])
    assert opened(records[0], RAW).frames == 9
    assert opened(records[0], RAW, frames=8) is None
    path = RAW.path(tmp_path, records[0].md5)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert opened(records[0], RAW) is None
    again = build(RAW)
    assert (again.built, again.reused) == (1, 3)
    assert [line.split(": ")[0] for line in again.damaged] == [str(path)]
    assert path.read_bytes() == whole


def test_another_source_size_codec_or_quality_is_another_entry(records, build, opened, tmp_path):
    build(RAW)
    for other in (StoreFormat(codec="raw", short_side=40), JPEG):
        assert [opened(record, other) for record in records] == [None] * 4
    assert JPEG.key("0") != StoreFormat(codec="jpeg", short_side=36, quality=90).key("0")
    assert RAW.key("0") == StoreFormat(codec="raw", short_side=36, quality=90).key("0")
    assert RAW.key("0") != RAW.key("1")
    assert len(unused_files(records[1:], tmp_path, RAW)) == 1
    assert unused_files(records, tmp_path, JPEG) == sorted(RAW.path(tmp_path, r.md5) for r in records)


def test_a_clip_with_other_frames_than_in_the_manifest_is_left_out(records, build, tmp_path):
    lying = [ClipRecord(**{**vars(records[0]), "frames": n, "md5": str(n)}) for n in (8, 10)]
    report = build(RAW, [*lying, records[1]])
    assert report.built == 1
    assert sorted(line.split(": ")[1] for line in report.failed) == [
        "ends after 9 frames, the manifest counts 10",
        "more than the 8 frames that the manifest counts",
    ]
    assert not list(tmp_path.rglob("*partial*"))


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << (place % 8)
    path.write_bytes(content)


def without_checksums(path):
    """Make an entry like those written before there were checksums."""
    content = bytearray(path.read_bytes())
    content[HEADER.size : HEADER.size + CHECKSUMS.size] = bytes(CHECKSUMS.size)
    path.write_bytes(content)


@EACH_FORMAT
def test_a_flipped_bit_anywhere_is_noticed(records, build, opened, tmp_path, capfd, entry_format):
    build(entry_format)
    path = entry_format.path(tmp_path, records[0].md5)
    whole = path.read_bytes()
    places = range(HEADER.size + CHECKSUMS.size), np.linspace(DATA_OFFSET, len(whole) - 1, 20).astype(int)
    for place in [int(place) for part in places for place in part]:
        flip(path, place)
        assert opened(records[0], entry_format) is None, place
        assert re.fullmatch(f".*{path}.*cache-data\n", capfd.readouterr().err)
        report = build(entry_format)
        assert (report.built, report.reused, len(report.damaged)) == (1, 3, 1), place
        assert path.read_bytes() == whole


@EACH_FORMAT
def test_an_entry_under_the_name_of_another_is_noticed(records, build, opened, tmp_path, entry_format):
    build(entry_format)
    one, other = (entry_format.path(tmp_path, record.md5) for record in records[:2])
    whole = one.read_bytes(), other.read_bytes()
    one.write_bytes(whole[1])
    other.write_bytes(whole[0])
    assert [opened(record, entry_format) is None for record in records] == [True, True, False, False]
    assert len(build(entry_format).damaged) == 2
    assert (one.read_bytes(), other.read_bytes()) == whole


def test_a_damaged_entry_is_named_once_and_the_other_format_is_read(records, build, tmp_path, capfd):
    build(RAW)
    build(JPEG)
    for record in records:
        flip(RAW.path(tmp_path, record.md5), 3000)
    store = ClipStore(tmp_path, [RAW, JPEG])
    assert [type(store.entry(record.md5)).__name__ for record in records * 2] == ["JpegEntry"] * 8
    assert len(capfd.readouterr().err.splitlines()) == 4
    assert len(store.damage(records[0].md5)) == 1


def test_many_damaged_entries_are_a_few_lines(tmp_path, capfd):
    store = ClipStore(tmp_path, [RAW])
    for number in range(9):
        path = RAW.path(tmp_path, str(number))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((b"", b"clips", b"x" * 5000)[number % 3])
        assert store.entry(str(number)) is None
    assert len(capfd.readouterr().err.splitlines()) == 6


@EACH_FORMAT
def test_entries_without_checksums_are_read_and_built_again(records, build, opened, tmp_path, entry_format):
    build(entry_format)
    path = entry_format.path(tmp_path, records[0].md5)
    whole = path.read_bytes()
    frames = opened(records[0], entry_format).read(np.arange(9))
    without_checksums(path)
    assert np.array_equal(opened(records[0], entry_format).read(np.arange(9)), frames)
    report = build(entry_format)
    assert (report.built, report.reused, report.unchecked, report.damaged) == (1, 3, 1, [])
    assert path.read_bytes() == whole


@EACH_FORMAT
@pytest.mark.parametrize("place", range(HEADER.size))
def test_a_header_without_checksum_that_contradicts_itself_is_no_entry(
    records, build, opened, tmp_path, entry_format, place
):
    build(entry_format, records[:1])
    path = entry_format.path(tmp_path, records[0].md5)
    without_checksums(path)
    flip(path, place)
    entry = opened(records[0], entry_format, frames=9)
    if entry is not None:  # only the JPEG files have the frames' sizes
        assert entry_format is JPEG
        with pytest.raises(VideoError, match=path.name):
            entry.read(np.array([0]))


def test_a_damaged_jpeg_without_checksum_is_named(records, build, opened, tmp_path):
    build(JPEG)
    path = JPEG.path(tmp_path, records[0].md5)
    without_checksums(path)
    content = bytearray(path.read_bytes())
    offset = int(np.frombuffer(content, dtype="<u8", count=1, offset=DATA_OFFSET)[0])
    content[offset : offset + 20] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(VideoError, match=path.name):
        opened(records[0], JPEG).read(np.array([0]))


def test_a_store_is_pickled_without_its_maps(records, build, tmp_path):
    build(RAW)
    store = ClipStore(tmp_path, [RAW])
    frames = store.entry(records[0].md5).read(np.arange(9))
    pickled = pickle.dumps(store)
    assert len(pickled) < 2000
    assert np.array_equal(pickle.loads(pickled).entry(records[0].md5).read(np.arange(9)), frames)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
def test_maps_keep_no_file_open(records, build, opened):
    build(RAW)
    before = len(list(Path("/proc/self/fd").iterdir()))
    entries = [opened(record, RAW) for record in records]
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert all(entries)


def test_the_codec_follows_from_the_estimate_and_the_room_on_the_disk(records, build, tmp_path, monkeypatch):
    estimate = raw_bytes(records, 36)

    def chosen(codec, max_bytes=1e12):
        return choose_format(records, tmp_path, codec=codec, short_side=36, quality=95, max_bytes=max_bytes)

    assert chosen("auto", estimate)[0].codec == "raw"
    smaller, reason = chosen("auto", estimate - 1)
    assert smaller == JPEG
    assert "max_gigabytes" in reason
    assert chosen("raw", 0)[0].codec == "raw"
    assert chosen("jpeg")[0].codec == "jpeg"
    monkeypatch.setattr("action_recognition.readers.store.build._free_bytes", lambda _root: estimate - 1)
    assert chosen("auto")[0] == JPEG
    with pytest.raises(DataError, match="more needed for raw"):
        chosen("raw")
    assert build(RAW).size_bytes == estimate + 4 * DATA_OFFSET
    assert chosen("raw")[0].codec == "raw", "existing entries need no more room"


def test_memory_is_used_again_only_when_nothing_refers_to_it():
    buffers = BatchBuffers()
    first = buffers.take(2, 3)
    place = first.data_ptr()
    view = first.permute(1, 0)[1:]
    del first
    second = buffers.take(2, 3)
    assert second.data_ptr() != place
    second.fill_(7)
    array = second.numpy()[:1]
    del second, view
    assert buffers.take(2, 3).data_ptr() == place
    assert array.tolist() == [[7, 7, 7]]
    held = [buffers.take(64, 3).fill_(n) for n in range(10)]
    assert [int(t.float().mean()) for t in held] == list(range(10))
    assert pickle.loads(pickle.dumps(buffers)).take(1).shape == (1,)

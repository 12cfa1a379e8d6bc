import pickle
from pathlib import Path

import numpy as np
import pytest
from helpers.clips import read_all
from helpers.support import write_video

from action_recognition.data.batch_memory import BatchBuffers
from action_recognition.datasets.manifest import probed
from action_recognition.datasets.records import ClipRecord
from action_recognition.errors import DataError, VideoError
from action_recognition.readers.store.build import build_store, choose_format, missing, raw_bytes, unused_files
from action_recognition.readers.store.entry import (
    CHECKSUMS,
    DATA_OFFSET,
    HEADER,
    DamagedEntryError,
    StoreFormat,
    join_square,
    read_header,
    split_square,
)
from action_recognition.readers.store.reader import ClipStore
from action_recognition.video.frames import center_crop

RAW = StoreFormat(codec="raw", short_side=36)
JPEG = StoreFormat(codec="jpeg", short_side=36, quality=95)
SIZES = {"wide": (48, 64), "tall": (65, 49), "square": (50, 50), "odd": (37, 91)}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A folder of smooth clips of several shapes, and their records."""
    folder = tmp_path_factory.mktemp("clips")
    for name, (height, width) in SIZES.items():
        rows, columns = np.mgrid[0:height, 0:width]
        frames = [np.stack([rows * 3 + n, columns * 2, rows + columns + 5 * n], axis=-1) % 256 for n in range(9)]
        write_video(folder / f"{name}.avi", np.array(frames, dtype=np.uint8))
    blank = {"label": "a", "split": "train", "source_video": "s"}
    records = [probed(ClipRecord(path=path.name, **blank), folder) for path in sorted(folder.iterdir())]
    return folder, records


def decoded(folder, record, short_side=36):
    return read_all(folder / record.path, short_side=short_side)


@pytest.mark.parametrize("shape", [(5, 9, 3), (9, 5, 3), (6, 6, 3), (5, 6, 3), (4, 7, 3)])
def test_a_frame_is_its_square_and_its_margin(shape):
    frame = np.random.default_rng(0).integers(0, 256, size=shape, dtype=np.uint8)
    square, margin = split_square(frame)
    assert np.array_equal(square, center_crop(frame, min(shape[:2])))
    assert np.array_equal(join_square(square[None], margin[None])[0], frame)


@pytest.mark.parametrize("name", SIZES)
def test_raw_frames_are_bitwise_the_decoded_ones(videos, tmp_path, name):
    folder, records = videos
    record = next(r for r in records if r.path == f"{name}.avi")
    build_store([record], folder, tmp_path, RAW)
    store, frames = ClipStore(tmp_path, [RAW]), decoded(folder, record)
    assert np.array_equal(store.entry(record.md5).read(np.arange(9)), frames)
    indices = np.array([7, 0, 0, 3])
    assert np.array_equal(store.entry(record.md5).read(indices), frames[indices])
    for size in (36, 35, 32, 21):
        out = np.zeros((4, size, size, 3), dtype=np.uint8)
        store.entry(record.md5).read_square(indices, out)
        assert np.array_equal(out, center_crop(frames[indices], size)), size


@pytest.mark.parametrize("name", SIZES)
def test_jpeg_frames_are_close_to_the_decoded_ones(videos, tmp_path, name):
    folder, records = videos
    record = next(r for r in records if r.path == f"{name}.avi")
    build_store([record], folder, tmp_path, JPEG)
    store, frames = ClipStore(tmp_path, [JPEG]), decoded(folder, record).astype(int)
    indices = np.array([7, 0, 0, 3])
    read = store.entry(record.md5).read(indices)
    assert read.shape == frames[indices].shape
    assert np.abs(read - frames[indices]).mean() < 6
    assert np.array_equal(read[1], read[2])
    out = np.zeros((4, 32, 32, 3), dtype=np.uint8)
    store.entry(record.md5).read_square(indices, out)
    assert np.array_equal(out, center_crop(read, 32))


def test_what_is_held_is_reused_and_what_is_damaged_built_again(videos, tmp_path):
    folder, records = videos
    first = build_store(records, folder, tmp_path, RAW)
    assert (first.built, first.reused, first.failed) == (4, 0, [])
    path = RAW.path(tmp_path, records[0].md5)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert ClipStore(tmp_path, [RAW]).entry(records[0].md5) is None
    again = build_store(records, folder, tmp_path, RAW)
    assert (again.built, again.reused) == (1, 3)
    assert [line.split(": ")[0] for line in again.damaged] == [str(path)]
    assert path.read_bytes() == whole


def test_another_source_size_codec_or_quality_is_another_entry(videos, tmp_path):
    folder, records = videos
    build_store(records, folder, tmp_path, RAW)
    for other in (StoreFormat(codec="raw", short_side=40), JPEG):
        assert len(missing(records, tmp_path, other)) == 4
        assert ClipStore(tmp_path, [other]).entry(records[0].md5) is None
    assert JPEG.key("0") != StoreFormat(codec="jpeg", short_side=36, quality=90).key("0")
    assert RAW.key("0") == StoreFormat(codec="raw", short_side=36, quality=90).key("0")
    assert RAW.key("0") != RAW.key("1")
    assert len(unused_files(records[1:], tmp_path, RAW)) == 1
    assert unused_files(records, tmp_path, JPEG) == sorted(RAW.path(tmp_path, r.md5) for r in records)


def test_a_clip_that_is_not_what_the_manifest_says_is_left_out(videos, tmp_path):
    folder, records = videos
    lying = [ClipRecord(**{**vars(records[0]), "frames": n, "md5": str(n)}) for n in (8, 10)]
    report = build_store([*lying, records[1]], folder, tmp_path, RAW)
    assert report.built == 1
    assert sorted(line.split(": ")[1] for line in report.failed) == [
        "ends after 9 frames, the manifest counts 10",
        "more than the 8 frames that the manifest counts",
    ]
    assert not list(tmp_path.rglob("*partial*"))


def test_a_clip_that_is_not_there_or_has_other_frames_is_no_entry(videos, tmp_path):
    folder, records = videos
    store = ClipStore(tmp_path, [RAW])
    assert store.entry(records[0].md5) is None
    build_store(records, folder, tmp_path, RAW)
    assert store.entry(records[0].md5).frames == 9
    assert store.entry(records[0].md5, frames=8) is None


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << (place % 8)
    path.write_bytes(content)


def without_checksums(path):
    """An entry as it was before there were any."""
    content = bytearray(path.read_bytes())
    content[HEADER.size : HEADER.size + CHECKSUMS.size] = bytes(CHECKSUMS.size)
    path.write_bytes(content)


@pytest.mark.parametrize("entry_format", [RAW, JPEG], ids=["raw", "jpeg"])
def test_a_flipped_bit_anywhere_is_noticed(videos, tmp_path, capfd, entry_format):
    folder, records = videos
    build_store(records, folder, tmp_path, entry_format)
    path = entry_format.path(tmp_path, records[0].md5)
    whole = path.read_bytes()
    places = range(HEADER.size + CHECKSUMS.size), np.linspace(DATA_OFFSET, len(whole) - 1, 20).astype(int)
    for place in [int(place) for part in places for place in part]:
        flip(path, place)
        assert ClipStore(tmp_path, [entry_format]).entry(records[0].md5) is None, place
        said = capfd.readouterr().err
        assert len(said.splitlines()) == 1
        assert str(path) in said
        assert "cache-data" in said
        report = build_store(records, folder, tmp_path, entry_format)
        assert (report.built, report.reused, len(report.damaged)) == (1, 3, 1), place
        assert path.read_bytes() == whole


@pytest.mark.parametrize("entry_format", [RAW, JPEG], ids=["raw", "jpeg"])
def test_an_entry_under_the_name_of_another_is_noticed(videos, tmp_path, entry_format):
    folder, records = videos
    build_store(records, folder, tmp_path, entry_format)
    one, other = (entry_format.path(tmp_path, record.md5) for record in records[:2])
    whole = one.read_bytes(), other.read_bytes()
    one.write_bytes(whole[1])
    other.write_bytes(whole[0])
    store = ClipStore(tmp_path, [entry_format])
    assert [store.entry(record.md5) is None for record in records] == [True, True, False, False]
    assert len(build_store(records, folder, tmp_path, entry_format).damaged) == 2
    assert (one.read_bytes(), other.read_bytes()) == whole


def test_a_damaged_entry_is_named_once_and_the_other_format_is_taken(videos, tmp_path, capfd):
    folder, records = videos
    for entry_format in (RAW, JPEG):
        build_store(records, folder, tmp_path, entry_format)
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
        path.write_bytes(b"")
        assert store.entry(str(number)) is None
    assert len(capfd.readouterr().err.splitlines()) == 6


@pytest.mark.parametrize("entry_format", [RAW, JPEG], ids=["raw", "jpeg"])
def test_entries_from_before_checksums_are_read_and_built_again(videos, tmp_path, entry_format):
    folder, records = videos
    build_store(records, folder, tmp_path, entry_format)
    path = entry_format.path(tmp_path, records[0].md5)
    whole = path.read_bytes()
    frames = ClipStore(tmp_path, [entry_format]).entry(records[0].md5).read(np.arange(9))
    without_checksums(path)
    assert np.array_equal(ClipStore(tmp_path, [entry_format]).entry(records[0].md5).read(np.arange(9)), frames)
    report = build_store(records, folder, tmp_path, entry_format)
    assert (report.built, report.reused, report.unchecked, report.damaged) == (1, 3, 1, [])
    assert path.read_bytes() == whole


@pytest.mark.parametrize("place", range(HEADER.size))
def test_a_header_without_checksum_that_contradicts_itself_is_no_entry(videos, tmp_path, place):
    folder, records = videos
    for entry_format in (RAW, JPEG):
        build_store(records[:1], folder, tmp_path, entry_format)
        path = entry_format.path(tmp_path, records[0].md5)
        without_checksums(path)
        flip(path, place)
        store = ClipStore(tmp_path, [entry_format])
        entry = store.entry(records[0].md5, frames=9)
        if entry is not None:  # its frames' sizes are said in the JPEG files only
            assert entry_format is JPEG
            with pytest.raises(VideoError, match=path.name):
                entry.read(np.array([0]))


def test_a_damaged_jpeg_without_checksum_is_named(videos, tmp_path):
    folder, records = videos
    build_store(records, folder, tmp_path, JPEG)
    path = JPEG.path(tmp_path, records[0].md5)
    without_checksums(path)
    content = bytearray(path.read_bytes())
    offset = int(np.frombuffer(content, dtype="<u8", count=1, offset=2048)[0])
    content[offset : offset + 20] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(VideoError, match=path.name):
        ClipStore(tmp_path, [JPEG]).entry(records[0].md5).read(np.array([0]))


def test_a_store_travels_to_another_process_without_its_maps(videos, tmp_path):
    folder, records = videos
    build_store(records, folder, tmp_path, RAW)
    store = ClipStore(tmp_path, [RAW])
    store.entry(records[0].md5)
    pickled = pickle.dumps(store)
    assert len(pickled) < 2000
    frames = pickle.loads(pickled).entry(records[0].md5).read(np.arange(9))
    assert np.array_equal(frames, store.entry(records[0].md5).read(np.arange(9)))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
def test_maps_keep_no_file_open(videos, tmp_path):
    folder, records = videos
    build_store(records, folder, tmp_path, RAW)
    before = len(list(Path("/proc/self/fd").iterdir()))
    store = ClipStore(tmp_path, [RAW])
    entries = [store.entry(record.md5) for record in records]
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert all(entries)


def test_the_codec_follows_from_the_estimate(videos, tmp_path):
    folder, records = videos
    report = build_store(records, folder, tmp_path / "real", RAW)
    estimate = raw_bytes(records, 36)
    assert estimate == report.size_bytes - 4 * 2048

    def chosen(codec, max_bytes):
        settings = {"codec": codec, "short_side": 36, "quality": 95, "max_bytes": max_bytes}
        return choose_format(records, tmp_path / "new", **settings)

    assert chosen("auto", estimate)[0] == StoreFormat(codec="raw", short_side=36, quality=95)
    smaller, reason = chosen("auto", estimate - 1)
    assert smaller == JPEG
    assert "max_gigabytes" in reason
    assert chosen("raw", 0)[0].codec == "raw"
    assert chosen("jpeg", 1e12)[0].codec == "jpeg"


def test_a_disk_without_room_is_noticed_before_anything_is_written(videos, tmp_path, monkeypatch):
    _, records = videos
    need = raw_bytes(records, 36)
    settings = {"short_side": 36, "quality": 95, "max_bytes": 1e12}
    monkeypatch.setattr("action_recognition.readers.store.build._free_bytes", lambda _root: need - 1)
    assert choose_format(records, tmp_path, codec="auto", **settings)[0] == JPEG
    with pytest.raises(DataError, match="more needed for raw"):
        choose_format(records, tmp_path, codec="raw", **settings)
    # What is there already needs no more room.
    build_store(records, videos[0], tmp_path, StoreFormat(codec="raw", short_side=36, quality=95))
    assert choose_format(records, tmp_path, codec="raw", **settings)[0].codec == "raw"


@pytest.mark.parametrize("content", [b"", b"clips", b"x" * 5000])
def test_what_is_no_entry_is_damaged(tmp_path, content):
    path = tmp_path / "a.clip"
    path.write_bytes(content)
    with pytest.raises(DamagedEntryError, match=r"a\.clip"):
        read_header(path)
    assert read_header(tmp_path / "b.clip") is None


def test_memory_is_used_again_only_when_nobody_holds_it():
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

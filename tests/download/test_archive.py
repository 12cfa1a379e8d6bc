"""Unpacking: real RARs, and archives made here to do harm. What they should hold is known without unpacking them."""

import os
import stat
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from helpers.archive_makers import MAKERS, SUFFIXES, make_rar5, make_zip

from action_recognition.download import ArchiveError, HostileArchiveError, UnpackLimits, unpack
from action_recognition.errors import DataError

ODD_NAME = "a # & ( ) ! ; [ ] ~ @ + ' é %41 *?.avi"
TEXT = b"Turn # & ( ) ! ; [ ] ~ @ + '\n" * 40


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".unpacked.json"
    }


every_kind = pytest.mark.parametrize("kind", MAKERS)
one_of_each = pytest.mark.parametrize("kind", ["rar4", "rar5", "zip", "tar.gz"])


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes an archive of a kind as `outer/archive`, a name that says nothing."""

    def write_archive(kind: str, members: list[dict[str, Any]]) -> Path:
        path = tmp_path / "outer/archive"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(MAKERS[kind](members))
        return path

    return write_archive


def assert_refused(archive: Path, reason: str, *, kind: type[Exception] = HostileArchiveError, **options: Any) -> None:
    """One line with the reason and what to do, and not a byte anywhere."""
    root = archive.parents[1]
    before = sorted(root.rglob("*"))
    with pytest.raises(kind, match=reason) as raised:
        unpack(archive, root / "out/videos", **options)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(f"{archive}: ")
    assert "; " in str(raised.value)
    assert sorted(root.rglob("*")) in (before, sorted([*before, root / "out"]))


# --- the real ones ---


@pytest.mark.parametrize("version", ["rar4", "rar5"])
def test_hmdb51_rar_in_rar(shared_dir: Path, tmp_path: Path, version: str) -> None:
    sample = shared_dir / "hmdb51_sample"
    seen: list[tuple[str, int, int | None]] = []
    archive = sample / f"rar/hmdb51_mini_nested_{version}.rar"
    out = unpack(archive, tmp_path / "videos", progress=lambda *report: seen.append(report))
    found = files_in(tmp_path / "videos")
    assert {name.split("/")[0] for name in found} == {"brush_hair", "golf", "wave"}
    assert found == {name: (sample / "videos" / name).read_bytes() for name in found}
    assert len(found) == 9
    assert out.files == {name: len(data) for name, data in found.items()}
    assert not out.already_there
    assert sorted(path.name for path in tmp_path.iterdir()) == ["videos"]
    assert seen[-1][0] == f"unpacking {archive.name}"
    assert seen[-1][1] == seen[-1][2]


@pytest.mark.parametrize("version", ["rar4", "rar5"])
def test_hmdb51_splits(shared_dir: Path, tmp_path: Path, version: str) -> None:
    sample = shared_dir / "hmdb51_sample"
    unpack(sample / f"rar/test_train_splits_{version}.rar", tmp_path / "splits")
    lists = {f"testTrainMulti_7030_splits/{path.name}": path.read_bytes() for path in (sample / "splits").glob("*.txt")}
    assert len(lists) == 153
    assert files_in(tmp_path / "splits") == lists


def test_evil_symlink_rar(shared_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(HostileArchiveError, match=r"'up' .* is a link"):
        unpack(shared_dir / "hmdb51_sample/rar/rar5-evil-symlink-traversal.rar", tmp_path / "out/videos")
    assert files_in(tmp_path) == {}
    assert not list(tmp_path.rglob("*pwned*"))


# --- what should come out ---


@every_kind
def test_every_kind_with_odd_names(write: Callable[..., Path], tmp_path: Path, kind: str) -> None:
    big = os.urandom(1_500_000)
    content = {f"wave/{ODD_NAME}": big, "wave/-so": TEXT, "@list": b"", "a/b/c/deep.txt": TEXT}
    members = [{"name": "wave", "mode": 0o040755}] if kind != "zip" else [{"name": "wave/", "mode": 0o040755}]
    members += [{"name": name, "data": data} for name, data in content.items()]
    out = unpack(write(kind, members), tmp_path / "videos")
    assert files_in(tmp_path / "videos") == content
    assert out.files == {name: len(data) for name, data in content.items()}


@pytest.mark.parametrize("kind", SUFFIXES)
@pytest.mark.parametrize("inner_kind", SUFFIXES)
def test_archives_in_archives(write: Callable[..., Path], tmp_path: Path, kind: str, inner_kind: str) -> None:
    suffix = SUFFIXES[inner_kind]
    inner = MAKERS[inner_kind]
    archive = write(
        kind,
        [
            {"name": f"wave{suffix}", "data": inner([{"name": "wave/a.avi", "data": b"a"}])},
            {"name": f"sub/run{suffix.upper()}", "data": inner([{"name": "b.avi", "data": b"b"}])},
            {"name": f"._wave{suffix}", "data": b"what macOS leaves"},
            {"name": "c.txt", "data": b"c"},
        ],
    )
    unpack(archive, tmp_path / "videos")
    rest = {f"._wave{suffix}": b"what macOS leaves", "c.txt": b"c"}
    assert files_in(tmp_path / "videos") == {"wave/a.avi": b"a", "sub/run/b.avi": b"b"} | rest


def test_a_folder_of_archives(tmp_path: Path) -> None:
    source = tmp_path / "mine"
    (source / ".cache").mkdir(parents=True)
    (source / ".cache/x").write_bytes(b"x")
    (source / "wave.rar").write_bytes(make_rar5([{"name": "wave/a.avi", "data": b"a"}]))
    (source / "b.avi").write_bytes(b"b")
    (source / "linked.avi").symlink_to(source / "b.avi")
    unpack(source, tmp_path / "videos")
    assert files_in(tmp_path / "videos") == {"wave/a.avi": b"a", "b.avi": b"b", "linked.avi": b"b"}
    assert unpack(source, tmp_path / "videos").already_there
    assert (source / "wave.rar").exists()
    with pytest.raises(DataError, match="lies inside"):
        unpack(source, source / "videos")


def test_separators_of_windows(write: Callable[..., Path], tmp_path: Path) -> None:
    unpack(
        write("zip", [{"name": "wave\\a.avi", "data": b"a"}, {"name": "./run//b.avi", "data": b"b"}]), tmp_path / "v"
    )
    assert files_in(tmp_path / "v") == {"wave/a.avi": b"a", "run/b.avi": b"b"}


def test_tar_of_the_current_folder(write: Callable[..., Path], tmp_path: Path) -> None:
    unpack(write("tar", [{"name": "./", "mode": 0o040755}, {"name": "./a.avi", "data": b"a"}]), tmp_path / "v")
    assert files_in(tmp_path / "v") == {"a.avi": b"a"}


# --- going on, and doing nothing ---

NESTED = [
    {"name": f"{label}.rar", "data": make_rar5([{"name": f"{label}/{n}.avi", "data": os.urandom(5000)} for n in "abc"])}
    for label in ("brush_hair", "golf", "wave")
]


def stop_after(total: int) -> Callable[..., None]:
    def progress(what: str, done_bytes: int, total_bytes: int | None) -> None:
        if done_bytes > total:
            raise KeyboardInterrupt

    return progress


def test_an_interrupted_run_keeps_the_classes_it_finished(write: Callable[..., Path], tmp_path: Path) -> None:
    archive, out = write("rar4", NESTED), tmp_path / "videos"
    first = len(NESTED[0]["data"])
    with pytest.raises(KeyboardInterrupt):
        unpack(archive, out, progress=stop_after(first))
    assert not out.exists()
    finished = {path.name: path.stat() for path in (tmp_path / "videos.partial/tree/brush_hair").iterdir()}
    assert set(finished) == {"a.avi", "b.avi", "c.avi"}
    with pytest.raises(KeyboardInterrupt):
        unpack(archive, out, progress=stop_after(2 * first))
    unpack(archive, out)
    for name, before in finished.items():
        after = (out / "brush_hair" / name).stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    unpack(archive, tmp_path / "undisturbed")
    assert files_in(out) == files_in(tmp_path / "undisturbed")
    assert (out / ".unpacked.json").read_bytes() == (tmp_path / "undisturbed/.unpacked.json").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outer", "undisturbed", "videos"]


def test_loose_files_are_not_written_again(write: Callable[..., Path], tmp_path: Path) -> None:
    archive = write("zip", [{"name": f"{n}.avi", "data": os.urandom(9000)} for n in range(3)])
    with pytest.raises(KeyboardInterrupt):
        unpack(archive, tmp_path / "videos", progress=stop_after(9000))
    before = (tmp_path / "videos.partial/tree/0.avi").stat()
    unpack(archive, tmp_path / "videos")
    assert (tmp_path / "videos/0.avi").stat().st_ino == before.st_ino


def test_a_finished_class_that_lost_a_file_is_unpacked_again(write: Callable[..., Path], tmp_path: Path) -> None:
    archive = write("rar5", NESTED)
    with pytest.raises(KeyboardInterrupt):
        unpack(archive, tmp_path / "videos", progress=stop_after(2 * len(NESTED[0]["data"])))
    staged = tmp_path / "videos.partial/tree/brush_hair"
    (staged / "a.avi").unlink()
    (staged / "b.avi").write_bytes(b"cut")
    with (tmp_path / "videos.partial/done.jsonl").open("a") as file:
        file.write('\n{"inner": "golf.rar", "fi')
    unpack(archive, tmp_path / "videos")
    unpack(archive, tmp_path / "undisturbed")
    assert files_in(tmp_path / "videos") == files_in(tmp_path / "undisturbed")


def test_another_archive_starts_anew(write: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        unpack(write("rar5", NESTED), tmp_path / "videos", progress=stop_after(len(NESTED[0]["data"])))
    unpack(write("zip", [{"name": "a.avi", "data": b"a"}]), tmp_path / "videos")
    assert files_in(tmp_path / "videos") == {"a.avi": b"a"}


def snapshot(folder: Path) -> dict[Path, tuple[int, int, int]]:
    stats = {path: path.stat() for path in folder.rglob("*")}
    return {path: (now.st_ino, now.st_size, now.st_mtime_ns) for path, now in stats.items()}


def test_complete_does_nothing(write: Callable[..., Path], tmp_path: Path) -> None:
    archive = write("rar5", NESTED)
    first = unpack(archive, tmp_path / "videos")
    moved = archive.rename(tmp_path / "moved.rar")
    (tmp_path / "videos/wave/a.avi").unlink()
    before = snapshot(tmp_path)
    second = unpack(moved, tmp_path / "videos")
    assert second.already_there
    assert second.files == first.files
    assert snapshot(tmp_path) == before


def test_what_is_there_is_kept(write: Callable[..., Path], tmp_path: Path) -> None:
    archive, out = write("zip", [{"name": "a.avi", "data": b"a"}]), tmp_path / "videos"
    out.mkdir()
    unpack(archive, out)
    with pytest.raises(DataError, match="was unpacked from another archive; move it away"):
        unpack(write("zip", [{"name": "b.avi", "data": b"b"}]), out)
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    (tmp_path / "third.partial").mkdir()
    (tmp_path / "third.partial/mine.txt").write_text("mine")
    with pytest.raises(DataError, match="was not unpacked by this command"):
        unpack(archive, other)
    with pytest.raises(DataError, match="not made by this command"):
        unpack(archive, tmp_path / "third")
    assert files_in(tmp_path / "videos") == {"a.avi": b"a"}
    assert files_in(other) == files_in(tmp_path / "third.partial") == {"mine.txt": b"mine"}


def test_two_processes_at_once(write: Callable[..., Path], tmp_path: Path) -> None:
    with FileLock(tmp_path / "videos.partial.lock"), pytest.raises(DataError, match="another process is at it"):
        unpack(write("zip", []), tmp_path / "videos")


# --- what must be refused ---

GOOD = {"name": "good.avi", "data": b"good"}


@every_kind
@pytest.mark.parametrize(
    "name", ["../evil.txt", "a/../../evil.txt", "/tmp/evil.txt", "C:\\evil.txt", "c:evil.txt", "..\\evil.txt", "a/.."]
)
def test_paths_that_lead_out(write: Callable[..., Path], kind: str, name: str) -> None:
    assert_refused(write(kind, [GOOD, {"name": name, "data": b"evil"}]), "absolute path|leads out of the folder")


@one_of_each
def test_symbolic_links(write: Callable[..., Path], kind: str) -> None:
    link = {"name": "link", "mode": 0o120777, "link": "good.avi"}
    assert_refused(write(kind, [GOOD, link]), "'link' .* is a link")


def test_other_links_and_devices(write: Callable[..., Path]) -> None:
    for redirection in (2, 3, 4, 5):  # Windows link, junction, hard link, reference
        assert_refused(
            write("rar5", [GOOD, {"name": "l", "link": "good.avi", "redirection": redirection}]), "is a link"
        )
    assert_refused(write("tar", [GOOD, {"name": "l", "link": "good.avi", "tar_type": tarfile.LNKTYPE}]), "is a link")
    assert_refused(
        write("tar", [{"name": "s", "tar_type": tarfile.GNUTYPE_SPARSE}]), "a sparse file|damaged", kind=DataError
    )
    for mode in (stat.S_IFIFO, stat.S_IFCHR):
        for kind in ("rar4", "rar5", "zip", "tar"):
            assert_refused(write(kind, [GOOD, {"name": "d", "mode": mode | 0o644}]), "device")


@every_kind
def test_duplicate_names(write: Callable[..., Path], kind: str) -> None:
    with pytest.warns(UserWarning, match="Duplicate name") if kind == "zip" else pytest.MonkeyPatch.context():
        twice = write(kind, [GOOD, {"name": "./good.avi" if "tar" in kind else "good.avi", "data": b"other"}])
    assert_refused(twice, "'(./)?good.avi' .* is in it twice")
    assert_refused(write(kind, [GOOD, {"name": "good.avi/a", "data": b"a"}]), "a file and a folder at once")


def test_the_same_file_from_two_inner_archives(write: Callable[..., Path]) -> None:
    inner = make_zip([{"name": "wave/a.avi", "data": b"a"}])
    archive = write("zip", [{"name": "wave.zip", "data": inner}, {"name": "wave.rar", "data": make_rar5([GOOD])}])
    assert unpack(archive, archive.parents[1] / "fine").files == {"wave/a.avi": 1, "wave/good.avi": 4}
    archive = write("zip", [{"name": "wave.zip", "data": inner}, {"name": "wave/a.avi", "data": b"b"}])
    assert_refused(archive, "there already")
    archive = write("zip", [{"name": "wave", "data": b"a"}, {"name": "wave.zip", "data": inner}])
    assert_refused(archive, "a file and a folder at once")
    assert_refused(write("tar", [{"name": ".unpacked.json", "data": b"{}"}]), "there already")


def test_hostile_inner_archive_takes_everything_with_it(write: Callable[..., Path]) -> None:
    evil = make_rar5([{"name": "../../../evil.txt", "data": b"evil"}])
    assert_refused(write("rar4", [*NESTED, {"name": "z.rar", "data": evil}]), "a member of z.rar is .*leads out")


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz"])
def test_a_bomb_by_its_ratio(write: Callable[..., Path], kind: str) -> None:
    assert_refused(write(kind, [GOOD, {"name": "zeros", "data": bytes(20 << 20)}]), "more than 100 times its size")


def test_a_bomb_inside_an_archive(write: Callable[..., Path]) -> None:
    bomb = make_zip([{"name": "zeros", "data": bytes(20 << 20)}])
    assert_refused(write("rar5", [GOOD, {"name": "bomb.zip", "data": bomb}]), "more than 100 times its size")


@every_kind
def test_limits(write: Callable[..., Path], kind: str) -> None:
    archive = write(kind, [{"name": str(n), "data": os.urandom(1000)} for n in range(10)])
    assert_refused(archive, r"unpacks to more than 9.5 kB.*data\.archive=FOLDER", limits=UnpackLimits(total_bytes=9500))
    assert_refused(archive, r"more than 9 members.*data\.archive=FOLDER", limits=UnpackLimits(members=9))
    unpack(archive, archive.parents[1] / "videos", limits=UnpackLimits(total_bytes=10_000, members=10))


def test_limits_count_over_all_inner_archives_and_interruptions(write: Callable[..., Path], tmp_path: Path) -> None:
    archive = write("zip", NESTED)
    files = 3 * 3 * 5000
    limit = files + sum(len(member["data"]) for member in NESTED)
    with pytest.raises(KeyboardInterrupt):
        unpack(archive, tmp_path / "v", limits=UnpackLimits(total_bytes=limit), progress=stop_after(20_000))
    with pytest.raises(HostileArchiveError, match="unpacks to more"):
        unpack(archive, tmp_path / "v", limits=UnpackLimits(total_bytes=limit - 1))
    assert_refused(archive, "more than 11 members", limits=UnpackLimits(members=11))
    unpack(archive, tmp_path / "v", limits=UnpackLimits(total_bytes=limit, members=12))


def test_depth(write: Callable[..., Path]) -> None:
    data = b"x"
    for level in range(4):
        data = make_zip([{"name": "a.zip" if level else "a.txt", "data": data}])
    archive = write("zip", [{"name": "a.zip", "data": data}])
    assert_refused(archive, "archives more than 2 deep")
    assert unpack(archive, archive.parents[1] / "v", limits=UnpackLimits(depth=4)).files == {"a/a/a/a/a.txt": 1}


# --- what lies or is broken ---


@pytest.mark.parametrize("kind", ["rar4", "rar5"])
@pytest.mark.parametrize("lie", [{"size": 3}, {"size": 400}, {"crc": 1}])
def test_rar_headers_that_lie(write: Callable[..., Path], kind: str, lie: dict[str, int]) -> None:
    assert_refused(write(kind, [GOOD, {"name": "a", "data": b"12345"} | lie]), "is damaged", kind=ArchiveError)
    assert_refused(write(kind, [GOOD | lie, {"name": "a", "data": b"12345"}]), "is damaged", kind=ArchiveError)


def test_rar_with_claims_beyond_all_bounds(write: Callable[..., Path]) -> None:
    assert_refused(write("rar5", [GOOD, {"name": "a", "data": b"12345", "size": 1 << 60}]), "unpacks to more")
    assert_refused(write("rar5", [GOOD, {"name": "a", "data": b"1", "flags": 8}]), "no size for 'a'", kind=ArchiveError)
    # A dictionary of 4 GB, compressed: only memory is at stake.
    huge = {"name": "a", "data": os.urandom(50), "size": 100, "method": 3 << 7 | 15 << 10}
    assert_refused(write("rar5", [huge]), "is damaged", kind=ArchiveError)


def test_rar_with_password_or_of_several_volumes(write: Callable[..., Path]) -> None:
    for flag, reason in ((0x4, "needs a password"), (0x1, "one volume of several"), (0x2, "one volume of several")):
        assert_refused(write("rar4", [GOOD | {"flags": flag}]), reason, kind=ArchiveError)


def test_zip_that_claims_less_than_it_holds(write: Callable[..., Path]) -> None:
    archive = write("zip", [{"name": "zeros", "data": bytes(3 << 20)}])
    true_size, claimed = struct.pack("<I", 3 << 20), struct.pack("<I", 100)
    data = archive.read_bytes()
    assert data.count(true_size) == 2
    archive.write_bytes(data.replace(true_size, claimed))
    assert_refused(archive, "is damaged .*CRC", kind=ArchiveError)


def test_zip_with_a_password_flag(write: Callable[..., Path]) -> None:
    archive = write("zip", [GOOD])
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    assert_refused(archive, "needs a password", kind=ArchiveError)


def test_tar_with_a_header_that_would_fill_the_memory(write: Callable[..., Path]) -> None:
    archive = write("tar", [{"name": "pax", "tar_type": tarfile.XHDTYPE}])
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 8 << 30
    archive.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + archive.read_bytes())
    assert_refused(archive, "damaged .a header of", kind=ArchiveError)


@every_kind
@pytest.mark.parametrize("keep", [0.5, 0.97])
def test_truncated(write: Callable[..., Path], kind: str, keep: float) -> None:
    archive = write(kind, [{"name": f"{n}.avi", "data": os.urandom(40_000)} for n in range(4)])
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * keep) if keep < 0.9 or "tar" not in kind else len(data) - 11_000])
    assert_refused(archive, "is damaged", kind=ArchiveError)


@one_of_each
def test_a_flipped_byte(write: Callable[..., Path], kind: str) -> None:
    archive = write(kind, [{"name": "a.avi", "data": os.urandom(40_000)}])
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)
    assert_refused(archive, "is damaged", kind=ArchiveError)


def test_tar_with_a_broken_header_in_the_middle(write: Callable[..., Path]) -> None:
    archive = write("tar", [GOOD, {"name": "b.avi", "data": b"b"}])
    data = bytearray(archive.read_bytes())
    data[1024] ^= 1  # the second member's name, so that its checksum is wrong
    archive.write_bytes(data)
    assert_refused(archive, "is damaged", kind=ArchiveError)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty, expected RAR, ZIP"),
        (b"\n<!DOCTYPE html><title>404</title>", "is a web page, expected RAR"),
        (b"\x28\xb5\x2f\xfd" + bytes(99), "of an unknown kind, expected RAR.*data.archive=FOLDER"),
        (b"Rar!\x1a\x07\x01\x00" + bytes(99), "is damaged"),
        (b"PK\x03\x04" + bytes(99), "is damaged"),
        (b"\x1f\x8b\x08" + bytes(99), "is damaged"),
    ],
)
def test_no_archive(tmp_path: Path, data: bytes, reason: str) -> None:
    archive = tmp_path / "outer/archive"
    archive.parent.mkdir()
    archive.write_bytes(data)
    assert_refused(archive, reason, kind=ArchiveError)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such file or folder.*data.archive=PATH"):
        unpack(tmp_path / "no.rar", tmp_path / "videos")


def test_a_path_that_cannot_be_written_keeps_what_is_done(write: Callable[..., Path], tmp_path: Path) -> None:
    too_long = {"name": "x" * 300, "data": b"x"}
    archive = write("tar", [GOOD, too_long])
    with pytest.raises(DataError, match="put it right and run again") as raised:
        unpack(archive, tmp_path / "videos")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "videos").exists()

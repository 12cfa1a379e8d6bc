"""Unpacking of real RARs, and of harmful archives that are made here."""

import os
import stat
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.archive_makers import MAKERS, SUFFIXES, make_7z, make_rar5, make_zip
from helpers.support import files_in

from action_recognition.download.archives import UnpackLimits, unpack
from action_recognition.download.seven_zip import ArchiveError, HostileArchiveError
from action_recognition.errors import DataError

ODD_NAME = "a # & ( ) ! ; [ ] ~ @ + ' é %41 *?.avi"
TEXT = b"Turn # & ( ) ! ; [ ] ~ @ + '\n" * 40
GOOD = {"name": "good.avi", "data": b"good"}
TAR_BYTES = 20 * 1024  # at least what ten members of 1000 bytes take as TAR

every_kind = pytest.mark.parametrize("kind", MAKERS)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes an archive of a kind as `outer/archive`, a name without suffix."""

    def write_archive(kind: str, members: list[dict[str, Any]]) -> Path:
        path = tmp_path / "outer/archive"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(MAKERS[kind](members))
        return path

    return write_archive


def assert_refused(archive: Path, reason: str, *, kind: type[Exception] = HostileArchiveError, **options: Any) -> None:
    """The error is one line with the reason and advice, and nothing was written."""
    root = archive.parents[1]
    before = sorted(root.rglob("*"))
    with pytest.raises(kind, match=reason) as raised:
        unpack(archive, root / "out/videos", **options)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(f"{archive}: ")
    assert "; " in str(raised.value)
    assert sorted(root.rglob("*")) in (before, sorted([*before, root / "out"]))


# --- results ---


@pytest.mark.parametrize("version", ["rar4", "rar5"])
def test_hmdb51_rar_in_rar(shared_dir: Path, tmp_path: Path, version: str) -> None:
    sample = shared_dir / "hmdb51_sample"
    seen: list[tuple[int, int | None, str]] = []
    archive = sample / f"rar/hmdb51_mini_nested_{version}.rar"
    unpack(archive, tmp_path / "videos", progress=lambda *report: seen.append(report))
    found = files_in(tmp_path / "videos")
    assert {name.split("/")[0] for name in found} == {"brush_hair", "golf", "wave"}
    assert found == {name: (sample / "videos" / name).read_bytes() for name in found}
    assert len(found) == 9
    assert sorted(path.name for path in tmp_path.iterdir()) == ["videos"]
    assert seen[-1][2] == f"unpacking {archive.name}"
    assert seen[-1][0] == seen[-1][1]


@every_kind
def test_every_kind_with_odd_names(write: Callable[..., Path], tmp_path: Path, kind: str) -> None:
    content = {f"wave/{ODD_NAME}": os.urandom(1_500_000), "wave/-so": TEXT, "@list": b"", "a/b/c/deep.txt": TEXT}
    folder = {"name": "wave" if kind != "zip" else "wave/", "mode": 0o040755}
    unpack(write(kind, [folder, *({"name": name, "data": content[name]} for name in content)]), tmp_path / "videos")
    assert files_in(tmp_path / "videos") == content


@pytest.mark.parametrize(("kind", "inner_kind"), zip(SUFFIXES, [*list(SUFFIXES)[2:], *list(SUFFIXES)[:2]], strict=True))
def test_archives_in_archives(write: Callable[..., Path], tmp_path: Path, kind: str, inner_kind: str) -> None:
    suffix, inner = SUFFIXES[inner_kind], MAKERS[inner_kind]
    rest = {f"._wave{suffix}": b"what macOS leaves", "c.txt": b"c"}
    own_folder = {"name": f"wave{suffix}", "data": inner([{"name": "wave/a.avi", "data": b"a"}])}
    no_folder = {"name": f"sub/run{suffix.upper()}", "data": inner([{"name": "b.avi", "data": b"b"}])}
    members = [own_folder, no_folder, *({"name": name, "data": data} for name, data in rest.items())]
    unpack(write(kind, members), tmp_path / "videos")
    assert files_in(tmp_path / "videos") == {"wave/a.avi": b"a", "sub/run/b.avi": b"b"} | rest


def test_a_folder_of_archives(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / ".cache").mkdir(parents=True)
    (mine / ".cache/x").write_bytes(b"x")
    (mine / "wave.rar").write_bytes(make_rar5([{"name": "wave/a.avi", "data": b"a"}]))
    (mine / "b.avi").write_bytes(b"b")
    (mine / "linked.avi").symlink_to(mine / "b.avi")
    unpack(mine, tmp_path / "videos")
    assert files_in(tmp_path / "videos") == {"wave/a.avi": b"a", "b.avi": b"b", "linked.avi": b"b"}
    assert (mine / "wave.rar").exists()
    with pytest.raises(DataError, match="lies inside"):
        unpack(mine, mine / "videos")


@pytest.mark.parametrize("kind", ["zip", "rar5", "tar"])
def test_separators_and_the_current_folder(write: Callable[..., Path], tmp_path: Path, kind: str) -> None:
    members = [{"name": "./", "mode": 0o040755}, {"name": "wave\\a.avi", "data": b"a"}, {"name": "./run//b.avi"}]
    unpack(write(kind, members), tmp_path / "v")
    assert files_in(tmp_path / "v") == {"wave/a.avi": b"a", "run/b.avi": b""}


# --- interrupted and repeated runs ---


def test_a_stopped_run_leaves_nothing_and_a_killed_one_is_put_in_order(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    def stop(done: int, total: int | None, note: str = "") -> None:
        raise KeyboardInterrupt

    archive = write("zip", [GOOD])
    with pytest.raises(KeyboardInterrupt):
        unpack(archive, tmp_path / "videos", progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["outer"]
    (tmp_path / "videos.partial/tree/wave").mkdir(parents=True)
    (tmp_path / "videos.partial/tree/wave/half.avi").write_bytes(b"half")
    unpack(archive, tmp_path / "videos")
    assert files_in(tmp_path / "videos") == {"good.avi": b"good"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outer", "videos"]


def test_what_is_unpacked_already_is_left_alone(write: Callable[..., Path], tmp_path: Path) -> None:
    archive = write("rar5", [GOOD, {"name": "other.avi", "data": b"other"}])
    unpack(archive, tmp_path / "videos")
    (tmp_path / "videos/other.avi").unlink()
    unpack(archive.rename(tmp_path / "moved.rar"), tmp_path / "videos")
    assert files_in(tmp_path / "videos") == {"good.avi": b"good"}
    unpack(write("zip", [{"name": "b.avi", "data": b"b"}]), tmp_path / "videos")
    assert files_in(tmp_path / "videos") == {"b.avi": b"b"}


def test_what_the_user_put_there_is_kept(write: Callable[..., Path], tmp_path: Path) -> None:
    archive = write("zip", [GOOD])
    for folder, reason in (("other", "not unpacked by this command"), ("third.partial", "not made by this command")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.txt").write_text("mine")
        with pytest.raises(DataError, match=f"{reason}.*; move it away"):
            unpack(archive, tmp_path / folder.partition(".")[0])
        assert files_in(tmp_path / folder) == {"mine.txt": b"mine"}


# --- refusals ---


@every_kind
@pytest.mark.parametrize(
    "name", ["../evil.txt", "a/../../evil.txt", "/tmp/evil.txt", "C:\\evil.txt", "c:evil.txt", "..\\evil.txt", "a/.."]
)
def test_paths_that_lead_out(write: Callable[..., Path], kind: str, name: str) -> None:
    evil = {"name": name, "data": b"evil"}
    assert_refused(write(kind, [GOOD, evil]), "absolute path|leads out of the folder")
    inner = {"name": "z.rar", "data": make_rar5([GOOD, evil])}
    assert_refused(write(kind, [GOOD, inner]), "a member of z.rar is .*(absolute path|leads out)")


@pytest.mark.parametrize(
    ("kinds", "member", "reason"),
    [
        (["rar4", "rar5", "zip", "tar"], {"name": "x" * 300, "data": b"x"}, "a file name of more than 255 bytes"),
        (["rar4", "rar5", "zip", "tar"], {"name": "a\tb", "data": b"x"}, "control characters in a file name"),
        (["rar4", "rar5", "zip", "tar.gz"], {"name": "l", "mode": 0o120777, "link": "good.avi"}, "'l' .* is a link"),
        (["rar4", "rar5", "zip", "tar"], {"name": "d", "mode": stat.S_IFIFO | 0o644}, "a device"),
        (["rar4", "rar5", "zip", "tar"], {"name": "d", "mode": stat.S_IFCHR | 0o644}, "a device"),
        (["rar5"], {"name": "l", "link": "good.avi", "redirection": 2}, "'l' .* is a link"),  # of Windows
        (["rar5"], {"name": "l", "link": "good.avi", "redirection": 3}, "'l' .* is a link"),  # a junction
        (["rar5"], {"name": "l", "link": "good.avi", "redirection": 4}, "'l' .* is a link"),  # a hard link
        (["rar5"], {"name": "l", "link": "good.avi", "redirection": 5}, "'l' .* is a link"),  # a reference
        (["tar"], {"name": "l", "link": "good.avi", "tar_type": tarfile.LNKTYPE}, "'l' .* is a link"),
        (["tar"], {"name": "s", "tar_type": tarfile.GNUTYPE_SPARSE}, "a sparse file"),
        (["tar"], {"name": ".unpacked.json", "data": b"{}"}, "is in it twice"),  # the receipt has this name
        (["rar5"], {"name": "a", "data": b"1", "size": 1 << 60}, "unpacks to more than"),
    ],
)
def test_members_that_are_refused(
    write: Callable[..., Path], kinds: list[str], member: dict[str, Any], reason: str
) -> None:
    for kind in kinds:
        assert_refused(write(kind, [GOOD, member]), reason)


OTHER = {"name": "other.avi", "data": b"12345"}


@pytest.mark.parametrize(
    ("kinds", "members", "reason"),
    [
        (["rar4"], [GOOD | {"flags": 4}], "archive needs a password; unpack it with .*data.archive=FOLDER"),
        (["rar4"], [GOOD | {"flags": 1}], "one volume of several; .*data.archive=FOLDER"),
        (["rar4"], [GOOD | {"flags": 2}], "one volume of several; .*data.archive=FOLDER"),
        (["rar5"], [OTHER, GOOD | {"flags": 8}], "no size for 'good.avi'"),
        # A dictionary of 4 GB, compressed: only memory is at stake.
        (["rar5"], [{"name": "a", "data": bytes(50), "size": 100, "method": 3 << 7 | 15 << 10}], "is damaged"),
        (["rar4", "rar5"], [GOOD | {"size": 3}, OTHER], "is damaged"),
        (["rar4", "rar5"], [GOOD | {"size": 9}, OTHER], "is damaged"),
        (["rar4", "rar5"], [GOOD | {"crc": 1}, OTHER], "is damaged"),
        (["rar4", "rar5"], [OTHER, GOOD | {"size": 3}], "is damaged"),
        (["rar4", "rar5"], [OTHER, GOOD | {"size": 9}], "is damaged"),
    ],
)
def test_headers_that_lie_or_ask_too_much(
    write: Callable[..., Path], kinds: list[str], members: list[dict[str, Any]], reason: str
) -> None:
    for kind in kinds:
        assert_refused(write(kind, members), reason, kind=ArchiveError)


@every_kind
def test_duplicate_names(write: Callable[..., Path], kind: str) -> None:
    with pytest.warns(UserWarning, match="Duplicate name") if kind == "zip" else pytest.MonkeyPatch.context():
        twice = write(kind, [GOOD, {"name": "./good.avi" if "tar" in kind else "good.avi", "data": b"other"}])
    assert_refused(twice, "'(./)?good.avi' .* is in it twice")
    assert_refused(write(kind, [GOOD, {"name": "good.avi/a", "data": b"a"}]), "a file and a folder at once")


def test_the_same_file_from_two_inner_archives(write: Callable[..., Path]) -> None:
    inner = {"name": "wave.zip", "data": make_zip([{"name": "wave/a.avi", "data": b"a"}])}
    archive = write("zip", [inner, {"name": "wave.rar", "data": make_rar5([GOOD])}])
    assert files_in(unpack(archive, archive.parents[1] / "fine")) == {"wave/a.avi": b"a", "wave/good.avi": b"good"}
    assert_refused(write("zip", [inner, {"name": "wave/a.avi", "data": b"b"}]), "'wave/a.avi' .* is in it twice")
    assert_refused(write("zip", [{"name": "wave", "data": b"a"}, inner]), "a file and a folder at once")


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_bomb_by_its_ratio(write: Callable[..., Path], kind: str) -> None:
    bomb = [GOOD, {"name": "zeros", "data": bytes(20 << 20)}]
    assert_refused(write(kind, bomb), "more than 100 times its size")
    inner = {"name": f"bomb{SUFFIXES.get(kind, '.' + kind)}", "data": MAKERS[kind](bomb)}
    assert_refused(write("rar5", [GOOD, inner]), "more than 100 times its size")


@every_kind
def test_limits(write: Callable[..., Path], kind: str) -> None:
    archive = write(kind, [{"name": str(n), "data": os.urandom(1000)} for n in range(10)])
    advice = r".*; if you trust it, .* download-data data\.archive=FOLDER"
    assert_refused(archive, f"unpacks to more than 9.5 kB{advice}", limits=UnpackLimits(total_bytes=9500))
    assert_refused(archive, f"more than 9 members{advice}", limits=UnpackLimits(members=9))
    # A compressed TAR is written as TAR first.
    total_bytes = 10_000 + (TAR_BYTES if "." in kind else 0)
    unpack(archive, archive.parents[1] / "videos", limits=UnpackLimits(total_bytes=total_bytes, members=10))


def test_limits_count_over_all_inner_archives(write: Callable[..., Path], tmp_path: Path) -> None:
    files = [[{"name": f"{label}/{n}.avi", "data": os.urandom(5000)} for n in range(3)] for label in ("golf", "wave")]
    inner = [{"name": f"{part[0]['name'][:4]}.rar", "data": make_rar5(part)} for part in files]
    archive, limit = write("zip", inner), 2 * 3 * 5000 + sum(len(member["data"]) for member in inner)
    assert_refused(archive, "unpacks to more", limits=UnpackLimits(total_bytes=limit - 1))
    assert_refused(archive, "more than 7 members", limits=UnpackLimits(members=7))
    unpack(archive, tmp_path / "v", limits=UnpackLimits(total_bytes=limit, members=8))


def test_depth(write: Callable[..., Path]) -> None:
    data = b"x"
    for level in range(4):
        data = make_zip([{"name": "a.zip" if level else "a.txt", "data": data}])
    archive = write("zip", [{"name": "a.zip", "data": data}])
    assert_refused(archive, "archives more than 2 deep")
    there = unpack(archive, archive.parents[1] / "v", limits=UnpackLimits(depth=4))
    assert files_in(there) == {"a/a/a/a/a.txt": b"x"}


def test_a_disk_without_room(write: Callable[..., Path]) -> None:
    claim = [GOOD, {"name": "a", "data": b"12345", "size": 1 << 60}]
    limits = UnpackLimits(total_bytes=1 << 62, ratio=1e18)
    with pytest.raises(DataError, match=r"are needed and .* are free; make room"):
        unpack(write("rar5", claim), write("rar5", claim).parents[1] / "out/videos", limits=limits)


# --- damaged archives ---


def test_zip_that_claims_less_than_it_holds(write: Callable[..., Path]) -> None:
    archive = write("zip", [{"name": "zeros", "data": bytes(3 << 20)}])
    data = archive.read_bytes()
    archive.write_bytes(data.replace(struct.pack("<I", 3 << 20), struct.pack("<I", 100)))
    assert_refused(archive, "is damaged .*Data Error", kind=ArchiveError)


@pytest.mark.parametrize("switches", [["-tzip"], ["-t7z"], ["-t7z", "-mhe=on"]])
def test_passwords(tmp_path: Path, switches: list[str]) -> None:
    archive = tmp_path / "outer/archive"
    make_7z(archive, {"wave/a.avi": b"a"}, "-psecret", *switches)
    assert_refused(archive, "archive needs a password; unpack it with a program", kind=ArchiveError)


def test_7z(tmp_path: Path) -> None:
    content = {f"wave/{ODD_NAME}": os.urandom(300_000), "wave/z.avi": b"", "a.avi": TEXT, "golf/b.avi": TEXT}
    archive = tmp_path / "outer/archive"
    make_7z(archive, content, "-t7z")
    assert files_in(unpack(archive, tmp_path / "videos")) == content


def test_tar_with_a_header_that_would_fill_the_memory(write: Callable[..., Path]) -> None:
    archive = write("tar", [{"name": "pax", "tar_type": tarfile.XHDTYPE}])
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
        info = tarfile.TarInfo("pax")
        info.type, info.size = kind, 8 << 30
        archive.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + archive.read_bytes())
        assert_refused(archive, "damaged|unpacks to more", kind=ArchiveError)


@every_kind
@pytest.mark.parametrize("keep", [0.5, 0.97])
def test_truncated(write: Callable[..., Path], kind: str, keep: float) -> None:
    archive = write(kind, [{"name": f"{n}.avi", "data": os.urandom(40_000)} for n in range(4)])
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * keep) if keep < 0.9 or "tar" not in kind else len(data) - 11_000])
    assert_refused(archive, "is damaged", kind=ArchiveError)


@pytest.mark.parametrize("kind", ["rar4", "rar5", "zip", "tar", "tar.gz"])
def test_a_flipped_byte(write: Callable[..., Path], kind: str) -> None:
    archive = write(kind, [GOOD, {"name": "a.avi", "data": os.urandom(40_000)}])
    data = bytearray(archive.read_bytes())
    data[1024 if kind == "tar" else len(data) // 2] ^= 1  # a plain TAR has checksums over its headers alone
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

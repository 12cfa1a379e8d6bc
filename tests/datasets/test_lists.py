"""Split files, manifests and tables of labels as editors, spreadsheets and broken disks leave them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from action_recognition.datasets.hmdb51 import HMDB51
from action_recognition.datasets.records import ClipRecord, Manifest, parse_records, read_records
from action_recognition.datasets.stills import read_labels
from action_recognition.datasets.ucf101 import UCF101
from action_recognition.errors import DataError

BOM = b"\xef\xbb\xbf"
LIST = b"a_run.avi 1 \nb_run.avi 2 \nc_run.avi 0 \n"
SPLIT = {("run", "a_run.avi"): "train", ("run", "b_run.avi"): "test", ("run", "c_run.avi"): "unused"}
SAME = {
    "as it is": LIST,
    "byte-order mark": BOM + LIST,
    "CRLF": LIST.replace(b"\n", b"\r\n"),
    "CR": LIST.replace(b"\n", b"\r"),
    "blank lines and blanks": b"\n  " + LIST.replace(b"\n", b"   \n \n"),
    "tab": LIST.replace(b".avi ", b".avi\t"),
    "a line twice": LIST + b"a_run.avi 1\n",
    "no last line end": LIST.rstrip(),
}
REFUSED = {
    "empty": (b"", "empty"),
    "blank": (b" \n\n", "empty"),
    "only a byte-order mark": (BOM, "empty"),
    "UTF-16": (LIST.decode().encode("utf-16"), "not UTF-8"),
    "UTF-16 without mark": (LIST.decode().encode("utf-16-le"), "control character 0x0"),
    "Latin-1": ("á_run.avi 1\n".encode("latin-1"), "not UTF-8"),
    "zeros": (bytes(100), "control character 0x0"),
    "train and test at once": (LIST + b"a_run.avi 2\n", ":4: a_run.avi is test here and train before"),
    "used and unused": (LIST + b"a_run.avi 0\n", "a_run.avi is unused here and train before"),
    "label 3": (LIST.replace(b" 1 ", b" 3 "), ":1: 'a_run.avi 3'"),
    "no label": (b"a_run.avi\n", ":1: 'a_run.avi'"),
    "wide digit": ("a_run.avi \uff11\n".encode(), ":1:"),
    "a folder in the name": (b"run/a_run.avi 1\n", ":1: 'run/a_run.avi 1'"),
    "one long line": (b"x" * 1_000_000, ":1: 'xxx"),
}


@pytest.mark.parametrize("how", SAME)
def test_a_split_file_written_in_another_way_says_the_same(tmp_path: Path, how: str) -> None:
    (tmp_path / "run_test_split1.txt").write_bytes(SAME[how])
    assert HMDB51().read_split(tmp_path, split=1) == SPLIT


@pytest.mark.parametrize("how", REFUSED)
def test_a_split_file_that_says_nothing_clear_is_one_line(tmp_path: Path, how: str) -> None:
    content, words = REFUSED[how]
    path = tmp_path / "run_test_split1.txt"
    path.write_bytes(content)
    with pytest.raises(DataError) as raised:
        HMDB51().read_split(tmp_path, split=1)
    assert str(raised.value).startswith(str(path))
    assert words in str(raised.value)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 600


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_not_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "run_test_split1.txt"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(DataError, match="not a file"):
        HMDB51().read_split(tmp_path, split=1)
    with pytest.raises(DataError, match="not a file"):
        read_labels(path)


@pytest.mark.parametrize("name", ["trainlist01.txt", "testlist01.txt", "classInd.txt"])
def test_lists_of_ucf101_are_read_alike(tmp_path: Path, name: str) -> None:
    (tmp_path / "classInd.txt").write_bytes(b"1 Run\n2 Walk\n")
    (tmp_path / "trainlist01.txt").write_bytes(b"Run/v_Run_g01_c01.avi 1\nWalk/v_Walk_g01_c01.avi 2\n")
    (tmp_path / "testlist01.txt").write_bytes(b"Run/v_Run_g02_c01.avi\n")
    whole = UCF101().read_split(tmp_path, split=1)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(BOM + content.replace(b"\n", b"\r\n"))
    assert UCF101().read_split(tmp_path, split=1) == whole
    (tmp_path / name).write_bytes(content + b"\0\n")
    with pytest.raises(DataError, match=rf"{name}:\d: not text \(control character"):
        UCF101().read_split(tmp_path, split=1)


def record(**changes: object) -> ClipRecord:
    values = {"path": "run/a.avi", "label": "run", "split": "train", "source_video": "a", "frames": 9, "fps": 30.0}
    return ClipRecord(**values | {"width": 64, "height": 48, "size_bytes": 7, "md5": "0" * 32} | changes)  # type: ignore[arg-type]


def changed(column: str, value: str) -> bytes:
    header, row = Manifest(Path(), (record(),)).to_csv().decode().splitlines()
    cells = row.split(",")
    cells[header.split(",").index(column)] = value
    return "\n".join([header, ",".join(cells), ""]).encode()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("frames", value) for value in ("", "x", "-1", "1.5", "nan", "9" * 5000, "9" * 30)),
        *(("fps", value) for value in ("", "x", "-1", "nan", "inf", "1e999")),
        *(("width", value) for value in ("-1", "9" * 12)),
        *(("split", value) for value in ("", "trian", "TRAIN")),
        *(("label", value) for value in ("", "\x1b[2J", "x" * 2000)),
        ("md5", "x" * 100),
        ("path", '"' + "x" * 200_000 + '"'),
        ("path", '"never closed'),
        ("error", "a,more,columns"),
    ],
)
def test_a_row_of_a_manifest_with_another_value_is_one_line(tmp_path: Path, column: str, value: str) -> None:
    path = tmp_path / "manifest.csv"
    path.write_bytes(changed(column, value))
    with pytest.raises(DataError) as raised:
        read_records(path)
    assert str(raised.value).startswith(str(path))
    assert "delete it, and the next command builds it again" in str(raised.value)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 600


def test_a_manifest_written_before_calls_the_source_video_source() -> None:
    content = Manifest(Path(), (record(source_video="film"),)).to_csv().replace(b",source_video,", b",source,")
    assert parse_records(content, origin="m") == [record(source_video="film")]


def test_a_manifest_that_ends_in_a_row_is_refused() -> None:
    content = Manifest(Path(), (record(), record(path="run/b.avi"))).to_csv()
    whole = parse_records(BOM + content, origin="m")
    assert [row.path for row in whole] == ["run/a.avi", "run/b.avi"]
    last_row = content.rindex(b"run/b.avi")
    with pytest.raises(DataError, match="not a manifest"):
        parse_records(b"a,b\n1,2\n", origin="m")
    for end in range(last_row + 1, len(content) - 2):
        with pytest.raises(DataError):
            parse_records(content[:end], origin="m")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda _: b"", "empty"),
        (lambda content: content + content.replace(b" 1 ", b" 2 "), "is test here and train before"),
        (lambda content: content.decode().encode("utf-16"), "not UTF-8"),
        (lambda content: content.replace(b" 1 ", b" 2 "), "class without training clips 1"),
        (lambda content: content.replace(b" 1 ", b" 0 "), "class without training clips 1"),
        (lambda content: content.replace(b"_run_", b"_walk_"), "class without training clips 1"),
    ],
)
def test_check_data_refuses_what_makes_training_wrong(
    own_set: list[str], run_cli: Callable, tmp_path: Path, change: Callable[[bytes], bytes], words: str
) -> None:
    path = tmp_path / "own/splits/run_test_split1.txt"
    path.write_bytes(change(path.read_bytes()))
    result = run_cli("check-data", *own_set)
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert words in result.err


def test_check_data_names_clips_that_two_files_list(own_set: list[str], run_cli: Callable, tmp_path: Path) -> None:
    splits = tmp_path / "own/splits"
    run, walk = splits / "run_test_split1.txt", splits / "walk_test_split1.txt"
    walk.write_bytes(walk.read_bytes() + run.read_bytes())
    result = run_cli("check-data", *own_set)
    assert result.code == 1
    assert "listed twice 12" in result.err
    assert "the split files list it under run and walk" in result.out


def test_remarks_on_what_is_left_out(own_set: list[str], run_cli: Callable, tmp_path: Path) -> None:
    (tmp_path / "own/videos/jump").mkdir()
    clip = next((tmp_path / "own/videos/run").glob("*.avi"))
    clip.rename(clip.with_name(clip.name.upper()))
    result = run_cli("check-data", *own_set)
    assert "folders without videos, so no classes: jump" in result.out
    assert f"not in the split files, which have {clip.name}" in result.out

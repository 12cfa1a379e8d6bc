"""One file that cannot be read costs the others nothing: every command goes on, and names it in one printable line."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.clips import READINGS, probe, read_at
from helpers.support import moving_square, write_video
from helpers.tiny_models import exported_bytes
from helpers.unreadable import permissions_that_count, put_unreadable

from action_recognition.datasets.records import read_records
from action_recognition.errors import VideoError
from action_recognition.utils.text import printable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pipes, sockets, and names that are no UTF-8")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_video(tmp_path / "good" / "good.avi", moving_square(12))


@pytest.fixture
def mixed_set(tiny_set: Path, tmp_path: Path, good: Path) -> tuple[Path, list[str]]:
    """`tiny_set` as a plain folder, with files among them that cannot be read, and one of a name that is no UTF-8."""
    videos = tmp_path / "videos"
    shutil.copytree(tiny_set / "videos", videos)
    unreadable = put_unreadable(videos / "run", good, latin1=True)
    shutil.copy(good, videos / "walk" / "na\udcefve.avi")
    bad = [name for name in unreadable if not name.startswith("Film_")]
    return videos, bad


def overrides(tiny_overrides: list[str], videos: Path) -> list[str]:
    kept = [o for o in tiny_overrides if not o.startswith(("data=", "data.videos_dir", "data.splits_dir"))]
    return ["data=folder", f"data.videos_dir={videos}", *kept]


def check_lines(text: str, bad: list[str]) -> None:
    assert "\x1b" not in text
    for name in bad:
        assert printable(name) in text, name


def test_a_name_that_is_not_utf8_is_decoded(tmp_path: Path, good: Path) -> None:
    path = tmp_path / "caf\udce9" / "\udcff.avi"
    path.parent.mkdir()
    shutil.copy(good, path)
    assert probe(path).frames == 12
    assert np.array_equal(read_at(path, [3]), read_at(good, [3]))
    path.write_bytes(b"text")
    with pytest.raises(VideoError) as caught:
        probe(path)
    assert str(caught.value) == f"{tmp_path}/caf\\xe9/\\xff.avi: not a video that FFmpeg can decode"


@pytest.mark.parametrize(
    "name", ["12:30:00.avi", "concat:a.avi", "http:b.avi", "-i.avi", "file:c.avi", "a|b;c.avi", "%d.avi"]
)
def test_a_name_is_never_a_protocol(tmp_path: Path, good: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(good, tmp_path / name)
    assert probe(Path(name)).frames == 12


def test_what_cannot_be_read_is_one_line(tmp_path: Path, good: Path) -> None:
    reasons = {
        "folder.avi": "not a file",
        "pipe.avi": "not a file",
        "socket.avi": "not a file",
        "nowhere.avi": "no such file",
        "circle.avi": "cannot be read (Too many levels of symbolic links)",
        "forbidden.avi": "cannot be read (Permission denied)",
        "empty.avi": "empty file",
    }
    names = put_unreadable(tmp_path / "bad", good)
    with permissions_that_count():
        for name in names:
            path = tmp_path / "bad" / name
            for read in READINGS:
                with pytest.raises(VideoError) as caught:
                    read(path)
                reason = reasons.get(name, "not a video that FFmpeg can decode")
                assert str(caught.value) == f"{printable(path)}: {reason}"


def test_check_data_names_them_all(run_cli, mixed_set, tiny_overrides) -> None:
    videos, bad = mixed_set
    with permissions_that_count():
        result = run_cli("check-data", *overrides(tiny_overrides, videos))
    assert result.code == 1
    assert "Traceback" not in result.err
    pages = videos.parent / "plots"
    for page in ("data_report.html", "data_report.md"):
        (pages / page).read_bytes().decode()
    check_lines((pages / "data_report.html").read_text().replace("&#x27;", "'"), bad)
    assert "\x1b" not in result.out
    assert "unreadable" in result.err


def test_cache_data_and_train_go_on_without_them(run_cli, mixed_set, tiny_overrides) -> None:
    videos, bad = mixed_set
    given = [*overrides(tiny_overrides, videos), "data.test_fraction=0.2", "trainer.max_epochs=1"]
    with permissions_that_count():
        cached = run_cli("cache-data", *given)
        assert cached.code == 0, cached.err
        assert "25 clips" in cached.out
        trained = run_cli("train", *given)
    assert trained.code == 0, trained.err
    check_lines(trained.out, bad)
    (manifest,) = (videos.parent / ".cache/manifests").glob("*.csv")
    records = {Path(record.path).name: record for record in read_records(manifest)}
    assert records["na\udcefve.avi"].frames == 12
    assert all(records[name].error for name in bad)


def test_infer_from_onnx_labels_the_others(run_cli, mixed_set, tmp_path: Path) -> None:
    videos, bad = mixed_set
    (tmp_path / "m.onnx").write_bytes(exported_bytes())
    written = tmp_path / "labels.json"
    words = [
        str(videos),
        f"export.onnx={tmp_path}/m.onnx",
        f"predict.output={written}",
        f"predict.video_dir={tmp_path}/out",
    ]
    with permissions_that_count():
        result = run_cli("infer-from-onnx", *words)
    assert result.code == 1
    labels = json.loads(written.read_text(encoding="utf-8"))
    sources = {Path(one["source"]).name for one in labels["predictions"]}
    assert len(sources) == 25
    assert "na\udcefve.avi" in sources
    assert (tmp_path / "out" / "na\udcefve.labelled.mp4").exists()
    files = [name for name in bad if name != "folder.avi"]  # a folder among others, without videos
    assert {Path(one["source"]).name for one in labels["errors"]} == set(files)
    check_lines(result.err, files)
    assert (
        result.err.splitlines()[-1] == f"error: {len(files)} of {25 + len(files)} videos could not be read or written"
    )

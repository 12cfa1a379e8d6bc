"""The store after kills, with several writers, and on a full disk, in separate processes that import no torch."""

import json
import random
import subprocess
import sys
import time

import pytest
from helpers.support import ROOT, moving_square, write_video

if sys.platform == "win32":
    pytest.skip("SIGKILL and resource limits", allow_module_level=True)

CLIPS, FRAMES = 150, 60
PROGRAM = """
import json, resource, sys
from dataclasses import dataclass
from pathlib import Path
from action_recognition.readers.store.build import build_store
from action_recognition.readers.store.entry import StoreFormat
from action_recognition.errors import UserError

@dataclass
class Record:
    path: str
    md5: str
    frames: int
    width: int = 64
    height: int = 48

videos, root, codec, clips, frames, limit = json.loads(sys.argv[1])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
assert "torch" not in sys.modules
print("ready", flush=True)
# The store uses checksums alone: one video under many of them is many clips.
records = [Record("a.avi", str(number), frames) for number in range(clips)]
if limit:
    records.append(Record("short.avi", "short", 2))
try:
    report = build_store(records, Path(videos), Path(root), StoreFormat(codec=codec, short_side=36))
except UserError as error:
    sys.exit(str(error))
print(json.dumps([report.built, report.reused]))
"""


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "a.avi", moving_square(FRAMES))
    write_video(folder / "short.avi", moving_square(2))
    return folder


def start(videos, root, *, codec="raw", clips=CLIPS, limit=0):
    arguments = json.dumps([str(videos), str(root), codec, clips, FRAMES, limit])
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    return process


def finish(process):
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return json.loads(out)


def tree(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_ten_kills_then_a_run_to_the_end_give_the_same_bytes(videos, tmp_path):
    began = time.monotonic()
    assert finish(start(videos, tmp_path / "quiet")) == [CLIPS, 0]
    seconds = time.monotonic() - began
    generator = random.Random(0)
    for _ in range(10):
        process = start(videos, tmp_path / "killed")
        time.sleep(generator.uniform(0, seconds / 10))
        process.kill()
        process.communicate()
    # Each file with a final name is whole, also before anything is repaired.
    quiet = tree(tmp_path / "quiet")
    for path, content in tree(tmp_path / "killed").items():
        assert ".partial-" in path.name or content == quiet[path]
    built, reused = finish(start(videos, tmp_path / "killed"))
    assert built + reused == CLIPS
    assert reused > 0
    assert tree(tmp_path / "killed") == quiet


def test_several_writers_at_once_leave_one_whole_store(videos, tmp_path):
    writers = [start(videos, tmp_path / "shared", codec="jpeg", clips=60) for _ in range(3)]
    results = [finish(writer) for writer in writers]
    assert sorted(results) == [[0, 60], [0, 60], [60, 0]]
    finish(start(videos, tmp_path / "alone", codec="jpeg", clips=60))
    assert tree(tmp_path / "shared") == tree(tmp_path / "alone")


@pytest.mark.parametrize("codec", ["raw", "jpeg"])
def test_a_full_disk_is_one_line_and_leaves_only_whole_clips(videos, tmp_path, codec):
    process = start(videos, tmp_path, codec=codec, clips=3, limit=20_000)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.count("\n")) == (1, 1)
    assert "data.cache.dir" in err
    assert len(list(tmp_path.rglob("*.clip"))) <= 1
    assert not list(tmp_path.rglob(".*.partial-*"))
    # With room again the rest is built, and whole clips are kept.
    built, reused = finish(start(videos, tmp_path, codec=codec, clips=3))
    assert built + reused == 3

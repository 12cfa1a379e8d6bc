"""`download-data`: mirrors that fail, archives of all kinds, hostile archives, and what is reported."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path

import pytest
from filelock import FileLock
from helpers.archive_makers import MAKERS, make_rar5
from helpers.mirror_server import Server, add_tree
from helpers.support import files_in, moving_square, write_video
from rich.console import Console

from action_recognition.cli.download_data import download_data
from action_recognition.config import Config, MirrorsConfig, load_config
from action_recognition.datasets.hmdb51 import HMDB51, SPLIT_CODES
from action_recognition.datasets.records import read_records
from action_recognition.errors import ConfigError, DataError
from action_recognition.synthetic import videos

ODD = "#1 & (2) ! ; [3] ~ @ + 'x'_wave_f_cm_np1_fr_med_0.avi"


def refusal(outcome) -> str:
    """The one line of a command that failed."""
    assert outcome.code == 1, outcome.out
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    return outcome.err


@pytest.fixture
def rars(shared_dir: Path) -> dict[str, bytes]:
    names = {"videos": "hmdb51_mini_nested_rar4.rar", "splits": "test_train_splits_rar5.rar"}
    return {part: (shared_dir / "hmdb51_sample/rar" / name).read_bytes() for part, name in names.items()}


@pytest.fixture(scope="session")
def composed() -> Config:
    return load_config(["data=hmdb51"])


@pytest.fixture
def bring(composed: Config, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs the command's function with `data=hmdb51` and a mirror that has nothing, and returns its output.

    Composing the configuration takes half a second, so it is done once.
    """
    monkeypatch.chdir(tmp_path)

    def run(**changes: object) -> str:
        config, said = deepcopy(composed), StringIO()
        gone = [f"{server.url}/gone.rar"]
        config.data = replace(config.data, **{"mirrors": MirrorsConfig(videos=gone, splits=gone)} | changes)
        download_data(config, console=Console(file=said, width=500))
        return said.getvalue()

    return run


def refused(run: Callable[..., str], **changes: object) -> str:
    """The one line with which it fails."""
    with pytest.raises(DataError) as raised:
        run(**changes)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def assert_mini_set(folder: Path, shared_dir: Path) -> None:
    """The nine clips of the small RARs, byte for byte, and the 153 official lists."""
    sample = shared_dir / "hmdb51_sample"
    videos = files_in(folder / "data/hmdb51/videos")
    assert len(videos) == 9
    assert videos == {name: (sample / "videos" / name).read_bytes() for name in videos}
    assert files_in(folder / "data/hmdb51/splits") == files_in(sample / "splits")
    assert len(read_records(folder / "data/hmdb51/manifest.csv")) == 9
    assert sorted(path.name for path in (folder / "data/hmdb51").iterdir()) == ["manifest.csv", "splits", "videos"]


# --- from mirrors ---


def test_mirrors_that_are_gone_wrong_or_break_off(server, shared_dir, rars, run_cli, tmp_path):
    overrides = ["data=hmdb51", "data.full_set=null"]
    for part, content in rars.items():
        right = server.add(f"/right/{part}.rar", content, drops=[400_000], headers={"ETag": '"1"'})
        wrong = server.add(f"/wrong/{part}.rar", content[:-1] + b"?")
        checked = [f'{{url:"{url}",sha256:{hashlib.sha256(content).hexdigest()}}}' for url in (wrong, right)]
        overrides.append(f"data.mirrors.{part}=['{server.url}/gone/{part}.rar',{','.join(checked)}]")
    first = run_cli("download-data", *overrides)
    assert first.code == 0, first.err
    assert_mini_set(tmp_path, shared_dir)
    assert "hmdb51 subset: 3 of 51 classes, 9 of 6,766 clips" in first.out
    assert f"skipped {server.url}/gone/videos.rar: 404 Not Found" in first.out
    assert "/wrong/splits.rar: sha256 " in first.out
    resumed = [seen for seen in server.seen if seen.path.startswith("/right/") and seen.range]
    assert {seen.path for seen in resumed} == {"/right/videos.rar", "/right/splits.rar"}
    assert not (tmp_path / ".cache/downloads/hmdb51").exists()

    server.seen.clear()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")}
    assert "already exists" in run_cli("download-data", *overrides).out
    assert server.seen == []
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")} == before


def test_the_hub_clip_by_clip_with_its_own_lists(server, shared_dir, bring, tmp_path):
    sample = shared_dir / "hmdb51_sample"
    clips = clips_of(shared_dir)
    files = {f"hmdb51_org/{name}": content for name, content in clips.items()}
    codes = {name: code for code, name in SPLIT_CODES.items()}
    for number in (1, 2, 3):
        entries = [
            {"video_path": f"Videos/{label}/{name}", "label": label, "subset": int(codes[part])}
            for (label, name), part in HMDB51().read_split(sample / "splits", split=number).items()
        ]
        files[f"metadata_split{number}.jsonl"] = "\n".join(map(json.dumps, entries)).encode()
    files["webdataset/000000.tar"] = b"never asked for"
    add_tree(server, "CVML-TueAI/HMDB51", files, page_size=4)
    gone, hub = server.url + "/hmdb51_org.rar", "hf://datasets/CVML-TueAI/HMDB51/"
    given = MirrorsConfig(videos=[gone, f"{hub}*.avi"], splits=[gone, f"{hub}metadata_split*.jsonl"])
    bring(full_set=None, hub=server.url, split=2, mirrors=given)
    assert files_in(tmp_path / "data/hmdb51/videos") == clips
    for number in (1, 2, 3):
        brought = HMDB51().read_split(tmp_path / "data/hmdb51/splits", split=number)
        assert brought == HMDB51().read_split(sample / "splits", split=number)
    assert not any("webdataset" in seen.path for seen in server.seen)


def test_the_shipped_mirrors_are_tried_in_turn(server, shared_dir, rars, bring, composed, tmp_path):
    shipped = composed.data.mirrors
    assert "hf://datasets/CVML-TueAI/HMDB51/*.avi" in [mirror.url for mirror in shipped.videos]
    add_tree(server, "Serrelab/hmdb51", {"hmdb51_org.rar": rars["videos"], "test_train_splits.rar": rars["splits"]})
    here = {
        part: [mirror if mirror.url.startswith("hf:") else server.url + "/dead" for mirror in getattr(shipped, part)]
        for part in ("videos", "splits")
    }
    bring(mirrors=MirrorsConfig(**here), hub=server.url, full_set=None)
    assert_mini_set(tmp_path, shared_dir)


def test_an_incomplete_download_is_kept_until_it_is_accepted(server, shared_dir, rars, bring, tmp_path):
    given = MirrorsConfig(**{part: [server.add(f"/{part}.rar", content)] for part, content in rars.items()})
    line = refused(bring, mirrors=given)
    assert "/videos.rar: subset: 3 of 51 classes, 9 of 6,766 clips, without brush_hair/" in line
    assert "data.full_set=null" in line
    assert not (tmp_path / "data/hmdb51/videos").exists()
    server.seen.clear()
    for _ in range(2):
        bring(mirrors=given, full_set=None, keep_downloads=True)
        assert_mini_set(tmp_path, shared_dir)
        assert server.seen == []  # no second download
        shutil.rmtree(tmp_path / "data")


def test_when_no_mirror_has_it_one_line_says_what_each_was_about(server, bring, tmp_path, rars):
    server.add("/page.rar", b"<html>", headers={"Content-Type": "text/html"})
    server.add("/evil.rar", make_rar5([{"name": "../../../evil.avi", "data": b"x"}]))
    server.add("/cut.rar", rars["videos"][:-1000])
    server.add("/splits.rar", rars["splits"])
    urls = [f"{server.url}/{name}.rar" for name in ("page", "evil", "cut", "splits")]
    line = refused(bring, mirrors=MirrorsConfig(videos=urls, splits=urls[-1:]))
    assert "hmdb51 videos: no mirror delivered it" in line
    for reason in ("/page.rar: a web page", "/evil.rar: refused, ", "/cut.rar: cut.rar is damaged", "no videos in it"):
        assert reason in line
    assert "download-data data=hmdb51 data.archive=FILE|FOLDER|URL" in line
    assert not list(tmp_path.parent.rglob("evil.avi"))
    kept = [path.name for path in (tmp_path / ".cache/downloads/hmdb51/videos").rglob("*.rar")]
    assert kept == ["splits.rar"]


# --- from an archive of one's own ---


def clips_of(shared_dir: Path) -> dict[str, bytes]:
    """A few real clips, by their path in class folders."""
    sample = shared_dir / "hmdb51_sample"
    golf, wave = (sorted((sample / "videos" / label).iterdir())[:3] for label in ("golf", "wave"))
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in (*golf, *wave)}


def test_an_archive_with_everything_in_it(shared_dir, bring, tmp_path):
    clips = clips_of(shared_dir)
    lists = {path.name: path.read_bytes() for path in (shared_dir / "hmdb51_sample/splits").iterdir()}
    members = {f"some/where/videos/{name}": data for name, data in clips.items()}
    members |= {f"lists/{name}": data for name, data in lists.items()} | {"readme.txt": b"no clip"}
    archive = tmp_path / "mine"
    archive.write_bytes(MAKERS["tar.gz"]([{"name": name, "data": data} for name, data in members.items()]))
    said = bring(archive=str(archive))
    assert files_in(tmp_path / "data/hmdb51/videos") == clips
    assert files_in(tmp_path / "data/hmdb51/splits") == lists
    assert "hmdb51 subset: 2 of 51 classes, 6 of 6,766 clips" in said
    assert archive.exists()


def test_a_folder_of_class_folders(shared_dir, bring, tmp_path, server):
    for label in ("golf", "wave"):
        shutil.copytree(shared_dir / "hmdb51_sample/videos" / label, tmp_path / "mine" / label)
    own = files_in(tmp_path / "mine")
    given = {"archive": "mine", "splits_archive": f"{shared_dir}/hmdb51_sample/splits"}
    bring(**given)
    assert files_in(tmp_path / "data/hmdb51/videos") == own == files_in(tmp_path / "mine")
    assert server.seen == []
    (tmp_path / "mine/golf").rename(tmp_path / "mine/gulf")
    assert "move it away to take data.archive" in bring(**given)
    assert set(files_in(tmp_path / "data/hmdb51/videos")) == set(own)


def test_the_official_archives_in_a_folder_or_from_urls(shared_dir, rars, server, bring, tmp_path):
    (tmp_path / "mine").mkdir()
    for part, content in rars.items():
        (tmp_path / "mine" / f"{part}.rar").write_bytes(content)
        server.add(f"/a b/{part} #1.rar", content)
    bring(archive="mine")
    assert_mini_set(tmp_path, shared_dir)
    shutil.rmtree(tmp_path / "data")
    quoted = f"{server.url}/a%20b/{{}}%20%231.rar?x=1"
    said = bring(archive=quoted.format("videos"), splits_archive=quoted.format("splits"))
    assert "hmdb51 subset: 3 of 51" in said
    assert_mini_set(tmp_path, shared_dir)


@pytest.mark.parametrize("kind", ["rar4", "rar5", "zip", "tar.gz"])
def test_odd_names_from_the_archive_to_the_manifest(bring, tmp_path, kind):
    names = [ODD, *(f"Film{n}_wave_f_cm_np1_fr_med_{n}.avi" for n in range(3))]
    lists = "".join(f"{name} {1 if number < 3 else 2} \n" for number, name in enumerate(names))
    members = [{"name": f"wave_test_split{number}.txt", "data": lists.encode()} for number in (1, 2, 3)]
    for number, name in enumerate(names):
        video = write_video(tmp_path / "made.avi", moving_square(8, seed=number))
        members.append({"name": f"wave/{name}", "data": video.read_bytes()})
    (tmp_path / "odd # & ( ) [3].zip").write_bytes(MAKERS[kind](members))
    said = bring(archive="odd # & ( ) [3].zip", val_fraction=0.4)
    assert "hmdb51 subset: 1 of 51 classes, 4 of 6,766 clips" in said
    records = {record.path: record for record in read_records(tmp_path / "data/hmdb51/manifest.csv")}
    assert set(records) == {f"wave/{name}" for name in names}
    odd = records[f"wave/{ODD}"]
    assert (odd.source_video, odd.view, odd.frames, odd.error) == ("#1 & (2) ! ; [3] ~ @ + 'x'", "fr", 8, "")
    assert odd.split in ("train", "val")


# --- hostile archives ---


def test_the_command_refuses_hostile_archives(shared_dir, run_cli, tmp_path):
    archive = shared_dir / "hmdb51_sample/rar/rar5-evil-symlink-traversal.rar"
    before = set(tmp_path.parent.rglob("*"))
    given = ["data=hmdb51", f"data.splits_archive={shared_dir}/hmdb51_sample/splits", f"data.archive={archive}"]
    line = refusal(run_cli("download-data", *given))
    assert f"{archive}: refused, the member 'up' of {archive.name} is a link" in line
    new = [path for path in set(tmp_path.parent.rglob("*")) - before if path.is_file() or path.is_symlink()]
    official = {path.name for path in (shared_dir / "hmdb51_sample/splits").iterdir()}
    assert {path.name for path in new} - {".unpacked.json"} == official


# --- the download compared with the lists ---


def test_mistakes_are_one_line_and_leave_nothing_in_place(tiny_set, bring, tmp_path, server):
    mine, clip = Path(shutil.copytree(tiny_set / "videos", tmp_path / "mine")), "Film_0_run_f_nm_np1_ri_goo_0.avi"

    def line(archive: str | None, **changes: object) -> str:
        text = refused(bring, archive=archive, splits_archive=f"{tiny_set}/splits", **changes)
        assert not (tmp_path / "data/hmdb51/videos").exists()
        return text

    assert "no such file or folder" in line("nowhere")
    (tmp_path / "empty").mkdir()
    assert "data.archive=empty: no videos in it" in line("empty")
    (tmp_path / "one.avi").write_bytes(b"RIFF")
    assert "of an unknown kind" in line("one.avi")
    assert "404 Not Found" in line(f"{server.url}/no.rar")
    assert "no mirror is known; give data.archive=" in line(None, mirrors=MirrorsConfig(videos=[], splits=[]))
    with pytest.raises(ConfigError, match="expected hf://datasets/OWNER/REPO/PATTERN"):
        bring(archive="hf://nothing", splits_archive=f"{tiny_set}/splits")

    (mine / "run" / clip).rename(mine / "walk" / clip)
    assert f"walk/{clip}: the official lists have this clip in class 'run'" in line("mine")
    (mine / "walk" / clip).rename(mine / "run" / clip)
    (mine / "run").rename(mine / "runn")
    (mine / "runn" / clip).rename(mine / "runn/other.avi")
    assert "class folder 'runn' has no split file" in line("mine")


def test_clips_that_are_there_twice_or_in_no_list(tiny_set, bring, tmp_path):
    mine = Path(shutil.copytree(tiny_set / "videos", tmp_path / "mine"))
    next((mine / "run").iterdir()).rename(mine / "run/other.avi")
    shutil.copytree(mine / "run", mine / "again/run")
    with (mine / "again/run/other.avi").open("ab") as file:
        file.write(b"0")
    given = {"archive": "mine", "splits_archive": f"{tiny_set}/splits"}
    assert "run/other.avi: two different clips of that name" in refused(bring, **given)
    shutil.copy(mine / "run/other.avi", mine / "again/run/other.avi")
    said = bring(**given)
    assert "subset: 2 of 51 classes, 23 of 6,766 clips; unused, as no official list has them: run/other.avi" in said


def test_lists_that_contradict_one_another(tiny_set, bring, tmp_path):
    shutil.copytree(tiny_set / "splits", tmp_path / "lists")
    path = tmp_path / "lists/walk_test_split2.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    given = {"splits_archive": "lists", "archive": f"{tiny_set}/videos"}
    assert "split 2 does not name walk/Film_0_walk_f_nm_np1_ri_goo_0.avi" in refused(bring, **given)
    path.unlink()
    (tmp_path / "lists/run_test_split2.txt").unlink()
    assert not (tmp_path / "data").exists()
    assert "data.splits_archive=lists: no *_test_split2.txt in it" in refused(bring, **given, split=2)
    bring(**given)  # it needs split 1 alone


# --- places ---


def test_data_on_another_disk(tiny_set, tmp_path, bring):
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system at hand")
    target = memory / f"test-prepare-{os.getpid()}"
    try:
        places = {"dir": str(target), "videos_dir": f"{target}/videos", "splits_dir": f"{target}/splits"}
        bring(**places, archive=f"{tiny_set}/videos", splits_archive=f"{tiny_set}/splits")
        assert files_in(target / "videos") == files_in(tiny_set / "videos")
        assert sorted(path.name for path in target.iterdir()) == ["manifest.csv", "splits", "videos"]
    finally:
        shutil.rmtree(target, ignore_errors=True)


def test_two_at_once(tiny_set, tmp_path, bring):
    (tmp_path / ".cache/downloads").mkdir(parents=True)
    with FileLock(tmp_path / ".cache/downloads/hmdb51.lock"):
        assert "is already running" in refused(bring, archive=f"{tiny_set}/videos")


# --- other data sets ---


def test_own_videos_need_no_lists(tiny_set, tmp_path, run_cli):
    given = ["data=folder", r"data.source_pattern='^(Film_\d+)_'"]
    assert "no mirror is known; give data.archive=FILE|FOLDER|URL" in refusal(run_cli("download-data", *given))
    outcome = run_cli("download-data", *given, f"data.archive={tiny_set}/videos")
    assert outcome.code == 0, outcome.err
    assert files_in(tmp_path / "data/folder/videos") == files_in(tiny_set / "videos")
    assert "subset" not in outcome.out
    assert (tmp_path / "data/folder/manifest.csv").exists()


def test_the_demo_set_is_rendered_once(tmp_path, run_cli, monkeypatch):
    monkeypatch.setattr(videos, "render_demo_set", partial(videos.render_demo_set, clips_per_class=3))
    assert "rendered the synthetic set" in run_cli("download-data").out
    before = files_in(tmp_path / "data/demo")
    assert "data/demo/videos already exists" in run_cli("download-data", "data=demo").out
    assert files_in(tmp_path / "data/demo") == before
    assert len(before) == 8 * 3 + 8 * 3 + 1

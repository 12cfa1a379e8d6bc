"""check-data: the command, its report, and what it decodes again."""

import shutil

import pytest
from helpers.html_pages import Page
from helpers.planting import write_bgr
from helpers.support import moving_square, write_video
from rich.console import Console

from action_recognition.checks import thumbnails
from action_recognition.checks.examine import examine
from action_recognition.config import load_config

QUIET = Console(quiet=True)
SMALL = ["clip.frames=4", "clip.stride=2", "clip.short_side=36", "clip.size=32"]
WORDS = ["data=hmdb51", "data.videos_dir=own/videos", "data.splits_dir=own/splits", "data.val_fraction=0.25", *SMALL]
FIRST = "Film_0_run_f_nm_np1_ri_goo_0.avi"


@pytest.fixture
def own_set(tiny_set, tmp_path, monkeypatch):
    """A copy of the tiny set, which `WORDS` name on the command line."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_set, tmp_path / "own")
    return tmp_path / "own"


def test_sound_data_exits_with_0_and_a_report(own_set, run_cli, tmp_path):
    result = run_cli("check-data", *WORDS)
    assert result.code == 0, result.err
    assert "0 of 8 test clips (0.0 %)" in result.out
    assert "no findings" in result.out
    for name in ("data_report.html", "data_report.md"):
        assert name in result.out
        assert "Nothing found that makes training wrong" in (tmp_path / "plots" / name).read_text()


def test_a_fault_exits_with_1_and_names_the_clip_and_the_report(own_set, run_cli):
    (own_set / "videos/run" / FIRST).write_bytes(b"")
    result = run_cli("check-data", *WORDS)
    assert result.code == 1
    assert result.err.count("\n") == 1
    for words in ("unreadable 1", FIRST, "plots/data_report.html"):
        assert words in result.err
    assert "empty file" in result.out


def test_short_and_unlisted_clips_are_remarks(own_set, run_cli):
    folder = own_set / "videos/run"
    write_video(folder / FIRST, moving_square(2, seed=150))
    write_video(folder / "New_run_f_nm_np1_ri_goo_0.avi", moving_square(12, seed=151))
    (folder / "notes.txt").write_text("not a video")
    result = run_cli("check-data", *WORDS)
    assert result.code == 0
    assert "2 frames at stride 2 give 1 of the 4 frames" in result.out
    assert "New_run_f_nm_np1_ri_goo_0.avi: not in the split files" in result.out
    assert "run/notes.txt" in result.out


def test_a_random_split_is_called_leaking(own_set, run_cli):
    for path in (own_set / "splits").iterdir():
        lines = path.read_text().splitlines()
        path.write_text("".join(f"{line.split()[0]} {1 + ('goo_1' in line)} \n" for line in lines))
    result = run_cli("check-data", *WORDS)
    assert result.code == 1
    assert "leaking 12" in result.err
    assert "12 of 12 test clips (100.0 %)" in result.out


def test_own_videos_without_split_files(own_set, run_cli):
    words = ["data=folder", "data.videos_dir=own/videos", r"data.source_pattern='^(Film_\d+)_'", *SMALL]
    result = run_cli("check-data", *words)
    assert result.code == 0, result.err
    assert "a subset" not in result.out
    assert "unlisted" not in result.out


def test_missing_clips_are_named_if_few_and_counted_if_many(own_set, run_cli):
    (own_set / "videos/run" / FIRST).unlink()
    assert f"1 clips of the split files are not here: {FIRST}" in run_cli("check-data", *WORDS).out
    shutil.rmtree(own_set / "videos/run")
    line = "12 of the 24 clips that the split files name are here, 1 of 2 classes"
    assert line in run_cli("check-data", *WORDS).out


def test_the_page_is_whole_and_holds_its_pictures(own_set, run_cli, tmp_path):
    folder = own_set / "videos/run"
    shutil.copy(folder / FIRST, folder / "<b>&|_run_f_nm_np1_ri_goo_0.avi")
    run_cli("check-data", *WORDS)
    page = Page((tmp_path / "plots/data_report.html").read_text())
    assert page.open == []
    assert len(page.fetched) >= 2 * 4 + 2
    assert all(address.startswith("data:image/jpeg;base64,/9j/") for address in page.fetched)
    markdown = (tmp_path / "plots/data_report.md").read_text()
    assert "\\<b>&\\|\\_run" in markdown
    for title in ("Camera motion", "Viewpoint", "People involved", "Video quality", "Visible body"):
        assert title in markdown
    assert "| all | 12 | 4 | 8 | 1 | 13 |" in markdown


def test_what_was_decoded_is_kept_by_content(own_set, monkeypatch):
    config = load_config(WORDS)
    first = examine(config, console=QUIET)
    folder = own_set / "videos/run"
    (folder / FIRST).rename(folder / FIRST.replace("Film_0", "Film_9"))
    write_video(folder / FIRST.replace("Film_0", "Film_1"), moving_square(13, seed=77))
    decoded = []
    original = thumbnails.thumbnails_of
    monkeypatch.setattr(
        thumbnails, "thumbnails_of", lambda path, frames: decoded.append(path.name) or original(path, frames=frames)
    )
    second = examine(config, console=QUIET)
    assert decoded == [FIRST.replace("Film_0", "Film_1")]
    assert first.findings == ()
    assert [finding.kind for finding in second.findings] == ["unlisted"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a file"])
def test_a_broken_cache_is_made_again(own_set, tmp_path, content):
    config = load_config(WORDS)
    examine(config, console=QUIET)
    (cache,) = (tmp_path / ".cache/thumbnails").iterdir()
    whole = cache.read_bytes()
    cache.write_bytes(content)
    assert examine(config, console=QUIET).findings == ()
    assert len(cache.read_bytes()) == len(whole)
    assert list(cache.parent.iterdir()) == [cache]


def test_the_same_footage_in_another_class_is_a_remark(own_set):
    frames = list(moving_square(14, seed=90)[..., ::-1])
    for label, code, suffix, codec in (("run", 1, ".avi", "MJPG"), ("walk", 2, ".mp4", "mp4v")):
        name = f"Twice_{label}_f_nm_np1_ri_goo_0{suffix}"
        write_bgr(own_set / "videos" / label / name, frames, codec=codec)
        with (own_set / "splits" / f"{label}_test_split1.txt").open("a") as file:
            file.write(f"{name} {code} \n")
    config = load_config([word for word in WORDS if "val_fraction" not in word] + ["data.val_fraction=0"])
    (finding,) = examine(config, console=QUIET).findings
    assert (finding.kind, finding.path) == ("same footage, other class", "walk/Twice_walk_f_nm_np1_ri_goo_0.mp4")
    assert finding.other == "run/Twice_run_f_nm_np1_ri_goo_0.avi"
    assert not finding.is_fault

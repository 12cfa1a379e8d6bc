"""Which class a clip belongs to, whatever folders it came in."""

import os
from pathlib import Path

import pytest
from helpers.support import files_in

from action_recognition.download.layout import Places, link_clips
from action_recognition.errors import DataError


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("HandstandPushups/v_HandStandPushups_g01_c01.avi", "HandstandPushups/v_HandStandPushups_g01_c01.avi"),
        ("UCF101/v_HandstandPushups_g01_c01.avi", "HandstandPushups/v_HandStandPushups_g01_c01.avi"),
        ("v_HandstandPushups_g01_c01.avi", "HandstandPushups/v_HandStandPushups_g01_c01.avi"),
        ("handstandpushups/new.avi", "HandstandPushups/new.avi"),
        ("a/Archery/Archery/v_Archery_g01_c01.avi", "Archery/v_Archery_g01_c01.avi"),
        ("Archery/v_HandStandPushups_g01_c01.avi", "Archery/v_HandStandPushups_g01_c01.avi"),
        ("Elsewhere/new.avi", "Elsewhere/new.avi"),
    ],
)
def test_where_a_clip_belongs(path, place):
    listed = [("HandstandPushups", "v_HandStandPushups_g01_c01.avi"), ("Archery", "v_Archery_g01_c01.avi")]
    assert "/".join(Places(listed).of(Path("root", path), Path("root"))) == place


def test_a_clip_without_class(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.avi").touch()
    with pytest.raises(DataError, match=r"a\.avi: lies in no class folder"):
        link_clips(tmp_path / "in", tmp_path / "out", [])


def test_hidden_files_are_no_clips(tmp_path):
    for name in ("wave/a.AVI", "wave/._a.avi", ".git/b.avi", "wave/a.txt"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    assert link_clips(tmp_path / "in", tmp_path / "out", []) == [("wave", "a.AVI")]
    assert files_in(tmp_path / "out") == {"wave/a.AVI": b"wave/a.AVI"}


def test_on_a_disk_without_hard_links(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "in/wave").mkdir(parents=True)
    (tmp_path / "in/wave/a.avi").write_bytes(b"a")
    link_clips(tmp_path / "in", tmp_path / "out", [])
    assert files_in(tmp_path / "out") == {"wave/a.avi": b"a"}

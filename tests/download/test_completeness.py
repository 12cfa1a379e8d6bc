"""Official lists against their known counts, and clips against the lists."""

import shutil
from pathlib import Path

import pytest

from action_recognition.config import Config, FullSetConfig, load_config
from action_recognition.datasets.hmdb51 import HMDB51
from action_recognition.download.completeness import IncompleteError, check_clips, read_lists
from action_recognition.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def composed() -> Config:
    return load_config(["data=hmdb51"])


@pytest.fixture
def official_lists(shared_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shared_dir / "hmdb51_sample/splits", tmp_path / "lists"))


def test_the_full_set_is_known_to_the_clip(official_lists, composed):
    data = composed.data
    lists = read_lists(HMDB51(), official_lists, data, must_be_full=True)
    assert (len(lists.classes), len(lists.clips)) == (51, 6766)
    coverage = check_clips(lists.clips, lists, data.full_set, must_be_full=True)
    assert str(coverage) == "complete: 51 classes, 6,766 clips"
    without = lists.clips - {min(lists.clips)}
    assert str(check_clips(without, lists, data.full_set)) == "subset: 51 of 51 classes, 6,765 of 6,766 clips"
    with pytest.raises(IncompleteError, match=r"6,765 of 6,766 clips, without brush_hair/"):
        check_clips(without, lists, data.full_set, must_be_full=True)
    with pytest.raises(IncompleteError, match=r"unused, as no official list has them: wave/one_more\.avi"):
        check_clips(lists.clips | {("wave", "one_more.avi")}, lists, data.full_set, must_be_full=True)


def test_changed_lists_of_the_full_set_are_found_out(official_lists, composed):
    data = composed.data
    path = official_lists / "wave_test_split3.txt"
    path.write_text(path.read_text().replace(".avi 1", ".avi 2", 1))
    with pytest.raises(IncompleteError, match="split 3: 6,766 clips, 3,569 train, 1,531 test; expected 6,766 clips"):
        read_lists(HMDB51(), official_lists, data)
    for path in official_lists.glob("wave_*"):
        path.unlink()
    read_lists(HMDB51(), official_lists, data)
    with pytest.raises(IncompleteError, match="lists of 50 classes, expected 51"):
        read_lists(HMDB51(), official_lists, data, must_be_full=True)


@pytest.mark.parametrize(
    "entry", [b"[]", b'{"label": "wave"}', b"nonsense", b'{"label":"a/b","subset":1,"video_path":"x"}']
)
def test_metadata_of_another_form(tmp_path, entry):
    (tmp_path / "metadata_split1.jsonl").write_bytes(entry)
    with pytest.raises(DataError, match=r"metadata_split1\.jsonl:1"):
        HMDB51().find_lists(tmp_path)


def test_counts_of_the_full_set_are_three():
    with pytest.raises(ConfigError, match=r"data.full_set.train=.*expected a list of 3"):
        FullSetConfig(classes=1, clips=1, train=[1], test=[1, 1, 1])

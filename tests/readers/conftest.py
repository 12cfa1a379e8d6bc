"""The tiny set as shards."""

import shutil

import pytest
from helpers.batches import QUIET
from helpers.shards import FEW_CLIPS
from helpers.support import TINY_MODEL

from action_recognition.cli.export_shards import export_shards
from action_recognition.config import load_config


@pytest.fixture(scope="session")
def exported(tiny_set, tmp_path_factory):
    """The tiny set as shards of two or three clips, all splits in several."""
    folder = tmp_path_factory.mktemp("exported")
    own = ["data=hmdb51", f"data.videos_dir={tiny_set}/videos", f"data.splits_dir={tiny_set}/splits"]
    cut = [*TINY_MODEL[1:], "clip.stride=2", "data.val_fraction=0.25"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        export_shards(load_config([*own, *cut, FEW_CLIPS, "data.shards.dir=shards/tiny"]), console=QUIET)
    return folder / "shards/tiny"


@pytest.fixture
def shards(exported, tmp_path, monkeypatch):
    """A copy of them, in the working directory."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(exported, tmp_path / "shards/tiny")

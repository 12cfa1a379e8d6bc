import shutil
from pathlib import Path

import pytest
from helpers.support import TINY_MODEL


@pytest.fixture
def own_set(tiny_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A copy of the tiny set in `own/` of the working directory, and the words that name it on the command line."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_set, "own")
    clips = [*TINY_MODEL[1:], "clip.stride=2", "data.val_fraction=0.25"]
    return ["data=hmdb51", "data.videos_dir=own/videos", "data.splits_dir=own/splits", *clips]

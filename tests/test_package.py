"""The wheel, installed into an empty folder, does its work in an empty folder: nothing of the checkout is needed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.support import ROOT

import action_recognition

BUILD = "import sys; from poetry.core.masonry.api import build_wheel; print(build_wheel(sys.argv[1]))"
TINY = ["clip.short_side=36", "clip.size=32", "model.args.widths=[4,4,4]", "data.num_workers=0", "trainer.max_epochs=1"]
CPU = ["trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.memory_format=contiguous"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the wheel is installed, without its dependencies."""
    folder = tmp_path_factory.mktemp("package")
    built = subprocess.run([sys.executable, "-c", BUILD, folder], cwd=ROOT, capture_output=True, text=True, check=True)
    install = ["install", "--target", folder / "site", "--no-deps", "--no-index", "--no-compile", "--quiet"]
    subprocess.run([sys.executable, "-m", "pip", *install, folder / built.stdout.split()[-1]], check=True)
    return folder / "site"


def run(site: Path, *words: str | Path, cwd: Path) -> str:
    """What a command prints, with the installed package and the dependencies of this environment."""
    environment = os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_installed_package_downloads_trains_and_predicts(site, tmp_path):
    script = site / "bin/action-recognition"
    place = run(site, sys.executable, "-c", "import action_recognition as a; print(a.__file__)", cwd=tmp_path)
    assert Path(place.strip()) == site / "action_recognition/__init__.py" != Path(action_recognition.__file__)
    assert (site / "action_recognition/py.typed").is_file()
    assert run(site, script, "--version", cwd=tmp_path).startswith("action-recognition 0.")

    said = run(site, script, "download-data", "data=stills_demo", cwd=tmp_path)
    assert "next: action-recognition train-ml-flow-dvc data=stills_demo" in said
    # The second process is started by the first with the words of its own call.
    said = run(site, script, "train", "data=stills_demo", *TINY, *CPU, "trainer.devices=2", cwd=tmp_path)
    assert said.count("best validation top-1") == 1
    image = next((tmp_path / "data/stills_demo/train").glob("*.jpg"))
    module = [sys.executable, "-m", "action_recognition"]
    said = run(site, *module, "predict", image, "predict.output=labels.json", cwd=tmp_path)
    assert "next: python -m action_recognition predict" in said
    assert (tmp_path / "labels.json").is_file()

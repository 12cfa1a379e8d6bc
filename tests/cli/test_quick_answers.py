"""Mistakes in paths are answered before the libraries are imported that take seconds."""

import subprocess
import sys
from pathlib import Path

from helpers.support import ROOT

MISTAKES = {
    "train data=hmdb51": "data.videos_dir=data/hmdb51/videos: no such directory; python commands.py download-data",
    "train data=folder data.videos_dir=missing": "data.videos_dir=missing: no such directory; give a folder",
    "train-ml-flow data=hmdb51 data.videos_dir=. data.splits_dir=missing": "data.splits_dir=missing: no such directory",
    "check-data data=ucf101": "data.videos_dir=data/ucf101/videos: no such directory",
    "cache-data data=folder data.videos_dir=file": "data.videos_dir=file: not a directory",
    "export-shards data=stills": "data.videos_dir=data/stills/train: no such directory",
    "train data=stills data.videos_dir=. data.labels_csv=missing": "data.labels_csv=missing: no such file; python",
    "train data=shards": "data.shards.url is not set",
    "train data.kind=hmdb15": "data.kind=hmdb15: expected one of demo, hmdb51, ucf101",
    "predict missing.mp4": "missing.mp4: no such file",
    "infer evaluation.checkpoint=missing": "checkpoint missing: no such file",
    "train trainer.resume=missing.ckpt": "checkpoint missing.ckpt: no such file",
}
PROGRAM = """
import sys
from action_recognition.cli.main import main
for line in sys.stdin.read().splitlines():
    code = main(line.split())
    print(code, sorted({"torch", "lightning", "mlflow"} & set(sys.modules)), flush=True)
"""


def test_mistakes_in_paths_are_told_without_torch(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input="\n".join(MISTAKES),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert done.stdout.splitlines() == ["1 []"] * len(MISTAKES), done.stderr
    for said, expected in zip(done.stderr.splitlines(), MISTAKES.values(), strict=True):
        assert said.startswith(f"error: {expected}")


def test_help_imports_nothing_slow() -> None:
    code = "import sys, commands; commands.main(['--help']); commands.main(['train', '--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "lightning", "mlflow", "cv2", "fire"} & set(done.stdout.splitlines()[-1].split())

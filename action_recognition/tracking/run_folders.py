"""The folders of runs, and which run `best` and `last` refer to."""

import os
from datetime import datetime
from pathlib import Path

from action_recognition.config import Config, DataConfig
from action_recognition.errors import ConfigError
from action_recognition.utils.files import replace_file
from action_recognition.utils.rank import in_dvc_stage
from action_recognition.utils.rules import Text

POINTER = "last_run"
TRACKING = "mlflow_run_id"


def new_run_dir(config: Config) -> Path:
    """`trainer.run_dir`, or a new `<plots_dir>/runs/<data>-<network>-<time>`."""
    if config.trainer.run_dir:
        return Path(config.trainer.run_dir)
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    base = Path(config.plots_dir) / "runs" / f"{config.data.name}-{config.model.network}-{stamp}"
    run_dir, number = base, 2
    while run_dir.exists():
        run_dir, number = base.with_name(f"{base.name}-{number}"), number + 1
    return run_dir


def checkpoint_dir(run_dir: Path) -> Path:
    return run_dir / "checkpoints"


def remember_run(run_dir: Path, *, plots_dir: str) -> None:
    """Make `best` and `last` refer to `run_dir`, unless DVC runs this command as a stage."""
    if not in_dvc_stage():
        replace_file(Path(plots_dir) / POINTER, f"{run_dir}\n".encode())


def last_run(plots_dir: str) -> Path:
    """The folder of the run that wrote a checkpoint last, or `ConfigError` if there is none."""
    pointer = Path(plots_dir) / POINTER
    if not pointer.is_file():
        raise ConfigError(f"no run in {plots_dir} yet: python commands.py train makes one; or give a checkpoint's path")
    name = pointer.read_text(encoding="utf-8", errors="replace").strip()
    if not Text().allows(name):
        raise ConfigError(f"{pointer}: names no run; give a checkpoint's path, or: python commands.py train")
    return Path(name)


def resolve_checkpoint(spec: str, *, plots_dir: str) -> Path:
    """The file that `best`, `last` (of the last run) or a path names, or `ConfigError` if it does not exist."""
    path = _named_checkpoint(spec, plots_dir=plots_dir)
    if path.is_file():
        return path
    beside = " and ".join(map(str, sorted(path.parent.glob("[!.]*.ckpt"))))
    advice = (
        f"there is {beside}; give its path" if beside else "expected best, last or a .ckpt; python commands.py train"
    )
    raise ConfigError(f"checkpoint {path}: no such file; {advice}")


def checkpoint_to_resume(config: Config) -> Path | None:
    """The checkpoint that training continues from; None if `trainer.resume` names none.

    The first `best.ckpt` and `last.ckpt` hold the same state, so a run that was killed between the two continues from
    `best.ckpt`. Raises `ConfigError` if the checkpoint does not exist.
    """
    spec = config.trainer.resume
    if not spec:
        return None
    path = _named_checkpoint(spec, plots_dir=config.plots_dir)
    best = path.with_name("best.ckpt")
    if spec == "last" and not path.is_file() and best.is_file():
        return best
    return resolve_checkpoint(spec, plots_dir=config.plots_dir)


def _named_checkpoint(spec: str, *, plots_dir: str) -> Path:
    return checkpoint_dir(last_run(plots_dir)) / f"{spec}.ckpt" if spec in ("best", "last") else Path(spec)


def run_dir_of(checkpoint: Path) -> Path:
    """The folder of the run that a checkpoint belongs to."""
    return checkpoint.parent.parent if checkpoint.parent.name == "checkpoints" else checkpoint.parent


def evaluation_dir(checkpoint: Path, split: str, *, plots_dir: str) -> Path:
    """The folder for an evaluation's files, such as `plots/runs/<run>/test_best`.

    If the checkpoint is in no run's folder, or that folder is not writable, the folder is made in `plots_dir`.
    """
    run_dir = run_dir_of(checkpoint)
    if checkpoint.parent.name != "checkpoints" or not os.access(run_dir, os.W_OK):
        run_dir = Path(plots_dir) / "runs" / checkpoint.stem
    return run_dir / f"{split}_{checkpoint.stem}"


def run_title(run_dir: Path) -> str:
    """The name of a run in plots: its folder's name, preceded by the study's for a trial."""
    return f"{run_dir.parent.name}/{run_dir.name}" if run_dir.name.startswith("trial-") else run_dir.name


def data_title(data: DataConfig) -> str:
    """The name of a data set in texts: `hmdb51, split 1`."""
    return f"{data.name}, split {data.split}" if data.splits_dir is not None else data.name


def remember_tracking(run_dir: Path, run_id: str) -> None:
    """Write down which MLflow run records this run, so that a resumed training continues it."""
    replace_file(run_dir / TRACKING, f"{run_id}\n".encode())


def tracking_of(run_dir: Path) -> str | None:
    """The id of the MLflow run that records this run, if one does."""
    path = run_dir / TRACKING
    text = path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else ""
    return text if Text(100).allows(text) else None

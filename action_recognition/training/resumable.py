"""Lightning's fit, and the command to run after Ctrl-C, SIGTERM or a full disk ended it."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import lightning as L

from action_recognition.config import Config
from action_recognition.errors import UserError
from action_recognition.models.module import VideoActionModel
from action_recognition.tracking.run_folders import checkpoint_dir
from action_recognition.training.callbacks import EndWhenAsked
from action_recognition.utils.files import NO_ROOM
from action_recognition.utils.interruption import Deferral, command_line


def fit(trainer: L.Trainer, model: VideoActionModel, data: L.LightningDataModule, resume_from: Path | None) -> None:
    """Lightning's fit, but interrupts stay interrupts: Lightning exits with 1 and ignores further Ctrl-C.

    A single process ends between two batches. One of several processes ends at once, so that no other waits for it.
    """
    deferral = Deferral()
    trainer.callbacks.insert(0, EndWhenAsked(deferral))
    before = signal.getsignal(signal.SIGINT)
    try:
        with deferral.active() if trainer.world_size == 1 else nullcontext():
            trainer.fit(model, datamodule=data, ckpt_path=str(resume_from) if resume_from else None, weights_only=True)
    except SystemExit as left:
        deferral.check()
        if isinstance(left.__context__, KeyboardInterrupt):
            raise left.__context__ from None
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)
    deferral.check()


@contextmanager
def explaining_no_room(advice: Callable[[], str]) -> Iterator[None]:
    """Turn a full disk into one line: the file, and what `advice` returns.

    Raises:
        UserError: in its place.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise UserError(f"{error.strerror}: {error.filename}; make room; {advice()}") from error


def continue_advice(config: Config, run_dir: Path, command: str) -> str:
    """The command that continues an interrupted fit; it repeats keys that a checkpoint does not hold."""
    if not any((checkpoint_dir(run_dir) / f"{name}.ckpt").is_file() for name in ("last", "best")):
        return restart_advice(config, command)
    again = [given for given in config.overrides if given.lstrip("+~").startswith(("plots_dir=", "tracking."))]
    return f"continue with: {command_line(command, 'trainer.resume=last', *again)}"


def restart_advice(config: Config, command: str) -> str:
    """The command to run again if nothing was saved."""
    # A run that was to be resumed has not changed.
    line = "continue" if config.trainer.resume else "no epoch was finished, so nothing was saved; start again"
    return f"{line} with: {command_line(command, *config.overrides)}"

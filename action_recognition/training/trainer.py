"""Lightning's `Trainer` as a configuration asks for it: callbacks of the recipe, checkpoints, and quiet."""

import logging
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning as L
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint

from action_recognition.config import Config, TrainerConfig
from action_recognition.tracking.run_folders import checkpoint_dir, remember_run
from action_recognition.training.checkpoint_files import AtomicCheckpointIO
from action_recognition.training.recipe import recipe_callbacks
from action_recognition.utils.devices import training_device

if TYPE_CHECKING:
    from action_recognition.tracking.mlflow_run import Tracker


def make_trainer(
    config: Config,
    run_dir: Path,
    observers: Sequence[Callback],
    *,
    precision: str,
    has_val: bool,
    tracker: "Tracker | None" = None,
) -> L.Trainer:
    """A trainer that keeps `best.ckpt` (by validation top-1, or training loss without validation) and `last.ckpt`.

    Args:
        observers: callbacks beside those of the recipe; checkpoints are saved after them.
        precision: as Lightning names it.
        has_val: whether there is a validation split, for early stopping and for choosing the best checkpoint.
        tracker: an open MLflow run that receives the curves.
    """
    settings = config.trainer
    stopping = [EarlyStopping("val_top1", mode="max", patience=settings.patience)] if has_val else []
    make = partial(ModelCheckpoint, dirpath=checkpoint_dir(run_dir).absolute(), enable_version_counter=False)
    monitor, mode = ("val_top1", "max") if has_val else ("train_loss", "min")
    # Not `save_last`: it is written only together with the best one.
    kept = [make(filename="best", monitor=monitor, mode=mode), make(filename="last", save_on_train_epoch_end=True)]
    return L.Trainer(
        max_epochs=settings.max_epochs,
        **process_settings(settings),
        precision=precision,
        accumulate_grad_batches=settings.accumulate,
        gradient_clip_val=settings.gradient_clip,
        limit_train_batches=settings.limit_train_batches,
        limit_val_batches=settings.limit_val_batches if has_val else 0,
        num_sanity_val_steps=0,
        callbacks=[*stopping, *recipe_callbacks(settings), *observers, *kept],
        logger=tracker.lightning_logger() if tracker else False,
        log_every_n_steps=1,
        # `best` and `last` mean this run once it has a checkpoint.
        plugins=[AtomicCheckpointIO(partial(remember_run, run_dir, plots_dir=config.plots_dir))],
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        deterministic="warn" if settings.accelerator != "cpu" else None,
        benchmark=None,
    )


def process_settings(settings: TrainerConfig) -> dict[str, Any]:
    """The arguments of Lightning's `Trainer` for the number of processes and what they exchange.

    On GPUs batch norm sees the batches of all processes; on CPUs, where torch has no such norm, only its own batch.
    """
    several = settings.devices != 1
    return {
        "accelerator": settings.accelerator,
        "devices": settings.devices,
        "strategy": "auto" if settings.devices in (1, "auto") else "ddp",
        "sync_batchnorm": several and training_device(settings.accelerator).type == "cuda",
    }


def quiet_lightning() -> None:
    """Keep hints that are about Lightning, not about the user's run, off the terminal."""
    for name in ("lightning", "lightning.pytorch", "lightning.fabric", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in (
        r".*does not have many workers.*",
        r".*The number of training batches.*",
        r".*`training_step` returned `None`.*",
        r".*Checkpoint directory.*exists and is not empty.*",
        r".*GPU available but not used.*",
        r".*MPS available but not used.*",
        r".*You have overridden `on_after_batch_transfer`.*",
        r".*litlogger.*",
        r".*was called before the ``update`` method.*",  # a process may have no validation clip
        r".*sync_dist=True.*",  # scores are equal in all processes, and the seconds are those of the first
        r".*LeafSpec.*",
        r".*isinstance\(treespec.*",
        r".*ModelCheckpoint.*will be merged.*",
        r".*lr_scheduler.step.*before.*optimizer.step.*",
        r".*resuming from a checkpoint.*",
        r".*in eval mode at the start of training.*",
    ):
        warnings.filterwarnings("ignore", message=message)

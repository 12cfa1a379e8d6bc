"""Training, from a configuration to a checkpoint, read from top to bottom."""

import logging
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import lightning as L
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from rich.console import Console

from action_recognition.config import Config, to_yaml
from action_recognition.contract import ClipContract
from action_recognition.data.datamodule import ClipDataModule, make_contract
from action_recognition.data.load import load_manifest, report_unusable
from action_recognition.datasets.records import Manifest, group_digests
from action_recognition.errors import ConfigError
from action_recognition.models.module import VideoActionModel
from action_recognition.models.networks import build_network
from action_recognition.models.pretrained import load_pretrained
from action_recognition.readers.open import report_reader
from action_recognition.reports.run_plots import plot_history
from action_recognition.tracking.run_folders import (
    checkpoint_dir,
    checkpoint_to_resume,
    data_title,
    new_run_dir,
    remember_run,
    remember_tracking,
    run_dir_of,
    run_title,
)
from action_recognition.training.averaging import weight_average
from action_recognition.training.callbacks import EpochProgress, History
from action_recognition.training.checkpoint_files import AtomicCheckpointIO
from action_recognition.training.distributed import inherited_step_plan, process_settings, share_step_plan
from action_recognition.training.feature_cache import make_feature_data
from action_recognition.training.freezing import FreezeBackbone
from action_recognition.training.loss_guard import LossGuard
from action_recognition.training.resumable import explaining_no_room, fit, go_on, start_again
from action_recognition.training.run_stats import RunFacts, source_name
from action_recognition.training.step import StepPlan, choose_step
from action_recognition.transforms.motion_inputs import input_shape
from action_recognition.utils.devices import check_devices
from action_recognition.utils.files import remove_abandoned, replace_file
from action_recognition.utils.interruption import advising
from action_recognition.utils.malloc import keep_freed_memory
from action_recognition.utils.rank import is_first_process
from action_recognition.utils.redaction import redacted_values

if TYPE_CHECKING:
    from action_recognition.tracking.mlflow_run import Tracker


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What a training left behind; scores are shares of 1."""

    run_dir: Path
    best_checkpoint: Path
    best_val_top1: float
    epochs: int
    skipped: int


def train(
    config: Config,
    *,
    console: Console,
    tracker: "Tracker | None" = None,
    callbacks: Sequence[Callback] = (),
    command: str = "train",
) -> TrainResult:
    """Fit a `VideoActionModel` and write checkpoints, history and curves into a run directory.

    Args:
        tracker: an open MLflow run that receives curves, checkpoints and plots.
        callbacks: of Lightning, beside the project's own.
        command: its name, for the line that says how to go on after an interruption.

    Raises:
        DataError: on data that cannot be trained on.
        ConfigError: on settings that contradict each other.
        NumericsError: if the loss or the weights become infinite or NaN.
        Interrupted: after Ctrl-C or SIGTERM.
    """
    check_devices(config.trainer.accelerator, config.trainer.devices)
    with advising(lambda: start_again(config, command)):
        return _train(config, console=console, tracker=tracker, callbacks=callbacks, command=command)


def _train(
    config: Config, *, console: Console, tracker: "Tracker | None", callbacks: Sequence[Callback], command: str
) -> TrainResult:
    quiet_lightning()
    keep_freed_memory()
    first = is_first_process()
    L.seed_everything(config.trainer.seed, workers=True, verbose=False)
    manifest = load_manifest(config, console)
    contract = make_contract(config, manifest)
    check_limits(config, manifest, contract)
    report_unusable(manifest, contract, console)

    resume_from = checkpoint_to_resume(config)
    if resume_from and config.trainer.resume == "last" and resume_from.stem != "last":
        console.print(f"no last.ckpt in that run, which was killed early: it goes on from {resume_from}", markup=False)
    # Weights before anything slow: what is wrong with them is said at once.
    model = make_model(config, contract, manifest)
    set_weights(model, config, resume_from, console)
    plan = inherited_step_plan() or choose_step_plan(config, contract, console)
    share_step_plan(plan)
    model.use_memory_format(plan.memory_format)
    datamodule = ClipDataModule(config, manifest, contract, seed=config.trainer.seed)
    report_reader(datamodule.source, manifest.split("train") + manifest.split("val"), console)
    has_val = bool(manifest.split("val", min_frames=contract.min_frames))
    fit_data: L.LightningDataModule = datamodule
    if config.trainer.feature_views:
        fit_data = make_feature_data(model, datamodule, config, plan, has_val=has_val, console=console)
    # Only now: a run that never starts leaves no folder.
    run_dir = run_dir_of(resume_from) if resume_from else new_run_dir(config)
    if first:
        write_run_files(run_dir, config, manifest)
    if tracker:
        from action_recognition.tracking.run_notes import describe_training  # MLflow: only where it is asked for

        remember_tracking(run_dir, tracker.run_id)
        describe_training(tracker, config, manifest, contract)
    history = History(run_dir / "history.csv", console)
    facts = [RunFacts(tracker, plan, history, read_from=source_name(datamodule.source))] if tracker else []
    guard = LossGuard(
        lr=config.optimizer.lr,
        precision=plan.precision,
        gradient_clip=config.trainer.gradient_clip,
        checkpoints=checkpoint_dir(run_dir),
    )
    # Checkpoints come last: they are saved after the history is written.
    checkpoints = make_checkpoints(run_dir, has_val=has_val)
    observers = [EpochProgress(console), guard, history, *facts, *callbacks, *checkpoints]
    all_callbacks = [*recipe_callbacks(config), *observers]
    # `best` and `last` mean this run as soon as it has a checkpoint, and not before.
    files = AtomicCheckpointIO(partial(remember_run, run_dir, plots_dir=config.plots_dir))
    trainer = make_trainer(config, plan, all_callbacks, tracker, files, has_val=has_val)
    if config.trainer.compile:
        model.network.compile()
    advice = partial(go_on, config, run_dir, command)
    with advising(advice), explaining_no_room(advice):
        fit(trainer, model, fit_data, resume_from)

    report_skipped(model, manifest, contract, console)
    if first:
        title = f"{run_title(run_dir)}: {config.model.network} on {data_title(config.data)}"
        plot_history(history.rows, run_dir / "learning_curves.png", title=title)
    if tracker:
        log_run_files(tracker, run_dir, run_dir / "learning_curves.png")
    return TrainResult(
        run_dir=run_dir,
        best_checkpoint=checkpoint_dir(run_dir) / "best.ckpt",
        best_val_top1=max((row.get("val_top1", 0.0) for row in history.rows), default=0.0),
        epochs=len(history.rows),
        skipped=len(manifest.unusable(min_frames=contract.min_frames)) + len(model.skipped),
    )


def check_limits(config: Config, manifest: Manifest, contract: ClipContract) -> None:
    """Refuse a share of the batches that is less than one of them.

    Raises:
        ConfigError: with the smallest share that is one.
    """
    limits = {"train": config.trainer.limit_train_batches, "val": config.trainer.limit_val_batches}
    for split, limit in limits.items():
        batches = math.ceil(len(manifest.split(split, min_frames=contract.min_frames)) / config.data.batch_size)
        if isinstance(limit, float) and batches and int(batches * limit) < 1:
            line = f"trainer.limit_{split}_batches={limit}: none of {batches} batches"
            raise ConfigError(f"{line}; expected at least {1 / batches:.2g}, a number of batches, or null for all")


def find_weights(config: Config) -> None:
    """Download and read the pretrained weights that a training will start from, and try them on its network.

    Raises:
        ConfigError: if there are none, they cannot be had, or do not fit.
        ContractError: if the file holds something else than weights.
    """
    if config.trainer.resume or not config.model.weights:
        return
    clip = config.clip
    shape = input_shape((clip.channels, clip.frames, clip.size, clip.size), config.model.input)
    # The classes are not known before the data is read; a head of another size is left out anyway.
    network = build_network(config.model.network, clip_shape=shape, num_classes=2, **config.model.args)
    load_pretrained(network, config.model.weights, network_name=config.model.network)


def set_weights(model: VideoActionModel, config: Config, resume_from: Path | None, console: Console) -> None:
    """What training starts from: the checkpoint it goes on with, pretrained weights, or what was drawn at random."""
    if resume_from:
        # Lightning would load them only at the fit, after features of a frozen backbone were made.
        model.load_state_dict(VideoActionModel.from_checkpoint(resume_from).state_dict())
    elif config.model.weights:
        report = load_pretrained(model.network, config.model.weights, network_name=config.model.network)
        console.print(report.line(), highlight=False, markup=False, soft_wrap=True)


def recipe_callbacks(config: Config) -> list[Callback]:
    """What the recipe does beside the optimisation: freezing, averaging of weights."""
    settings, made = config.trainer, list[Callback]()
    if settings.freeze == "backbone":
        made.append(FreezeBackbone(settings.unfreeze_every))
    if settings.ema_decay is not None:
        made.append(weight_average(settings.ema_decay))
    return made


def report_skipped(model: VideoActionModel, manifest: Manifest, contract: ClipContract, console: Console) -> None:
    """The number of clips that training did without, and those that failed only while it ran."""
    for line in sorted(model.skipped):
        console.print(f"skipped: {line}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    total = len(manifest.unusable(min_frames=contract.min_frames)) + len(model.skipped)
    if total:
        console.print(f"{total} unreadable clips were skipped; see: python commands.py check-data", style="yellow")


def write_run_files(run_dir: Path, config: Config, manifest: Manifest) -> None:
    for folder in run_dir.parent.glob("*/checkpoints"):
        remove_abandoned(folder)  # also of runs that were killed and are not gone on with
    replace_file(run_dir / "config.yaml", to_yaml(config).encode())
    manifest.write(run_dir / "manifest.csv")


def choose_step_plan(config: Config, contract: ClipContract, console: Console) -> StepPlan:
    """The step plan for this machine, said aloud when it is not the plain one."""

    def build(memory_format: str) -> VideoActionModel:
        return VideoActionModel(contract.to_dict(), config.model, memory_format=memory_format)

    label = f"{config.model.network}({sorted(config.model.args.items())}, {config.model.input})"
    plan = choose_step(build, config.trainer, clip_shape=contract.clip_shape, label=label, console=console)
    if plan.speedup > 1:
        console.print(
            f"training step: {plan.precision}, {plan.memory_format}, {plan.speedup:.1f}x faster here than the default",
            highlight=False,
        )
    return plan


def make_model(config: Config, contract: ClipContract, manifest: Manifest) -> VideoActionModel:
    provenance = {
        "overrides": redacted_values(list(config.overrides)),
        "train_groups": group_digests(manifest.split("train") + manifest.split("val")),
    }
    return VideoActionModel(
        contract.to_dict(),
        config.model,
        config.optimizer,
        config.augment,
        seed=config.trainer.seed,
        provenance=provenance,
    )


def make_checkpoints(run_dir: Path, *, has_val: bool) -> tuple[ModelCheckpoint, ModelCheckpoint]:
    """`best.ckpt` by validation top-1 (by training loss where there is no validation), and `last.ckpt`."""
    directory = checkpoint_dir(run_dir).absolute()
    best = ModelCheckpoint(
        dirpath=directory,
        filename="best",
        monitor="val_top1" if has_val else "train_loss",
        mode="max" if has_val else "min",
        enable_version_counter=False,
    )
    # Not `save_last`: that one is written only when the best one is.
    last = ModelCheckpoint(
        dirpath=directory, filename="last", enable_version_counter=False, save_on_train_epoch_end=True
    )
    return best, last


def make_trainer(
    config: Config,
    plan: StepPlan,
    callbacks: list[Callback],
    tracker: "Tracker | None",
    files: AtomicCheckpointIO,
    *,
    has_val: bool,
) -> L.Trainer:
    settings = config.trainer
    if has_val:
        callbacks = [EarlyStopping("val_top1", mode="max", patience=settings.patience), *callbacks]
    return L.Trainer(
        max_epochs=settings.max_epochs,
        **process_settings(settings),
        precision=plan.precision,
        accumulate_grad_batches=settings.accumulate,
        gradient_clip_val=settings.gradient_clip,
        limit_train_batches=settings.limit_train_batches,
        limit_val_batches=settings.limit_val_batches if has_val else 0,
        num_sanity_val_steps=0,
        callbacks=callbacks,
        logger=tracker.lightning_logger() if tracker else False,
        log_every_n_steps=1,
        plugins=[files],
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        deterministic="warn" if settings.accelerator != "cpu" else None,
        benchmark=None,
    )


def log_run_files(tracker: "Tracker", run_dir: Path, *plots: Path) -> None:
    for path in (run_dir / "manifest.csv", run_dir / "history.csv"):
        tracker.log_artifact(path)
    for path in sorted(checkpoint_dir(run_dir).glob("*.ckpt")):
        tracker.log_artifact(path, "checkpoints")
    for path in plots:
        tracker.log_artifact(path, "plots")


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
        r".*LeafSpec.*",
        r".*isinstance\(treespec.*",
        r".*ModelCheckpoint.*will be merged.*",
        r".*lr_scheduler.step.*before.*optimizer.step.*",
        r".*resuming from a checkpoint.*",
        r".*in eval mode at the start of training.*",
    ):
        warnings.filterwarnings("ignore", message=message)

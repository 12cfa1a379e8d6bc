"""Data, model and step plan of a training, made before it writes anything to disk."""

import math
from dataclasses import dataclass
from pathlib import Path

import lightning as L
from rich.console import Console

from action_recognition.config import Config
from action_recognition.contract import ClipContract
from action_recognition.data.datamodule import ClipDataModule, make_contract
from action_recognition.data.load import load_manifest, report_unusable
from action_recognition.datasets.records import Manifest, group_digests
from action_recognition.errors import ConfigError
from action_recognition.models.checkpoint_config import config_to_store
from action_recognition.models.module import VideoActionModel
from action_recognition.models.networks import build_network
from action_recognition.models.pretrained import load_pretrained
from action_recognition.readers.open import report_reader
from action_recognition.tracking.run_folders import checkpoint_to_resume
from action_recognition.training.feature_cache import make_feature_data
from action_recognition.training.step import choose_step
from action_recognition.training.step_plan import StepPlan, inherited_step_plan, share_step_plan
from action_recognition.transforms.motion_inputs import input_shape
from action_recognition.utils.redaction import redacted_values


@dataclass(frozen=True, kw_only=True)
class Training:
    """A training that is ready to start.

    Attributes:
        resume_from: the checkpoint that it goes on from; None for a new run.
        clips: the data as clips.
        fit_data: the model's input: the clips, or features of a frozen backbone.
        has_val: whether any clip is for validation.
    """

    manifest: Manifest
    contract: ClipContract
    resume_from: Path | None
    model: VideoActionModel
    plan: StepPlan
    clips: ClipDataModule
    fit_data: L.LightningDataModule
    has_val: bool


def prepare(config: Config, console: Console) -> Training:
    """Read the data set, make the model with its first weights, choose how a step computes, open the clip reader.

    Raises:
        DataError: on data that cannot be trained on.
        ConfigError: on settings that contradict each other or the data.
    """
    manifest = load_manifest(config, console)
    contract = make_contract(config, manifest)
    check_limits(config, manifest, contract)
    report_unusable(manifest, contract, console)
    resume_from = checkpoint_to_resume(config)
    if resume_from and config.trainer.resume == "last" and resume_from.stem != "last":
        line = f"that run was killed early and has no last.ckpt, so training goes on from {resume_from}"
        console.print(line, markup=False)
    # Weights before anything slow, so that errors in them are reported at once.
    model = make_model(config, contract, manifest)
    set_weights(model, config, resume_from, console)
    plan = inherited_step_plan() or choose_step_plan(config, contract, console)
    share_step_plan(plan)
    model.use_memory_format(plan.memory_format)
    clips = ClipDataModule(config, manifest, contract, seed=config.trainer.seed)
    report_reader(clips.reader, manifest.split("train") + manifest.split("val"), console)
    fit_data: L.LightningDataModule = clips
    has_val = bool(manifest.split("val", min_frames=contract.min_frames))
    if config.trainer.feature_views:
        fit_data = make_feature_data(model, clips, config, plan, has_val=has_val, console=console)
    return Training(
        manifest=manifest,
        contract=contract,
        resume_from=resume_from,
        model=model,
        plan=plan,
        clips=clips,
        fit_data=fit_data,
        has_val=has_val,
    )


def check_limits(config: Config, manifest: Manifest, contract: ClipContract) -> None:
    """Refuse a share of the batches that is less than one batch.

    Raises:
        ConfigError: with the smallest share that is allowed.
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
        ConfigError, ContractError: as `load_pretrained`.
    """
    if config.trainer.resume or not config.model.weights:
        return
    clip = config.clip
    shape = input_shape((clip.channels, clip.frames, clip.size, clip.size), config.model.input)
    # The classes are not known before the data is read; a head of another size is left out anyway.
    network = build_network(config.model.network, clip_shape=shape, num_classes=2, **config.model.args)
    load_pretrained(network, config.model.weights, network_name=config.model.network)


def make_model(config: Config, contract: ClipContract, manifest: Manifest) -> VideoActionModel:
    """The model with random weights; it remembers the overrides and which source videos it is trained on."""
    provenance = {
        "config": config_to_store(config),
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


def set_weights(model: VideoActionModel, config: Config, resume_from: Path | None, console: Console) -> None:
    """Load the checkpoint that training goes on from, or pretrained weights; otherwise weights stay random."""
    if resume_from:
        # Lightning would load them only at the fit, after features of a frozen backbone were made.
        model.load_state_dict(VideoActionModel.from_checkpoint(resume_from).state_dict())
    elif config.model.weights:
        report = load_pretrained(model.network, config.model.weights, network_name=config.model.network)
        console.print(report.line(), highlight=False, markup=False, soft_wrap=True)


def choose_step_plan(config: Config, contract: ClipContract, console: Console) -> StepPlan:
    """The step plan for this machine, printed where it is faster than the default."""

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

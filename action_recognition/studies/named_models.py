"""The models that `compare-models` is given by name: their files, their configuration, what they say of a split."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from action_recognition.config import Config
from action_recognition.contract import ClipContract
from action_recognition.data.datamodule import ClipDataModule
from action_recognition.data.load import load_manifest
from action_recognition.data.preconditions import check_batches_fit
from action_recognition.datasets import check_dataset
from action_recognition.datasets.records import ClipRecord
from action_recognition.errors import ConfigError, DataError
from action_recognition.evaluation.evaluate import check_leakage
from action_recognition.evaluation.leakage import leaking_clips
from action_recognition.evaluation.logits import Classifier
from action_recognition.evaluation.predictions import predict_split
from action_recognition.evaluation.stored import evaluation_key, file_digest, stored_probabilities
from action_recognition.inference.backends import backend_of, load_backend
from action_recognition.inference.load import model_file
from action_recognition.models.checkpoint_config import as_trained, trained_config
from action_recognition.models.module import VideoActionModel
from action_recognition.tracking.run_folders import (
    checkpoint_dir,
    evaluation_dir,
    resolve_checkpoint,
    run_dir_of,
    run_title,
)
from action_recognition.utils.devices import training_device
from action_recognition.video.pixel_limit import set_max_pixels

EXPECTED = (
    "expected best, last, a checkpoint, an ONNX file, an engine, a run's folder or name, models:/NAME@ALIAS or "
    "hf://OWNER/REPO"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class NamedModel:
    """A loaded model.

    Attributes:
        name: for people: run and checkpoint, or what was given.
        digest: SHA-256 of the file.
        file: a file on this disk that stays; None for one that was downloaded.
        config: what it was trained with, under the overrides given now; None for a file that does not say, such as
            an ONNX file.
    """

    name: str
    digest: str
    file: Path | None
    model: Classifier
    contract: ClipContract
    config: Config | None


def load_named(name: str, config: Config) -> NamedModel:
    """Load `best`, `last`, a model file, the best checkpoint of a run's folder or name, or a model of a registry.

    Raises:
        ConfigError: if there is no such model.
        ContractError: if the file is damaged or of another kind.
        UserError: if it cannot be downloaded.
    """
    given = _of_run(name, config.plots_dir) or name
    if Path(given).suffix == ".ckpt" or given in ("best", "last"):
        given = str(resolve_checkpoint(given, plots_dir=config.plots_dir))
    with model_file(given, plots_dir=config.plots_dir) as path:
        is_here = str(path) == given
        shown = _shown(path) if is_here else name
        about: dict[str, Any] = {"name": shown, "digest": file_digest(path), "file": path if is_here else None}
        if backend_of(path) == "torch":
            model = VideoActionModel.from_checkpoint(path, device=training_device(config.trainer.accelerator))
            trained = _config_of(model, config, origin=shown)
            return NamedModel(**about, model=model, contract=model.contract, config=trained)
        runner = _Runner(path)
        return NamedModel(**about, model=runner, contract=runner.contract, config=None)


def _of_run(name: str, plots_dir: str) -> str | None:
    """The best checkpoint of a run that is named by its folder, or by the name that it has in `plots_dir`.

    The folder of an evaluation, such as `test_last`, names the checkpoint that was evaluated.
    """
    for folder in (Path(name), Path(plots_dir, "runs", name)):
        if name and folder.is_dir():
            judged = checkpoint_dir(folder.parent) / f"{folder.name.partition('_')[2]}.ckpt"
            if judged.is_file():
                return str(judged)
            best = checkpoint_dir(folder) / "best.ckpt"
            if best.is_file():
                return str(best)
            others = ", ".join(map(str, sorted(checkpoint_dir(folder).glob("[!.]*.ckpt"))))
            advice = f"there is {others}" if others else EXPECTED
            raise ConfigError(f"{name}: a folder without checkpoints/best.ckpt; {advice}")
    return None


def _shown(path: Path) -> str:
    if path.parent.name == "checkpoints":
        return f"{run_title(run_dir_of(path.absolute()))}/{path.stem}"
    return path.name


def _config_of(model: VideoActionModel, config: Config, *, origin: str) -> Config:
    try:
        found = as_trained(trained_config(model.hparams["provenance"]), config)
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from None
    check_dataset(found)
    return found


class _Runner:
    """A model that is no checkpoint, called as one."""

    device = torch.device("cpu")

    def __init__(self, path: Path) -> None:
        self._backend = load_backend(path, kind=backend_of(path), device="auto")
        self.contract = self._backend.contract

    def __call__(self, clip_BCTHW: Tensor) -> Tensor:
        return torch.from_numpy(self._backend(clip_BCTHW.numpy()))


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A model and the clips of a split that it is to judge.

    Attributes:
        leaking: how many of these clips come from source videos that the model was trained on; None if its file does
            not say what it was trained on.
    """

    named: NamedModel
    config: Config
    data: ClipDataModule
    records: Sequence[ClipRecord]
    leaking: int | None

    @property
    def videos_dir(self) -> Path:
        return Path(self.data.manifest.videos_dir)

    def judge(self, console: Console) -> tuple[list[ClipRecord], NDArray[np.float32], tuple[str, ...]]:
        """The clips that could be read, their probabilities `[N, K]`, and a line for each of the others.

        Those of an evaluation by `infer` are taken if it was of this model, these clips and these views.
        """
        if stored := self._stored():
            console.print("taken from its evaluation, which is of these clips", highlight=False)
            return stored
        set_max_pixels(self.config.data.max_pixels)
        found = predict_split(self.named.model, self.data, self.config.evaluation.split, console)
        return [self.records[place] for place in found.place_N.tolist()], found.probability_NK, found.errors

    def _stored(self) -> tuple[list[ClipRecord], NDArray[np.float32], tuple[str, ...]] | None:
        file, split = self.named.file, self.config.evaluation.split
        if file is None:
            return None
        key = evaluation_key(self.named.digest, self.config, self.data.manifest.data_hash)
        stored = stored_probabilities(evaluation_dir(file, split, plots_dir=self.config.plots_dir), key)
        if stored is None:
            return None
        paths, class_names, probability_NK = stored
        record_of = {record.path: record for record in self.records}
        if tuple(class_names) != self.named.contract.class_names or set(paths) != record_of.keys():
            return None
        return [record_of[path] for path in paths], probability_NK, ()


def prepare(named: NamedModel, config: Config, console: Console) -> Prepared:
    """Find the clips of `evaluation.split`.

    Args:
        config: that of the model, or for one that has none, that of the model it is compared with.

    Raises:
        ConfigError: if a batch does not fit into memory.
        DataError: if there are no clips, their classes are not the model's, or it was trained on their source videos.
    """
    views = config.data.test_clips * config.data.test_crops
    check_batches_fit(config, views=views)
    set_max_pixels(config.data.max_pixels)
    data = ClipDataModule(config, load_manifest(config, console), named.contract, seed=0)
    records = data.records(config.evaluation.split)
    leaking = None
    if isinstance(named.model, VideoActionModel) and named.model.hparams["provenance"].get("train_groups"):
        try:
            check_leakage(records, named.model, config)
        except DataError as error:
            raise DataError(f"{named.name}: {error}") from None
        leaking = len(leaking_clips(records, named.model))
    return Prepared(named=named, config=config, data=data, records=records, leaking=leaking)

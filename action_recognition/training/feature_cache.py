"""Features of a frozen backbone, computed once, on which the head alone trains for many epochs.

With `trainer.feature_views` augmented views of each clip this turns hours of training on a CPU into minutes.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from rich.console import Console
from torch import Tensor

from action_recognition.config import Config
from action_recognition.data.datamodule import ClipDataModule
from action_recognition.data.dataset import ClipBatch
from action_recognition.data.features import FeatureDataModule, FeatureSet, Floats
from action_recognition.errors import DataError, NumericsError
from action_recognition.models.module import VideoActionModel
from action_recognition.training.step_plan import StepPlan, autocast
from action_recognition.utils.checksums import is_sealed, seal_file
from action_recognition.utils.devices import training_device
from action_recognition.utils.files import replacing
from action_recognition.utils.progress import progress_bar

PRIME = 100_003  # more than the batches of a pass, so that no two share a seed
# Clips per forward pass. Few on a CPU, so that their maps stay in its caches.
CPU_CLIPS, GPU_CLIPS = 2, 32
CACHE_DIR = Path(".cache/features")


def make_feature_data(
    model: VideoActionModel,
    datamodule: ClipDataModule,
    config: Config,
    plan: StepPlan,
    *,
    has_val: bool,
    console: Console,
) -> FeatureDataModule:
    """Loaders of features instead of clips: `trainer.feature_views` augmented views of each training clip, and each
    validation clip once, not augmented.

    Features of the same clips under the same weights are read from `.cache/features/`.

    Raises:
        DataError: if a clip cannot be read.
    """
    views = config.trainer.feature_views
    sets: dict[str, FeatureSet] = {}
    for split, passes in {"train": views, "val": 1}.items() if has_val else [("train", views)]:
        key = cache_key(model, datamodule, split=split, passes=passes)
        path = CACHE_DIR / f"{config.model.network}-{split}-{key}.npy"
        if path.exists() and not is_sealed(path):
            line = f"{path}: damaged, or from before such files had a checksum; computed anew"
            console.print(line, style="yellow", highlight=False, markup=False, soft_wrap=True)
            path.unlink()
        if not path.exists():
            device = training_device(config.trainer.accelerator)
            _compute(model.to(device), datamodule, plan, split=split, passes=passes, path=path, console=console)
        feature_VN: Floats = np.load(path, mmap_mode="r")
        sets[split] = FeatureSet(feature_VN, datamodule.labels(split))
        size = feature_VN.nbytes / 1e6
        line = f"features of {feature_VN.shape[1]} {split} clips, {passes} views each, {size:.0f} MB: {path}"
        console.print(line, highlight=False, soft_wrap=True)
    return FeatureDataModule(
        sets["train"],
        sets.get("val"),
        batch_size=config.data.batch_size,
        balanced=config.data.sampling == "class_balanced",
        seed=config.trainer.seed,
    )


def cache_key(model: VideoActionModel, datamodule: ClipDataModule, *, split: str, passes: int) -> str:
    """16 hex digits of all that determines the features: weights, clips, contract and augmentation."""
    digest = hashlib.sha256()
    for part in model.network.stages():
        for name, tensor in part.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    augment = model.hparams["augment"] if split == "train" else None
    facts = {
        "model": {name: model.hparams["model"][name] for name in ("network", "args", "input")},
        "contract": model.contract.to_dict(),
        "clips": [(record.path, record.md5) for record in datamodule.records(split)],
        "augment": augment and {name: value for name, value in augment.items() if name[:3] not in ("mix", "cut")},
        "seed": model.hparams["seed"],
        "passes": passes,
    }
    digest.update(json.dumps(facts, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def _compute(
    model: VideoActionModel,
    datamodule: ClipDataModule,
    plan: StepPlan,
    *,
    split: str,
    passes: int,
    path: Path,
    console: Console,
) -> None:
    """Write float16 `[passes, clips, ...]`."""
    model.eval()
    clips = len(datamodule.records(split))
    path.parent.mkdir(parents=True, exist_ok=True)
    done = 0
    with replacing(path) as partial, progress_bar(f"features of {split} clips", console=console) as progress:
        stored: np.memmap | None = None
        for number in range(passes):
            for step, batch in enumerate(datamodule.single_pass_loader(split, number)):
                if batch.errors:
                    raise DataError(f"{batch.errors[0]}; find such clips: python commands.py check-data")
                seed = PRIME * number + step
                with torch.inference_mode():
                    parts = list(_features_of(model, batch, plan, augmented=split == "train", seed=seed))
                feature_BD, index_B = torch.cat(parts), batch.index_B
                if stored is None:
                    shape = (passes, clips, *feature_BD.shape[1:])
                    stored = open_memmap(partial, mode="w+", dtype=np.float16, shape=shape)
                stored[number, index_B.numpy()] = as_stored(feature_BD)
                done += len(index_B)
                progress(done, passes * clips)
        assert stored is not None
        stored.flush()
        seal_file(partial)
    model.train()


def as_stored(feature_BD: Tensor) -> Floats:
    """Features as float16.

    Raises:
        NumericsError: if they are not finite, or too large for float16.
    """
    half_BD: Floats = feature_BD.half().cpu().numpy()
    if not np.isfinite(half_BD).all():
        raise NumericsError(
            "features of the frozen backbone are infinite, NaN, or over 65504 in size; give trainer.precision=32-true "
            "or other model.weights, or train without kept features: trainer.feature_views=0"
        )
    return half_BD


def _features_of(
    model: VideoActionModel, batch: ClipBatch, plan: StepPlan, *, augmented: bool, seed: int
) -> Iterable[Tensor]:
    """Features of a batch, a few clips at a time, because an augmented clip takes many times its bytes as uint8.

    Clips are augmented as in the whole batch.
    """
    total = len(batch.index_B)
    at_once = CPU_CLIPS if model.device.type == "cpu" else GPU_CLIPS
    for first in range(0, total, at_once):
        few = slice(first, first + at_once)
        part = batch._replace(clip_BCTHW=batch.clip_BCTHW[few].to(model.device), label_B=batch.label_B[few])
        clip_BCTHW = part.clip_BCTHW
        if augmented:
            clip_BCTHW = model.augment_clips(part, seed=seed, first=first, of=total)
        with autocast(plan, model.device):
            yield model.features(clip_BCTHW)

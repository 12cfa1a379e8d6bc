"""Record what layers put out at the end of each epoch, and warn of layers that are dead, explode or vanish."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from torch import Tensor, nn

from action_recognition.config import Config
from action_recognition.errors import ConfigError, DataError, NumericsError
from action_recognition.models.activation_stats import ActivationStats, bin_edges
from action_recognition.models.layers import LIST_COMMAND, as_in_inference, captured, choose_layers, list_layers
from action_recognition.models.map_layouts import HEAD
from action_recognition.models.module import VideoActionModel
from action_recognition.reports.activation_plot import plot_activations
from action_recognition.training.activation_record import FILE, ActivationRecord
from action_recognition.training.preparation import Training

KEY = "trainer.activation_histograms"
# Enough for eight values of a unit that puts out one a clip, and quick on a CPU.
CLIPS = 8
MOST_LINES = 5
# Values of a layer and a clip that are counted: of more, evenly spread places of all units.
MOST_VALUES = 1 << 17


def activation_recorders(config: Config, training: Training, console: Console) -> list["ActivationRecorder"]:
    """The callback that `trainer.activation_histograms` asks for, or none.

    Raises:
        ConfigError: if it names no layer that runs in this training.
        DataError: if none of the clips that it looks at can be read.
    """
    asked = config.trainer.activation_histograms
    if not asked:
        return []
    head_only = training.fit_data is not training.clips
    names = recorded_layers(training.model, [] if asked is True else asked, head_only=head_only)
    batch = training.clips.spread_clips("val" if training.has_val else "train", CLIPS)
    if not len(batch.label_B):
        raise DataError(f"{batch.errors[0]}; {KEY} can read none of its clips: python commands.py check-data")
    return [ActivationRecorder(names, batch.clip_BCTHW, console, head_only=head_only)]


def recorded_layers(model: VideoActionModel, patterns: Sequence[str], *, head_only: bool) -> tuple[str, ...]:
    """Layers that patterns choose; without any, those that contain no others and have weights or are activations.

    Args:
        head_only: leave out the backbone, which does not run in a training on kept features.
    """
    layers, modules = list_layers(model), dict(model.network.named_modules())
    chosen = choose_layers(layers, patterns, key=KEY) if patterns else layers
    names = [layer.name for layer in chosen if not head_only or layer.name.partition(".")[0] == HEAD]
    if not patterns:
        names = [name for name in names if _is_basic(modules[name.partition("#")[0]])]
    if not names:
        given = f"{KEY}=[{','.join(patterns)}]" if patterns else KEY
        why = "trainer.feature_views trains on kept features, so that only the head runs" if head_only else "no layer"
        raise ConfigError(f"{given}: {why}; choose layers of {LIST_COMMAND}")
    return tuple(names)


def _is_basic(module: nn.Module) -> bool:
    is_activation = type(module).__module__ == "torch.nn.modules.activation"
    return not list(module.children()) and (is_activation or any(True for _ in module.parameters()))


class ActivationRecorder(Callback):
    """At the end of each epoch, run fixed clips and keep what layers put out in `activations.npz`.

    The clips run as in inference, in the number format of training, under the weights of the epoch's last step.
    Nothing that training draws or computes changes by it. A resumed run goes on with the file. Each layer is warned of
    once for each kind of trouble. The picture is drawn at the end, also where numbers that are not finite end it.

    Args:
        layers: names as in `models.layers`.
        clip_BCTHW: uint8.
        head_only: only the head runs, on features of the clips that are computed once.
    """

    def __init__(
        self, layers: tuple[str, ...], clip_BCTHW: Tensor, console: Console, *, head_only: bool = False
    ) -> None:
        self.record = ActivationRecord(layers)
        self.clip_BCTHW, self.console, self.head_only = clip_BCTHW, console, head_only
        self.path, self.title = Path(FILE), ""
        self.warnings: dict[str, str] = {}
        self._warned: set[tuple[str, str]] = set()
        self._features: list[Tensor] = []

    def keep_in(self, run_dir: Path, *, title: str) -> None:
        """Write into this folder; `title` is that of the picture."""
        self.path, self.title = run_dir / FILE, title

    def on_train_start(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.current_epoch and self.path.exists():
            if known := ActivationRecord.load(self.path, self.record.layers):
                self.record = known
            else:
                self._say(f"{self.path}: not of these layers, or damaged; it begins anew")

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: VideoActionModel) -> None:
        if not trainer.is_global_zero:
            return
        with trainer.precision_plugin.val_step_context():
            stats = self.measure(pl_module)
        self.record.add(trainer.current_epoch, stats)
        self.record.save(self.path)
        found = self.record.changes() | {
            name: "; ".join(words) for name, one in stats.items() if (words := one.warnings())
        }
        self.warnings = {name: found[name] for name in self.record.layers if name in found}
        self._warn(trainer.current_epoch)

    def on_exception(self, trainer: L.Trainer, _: L.LightningModule, exception: BaseException) -> None:
        if isinstance(exception, NumericsError):
            self.on_train_end(trainer)  # the epochs before: the last step has spoilt all weights

    def on_train_end(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.is_global_zero and self.record.epochs:
            plot_activations(
                self.record.layers,
                self.record.epochs,
                np.stack(self.record.counts),
                bin_edges(),
                self.path.with_suffix(".png"),
                title=self.title,
                warnings=self.warnings,
            )

    def measure(self, model: VideoActionModel) -> dict[str, ActivationStats]:
        """Run the clips, one after another, because all maps of one clip take up to hundreds of megabytes."""
        stats = {name: ActivationStats() for name in self.record.layers}
        with torch.no_grad(), as_in_inference(model):
            clips = [clip_1CTHW.to(model.device) for clip_1CTHW in self.clip_BCTHW.split(1)]
            if self.head_only and not self._features:
                self._features = [model.features(clip) for clip in clips]
            with captured(model.network, list(stats)) as found:
                for number, clip in enumerate(clips):
                    with _given_features(model.network, self._features[number]) if self.head_only else nullcontext():
                        model(clip)
                    for name, output in found.outputs.items():
                        maps = found.layouts[name].maps(output)
                        # What is no map, such as windows of attention, has its units last.
                        stats[name].add(thinned(output.movedim(-1, 1) if maps is None else maps))
        return stats

    def _warn(self, epoch: int) -> None:
        new = []
        for name, words in self.warnings.items():
            if (kind := (name, words.partition(":")[0])) not in self._warned:
                self._warned.add(kind)
                new.append(f"epoch {epoch + 1}: layer {name} {words}")
        for line in new[:MOST_LINES]:
            self._say(line)
        if len(new) > MOST_LINES:
            self._say(f"epoch {epoch + 1}: as many as {len(new)} layers in all; see {self.path.with_suffix('.png')}")

    def _say(self, line: str) -> None:
        self.console.print(line, style="yellow", highlight=False, markup=False, soft_wrap=True)


def thinned(maps_BCTHW: Tensor) -> Tensor:
    """Up to about `MOST_VALUES` of the values, `[B, C, places]`: the same evenly spread places of each unit."""
    flat_BCN = maps_BCTHW.flatten(2) if maps_BCTHW.ndim > 2 else maps_BCTHW[..., None]
    places = flat_BCN.shape[2]
    step = -(-flat_BCN.numel() // MOST_VALUES)
    while math.gcd(step, places) > 1 and step < places:  # otherwise these might all lie in a few columns
        step += 1
    return flat_BCN[..., ::step]


@contextmanager
def _given_features(network: nn.Module, feature_BD: Tensor) -> Iterator[None]:
    """The network's `forward` computes its head alone, from these features."""
    network.features = lambda _: feature_BD  # type: ignore[assignment]
    try:
        yield
    finally:
        del network.features

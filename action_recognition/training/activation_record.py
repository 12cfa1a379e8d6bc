"""What layers put out in each epoch of a training: histograms and figures, kept in one file of the run's folder."""

import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from action_recognition.models.activation_stats import BINS, ActivationStats, bin_edges
from action_recognition.utils.files import replacing

FILE = "activations.npz"
# Attributes of `ActivationStats`, each an array of the file.
FIGURES = ("mean", "std", "rms", "low", "high", "share_of_zeros", "share_of_silent_units", "not_finite")
# A layer explodes or vanishes if the root mean square of its output has changed by this factor since the first epoch.
# A healthy layer stays within a factor of ten even in a long training, and normalised ones far below it.
CHANGE = 100.0
# Below this root mean square a layer vanishes: gradients behind it are out of reach for half types.
VANISHING_RMS = 1e-4


@dataclass
class ActivationRecord:
    """Layers by epochs.

    Attributes:
        layers: names as in `models.layers`.
        epochs: counted from 0, those that were recorded.
        counts: for each epoch int64 `[L, BINS]`, values in the bins of `bin_edges()`.
        figures: for each epoch float64 `[L, len(FIGURES)]`.
    """

    layers: tuple[str, ...]
    epochs: list[int] = field(default_factory=list)
    counts: list[NDArray[np.int64]] = field(default_factory=list)
    figures: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, epoch: int, stats: dict[str, ActivationStats]) -> None:
        """Append an epoch; one that is already there, and those behind it, are of a run that was resumed before it."""
        kept = sum(known < epoch for known in self.epochs)
        for values in (self.epochs, self.counts, self.figures):
            del values[kept:]
        chosen = [stats[name] for name in self.layers]
        self.epochs.append(epoch)
        self.counts.append(np.stack([one.counts for one in chosen]))
        self.figures.append(np.array([[float(getattr(one, name)) for name in FIGURES] for one in chosen]))

    def figure(self, name: str) -> NDArray[np.float64]:
        """`[epochs, L]` of one of `FIGURES`."""
        return np.array([values_LF[:, FIGURES.index(name)] for values_LF in self.figures])

    def changes(self) -> dict[str, str]:
        """Layers whose output grew or shrank by orders of magnitude up to the last epoch, and words on it."""
        found, rms_EL = {}, self.figure("rms")
        for name, first, last in zip(self.layers, rms_EL[0], rms_EL[-1], strict=True):
            since = f"root mean square {last:.3g}, {first:.3g} in epoch {self.epochs[0] + 1}"
            if last > CHANGE * first > 0:
                found[name] = f"explodes: {since}"
            elif first > CHANGE * last > 0:
                found[name] = f"vanishes: {since}"
            elif 0 < last < VANISHING_RMS:
                found[name] = f"vanishes: root mean square {last:.3g}"
        return found

    def save(self, path: Path) -> None:
        """Write the file in one step; NumPy reads it, see `docs/training.md`."""
        arrays = {name: self.figure(name) for name in FIGURES}
        with replacing(path) as partial:
            np.savez_compressed(
                partial,
                layers=np.array(self.layers),
                epochs=np.array(self.epochs, np.int64),
                bin_edges=bin_edges(),
                counts=np.stack(self.counts),
                **arrays,  # type: ignore[arg-type]
            )

    @classmethod
    def load(cls, path: Path, layers: tuple[str, ...]) -> "ActivationRecord | None":
        """What an earlier part of the run wrote; None if that is of other layers or bins, or no such file."""
        try:
            with np.load(path, allow_pickle=False) as file:
                epochs, counts = file["epochs"], file["counts"]
                figures = np.stack([file[name] for name in FIGURES], axis=-1)
                same = tuple(map(str, file["layers"])) == layers and np.array_equal(file["bin_edges"], bin_edges())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        shape = (len(epochs), len(layers))
        fits = counts.shape == (*shape, BINS) and figures.shape == (*shape, len(FIGURES))
        numbers = epochs.dtype == counts.dtype == np.int64 and figures.dtype == np.float64
        if not (same and fits and numbers and epochs.ndim == 1 and (np.diff(epochs) > 0).all()):
            return None
        return cls(layers, [int(epoch) for epoch in epochs], list(counts), list(figures))

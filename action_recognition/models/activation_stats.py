"""What a layer puts out, counted over any number of clips: histogram, spread, silent units; and what is wrong there."""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Bins are even in asinh(value / SMALL): about linear below SMALL, each a sixth wider than the last above it. The same
# for every layer and epoch, so that histograms can be added and laid side by side.
BINS, SMALL, LARGEST = 241, 0.01, 1e5
_SPAN = math.asinh(LARGEST / SMALL)
# A layer is dead if more than this share of its units was never anything but zero.
DEAD_SHARE = 0.5
# It explodes beyond this root mean square: normalised layers are at about 1, and half types end at 65,504.
EXPLODING_RMS = 1000.0
# Of one unit; fewer say nothing about whether it is silent.
FEWEST_VALUES = 8


def bin_edges() -> NDArray[np.float64]:
    """`[BINS + 1]`; values beyond the outermost are counted in the outermost bins."""
    return SMALL * np.sinh(np.linspace(-_SPAN, _SPAN, BINS + 1))


@dataclass
class ActivationStats:
    """Statistics of one layer; add the maps of as many clips as there are.

    Attributes:
        counts: int64 `[BINS]`, finite values by `bin_edges()`.
        zeros: values that are exactly 0.
        not_finite: infinite values and NaN.
        largest_C: of each unit (channel) the largest magnitude.
    """

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))
    zeros: int = 0
    not_finite: int = 0
    low: float = math.inf
    high: float = -math.inf
    total: float = 0.0
    total_of_squares: float = 0.0
    largest_C: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    values_of_unit: int = 0

    def add(self, maps_BCTHW: Tensor) -> None:
        """Count maps of any floating type, on any device; `[B, C, ...]` will do."""
        values = maps_BCTHW.detach().float()
        is_finite = values.isfinite()
        finite_N = values[is_finite]
        places_N = (torch.asinh(finite_N / SMALL) + _SPAN) * (BINS / (2 * _SPAN))
        counts = torch.bincount(places_N.long().clamp_(0, BINS - 1), minlength=BINS)
        largest_C = values.abs().nan_to_num(nan=math.inf).transpose(0, 1).flatten(1).amax(dim=1)
        self.counts += counts.cpu().numpy()
        self.zeros += int((finite_N == 0).sum())
        self.not_finite += values.numel() - finite_N.numel()
        if finite_N.numel():
            self.low, self.high = min(self.low, float(finite_N.min())), max(self.high, float(finite_N.max()))
            self.total += float(finite_N.double().sum())
            self.total_of_squares += float(finite_N.double().square().sum())
        largest = largest_C.double().cpu().numpy()
        self.largest_C = np.maximum(self.largest_C, largest) if len(self.largest_C) else largest
        self.values_of_unit += values.numel() // max(1, len(largest))

    @property
    def values(self) -> int:
        """How many finite ones were counted."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        return self.total / self.values if self.values else math.nan

    @property
    def rms(self) -> float:
        """The root of the mean square."""
        return math.sqrt(self.total_of_squares / self.values) if self.values else math.nan

    @property
    def std(self) -> float:
        return math.sqrt(max(0.0, self.rms**2 - self.mean**2)) if self.values else math.nan

    @property
    def share_of_zeros(self) -> float:
        return self.zeros / self.values if self.values else math.nan

    @property
    def share_of_silent_units(self) -> float:
        """Units that were never anything but zero; 0 where too few values were seen to say so."""
        if self.values_of_unit < FEWEST_VALUES or not len(self.largest_C):
            return 0.0
        return float((self.largest_C == 0).mean())

    def warnings(self) -> list[str]:
        """What is wrong with the layer, in words that follow its name; empty for a healthy one."""
        found = []
        if self.not_finite:
            found.append(f"explodes: {self.not_finite:,} values are infinite or NaN")
        elif self.rms > EXPLODING_RMS:
            found.append(f"explodes: root mean square {self.rms:,.0f}, above {EXPLODING_RMS:,.0f}")
        if self.share_of_silent_units > DEAD_SHARE:
            found.append(f"is dead: {self.share_of_silent_units:.0%} of its {len(self.largest_C)} units are always 0")
        elif self.values > 1 and self.values_of_unit >= FEWEST_VALUES and self.low == self.high:
            found.append(f"is dead: it puts out {self.low:g} everywhere")
        return found

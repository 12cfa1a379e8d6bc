"""Checks of maps: whether heat lies where it should, and goes when what the network has learnt does."""

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

if TYPE_CHECKING:
    from action_recognition.models.module import VideoActionModel


def share_inside(heat_THW: NDArray[np.floating], inside_THW: NDArray[np.bool_]) -> float:
    """The share of the heat that lies inside; NaN where there is none. By chance it is the share of places inside."""
    total = float(heat_THW.sum())
    return float(heat_THW[inside_THW].sum()) / total if total > 0 else float("nan")


def rank_correlation(heat_THW: NDArray[np.floating], other_THW: NDArray[np.floating]) -> float:
    """Spearman's correlation of two maps over all places; 0 where one of them is constant."""
    if not np.ptp(heat_THW) or not np.ptp(other_THW):
        return 0.0
    return float(spearmanr(heat_THW.ravel(), other_THW.ravel()).statistic)


def part_count(model: "VideoActionModel") -> int:
    """How many parts `randomised` can take: the head and the stages of the backbone."""
    return 1 + len(model.network.stages())


def randomised(model: "VideoActionModel", parts: int, *, seed: int = 0) -> "VideoActionModel":
    """A copy whose last `parts` parts have random weights, as before training: the head, then stages from the end.

    "Cascading randomization" of Adebayo et al. 2018 (arXiv:1810.03292): maps that explain what a network has learnt
    change with it.
    """
    made = copy.deepcopy(model)
    settings: Any = model.hparams["model"] | {"weights": None}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        fresh = type(model)(model.contract.to_dict(), settings).network
    theirs = [*made.network.stages(), made.network.head][::-1]
    for part, random in zip(theirs[:parts], [*fresh.stages(), fresh.head][::-1], strict=False):
        part.load_state_dict(random.state_dict())
    return made.eval()

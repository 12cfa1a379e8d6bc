"""How well actions are found in time: average precision as ActivityNet and THUMOS count it, and F1."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Action(NamedTuple):
    """A stretch of a video with an action: one that is there, or one that was found, with its `score`."""

    video: str
    label: str
    start_seconds: float
    end_seconds: float
    score: float = 1.0


def mean_average_precision(found: Sequence[Action], truth: Sequence[Action], *, overlap: float) -> float:
    """The mean over the classes in `truth` of `average_precision`; 0.0 without any."""
    classes = sorted({action.label for action in truth})
    found_of, truth_of = _by_label(found), _by_label(truth)
    scores = [average_precision(found_of[label], truth_of[label], overlap=overlap) for label in classes]
    return float(np.mean(scores)) if scores else 0.0


def average_precision(found: Sequence[Action], truth: Sequence[Action], *, overlap: float) -> float:
    """The area under precision over recall for actions of one class, as in ActivityNet's `eval_detection.py`.

    In the order of their scores, each found action takes, of the true ones that are still free in its video, the one
    with the largest overlap, if this is at least `overlap` (intersection over union of the two stretches). Precision is
    made to fall with recall, as in PASCAL VOC since 2010. Of equal scores, the one found first counts first.
    """
    if not found or not truth:
        return 0.0
    hit_N = matches(found, truth, overlap=overlap)
    recall_N = np.cumsum(hit_N) / len(truth)
    precision_N = np.cumsum(hit_N) / np.arange(1, len(hit_N) + 1)
    falling_N = np.maximum.accumulate(precision_N[::-1])[::-1]
    return float(np.sum(np.diff(recall_N, prepend=0.0) * falling_N))


def f1(found: Sequence[Action], truth: Sequence[Action], *, overlap: float) -> float:
    """Twice the matched actions over all that are there and all that were found; 1.0 if there are neither."""
    if not found and not truth:
        return 1.0
    found_of, truth_of = _by_label(found), _by_label(truth)
    hits = sum(int(matches(found_of[label], truth_of[label], overlap=overlap).sum()) for label in truth_of)
    return 2 * hits / (len(found) + len(truth))


def matches(found: Sequence[Action], truth: Sequence[Action], *, overlap: float) -> NDArray[np.bool_]:
    """`[N]`, in falling order of scores: which of the found actions of one class take a true one."""
    free = defaultdict(list)
    for action in truth:
        free[action.video].append(action)
    hits = []
    for action in sorted(found, key=lambda action: -action.score):
        there = free[action.video]
        overlaps = [temporal_overlap(action, other) for other in there]
        best = int(np.argmax(overlaps)) if overlaps else -1
        hits.append(best >= 0 and overlaps[best] >= overlap)
        if hits[-1]:
            there.pop(best)
    return np.array(hits, dtype=np.bool_)


def temporal_overlap(one: Action, other: Action) -> float:
    """Intersection over union of two stretches of time."""
    shared = min(one.end_seconds, other.end_seconds) - max(one.start_seconds, other.start_seconds)
    union = max(one.end_seconds, other.end_seconds) - min(one.start_seconds, other.start_seconds)
    return max(0.0, shared) / union if union > 0 else 0.0


def _by_label(actions: Sequence[Action]) -> dict[str, list[Action]]:
    grouped = defaultdict(list)
    for action in actions:
        grouped[action.label].append(action)
    return grouped

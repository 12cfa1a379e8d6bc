"""Cutting off clips for validation and test: by whole source videos, or each class in proportion."""

import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from math import ceil, floor

from action_recognition.datasets.records import ClipRecord


def source_group(record: ClipRecord) -> tuple[str, str]:
    return record.label, record.source_video


def split_off(
    records: Sequence[ClipRecord],
    *,
    into: str,
    fraction: float,
    seed: int,
    group: Callable[[ClipRecord], tuple[str, str]] = source_group,
) -> list[ClipRecord]:
    """Move `fraction` of the training clips of each class to `into` (`val` or `test`), by whole source videos.

    Args:
        group: the class that a clip is counted in, and the source that it is cut with.
    """
    sources: dict[str, list[str]] = {}
    for label, source in (group(r) for r in records if r.split == "train" and not r.error):
        sources.setdefault(label, []).append(source)
    cut = cut_by_source(sources, fraction=fraction, seed=seed, purpose=into)
    moved = {(label, source) for label, chosen in cut.items() for source in chosen}
    return [replace(r, split=into) if r.split == "train" and group(r) in moved else r for r in records]


def choose_groups(
    group_sizes: Mapping[str, int],
    *,
    target: int,
    seed: str,
    preferred: Collection[str] = (),
    at_least: int = 0,
) -> set[str]:
    """Choose whole groups with `target` clips in total, or the nearest total that leaves at least one group.

    Among choices with the same total, the one with the most clips from `preferred` groups wins, so that a source video
    of several classes tends to be on the same side for all of them.

    Args:
        group_sizes: clips per group.
        seed: any text; only it and the groups decide the choice.
        at_least: fewest clips to choose, if the groups allow it.
    """
    names = sorted(group_sizes)
    random.Random(seed).shuffle(names)
    total = sum(group_sizes.values())
    # best[n] = (clips from preferred groups, groups chosen) for a choice of n clips
    best: dict[int, tuple[int, tuple[str, ...]]] = {0: (0, ())}
    for name in names:
        size = group_sizes[name]
        gain = size if name in preferred else 0
        for count, (score, chosen) in sorted(best.items(), reverse=True):
            candidate = (score + gain, (*chosen, name))
            if count + size < total and candidate[0] > best.get(count + size, (-1, ()))[0]:
                best[count + size] = candidate
    nearest = min(best, key=lambda count: (count < at_least, abs(count - target), count))
    return set(best[nearest][1])


def cut_by_source(
    sources: Mapping[str, Sequence[str]], *, fraction: float, seed: int, purpose: str
) -> dict[str, set[str]]:
    """The source videos of each class whose clips are cut off for validation or test.

    Args:
        sources: the source of each clip, per class.
        fraction: share of the clips of each class to cut off, as nearly as whole sources allow.
        purpose: `val` or `test`, part of the seed.
    """
    cut: dict[str, set[str]] = {}
    for label in sorted(sources):
        cut[label] = choose_groups(
            Counter(sources[label]),
            target=round(fraction * len(sources[label])),
            seed=f"{purpose}/{seed}/{label}",
            preferred=set().union(*cut.values()),
            at_least=1 if fraction > 0 else 0,
        )
    return cut


def stratified_cut(labels: Sequence[str], *, fraction: float, seed: str) -> set[int]:
    """Indices of `ceil(fraction * N)` of `N` labels, each class in proportion.

    Classes with the largest remainders get one more each, as in scikit-learn's `StratifiedShuffleSplit`. At least one
    of each class is left.
    """
    sizes = Counter(labels)
    total = ceil(fraction * len(labels) - 1e-9)
    exact = {label: total * size / len(labels) for label, size in sizes.items()}
    counts = {label: min(floor(share + 1e-9), sizes[label] - 1) for label, share in exact.items()}
    generator = random.Random(seed)
    order = sorted(sizes)
    generator.shuffle(order)  # between equal remainders
    for label in sorted(order, key=lambda label: counts[label] - exact[label]):
        if sum(counts.values()) < total and counts[label] < sizes[label] - 1:
            counts[label] += 1
    cut: set[int] = set()
    for label in sorted(sizes):
        places = [place for place, other in enumerate(labels) if other == label]
        cut.update(generator.sample(places, counts[label]))
    return cut

"""Cutting off clips for validation and test: whole source videos, or each class in proportion."""

import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from math import ceil, floor

from action_recognition.datasets.records import ClipRecord


def split_off(records: Sequence[ClipRecord], *, into: str, fraction: float, seed: int) -> list[ClipRecord]:
    """Turn `fraction` of each class's training clips into `into`, `val` or `test`, by whole source videos."""
    sources: dict[str, list[str]] = {}
    for record in records:
        if record.split == "train":
            sources.setdefault(record.label, []).append(record.source_video)
    cut = cut_by_source(sources, fraction=fraction, seed=seed, purpose=into)
    return [replace(r, split=into) if r.split == "train" and r.source_video in cut[r.label] else r for r in records]


def choose_groups(
    group_sizes: Mapping[Hashable, int],
    *,
    target: int,
    seed: str,
    preferred: frozenset[Hashable] = frozenset(),
    at_least: int = 0,
) -> set[Hashable]:
    """Choose whole groups whose sizes add up to `target`, or as near to it as they can without taking all.

    Of the choices that hit the same total, one with the most clips from `preferred` groups is taken, so that a
    source video that serves several classes tends to fall on one side for all of them.

    Args:
        group_sizes: clips of each group.
        target: clips wanted.
        seed: any text; the choice depends on it and on the groups alone.
        at_least: fewest clips to choose, where the groups allow it.
    """
    names = sorted(group_sizes, key=str)
    random.Random(seed).shuffle(names)
    total = sum(group_sizes.values())
    # best[n] = (clips from preferred groups, groups chosen) for a choice of n clips
    best: dict[int, tuple[int, tuple[Hashable, ...]]] = {0: (0, ())}
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
    """For each class, the source videos whose clips are cut off for validation or test.

    Args:
        sources: for each class, the source of each of its clips.
        fraction: share of the class's clips to cut off; the nearest whole number is met wherever sources allow.
        purpose: `val` or `test`, part of the seed.
    """
    cut: dict[str, set[str]] = {}
    taken: set[Hashable] = set()
    for label in sorted(sources):
        sizes: dict[Hashable, int] = defaultdict(int)
        for source in sources[label]:
            sizes[source] += 1
        chosen = choose_groups(
            sizes,
            target=round(fraction * len(sources[label])),
            seed=f"{purpose}/{seed}/{label}",
            preferred=frozenset(taken),
            at_least=1 if fraction > 0 else 0,
        )
        cut[label] = {str(name) for name in chosen}
        taken |= chosen
    return cut


def stratified_cut(labels: Sequence[str], *, fraction: float, seed: str) -> set[int]:
    """Places of `ceil(fraction * N)` of `N` labels, each class in proportion.

    What whole numbers leave over goes to the classes with the largest remainders, as in scikit-learn's
    `StratifiedShuffleSplit`. One of each class is always left.
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

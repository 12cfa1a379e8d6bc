"""Cutting off clips for validation and test so that a source video stays on one side."""

import random
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence


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

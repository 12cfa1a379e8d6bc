"""Which clips train, validate and test: official lists, and cuts that keep a source video on one side."""

import random
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

from action_recognition.errors import DataError, did_you_mean

# HMDB51's own encoding in testTrainMulti_7030_splits.
OFFICIAL_LABELS = {"0": "unused", "1": "train", "2": "test"}


def read_official_split(splits_dir: Path, *, split: int, classes: Sequence[str]) -> dict[tuple[str, str], str]:
    """`{(class, file name): "train" | "test" | "unused"}` from `<class>_test_split<split>.txt`.

    Raises:
        DataError: when the folder, or the file of one of `classes`, is missing, or a line has another form.
    """
    known = sorted(path.name.rsplit("_test_split", 1)[0] for path in splits_dir.glob(f"*_test_split{split}.txt"))
    if not known:
        raise DataError(
            f"data.splits_dir={splits_dir}: no *_test_split{split}.txt files there; "
            "they come with HMDB51 as test_train_splits.rar"
        )
    assigned: dict[tuple[str, str], str] = {}
    for label in classes:
        if label not in known:
            raise DataError(f"class folder {label!r} has no split file in {splits_dir}{did_you_mean(label, known)}")
        path = splits_dir / f"{label}_test_split{split}.txt"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if not line.strip():
                continue
            # File names hold no blanks, but be sure to split at the last one only.
            name, _, code = line.strip().rpartition(" ")
            if not name or code not in OFFICIAL_LABELS:
                raise DataError(f"{path}:{number}: {line!r} is not '<file name> <0|1|2>'")
            assigned[label, name.strip()] = OFFICIAL_LABELS[code]
    return assigned


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

"""The corpus: kinds of input, how many of each, and how one of them is looked at again.

Every input follows from (kind, number, seed): nothing is stored. `pytest -m hostile` tries all of them; a plain
`pytest` tries a tenth, chosen by the seed. Another seed gives another corpus: HOSTILE_SEED=7 pytest -m hostile

One input again, with its files kept: PYTHONPATH=.:tests python -m hostile.corpus videos 17 FOLDER
"""

import importlib
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hostile.outcomes import Outcome

SEED = int(os.environ.get("HOSTILE_SEED", "0"))
SAMPLED = 0.1


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One sort of input: module `hostile.<name>` has `warm_up(material)` and `attempt(chance, number, ...)`.

    Attributes:
        count: inputs in the corpus.
        seconds: that one may take, at most.
        megabytes: that the process may grow by over one, at most.
    """

    name: str
    count: int
    seconds: float = 20.0
    megabytes: float = 1000.0

    def load(self) -> Any:
        return importlib.import_module(f"hostile.{self.name}")


KINDS = {
    kind.name: kind
    for kind in (
        Kind(name="videos", count=400),
        Kind(name="models", count=150),
        Kind(name="contracts", count=150),
        Kind(name="stores", count=110),
        Kind(name="lists", count=120),
        Kind(name="settings", count=220),
        Kind(name="bodies", count=180),
    )
}
# To show that the harness sees what it is there for.
PLANTED = Kind(name="planted", count=8, seconds=3.0, megabytes=300.0)


def kind_named(name: str) -> Kind:
    return PLANTED if name == PLANTED.name else KINDS[name]


def chance_of(kind: str, number: int) -> random.Random:
    """All that is drawn for an input comes from here."""
    return random.Random(f"{kind}/{number}/{SEED}")


def sample(kind: Kind) -> list[int]:
    """A tenth of a kind's numbers."""
    return sorted(random.Random(f"{kind.name}/sample/{SEED}").sample(range(kind.count), round(SAMPLED * kind.count)))


def try_input(kind: str, number: int, material: Path, folder: Path) -> Outcome:
    """Make one input below `folder` and see what becomes of it."""
    attempt: Callable[..., Outcome] = kind_named(kind).load().attempt
    work = folder / f"{kind}-{number}"
    work.mkdir(parents=True)
    began = time.monotonic()
    outcome = attempt(chance_of(kind, number), number, material, work)
    return replace(outcome, seconds=time.monotonic() - began)


def main(words: Sequence[str]) -> None:
    """`KIND NUMBER FOLDER`: try one input, keep what it is made of, say what came of it."""
    from hostile.material import make_material

    folder = Path(words[2] if len(words) > 2 else f"hostile-{words[0]}-{words[1]}").absolute()
    material = make_material(folder / "material")
    kind_named(words[0]).load().warm_up(material)
    print(try_input(words[0], int(words[1]), material, folder).to_json())


if __name__ == "__main__":
    main(sys.argv[1:])

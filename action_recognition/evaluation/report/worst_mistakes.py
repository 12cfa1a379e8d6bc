"""The clips on which a model was surest and wrong, as frames to look at."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from action_recognition.datasets.records import ClipRecord
from action_recognition.evaluation.figures import Mistake
from action_recognition.reports.contact_sheets import strips, write_labelled_sheet

SHOWN = 12
FRAMES, HEIGHT = 4, 96  # of a strip: frames, pixels
SHEET = "worst_mistakes.jpg"


class PicturedMistake(NamedTuple):
    """A mistake and its frames side by side as JPEG; None if the clip cannot be decoded any more."""

    mistake: Mistake
    jpeg: bytes | None


def choose_mistakes(mistakes: Sequence[Mistake], records: Sequence[ClipRecord], *, most: int = SHOWN) -> list[Mistake]:
    """Up to `most` of the surest mistakes, each of another source video and another pair of classes if possible.

    Clips of one source fail together: a sheet of the very surest would show one mistake many times.

    Args:
        mistakes: the surest first.
        records: of the evaluated clips.
    """
    left, chosen = list(mistakes), list[Mistake]()
    sources, pairs = Counter[str](), Counter[tuple[str, str]]()
    while left and len(chosen) < most:
        best = min(
            left, key=lambda one: (sources[records[one.index].source_video], pairs[one.label, one.predicted])
        )  # the first of these, which is the surest
        left.remove(best)
        chosen.append(best)
        sources[records[best.index].source_video] += 1
        pairs[best.label, best.predicted] += 1
    return sorted(chosen, key=lambda one: -one.predicted_probability)


def picture_mistakes(
    mistakes: Sequence[Mistake], records: Sequence[ClipRecord], videos_dir: Path
) -> list[PicturedMistake]:
    """`choose_mistakes`, with frames of each."""
    chosen = choose_mistakes(mistakes, records)
    shown = [records[one.index] for one in chosen]
    jpegs = strips(shown, videos_dir, frames=FRAMES, height=HEIGHT)
    return [PicturedMistake(*pair) for pair in zip(chosen, jpegs, strict=True)]


def write_mistakes_sheet(pictured: Sequence[PicturedMistake], directory: Path) -> Path | None:
    """Write `worst_mistakes.jpg`; without mistakes there is none."""
    path = directory / SHEET
    path.unlink(missing_ok=True)  # of an earlier evaluation
    if not pictured:
        return None
    captions = [
        f"{mistake.label}, taken for {mistake.predicted} ({100 * mistake.predicted_probability:.0f} %)"
        for mistake, _ in pictured
    ]
    write_labelled_sheet(path, [jpeg for _, jpeg in pictured], captions, [False] * len(pictured))
    return path

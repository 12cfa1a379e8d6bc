"""Accuracy of the clips with each value of HMDB51's tags: where a model fails, and not only on which class."""

from collections.abc import Sequence

import numpy as np

from action_recognition.datasets.records import ClipRecord
from action_recognition.evaluation.classes import sources_by
from action_recognition.evaluation.figures import TagFigures
from action_recognition.evaluation.intervals import bootstrap
from action_recognition.evaluation.outcomes import Outcomes
from action_recognition.evaluation.scores import Draws, Floats, ratio

# The fields of a record, and what the values in file names mean; a value that is not named here is its own meaning.
TAGS: dict[str, dict[str, str]] = {
    "view": {"fr": "front", "ba": "back", "le": "left", "ri": "right"},
    "camera": {"nm": "still", "cm": "moving"},
    "quality": {"goo": "good", "med": "medium", "bad": "bad"},
    "visible_body": {"f": "full body", "u": "upper body", "l": "lower body", "h": "head"},
    "people": {},
}


def tag_figures(clips: Outcomes, records: Sequence[ClipRecord], *, resamples: int) -> tuple[TagFigures, ...]:
    """Of every value that occurs of each tag; none for clips without tags."""
    groups = [record.source_video for record in records]
    return tuple(row for tag in TAGS for row in _of_tag(tag, clips, records, groups, resamples=resamples))


def _of_tag(
    tag: str, clips: Outcomes, records: Sequence[ClipRecord], groups: Sequence[str], *, resamples: int
) -> list[TagFigures]:
    given = [getattr(record, tag) for record in records]
    known = list(TAGS[tag])
    values = sorted(set(given) - {""}, key=lambda value: (known.index(value) if value in known else len(known), value))
    if not values:
        return []
    number_N = np.array([values.index(value) if value else len(values) for value in given])

    def top1(draws: Draws) -> Floats:
        hits_RM = draws.sums_by(number_N, len(values) + 1, clips.correct_N)
        return ratio(hits_RM, draws.sums_by(number_N, len(values) + 1), otherwise=np.nan)

    (found,) = bootstrap([top1], groups, resamples=resamples)
    clips_M = np.bincount(number_N, minlength=len(values) + 1)
    sources_M = sources_by(number_N, len(values) + 1, groups)
    return [
        TagFigures(
            tag=tag,
            value=value,
            meaning=TAGS[tag].get(value, value),
            clips=int(clips_M[number]),
            sources=int(sources_M[number]),
            top1=found[number],
        )
        for number, value in enumerate(values)
    ]

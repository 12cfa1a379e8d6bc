"""Whether a run's score differs from its baseline's by more than noise."""

from math import sqrt

import numpy as np

from action_recognition.studies.differences import Difference, mean_difference
from action_recognition.studies.records import RunRecord, Scores

RESAMPLES = 2000


def score_difference(baseline: RunRecord, run: RunRecord) -> Difference | str:
    """The difference of two test scores, or why they cannot be compared.

    Where both evaluations kept their predictions, whole source videos are resampled for both runs at once (paired
    cluster bootstrap). Where only intervals were logged, they are combined by Zou and Donner's MOVER (2008, Statistics
    in Medicine 27) as if the clips were different ones, which makes the interval too wide rather than too narrow.
    """
    before, after = baseline.test, run.test
    if before is None or after is None:
        return "not compared: no test score" if after is None else "not compared: the baseline has no test score"
    if before.leaking or after.leaking:
        return "not compared: leaking"
    if before.hits and after.hits:
        same_clips = before.hits.keys() == after.hits.keys()
    else:
        hashes = {record.tags.get("data_hash") for record in (baseline, run)} - {None}
        same_clips = len(hashes) <= 1 and before.clips == after.clips
    if not same_clips:
        return "not compared: other test clips"
    return _paired(before, after) if before.hits and after.hits else _from_intervals(before, after)


def _paired(before: Scores, after: Scores) -> Difference:
    clips = sorted(before.hits)
    difference_N = np.array([float(after.hits[clip].hit) - float(before.hits[clip].hit) for clip in clips])
    sources = [before.hits[clip].source_video for clip in clips]
    return mean_difference(difference_N, sources, resamples=RESAMPLES)


def _from_intervals(before: Scores, after: Scores) -> Difference | str:
    old, new = before.values.get("top1"), after.values.get("top1")
    if old is None or before.low is None or before.high is None:
        return "not compared: the baseline logged no interval"
    if new is None or after.low is None or after.high is None:
        return "not compared: no interval was logged"
    return Difference(
        value=new - old,
        low=new - old - sqrt((new - after.low) ** 2 + (before.high - old) ** 2),
        high=new - old + sqrt((after.high - new) ** 2 + (old - before.low) ** 2),
    )

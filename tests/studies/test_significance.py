"""Differences of scores, told from noise."""

import pytest
from helpers.recorded_runs import run_record

from action_recognition.studies.records import Hit, RunRecord, Scores
from action_recognition.studies.significance import score_difference


def judged(hits: dict[str, bool]) -> RunRecord:
    """A run whose evaluation kept its predictions: two clips per source video."""
    top1 = sum(hits.values()) / len(hits)
    kept = {clip: Hit(hit, clip[:-1]) for clip, hit in hits.items()}
    return run_record(test=Scores(split="test", values={"top1": top1}, clips=len(hits), hits=kept))


def test_scores_are_compared_clip_by_clip_where_both_kept_their_predictions():
    """Paired: a difference that two overlapping intervals hide is seen where both runs saw the same clips."""
    clips = [f"{source:02d}{part}" for source in range(30) for part in "ab"]
    base = {clip: int(clip[:2]) % 2 == 0 for clip in clips}
    better = score_difference(judged(base), judged({c: hit or int(c[:2]) % 3 == 0 for c, hit in base.items()}))
    assert better.beyond_chance
    assert better.value == pytest.approx(1 / 6)
    assert better.low > 0
    swapped = score_difference(judged(base), judged({c: hit != (c[:2] in ("03", "04")) for c, hit in base.items()}))
    assert not swapped.beyond_chance
    assert str(swapped).startswith("+0.0 (")
    assert str(swapped).endswith("within the noise")
    assert score_difference(judged(base), judged({"zz": True, "zy": False})) == "not compared: other test clips"


def scored(top1: float, **values: object) -> RunRecord:
    bounds = {"low": top1 - 0.1, "high": top1 + 0.1, "clips": 90}
    return run_record(test=Scores(split="test", values={"top1": top1}, **(bounds | values)))


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (scored(0.4), "+10.0 (-4.1 to +24.1), within the noise"),  # sqrt(0.1^2 + 0.1^2) = 0.141
        (scored(0.6), "+30.0 (+15.9 to +44.1)"),
        (scored(0.6, leaking=True), "not compared: leaking"),
        (scored(0.6, clips=91), "not compared: other test clips"),
        (scored(0.6, low=None), "not compared: no interval was logged"),
        (run_record(), "not compared: no test score"),
    ],
)
def test_without_predictions_the_intervals_are_combined(run, expected):
    assert str(score_difference(scored(0.3), run)) == expected

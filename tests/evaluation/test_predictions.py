"""The predictions of a split, collected video by video, against means over all rows at once."""

import numpy as np
import pytest

from action_recognition.evaluation import predictions
from action_recognition.evaluation.outcomes import Outcomes
from action_recognition.evaluation.predictions import Accumulator
from action_recognition.utils.probabilities import softmax


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_views_are_averaged_at_the_temperature_whatever_their_order(
    temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictions, "BLOCK", 4)
    generator = np.random.default_rng(0)
    label_N = generator.integers(0, 6, size=20)
    logits_NVK = generator.normal(size=(20, 3, 6)).astype(np.float32)
    left_out = {3, 19}
    seen = Accumulator(label_N, 6, temperature)
    order = [place for place in generator.permutation(20).tolist() if place not in left_out]
    for place in order:
        seen.add(place, logits_NVK[place])
    found = seen.result(["3.avi: damaged"])
    kept = [place for place in range(20) if place not in left_out]
    assert found.place_N.tolist() == kept
    expected_NK = softmax(logits_NVK[kept], temperature).mean(axis=1)
    assert found.probability_NK.dtype == np.float32
    assert found.probability_NK == pytest.approx(expected_NK, abs=1e-7)
    raw = Outcomes.of(softmax(logits_NVK[kept]).mean(axis=1), label_N[kept])
    for ours, theirs in ((found.uncalibrated, raw), (found.outcomes, Outcomes.of(expected_NK, label_N[kept]))):
        for name in vars(theirs):
            assert getattr(ours, name) == pytest.approx(getattr(theirs, name), abs=1e-6), name
    of_views = Outcomes.of(softmax(logits_NVK[order].reshape(-1, 6), temperature), np.repeat(label_N[order], 3))
    assert np.array_equal(found.view_outcomes.rank_N, of_views.rank_N)
    assert np.array_equal(found.place_N[found.video_V], np.repeat(order, 3))
    assert found.errors == ("3.avi: damaged",)

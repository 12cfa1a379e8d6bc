import numpy as np
import pytest

from action_recognition.errors import NumericsError
from action_recognition.evaluation import outcomes
from action_recognition.evaluation.metrics import top_k_hits
from action_recognition.evaluation.outcomes import Outcomes


def test_ties_go_to_the_lower_class_number() -> None:
    probability_NK = np.array([[0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.2, 0.4, 0.4]])
    found = Outcomes.of(probability_NK, np.array([0, 1, 2]))
    assert found.predicted_N.tolist() == [0, 0, 1]
    assert found.rank_N.tolist() == [0, 1, 1]
    assert top_k_hits(probability_NK, np.array([0, 1, 2]), k=1).tolist() == [True, False, False]


def test_blocks_of_rows_give_what_all_rows_give(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    probability_NK, label_N = generator.dirichlet(np.ones(5), size=101), generator.integers(0, 5, size=101)
    whole = Outcomes.of(probability_NK, label_N)
    monkeypatch.setattr(outcomes, "BLOCK_VALUES", 50)
    parts = Outcomes.of(probability_NK, label_N)
    order_NK = np.argsort(-probability_NK, axis=1, kind="stable")
    assert np.array_equal(whole.rank_N, (order_NK == label_N[:, None]).argmax(axis=1))
    for name in vars(whole):
        assert np.array_equal(getattr(whole, name), getattr(parts, name))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_probabilities_that_are_not_finite_are_refused(bad: float) -> None:
    """NaN is more probable than nothing, so that the label would be found at the first place."""
    with pytest.raises(NumericsError, match="infinite or NaN"):
        Outcomes.of(np.array([[0.5, 0.5], [bad, 0.5]]), np.array([0, 0]))


@pytest.mark.parametrize("label_N", [[0, 2], [-1, 0], [0], [0, 1, 1]])
def test_labels_that_are_no_classes_are_refused(label_N: list[int]) -> None:
    with pytest.raises(ValueError, match="expected 2 numbers from 0 to 1"):
        Outcomes.of(np.full((2, 2), 0.5), np.array(label_N))

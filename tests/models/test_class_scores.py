"""Scores from counts of classes, against scikit-learn."""

import pytest
import torch
from sklearn.metrics import accuracy_score, precision_recall_fscore_support, top_k_accuracy_score

from action_recognition.models.class_scores import ClassScores


@pytest.mark.parametrize(("classes", "clips"), [(2, 1), (2, 40), (8, 200), (51, 60), (1000, 700)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_scores_over_batches_are_scikit_learns_over_all_clips(classes: int, clips: int, dtype: torch.dtype) -> None:
    """With fewer clips than classes, many classes have neither clips nor predictions."""
    generator = torch.Generator().manual_seed(classes)
    label_N = torch.randint(0, classes, (clips,), generator=generator)
    logits_NK = torch.randn(clips, classes, generator=generator).to(dtype)
    logits_NK[torch.arange(clips), label_N] += 2
    k = min(5, classes)
    scores = ClassScores(classes, top_k=k)
    for logits_BK, label_B in zip(logits_NK.split(7), label_N.split(7), strict=True):
        scores.update(logits_BK, label_B)
    found = scores.compute()
    predicted_N = logits_NK.argmax(dim=1)
    expected = precision_recall_fscore_support(label_N, predicted_N, average="macro", zero_division=0)[:3]
    assert [found[name] for name in ("precision", "recall", "f1")] == pytest.approx(expected, abs=1e-9)
    assert found["top1"] == pytest.approx(accuracy_score(label_N, predicted_N), abs=1e-9)
    if dtype == torch.float32 and classes > 2:  # without ties
        names = list(range(classes))
        assert found["topk"] == pytest.approx(top_k_accuracy_score(label_N, logits_NK, k=k, labels=names), abs=1e-9)


def test_before_any_clip_there_are_no_scores_and_a_reset_forgets() -> None:
    scores = ClassScores(3)
    scores.update(torch.eye(3), torch.tensor([0, 1, 1]))
    assert scores.compute()["top1"] == pytest.approx(2 / 3)
    scores.reset()
    assert scores.compute() == {}


def test_counts_of_evaluation_go_on_in_training() -> None:
    """Counts made where gradients are switched off for good can be added to afterwards."""
    scores = ClassScores(2)
    with torch.inference_mode():
        scores.reset()
        scores.update(torch.eye(2), torch.tensor([0, 1]))
    scores.update(torch.eye(2), torch.tensor([1, 1]))
    assert scores.compute()["top1"] == 0.75

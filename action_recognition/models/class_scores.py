"""Top-1, top-k and macro precision, recall and F1 of an epoch, from three counts per class."""

import torch
from torch import Tensor
from torchmetrics import Metric


class ClassScores(Metric):
    """Counts the clips of each class: predicted rightly, predicted at all, and there; the scores follow at the end.

    An update is a comparison with every class and three sums, without waiting for the device and without atomic
    additions, so that it repeats exactly on a GPU. The counts of several processes are added up.

    Precision, recall and F1 are means over classes ("macro") that have clips or predictions, and a score without clips
    is 0: scikit-learn's `precision_recall_fscore_support(..., average="macro", zero_division=0)`.

    Args:
        num_classes: K.
        top_k: also count clips whose class is among this many likeliest ones; None: do not.
    """

    full_state_update = False
    correct_K: Tensor
    predicted_K: Tensor
    true_K: Tensor
    in_top_k: Tensor

    def __init__(self, num_classes: int, *, top_k: int | None = None) -> None:
        super().__init__()
        self.num_classes, self.top_k = num_classes, top_k
        for name in ("correct_K", "predicted_K", "true_K"):
            self.add_state(name, torch.zeros(num_classes, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("in_top_k", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, logits_BK: Tensor, label_B: Tensor) -> None:
        """Count a batch: scores `[B, K]` of any floating type, and int64 classes `[B]`."""
        class_K = torch.arange(self.num_classes, device=label_B.device)
        predicted_BK = logits_BK.argmax(dim=1, keepdim=True) == class_K
        true_BK = label_B[:, None] == class_K
        self.predicted_K = self.predicted_K + predicted_BK.sum(dim=0)
        self.true_K = self.true_K + true_BK.sum(dim=0)
        self.correct_K = self.correct_K + (predicted_BK & true_BK).sum(dim=0)
        if self.top_k is not None:
            likeliest_Bk = logits_BK.topk(self.top_k, dim=1).indices
            self.in_top_k = self.in_top_k + (likeliest_Bk == label_B[:, None]).sum()

    def compute(self) -> dict[str, float]:
        """`top1`, `precision`, `recall`, `f1`, with `top_k` also `topk`: shares of 1; empty before any clip."""
        # On the CPU, because not every device has float64.
        correct_K, predicted_K, true_K = (n.cpu().double() for n in (self.correct_K, self.predicted_K, self.true_K))
        clips = float(true_K.sum())
        if not clips:
            return {}
        met_K = predicted_K + true_K > 0
        correct_K, predicted_K, true_K = correct_K[met_K], predicted_K[met_K], true_K[met_K]
        scores = {
            "top1": float(correct_K.sum()) / clips,
            "precision": float((correct_K / predicted_K.clamp(min=1)).mean()),
            "recall": float((correct_K / true_K.clamp(min=1)).mean()),
            "f1": float((2 * correct_K / (predicted_K + true_K)).mean()),
        }
        return scores if self.top_k is None else {**scores, "topk": float(self.in_top_k) / clips}

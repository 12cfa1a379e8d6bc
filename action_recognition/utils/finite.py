"""Infinity and NaN in weights and outputs are refused before anything is made from them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from action_recognition.errors import ContractError, NumericsError

if TYPE_CHECKING:
    from torch import Tensor

DIVERGED = "the training that made them diverged; train again with a smaller optimizer.lr"


def not_finite(tensors: "Mapping[str, Tensor]") -> dict[str, int]:
    """How many values are infinite or NaN in each tensor that has any."""
    counts = {name: int((~tensor.detach().isfinite()).sum()) for name, tensor in tensors.items()}
    return {name: count for name, count in counts.items() if count}


def check_weights(tensors: "Mapping[str, Tensor]", *, origin: str, advice: str = DIVERGED) -> None:
    """Refuse weights that are not finite; `origin`, the file that holds them, begins the error.

    Raises:
        ContractError: if a weight is infinite or NaN.
    """
    if found := not_finite(tensors):
        name, count = next(iter(found.items()))
        others = f" and {len(found) - 1} more tensors" if len(found) > 1 else ""
        raise ContractError(
            f"{origin}: weights that are infinite or NaN: {count} of {tensors[name].numel()} values of {name}{others}; "
            f"{advice}"
        )


def check_logits(logits_BK: NDArray[np.floating], *, origin: str) -> None:
    """Refuse logits `[B, K]` that are not finite, because argmax would still pick a class.

    Raises:
        NumericsError: if a logit is infinite or NaN; the text begins with `origin`.
    """
    if not np.isfinite(logits_BK).all():
        raise NumericsError(
            f"{origin}: the model gives logits that are infinite or NaN; export the model again, or train again"
        )

"""Infinity and NaN among weights and outputs: refused where they are met, before anything is made of them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from action_recognition.errors import ContractError, NumericsError

if TYPE_CHECKING:
    from torch import Tensor

DIVERGED = "the training that made them diverged; train again with a smaller optimizer.lr"


def not_finite(tensors: "Mapping[str, Tensor]") -> dict[str, int]:
    """Of the floating-point tensors that hold infinity or NaN: how many such values each has."""
    found = {}
    for name, tensor in tensors.items():
        if tensor.is_floating_point():
            finite = tensor.detach().isfinite()
            if not finite.all():
                found[name] = int(finite.numel() - finite.sum())
    return found


def check_weights(tensors: "Mapping[str, Tensor]", *, origin: str, advice: str = DIVERGED) -> None:
    """Refuse weights that are not finite.

    Args:
        origin: what holds them, for the error.
        advice: what to do about it.

    Raises:
        ContractError: if there is infinity or NaN in them.
    """
    if found := not_finite(tensors):
        name, count = next(iter(found.items()))
        others = f" and {len(found) - 1} more tensors" if len(found) > 1 else ""
        raise ContractError(
            f"{origin}: weights that are infinite or NaN: {count} of {tensors[name].numel()} values of {name}{others}; "
            f"{advice}"
        )


def check_logits(logits_BK: NDArray[np.floating], *, origin: str) -> None:
    """Refuse outputs of a model that are not finite: they would still have a largest one, and be scored.

    Args:
        logits_BK: `[B, K]`.
        origin: what was given to which model, for the error.

    Raises:
        NumericsError: if there is infinity or NaN among them.
    """
    if not np.isfinite(logits_BK).all():
        raise NumericsError(
            f"{origin}: the model gives logits that are infinite or NaN; make the model file again, or train again"
        )

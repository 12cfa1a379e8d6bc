"""A model's logits for the views of a split's videos."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from action_recognition.data.datamodule import ClipDataModule
from action_recognition.errors import DataError
from action_recognition.utils.finite import check_logits
from action_recognition.utils.progress import progress_bar


class Classifier(Protocol):
    """What gives logits `[B, K]` for uint8 clips `[B, C, T, H, W]` on its device, such as a `VideoActionModel`."""

    @property
    def device(self) -> torch.device: ...

    def __call__(self, clip_BCTHW: Tensor) -> Tensor: ...


def split_logits(
    model: Classifier, datamodule: ClipDataModule, split: str, console: Console, *, errors: list[str]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Each video's place in the split, and the raw logits `[V, K]` of its views, as `evaluation_dataloader` cuts them.

    Args:
        errors: gets a line for each video that could not be read.

    Raises:
        DataError: at the end, if no video could be read.
        NumericsError: for logits that are infinite or NaN.
    """
    loader, found = datamodule.evaluation_dataloader(split), False
    with progress_bar(f"evaluating {split}", console=console) as progress:
        for done, batch in enumerate(loader, start=1):
            errors += batch.errors
            if len(batch.label_B):
                found = True
                with torch.inference_mode():
                    logits_BK = model(batch.clip_BCTHW.to(model.device)).cpu().numpy()
                check_logits(logits_BK, origin=f"batch {done} of the {split} split")
                index_B = batch.index_B.numpy()
                borders = np.flatnonzero(np.diff(index_B)) + 1  # the views of a video are neighbours
                starts = [0, *borders.tolist()]
                yield from zip(index_B[starts].tolist(), np.split(logits_BK, borders), strict=True)
            progress(done, len(loader))
    if not found:
        raise DataError(f"no {split} video could be read: {errors[0]}")

"""Features that a frozen backbone computed from clips, read in place of the clips."""

from typing import NamedTuple

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from action_recognition.data.dataset import already_collated
from action_recognition.data.samplers import EpochSampler, own_share, rank_and_world

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]


class FeatureBatch(NamedTuple):
    """A batch of features.

    Attributes:
        feature_B: float `[B, ...]`, as the network's `features` gives them.
        label_B: int64.
        index_B: int64, the clip's position in its split.
        errors: empty; a `ClipBatch` has them.
    """

    feature_B: Tensor
    label_B: Tensor
    index_B: Tensor
    errors: tuple[str, ...] = ()


class FeatureSet(Dataset[FeatureBatch]):
    """Features of the clips of a split.

    Args:
        feature_VN: `[views, clips, ...]`, may be memory-mapped.
        label_N: int64, the class of each clip.
    """

    def __init__(self, feature_VN: Floats, label_N: Ints) -> None:
        self.feature_VN = feature_VN
        views, self.clips = feature_VN.shape[:2]
        self.label_E = np.tile(label_N, views)  # an example is a view of a clip

    def __len__(self) -> int:
        return len(self.label_E)

    def __getitems__(self, places: list[int]) -> FeatureBatch:
        """A whole batch; `places` are numbers of examples, or draws of an `EpochSampler`."""
        example_B = np.array([place if isinstance(place, int) else place[0] for place in places])
        feature_B = self.feature_VN[example_B // self.clips, example_B % self.clips]
        return FeatureBatch(
            torch.from_numpy(feature_B.astype(np.float32)),
            torch.from_numpy(self.label_E[example_B]),
            torch.from_numpy(example_B % self.clips),
        )


class FeatureDataModule(L.LightningDataModule):
    """Loaders of features; an epoch goes through every view of every training clip.

    Args:
        batch_size: of one process.
        balanced: draw each class equally often.
    """

    def __init__(
        self, train: FeatureSet, val: FeatureSet | None, *, batch_size: int, balanced: bool = False, seed: int
    ) -> None:
        super().__init__()
        self.train, self.val = train, val
        self.batch_size, self.balanced, self.seed = batch_size, balanced, seed

    def train_dataloader(self) -> DataLoader[FeatureBatch]:
        rank, world = rank_and_world()
        sampler = EpochSampler(
            self.train.label_E,
            seed=self.seed,
            balanced=self.balanced,
            batch_size=self.batch_size,
            rank=rank,
            world=world,
        )
        return DataLoader(self.train, **sampler.loader_arguments(), collate_fn=already_collated)

    def val_dataloader(self) -> DataLoader[FeatureBatch] | list[FeatureBatch]:
        if self.val is None:
            return []
        order = own_share(len(self.val))
        return DataLoader(self.val, batch_size=self.batch_size, sampler=order, collate_fn=already_collated)

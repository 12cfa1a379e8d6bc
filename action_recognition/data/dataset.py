"""Clips as training examples, decoded or copied from a reader in the workers."""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from action_recognition.contract import ClipContract
from action_recognition.data.batch_memory import BatchBuffers
from action_recognition.datasets.records import ClipRecord
from action_recognition.errors import VideoError
from action_recognition.readers.base import ClipReader, DecodedFrames, DecodingReader
from action_recognition.video.clip_files import open_clip
from action_recognition.video.clip_sampling import Indices, random_clip, uniform_clips
from action_recognition.video.frames import FrameFormat

# Positions of the squares of three-crop testing along the frame's longer side (SlowFast, Feichtenhofer et al. 2019).
CROPS = {1: (0.5,), 3: (0.0, 0.5, 1.0)}
Batch = TypeVar("Batch")


class Draw(NamedTuple):
    """One example: the number of its clip, and the seed of everything random about it."""

    index: int  # type: ignore[assignment]  # hides tuple.index
    seed: int


class ClipBatch(NamedTuple):
    """A batch from the workers.

    Attributes:
        clip_BCTHW: of the contract's dtype: uint8, RGB; or depth, uint8 or uint16. Views of one video are neighbours;
            B is videos times views. Channels come last in memory, because the model's device reorders them faster.
        label_B: int64, one per view.
        index_B: int64, the video's position in its split.
        errors: one line per video that could not be decoded and was skipped.
    """

    clip_BCTHW: Tensor
    label_B: Tensor
    index_B: Tensor
    errors: tuple[str, ...]


class KeyedGenerator:
    """One random generator for many seeds. Setting Philox's key takes a tenth of the time of a new generator."""

    def __init__(self) -> None:
        self._philox = np.random.Philox(key=0)
        self._start = self._philox.state
        self._generator = np.random.Generator(self._philox)

    def at(self, seed: int) -> np.random.Generator:
        """The same as `Generator(Philox(key=seed))`, until the next call."""
        self._start["state"]["key"][0] = seed
        self._philox.state = self._start
        return self._generator


class ClipDataset(Dataset[ClipBatch]):
    """Clips of one split, decoded unless a reader has them.

    With `views=0` a draw gives one random clip of the whole resized centre square, `short_side` pixels wide, for
    augmentation to crop. With `views=N` it gives the `N` evenly spaced clips of the contract, each `crops` times at
    different places of the frame. Consecutive draws of one clip decode it once.

    Args:
        views: 0 for training, otherwise clips per video.
        crops: 1, or 3 along the frame's longer side; not in training.
        temporal_jitter: see `clip_sampling.random_clip`.
        reader: its frames have the contract's short side.
    """

    def __init__(
        self,
        records: Sequence[ClipRecord],
        videos_dir: Path,
        contract: ClipContract,
        *,
        views: int = 0,
        crops: int = 1,
        temporal_jitter: bool = False,
        reader: ClipReader | None = None,
    ) -> None:
        self.records, self.videos_dir, self.contract = list(records), videos_dir, contract
        self.views, self.positions, self.temporal_jitter = views, CROPS[crops], temporal_jitter
        self.reader = reader or DecodingReader()
        self._buffers = BatchBuffers()
        self._random = KeyedGenerator()
        number = {name: number for number, name in enumerate(contract.class_names)}
        self.label_N = np.array([number[record.label] for record in self.records], dtype=np.int64)
        # Of the clips whose frames are not the places of the contract's grid; most sets have none.
        grids = ((index, record.frames_on_grid(contract.fps)) for index, record in enumerate(self.records))
        self._grids = {index: grid for index, grid in grids if grid is not None}

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, draw: Draw | int) -> tuple[Tensor, int]:  # type: ignore[override]  # a batch is `__getitems__`
        """One clip, `[C, T, H, W]` (with several views `[views * crops, C, T, H, W]`), and the number of its class.

        Raises:
            VideoError: if it cannot be decoded.
        """
        if not 0 <= (draw[0] if isinstance(draw, tuple) else draw) < len(self):
            raise IndexError(f"clip {draw} of {len(self)}")  # which also ends a `for` loop over the dataset
        batch = self.__getitems__([draw])
        if batch.errors:
            raise VideoError(batch.errors[0])
        has_views = max(1, self.views) * len(self.positions) > 1
        return batch.clip_BCTHW if has_views else batch.clip_BCTHW[0], int(batch.label_B[0])

    def __getitems__(self, draws: Sequence[Draw | int]) -> ClipBatch:
        """A whole batch, into which each frame is copied once; `DataLoader` calls this."""
        views, frames = max(1, self.views) * len(self.positions), self.contract.frames
        side = self.contract.size if self.views else self.contract.short_side
        shape = (len(draws) * views, frames, side, side, self.contract.channels)
        clip_BTHWC = self._buffers.take(*shape, dtype=getattr(torch, self.contract.dtype))
        # Views of a video are neighbours: L is views times frames.
        out_BLHWC = clip_BTHWC.numpy().reshape(len(draws), views * frames, side, side, self.contract.channels)
        planned, errors = self._plan(draws)
        made: list[int] = []
        for index, draws_of_it in groupby(planned, key=itemgetter(0)):
            wanted = [indices_L for _, indices_L in draws_of_it]
            out_RLHWC = out_BLHWC[len(made) : len(made) + len(wanted)]
            try:
                self._read(self.records[index], wanted, out_RLHWC)
                made += [index] * len(wanted)
            except VideoError as error:
                errors.append(str(error))
        index_B = np.repeat(np.array(made, dtype=np.int64), views)
        label_B = torch.from_numpy(self.label_N[index_B])
        clip_BCTHW = clip_BTHWC[: len(index_B)].permute(0, 4, 1, 2, 3)
        return ClipBatch(clip_BCTHW, label_B, torch.from_numpy(index_B), tuple(errors))

    def _plan(self, draws: Sequence[Draw | int]) -> tuple[list[tuple[int, Indices]], list[str]]:
        """The frames of each clip, planned before any copy: the copies would evict this loop from the caches."""
        planned: list[tuple[int, Indices]] = []
        errors: list[str] = []
        for draw in draws:
            index, seed = draw if isinstance(draw, tuple) else (draw, 0)
            try:
                planned.append((index, self.indices(index, seed).ravel()))
            except VideoError as error:
                errors.append(str(error))
        return planned, errors

    def _read(self, record: ClipRecord, wanted: Sequence[Indices], out_RLHWC: NDArray[np.uint8]) -> None:
        """The frames of R draws of one clip, at each position."""
        indices_L = wanted[0] if len(wanted) == 1 else np.concatenate(wanted)
        entry = self.reader.entry(record.md5, frames=record.frames)
        if entry is None:
            with open_clip(self.videos_dir / record.path, FrameFormat.of(self.contract)) as clip:
                entry = DecodedFrames(clip.frames_at(indices_L))
            indices_L = np.arange(len(indices_L))
        if len(self.positions) == 1:
            entry.read_square(indices_L, out_RLHWC.reshape(-1, *out_RLHWC.shape[2:]))
            return
        # Crops of a clip are neighbours: [R, views, crops, T].
        frames = self.contract.frames
        out = out_RLHWC.reshape(-1, len(self.positions), frames, *out_RLHWC.shape[2:])
        square = np.empty((len(indices_L), *out_RLHWC.shape[2:]), dtype=out.dtype)
        for place, position in enumerate(self.positions):
            entry.read_square(indices_L, square, position)
            out[:, place] = square.reshape(-1, frames, *square.shape[1:])

    def indices(self, index: int, seed: int) -> Indices:
        """`[views, T]` frame numbers of one draw of clip `index` (`[1, T]` in training), sampled by time."""
        grid = self._grids.get(index)
        places = self._places(self.records[index].frames if grid is None else len(grid), seed)
        return places if grid is None else grid[places]

    def _places(self, num_frames: int, seed: int) -> Indices:
        """`[views, T]` places in a video of `num_frames` frames at the contract's rate."""
        contract = self.contract
        cut: dict[str, Any] = {"frames": contract.frames, "stride": contract.stride, "policy": contract.short_clip}
        if self.views:
            return uniform_clips(num_frames, clips=self.views, **cut)
        return random_clip(num_frames, generator=self._random.at(seed), jitter=self.temporal_jitter, **cut)[None]


def already_collated(batch: Batch) -> Batch:
    """The `collate_fn` for datasets whose `__getitems__` makes the whole batch."""
    return batch

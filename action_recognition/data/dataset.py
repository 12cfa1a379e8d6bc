"""Clips as training examples: decoded, or copied from the clip store, in the workers; handed on as uint8."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from action_recognition.contract import ClipContract
from action_recognition.data.buffers import BatchBuffers
from action_recognition.data.manifest import ClipRecord
from action_recognition.data.sampling import Indices, random_clip, uniform_clips
from action_recognition.data.video import Frame, center_crop, read_frames
from action_recognition.errors import VideoError


class Draw(NamedTuple):
    """One example to make: which clip, and the seed of everything random about it."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    seed: int


class ClipExample(NamedTuple):
    """`clips_NCTHW`: uint8 views of one video. None, with a reason, where the video could not be decoded."""

    clips_NCTHW: Tensor | None
    label: int
    index: int  # type: ignore[assignment]  # likewise
    error: str


class ClipBatch(NamedTuple):
    """A batch as it leaves the workers.

    Attributes:
        clip_BCTHW: uint8, RGB. Views of one video follow each other; B is videos times views. In memory channels
            come last, as frames are decoded: the model's device turns them round faster.
        label_B: int64, one a view.
        index_B: int64, the video's place in its split.
        errors: what was skipped: one line a video that could not be decoded.
    """

    clip_BCTHW: Tensor
    label_B: Tensor
    index_B: Tensor
    errors: tuple[str, ...]


class SourceEntry(Protocol):
    """A clip whose frames can be had by number, cut to their centre squares."""

    def read_square(self, indices: Indices, out_TSSC: Frame) -> None: ...


class ClipSource(Protocol):
    """Clips by the MD5 of their video, such as a `ClipStore`; None for one that is not there and has to be decoded."""

    def entry(self, md5: str, *, frames: int | None = None) -> SourceEntry | None: ...


class KeyedGenerator:
    """One random generator for many seeds: setting Philox's key takes a tenth of the time of a new generator."""

    def __init__(self) -> None:
        self._philox = np.random.Philox(key=0)
        self._start = self._philox.state
        self._generator = np.random.Generator(self._philox)

    def at(self, seed: int) -> np.random.Generator:
        """What `Generator(Philox(key=seed))` is, until the next call."""
        self._start["state"]["key"][0] = seed
        self._philox.state = self._start
        return self._generator


class ClipDataset(Dataset[ClipExample]):
    """Clips of one split, decoded unless a store holds them.

    With `views=0` a draw gives one random clip of the whole resized centre square, `short_side` pixels wide, for
    augmentation to crop from. With `views=N` it gives `N` evenly spaced clips exactly as the contract says.

    Args:
        records: the clips of a split.
        videos_dir: what their paths are relative to.
        views: 0 for training, else clips a video.
        temporal_jitter: see `sampling.random_clip`.
        store: clips decoded before, at the contract's short side.
    """

    def __init__(
        self,
        records: Sequence[ClipRecord],
        videos_dir: Path,
        contract: ClipContract,
        *,
        views: int = 0,
        temporal_jitter: bool = False,
        store: ClipSource | None = None,
    ) -> None:
        self.records = list(records)
        self.videos_dir = videos_dir
        self.contract = contract
        self.views = views
        self.temporal_jitter = temporal_jitter
        self.store = store
        self._buffers = BatchBuffers()
        self._random = KeyedGenerator()
        number = {name: number for number, name in enumerate(contract.class_names)}
        self._label_N = np.array([number[record.label] for record in self.records], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, draw: Draw | int) -> ClipExample:
        batch = self.__getitems__([draw])
        index = draw[0] if isinstance(draw, tuple) else draw
        clips_NCTHW = None if batch.errors else batch.clip_BCTHW
        return ClipExample(clips_NCTHW, int(self._label_N[index]), index, "".join(batch.errors))

    def __getitems__(self, draws: Sequence[Draw | int]) -> ClipBatch:
        """A whole batch, each frame copied once, to its place in it. `DataLoader` calls this where it finds it."""
        views, frames = max(1, self.views), self.contract.frames
        side = self.contract.size if self.views else self.contract.short_side
        clip_BTHWC = self._buffers.take(len(draws) * views, frames, side, side, self.contract.channels)
        # Views of a video follow each other: L is views times frames.
        out_BLHWC = clip_BTHWC.numpy().reshape(len(draws), views * frames, side, side, self.contract.channels)
        planned, errors = self._plan(draws)
        made: list[int] = []
        for index, indices_L in planned:
            try:
                self._read(self.records[index], indices_L, out_BLHWC[len(made)])
                made.append(index)
            except VideoError as error:
                errors.append(str(error))
        index_B = np.repeat(np.array(made, dtype=np.int64), views)
        label_B = torch.from_numpy(self._label_N[index_B])
        clip_BCTHW = clip_BTHWC[: len(index_B)].permute(0, 4, 1, 2, 3)
        return ClipBatch(clip_BCTHW, label_B, torch.from_numpy(index_B), tuple(errors))

    def _plan(self, draws: Sequence[Draw | int]) -> tuple[list[tuple[int, Indices]], list[str]]:
        """Which frames of which clips; a loop of its own, because between the copies it would find cold caches."""
        planned: list[tuple[int, Indices]] = []
        errors: list[str] = []
        for draw in draws:
            index, seed = draw if isinstance(draw, tuple) else (draw, 0)
            try:
                planned.append((index, self.indices(self.records[index].frames, seed).ravel()))
            except VideoError as error:
                errors.append(str(error))
        return planned, errors

    def _read(self, record: ClipRecord, indices_L: Indices, out_LHWC: NDArray[np.uint8]) -> None:
        entry = self.store.entry(record.md5, frames=record.frames) if self.store else None
        if entry:
            entry.read_square(indices_L, out_LHWC)
        else:
            path = self.videos_dir / record.path
            frames_LHWC = read_frames(path, indices_L, short_side=self.contract.short_side)
            np.copyto(out_LHWC, center_crop(frames_LHWC, out_LHWC.shape[1]))

    def indices(self, num_frames: int, seed: int) -> Indices:
        """`[views, T]` frame numbers of one draw (`[1, T]` in training)."""
        contract = self.contract
        if self.views:
            return uniform_clips(
                num_frames,
                frames=contract.frames,
                stride=contract.stride,
                policy=contract.short_clip,
                clips=self.views,
            )
        return random_clip(
            num_frames,
            frames=contract.frames,
            stride=contract.stride,
            policy=contract.short_clip,
            generator=self._random.at(seed),
            jitter=self.temporal_jitter,
        )[None]


class EpochSampler(Sampler[Draw]):
    """A new shuffle, and a new seed for each clip, every epoch.

    Both follow from (seed, epoch) alone: neither the number of workers nor where a run was resumed changes what is
    drawn. Lightning calls `set_epoch`.
    """

    def __init__(self, length: int, *, seed: int) -> None:
        self.length = length
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Draw]:
        generator = np.random.default_rng([self.seed, self.epoch])
        order = generator.permutation(self.length)
        seeds = generator.integers(0, 2**63 - 1, size=self.length)
        return map(Draw, order.tolist(), seeds.tolist())


def collate_clips(examples: Sequence[ClipExample] | ClipBatch) -> ClipBatch:
    """Stack the views of all examples; those that could not be decoded leave only their error line."""
    if isinstance(examples, ClipBatch):
        return examples
    good = [example for example in examples if example.clips_NCTHW is not None]
    errors = tuple(example.error for example in examples if example.clips_NCTHW is None)
    if not good:
        empty = torch.empty(0, dtype=torch.int64)
        return ClipBatch(torch.empty(0, dtype=torch.uint8), empty, empty, errors)
    views = [len(example.clips_NCTHW) for example in good if example.clips_NCTHW is not None]
    return ClipBatch(
        torch.cat([example.clips_NCTHW for example in good if example.clips_NCTHW is not None]),
        torch.tensor([example.label for example in good]).repeat_interleave(torch.tensor(views)),
        torch.tensor([example.index for example in good]).repeat_interleave(torch.tensor(views)),
        errors,
    )

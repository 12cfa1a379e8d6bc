"""Frames of clips in shards."""

import zlib
from collections import OrderedDict
from collections.abc import Sequence

from action_recognition.datasets.records import ClipRecord
from action_recognition.errors import DataError
from action_recognition.readers.base import CHUNK, ClipReader, Place
from action_recognition.readers.shards.shard_set import ShardSet
from action_recognition.readers.shards.tar_clip import TarClip


class ShardReader(ClipReader):
    """Reads clips chunk by chunk, and keeps those that are still to come.

    Raises:
        DataError: if `short_side`, which the model's contract asks for, is not that of the frames in the shards.
    """

    name = "shards"

    def __init__(self, shards: ShardSet, *, short_side: int) -> None:
        exported = shards.index.contract.short_side
        if exported != short_side:
            raise DataError(
                f"clip.short_side={short_side}: the frames in {shards.files.url} have {exported}; set clip.short_side="
                f"{exported}, or write them again: python commands.py export-shards clip.short_side={short_side}"
            )
        self.shards = shards
        self.capacity = CHUNK  # a clip that was dropped is read again
        self._waiting: OrderedDict[Place, bytes] = OrderedDict()

    def describe(self, records: Sequence[ClipRecord]) -> str:  # noqa: ARG002
        return f"reading shards from {self.shards.files.url}"

    def places(self, records: Sequence[ClipRecord]) -> list[Place]:
        """The clips' positions; `DataError` if one is in no shard."""
        for record in records:
            if record.md5 not in self.shards.places:
                raise DataError(f"{self.shards.files.url}: {record.path} is in none of its shards")
        return [self.shards.places[record.md5] for record in records]

    def keep(self, clips: int) -> None:
        self.capacity = max(self.capacity, clips)

    def entry(self, md5: str, *, frames: int | None = None) -> TarClip | None:  # noqa: ARG002 - a checksum says it all
        """The clip of the video with this MD5, or None; `DataError` if its shard is damaged or cannot be read."""
        place = self.shards.places.get(md5)
        if place is None:
            return None
        if place not in self._waiting:
            self._fetch(place)
        file = self.shards.index.shards[place.shard].file
        return TarClip(self._waiting.pop(place), origin=f"{self.shards.files.url}/{file}: clip {place.clip}")

    def _fetch(self, place: Place) -> None:
        shard = self.shards.index.shards[place.shard]
        first = place.clip - place.clip % CHUNK
        clips = range(first, min(first + CHUNK, shard.clips))
        start = shard.offsets[first]
        data = memoryview(self.shards.files.read_range(shard, start, shard.offsets[clips[-1] + 1]))
        for clip in clips:
            sample = bytes(data[shard.offsets[clip] - start : shard.offsets[clip + 1] - start])
            if zlib.crc32(sample) != shard.crc32[clip]:
                raise self.shards.files.damaged(shard, f"the checksum of clip {clip} differs")
            self._waiting[Place(place.shard, clip)] = sample
        while len(self._waiting) > self.capacity:
            self._waiting.popitem(last=False)

"""Frames of clips that lie in shards, for the data set of clips to cut from."""

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

    Args:
        short_side: of the frames that the model's contract asks for.

    Raises:
        DataError: if the frames in the shards have another short side.
    """

    name = "shards"

    def __init__(self, shards: ShardSet, *, short_side: int) -> None:
        exported = shards.index.contract.short_side
        if exported != short_side:
            raise DataError(
                f"clip.short_side={short_side}: the frames in {shards.files.url} have {exported}; say clip.short_side="
                f"{exported}, or write them again: python commands.py export-shards clip.short_side={short_side}"
            )
        self.shards = shards
        # A clip that is asked for after it has been dropped is read again.
        self.capacity = CHUNK
        self._waiting: OrderedDict[Place, bytes] = OrderedDict()

    def describe(self, records: Sequence[ClipRecord]) -> str:  # noqa: ARG002
        return f"reading shards from {self.shards.files.url}"

    def places(self, records: Sequence[ClipRecord]) -> list[Place]:
        """Where clips lie.

        Raises:
            DataError: if one is in no shard.
        """
        for record in records:
            if record.md5 not in self.shards.places:
                raise DataError(f"{self.shards.files.url}: {record.path} is in none of its shards")
        return [self.shards.places[record.md5] for record in records]

    def keep(self, clips: int) -> None:
        self.capacity = max(self.capacity, clips)

    def entry(self, md5: str, *, frames: int | None = None) -> TarClip | None:  # noqa: ARG002 - a checksum says it all
        """The clip of the video with these bytes; None if no shard holds it.

        Raises:
            DataError: if its shard cannot be read, or holds other bytes than its index says.
        """
        place = self.shards.places.get(md5)
        if place is None:
            return None
        if place not in self._waiting:
            self._fetch(place)
        return TarClip(self._waiting.pop(place), origin=f"{self._url(place)}: clip {place.clip}")

    def _fetch(self, place: Place) -> None:
        shard = self.shards.index.shards[place.shard]
        first = place.clip - place.clip % CHUNK
        clips = range(first, min(first + CHUNK, shard.clips))
        start = shard.offsets[first]
        data = memoryview(self.shards.files.read_range(shard, start, shard.offsets[clips[-1] + 1]))
        for clip in clips:
            sample = bytes(data[shard.offsets[clip] - start : shard.offsets[clip + 1] - start])
            if zlib.crc32(sample) != shard.crc32[clip]:
                what = f"the checksum of clip {clip} is another"
                raise DataError(f"{self._url(place)}: not the file of index.json ({what}); copy it there again")
            self._waiting[Place(place.shard, clip)] = sample
        while len(self._waiting) > self.capacity:
            self._waiting.popitem(last=False)

    def _url(self, place: Place) -> str:
        return f"{self.shards.files.url}/{self.shards.index.shards[place.shard].file}"

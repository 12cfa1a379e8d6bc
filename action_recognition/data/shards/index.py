"""`index.json`: what a folder of shards holds, where each clip lies in it, and how to tell that bytes are whole."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from action_recognition.contract import ClipContract
from action_recognition.errors import ContractError, DataError

INDEX_FILE = "index.json"
MANIFEST_FILE = "manifest.csv"
INDEX_VERSION = 1
SHARD_SPLITS = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One tar.

    Attributes:
        offsets: bytes; clip `i` lies from `offsets[i]` to `offsets[i + 1]`, so there is one more than there are clips.
        crc32: of those bytes, one a clip.
        bytes, sha256: of the whole file, for other tools; reading a part of it cannot check them.
    """

    file: str
    split: str
    clips: int
    bytes: int
    sha256: str
    offsets: tuple[int, ...]
    crc32: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ShardIndex:
    """Everything about a folder of shards but its clips.

    Attributes:
        name: of the data set that was exported.
        contract: the clip contract at the time; its short side is that of the frames, the rest is a default.
        jpeg_quality: of the frames.
        max_bytes: that a tar was meant to have at most.
        manifest_sha256: of `manifest.csv`, whose first rows are the clips of the shards in their order.
    """

    name: str
    contract: ClipContract
    jpeg_quality: int
    max_bytes: int
    manifest_sha256: str
    shards: tuple[Shard, ...]

    def to_json(self) -> str:
        """One line a value and a shard, so that a difference can be read."""
        head = {
            "version": INDEX_VERSION,
            "name": self.name,
            "clips": {split: sum(s.clips for s in self.shards if s.split == split) for split in SHARD_SPLITS},
            "contract": self.contract.to_dict(),
            "jpeg_quality": self.jpeg_quality,
            "max_bytes": self.max_bytes,
            "manifest_sha256": self.manifest_sha256,
        }
        lines = [f' "{name}": {json.dumps(value, ensure_ascii=False)},' for name, value in head.items()]
        shards = ",\n".join(f"  {json.dumps(asdict(shard))}" for shard in self.shards)
        return "\n".join(["{", *lines, ' "shards": [', shards, " ]", "}", ""])

    @classmethod
    def from_json(cls, text: bytes, *, origin: str) -> Self:
        """Read an index back.

        Args:
            origin: where it came from, for the error message.

        Raises:
            DataError: if it is not an index of this version, or contradicts itself.
        """
        again = "write the shards again: python commands.py export-shards"
        try:
            values = json.loads(text)
            if values["version"] != INDEX_VERSION:
                raise DataError(f"{origin}: version {values['version']}, expected {INDEX_VERSION}; {again}")
            index = cls(
                name=str(values["name"]),
                contract=ClipContract.from_dict(values["contract"], origin=origin),
                jpeg_quality=int(values["jpeg_quality"]),
                max_bytes=int(values["max_bytes"]),
                manifest_sha256=str(values["manifest_sha256"]),
                shards=tuple(_shard(shard) for shard in values["shards"]),
            )
        except (ValueError, KeyError, TypeError, ContractError) as error:
            raise DataError(f"{origin}: not an index of shards ({error!r}); {again}") from None
        for shard in index.shards:
            if not (shard.clips == len(shard.crc32) == len(shard.offsets) - 1 and shard.split in SHARD_SPLITS):
                raise DataError(f"{origin}: {shard.file} contradicts itself; {again}")
        return index


def _shard(values: dict[str, Any]) -> Shard:
    return Shard(**values | {name: tuple(map(int, values[name])) for name in ("offsets", "crc32")})

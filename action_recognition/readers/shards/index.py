"""`index.json`: the contents of a folder of shards, the position of each clip, and checksums."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, Self

from action_recognition.contract import ClipContract
from action_recognition.errors import ContractError, DataError, first_line
from action_recognition.utils.rules import Choice, Length, Range, Text
from action_recognition.utils.stored_values import check_keys, check_values, shown

INDEX_FILE = "index.json"
MANIFEST_FILE = "manifest.csv"
INDEX_VERSION = 1
SHARD_SPLITS = ("train", "val", "test")
MAX_CLIPS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One tar.

    Attributes:
        offsets: of the clips, in bytes, followed by the end of the last one.
        crc32: of each clip.
        bytes, sha256: of the whole file, for other tools; reading a part of it cannot check them.
    """

    file: Annotated[str, Text(255)]
    split: Annotated[str, Choice(*SHARD_SPLITS)]
    clips: Annotated[int, Range(0, MAX_CLIPS)]
    bytes: Annotated[int, Range(0, 2**63)]
    sha256: Annotated[str, Text(64)]
    offsets: Annotated[tuple[Annotated[int, Range(0, 2**63)], ...], Length(1, MAX_CLIPS + 1)]
    crc32: Annotated[tuple[Annotated[int, Range(0, 2**32 - 1)], ...], Length(0, MAX_CLIPS)]


@dataclass(frozen=True, kw_only=True)
class ShardIndex:
    """Everything about a folder of shards but its clips.

    Attributes:
        name: of the data set that was exported.
        contract: at the time of the export; its short side is that of the frames, the rest is a default.
        max_bytes: the limit for one tar.
        manifest_sha256: of `manifest.csv`, whose first rows are the clips of the shards in their order.
    """

    name: Annotated[str, Text(255)]
    contract: ClipContract
    jpeg_quality: Annotated[int, Range(1, 100)]
    max_bytes: Annotated[int, Range(1, 2**63)]
    manifest_sha256: Annotated[str, Text(64)]
    shards: tuple[Shard, ...]

    def to_json(self) -> str:
        """One line per value and per shard, so that a difference can be read."""
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
        """Read an index back; `DataError`, naming its `origin`, if it has another version or contradicts itself."""
        again = "write the shards again: python commands.py export-shards"
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{origin}: not an index of shards ({first_line(error)}); {again}") from None
        if not isinstance(values, dict) or "version" not in values:
            raise DataError(f"{origin}: not an index of shards (it has no version); {again}")
        version = values["version"]
        if type(version) is not int or version != INDEX_VERSION:
            raise DataError(f"{origin}: version {shown(version)}, expected {INDEX_VERSION}; {again}")
        try:
            wanted = {field.name for field in fields(cls)}
            known = {name: value for name, value in values.items() if name in wanted}
            check_keys(sorted(wanted), known, origin=origin)
            check_values(cls, known, origin=origin)
            if not isinstance(known["shards"], list):
                raise ContractError(f"{origin}: shards={shown(known['shards'])}: expected a list")
            known["contract"] = ClipContract.from_dict(known["contract"], origin=origin)
            known["shards"] = tuple(_shard(shard, f"{origin}: shard {n}") for n, shard in enumerate(known["shards"]))
        except ContractError as error:
            raise DataError(f"{error}; {again}") from None
        return cls(**known)


def _shard(values: Any, origin: str) -> Shard:
    """A shard; `ContractError` if a key or value is not allowed, or they contradict each other."""
    check_keys([field.name for field in fields(Shard)], values, origin=origin)
    check_values(Shard, values, origin=origin)
    shard = Shard(**values | {name: tuple(values[name]) for name in ("offsets", "crc32")})
    ends = (0, *shard.offsets, shard.bytes)
    fits = shard.clips == len(shard.crc32) == len(shard.offsets) - 1 and list(ends) == sorted(ends)
    if not fits or set(shard.file) & set("/\\"):
        raise ContractError(f"{origin}: {shard.file} contradicts itself")
    return shard

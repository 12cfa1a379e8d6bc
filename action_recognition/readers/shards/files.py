"""Byte ranges of files below a URL: a local folder, HTTP, or anything that fsspec has a driver for (S3, GCS, SSH)."""

import hashlib
import os
import time
from pathlib import Path
from typing import Any, Self

import aiohttp
from fsspec.core import url_to_fs  # type: ignore[import-untyped]

from action_recognition.config import DataConfig
from action_recognition.errors import ConfigError, DataError, MissingLibraryError, first_line
from action_recognition.readers.shards.index import Shard
from action_recognition.utils.files import replace_file

KEPT = Path(".cache/shards")
HTTP = ("http://", "https://")
ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.5
SILENCE_SECONDS = 30.0
HOW_TO = "data.shards.url names the folder that export-shards wrote"


class ShardFiles:
    """Reads files below `url`. Each process opens its own connections, also after a fork."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._opened: tuple[int, Any, str] | None = None

    @classmethod
    def named_by(cls, data: DataConfig) -> Self:
        """The files of `data.shards.url`; `ConfigError` if it is not set."""
        if not data.shards.url:
            example = "data.shards.url=shards/hmdb51, https://host/shards or s3://bucket/shards"
            raise ConfigError(f"data.shards.url is not set; it names what export-shards wrote: {example}")
        return cls(data.shards.url)

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url, "_opened": None}

    def read(self, name: str) -> bytes:
        """A whole file; `DataError` if it does not exist, or cannot be read after some attempts."""
        return self._fetched(name, None, None)

    def read_range(self, shard: Shard, start: int, end: int) -> bytes:
        """Bytes `start` to `end` of a shard; `DataError` as in `read`, or if the file is shorter than in the index."""
        kept = KEPT / f"{shard.sha256}.tar"
        if kept.exists():
            with kept.open("rb") as file:
                file.seek(start)
                return file.read(end - start)
        data = self._fetched(shard.file, start, end)
        if len(data) == end - start:
            return data
        if len(data) == shard.bytes and self.url.startswith(HTTP):  # a server that ignores Range sends all of it
            if hashlib.sha256(data).hexdigest() != shard.sha256:
                raise self.damaged(shard, "its checksum differs")
            replace_file(kept, data)
            return data[start:end]
        raise self.damaged(shard, f"{len(data)} of {end - start} bytes at byte {start}")

    def damaged(self, shard: Shard, what: str) -> DataError:
        return DataError(f"{self.url}/{shard.file}: not the file of index.json ({what}); copy it there again")

    def _fetched(self, name: str, start: int | None, end: int | None) -> bytes:
        filesystem, root = self._connection()
        for attempt in range(ATTEMPTS):
            try:
                return bytes(filesystem.cat_file(f"{root}/{name}", start=start, end=end))
            except FileNotFoundError:
                raise DataError(f"{self.url}/{name}: no such file; {HOW_TO}") from None
            except Exception as error:  # each driver raises the errors of its own library
                if getattr(error, "status", None) == 416:  # these bytes are after the end
                    return b""
                if attempt == ATTEMPTS - 1 or _is_final(error):
                    raise DataError(f"{self.url}/{name}: cannot be read ({first_line(error)}); {HOW_TO}") from None
                time.sleep(FIRST_PAUSE_SECONDS * 2**attempt)
        raise AssertionError("unreachable")

    def _connection(self) -> tuple[Any, str]:
        if self._opened is None or self._opened[0] != os.getpid():
            options = {}
            if self.url.startswith(HTTP):  # by default, dead servers have five minutes
                timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=SILENCE_SECONDS)
                options = {"client_kwargs": {"timeout": timeout}}
            try:
                filesystem, root = url_to_fs(self.url, **options)
            except ImportError as error:
                raise MissingLibraryError(
                    f"data.shards.url={self.url}: {error}; pip install s3fs (gcsfs, adlfs ...), or give an https:// URL"
                ) from None
            except ValueError as error:
                raise ConfigError(
                    f"data.shards.url={self.url}: {error}; expected a folder, http(s):// or s3://"
                ) from None
            self._opened = os.getpid(), filesystem, root.rstrip("/")
        return self._opened[1:]


def _is_final(error: Exception) -> bool:
    """Whether another attempt is useless: permissions, and HTTP's 4xx except 408 and 429."""
    status = getattr(error, "status", None)
    refused = isinstance(status, int) and 400 <= status < 500 and status not in (408, 429)
    return refused or isinstance(error, PermissionError | IsADirectoryError | NotADirectoryError)

"""Folders of shards in tests: what is in them, and how they are read."""

import json
from pathlib import Path

from action_recognition.config import Config, load_config
from action_recognition.readers.shards.exported_settings import as_exported

FEW_CLIPS = "data.shards.max_megabytes=0.06"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def index_of(folder: Path) -> dict:
    return json.loads((folder / "index.json").read_text())


def read(url: object, *overrides: str) -> Config:
    """A configuration that reads shards at `url`, as the command line composes it."""
    small = ["data.batch_size=4", "data.test_clips=2", "data.num_workers=0"]
    return as_exported(load_config(["data=shards", f"data.shards.url={url}", *small, *overrides]))


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip_a_bit(content: bytes) -> bytes:
    return content[:3000] + bytes([content[3000] ^ 1]) + content[3001:]

"""A clip that a data set of images lists, with its split, before anything is decoded."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ListedClip:
    """The columns of a manifest's row that are known without decoding; `error` says why it cannot be used."""

    path: str
    label: str
    source_video: str
    split: str = "unused"
    frames: int = 0
    size_bytes: int = 0
    error: str = ""

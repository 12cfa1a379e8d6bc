"""Probabilities that an evaluation kept, for whoever would have the same model judge the same clips again."""

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from action_recognition.config import Config

# Raised when the same clips would get other probabilities from the same model, such as by other sampling.
VERSION = 1


def file_digest(path: Path) -> str:
    """SHA-256 of a model's file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def evaluation_key(digest: str, config: Config, data_hash: str) -> str:
    """The same where all that probabilities follow from is: model, content of the data, and views of each video.

    Args:
        digest: of the model's file.
        data_hash: of the manifest, which knows what is in each video.
    """
    data, split = config.data, config.evaluation.split
    parts = [VERSION, digest, data.name, data_hash, split, data.test_clips, data.test_crops]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def stored_probabilities(directory: Path, key: str) -> tuple[list[str], list[str], NDArray[np.float32]] | None:
    """Paths `[N]`, class names `[K]` and probabilities `[N, K]` of an evaluation in its folder.

    None if there is none, if it was another one, or if the file cannot be read.
    """
    try:
        with np.load(directory / "probabilities.npz", allow_pickle=False) as stored:
            if str(stored["key"]) != key:
                return None
            paths, names = stored["path"].tolist(), stored["class_names"].tolist()
            probability_NK = np.asarray(stored["probability"], dtype=np.float32)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    is_whole = probability_NK.shape == (len(paths), len(names)) and bool(np.isfinite(probability_NK).all())
    return (paths, names, probability_NK) if is_whole and paths else None

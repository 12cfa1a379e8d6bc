"""Model files on the Hugging Face hub, through its own client with the cache, tokens and offline mode its users know.

What `hub` says against that client does not count here: a model is one file, and carries its own checksum.
"""

import os
import re
from pathlib import Path, PurePosixPath

from action_recognition.errors import UserError, first_line

HUB = "hf://"
MODEL_SUFFIXES = (".onnx", ".ckpt")
USUAL_NAME = "video_action_model.onnx"  # what `export-onnx` writes
_ADDRESS = re.compile(r"hf://(?P<repo>[^/@]+/[^/@]+)(@(?P<revision>[^/]+))?(/(?P<file>.+))?")


def fetch_hub_model(address: str) -> Path:
    """Download a model file, or take it from the hub's cache.

    Args:
        address: `hf://OWNER/REPO`, `hf://OWNER/REPO/FILE`, with `@REVISION` after the repository if it is not `main`.
            Without a file: `video_action_model.onnx`, else the only ONNX file or checkpoint. HF_TOKEN gives access to
            private repositories; HF_ENDPOINT names another hub.

    Raises:
        UserError: if the hub cannot be reached, there is no such file, or several files could be meant.
    """
    from httpx import HTTPError
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

    match = _ADDRESS.fullmatch(address.rstrip("/"))
    if match is None:
        raise UserError(f"{address}: expected hf://OWNER/REPO or hf://OWNER/REPO/FILE")
    repo, revision, file = match["repo"], match["revision"], match["file"]
    if file and PurePosixPath(file).suffix not in MODEL_SUFFIXES:
        raise UserError(f"{address}: expected a file that ends in {' or '.join(MODEL_SUFFIXES)}")
    try:
        return _fetch(repo, revision, file or USUAL_NAME) or _fetch_only(address, repo, revision, file)
    except RepositoryNotFoundError:
        reason = "no such repository, or a private one: HF_TOKEN gives access"
    except RevisionNotFoundError:
        reason = f"the repository has no revision {revision}"
    except EntryNotFoundError:
        reason = "the hub does not answer, and the file is not in its cache"
    except (HTTPError, OSError, ValueError) as error:
        reason = f"cannot be downloaded ({first_line(error)})"
    raise UserError(f"{address}: {reason}") from None


def _fetch(repo: str, revision: str | None, file: str) -> Path | None:
    """The file, or None if the repository does not have it."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import RemoteEntryNotFoundError

    try:
        return Path(hf_hub_download(repo, file, revision=revision, endpoint=_endpoint()))
    except RemoteEntryNotFoundError:
        return None


def _fetch_only(address: str, repo: str, revision: str | None, file: str | None) -> Path:
    from huggingface_hub import HfApi

    names = HfApi(endpoint=_endpoint()).list_repo_files(repo, revision=revision)
    models = sorted(name for name in names if PurePosixPath(name).suffix in MODEL_SUFFIXES)
    if file is None and len(models) == 1:
        found = _fetch(repo, revision, models[0])
        if found:
            return found
    there = f"there is {', '.join(models[:5])}" if models else "it has no ONNX file and no checkpoint"
    wanted = f"no file {file} in the repository" if file else "name one file: hf://OWNER/REPO/FILE"
    raise UserError(f"{address}: {wanted}; {there}")


def _endpoint() -> str | None:
    """The hub's client reads the variable only once, when it is imported."""
    return os.environ.get("HF_ENDPOINT")

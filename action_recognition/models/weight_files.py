"""Finding and downloading pretrained weights, and reading their files without running code from them."""

import os
import re
import socket
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlparse
from urllib.request import url2pathname

import torch
from torch import Tensor

from action_recognition.errors import ConfigError, ContractError, did_you_mean, first_line
from action_recognition.utils.files import replacing
from action_recognition.utils.finite import check_weights
from action_recognition.utils.redaction import redacted

# What a state dict is called inside checkpoints that hold more than it.
WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model")
# Put before every key by DataParallel, by torch.compile and by `VideoActionModel`.
PREFIXES = ("module.", "_orig_mod.", "network.")
HASH_IN_NAME = re.compile(r"-([a-f0-9]{8,})\.")
SILENCE_SECONDS = 30


def locate_weights(weights: str, names: Mapping[str, str], *, network_name: str, key: str = "model.weights") -> Path:
    """The local file that `weights` means, downloaded into torch.hub's cache where it is a URL or one of `names`.

    Args:
        weights: one of `names`, a path, or a `file://`, `http://` or `https://` URL.
        names: published weights of this network, name to URL.
        key: what `weights` is the value of, for errors.

    Raises:
        ConfigError: if there is no such name or file, or the server cannot be reached or sends something else.
    """
    if weights in names:
        url = names[weights]
        file_name = PurePosixPath(urlparse(url).path).name
        return _download(url, file_name, check_hash=True)
    scheme = urlparse(weights).scheme
    if scheme in ("http", "https"):
        # Two servers may use one name for different weights.
        file_name = f"{sha256(weights.encode()).hexdigest()[:12]}_{PurePosixPath(unquote(urlparse(weights).path)).name}"
        return _download(weights, file_name, check_hash=False)
    path = Path(url2pathname(urlparse(weights).path)) if scheme == "file" else Path(weights).expanduser()
    if path.is_file():
        return path
    if scheme == "file" or path.suffix or len(path.parts) > 1 or path.exists():
        problem = "is a folder, not a file" if path.is_dir() else "no such file"
        raise ConfigError(f"{key}={redacted(weights)}: {problem}; {_instead(names, network_name, key)}")
    known = f"one of {', '.join(names)}, " if names else f"({network_name} has no named weights) "
    raise ConfigError(f"{key}={weights}: expected {known}a path or a URL{did_you_mean(weights, names)}")


def _instead(names: Mapping[str, str], network_name: str, key: str) -> str:
    """Where the files of the shipped experiments come from, and which weights can be used without a file."""
    where = "docs/models.md says where the files of the experiments come from"
    if names:
        return f"{where}; or weights that are downloaded: {' or '.join(f'{key}={name}' for name in names)}"
    return f"{where}, and which networks have weights that are downloaded ({network_name} has none); or {key}=null"


def _download(url: str, file_name: str, *, check_hash: bool) -> Path:
    cached = Path(torch.hub.get_dir()) / "checkpoints" / file_name
    if cached.is_file():
        return cached
    found = HASH_IN_NAME.search(file_name) if check_hash else None
    try:
        with replacing(cached) as partial, _silence_ends():
            # A file with a wrong hash never gets the name, nor one that is cut short or holds code.
            prefix = found.group(1) if found else None
            torch.hub.download_url_to_file(url, str(partial), prefix, progress=sys.stderr.isatty())
            read_state_dict(partial, origin=url)
    except (OSError, RuntimeError, ValueError, HTTPException) as error:  # no host, no room; another hash; not a URL
        advice = "download it elsewhere and give its path: model.weights=PATH"
        raise ConfigError(f"{redacted(url)}: could not be downloaded ({first_line(error)}); {advice}") from None
    return cached


@contextmanager
def _silence_ends() -> Iterator[None]:
    """Give up on a silent server: `download_url_to_file` has no timeout of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def read_state_dict(path: str | os.PathLike[str], *, origin: str | None = None) -> dict[str, Tensor]:
    """The tensors of a weights file, by their names in the network that was saved.

    Takes a plain state dict, one inside a checkpoint (Lightning's too), and keys that DataParallel, torch.compile or
    `VideoActionModel` prefixed. Only tensors and plain values are read: a file that would run code is refused.

    Args:
        origin: what errors call it, where not by its path.

    Raises:
        ContractError: if it is no such file, or its values are not finite.
    """
    try:
        content = load_plain(path)
    except Exception as error:
        line = f"{origin or path}: refused: not a file of plain tensors ({first_line(error)[:160]})"
        raise ContractError(f"{line}; save its state dict with torch.save(model.state_dict(), PATH)") from None
    for name in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
            break
    tensors = _tensors(content)
    if not tensors:
        raise ContractError(
            f"{origin or path}: holds no named tensors; expected a state dict, plain or under 'state_dict'"
        )
    check_weights(tensors, origin=str(origin or path), advice="get another copy of the file")
    return _without_prefixes(tensors)


def load_plain(path: str | os.PathLike[str]) -> Any:
    """What `torch.load` makes of a file without running code from it, and without its warnings: it says why it refuses.

    Raises:
        Exception: of many kinds, for a file that is not plain.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(path, map_location="cpu", weights_only=True)


def _tensors(content: Any) -> dict[str, Tensor]:
    if not isinstance(content, Mapping):
        return {}
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def _without_prefixes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    stripped = True
    while stripped:
        stripped = False
        for prefix in PREFIXES:
            if all(name.startswith(prefix) for name in tensors):
                tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
                stripped = True
    return tensors

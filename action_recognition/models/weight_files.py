"""Finding and downloading pretrained weights, and reading their files without running code from them."""

import os
import re
import socket
import sys
import warnings
from collections.abc import Mapping
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

# Keys of a state dict inside checkpoints that hold more.
WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model")
# Put before every key by DataParallel, torch.compile and `VideoActionModel`.
PREFIXES = ("module.", "_orig_mod.", "network.")
HASH_IN_NAME = re.compile(r"-([a-f0-9]{8,})\.")
SILENCE_SECONDS = 30


def locate_weights(weights: str, names: Mapping[str, str], *, network_name: str, key: str = "model.weights") -> Path:
    """The local file that `weights` means, downloaded into torch.hub's cache if it is a URL or one of `names`.

    Args:
        weights: one of `names`, a path, or a `file://`, `http://` or `https://` URL.
        names: published weights of this network, name to URL.
        key: the configuration key of `weights`, for errors.

    Raises:
        ConfigError: if there is no such name or file, or the server cannot be reached or sends something else.
    """
    if weights in names:
        url = names[weights]
        return _download(url, PurePosixPath(urlparse(url).path).name, check_hash=True)
    address = urlparse(weights)
    if address.scheme in ("http", "https"):
        # Two servers may use one name for different weights.
        prefix = sha256(weights.encode()).hexdigest()[:12]
        return _download(weights, f"{prefix}_{PurePosixPath(unquote(address.path)).name}", check_hash=False)
    path = Path(url2pathname(address.path)) if address.scheme == "file" else Path(weights).expanduser()
    if path.is_file():
        return path
    if address.scheme == "file" or path.suffix or len(path.parts) > 1 or path.exists():
        problem = "is a folder, not a file" if path.is_dir() else "no such file"
        advice = f"or {key}=null"
        if names:
            advice = f"or weights that are downloaded: {' or '.join(f'{key}={name}' for name in names)}"
        raise ConfigError(
            f"{key}={redacted(weights)}: {problem}; docs/models.md says where the files of the experiments come from, "
            f"and which networks have weights that are downloaded; {advice}"
        )
    known = f"one of {', '.join(names)}, " if names else f"({network_name} has no named weights) "
    raise ConfigError(f"{key}={weights}: expected {known}a path or a URL{did_you_mean(weights, names)}")


def _download(url: str, file_name: str, *, check_hash: bool) -> Path:
    cached = Path(torch.hub.get_dir()) / "checkpoints" / file_name
    if cached.is_file():
        return cached
    found = HASH_IN_NAME.search(file_name) if check_hash else None
    timeout = socket.getdefaulttimeout()
    # Give up on a silent server: `download_url_to_file` has no timeout of its own.
    socket.setdefaulttimeout(SILENCE_SECONDS)
    try:
        # A file that has a wrong hash, is cut short or holds code never gets the name.
        with replacing(cached) as partial:
            prefix = found.group(1) if found else None
            torch.hub.download_url_to_file(url, str(partial), prefix, progress=sys.stderr.isatty())
            read_state_dict(partial, origin=url)
    except (OSError, RuntimeError, ValueError, HTTPException) as error:  # no host, no room; another hash; not a URL
        advice = "download it elsewhere and give its path: model.weights=PATH"
        raise ConfigError(f"{redacted(url)}: could not be downloaded ({first_line(error)}); {advice}") from None
    finally:
        socket.setdefaulttimeout(timeout)
    return cached


def read_state_dict(path: str | os.PathLike[str], *, origin: str | None = None) -> dict[str, Tensor]:
    """The tensors of a weights file, by their names in the network that was saved.

    Takes a plain state dict, one inside a checkpoint (Lightning's too), and keys that DataParallel, torch.compile or
    `VideoActionModel` prefixed. Only tensors and plain values are read: a file that would run code is refused.

    Args:
        origin: its name in errors, if not its path.

    Raises:
        ContractError: if it is not such a file, or its values are not finite.
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
    values = content if isinstance(content, Mapping) else {}
    tensors = {str(name): value for name, value in values.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ContractError(
            f"{origin or path}: holds no named tensors; expected a state dict, plain or under 'state_dict'"
        )
    check_weights(tensors, origin=str(origin or path), advice="get another copy of the file")
    while prefix := next((p for p in PREFIXES if all(name.startswith(p) for name in tensors)), ""):
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def load_plain(path: str | os.PathLike[str]) -> Any:
    """`torch.load` that runs no code from the file and prints no warnings; any exception if the file is not plain."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(path, map_location="cpu", weights_only=True)

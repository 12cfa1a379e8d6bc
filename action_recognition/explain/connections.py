"""Which layer feeds which: tensors are followed through a forward pass, whatever computes between two layers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

INPUT = "input"
# Residual connections and the like.
SUMS = {"add", "add_", "__add__", "__iadd__", "__radd__"}


@dataclass(frozen=True)
class Connection:
    """From the output of a layer, or from the input of the network, to a layer.

    Attributes:
        sums: additions on the way of two tensors of one size, one of them computed from the other or from the same
            tensor: residual connections, that lie between the two or inside of the second.
    """

    source: str
    target: str
    sums: int


@dataclass(frozen=True)
class _Origin:
    """Of a tensor: the nearest layers that it was computed from, and the sums since."""

    layers: frozenset[str]
    sums: frozenset[int]


def connections(network: nn.Module, names: Sequence[str], clip_BCTHW: Tensor) -> list[Connection]:
    """How the layers `names` are connected, directly or through layers that are not among them.

    Args:
        names: as in `models.layers.Layer`; a further call of a module ends in `#2`.
        clip_BCTHW: the network's input, normalised; it runs once.

    Returns:
        In the order of the targets. Every layer has one from another layer or from `INPUT`, unless it sees neither.
    """
    modules = dict(network.named_modules())
    calls: dict[str, int] = {}
    found: list[Connection] = []
    handles = []

    def note(_: nn.Module, __: Any, output: Any, *, name: str) -> None:
        calls[name] = calls.get(name, 0) + 1
        call = name if calls[name] == 1 else f"{name}#{calls[name]}"
        if call not in names:
            return
        origins = [origin for tensor in _tensors(output) if (origin := _origin_of(tensor))]
        sums = frozenset[int]().union(*(origin.sums for origin in origins))
        sources = dict.fromkeys(layer for origin in origins for layer in sorted(origin.layers))
        found.extend(Connection(source, call, len(sums)) for source in sources if source != call)
        for tensor in _tensors(output):
            _set_origin(tensor, _Origin(frozenset([call]), frozenset()))

    clip_BCTHW = clip_BCTHW.detach().clone()
    _set_origin(clip_BCTHW, _Origin(frozenset([INPUT]), frozenset()))
    try:
        for name in {name.partition("#")[0] for name in names}:
            handles.append(modules[name].register_forward_hook(partial(note, name=name)))
        with torch.no_grad(), torch.compiler.set_stance("force_eager"), _Following():
            network(clip_BCTHW)
    finally:
        for handle in handles:
            handle.remove()
    return found


class _Following(TorchFunctionMode):
    """Gives the result of every function of torch the origins of its arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = [tensor for tensor in _tensors((args, kwargs)) if _origin_of(tensor)]
        if not given:
            return result
        origins = [origin for tensor in given if (origin := _origin_of(tensor))]
        sums = frozenset[int]().union(*(origin.sums for origin in origins))
        name = getattr(func, "__name__", "")
        if name in SUMS and len(given) == 2 and given[0] is not given[1] and given[0].shape == given[1].shape:
            self.number += 1
            sums |= {self.number}
        origin = _Origin(frozenset[str]().union(*(origin.layers for origin in origins)), sums)
        changed = args[0] if name == "__setitem__" else result
        for tensor in _tensors(changed):
            _set_origin(tensor, origin)
        return result


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in arguments or results of a function, however deep in lists and mappings."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from _tensors(inner)


def _origin_of(tensor: Tensor) -> _Origin | None:
    with torch._C.DisableTorchFunction():
        return getattr(tensor, "_origin", None)


def _set_origin(tensor: Tensor, origin: _Origin) -> None:
    if not isinstance(tensor, nn.Parameter):
        tensor._origin = origin  # type: ignore[attr-defined]

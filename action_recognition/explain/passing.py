"""Forward passes in which the maps of one layer go through a function or are replaced: attribution needs both."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from action_recognition.errors import ConfigError
from action_recognition.models.layers import as_in_inference
from action_recognition.models.map_layouts import HEAD, MapLayout

MapsToMaps = Callable[[Tensor], Tensor]


@contextmanager
def maps_through(network: nn.Module, layer: str, function: MapsToMaps) -> Iterator[None]:
    """Put `function` between a layer and what follows it, in forward passes inside of a `with` block.

    Libraries for attribution expect channels behind the batch. Here the function is given every layer's output as maps
    `[B, C, T, H, W]`, whether its network folds frames into the batch or has tokens, and what it returns takes their
    place; class tokens stay. It may return N maps for a batch of one: the rest of the network then runs on a batch of
    N, while all that lies before the layer, and branches beside it, run once.

    Args:
        network: an `ActionNetwork`.
        layer: as in `models.layers.Layer.name`.

    Raises:
        ConfigError: if there is no such layer, or its output is no map.
    """
    name, _, call = layer.partition("#")
    modules = dict(network.named_modules())
    if name not in modules or not name:
        raise ConfigError(f"layer {layer}: no such layer; python commands.py list-layers lists them")
    state: dict[str, Any] = {}

    def begin(_: nn.Module, args: tuple[Any, ...]) -> None:
        state.update(calls=0, clip_shape=tuple(args[0].shape))

    def replace(module: nn.Module, _: Any, output: Any) -> Any:
        state["calls"] += 1
        if state["calls"] != int(call or 1):
            return None
        given = output if isinstance(output, Tensor) else output[0]
        changed = _changed(given, network, module, name, state["clip_shape"], function)
        return changed if isinstance(output, Tensor) else type(output)((changed, *output[1:]))

    with ExitStack() as stack:
        stack.enter_context(torch.compiler.set_stance("force_eager"))  # compiled code does not call later hooks
        stack.callback(network.register_forward_pre_hook(begin).remove)
        stack.callback(modules[name].register_forward_hook(replace).remove)
        stack.enter_context(_JoinsOneWithMany())
        yield


@contextmanager
def shapes_recorded(network: nn.Module) -> Iterator[dict[nn.Module, list[tuple[Any, ...]]]]:
    """For each module the shapes of what it puts out in the passes inside of a `with` block, one for each call."""
    shapes: dict[nn.Module, list[tuple[Any, ...]]] = {}

    def keep(module: nn.Module, _: Any, output: Any) -> None:
        shapes.setdefault(module, []).append(_shape_of(output))

    with ExitStack() as stack:
        for module in network.modules():
            stack.callback(module.register_forward_hook(keep, prepend=True).remove)
        yield shapes


@contextmanager
def kept_outputs(network: nn.Module, modules: set[nn.Module]) -> Iterator[None]:
    """Run `modules` once inside of a `with` block, in the first pass; later passes take what they put out then.

    Each is to be called once a pass, and to give the same in every pass.
    """
    with ExitStack() as stack:
        for module in _outermost(network, modules):
            own = module.__dict__.get("forward")  # usually its class has it
            stack.callback(module.__dict__.update, forward=own) if own else stack.callback(
                module.__dict__.pop, "forward"
            )
            module.forward = _Once(module.forward)
        yield


class _Once:
    """A function that is called once; copies of its result are returned, because what follows may work in place."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.result: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.result is None:
            self.result = self.function(*args, **kwargs)
        return _copy_of(self.result)


def _copy_of(output: Any) -> Any:
    if isinstance(output, Tensor):
        return output.clone()
    return type(output)(map(_copy_of, output)) if isinstance(output, tuple | list) else output


def _shape_of(output: Any) -> tuple[Any, ...]:
    if isinstance(output, Tensor):
        return tuple(output.shape)
    return tuple(map(_shape_of, output)) if isinstance(output, tuple | list) else (output,)


def _outermost(network: nn.Module, modules: set[nn.Module]) -> list[nn.Module]:
    """Those of `modules` that are in none of the others."""
    if network in modules:
        return [network]
    return [found for child in network.children() for found in _outermost(child, modules)]


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Gradients of what is between the layers, not of weights; modes and flags of the model are put back at the end."""
    flags = [(weight, weight.requires_grad) for weight in model.parameters()]
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(as_in_inference(model))
        # cuDNN's LSTM has no gradient outside of training.
        stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        try:
            for weight, _ in flags:
                weight.requires_grad_(False)
            yield
        finally:
            for weight, flag in flags:
                weight.requires_grad_(flag)


def _changed(
    given: Tensor, network: nn.Module, module: nn.Module, name: str, clip_shape: tuple[int, ...], function: MapsToMaps
) -> Tensor:
    """The layer's output with the maps in it replaced by those that `function` makes of them."""

    def as_maps(output: Tensor, batch: int) -> Tensor:
        layout = MapLayout(network, module, name.partition(".")[0] == HEAD, (batch, *clip_shape[1:]))  # type: ignore[arg-type]
        maps = layout.maps(output)
        if maps is None or maps[0, 0].numel() < 2:
            shape = "x".join(map(str, output.shape))
            raise ConfigError(f"layer {name}: its output of {shape} is no map over time and space; choose another: "
                              "python commands.py list-layers")  # fmt: skip
        return maps

    batch = clip_shape[0]
    maps = function(as_maps(given, batch))
    # A copy, which layers that work in place may change; layouts are views, so the maps are written into it.
    changed = given.repeat(len(maps) // batch, *[1] * (given.ndim - 1)) if len(maps) > batch else given.clone()
    as_maps(changed, len(maps)).copy_(maps)
    return changed


class _JoinsOneWithMany(TorchFunctionMode):
    """`torch.cat` of a branch with a batch of one and another with a batch of N repeats the one, as sums do."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        along = kwargs.get("dim", args[1] if len(args) > 1 else 0)
        if func is torch.cat and along != 0 and len({len(part) for part in args[0]}) == 2:
            most = max(map(len, args[0]))
            args = ([part.expand(most, *part.shape[1:]) for part in args[0]], *args[1:])
        return func(*args, **kwargs)

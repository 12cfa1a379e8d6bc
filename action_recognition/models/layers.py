"""The layers of a model by name: which there are, which of them patterns choose, and what they put out."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from action_recognition.errors import ConfigError, did_you_mean
from action_recognition.models.map_layouts import HEAD, MapLayout

if TYPE_CHECKING:
    from action_recognition.models.module import VideoActionModel

LIST_COMMAND = "python commands.py list-layers"
MOST_DEFAULT_LAYERS = 10
# They hand on what they were given, at least in inference.
PASSING = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.Dropout3d)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One call of a module in a forward pass.

    Attributes:
        name: as `network.named_modules` has it; a further call of the same module ends in `#2`, `#3` and so on.
        kind: the module's class, such as `Conv3d`.
        shape: of its output for one clip, as the module gives it, without the batch or the frames folded into it.
        map_shape: `(C, T, H, W)` of its output as maps; None if it has no such form.
        parameters: in it and all that it contains.
        stage: of the backbone, from 1; 0 for the head and for what belongs to no stage.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    map_shape: tuple[int, int, int, int] | None
    parameters: int
    stage: int

    @property
    def has_maps(self) -> bool:
        """Whether it puts out maps of more than a point."""
        return self.map_shape is not None and max(self.map_shape[2:]) > 1


@dataclass
class Captured:
    """What layers put out in the last forward pass.

    Attributes:
        outputs: by name, as the modules gave it; of several tensors the first.
    """

    outputs: dict[str, Tensor] = field(default_factory=dict)
    layouts: dict[str, MapLayout] = field(default_factory=dict)

    def maps(self, name: str, values: Tensor | None = None) -> Tensor:
        """The output of a layer as maps `[B, C, T, H, W]`, features as maps of 1x1.

        Args:
            values: something else of the output's shape, such as its gradient.

        Raises:
            ConfigError: if the output has no such form.
        """
        found = self.layouts[name].maps(self.outputs[name] if values is None else values)
        if found is None:
            shape = "x".join(map(str, self.outputs[name].shape))
            raise ConfigError(f"layer {name}: its output of {shape} is no map over time and space; choose another: "
                              f"{LIST_COMMAND}")  # fmt: skip
        return found


def detached_copy(output: Tensor) -> Tensor:
    return output.detach().clone()


@contextmanager
def captured(
    network: nn.Module,
    names: Sequence[str] | None = None,
    *,
    copy: Callable[[Tensor], Tensor] | None = detached_copy,
) -> Iterator[Captured]:
    """Keep what layers put out in forward passes of `network` inside of a `with` block; each pass replaces the last.

    Compiled networks run uncompiled meanwhile, because compiled code does not call hooks that came later.

    Args:
        network: an `ActionNetwork`; its own `forward` has to run, not `features` alone.
        names: as in `Layer.name`; None for every layer.
        copy: what is kept of an output; None for the graph's own tensor, for gradients. Layers behind that work in
            place change neither.

    Raises:
        ConfigError: if there is no module of such a name. A call that does not happen is missing in `outputs`.
    """
    network = getattr(network, "_orig_mod", network)
    modules = {name: module for name, module in network.named_modules() if name}
    wanted = None if names is None else set(names)
    chosen = modules if wanted is None else {name: _module(modules, name) for name in map(_without_call, wanted)}
    found, calls = Captured(), Counter[str]()

    def begin(_: nn.Module, args: tuple[Any, ...]) -> None:
        found.outputs.clear()
        found.layouts.clear()
        calls.clear()
        calls_of["clip_shape"] = tuple(args[0].shape)

    def keep(module: nn.Module, _: Any, output: Any, *, name: str) -> Any:
        calls[name] += 1
        call = name if calls[name] == 1 else f"{name}#{calls[name]}"
        tensor = _first_tensor(output)
        if tensor is None or (wanted is not None and call not in wanted):
            return None
        in_head = name.partition(".")[0] == HEAD
        found.layouts[call] = MapLayout(network, module, in_head, calls_of["clip_shape"])  # type: ignore[arg-type]
        if copy is not None:
            found.outputs[call] = copy(tensor)
            return None
        found.outputs[call] = tensor
        return _with_copy(output)  # what follows may change the copy in place

    calls_of: dict[str, tuple[int, ...]] = {}
    with ExitStack() as stack:
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.callback(network.register_forward_pre_hook(begin).remove)
        for name, module in chosen.items():
            stack.callback(module.register_forward_hook(partial(keep, name=name)).remove)
        yield found


def list_layers(model: "VideoActionModel", clip_BCTHW: Tensor | None = None) -> tuple[Layer, ...]:
    """All layers in the order in which they finish; left out are those that only hand on their input.

    Args:
        clip_BCTHW: uint8 clips of the model's contract; None for one black clip. The model runs on it once, as in
            inference, and is left as it was.
    """
    if clip_BCTHW is None:
        clip_BCTHW = torch.zeros(1, *model.contract.clip_shape, device=model.mean.device)
    network = model.network
    stages = {module: number for number, stage in enumerate(network.stages(), start=1) for module in stage.modules()}
    modules = dict(network.named_modules())
    with (
        as_in_inference(model),
        torch.no_grad(),
        captured(network, copy=partial(torch.empty_like, device="meta")) as found,
    ):
        model(clip_BCTHW)
    layers, last_stage = [], 0
    for name, output in found.outputs.items():
        module = modules[_without_call(name)]
        if isinstance(module, PASSING):
            continue
        maps = found.layouts[name].maps(output)
        parameters = sum(parameter.numel() for parameter in module.parameters())
        # What has no parameters, such as a ReLU, may be in no stage: it belongs to what came before it.
        stage = stages.get(module, 0 if parameters or found.layouts[name].in_head else last_stage)
        last_stage = stage or last_stage
        layer = Layer(
            name=name,
            kind=type(module).__name__.removeprefix("WholeWindow"),
            shape=tuple(output.shape[1:]),
            map_shape=None if maps is None else tuple(maps.shape[1:]),  # type: ignore[arg-type]
            parameters=parameters,
            stage=stage,
        )
        layers.append(layer)
    return tuple(layers)


def choose_layers(
    layers: Sequence[Layer], patterns: Sequence[str], *, key: str = "visualize.layers"
) -> tuple[Layer, ...]:
    """Those of `layers` that the patterns name, in the network's order, each once.

    Args:
        patterns: names, or patterns as in a shell, in which `*` stands for dots too: `backbone.layer?.*.conv1`.
        key: of the configuration, for the error.

    Raises:
        ConfigError: for a pattern that chooses nothing, with the closest name and the command that lists all.
    """
    names = [layer.name for layer in layers]
    chosen: set[str] = set()
    for pattern in patterns:
        found = [name for name in names if name == pattern] or [name for name in names if fnmatchcase(name, pattern)]
        if not found:
            raise ConfigError(f"{key}={pattern}: no such layer{did_you_mean(pattern, names)}; see {LIST_COMMAND}")
        chosen.update(found)
    return tuple(layer for layer in layers if layer.name in chosen)


def default_layers(layers: Sequence[Layer], *, most: int = MOST_DEFAULT_LAYERS) -> tuple[Layer, ...]:
    """The last layer with maps of each stage, and of each branch of it; evenly spread ones if they are many."""
    last: dict[tuple[int, str], Layer] = {}
    for layer in layers:
        if layer.stage and layer.has_maps:
            last[layer.stage, layer.name.partition(".")[0]] = layer
    chosen = {layer.name for layer in last.values()}
    found = [layer for layer in layers if layer.name in chosen]
    if len(found) <= most:
        return tuple(found)
    return tuple(found[round(place * (len(found) - 1) / (most - 1))] for place in range(most))


@contextmanager
def as_in_inference(model: nn.Module) -> Iterator[None]:
    """Dropout and batch norm as in inference inside of a `with` block; every part's mode is put back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _without_call(name: str) -> str:
    return name.partition("#")[0]


def _module(modules: Mapping[str, nn.Module], name: str) -> nn.Module:
    if name not in modules:
        raise ConfigError(f"layer {name}: no such layer{did_you_mean(name, modules)}; see {LIST_COMMAND}")
    return modules[name]


def _first_tensor(output: Any) -> Tensor | None:
    first = output[0] if isinstance(output, tuple | list) and output else output
    return first if isinstance(first, Tensor) else None


def _with_copy(output: Any) -> Any:
    return output.clone() if isinstance(output, Tensor) else type(output)((output[0].clone(), *output[1:]))

"""Seeing inside: `visualize` an input, and `list-layers` of a model."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from action_recognition.cli.command import Call, command
from action_recognition.errors import ConfigError, UserError, VideoError
from action_recognition.utils.text import printable

if TYPE_CHECKING:
    from action_recognition.config import Config
    from action_recognition.models.layers import Layer


@command(groups=("visualize",), takes_inputs=True, usage="INPUT ... [key=value ...]")
def visualize(call: Call) -> None:
    """Look inside a checkpoint: visualize INPUT ... [visualize.layers=[PATTERN,...]]

    INPUT is what `predict` takes, but no camera or live stream. Writes plots/visualize/<input>/page.html with frames,
    prediction, activation maps, kernels, histograms, class activation maps and attention; see docs/visualize.md.
    """
    from action_recognition.inference.inputs.expand import ALLOWED, expand_inputs

    if not call.inputs:
        raise ConfigError(f"no input given; expected {ALLOWED}: python commands.py visualize INPUT ...")
    given = expand_inputs(call.inputs)
    settings = call.config.visualize
    with checkpoint_of(call.config) as path:
        from action_recognition.explain.example import explain_model, read_example
        from action_recognition.explain.page import write_page
        from action_recognition.inference.batch.targets import named_files
        from action_recognition.inference.inputs.expand import as_clips

        explained = explain_model(path, settings)
        clips = as_clips(given, frames=explained.model.contract.frames)
        errors = []
        for each, folder in named_files(Path(settings.output_dir), clips, "").items():
            try:
                example = read_example(explained, each)
                page = write_page(example, folder)
            except UserError as error:
                if len(clips) == 1:
                    raise
                errors.append(str(error))
                call.console.print(f"error: {error}", style="red", markup=False, highlight=False)
            else:
                line = f"{printable(example.prediction.input)}: {example.prediction.answer}; {printable(page)}"
                call.console.print(line, markup=False, highlight=False, soft_wrap=True)
    if errors:
        raise VideoError(f"{len(errors)} of {len(clips)} inputs could not be read or written")
    call.print_next({"list-layers": ("visualize.checkpoint", "plots_dir")})


@command(groups=("visualize", "model", "clip"), takes_inputs=True, usage="[PATTERN ...] [key=value ...]")
def list_layers(call: Call) -> None:
    """List the layers of a checkpoint: list-layers [PATTERN ...] [visualize.checkpoint=best|PATH]

    PATTERN is a name or a pattern as in a shell, such as 'backbone.layer?'. visualize.checkpoint=null lists those of
    the network that model=... names. Layers that visualize draws by default are marked.
    """
    from action_recognition.models.layers import choose_layers, default_layers
    from action_recognition.models.layers import list_layers as layers_of

    if call.config.visualize.checkpoint is None:
        from action_recognition.models.random_model import random_model

        model = random_model(call.config)
    else:
        from action_recognition.models.module import VideoActionModel

        with checkpoint_of(call.config) as path:
            model = VideoActionModel.from_checkpoint(path)
    layers = layers_of(model)
    chosen = choose_layers(layers, call.inputs, key="pattern") if call.inputs else layers
    by_default = {layer.name for layer in default_layers(layers)}
    call.console.print("layer, kind, output as channels x time x height x width, parameters; * is drawn by default")
    for line in layer_lines(chosen, by_default):
        call.console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def checkpoint_of(config: "Config") -> Iterator[Path]:
    """The file of `visualize.checkpoint`.

    Raises:
        ConfigError: if it is no checkpoint, because exported models do not let one look inside.
    """
    from action_recognition.inference.backends import backend_of
    from action_recognition.inference.load import model_file

    spec = config.visualize.checkpoint
    if spec is None:
        raise ConfigError("visualize.checkpoint=null: expected best, last or a checkpoint; python commands.py train")
    with model_file(spec, plots_dir=config.plots_dir) as path:
        if path.suffix.lower() in (".onnx", ".engine") and backend_of(path) != "torch":
            raise ConfigError(
                f"visualize.checkpoint={spec}: an exported model shows no layers; give its checkpoint (.ckpt)"
            )
        yield path


def layer_lines(layers: "Sequence[Layer]", marked: set[str]) -> Iterator[str]:
    """One line per layer, with a star for those of `marked`; names are never cut, to be copied."""
    name_width, kind_width = max(len(layer.name) for layer in layers), max(len(layer.kind) for layer in layers)
    for layer in layers:
        shape = "x".join(map(str, layer.map_shape or layer.shape)) + ("" if layer.map_shape else " (no map)")
        stage = f"stage {layer.stage}" if layer.stage else "head" if layer.name.startswith("head") else ""
        mark = "*" if layer.name in marked else " "
        columns = f"{layer.name:{name_width}}  {layer.kind:{kind_width}}  {shape:>18}  {layer.parameters:>12,}  {stage}"
        yield f"{mark} {columns}".rstrip()

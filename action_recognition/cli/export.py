"""The commands that turn a checkpoint into other files: class names, ONNX, a TensorRT engine."""

from pathlib import Path
from typing import TYPE_CHECKING

from action_recognition.cli.command import Call, command
from action_recognition.cli.infer import same_checkpoint
from action_recognition.cli.next_commands import PLACES

if TYPE_CHECKING:
    from rich.console import Console

    from action_recognition.config import Config
    from action_recognition.export.onnx import ExportReport


@command(groups=("evaluation",), of_checkpoint=True)
def index_to_class(call: Call) -> None:
    """Write index_to_class.csv: which output is which action."""
    from action_recognition.export.classes import write_index_to_class

    write_index_to_class(call.config, console=call.console)
    call.print_next({same_checkpoint("export-onnx", call.overrides): PLACES})


@command(groups=("export", "data"), of_checkpoint=True)
def export_onnx(call: Call) -> None:
    """Export a checkpoint to video_action_model.onnx, compared with torch before it is put in place."""
    run_export_onnx(call.config, console=call.console)
    call.print_next({"infer-from-onnx VIDEO": ("export.onnx",), "convert-trt": ("export",)})


def run_export_onnx(config: "Config", *, console: "Console") -> "ExportReport":
    """Export `export.checkpoint` to `export.onnx`."""
    from action_recognition.export.checkpoint import export_checkpoint
    from action_recognition.tracking.run_folders import resolve_checkpoint

    checkpoint = resolve_checkpoint(config.export.checkpoint, plots_dir=config.plots_dir)
    return export_checkpoint(config, checkpoint, Path(config.export.onnx), console=console)


@command(groups=("export",))
def convert_trt(call: Call) -> None:
    """Build video_action_model.engine from the ONNX file with TensorRT or TensorRT for RTX.

    export.engine=tensorrt_rtx export.compute_capability=8.9 builds for a GeForce card without having one.
    """
    from action_recognition.export.tensorrt import convert_trt as convert
    from action_recognition.utils.progress import progress_bar

    settings = call.config.export
    with progress_bar("building the engine", console=call.console):
        report = convert(
            Path(settings.onnx),
            Path(settings.engine_path),
            engine=settings.engine,
            compute_capability=settings.compute_capability,
            precision=settings.precision,
            min_batch=settings.min_batch,
            opt_batch=settings.opt_batch,
            max_batch=settings.max_batch,
        )
    call.console.print(str(report))
    call.print_next({"predict VIDEO predict.backend=tensorrt": ("export.engine_path",)})

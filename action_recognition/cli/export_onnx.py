"""`export-onnx`: a checkpoint as an ONNX file."""

from pathlib import Path
from typing import TYPE_CHECKING

from action_recognition.cli.command import Call, command

if TYPE_CHECKING:
    from rich.console import Console

    from action_recognition.config import Config
    from action_recognition.export.onnx import ExportReport


@command(groups=("export", "data"), of_checkpoint=True)
def run(call: Call) -> None:
    """Export a checkpoint to video_action_model.onnx, compared with torch before it is put in place."""
    run_export_onnx(call.config, console=call.console)
    call.print_next({"infer-from-onnx VIDEO": ("export.onnx",), "convert-trt": ("export",)})


def run_export_onnx(config: "Config", *, console: "Console") -> "ExportReport":
    """Export `export.checkpoint` to `export.onnx`."""
    from action_recognition.export.checkpoint import export_checkpoint
    from action_recognition.tracking.run_folders import resolve_checkpoint

    checkpoint = resolve_checkpoint(config.export.checkpoint, plots_dir=config.plots_dir)
    return export_checkpoint(config, checkpoint, Path(config.export.onnx), console=console)

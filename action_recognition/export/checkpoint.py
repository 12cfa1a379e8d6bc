"""Exporting a checkpoint to ONNX, compared with torch on real clips."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from action_recognition.config import Config
from action_recognition.data.dataset import ClipDataset
from action_recognition.data.load import load_manifest
from action_recognition.errors import DataError
from action_recognition.export.onnx import ExportReport, export_onnx
from action_recognition.models.module import VideoActionModel
from action_recognition.readers.open import open_clip_reader
from action_recognition.utils.progress import progress_bar


def export_checkpoint(config: Config, checkpoint: Path, path: Path, *, console: Console) -> ExportReport:
    """Export a checkpoint and print the largest difference to torch on real clips."""
    model = VideoActionModel.from_checkpoint(checkpoint)
    clip_BCTHW = real_clips(config, model, console)
    with progress_bar(f"exporting {path}", console=console):
        report = export_onnx(
            model, path, clip_BCTHW=clip_BCTHW, opset=config.export.opset, tolerance=config.export.tolerance
        )
    compared = f"{report.clips} real clips" if clip_BCTHW is not None else "noise, because no real clips are available"
    console.print(
        f"{path}: {report.bytes / 1e6:.1f} MB; largest difference to torch on {compared}: "
        f"{report.max_abs_difference:.1e}, {report.relative_difference:.1e} of the largest logit",
        highlight=False,
    )
    return report


def real_clips(config: Config, model: VideoActionModel, console: Console) -> NDArray[np.uint8] | None:
    """Clips `[B, C, T, H, W]` of the checkpoint's data set to compare on; None if the data is not available."""
    try:
        manifest = load_manifest(config, console)
    except DataError as error:
        console.print(f"no real clips to compare on: {error}", style="yellow", markup=False)
        return None
    contract = model.contract
    classes = contract.class_names
    usable = [r for r in manifest.records if not r.error and r.frames >= contract.min_frames and r.label in classes]
    if not usable or config.export.parity_clips < 1:
        return None
    spread = np.linspace(0, len(usable) - 1, min(config.export.parity_clips, len(usable))).astype(int)
    reader = open_clip_reader(config, manifest, short_side=contract.short_side)
    dataset = ClipDataset([usable[i] for i in spread], manifest.videos_dir, contract, views=1, reader=reader)
    batch = dataset.__getitems__(range(len(dataset)))
    return batch.clip_BCTHW.numpy() if len(batch.label_B) else None

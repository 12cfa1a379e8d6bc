"""`index_to_class.csv`: the class of each output of a model."""

import csv
import io
from pathlib import Path

from rich.console import Console

from action_recognition.config import Config
from action_recognition.models.module import VideoActionModel
from action_recognition.tracking.run_folders import resolve_checkpoint
from action_recognition.utils.files import replace_file

INDEX_TO_CLASS = Path("index_to_class.csv")


def write_index_to_class(config: Config, *, console: Console) -> None:
    """Write the class names of `evaluation.checkpoint` in the order of its outputs."""
    checkpoint = resolve_checkpoint(config.evaluation.checkpoint, plots_dir=config.plots_dir)
    names = VideoActionModel.from_checkpoint(checkpoint).contract.class_names
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("index", "class"))
    writer.writerows(enumerate(names))
    replace_file(INDEX_TO_CLASS, text.getvalue().encode())
    console.print(f"{INDEX_TO_CLASS}: {len(names)} classes", highlight=False)

"""Labelling many videos: progress, table, JSON, labelled videos, and a line for each that could not be read."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from action_recognition.errors import UserError, VideoError
from action_recognition.files import replace_file
from action_recognition.progress import Advance, progress_bar
from action_recognition.runtime.overlay import write_labelled_video
from action_recognition.runtime.prediction import Prediction

if TYPE_CHECKING:
    from action_recognition.runtime.predictor import Predictor

UNFOLDED = 1000  # columns; what reads a pipe wants names in one piece


def predict_sources(
    predictor: "Predictor",
    paths: Sequence[Path],
    *,
    top_k: int,
    output: Path | None,
    video_dir: Path | None,
    console: Console,
) -> tuple[list[Prediction], list[str]]:
    """Label videos one after the other and print a table; those that cannot be read are named on stderr.

    Args:
        output: JSON file to write: `{"predictions": [Prediction.to_dict ...], "errors": [{source, error} ...]}`.
        video_dir: folder for copies with the labels drawn in, `<name>.labelled.mp4`.
        console: for the table.

    Returns:
        The predictions, and one line for each video that could not be read.

    Raises:
        UserError: if `output` or a labelled video cannot be written.
    """
    predictions: list[Prediction] = []
    errors: dict[str, str] = {}
    # On stderr: the table on stdout is for other programs too.
    stderr = Console(stderr=True)
    with progress_bar("labelling", console=stderr) as advance:
        for number, path in enumerate(paths):
            try:
                predictions.append(predictor.predict(path, progress=_FrameCount(advance, number, paths)))
            except VideoError as error:
                errors[str(path)] = str(error)
                stderr.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
            else:
                if video_dir is not None:
                    write_labelled_video(predictions[-1], path, _labelled_path(video_dir, path, paths))
            if len(paths) > 1:
                advance(number + 1, len(paths))
    if predictions:
        print_table(predictions, top_k=top_k, console=console)
    if output is not None:
        _write_json(output, predictions, errors, top_k=top_k)
    return predictions, list(errors.values())


def print_table(predictions: Sequence[Prediction], *, top_k: int, console: Console) -> None:
    """One row a video, its likeliest labels one below the other; long names fold on a terminal only."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("video", overflow="fold", no_wrap=not console.is_terminal)
    table.add_column("seconds", justify="right", no_wrap=True)
    table.add_column("action", overflow="fold", no_wrap=not console.is_terminal)
    table.add_column("probability", justify="right", no_wrap=True)
    for number, prediction in enumerate(predictions):
        top = prediction.top(top_k)
        labels = Text("\n").join(
            Text(label, style="bold" if place == 0 else "") for place, (label, _) in enumerate(top)
        )
        shares = Text("\n").join(Text(f"{probability:.1%}") for _, probability in top)
        seconds = f"{prediction.duration_seconds:.1f}" if prediction.fps else "?"
        if number and top_k > 1:
            table.add_section()
        table.add_row(Text(prediction.source), seconds, labels, shares)
    if not console.is_terminal:
        console = Console(file=console.file, width=UNFOLDED)
    console.print(table, soft_wrap=False)


class _FrameCount:
    """Frames of one video, told as the share of a single video, or beside the count of many."""

    def __init__(self, advance: Advance, number: int, paths: Sequence[Path]) -> None:
        self.advance, self.number, self.videos = advance, number, len(paths)
        self.name = paths[number].name

    def __call__(self, done: int, total: int) -> None:
        if self.videos == 1:
            self.advance(done, total, self.name)
        else:
            self.advance(self.number, self.videos, f"{self.name}, frame {done}")


def _labelled_path(video_dir: Path, path: Path, paths: Sequence[Path]) -> Path:
    """`<name>.labelled.mp4`, numbered where several sources have the same name."""
    namesakes = [other for other in paths if other.stem == path.stem]
    number = f"-{namesakes.index(path) + 1}" if len(namesakes) > 1 else ""
    return video_dir / f"{path.stem}{number}.labelled.mp4"


def _write_json(output: Path, predictions: Sequence[Prediction], errors: dict[str, str], *, top_k: int) -> None:
    content = {
        "predictions": [prediction.to_dict(top_k) for prediction in predictions],
        "errors": [{"source": source, "error": error} for source, error in errors.items()],
    }
    try:
        replace_file(output, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
    except OSError as error:
        raise UserError(f"predict.output={output}: could not be written ({error.strerror or error})") from None

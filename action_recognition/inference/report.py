"""Labelling many videos: progress, table, JSON, labelled videos, and a line for each that could not be read."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from action_recognition.errors import UserError, VideoError
from action_recognition.inference.inputs.given import Given, Stdin
from action_recognition.inference.overlay import write_labelled_video
from action_recognition.inference.prediction import Prediction
from action_recognition.inference.predictor import Predictor
from action_recognition.inference.video_writer import H264, available_encoder
from action_recognition.utils.files import replace_file
from action_recognition.utils.progress import progress_bar
from action_recognition.utils.text import printable

UNFOLDED = 1000  # columns, so that a program that reads a pipe gets whole names
NO_H264 = (
    "labelled videos are written as MPEG-4, which browsers do not play, because this PyAV has no H.264 encoder; "
    "PyPI's has: pip install --force-reinstall av"
)
LABELLED_SUFFIX = ".labelled.mp4"
LONGEST_NAME_BYTES = 255 - 40  # of file systems, less this suffix and what `utils.files.replacing` adds


def predict_inputs(
    predictor: Predictor,
    paths: Sequence[Given],
    *,
    top_k: int,
    output: Path | None,
    video_dir: Path | None,
    console: Console,
) -> tuple[list[Prediction], list[str]]:
    """Label videos one after the other and print a table. Errors go to stderr and do not stop the other videos.

    Args:
        output: JSON file to write: `{"predictions": [Prediction.to_dict ...], "errors": [{source, error} ...]}`.
        video_dir: folder for copies with the labels drawn in, `<name>.labelled.mp4`.
        console: for the table.

    Returns:
        The predictions, and one line per video that could not be read, or not written with its labels.

    Raises:
        UserError: if `output` cannot be written.
    """
    predictions: list[Prediction] = []
    errors: dict[str, str] = {}
    labelled = labelled_paths(video_dir, paths) if video_dir else {}
    # On stderr: the table on stdout is for other programs too.
    stderr = Console(stderr=True)
    if video_dir and available_encoder() != H264:
        stderr.print(NO_H264, markup=False, highlight=False, soft_wrap=True)
    with progress_bar("labelling", console=stderr) as advance:
        for number, path in enumerate(paths):

            def show_frames(done: int, total: int, number: int = number, name: str = printable(path.name)) -> None:
                if len(paths) == 1:
                    advance(done, total, name)
                else:
                    advance(number, len(paths), f"{name}, frame {done}")

            try:
                predictions.append(predictor.predict(path, progress=show_frames))
                if path in labelled:
                    _write_labelled(predictions[-1], path, labelled[path])
            except VideoError as error:
                errors[str(path)] = str(error)
            except MemoryError:
                errors[str(path)] = f"{printable(path)}: not enough memory for it"
            if str(path) in errors:
                stderr.print(f"error: {errors[str(path)]}", markup=False, highlight=False, soft_wrap=True)
            if len(paths) > 1:
                advance(number + 1, len(paths))
    if predictions:
        print_table(predictions, top_k=top_k, console=console)
    if output is not None:
        _write_json(output, predictions, errors, top_k=top_k)
    return predictions, list(errors.values())


def print_table(predictions: Sequence[Prediction], *, top_k: int, console: Console) -> None:
    """One row per video with its `top_k` labels below each other; only a terminal folds long names."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("video", overflow="fold", no_wrap=not console.is_terminal)
    table.add_column("seconds", justify="right", no_wrap=True)
    table.add_column("action", overflow="fold", no_wrap=not console.is_terminal)
    table.add_column("probability", justify="right", no_wrap=True)
    for number, prediction in enumerate(predictions):
        top = prediction.top(top_k)
        labels = Text("\n").join(
            Text(printable(label), style="bold" if place == 0 else "") for place, (label, _) in enumerate(top)
        )
        shares = Text("\n").join(Text(f"{probability:.1%}") for _, probability in top)
        seconds = f"{prediction.duration_seconds:.1f}" if prediction.fps else "?"
        if number and top_k > 1:
            table.add_section()
        table.add_row(Text(printable(prediction.input)), seconds, labels, shares)
    if not console.is_terminal:
        console = Console(file=console.file, width=UNFOLDED)
    console.print(table, soft_wrap=False)


def _write_labelled(prediction: Prediction, given: Given, path: Path) -> None:
    """As `write_labelled_video`, with everything that can go wrong as a `VideoError`."""
    clip_path = given.path if isinstance(given, Stdin) else given
    if not isinstance(clip_path, Path):
        raise VideoError(f"{given}: predict.video_dir draws labels into files, not into streams")
    try:
        write_labelled_video(prediction, clip_path, path)
    except UserError as error:
        raise VideoError(error) from None


def labelled_paths(video_dir: Path, paths: Sequence[Given]) -> dict[Given, Path]:
    """A file in `video_dir` for each input: `<name>.labelled.mp4`, numbered where several have the same name.

    No two inputs get the same file, and none gets a file that is an input itself.
    """
    stems = {path: Path(os.path.realpath(str(path))).stem if path.name in ("", "..") else path.stem for path in paths}
    namesakes = Counter(stems.values())
    # Not `Path.resolve`: it raises over a link in a circle.
    taken = {os.path.realpath(str(path)) for path in paths}
    numbers: Counter[str] = Counter()
    chosen: dict[Given, Path] = {}
    for path, stem in stems.items():
        while True:
            numbers[stem] += 1
            number = f"-{numbers[stem]}" if namesakes[stem] > 1 or numbers[stem] > 1 else ""
            target = video_dir / f"{_cut(stem, LONGEST_NAME_BYTES - len(number))}{number}{LABELLED_SUFFIX}"
            if os.path.realpath(target) not in taken:
                break
        taken.add(os.path.realpath(target))
        chosen[path] = target
    return chosen


def _cut(stem: str, size_bytes: int) -> str:
    """The longest start of a name that fits, in whole characters."""
    while len(os.fsencode(stem)) > size_bytes:
        stem = stem[:-1]
    return stem


def _write_json(output: Path, predictions: Sequence[Prediction], errors: dict[str, str], *, top_k: int) -> None:
    content = {
        "predictions": [prediction.to_dict(top_k) for prediction in predictions],
        "errors": [{"source": given, "error": error} for given, error in errors.items()],
    }
    try:
        # A name that is not UTF-8 has lone surrogates here; with backslashes they are JSON's own escapes for them.
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        replace_file(output, text.encode(errors="backslashreplace"))
    except OSError as error:
        raise UserError(f"predict.output={output}: could not be written ({error.strerror or error})") from None

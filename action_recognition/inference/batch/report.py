"""What `predict` shows of many inputs: progress, a line for each that could not be read, and a table at the end."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from action_recognition.inference.batch.growing_results import GrowingResults, fingerprint_of_file, growing_results
from action_recognition.inference.batch.jobs import Labelling, Task
from action_recognition.inference.batch.results import SUBTITLES, Record, write_results
from action_recognition.inference.batch.targets import Outputs, plan
from action_recognition.inference.inputs.given import Given
from action_recognition.inference.labelled_video.video_writer import H264, available_encoder
from action_recognition.inference.temporal.segments import NONE_OF_THESE
from action_recognition.utils.interruption import advising
from action_recognition.utils.progress import progress_bar
from action_recognition.utils.text import printable

UNFOLDED = 1000  # columns, so that a program that reads a pipe gets whole names
MOST_VIDEOS, MOST_SEGMENTS = 1000, 40  # that a terminal shows; another program gets all
NO_H264 = (
    "labelled videos are written as MPEG-4, which browsers do not play, because this PyAV has no H.264 encoder; "
    "PyPI's has: pip install --force-reinstall av"
)


def predict_inputs(
    labelling: Labelling, given: Sequence[Given], *, outputs: Outputs, run: str, console: Console
) -> tuple[list[Record], list[str]]:
    """Label inputs and print a table. Errors go to stderr and do not stop the others.

    What `outputs.results` holds already of this run, or of one like it, is not done again.

    Args:
        labelling: gives the records of tasks, in any order; it may call its second argument with a task, the number of
            frames done, and that of all.
        run: see `growing_results.fingerprint_of_run`.
        console: for the table.

    Returns:
        The records of those that were labelled, without windows, in the order of the inputs; and one line for each that
        could not be read, or not written with its labels.

    Raises:
        UserError: if `outputs.results` cannot be written.
    """
    # On stderr: the table on stdout is for other programs too.
    stderr = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
    if outputs.video_dir and available_encoder() != H264:
        stderr.print(NO_H264)
    sources = [str(each) for each in given]
    tasks, found = plan(given, outputs), dict[str, Record]()

    def advice() -> str:
        done = sum("error" not in record for record in found.values())
        return f"{done} of {len(given)} inputs are done and kept; the same command goes on with the others"

    with ExitStack() as stack:
        results = None
        if outputs.results and outputs.results.suffix.lower() not in SUBTITLES:
            stack.enter_context(advising(advice))
            results = stack.enter_context(growing_results(outputs.results, run, sources))
            tasks = _not_done(tasks, results, found, stderr)
        for record in _progressing(labelling, tasks, len(given), stderr):
            if results:
                results.add(record)
            if "error" in record:
                stderr.print(f"error: {record['error']}")
            found[record["source"]] = _brief(record, len(given))
    in_order = [found[source] for source in sources]
    labelled = [record for record in in_order if "label" in record]
    if outputs.results and not results and labelled:
        write_results(outputs.results, labelled)
    if labelled:
        print_table(labelled, console=console)
        if len(given) == 1:
            print_segments(labelled[0], console=console)
    return labelled, [record["error"] for record in in_order if "error" in record]


def _not_done(tasks: list[Task], results: GrowingResults, found: dict[str, Record], stderr: Console) -> list[Task]:
    """The tasks that are left, with fingerprints; the records of the others go into `found`."""
    if results.set_aside:
        moved = " and ".join(map(str, results.set_aside))
        what = "held results of another model, of other settings or of another program"
        stderr.print(f"{printable(results.output)}: {what}; they are kept in {printable(moved)}")
    left = []
    for task in tasks:
        source, file = str(task.given), fingerprint_of_file(task.given, task.cut)
        made = all(path is None or path.exists() for path in (task.video, task.timeline))
        if made and results.is_done(source, file):
            found[source] = _brief(results.get(source), len(tasks))
        else:
            left.append(replace(task, fingerprint=results.fingerprint(file)))
    if found:
        stderr.print(f"{len(found)} of {len(tasks)} are done already, in {printable(results.output)}")
    return left


def _progressing(labelling: Labelling, tasks: Sequence[Task], inputs: int, stderr: Console) -> Iterator[Record]:
    """The records of the tasks, with a progress bar: of one input in frames, of several in files."""
    done = 0
    with progress_bar("labelling", console=stderr, unit="frames" if inputs == 1 else "files") as advance:

        def show_frames(task: Task, frames: int, total: int) -> None:
            if inputs == 1:
                advance(frames, total, printable(task.given.name))
            else:
                advance(done, len(tasks), f"{printable(task.given.name)}, frame {frames}")

        if inputs > 1:
            advance(0, len(tasks))
        for record in labelling(tasks, show_frames):
            yield record
            done += 1
            if inputs > 1:
                advance(done, len(tasks))


def _brief(record: Record, inputs: int) -> Record:
    """What the tables show of a record; those of thousands of long videos would not fit into memory."""
    kept = ("source", "label", "none_of_these", "top", "fps", "duration_seconds", "error")
    return {key: record[key] for key in (*kept, *(("segments",) if inputs == 1 else ())) if key in record}


def print_table(records: Sequence[Record], *, console: Console) -> None:
    """One row per video with its likeliest labels below each other; only a terminal folds long names."""
    table = _table(console, "video", "seconds", "action", "probability")
    shown = records[:MOST_VIDEOS] if console.is_terminal else records
    for number, record in enumerate(shown):
        top = record["top"]
        labels = Text("\n").join([_likeliest(record), *(Text(printable(entry["label"])) for entry in top[1:])])
        shares = Text("\n").join(Text(f"{entry['probability']:.1%}") for entry in top)
        seconds = f"{record['duration_seconds']:.1f}" if record["duration_seconds"] else "?"
        if number and len(top) > 1:
            table.add_section()
        table.add_row(Text(printable(record["source"])), seconds, labels, shares)
    _print(table, console, left=len(records) - len(shown))


def _likeliest(record: Record) -> Text:
    label = printable(record["label"])
    if record.get("none_of_these"):
        return Text(f"{NONE_OF_THESE} (likeliest {label})", style="dim")
    return Text(label, style="bold")


def print_segments(record: Record, *, console: Console) -> None:
    """The actions of one video in time, if there are several; a terminal shows the first `MOST_SEGMENTS`."""
    segments = record["segments"]
    if len(segments) < 2 or not record["duration_seconds"]:
        return
    shown = segments[:MOST_SEGMENTS] if console.is_terminal else segments
    table = _table(console, "from", "to", "action", "probability")
    for segment in shown:
        is_none = segment["label"] is None
        label = Text(NONE_OF_THESE if is_none else printable(segment["label"]), style="dim" if is_none else "")
        start, end = (_clock(segment[key]) for key in ("start_seconds", "end_seconds"))
        table.add_row(start, end, label, f"{segment['probability']:.1%}")
    console.print()
    _print(table, console, left=len(segments) - len(shown))


def _table(console: Console, *columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in columns:
        if name in ("video", "action"):
            table.add_column(name, overflow="fold", no_wrap=not console.is_terminal)
        else:
            table.add_column(name, justify="right", no_wrap=True)
    return table


def _print(table: Table, console: Console, *, left: int) -> None:
    if not console.is_terminal:
        console = Console(file=console.file, width=UNFOLDED)
    console.print(table, soft_wrap=False)
    if left:
        console.print(f"and {left} more; predict.output=labels.csv holds all of them", highlight=False)


def _clock(seconds: float) -> str:
    """`4:05.3`, or `1:04:05.3` from an hour on."""
    tenths = round(seconds * 10)
    hours, minutes, rest = tenths // 36_000, tenths // 600 % 60, tenths % 600 / 10
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"

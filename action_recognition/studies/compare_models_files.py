"""What `compare-models` leaves: a table on the terminal, a page, CSV and JSON files, a plot and a contact sheet."""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from action_recognition.datasets.records import NAMES_AS_THEY_ARE
from action_recognition.evaluation.intervals import Estimate
from action_recognition.evaluation.metrics import METRICS
from action_recognition.reports.contact_sheets import strips, write_labelled_sheet
from action_recognition.reports.figures import save_with_title
from action_recognition.reports.page import Plot, to_html, to_markdown
from action_recognition.studies.compare_models import ModelComparison, difference_text
from action_recognition.studies.compare_models_page import (
    CLASSES,
    CLIPS,
    JSON,
    caption,
    disagreements,
    draw_differences,
    page_blocks,
    score_label,
    score_text,
)
from action_recognition.studies.differences import Difference, Pair
from action_recognition.utils.files import replace_file
from action_recognition.utils.text import printable

PAGE, PLOT, SHEET = "comparison", "differences.png", "only_one_right.jpg"
LONGEST_NAME = 100  # bytes, of each model's part of the folder's name
FRAMES, HEIGHT = 5, 96  # of the pictures of a clip; pixels
ABOUT_PLOT = "Differences with their 95 % intervals. Where one holds 0, these clips cannot tell the two models apart."


def write_comparison(found: ModelComparison, parent: Path, *, examples: int) -> Path:
    """Write all files of a comparison.

    Args:
        parent: gets a folder `<A>_vs_<B>`.
        examples: as many clips that only A gets right, and that only B does, are shown.

    Returns:
        The folder.

    Raises:
        OSError: if it cannot be written.
    """
    directory = parent / "_vs_".join(_folder_name(name) for name in found.names)
    _write(directory / JSON, f"{json.dumps(flat(found), indent=2, ensure_ascii=False)}\n")
    _write(directory / CLIPS, _as_csv(_clip_rows(found)))
    _write(directory / CLASSES, _as_csv(_class_rows(found)))
    plot = directory / PLOT
    save_with_title(draw_differences(found), f"A: {found.names[0]}\nB: {found.names[1]}", plot, also_svg=True)
    shown = {letter: disagreements(found, right=letter)[:examples] for letter in "BA"}
    pictures = _write_sheet(found, shown, directory / SHEET)
    drawn = Plot(PLOT, plot.with_suffix(".svg").read_bytes(), ABOUT_PLOT, alt="Differences of the scores")
    blocks = list(page_blocks(found, drawn, shown, pictures))
    _write(directory / f"{PAGE}.md", to_markdown(blocks))
    _write(directory / f"{PAGE}.html", to_html(f"{found.names[0]} and {found.names[1]}", blocks))
    return directory


def flat(found: ModelComparison) -> dict[str, Any]:
    """The content of `comparison.json`: the numbers of the page; null for what is not defined."""
    counts = found.agreement
    return {
        "A": found.names[0],
        "B": found.names[1],
        "data": found.data,
        "clips": len(found.records),
        "sources": found.sources,
        "metric": found.metric,
        "better": found.better,
        "verdict": found.verdict,
        "scores": {name: _flat(pair) for name, pair in found.scores.items()},
        "both_right": counts.both,
        "only_A_right": counts.only_first,
        "only_B_right": counts.only_second,
        "neither_right": counts.neither,
        "mcnemar_p": counts.p_value,
        "remarks": list(found.remarks),
    }


def show_comparison(found: ModelComparison, console: Console) -> None:
    """Scores and differences, what a reader has to know, and the verdict."""
    table = Table(title=printable(found.clips_text), title_justify="left")
    for column in ("", "A", "B", "B - A (95 % interval)"):
        table.add_column(column, justify="right" if column else "left", no_wrap=bool(column))
    for name, pair in found.scores.items():
        metric = METRICS[name]
        scores = score_text(pair.first, metric), score_text(pair.second, metric)
        style = "bold" if name == found.metric else ""
        table.add_row(score_label(metric), *scores, difference_text(pair.difference, metric), style=style)
    counts = found.agreement
    names = [f"{letter}: {name}" for letter, name in zip("AB", found.names, strict=True)]
    only = f"only A right {counts.only_first}, only B right {counts.only_second}"
    rest = f"both {counts.both}, neither {counts.neither}"
    test = f"McNemar's exact test p = {counts.p_value:.3g} (it takes clips as independent)"
    for line in (*names, table, f"{only}, {rest}; {test}", *found.remarks):
        if isinstance(line, Table):
            console.print(line)
        else:
            console.print(printable(line), highlight=False, markup=False, soft_wrap=True)
    console.print(printable(found.verdict), style="bold", highlight=False, markup=False, soft_wrap=True)


def _write_sheet(found: ModelComparison, shown: dict[str, list[int]], path: Path) -> dict[int, bytes | None]:
    """A sheet of the clips shown: those that only B gets right in green, those that only A does in red."""
    chosen = [index for indices in shown.values() for index in indices]
    if not chosen:
        path.unlink(missing_ok=True)  # of an earlier comparison
        return {}
    records = [found.records[index] for index in chosen]
    pictures = strips(records, found.videos_dir, frames=FRAMES, height=HEIGHT)
    is_right = [letter == "B" for letter, indices in shown.items() for _ in indices]
    write_labelled_sheet(path, pictures, [caption(found, index) for index in chosen], is_right)
    return dict(zip(chosen, pictures, strict=True))


def _clip_rows(found: ModelComparison) -> Iterator[Sequence[object]]:
    both = (("A", found.judged.first_NK), ("B", found.judged.second_NK))
    columns = [f"{letter}{column}" for letter, _ in both for column in ("", "_probability", "_of_label")]
    yield "path", "source_video", "label", *columns, "right"
    for index, record in enumerate(found.records):
        label, cells, right = found.judged.label_N[index], list[str](), ""
        for letter, probability_NK in both:
            best = int(probability_NK[index].argmax())
            values = (probability_NK[index, best], probability_NK[index, label])
            cells += [found.class_names[best], *(f"{value:.6f}" for value in values)]
            right += letter if best == label else ""
        yield record.path, record.source_video, record.label, *cells, right


def _class_rows(found: ModelComparison) -> Iterator[Sequence[object]]:
    clips_K = np.bincount(found.judged.label_N, minlength=len(found.class_names)).tolist()
    yield "class", "clips", "sources", *_flat(found.classes[0])
    for name, clips, pair in zip(found.class_names, clips_K, found.classes, strict=True):
        values = _flat(pair).values()
        yield name, clips, pair.difference.sources, *("" if value is None else f"{value:.6f}" for value in values)


def _flat(pair: Pair) -> dict[str, float | None]:
    named: dict[str, Estimate | Difference] = {"A": pair.first, "B": pair.second, "difference": pair.difference}
    values = {
        f"{name}{ending}": number
        for name, of in named.items()
        for ending, number in (("", of.value), ("_low", of.low), ("_high", of.high))
    }
    return {name: None if isnan(value) else value for name, value in values.items()}


def _as_csv(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _write(path: Path, text: str) -> None:
    replace_file(path, text.encode(errors=NAMES_AS_THEY_ARE))


def _folder_name(name: str) -> str:
    """A name that every file system takes; of a long one the beginning, and what tells it from others."""
    safe = re.sub(r"[^\w.+@=-]+", "-", name).strip("-.") or "model"
    if len(safe.encode()) <= LONGEST_NAME:
        return safe
    start = safe.encode()[: LONGEST_NAME - 9].decode(errors="ignore")
    return f"{start}-{hashlib.sha256(name.encode(errors=NAMES_AS_THEY_ARE)).hexdigest()[:8]}"

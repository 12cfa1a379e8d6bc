"""A report as a list of blocks, and its two forms: one self-contained HTML page, and Markdown without pictures.

The forms are the templates beside this module. Text from outside, such as names of files and runs, is escaped by the
templates' environments, and what cannot be shown is written with backslashes.
"""

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from action_recognition.reports.svg import inline_svg, is_svg
from action_recognition.utils.program import as_called
from action_recognition.utils.text import printable

PNG, MP4 = b"\x89PNG", b"ftyp"
MARKDOWN_MARKS = "\\`*_#[]<|"


@dataclass(frozen=True)
class Number:
    """A figure as it is shown, with its full value and where that is found again, such as `metrics.json/top1`."""

    text: str
    value: float
    key: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Line:
    """Text and numbers on one line; `soft` ones are small and grey."""

    pieces: Sequence[str | Number]
    soft: bool = False

    def __str__(self) -> str:
        return "".join(map(str, self.pieces))


Text = str | Number | Line


@dataclass(frozen=True)
class Heading:
    kind: ClassVar[str] = "heading"
    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """`tone` is empty, `good`, `bad`, or `lead` for what a reader should see first."""

    kind: ClassVar[str] = "paragraph"
    text: Text
    tone: str = ""


@dataclass(frozen=True)
class Bullets:
    """`tone` as that of a paragraph."""

    kind: ClassVar[str] = "bullets"
    items: Sequence[Text]
    tone: str = ""


@dataclass(frozen=True)
class Bar:
    """Parts of `whole` side by side, in the colours of the legend. Markdown leaves it out.

    Attributes:
        interval: the bounds of a line over the bar.
    """

    parts: Sequence[float]
    whole: float
    interval: tuple[float, float] | None = None


# A sequence of texts is a cell of several lines.
Cell = Text | int | Bar | Sequence[Text]


@dataclass(frozen=True)
class Table:
    """A table, which scrolls inside its box where it is wider than the page.

    Attributes:
        wide: the columns that hold sentences.
        legend: what the colours of bars mean.
        marked: the rows that stand out.
        sortable: a click on a column's head sorts by it, where scripts run.
    """

    kind: ClassVar[str] = "table"
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    wide: frozenset[str] = frozenset()
    legend: Sequence[str] = ()
    marked: frozenset[int] = frozenset()
    sortable: bool = False

    def columns_without_bars(self) -> list[int]:
        return [n for n in range(len(self.columns)) if not any(isinstance(row[n], Bar) for row in self.rows)]


@dataclass(frozen=True)
class Figure:
    """JPEG files above a caption, which may have several lines."""

    jpegs: Sequence[bytes]
    caption: Text | Sequence[Text]
    alt: str = ""


@dataclass(frozen=True)
class Gallery:
    """Pictures of clips. Markdown leaves them out."""

    kind: ClassVar[str] = "gallery"
    figures: Sequence[Figure]


@dataclass(frozen=True)
class Plot:
    """A plot: the HTML page contains it, Markdown links the file `name` beside it.

    Attributes:
        content: a PNG or JPEG file, or an SVG of `reports/figures.py`, whose letters and colours become the page's.
        caption: what is to be seen in it.
        alt: what it is, for those who cannot see it; the caption if empty.
        natural_size: keep the size, and scroll where the page is narrower: for plots of many small letters.
    """

    kind: ClassVar[str] = "plot"
    name: str
    content: bytes
    caption: Text
    alt: str = ""
    natural_size: bool = False


@dataclass(frozen=True)
class Video:
    """An MP4 video that loops without sound; Markdown links the file `name` beside it.

    Attributes:
        content: the file, which the HTML page then contains; None for a link to the file beside the page.
    """

    kind: ClassVar[str] = "video"
    name: str
    content: bytes | None
    caption: Text


@dataclass(frozen=True)
class Row:
    """Plots side by side where the page is wide enough, else below each other."""

    kind: ClassVar[str] = "row"
    plots: Sequence[Plot]


Block = Heading | Paragraph | Bullets | Table | Gallery | Plot | Video | Row


def to_html(title: str, blocks: Iterable[Block], *, wide: bool = False) -> str:
    """A page that needs no other file and no network.

    Args:
        wide: for tables of many columns.
    """
    template = _environment(_printed, autoescape=True).get_template("page.html.jinja")
    shown = list(blocks)
    sortable = any(isinstance(block, Table) and block.sortable for block in shown)
    return as_called(template.render(title=title, blocks=shown, wide=wide, sortable=sortable))


def to_markdown(blocks: Iterable[Block]) -> str:
    template = _environment(_escaped_for_markdown, autoescape=False).get_template("page.md.jinja")
    return as_called(template.render(blocks=list(blocks)))


@cache
def _environment(finalize: Callable[[Any], Any], *, autoescape: bool) -> Environment:
    """Templates whose expressions all pass through `finalize`."""
    environment = Environment(
        loader=PackageLoader("action_recognition.reports"),
        autoescape=autoescape,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"lines": _lines, "pieces": _pieces, "data_uri": _data_uri, "svg": inline_svg}
    environment.tests |= {
        "bar": lambda value: isinstance(value, Bar),
        "number": lambda value: isinstance(value, Number),
        "soft": lambda value: isinstance(value, Line) and value.soft,
        "svg": is_svg,
    }
    return environment


def _printed(value: object) -> object:
    return value if isinstance(value, Markup) else printable(value)


def _escaped_for_markdown(value: object) -> object:
    """File names contain what Markdown takes for markup."""
    if isinstance(value, Markup):
        return value
    text = printable(value)
    for mark in MARKDOWN_MARKS:
        text = text.replace(mark, f"\\{mark}")
    return text


def _lines(value: Text | int | Sequence[Text]) -> Sequence[Text]:
    """The lines of a cell; counts with thousands separators."""
    if isinstance(value, int):
        return (f"{value:,}",)
    return (value,) if isinstance(value, str | Number | Line) else value


def _pieces(line: Text) -> Sequence[str | Number]:
    return line.pieces if isinstance(line, Line) else (line,)


def _data_uri(content: bytes) -> Markup:
    kind = "video/mp4" if content[4:8] == MP4 else "image/png" if content.startswith(PNG) else "image/jpeg"
    return Markup(f"data:{kind};base64,{base64.b64encode(content).decode()}")

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

from action_recognition.utils.program import as_called
from action_recognition.utils.text import printable

PNG = b"\x89PNG"
MARKDOWN_MARKS = "\\`*_#[]<|"


@dataclass(frozen=True)
class Heading:
    kind: ClassVar[str] = "heading"
    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """`tone` is empty, `good` or `bad`."""

    kind: ClassVar[str] = "paragraph"
    text: str
    tone: str = ""


@dataclass(frozen=True)
class Bullets:
    kind: ClassVar[str] = "bullets"
    items: Sequence[str]


@dataclass(frozen=True)
class Bar:
    """Parts of `whole` side by side, in the colours of the legend. Markdown leaves it out."""

    parts: Sequence[float]
    whole: float


# A sequence of texts is a cell of several lines.
Cell = str | int | Bar | Sequence[str]


@dataclass(frozen=True)
class Table:
    """`wide` names the columns that hold sentences, `legend` the bars' colours, `marked` the rows that stand out."""

    kind: ClassVar[str] = "table"
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    wide: frozenset[str] = frozenset()
    legend: Sequence[str] = ()
    marked: frozenset[int] = frozenset()

    def columns_without_bars(self) -> list[int]:
        return [n for n in range(len(self.columns)) if not any(isinstance(row[n], Bar) for row in self.rows)]


@dataclass(frozen=True)
class Figure:
    """JPEG files above a caption."""

    jpegs: Sequence[bytes]
    caption: str


@dataclass(frozen=True)
class Gallery:
    """Pictures of clips. Markdown leaves them out."""

    kind: ClassVar[str] = "gallery"
    figures: Sequence[Figure]


@dataclass(frozen=True)
class Plot:
    """A plot: the HTML page contains it, Markdown links the file `name` beside it."""

    kind: ClassVar[str] = "plot"
    name: str
    content: bytes
    caption: str


Block = Heading | Paragraph | Bullets | Table | Gallery | Plot


def to_html(title: str, blocks: Iterable[Block], *, wide: bool = False) -> str:
    """A page that needs no other file and no network.

    Args:
        wide: for tables of many columns.
    """
    template = _environment(_printed, autoescape=True).get_template("page.html.jinja")
    return as_called(template.render(title=title, blocks=list(blocks), wide=wide))


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
    environment.filters |= {"lines": _lines, "data_uri": _data_uri}
    environment.tests["bar"] = lambda value: isinstance(value, Bar)
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


def _lines(value: str | int | Sequence[str]) -> Sequence[str]:
    """The lines of a cell; numbers with thousands separators."""
    if isinstance(value, int):
        return (f"{value:,}",)
    return (value,) if isinstance(value, str) else value


def _data_uri(content: bytes) -> Markup:
    kind = "png" if content.startswith(PNG) else "jpeg"
    return Markup(f"data:image/{kind};base64,{base64.b64encode(content).decode()}")

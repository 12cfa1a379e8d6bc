"""A report as a list of blocks, and its two forms: one self-contained HTML page, and Markdown without pictures."""

import base64
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from action_recognition.utils.text import printable

STYLE = """
:root { --ink: #1d2327; --soft: #5c6770; --line: #dfe4e8; --paper: #fff; --wash: #f5f7f9;
  --c0: #3568a8; --c1: #7fb0dc; --c2: #e08a3c; --c3: #c3cad0; --bad: #b3261e; --good: #2e7d4f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8eb; --soft: #9aa5ae; --line: #363d43; --paper: #16191c;
  --wash: #1e2327; --c0: #5b93d6; --c1: #2f5f8f; --c2: #e39a55; --c3: #4a535a; --bad: #f2857d; --good: #6cc493; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  padding: 2rem 1.5rem 4rem; max-width: 68rem; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; } p { margin: .4rem 0; color: var(--soft); max-width: 50rem; }
p.bad, p.good { font-weight: 600; font-size: 1.05rem; } p.bad { color: var(--bad); } p.good { color: var(--good); }
ul { margin: .4rem 0; padding-left: 1.2rem; } li { margin: .15rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0 1rem; font-variant-numeric: tabular-nums; }
th, td { padding: .22rem .9rem .22rem 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; color: var(--soft); font-size: .85rem; } th:first-child, td:first-child { text-align: left; }
td.text, th.text { text-align: left; white-space: normal; overflow-wrap: anywhere; }
td.barcell { text-align: left; } .bar { display: flex; width: 16rem; height: .8rem; background: var(--wash); }
.bar i { display: block; height: 100%; } .legend { color: var(--soft); font-size: .85rem; }
.legend i { display: inline-block; width: .8rem; height: .8rem; margin: 0 .3rem 0 .9rem; vertical-align: -.1rem; }
.gallery { display: flex; flex-wrap: wrap; gap: .9rem; } figure { margin: 0; max-width: 100%; }
figure img { display: block; border-radius: 3px; margin-bottom: 3px; max-width: 100%; }
figcaption { font-size: .8rem; color: var(--soft); overflow-wrap: anywhere; max-width: 26rem; }
"""


@dataclass(frozen=True)
class Heading:
    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """`tone` is empty, `good` or `bad`."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class Bullets:
    items: Sequence[str]


@dataclass(frozen=True)
class Bar:
    """Parts of `whole` side by side, in the colours of the legend. Markdown leaves it out."""

    parts: Sequence[float]
    whole: float


@dataclass(frozen=True)
class Table:
    """Cells are texts, numbers and bars; the columns in `wide` hold sentences. `legend` names the bars' colours."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str | int | Bar]]
    wide: frozenset[str] = frozenset()
    legend: Sequence[str] = ()


@dataclass(frozen=True)
class Figure:
    """JPEG files above a caption."""

    jpegs: Sequence[bytes]
    caption: str


@dataclass(frozen=True)
class Gallery:
    """Pictures, in the HTML page only."""

    figures: Sequence[Figure]


Block = Heading | Paragraph | Bullets | Table | Gallery


def to_html(title: str, blocks: Iterable[Block]) -> str:
    body = "\n".join(_html_block(block) for block in blocks)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _html_block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{escape(block.text)}</h{block.level}>"
    if isinstance(block, Paragraph):
        tone = f' class="{block.tone}"' if block.tone else ""
        return f"<p{tone}>{escape(block.text)}</p>"
    if isinstance(block, Bullets):
        return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in block.items) + "</ul>"
    if isinstance(block, Table):
        return _html_table(block)
    return '<div class="gallery">' + "".join(_html_figure(figure) for figure in block.figures) + "</div>"


def _html_table(table: Table) -> str:
    def kind(column: str) -> str:
        return ' class="text"' if column in table.wide else ""

    def cell(column: str, value: str | int | Bar) -> str:
        if not isinstance(value, Bar):
            return f"<td{kind(column)}>{escape(_text(value))}</td>"
        parts = "".join(
            f'<i style="width:{100 * part / value.whole:.2f}%;background:var(--c{n})"></i>'
            for n, part in enumerate(value.parts)
            if part and value.whole
        )
        return f'<td class="barcell"><div class="bar">{parts}</div></td>'

    head = "".join(f"<th{kind(column)}>{escape(column)}</th>" for column in table.columns)
    rows = "".join(
        "<tr>" + "".join(cell(c, value) for c, value in zip(table.columns, row, strict=True)) + "</tr>"
        for row in table.rows
    )
    names = "".join(f'<i style="background:var(--c{n})"></i>{escape(name)}' for n, name in enumerate(table.legend))
    legend = f'<div class="legend">{names}</div>' if names else ""
    return f'{legend}<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _html_figure(figure: Figure) -> str:
    images = "".join(
        f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">' for jpeg in figure.jpegs
    )
    return f"<figure>{images}<figcaption>{escape(figure.caption)}</figcaption></figure>"


def to_markdown(blocks: Iterable[Block]) -> str:
    return "\n\n".join(text for block in blocks if (text := _markdown_block(block))) + "\n"


def _markdown_block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {_plain(block.text)}"
    if isinstance(block, Paragraph):
        return f"**{_plain(block.text)}**" if block.tone else _plain(block.text)
    if isinstance(block, Bullets):
        return "\n".join(f"- {_plain(item)}" for item in block.items)
    if isinstance(block, Table):
        return _markdown_table(block)
    return ""


def _markdown_table(table: Table) -> str:
    shown = [n for n in range(len(table.columns)) if not any(isinstance(row[n], Bar) for row in table.rows)]
    columns = [table.columns[n] for n in shown]
    marks = ["---" if n == 0 or table.columns[n] in table.wide else "---:" for n in shown]
    rows = [[_plain(_text(row[n])) for n in shown] for row in table.rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (columns, marks, *rows))


def escape(text: str) -> str:
    """For HTML, with what cannot be shown, such as names that are not UTF-8, in backslashes."""
    return html.escape(printable(text))


def _text(value: str | int | Bar) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _plain(text: str) -> str:
    """File names hold what Markdown takes for markup."""
    text = printable(text)
    for mark in "\\`*_#[]<|":
        text = text.replace(mark, f"\\{mark}")
    return text

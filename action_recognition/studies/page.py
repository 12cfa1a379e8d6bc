"""The comparison as one HTML file that needs nothing else: styles and plot are in it."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from action_recognition.studies.table import HEADINGS, NUMBERS, Row, named

STYLE = """
:root { color-scheme: light dark; }
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid #8886; padding: .4rem .55rem; text-align: left; vertical-align: top; }
th { border-bottom: 2px solid #888; white-space: nowrap; }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.name { font-weight: 600; overflow-wrap: anywhere; min-width: 9rem; }
td.short { min-width: 5.5rem; }
td.list { min-width: 15rem; overflow-wrap: anywhere; }
tr.baseline { background: #8882; }
ul { padding-left: 1.2rem; color: #777; }
img { max-width: 100%; background: white; border-radius: 6px; margin-top: 1rem; }
""".strip()
KINDS = {
    "run": "name",
    "date": "short",
    "device": "short",
    "top-1 difference": "short",
    "changed against the baseline": "list",
    "why the runtime moved": "list",
}


def html_page(rows: Sequence[Row], lines: Sequence[str], *, title: str, plot: Path) -> str:
    """The whole page as text; `plot` is a PNG that is put into it."""
    image = base64.b64encode(plot.read_bytes()).decode()
    heads = "".join(f"<th>{escape(heading)}</th>" for heading in HEADINGS)
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>\n{STYLE}\n</style></head><body>",
            f"<h1>{escape(title)}</h1>",
            f'<div class="wide"><table>\n<thead><tr>{heads}</tr></thead>\n<tbody>',
            *(_row(named(rows, row)) for row in rows),
            "</tbody></table></div>",
            "<ul>",
            *(f"<li>{escape(line)}</li>" for line in lines),
            "</ul>",
            f'<img alt="scores and runtimes of the runs" src="data:image/png;base64,{image}">',
            "</body></html>\n",
        ]
    )


def _row(row: Row) -> str:
    cells = []
    for heading, text in zip(HEADINGS, row.cells(separator="\n"), strict=True):
        kind = "number" if heading in NUMBERS else KINDS.get(heading, "")
        cells.append(f'<td class="{kind}">{escape(text).replace(chr(10), "<br>")}</td>')
    kind = ' class="baseline"' if row.is_baseline else ""
    return f"<tr{kind}>{''.join(cells)}</tr>"

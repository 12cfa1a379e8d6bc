"""Parses a page that the project wrote, as a browser would."""

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """Rows of cells, the addresses that a browser would fetch, the tags that are still open, headings, and numbers.

    Args:
        scripts: how many the page has of its own; one more was a name that became a tag.
    """

    def __init__(self, text: str, *, scripts: int = 0) -> None:
        super().__init__()
        self.scripts = scripts
        self.headings: list[int] = []
        self.without_alt: list[str] = []
        self.values: dict[str, set[float]] = {}
        self.rows: list[list[str]] = []
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts -= tag == "script"
        assert tag not in ("b", "link", "iframe"), "part of a name was taken for a tag"
        assert self.scripts >= 0, "part of a name was taken for a script"
        given = dict(attrs)
        if re.fullmatch(r"h\d", tag):
            self.headings.append(int(tag[1]))
        if tag == "data":
            self.values.setdefault(given["data-key"] or "", set()).add(float(given["value"] or "nan"))
        if tag == "img" and not given.get("alt"):
            self.without_alt.append(given["src"] or "")
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href") and (value or "")[:1] != "#"]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1] and "td" in self.open:
            self.rows[-1][-1] += data.strip()

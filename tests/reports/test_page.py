"""The blocks of a report as HTML and as Markdown."""

from helpers.html_pages import Page

from action_recognition.reports.page import Bar, Bullets, Heading, Paragraph, Plot, Table, to_html, to_markdown

HOSTILE = "<b>&|_*\x1b[2J\udcff"


def test_both_forms_of_each_block_escape_what_comes_from_outside():
    rows = [("y_z", Bar((1,), 2), 1234), (("two", HOSTILE), Bar((1, 1), 2), 0)]
    blocks = [
        Heading("A"),
        Paragraph("b*", tone="bad"),
        Bullets([HOSTILE]),
        Table(("x", "", "n"), rows, legend=("one", "two"), marked=frozenset({0})),
        Plot("plot.png", b"\x89PNG", "runs"),
    ]
    shown = "\\<b>&\\|\\_\\*\\\\x1b\\[2J\\\\xff"
    table = f"| x | n |\n| --- | ---: |\n| y\\_z | 1,234 |\n| two; {shown} | 0 |"
    assert to_markdown(blocks) == f"## A\n\n**b\\***\n\n- {shown}\n\n{table}\n\n![runs](plot.png)\n"
    text = to_html(HOSTILE, blocks)
    page = Page(text)
    assert page.open == []
    assert page.rows[1:] == [["y_z", "", "1,234"], ["two<b>&|_*\\x1b[2J\\xff", "", "0"]]
    assert page.fetched == ["data:image/png;base64,iVBORw=="]
    assert "width:50.00%" in text

"""The blocks of a report as HTML and as Markdown."""

from helpers.html_pages import Page

from action_recognition.reports.page import (
    Bar,
    Bullets,
    Figure,
    Gallery,
    Heading,
    Line,
    Number,
    Paragraph,
    Plot,
    Row,
    Table,
    to_html,
    to_markdown,
)

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


SVG = b"""<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/svg11.dtd">
<svg xmlns:xlink="http://www.w3.org/1999/xlink" width="9pt" xmlns="http://www.w3.org/2000/svg"><metadata>x</metadata>
<defs><path id="m1"/></defs><use xlink:href="#m1" clip-path="url(#c)"/>
<text style="font: 10px 'DejaVu'; fill: #1d2327">a</text></svg>"""


def test_an_svg_becomes_part_of_the_page_with_ids_and_colours_of_its_own():
    text = to_html(
        "t", [Row([Plot("a.svg", SVG, "one"), Plot("b.svg", SVG + b" ", "two", alt="2", natural_size=True)])]
    )
    assert Page(text).open == []
    assert "http" not in text
    assert "metadata" not in text
    first, second = (piece.split("</svg>")[0] for piece in text.split("<svg")[1:])
    ids = [piece.split('id="')[1].split('"')[0] for piece in (first, second)]
    assert ids[0] != ids[1]
    assert f'href="#{ids[0]}"' in first
    assert "10px system-ui, sans-serif; fill: var(--ink)" in first
    assert 'aria-label="2"' in text
    assert to_markdown([Row([Plot("a.svg", SVG, "one")])]).strip() == "![one](a.svg)"


def test_colours_of_plots_are_those_of_the_style_sheet():
    from action_recognition.reports import figures
    from action_recognition.reports.svg import COLOURS

    named = {figures.INK, figures.SOFT, figures.LINE, figures.PAPER}
    named |= {figures.BLUE, figures.ORANGE, figures.LIGHT_BLUE, figures.GREY}
    assert named == set(COLOURS)


def test_numbers_bear_their_full_value_and_where_it_is_found():
    number = Number("63.3 %", 0.6328125, "metrics.json/top1")
    blocks = [
        Paragraph(Line(("top-1 ", number, HOSTILE))),
        Table(("", ""), [(number, (number, Line(("low ", number), soft=True)))], sortable=True),
        Table(("",), [(Bar((1.0,), 2.0, interval=(0.5, 1.5)),)]),
        Gallery([Figure([b"jpeg"], (HOSTILE, number), alt=HOSTILE)]),
    ]
    data = '<data value="0.6328125" data-key="metrics.json/top1">63.3 %</data>'
    text = to_html("t", blocks)
    assert text.count(data) == 5
    assert f"<p>top-1 {data}&lt;b&gt;" in text
    assert f"<small>low {data}</small>" in text
    assert "left:25.00%;width:50.00%" in text
    assert text.count("<script>") == 1
    assert "top-1 63.3 %" in to_markdown(blocks)
    assert "| 63.3 % | 63.3 %; low 63.3 % |" in to_markdown(blocks)

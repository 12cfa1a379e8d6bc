"""An SVG of matplotlib as part of a page: with the page's letters and colours, and nothing from elsewhere."""

import re
import zlib

from markupsafe import Markup

# Colours of `figures.py`, and their names in `style.css`. This module loads no matplotlib; a test compares the two.
COLOURS = {
    "#1d2327": "--ink",
    "#5c6770": "--soft",
    "#dfe4e8": "--line",
    "#ffffff": "--card",
    "#3568a8": "--c0",
    "#c8641b": "--c4",
    "#7fb0dc": "--c1",
    "#9aa5ae": "--c5",
}
_BEFORE, _METADATA = re.compile(r"\A.*?(?=<svg)", re.DOTALL), re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_NAMESPACE = re.compile(r'\sxmlns(:xlink)?="[^"]*"')  # HTML knows them
_FONT = re.compile(r"(font: [^;\"]*?[\d.]+px) [^;\"]*")
_ID = re.compile(r'(\bid="|url\(#|href="#)')


def is_svg(content: bytes) -> bool:
    return b"<svg" in content[:500]


def inline_svg(content: bytes) -> Markup:
    """The `<svg>` element for a page: own ids, the page's font, and colours that follow its dark mode."""
    prefix = f"p{zlib.crc32(content):08x}-"
    text = _METADATA.sub("", _BEFORE.sub("", content.decode(), count=1))
    text = _NAMESPACE.sub("", text).replace("xlink:href", "href")
    text = _FONT.sub(r"\1 system-ui, sans-serif", text)
    for colour, name in COLOURS.items():
        text = text.replace(colour, f"var({name})")
    return Markup(_ID.sub(rf"\g<1>{prefix}", text).strip())

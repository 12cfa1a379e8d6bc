"""Anti-aliased text in any script that a font at hand has the letters of."""

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Mask = NDArray[np.float32]
REGULAR, BOLD = "DejaVuSans.ttf", "DejaVuSans-Bold.ttf"
# For scripts that DejaVu lacks, by the names under which systems install them. Pillow looks where fonts usually lie.
OTHER_SCRIPTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "wqy-microhei.ttc",
    "DroidSansFallbackFull.ttf",
    "PingFang.ttc",
    "Arial Unicode.ttf",
    "msyh.ttc",
    "malgun.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "Nirmala.ttf",
)
NO_LETTER = "\U0010ffff"
ELLIPSIS = "…"


def has_letters(text: str) -> bool:
    """Whether some font has all letters of a text."""
    return _font_of(text, 16, bold=False) is not None


def text_width(text: str, size: int, *, bold: bool = False) -> int:
    """Pixels of a line of text whose letters are `size` pixels high from the lowest to the highest."""
    return round(_font(text, size, bold=bold).getlength(text))


def fitted(text: str, width: int, size: int, *, bold: bool = False) -> str:
    """The text, or its longest start that is at most `width` pixels wide with an ellipsis."""
    if text_width(text, size, bold=bold) <= width:
        return text
    short, long = 0, len(text)  # a start of `short` letters fits, one of `long` does not
    while long - short > 1:
        middle = (short + long) // 2
        fits = text_width(text[:middle].rstrip() + ELLIPSIS, size, bold=bold) <= width
        short, long = (middle, long) if fits else (short, middle)
    return text[:short].rstrip() + ELLIPSIS


@lru_cache(maxsize=512)
def text_mask(text: str, size: int, *, bold: bool = False) -> Mask:
    """`[H, W]`, 0 to 1, how much of each pixel a line of text covers.

    All lines of one size are equally high, `line_height`, and have their baselines at the same place.
    """
    font = _font(text, size, bold=bold)
    above, below = _extent(size)
    image = Image.new("L", (max(1, text_width(text, size, bold=bold) + 1), above + below))
    ImageDraw.Draw(image).text((0, above), text, fill=255, font=font, anchor="ls")
    mask_HW: Mask = np.asarray(image, dtype=np.float32) / np.float32(255)
    return mask_HW


def line_height(size: int) -> int:
    """Pixels from the top of the tallest letter to the bottom of the lowest."""
    return sum(_extent(size))


@lru_cache(maxsize=64)
def _extent(size: int) -> tuple[int, int]:
    """Pixels above and below the baseline, of Latin letters."""
    return round(size * 0.80), round(size * 0.26)


def _font(text: str, size: int, *, bold: bool) -> Any:
    return _font_of(text, size, bold=bold) or _load(BOLD if bold else REGULAR, size) or ImageFont.load_default(size)


@lru_cache(maxsize=4096)
def _font_of(text: str, size: int, *, bold: bool) -> Any:
    for name in (BOLD if bold else REGULAR, *OTHER_SCRIPTS):
        font = _load(name, size)
        if font is not None and _has_letters(font, text):
            return font
    return None


@lru_cache(maxsize=256)
def _load(name: str, size: int) -> Any:
    place = _matplotlib_fonts() / name
    try:
        return ImageFont.truetype(str(place) if place.is_file() else name, size)
    except (OSError, ValueError):  # no such font, or this Pillow has no FreeType
        return None


def _has_letters(font: Any, text: str) -> bool:
    missing = bytes(font.getmask(NO_LETTER))
    return all(letter.isspace() or bytes(font.getmask(letter)) != missing for letter in set(text))


@lru_cache(maxsize=1)
def _matplotlib_fonts() -> Path:
    """Matplotlib brings DejaVu. It is not imported, which would take long."""
    found = importlib.util.find_spec("matplotlib")
    return Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" if found and found.origin else Path()

"""What every matplotlib figure of the project shares: colours, letters, its title, and how it is saved."""

import textwrap
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # needs no display

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from action_recognition.utils.files import replacing

DPI = 110
# The palette of `style.css`, in which a page replaces these colours by its own, so that plots follow its dark mode.
# Blue and orange are told apart with every kind of colour blindness.
INK, SOFT, LINE, PAPER = "#1d2327", "#5c6770", "#dfe4e8", "#ffffff"
BLUE, ORANGE, LIGHT_BLUE, GREY = "#3568a8", "#c8641b", "#7fb0dc", "#9aa5ae"
# White can be read on it in both modes, so it stays.
HEAT = "#33679f"

matplotlib.rcParams.update(
    {
        "axes.axisbelow": True,
        "axes.edgecolor": SOFT,
        "axes.labelcolor": INK,
        "axes.prop_cycle": plt.cycler(color=(BLUE, ORANGE, LIGHT_BLUE, GREY, "#2e7d4f", "#8b5fbf", "#b3261e", INK)),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "grid.color": LINE,
        "text.color": INK,
        "xtick.color": SOFT,
        "xtick.labelcolor": INK,
        "ytick.color": SOFT,
        "ytick.labelcolor": INK,
        "svg.fonttype": "none",  # letters, not their outlines: smaller, and they can be searched and read aloud
    }
)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure to `path` in one step, in the format of its suffix, and close it; nothing is cut off."""
    try:
        _save(figure, path)
    finally:
        plt.close(figure)


def save_with_title(figure: Figure, title: str, path: Path, *, also_svg: bool = False) -> None:
    """As `save_figure`, with a title broken at the figure's width.

    Args:
        title: a `$` in it is no mathtext, because folder names may contain it.
        also_svg: write an SVG beside `path` as well. It has no headline: reports and papers bring their own.
    """
    try:
        if also_svg:
            _save(figure, path.with_suffix(".svg"))
        width = figure.get_figwidth()
        size = 8 if width < 6 else 10 if width < 12 else 14
        characters = int(width * 120 / size)
        lines = [piece for line in title.splitlines() for piece in textwrap.wrap(line, characters, max_lines=2)]
        figure.suptitle("\n".join(lines), fontsize=size, parse_math=False)
        _save(figure, path)
    finally:
        plt.close(figure)


def _save(figure: Figure, path: Path) -> None:
    # A date and random ids would make every file of the same plot another one.
    stable = {"Date": None, "Creator": None} if path.suffix == ".svg" else None
    with replacing(path) as partial, plt.rc_context({"svg.hashsalt": path.stem}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # names in scripts without a font here show boxes
        figure.savefig(partial, dpi=DPI, bbox_inches="tight", pad_inches=0.1, metadata=stable)

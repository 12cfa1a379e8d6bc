"""The sheet of histograms by layer and epoch."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_figures import assert_nothing_is_cut_off, kept_figures, texts
from matplotlib.figure import Figure

from action_recognition.reports.activation_plot import MOST_LAYERS, chosen_layers, plot_activations

EDGES = 0.01 * np.sinh(np.linspace(-16, 16, 122))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Figure]]:
    with kept_figures(monkeypatch) as figures:
        yield figures


@pytest.mark.parametrize(("epochs", "layers"), [(1, 1), (12, 5), (300, 3)])
def test_warnings_are_on_the_layer_and_counted(drawn: list[Figure], epochs: int, layers: int) -> None:
    names = [f"a.very.long.name.of.a.layer.$x_1$.{number}" for number in range(layers)]
    values = np.random.default_rng(0).normal(size=(epochs, layers, 500))
    counts = np.apply_along_axis(lambda row: np.histogram(row, EDGES)[0], 2, values)
    counts[0, 0] = 0  # nothing finite
    words = {names[0]: "is dead: 97% of its 64 units are always 0"}
    plot_activations(names, range(epochs), counts, EDGES, Path("x.png"), title="run", warnings=words)
    (figure,) = drawn
    assert_nothing_is_cut_off(figure)
    assert f"1 of {layers} layers are dead" in figure.get_suptitle()
    marked = [text for text in texts(figure) if "is dead" in text]
    assert len(marked) == 1 if layers == 1 else len([text for text in marked if "\n" in text]) <= 2


def test_of_very_many_layers_those_with_warnings_are_shown() -> None:
    names = [f"layer{number}" for number in range(1000)]
    wrong = {"layer7": "explodes", "layer998": "is dead"}
    places = chosen_layers(names, wrong)
    assert len(places) == MOST_LAYERS
    assert {7, 998} <= set(places)
    assert places == sorted(places)
    assert chosen_layers(names, dict.fromkeys(names, "is dead")) == list(range(MOST_LAYERS))

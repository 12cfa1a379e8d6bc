"""Rows of maps: their scales, their order, and where they stand in time."""

import numpy as np
import pytest
from helpers.explained import example_of_network
from matplotlib.image import AxesImage

from action_recognition.explain.connections import INPUT, Connection
from action_recognition.explain.map_pictures import MapRow, draw_rows, lanes_of
from action_recognition.explain.maps import channel_rows_of, file_name, maps_of


def row(steps: int, name: str = "a") -> MapRow:
    return MapRow(name=name, note="", maps_THW=np.arange(steps * 4.0).reshape(steps, 2, 2), low=0.0, high=9.0)


@pytest.mark.parametrize(
    ("frames", "steps", "shown"), [(16, 16, 8), (16, 4, 4), (16, 2, 2), (3, 3, 3), (1, 1, 1), (9, 5, 5)]
)
def test_maps_stand_in_the_middle_of_the_frames_that_they_see(frames: int, steps: int, shown: int) -> None:
    pictures = np.zeros((frames, 8, 8, 3), np.uint8)
    figure = draw_rows(pictures, [row(steps)], first="input")
    images = [image for image in figure.axes[0].get_images() if isinstance(image, AxesImage)]
    columns = min(frames, 8)
    assert len(images) == columns + shown
    middles = [sum(image.get_extent()[:2]) / 2 for image in images]
    assert np.mean(middles[:columns]) == pytest.approx(np.mean(middles[columns:]))
    assert np.ptp(middles[columns:]) <= np.ptp(middles[:columns])
    np.testing.assert_array_equal(images[-1].get_array(), row(steps).maps_THW[int((shown - 0.5) * steps / shown)])
    figure.clear()


def test_signed_layers_are_scaled_around_zero_and_others_from_zero() -> None:
    maps_CTHW = np.random.default_rng(0).normal(size=(5, 2, 4, 4)).astype(np.float32)
    maps_CTHW[3] *= 10
    signed = channel_rows_of(maps_CTHW, 2)
    assert signed[0].name == "channel 3"
    assert signed[0].low == -signed[0].high == signed[1].low
    assert 0.9 * np.abs(maps_CTHW[3]).max() < signed[0].high <= np.abs(maps_CTHW[3]).max()
    positive = channel_rows_of(np.abs(maps_CTHW), 9)
    assert len(positive) == 5
    assert positive[0].low == 0.0
    assert all(np.isfinite(each.maps_THW).all() for each in channel_rows_of(np.full((2, 1, 2, 2), np.nan), 2))


def test_a_long_and_strange_name_is_drawn_and_is_a_file_name() -> None:
    name = "$x_{1}$ wörk " * 30
    figure = draw_rows(np.zeros((2, 4, 4, 3), np.uint8), [row(2, name)], [Connection(INPUT, name, 2)], first="input")
    figure.canvas.draw()
    figure.clear()
    layer = example_of_network("cnn3d").explained.layers[0]
    assert file_name(layer) == "blocks.0.0"


def test_branches_have_lanes_of_their_own_and_a_lane_goes_on_after_they_meet() -> None:
    links = [
        Connection(*pair, 0) for pair in ((INPUT, "a"), ("a", "b"), (INPUT, "c"), ("c", "d"), ("b", "e"), ("d", "e"))
    ]
    assert lanes_of(["a", "b", "c", "d", "e"], links) == {INPUT: 0, "a": 0, "b": 0, "c": 1, "d": 1, "e": 0}


def test_maps_are_those_of_the_clip() -> None:
    example = example_of_network("cnn3d")
    layers = example.explained.chosen
    network = example.model.network
    expected = network.blocks[0](example.model.network_input(example.clip_BCTHW))[0].detach().numpy()
    np.testing.assert_allclose(maps_of(example, layers)["blocks.0"], expected, rtol=1e-4, atol=1e-5)

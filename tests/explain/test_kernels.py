"""Pictures of kernels, against the weights themselves."""

import matplotlib
import numpy as np
import pytest
from helpers.explained import example_of_network

from action_recognition.explain.kernels import chosen_convolutions, draw_kernels, kernels_of

RNG = np.random.default_rng(0)


def test_kernels_over_rgb_are_pictures_of_their_weights() -> None:
    weight = RNG.normal(size=(5, 3, 2, 4, 4)).astype(np.float32)
    weight[3] *= 10
    kernels = kernels_of(weight, is_rgb=True, most=3)
    assert kernels.names[0] == "3"
    assert kernels.pictures_NMHWC.shape == (3, 2, 4, 4, 3)
    for name, picture in zip(kernels.names, kernels.pictures_NMHWC, strict=True):
        kernel = weight[int(name)]
        np.testing.assert_allclose((picture - 0.5) * 2 * np.abs(kernel).max(), kernel.transpose(1, 2, 3, 0), atol=1e-5)
    assert kernels.about == "3 of 5 kernels of 2x4x4 over RGB, from the first frame to the last"


def test_deeper_3d_kernels_are_those_of_their_strongest_input_through_time() -> None:
    weight = RNG.normal(size=(4, 6, 3, 3, 3))
    weight[2, 5] *= 20
    kernels = kernels_of(weight, is_rgb=False, most=1)
    assert kernels.names == ["2 < 5"]
    expected = matplotlib.colormaps["RdBu_r"](0.5 + weight[2, 5] / (2 * np.abs(weight[2, 5]).max()))[..., :3]
    np.testing.assert_allclose(kernels.pictures_NMHWC[0], expected)


def test_deeper_2d_kernels_are_those_of_their_strongest_inputs_side_by_side() -> None:
    weight = RNG.normal(size=(4, 20, 3, 3))
    kernels = kernels_of(weight, is_rgb=False, most=2)
    assert kernels.pictures_NMHWC.shape == (2, 8, 3, 3, 3)
    assert kernels.about == "2 of 4 kernels of 3x3 over the 8 strongest of 20 inputs each"


@pytest.mark.parametrize("shape", [(2, 1, 3, 3), (1, 1, 1, 1, 1), (64, 3, 7, 7), (40, 2, 16, 1, 1), (3, 1, 5, 1, 7)])
def test_any_kernels_can_be_drawn(shape: tuple[int, ...]) -> None:
    for weight in (RNG.normal(size=shape), np.zeros(shape), np.full(shape, np.nan)):
        draw_kernels(kernels_of(weight, is_rgb=shape[1] == 3, most=24)).clear()


def test_chosen_are_the_named_ones_or_the_first_of_each_stage() -> None:
    names = [found.layer.name for found in chosen_convolutions(example_of_network("two_stream").explained)]
    assert names[:2] == ["appearance.features.0.0", "motion.conv1.0"]
    assert len(names) == 6
    chosen = example_of_network("r3d_18", "visualize.layers=[backbone.layer1.*]").explained
    assert all("layer1" in found.layer.name for found in chosen_convolutions(chosen))
    assert len(chosen_convolutions(chosen)) == 4

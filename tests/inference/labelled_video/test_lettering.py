"""Text of any script, cut to a width, and shapes with soft edges."""

import numpy as np
import pytest

from action_recognition.inference.labelled_video.layers import Layer, round_box
from action_recognition.inference.labelled_video.lettering import (
    ELLIPSIS,
    fitted,
    has_letters,
    line_height,
    text_mask,
    text_width,
)


@pytest.mark.parametrize("text", ["walk", "größer", "Привет", "γειά", "مرحبا", "a b", "½ “x”"])
def test_matplotlib_brings_letters_of_many_scripts(text: str) -> None:
    assert has_letters(text)
    mask_HW = text_mask(text, 20)
    assert mask_HW.max() > 0.9
    assert ((mask_HW > 0.1) & (mask_HW < 0.9)).any(), "soft edges"
    assert mask_HW.shape[0] == line_height(20)


def test_no_font_has_private_letters() -> None:
    assert not has_letters("\U000f0000")


@pytest.mark.parametrize("width", [5, 30, 60, 200, 10_000])
def test_text_is_cut_to_a_width(width: int) -> None:
    text = "riding or walking with a horse"
    found = fitted(text, width, 14)
    if found == text:
        assert text_width(text, 14) <= width
    else:
        start = found.removesuffix(ELLIPSIS)
        assert text.startswith(start)
        assert start == "" or text_width(found, 14) <= width
        assert text_width(text[: len(start) + 2].rstrip() + ELLIPSIS, 14) > width, "no longer start would fit"


def test_a_box_has_the_area_of_its_shape() -> None:
    assert round_box(40, 30, 0).sum() == 40 * 30
    assert round_box(40, 40, 20).sum() == pytest.approx(np.pi * 20**2, rel=0.01)
    assert round_box(1, 1, 5).max() > 0


def test_layers_mix_as_opacity_says() -> None:
    layer = Layer(2, 1, 6, 4)
    layer.box((0, 0, 6, 4), 0, (0, 0, 0), 0.5)
    layer.box((0, 0, 3, 4), 0, (200, 100, 0), 0.5)
    frame_HWC = np.full((8, 10, 3), 100, dtype=np.uint8)
    layer.lay_over(frame_HWC, first=1)
    assert np.abs(frame_HWC[1:5, 3:5].astype(int) - (125, 75, 25)).max() <= 1
    assert np.abs(frame_HWC[1:5, 5:8].astype(int) - 50).max() <= 1
    frame_HWC[1:5, 3:8] = 100
    assert (frame_HWC == 100).all(), "nothing else has changed"

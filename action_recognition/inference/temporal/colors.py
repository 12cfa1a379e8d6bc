"""The colour of each label, the same in labelled videos and in timelines."""

import colorsys

Color = tuple[int, int, int]
NONE_COLOR: Color = (150, 150, 150)  # of stretches without an action


def label_color(label: int) -> Color:
    """A bright RGB colour for label number `label`; neighbours lie far apart on the colour circle."""
    red, green, blue = colorsys.hsv_to_rgb(label * 0.618034 % 1.0, 0.65, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)

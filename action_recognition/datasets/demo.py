"""The synthetic videos of `data=demo`: HMDB51's layout, rendered instead of downloaded."""

from action_recognition.datasets.hmdb51 import HMDB51


class Demo(HMDB51):
    """Eight actions of stick figures in four pairs that share every pose."""

    renderer = "action_recognition.synthetic.videos:render_demo_set"

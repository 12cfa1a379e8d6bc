"""Where the acting figure is in a demo frame: the pixels that change when it wears other colours."""

from dataclasses import replace

import numpy as np
import pytest

from action_recognition.synthetic.scene import HEIGHT, WIDTH, draw_frame, figure_box
from action_recognition.synthetic.videos import plan_clips


@pytest.mark.parametrize("label", ["sit", "catch", "somersault", "run"])
def test_the_box_holds_the_figure_and_hardly_more(label: str) -> None:
    planned = [clip for clip in plan_clips(seed=3, clips_per_class=6) if clip.action.label == label]
    for one in planned[:3]:
        scene = one.scene
        colors = {"skin": (10, 250, 90), "shirt": (250, 10, 10), "trousers": (10, 10, 250), "cap": (0, 0, 0)}
        other = replace(scene, person=replace(scene.person, **colors), ball_color=(1, 2, 3))
        for index in (0, one.clip.frames // 2, one.clip.frames - 1):
            left, top, right, bottom = figure_box(scene, one.clip, index)
            assert 0 <= left < right <= WIDTH
            assert 0 <= top < bottom <= HEIGHT
            changed_HW = (draw_frame(scene, one.clip, index) != draw_frame(other, one.clip, index)).any(axis=2)
            rows, columns = np.flatnonzero(changed_HW.any(axis=1)), np.flatnonzero(changed_HW.any(axis=0))
            assert left <= columns[0] <= left + 8  # shoes keep their colour
            assert top <= rows[0] <= top + 8
            assert right - 8 <= columns[-1] + 1 <= right
            assert bottom - 8 <= rows[-1] + 1 <= bottom

"""Attention roll-out on the page of one input, for networks that have it."""

from pathlib import Path

import numpy as np

from action_recognition.explain.cam_section import OVERLAP, frames_with_heat, over_frames, said_of, video_of
from action_recognition.explain.example import Example, ModelBackend
from action_recognition.explain.heat import Found, measure
from action_recognition.explain.heat_video import write_heat_video
from action_recognition.explain.rollout import has_roll_out, roll_out
from action_recognition.inference.predictor import Predictor
from action_recognition.reports.page import Bar, Block, Heading, Paragraph, Table
from action_recognition.utils.probabilities import softmax
from action_recognition.video.windows import CutWindow

ABOUT = (
    "Attention of all layers and the connections around them, multiplied: how much of each place reaches the output. "
    "It shows what the network could see, whatever the class; it is no evidence for one."
)
FRAMES = "This network's attention is over frames: it has a share for each, and none for places in them."


def section(example: Example, folder: Path) -> list[Block]:
    """A bar for each frame where attention is over frames only; else frames with heat, and `attention.mp4`."""
    if not has_roll_out(example.model.network):
        return []
    share_THW = shares(example, example.window)
    blocks: list[Block] = [Heading("Attention roll-out"), Paragraph(ABOUT)]
    if share_THW.shape[1:] == (1, 1):
        share_T = share_THW[:, 0, 0]
        rows = [
            (str(number), f"{share:.1%}", Bar([float(share)], float(share_T.max())))
            for number, share in enumerate(share_T, start=1)
        ]
        equal = f"{FRAMES} Equal shares would be {1 / len(share_T):.1%}."
        return [*blocks, Paragraph(equal), Table(("frame", "share", ""), rows)]

    def find(cut: CutWindow) -> Found:
        probability_K = softmax(backend(cut.clip_CTHW[None])[0], backend.contract.temperature)
        best = int(probability_K.argmax())
        return Found(example.model.contract.class_names[best], float(probability_K[best]), shares(example, cut))

    backend = ModelBackend(example.model)
    heat = measure(Predictor(backend, overlap=OVERLAP), example.given, find)
    steps = "x".join(map(str, share_THW.shape))
    blocks.append(Paragraph(f"Tokens: time x height x width {steps}. Yellow is the largest share in this input."))
    blocks.append(frames_with_heat(example, over_frames(share_THW, example, heat.largest)))
    scale = "largest share"
    path = write_heat_video(heat, example.given, folder / "attention", method="attention roll-out", scale=scale)
    return [*blocks, *video_of(path, f"attention roll-out, {said_of(heat)}")]


def shares(example: Example, cut: CutWindow) -> np.ndarray:
    """`share_THW` of the roll-out of a window."""
    found = roll_out(example.model, cut.clip_CTHW)
    assert found is not None
    return found.share_THW

"""The page of one input: frames, truth, prediction, and a section for each thing that is drawn."""

from collections.abc import Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import Protocol

import cv2
import numpy as np

from action_recognition.config.schema import VIEWS
from action_recognition.explain.example import Example
from action_recognition.reports.page import Bar, Block, Figure, Gallery, Heading, Paragraph, Table, to_html
from action_recognition.utils.folders import replacing_folder
from action_recognition.video.frames import Frame

PAGE = "page.html"
# In the order of the page; each writes files whose names begin with its own.
SECTIONS: dict[str, str] = {
    "maps": "action_recognition.explain.maps:section",
    "kernels": "action_recognition.explain.kernels:section",
    "histograms": "action_recognition.explain.histograms:section",
    "cam": "action_recognition.explain.cam_section:section",
    "attention": "action_recognition.explain.attention_section:section",
}
MOST_CLASSES, MOST_FRAMES = 8, 16
# Three of them stand side by side on a phone.
FRAME_SIDE, QUALITY = 104, 85


class Section(Protocol):
    """A part of the page."""

    def __call__(self, example: Example, folder: Path) -> list[Block]:
        """Write the pictures into `folder`, under names that begin with the section's; returns what the page shows.

        Empty for a network that has nothing of the kind.
        """
        ...


def write_page(example: Example, folder: Path) -> Path:
    """Write the page and its pictures into `folder`, which appears when all are there and replaces an older one.

    Returns:
        The page.

    Raises:
        DataError: if there are files in `folder` that this did not write.
    """
    with replacing_folder(folder, may_replace=_is_ours) as partial:
        blocks = head(example)
        for name in VIEWS:
            if name in example.explained.settings.what and name in SECTIONS:
                section: Section = resolve_name(SECTIONS[name])
                blocks += section(example, partial)
        (partial / PAGE).write_text(
            to_html(f"{example.prediction.input}: {example.prediction.answer}", blocks), encoding="utf-8"
        )
    return folder / PAGE


def head(example: Example) -> list[Block]:
    """What the input is, the prediction beside the truth, and the frames that the model saw."""
    prediction = example.prediction
    blocks: list[Block] = [Heading(Path(prediction.input).name, level=1)]
    if not example.truth:
        blocks.append(Paragraph(f"Predicted {example.prediction.answer}. The true class is not known."))
    else:
        right = example.truth == prediction.label
        verdict = "right" if right else f"wrong: it is {example.truth}"
        blocks.append(
            Paragraph(
                f"Predicted {example.prediction.answer}. The likeliest is {verdict}.", tone="good" if right else "bad"
            )
        )
        blocks.append(Paragraph(f"The true class is known {example.truth_from}."))
    blocks += [Heading("Prediction"), probability_table(example), Heading("What the model sees")]
    blocks.append(Paragraph(clip_line(example)))
    blocks.append(Gallery([Figure([jpeg_of(frame)], caption) for frame, caption in frames_of(example)]))
    return blocks


def clip_line(example: Example) -> str:
    """Which part of the input the page looks at, and why."""
    prediction, window, contract = example.prediction, example.window, example.model.contract
    text = f"{contract.frames} frame{'s' * (contract.frames > 1)} of {contract.size} x {contract.size} pixels"
    if prediction.fps and contract.frames > 1:
        text += f" from {window.start_seconds:.2f} s to {window.end_seconds:.2f} s"
    others = len(prediction.windows) - 1
    if others:
        why = f"in which {prediction.label} is likeliest" if example.explained.settings.second is None else "asked for"
        text += f", the window {why}; the prediction is the mean over this and {others} more"
    return f"{text}."


def probability_table(example: Example) -> Table:
    """The likeliest classes with bars, and the true one wherever it is."""
    prediction = example.prediction
    order = [int(index) for index in np.argsort(-prediction.probabilities, kind="stable")]
    names = prediction.class_names
    shown = order[:MOST_CLASSES]
    if example.truth in names and names.index(example.truth) not in shown:
        shown.append(names.index(example.truth))
    rows: list[Sequence[str | int | Bar]] = []
    for index in shown:
        probability = float(prediction.probabilities[index])
        name = f"{names[index]} (true)" if names[index] == example.truth else names[index]
        rows.append([name, order.index(index) + 1, f"{probability:.1%}", Bar([probability], 1.0)])
    marked = frozenset(place for place, index in enumerate(shown) if names[index] == example.truth)
    return Table(("class", "rank", "probability", ""), rows, marked=marked)


def frames_of(example: Example) -> list[tuple[Frame, str]]:
    """Up to `MOST_FRAMES` evenly spaced frames with their numbers."""
    frames_THWC = example.frames_THWC
    count = len(frames_THWC)
    places = np.unique(np.linspace(0, count - 1, min(count, MOST_FRAMES)).round().astype(int))
    return [(frames_THWC[place], f"{place + 1} of {count}") for place in places]


def jpeg_of(frame_HWC: Frame) -> bytes:
    """A small JPEG; frames that are smaller than that become larger, with hard edges."""
    height, width = (max(1, round(FRAME_SIDE * side / max(frame_HWC.shape[:2]))) for side in frame_HWC.shape[:2])
    interpolation = cv2.INTER_AREA if max(frame_HWC.shape) > FRAME_SIDE else cv2.INTER_NEAREST
    frame_HWC = cv2.resize(frame_HWC, (width, height), interpolation=interpolation)  # type: ignore[assignment]
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(frame_HWC, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return jpeg.tobytes()


def _is_ours(path: Path) -> bool:
    return path.name == PAGE or any(path.name.startswith(name) for name in VIEWS)

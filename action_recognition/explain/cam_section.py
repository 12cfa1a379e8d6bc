"""Class activation maps on the page of one input: over frames of its clip, and over the whole video."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np

from action_recognition.errors import check_choice
from action_recognition.explain.cam import class_map, default_layer, scaled
from action_recognition.explain.example import Example, ModelBackend
from action_recognition.explain.heat import Found, Heat, Map, measure
from action_recognition.explain.heat_pictures import lay_over
from action_recognition.explain.heat_video import write_heat_video
from action_recognition.inference.predictor import Predictor
from action_recognition.models.layers import choose_layers
from action_recognition.reports.page import Block, Figure, Gallery, Heading, Paragraph, Video
from action_recognition.utils.probabilities import softmax
from action_recognition.video.windows import CutWindow

NAMES = {"grad_cam": "Grad-CAM", "ablation_cam": "Ablation-CAM"}
HOW = {
    "grad_cam": "channels weighed by the mean gradient of the class's logit",
    "ablation_cam": "channels weighed by how far the class's logit falls without them; no gradients",
}
ABOUT = (
    "Where and when the network finds what speaks for a class: yellow is the most in this input, black is nothing. A "
    "map is as coarse as its layer and stretched over the frames, so its edges are no outlines. Heat in the right "
    "place does not make a prediction right."
)
OVERLAP = 0.5  # of the windows whose maps are averaged
MOST_FRAMES = 8
SMALLEST_SIDE = 160  # pixels, of the frames in the gallery
MOST_INSIDE = 8_000_000  # bytes of a video that the page itself contains


def section(example: Example, folder: Path) -> list[Block]:
    """For each method a row of frames, and a video `cam_grad.mp4`, `cam_ablation.mp4` (of a still a PNG file)."""
    model, settings = example.model, example.explained.settings
    class_names = model.contract.class_names
    if settings.target is not None:
        check_choice("visualize.target", settings.target, class_names)
    target = None if settings.target is None else class_names.index(settings.target)
    layer = layer_of(example)
    blocks: list[Block] = [Heading("Class activation maps"), Paragraph(ABOUT)]
    for method in settings.cam:
        find = partial(find_class_map, example, method=method, layer=layer, target=target)
        heat = measure(Predictor(ModelBackend(model), overlap=OVERLAP), example.given, find)
        clip = find(example.window)
        steps = "x".join(map(str, clip.heat_THW.shape))
        blocks.append(Heading(f"{NAMES[method]} for {clip.label}", level=3))
        blocks.append(Paragraph(f"Of layer {layer}, time x height x width {steps}: {HOW[method]}."))
        if not clip.heat_THW.any():
            blocks.append(Paragraph(f"In this clip, nothing at this layer speaks for {clip.label}.", tone="bad"))
        blocks.append(frames_with_heat(example, over_frames(clip.heat_THW, example, heat.largest)))
        scale = "most in this video" if heat.frames > 1 else "most"
        method_said = f"{NAMES[method]}, {layer}"
        path = write_heat_video(
            heat, example.given, folder / f"cam_{method.removesuffix('_cam')}", method=method_said, scale=scale
        )
        blocks += video_of(path, f"{NAMES[method]}, {said_of(heat)}")
    return blocks


def layer_of(example: Example) -> str:
    """`visualize.cam_layer`, the last one that it names, or the default one.

    Raises:
        ConfigError: if it names none.
    """
    pattern = example.explained.settings.cam_layer
    if pattern is None:
        return default_layer(example.model, example.window.clip_CTHW)
    return choose_layers(example.explained.layers, [pattern], key="visualize.cam_layer")[-1].name


def find_class_map(example: Example, cut: CutWindow, *, method: str, layer: str, target: int | None) -> Found:
    """The class activation map of a window, its class, and how probable the class is."""
    found = class_map(example.model, cut.clip_CTHW, method=method, layer=layer, target=target)
    contract = example.model.contract
    probability_K = softmax(found.logits_K, contract.temperature)
    return Found(contract.class_names[found.target], float(probability_K[found.target]), found.heat_THW)


def over_frames(heat_THW: Map, example: Example, largest: float) -> Map:
    """Heat of a clip for each of its frames, `[T, h, w]` in 0-1."""
    frames, steps = example.model.contract.frames, len(heat_THW)
    places = np.clip((np.arange(frames) + 0.5) * steps / frames - 0.5, 0, steps - 1)
    before = places.astype(int)
    share_T11 = (places - before)[:, None, None]
    between = heat_THW[before] * (1 - share_T11) + heat_THW[np.minimum(before + 1, steps - 1)] * share_T11
    return scaled(between.astype(np.float32), largest)


def frames_with_heat(example: Example, heat_THW: Map) -> Gallery:
    """Evenly spaced frames of the clip with their heat."""
    count = len(heat_THW)
    figures = []
    for place in np.unique(np.linspace(0, count - 1, min(count, MOST_FRAMES)).round().astype(int)):
        frame_HWC = example.frames_THWC[place]
        scale = max(1, -(-SMALLEST_SIDE // frame_HWC.shape[0]))
        enlarged = cv2.resize(frame_HWC, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        drawn = lay_over(np.asarray(enlarged, dtype=np.uint8), heat_THW[place])
        _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
        figures.append(Figure([jpeg.tobytes()], f"{place + 1} of {count}"))
    return Gallery(figures)


def video_of(path: Path, caption: str) -> list[Block]:
    """A video within the page, or beside it if it is large; a still's picture is only named."""
    if path.suffix != ".mp4":
        return [Paragraph(f"{path.name}: {caption}")]
    is_small = path.stat().st_size <= MOST_INSIDE
    return [Video(path.name, path.read_bytes() if is_small else None, f"{path.name}: {caption}")]


def said_of(heat: Heat) -> str:
    """Over how many windows a heat was averaged, and of what."""
    windows = len(heat.windows)
    labels = list(dict.fromkeys(window.label for window in heat.windows))
    shown = ", ".join(labels[:3]) + (" and others" if len(labels) > 3 else "")
    return f"for {shown}; {windows} window{'s' * (windows > 1)}, averaged where they overlap"

"""From a video file to its label: decoding, the model, and both together, in one run on this machine.

    python benchmarks/predict.py [VIDEO_OR_FOLDER ...] [--model cnn3d] [--clip 16x2_56] [--rounds 7]

The network has random weights and, unless `--clip` says otherwise, the default clip of 16 frames at stride 2, 56 x 56
pixels; ONNX Runtime runs it.

- decoding alone: the frames that `predict` reads, resized and cropped, and no model;
- the model alone: all clips of these videos, cut beforehand, one at a time, as `predict` does on a CPU;
- predict: `Predictor.predict`, which overlaps the two;
- plain loop, the peer: every frame read, resized and cropped with OpenCV, then the model, one after the other.

`overlap_ratio` is the time of predict over the larger of decoding alone and the model alone. Ways alternate within a
round, and medians count. Without videos: ../shared/videos, nine real ones. About two minutes on two cores.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from random_models import exported
from report import ROOT, report

from action_recognition.inference.backends import Backend, load_backend
from action_recognition.inference.inputs.expand import expand_inputs
from action_recognition.inference.predictor import Predictor
from action_recognition.video.clip_files import open_clip
from action_recognition.video.frames import FrameFormat, center_crop, resize_short_side
from action_recognition.video.windows import WindowCutter


def main() -> None:
    options = parse_options()
    paths = [Path(str(path)) for path in expand_inputs(options.inputs or [str(ROOT.parent / "shared" / "videos")])]
    with tempfile.TemporaryDirectory() as folder:
        backend = load_backend(exported(options.model, options.clip, Path(folder)), kind="onnx", device="cpu")
    predictor = Predictor(backend)
    clips = [clips_of(path, backend) for path in paths]
    frames = sum(predictor.predict(path).frames for path in paths)
    ways: dict[str, Callable[[], object]] = {
        "decoding alone": lambda: [clips_of(path, backend) for path in paths],
        "the model alone": lambda: run([clip for video in clips for clip in video], backend),
        "predict": lambda: list(predictor.predict_each(paths)),
        "plain loop": lambda: plain_loop(paths, backend),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(options.rounds):
        for way, work in ways.items():
            started = time.perf_counter()
            work()
            seconds[way].append(time.perf_counter() - started)
    took = {way: statistics.median(times) for way, times in seconds.items()}
    bound = max(took["decoding alone"], took["the model alone"])
    report(
        "predict",
        title=f"{options.model}, {len(paths)} videos of {frames} frames together",
        columns=("way", "frames/s", "of the slower part alone"),
        rows=[[way, f"{frames / time:,.0f}", f"{time / bound:.2f}"] for way, time in took.items()],
        figures={
            "overlap_ratio": took["predict"] / bound,
            "frames_per_second": frames / took["predict"],
            "decoding_frames_per_second": frames / took["decoding alone"],
            "model_frames_per_second": frames / took["the model alone"],
            "times_faster_than_plain_loop": took["plain loop"] / took["predict"],
        },
        settings={"model": options.model, "rounds": options.rounds, "clip": options.clip, "videos": len(paths)},
    )


def clips_of(path: Path, backend: Backend) -> list[NDArray[np.uint8]]:
    """The clips that `predict` gives the model."""
    contract = backend.contract
    with open_clip(path, FrameFormat.of(contract)) as clip:
        cutter = WindowCutter(contract, overlap=0.0, origin=str(path))
        return [cut.clip_CTHW for cut in cutter.cut(Predictor(backend).squares(clip))]


def run(clips: list[NDArray[np.uint8]], backend: Backend) -> None:
    for clip_CTHW in clips:
        backend(clip_CTHW[None])


def plain_loop(paths: list[Path], backend: Backend) -> None:
    """What a script without this package does."""
    contract = backend.contract
    for path in paths:
        capture = cv2.VideoCapture(str(path))
        frames = []
        while (read := capture.read())[0]:
            frame_HWC = np.asarray(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB), dtype=np.uint8)
            frames.append(center_crop(resize_short_side(frame_HWC, contract.short_side), contract.size))
        starts = range(0, len(frames) - contract.span + 1, contract.span)
        clips = [np.stack(frames[start : start + contract.span : contract.stride]) for start in starts]
        run([np.ascontiguousarray(clip.transpose(3, 0, 1, 2)) for clip in clips], backend)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="*")
    parser.add_argument("--model", default="cnn3d")
    parser.add_argument("--clip", default="16x2_56", help="an option of conf/clip/")
    parser.add_argument("--rounds", type=int, default=7)
    return parser.parse_args()


if __name__ == "__main__":
    main()

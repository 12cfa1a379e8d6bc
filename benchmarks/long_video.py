"""A long video: peak memory, and how far segment borders are from the action changes that are known.

    python benchmarks/long_video.py [--model video_action_model.onnx] [--minutes 60]

Clips of the demo's test split follow each other in an H.264 file, `--repeats` of one class at a time. They are those
that the model labels rightly one by one: this is about when actions change, `segments.py` about the model. A process of
its own labels the video with the settings of the `predict` command; its peak memory is what the system counted.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from assembled import FPS, Piece, load_pieces, write_video
from report import report
from rich.console import Console

from action_recognition.config import load_config
from action_recognition.data.load import load_manifest
from action_recognition.evaluation.temporal_detection import Action
from action_recognition.inference.load import load


def main() -> None:
    options = parse_options()
    if options.video:
        label(options.model, options.video)
        return
    console = Console(soft_wrap=True)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "long.mp4")
        started = time.perf_counter()
        actions = render(path, options, console)
        console.print(f"rendered in {time.perf_counter() - started:.0f} s, {path.stat().st_size / 1e6:.0f} MB")
        command = [sys.executable, __file__, "--model", str(options.model), "--video", str(path)]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    write(actions, found, options, console)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--model", type=Path, default=Path("video_action_model.onnx"), help="trained on the demo set")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--repeats", type=int, default=6, help="clips of one class before the next")
    parser.add_argument("--video", type=Path, help=argparse.SUPPRESS)  # label this one and say what was found
    return parser.parse_args()


def render(path: Path, options: argparse.Namespace, console: Console) -> list[Action]:
    config = load_config(["experiment=demo"])
    videos_dir = Path(config.data.videos_dir)
    model = load(options.model, device="cpu")
    records = load_manifest(config, console).split("test")
    right = [record for record in records if model.predict(videos_dir / record.path).label == record.label]
    console.print(f"{len(right)} of {len(records)} clips, which the model labels rightly", highlight=False)
    clips = load_pieces(right, videos_dir)
    rng = np.random.default_rng(0)
    labels = sorted({str(clip.label) for clip in clips})
    of_label = {label: [clip for clip in clips if clip.label == label] for label in labels}
    pieces: list[Piece] = []
    frames, before = 0, None
    while frames < options.minutes * 60 * FPS:
        before = rng.choice([label for label in labels if label != before])
        chosen = rng.choice(len(of_label[before]), size=options.repeats, replace=False)
        pieces += [of_label[before][int(number)] for number in chosen]
        frames = sum(len(piece.frames_THWC) for piece in pieces)
    return write_video(path, pieces)


def label(model: Path, video: Path) -> None:
    """In a process of its own: prints what was found and what it took, as JSON."""
    predictor = load(model, device="cpu")
    started = time.perf_counter()
    prediction = predictor.predict(video)
    segments = [
        {"label": segment.label, "start": segment.start_seconds, "end": segment.end_seconds}
        for segment in prediction.segments
    ]
    result = {
        "segments": segments,
        "seconds": time.perf_counter() - started,
        "frames": prediction.frames,
        "windows": len(prediction.windows),
        "window_seconds": prediction.windows[0].end_seconds,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
    }
    json.dump(result, sys.stdout)


def border_errors(actions: Sequence[Action], segments: Sequence[dict]) -> tuple[np.ndarray, np.ndarray]:
    """Of each change from one action to the next: seconds to the nearest border, and to the nearest of the same two."""
    nearest, nearest_right = [], []
    borders = [(one["end"], one["label"], other["label"]) for one, other in pairwise(segments)]
    for one, other in pairwise(actions):
        distances = [(abs(at - one.end_seconds), (a, b)) for at, a, b in borders]
        nearest.append(min((far for far, _ in distances), default=np.inf))
        same = (far for far, pair in distances if pair == (one.label, other.label))
        nearest_right.append(min(same, default=np.inf))
    return np.array(nearest), np.array(nearest_right)


def write(actions: Sequence[Action], found: dict, options: argparse.Namespace, console: Console) -> None:
    window = found["window_seconds"]
    nearest, right = border_errors(actions, found["segments"])
    figures = {
        "peak_gb": found["peak_gb"],
        "changes": len(nearest),
        "within_a_window": float((nearest <= window).mean()),
        "within_a_window_and_right_classes": float((right <= window).mean()),
        "median_error_seconds": float(np.median(nearest)),
        "largest_error_seconds": float(nearest.max()),
        "frames_per_second": found["frames"] / found["seconds"],
        "segments": len(found["segments"]),
    }
    rows = [
        ("peak memory", f"{found['peak_gb']:.2f} GB"),
        (f"changes found within a window, {window:.2f} s", f"{100 * figures['within_a_window']:.1f} %"),
        ("and with the right classes on both sides", f"{100 * figures['within_a_window_and_right_classes']:.1f} %"),
        ("median distance of a change to the nearest border", f"{figures['median_error_seconds']:.2f} s"),
        ("largest", f"{figures['largest_error_seconds']:.2f} s"),
        ("actions, segments", f"{len(actions)}, {len(found['segments'])}"),
        ("time for all", f"{found['seconds']:.0f} s, {figures['frames_per_second']:.0f} frames/s"),
    ]
    report(
        __file__,
        title=f"{options.minutes:g} minutes of the demo's test clips",
        columns=("", "found"),
        rows=rows,
        figures=figures,
        settings={"minutes": options.minutes, "repeats": options.repeats, "frames": found["frames"]},
        console=console,
    )


if __name__ == "__main__":
    main()

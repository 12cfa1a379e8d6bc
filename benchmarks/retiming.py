"""The same video at other frame rates: does it keep its label?

    python benchmarks/retiming.py MODEL VIDEO_OR_FOLDER ... [--clips 60] [--name hmdb51]

Each video is written anew at its own rate, at 15, 24, 25, 29.97 and 60 frames/s, at a variable rate (intervals drawn
between 1/60 and 1/15 s), and with a third of its frames left out at random; always the picture that was on screen at
that time, with that time. The model labels all
of them twice: sampled by time, as `predict` does, and by frame number, as it did before contracts had a frame rate.
Counted is the same label as at the video's own rate, and the largest change of a class's probability, on average over
videos.

Of a folder, `--clips` videos are taken at even distances. Names in HMDB51's layout (`<class>/<clip>`) give the accuracy
too. Figures are kept by `--name` in benchmarks/results/retiming.json. About five minutes on two cores.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from report import RESULTS_DIR, report

from action_recognition.inference.backends import Backend, load_backend
from action_recognition.inference.inputs.expand import expand_inputs
from action_recognition.inference.prediction import Prediction
from action_recognition.inference.predictor import Predictor
from action_recognition.video.decoder import VideoFile

RATES = {"15": 15.0, "24": 24.0, "25": 25.0, "29.97": 30000 / 1001, "60": 60.0}
AS_FILMED, VARIABLE, LEFT_OUT = "as filmed", "variable", "a third left out"
OTHERS = (*RATES, VARIABLE, LEFT_OUT)
TICKS = 90_000
OVERLAP = 0.5  # the default of `predict` and `load`


def main() -> None:
    options = parse_options()
    backend = load_backend(options.model, kind="onnx" if options.model.suffix == ".onnx" else "torch", device="auto")
    paths = chosen(options.inputs, options.clips)
    by_time = Predictor(backend, overlap=OVERLAP)
    by_number = Predictor(CountingFrames(backend), overlap=OVERLAP)
    found: dict[tuple[str, str], list[Prediction]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate(paths):
            for rate, copy in retimed(path, Path(folder), seed=number).items():
                found.setdefault(("time", rate), []).append(by_time.predict(copy))
                found.setdefault(("number", rate), []).append(by_number.predict(copy))
                copy.unlink()
    rows, figures = compare(found, [path.parent.name for path in paths])
    settings = {"model": options.model.name, "videos": len(paths), "contract_fps": backend.contract.fps}
    merge(options.name, rows, figures, settings)


class CountingFrames:
    """A backend whose contract has no frame rate."""

    def __init__(self, backend: Backend) -> None:
        self.backend, self.device = backend, backend.device
        self.contract = replace(backend.contract, fps=0.0)

    def __call__(self, clip_BCTHW: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self.backend(clip_BCTHW)


def chosen(inputs: list[str], most: int) -> list[Path]:
    """At most `most` of the videos, at even distances."""
    paths = [Path(str(path)) for path in expand_inputs(inputs)]
    return [paths[place] for place in np.unique(np.linspace(0, len(paths) - 1, most).round().astype(int))]


def retimed(path: Path, folder: Path, *, seed: int) -> dict[str, Path]:
    """The video at every rate, in files of their own."""
    video = VideoFile(path)
    frames = [(frame.seconds or 0.0, frame.read()) for frame in video.timed()]
    video.close()
    seconds_N = np.array([seconds for seconds, _ in frames])
    end = seconds_N[-1] * (1 + 1 / max(1, len(frames) - 1))
    generator = np.random.default_rng(seed)
    kept = generator.random(len(frames)) >= 1 / 3
    kept[[0, -1]] = True
    drawn = np.cumsum(generator.uniform(1 / 60, 1 / 15, size=int(end * 60) + 1)) - 1 / 60
    times = {AS_FILMED: seconds_N, LEFT_OUT: seconds_N[kept]}
    times |= {VARIABLE: np.concatenate([[0.0], drawn[(drawn > 0.01) & (drawn < end - 0.01)]])}
    times |= {name: np.arange(0, end - 0.5 / rate, 1 / rate) for name, rate in RATES.items()}
    copies = {}
    for name, seconds_M in times.items():
        shown = np.searchsorted(seconds_N, seconds_M + 1e-6, side="right") - 1
        copies[name] = folder / f"{path.stem[:80]}.{name.replace(' ', '_')}.mp4"
        write(copies[name], [frames[number][1] for number in shown], seconds_M)
    return copies


def write(path: Path, frames: list[NDArray[np.uint8]], seconds_M: NDArray[np.float64]) -> None:
    """H.264, nearly without loss; each frame at its time."""
    height, width = (side // 2 * 2 for side in frames[0].shape[:2])
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("libx264", rate=30, options={"crf": "10", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
        for frame_HWC, seconds in zip(frames, seconds_M, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_HWC[:height, :width]), format="rgb24")
            frame.pts, frame.time_base = round(seconds * TICKS), Fraction(1, TICKS)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())


def compare(
    found: dict[tuple[str, str], list[Prediction]], truths: list[str]
) -> tuple[list[list[str]], dict[str, float]]:
    """A row for each rate, and the figures of all rates together."""
    classes = set(found["time", AS_FILMED][0].class_names)
    rows, figures = [], {}
    for rate in [AS_FILMED, *OTHERS]:
        cells = [rate]
        for way in ("time", "number"):
            kept, change, right = _against(found[way, rate], found[way, AS_FILMED], truths)
            cells += [f"{kept:.1%}", f"{change:.3f}", f"{right:.1%}" if set(truths) <= classes else ""]
        rows.append(cells)
    for way in ("time", "number"):
        each = [_against(found[way, rate], found[way, AS_FILMED], truths)[:2] for rate in OTHERS]
        figures[f"by_{way}_same_label_share"] = round(float(np.mean([kept for kept, _ in each])), 4)
        figures[f"by_{way}_probability_change"] = round(float(np.mean([change for _, change in each])), 4)
        every = [
            all(found[way, rate][video].label == reference.label for rate in OTHERS)
            for video, reference in enumerate(found[way, AS_FILMED])
        ]
        figures[f"by_{way}_same_label_at_every_rate"] = sum(every)
    return rows, figures | {"videos": len(truths)}


def _against(found: list[Prediction], reference: list[Prediction], truths: list[str]) -> tuple[float, float, float]:
    pairs = list(zip(found, reference, strict=True))
    kept = np.mean([one.label == other.label for one, other in pairs])
    change = np.mean([np.abs(one.probabilities - other.probabilities).max() for one, other in pairs])
    right = np.mean([one.label == truth for one, truth in zip(found, truths, strict=True)])
    return float(kept), float(change), float(right)


def merge(name: str, rows: list[list[str]], figures: dict[str, float], settings: dict[str, Any]) -> None:
    """Write the figures of this set beside those of the others."""
    path = RESULTS_DIR / "retiming.json"
    before = json.loads(path.read_text()) if path.is_file() else {}
    kept = {key: value for key, value in before.get("figures", {}).items() if not key.startswith(f"{name}_")}
    report(
        "retiming",
        title=f"{name}: the same label as at the video's own rate",
        columns=("frames/s", "by time", "its change", "its top-1", "by number", "change", "top-1"),
        rows=rows,
        figures=kept | {f"{name}_{key}": value for key, value in figures.items()},
        settings=before.get("settings", {}) | {name: settings},
    )


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("inputs", nargs="+")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--name", default="demo")
    return parser.parse_args()


if __name__ == "__main__":
    main()

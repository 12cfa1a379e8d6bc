"""Many videos with `predict.workers` 0, 1, 2 ..., where decoding takes longest and where the model does.

    python benchmarks/workers.py [FOLDER] [--workers 0 1 2] [--every 10] [--rounds 3]

Random weights, run by ONNX Runtime on the CPU. `shufflenet3d` on 16 frames of 56 x 56 pixels takes less time than to
decode the videos; `r3d_18` on the same takes longer. Loading the model and starting processes are not counted in
videos/s, but stand beside it as seconds to start. Numbers of workers alternate within a round, and medians count.
Without a folder: ../shared/hmdb51_sample/videos, 665 real clips, of which every tenth is taken.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from report import ROOT, report

from action_recognition.config import load_config
from action_recognition.contract import ClipContract
from action_recognition.export.onnx import export_onnx
from action_recognition.inference.batch.jobs import Setup, Task, ready
from action_recognition.inference.inputs.expand import expand_inputs
from action_recognition.models.module import VideoActionModel

CASES = {"decoding takes longest": ("shufflenet3d", "16x2_56"), "the model takes longest": ("r3d_18", "16x2_56")}
CLASSES = tuple(f"class{number:02d}" for number in range(51))


def main() -> None:
    options = parse_options()
    tasks = [Task(given=path) for path in expand_inputs([options.folder])[:: options.every]]
    rows, figures = [], {}
    for case, (network, clip) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            setup = Setup(model=exported(network, clip, Path(folder)), kind="onnx", device="cpu")
            took: dict[int, list[tuple[float, float]]] = {count: [] for count in options.workers}
            for _ in range(options.rounds):
                for count in options.workers:
                    took[count].append(timed(setup, tasks, count))
        speeds = {count: len(tasks) / statistics.median(seconds for _, seconds in took[count]) for count in took}
        for count, speed in speeds.items():
            start = statistics.median(seconds for seconds, _ in took[count])
            gain = speed / speeds[options.workers[0]]
            rows.append([f"{case} ({network})", str(count), f"{speed:.1f}", f"{gain:.2f}x", f"{start:.1f}"])
            figures[f"{network}_{count}_workers_videos_per_second"] = speed
    report(
        "workers",
        title=f"{len(tasks)} videos",
        columns=("where", "workers", "videos/s", "against the first", "seconds to start"),
        rows=rows,
        figures=figures,
        settings=vars(options),
    )


def timed(setup: Setup, tasks: list[Task], workers: int) -> tuple[float, float]:
    """Seconds until the first process is ready, and from there until all videos are labelled."""
    started = time.perf_counter()
    with ready(setup, [task.given for task in tasks], workers=workers) as (labelling, _):
        loaded = time.perf_counter()
        for record in labelling(tasks, lambda *_: None):
            if "error" in record:
                raise SystemExit(record["error"])
        return loaded - started, time.perf_counter() - loaded


def exported(network: str, clip: str, folder: Path) -> Path:
    """An ONNX file of the network with random weights."""
    config = load_config([f"model={network}", f"clip={clip}"])
    values = asdict(config.clip) | {"mean": tuple(config.clip.mean), "std": tuple(config.clip.std), "fps": 30.0}
    contract = ClipContract(**values, class_names=CLASSES)
    model = VideoActionModel(contract.to_dict(), {"network": config.model.network, "args": dict(config.model.args)})
    path = folder / "model.onnx"
    export_onnx(model.eval(), path, clip_BCTHW=None, opset=config.export.opset, tolerance=config.export.tolerance)
    return path


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=str(ROOT.parent / "shared" / "hmdb51_sample" / "videos"))
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--every", type=int, default=10, help="take every so many of the videos")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()

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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from random_models import exported
from report import ROOT, report

from action_recognition.inference.batch.jobs import Labelling, Setup, Task, Workers, ready
from action_recognition.inference.inputs.expand import expand_inputs

CASES = {"decoding takes longest": ("shufflenet3d", "16x2_56"), "the model takes longest": ("r3d_18", "16x2_56")}


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
        best = max(speeds, key=lambda count: speeds[count])
        print(f"{network}: predict.workers={best} is the fastest of {options.workers} on this machine")
    report(
        "workers",
        title=f"{len(tasks)} videos",
        columns=("where", "workers", "videos/s", "against the first", "seconds to start"),
        rows=rows,
        figures=figures,
        settings=vars(options),
    )


def timed(setup: Setup, tasks: list[Task], workers: int) -> tuple[float, float]:
    """Seconds until all processes are ready, and from there until all videos are labelled."""
    started = time.perf_counter()
    with labelling_by(setup, tasks, workers) as labelling:
        loaded = time.perf_counter()
        for record in labelling(tasks, lambda *_: None):
            if "error" in record:
                raise SystemExit(record["error"])
        return loaded - started, time.perf_counter() - loaded


@contextmanager
def labelling_by(setup: Setup, tasks: list[Task], workers: int) -> Iterator[Labelling]:
    if not workers:
        with ready(setup, [task.given for task in tasks], workers=0) as (labelling, _):
            yield labelling
        return
    with Workers(setup, workers) as processes:
        # It starts the others when there is work for them; here that would count as labelling.
        for worker in [*processes._workers, *(processes._start() for _ in range(workers - 1))]:
            worker.ready()
        yield lambda tasks, _: processes.label(tasks)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=str(ROOT.parent / "shared" / "hmdb51_sample" / "videos"))
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--every", type=int, default=10, help="take every so many of the videos")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()

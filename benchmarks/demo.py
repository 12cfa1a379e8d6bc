"""How far the demo's scores move: seeds, number types and machines.

    python benchmarks/demo.py [--seeds 3] [key=value ...]

Trains the two models of `make demo` (16 frames, and one frame as the control) once for each seed and each number type
that this machine's processor computes in hardware, and judges them on the demo set's test clips. The lowest and the
highest score are what README states. Results of other machines in `benchmarks/results/demo.json` are kept beside the
new ones, so that the range grows with each machine that the script is run on.

About five minutes for each seed and number type on two cores.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from report import ROOT, machine, report
from rich.console import Console

from action_recognition.cli.cache_data import cache_data
from action_recognition.cli.demo import SINGLE_FRAME
from action_recognition.cli.download_data import download_data
from action_recognition.config import load_config
from action_recognition.evaluation.evaluate import evaluate
from action_recognition.evaluation.metrics import Metrics
from action_recognition.training.fit import train
from action_recognition.training.step_plan import fast_precision

RESULT = ROOT / "benchmarks" / "results" / "demo.json"
MODELS = {"one frame": SINGLE_FRAME, "16 frames": ()}
COLUMNS = ("machine", "number type", "seed", "model sees", "test top-1", "95 % interval")


def main() -> None:
    options = parse_options()
    console = Console(soft_wrap=True)
    earlier = rows_of_other_machines()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        data = load_config(["experiment=demo", *options.overrides])
        download_data(data, console=console)
        cache_data(data, console=console)
        rows = [*earlier, *(row for seed in range(options.seeds) for row in rows_of_seed(seed, options, console))]
    figures: dict[str, float] = {}
    for sees in MODELS:
        scores = [float(row["test top-1"].split()[0]) / 100 for row in rows if row["model sees"] == sees]
        name = sees.replace(" ", "_")
        figures |= {f"{name}_lowest": min(scores), f"{name}_highest": max(scores)}
    report(
        __file__,
        title="The demo's scores on its test clips",
        columns=COLUMNS,
        rows=[[row[column] for column in COLUMNS] for row in rows],
        figures=figures,
        settings={"seeds": options.seeds, "overrides": options.overrides},
        console=console,
    )


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="of every training")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each model and number type")
    return parser.parse_args()


def rows_of_other_machines() -> list[dict[str, str]]:
    """What the script found elsewhere; a new run replaces this machine's rows."""
    if not RESULT.exists():
        return []
    rows: list[dict[str, Any]] = json.loads(RESULT.read_text())["table"]
    return [row for row in rows if row["machine"] != this_machine()]


def this_machine() -> str:
    """The processor, and the half type that it computes in hardware."""
    found = machine()
    return f"{found['cpu']}, {fast_precision(torch.device('cpu')) or 'no half type'}, {found['cores']} cores"


def rows_of_seed(seed: int, options: argparse.Namespace, console: Console) -> Iterator[dict[str, str]]:
    half = fast_precision(torch.device("cpu"))
    for precision in ("32-true", *([half] if half else [])):
        for sees, words in MODELS.items():
            metrics = train_and_judge(
                [
                    "experiment=demo",
                    *words,
                    f"trainer.seed={seed}",
                    f"trainer.precision={precision}",
                    "trainer.accelerator=cpu",
                    *options.overrides,
                ],
                console,
            )
            scored = (metrics.text("top1"), f"{metrics.interval} %")
            cells = (this_machine(), precision, str(seed), sees, *scored)
            yield dict(zip(COLUMNS, cells, strict=True))


def train_and_judge(overrides: list[str], console: Console) -> Metrics:
    """As the demo does: the checkpoint with the best validation top-1, judged on the test clips."""
    config = load_config(overrides)
    Path(config.evaluation.metrics).parent.mkdir(parents=True, exist_ok=True)
    result = train(config, console=console)
    return evaluate(config, result.best_checkpoint, console=console).metrics


if __name__ == "__main__":
    main()

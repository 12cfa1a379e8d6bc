"""Which learning rate suits each network by default: short trainings on real clips, judged on validation clips.

    python benchmarks/learning_rates.py [--networks cnn3d r3d_18 ...] [--rates 1e-4 3e-4 1e-3 2e-3] [key=value ...]

Each network is trained from scratch at each rate with the default optimizer, on a few classes of the sample's training
list; validation clips are cut from that list by source video, and no test clip is judged. A rate diverged where
a validation loss rose above twice that of guessing. The rates of cnn3d and r3d_18 in `conf/model/` are backed by it;
other deep networks take r3d_18's, transformers less, until somebody runs them here.

Two minutes for each rate of r3d_18 on two cores, seconds for cnn3d.
"""

import argparse
import math
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from report import ROOT, report
from rich.console import Console

from action_recognition.cli.cache_data import cache_data
from action_recognition.config import load_config
from action_recognition.errors import UserError
from action_recognition.training.callbacks import read_history
from action_recognition.training.fit import train

NETWORKS = ("cnn3d", "r3d_18", "mc3_18", "r2plus1d_18", "shufflenet3d", "resnet18")
RATES = (1e-4, 3e-4, 1e-3, 2e-3)
CLASSES = ("brush_hair", "clap", "golf", "pour", "pullup", "shoot_bow")
DIVERGED = 2.0  # times the loss of guessing


@dataclass(frozen=True, kw_only=True)
class Arm:
    """Validation losses by epoch of one network at one rate; none where training ended with an error."""

    network: str
    rate: float
    losses: tuple[float, ...]
    top1: float

    @property
    def diverged(self) -> bool:
        guessing = math.log(len(CLASSES))
        return not self.losses or any(not loss <= DIVERGED * guessing for loss in self.losses)


def main() -> None:
    options = parse_options()
    console = Console(soft_wrap=True)
    sample = options.sample.resolve()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        for label in CLASSES:
            (Path("videos") / label).parent.mkdir(exist_ok=True)
            (Path("videos") / label).symlink_to(sample / "videos" / label)
        data = [
            "data=hmdb51",
            f"data.videos_dir='{scratch}/videos'",
            f"data.splits_dir='{sample / 'splits'}'",
            f"data.cache.dir='{scratch}/store'",
            "data.split=2",
            "data.val_fraction=0.3",
            "clip.frames=8",
            "clip.stride=2",
            "clip.short_side=72",
            "clip.size=64",
            "data.batch_size=8",
            f"trainer.max_epochs={options.epochs}",
            "trainer.patience=1000",
            "trainer.accelerator=cpu",
            *options.overrides,
        ]
        cache_data(load_config(data), console=console)
        arms = [run(network, rate, data, console) for network in options.networks for rate in options.rates]
    figures = {f"{arm.network}_{arm.rate:g}_val_loss": arm.losses[-1] for arm in arms if arm.losses}
    report(
        __file__,
        title=f"Validation loss after {options.epochs} epochs; guessing has {math.log(len(CLASSES)):.2f}",
        columns=("network", "learning rate", "last", "lowest", "highest", "best top-1", "diverged"),
        rows=[cells(arm) for arm in arms],
        figures=figures,
        settings={"classes": CLASSES, "epochs": options.epochs, "overrides": options.overrides},
        console=console,
    )


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="of every training")
    parser.add_argument("--sample", type=Path, default=ROOT.parent / "shared" / "hmdb51_sample")
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--rates", nargs="+", type=float, default=RATES)
    parser.add_argument("--epochs", type=int, default=6)
    options = parser.parse_args()
    if not (options.sample / "videos").is_dir():
        parser.error(f"--sample {options.sample}: no videos/ with a folder per class there")
    return options


def run(network: str, rate: float, data: list[str], console: Console) -> Arm:
    console.rule(f"{network} at {rate:g}")
    config = load_config([f"model={network}", *data, f"optimizer.lr={rate}"])
    try:
        result = train(config, console=console)
    except UserError as error:  # a loss that is not finite ends a training
        console.print(str(error), markup=False, highlight=False)
        return Arm(network=network, rate=rate, losses=(), top1=math.nan)
    rows = read_history(result.run_dir / "history.csv")
    return Arm(
        network=network, rate=rate, losses=tuple(row["val_loss"] for row in rows), top1=max(r["val_top1"] for r in rows)
    )


def cells(arm: Arm) -> tuple[str, ...]:
    losses = (arm.losses[-1], min(arm.losses), max(arm.losses)) if arm.losses else (math.nan,) * 3
    numbers = (*(f"{loss:.2f}" for loss in losses), f"{100 * arm.top1:.1f} %")
    return arm.network, f"{arm.rate:g}", *numbers, "yes" if arm.diverged else "no"


if __name__ == "__main__":
    main()

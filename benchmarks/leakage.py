"""What leakage buys: one model, one recipe, one set of clips, split at random and split by source video.

    python benchmarks/leakage.py [--sample ../shared/hmdb51_sample] [--epochs 20] [--seed 0]

Both splits give the same number of clips of each class to the test side. The grouped one keeps all clips of a source
video on one side, as HMDB51's official splits do; the random one draws clip by clip, as is easily done by mistake. The
same network is then trained from scratch on either training side, to the end, with nothing chosen by looking at a
score, and judged on the other side. The difference is what the model gains by recognising films it has been shown.

About ten minutes on two cores; half of that with --epochs 10.
"""

import argparse
import random
import tempfile
from collections import defaultdict
from pathlib import Path

from report import ROOT, report
from rich.console import Console

from action_recognition.checks.overview import Leakage, measure_leakage
from action_recognition.cli.cache_data import cache_data
from action_recognition.config import Config, load_config
from action_recognition.datasets.class_folders import class_folders, list_videos
from action_recognition.datasets.hmdb51 import parse_clip_name
from action_recognition.datasets.manifest import build_manifest
from action_recognition.datasets.splits import cut_by_source
from action_recognition.evaluation.evaluate import evaluate
from action_recognition.evaluation.metrics import Metrics
from action_recognition.training.fit import train

TEST_FRACTION = 0.3
Clips = dict[str, dict[str, str]]  # {class: {file name: source video}}


def main() -> None:
    options = parse_options()
    console = Console(soft_wrap=True)
    videos_dir = options.sample / "videos"
    clips = list_clips(videos_dir)
    tested = grouped_split(clips, seed=options.seed)
    arms = {"random": random_split(clips, tested, seed=options.seed), "grouped": tested}
    rows: list[tuple[str, ...]] = []
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, test_names in arms.items():
            write_split(Path(scratch) / name / "splits", clips, test_names)
            config = arm_config(videos_dir, Path(scratch), name, options)
            if not rows:
                cache_data(config, console=console)
            leakage, metrics = train_and_judge(config, console)
            share = f"{100 * leakage.share:.1f} %"
            rows.append((name, str(metrics.clips), share, metrics.text("top1"), f"{metrics.interval} %"))
            figures |= {f"{name}_top1": metrics.top1, f"{name}_leaking_share": leakage.share}
            figures |= {f"{name}_top1_low": metrics.top1_low, f"{name}_top1_high": metrics.top1_high}
    columns = ("split", "test clips", "their source video in train", "test top-1", "95 % interval")
    report(
        __file__,
        title="The same model on a random split and on one by source video",
        columns=columns,
        rows=rows,
        figures=figures,
        settings={"clips": sum(map(len, clips.values())), "epochs": options.epochs, "seed": options.seed},
        console=console,
    )


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--sample", type=Path, default=ROOT.parent / "shared" / "hmdb51_sample")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of both splits and of the training")
    options = parser.parse_args()
    if not (options.sample / "videos").is_dir():
        parser.error(f"--sample {options.sample}: no videos/ with a folder per class there")
    return options


def list_clips(videos_dir: Path) -> Clips:
    return {
        folder.name: {
            path.name: parse_clip_name(path.stem, label=folder.name)["source_video"] for path in list_videos(folder)
        }
        for folder in class_folders(videos_dir)
    }


def grouped_split(clips: Clips, *, seed: int) -> dict[str, set[str]]:
    """File names for testing: whole source videos, near `TEST_FRACTION` of each class."""
    sources = {label: list(names.values()) for label, names in clips.items()}
    cut = cut_by_source(sources, fraction=TEST_FRACTION, seed=seed, purpose="test")
    return {label: {name for name, source in names.items() if source in cut[label]} for label, names in clips.items()}


def random_split(clips: Clips, tested: dict[str, set[str]], *, seed: int) -> dict[str, set[str]]:
    """As many file names of each class as in `tested`, whatever their source."""
    drawn = random.Random(f"random/{seed}")
    return {label: set(drawn.sample(sorted(names), len(tested[label]))) for label, names in clips.items()}


def write_split(folder: Path, clips: Clips, tested: dict[str, set[str]]) -> None:
    """State a split in HMDB51's own form: `<class>_test_split1.txt` with 1 for training and 2 for testing."""
    folder.mkdir(parents=True)
    lines: dict[str, list[str]] = defaultdict(list)
    for label, names in clips.items():
        lines[label] = [f"{name} {2 if name in tested[label] else 1} " for name in names]
    for label, content in lines.items():
        (folder / f"{label}_test_split1.txt").write_text("\n".join(content) + "\n", encoding="utf-8")


def arm_config(videos_dir: Path, scratch: Path, name: str, options: argparse.Namespace) -> Config:
    """The recipe, the same for both arms but for the split files and where things are written.

    No validation clips: the training runs to its end and its last checkpoint is judged.
    """
    return load_config(
        [
            "data=hmdb51",
            f"data.videos_dir='{videos_dir}'",
            f"data.splits_dir='{scratch / name / 'splits'}'",
            f"data.cache.dir='{scratch / 'store'}'",
            "data.val_fraction=0",
            "clip.short_side=72",
            "clip.size=64",
            "clip.frames=16",
            "clip.stride=2",
            f"trainer.max_epochs={options.epochs}",
            # Not `auto`: both arms are to run alike, here and elsewhere.
            "trainer.precision=32-true",
            "trainer.memory_format=channels_last_3d",
            f"trainer.seed={options.seed}",
            "evaluation.allow_leakage=true",
            f"plots_dir='{scratch / name / 'plots'}'",
        ]
    )


def train_and_judge(config: Config, console: Console) -> tuple[Leakage, Metrics]:
    (leakage,) = measure_leakage(build_manifest(config))
    console.print(f"leakage: {leakage}", highlight=False)
    result = train(config, console=console)
    evaluation = evaluate(config, result.run_dir / "checkpoints" / "last.ckpt", console=console)
    return leakage, evaluation.metrics


if __name__ == "__main__":
    main()

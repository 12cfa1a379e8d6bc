"""What the recipes reach on real clips, side by side: one split, one test, intervals over source videos.

    python benchmarks/accuracy.py [key=value ...] [--sample ../shared/hmdb51_sample] [--weights ../shared/weights]

Four models are trained on the same training clips and judged on the same test clips, once each:

- reference: MobileNetV2 of ImageNet, frozen, features averaged over a clip's frames, and a logistic regression whose
  regularisation is chosen by cross-validation over the training clips' source videos;
- experiment=hmdb51_scratch: three 3D convolutions, no pretraining;
- experiment=hmdb51_transfer: two frozen pretrained networks and a linear classifier;
- experiment=hmdb51_single_frame: the same pictures' network on one frame, the control for motion.

Each is judged with its last weights: nothing is chosen by a test score. Validation clips are cut from the training list
by source video and train none of them. Overrides go to every one of them: data.split=1|2|3, data.videos_dir=...,
data.splits_dir=... take other clips. About 50 minutes on two cores.
"""

import argparse
import csv
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from report import ROOT, report
from rich.console import Console
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from action_recognition.cli.cache_data import cache_data
from action_recognition.config import Config, load_config
from action_recognition.data.datamodule import ClipDataModule, make_contract
from action_recognition.data.load import load_manifest
from action_recognition.evaluation.evaluate import evaluate
from action_recognition.evaluation.intervals import bootstrap_interval
from action_recognition.evaluation.metrics import Metrics, compute_metrics, top_k_hits
from action_recognition.models.module import VideoActionModel
from action_recognition.models.pretrained import load_pretrained
from action_recognition.training.fit import train
from action_recognition.utils.malloc import keep_freed_memory

MOBILENET = "mobilenet_v2_imagenet_bnfolded_fp16.pt"
JESTER = "jester_shufflenet3d_v1_0.5x_g3_state_dict.pt"
RESAMPLES = 10_000
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Result:
    """`hits` by test clip; `seconds` is everything from clips to trained weights."""

    metrics: Metrics
    hits: dict[str, bool]
    seconds: float


def main() -> None:
    options = parse_options()
    console = Console(soft_wrap=True)
    keep_freed_memory()
    weights = options.weights.resolve()
    data = [
        "data.split=2",
        f"data.videos_dir='{options.sample.resolve() / 'videos'}'",
        f"data.splits_dir='{options.sample.resolve() / 'splits'}'",
        f"evaluation.bootstrap={RESAMPLES}",
        *options.overrides,
    ]
    mobilenet, jester = f"'{weights / MOBILENET}'", f"'{weights / JESTER}'"
    transfer = [f"model.weights.appearance={mobilenet}", f"model.weights.motion={jester}"]
    single = ["experiment=hmdb51_single_frame", f"model.weights={mobilenet}", *data]
    results: dict[str, Result] = {}
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)  # caches and plots
        results["reference"] = run_reference([*single, "clip.frames=16", "clip.stride=2", "data.test_clips=3"], console)
        results["transfer"] = run_experiment(["experiment=hmdb51_transfer", *transfer, *data], console)
        results["scratch"] = run_experiment(["experiment=hmdb51_scratch", *data], console, store=True)
        results["single_frame"] = run_experiment(single, console)
        groups = sources_of_test(load_config(single), console)
    write(results, groups, options.overrides, console)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="Hydra overrides for every model")
    parser.add_argument("--sample", type=Path, default=ROOT.parent / "shared" / "hmdb51_sample")
    parser.add_argument("--weights", type=Path, default=ROOT.parent / "shared" / "weights")
    options = parser.parse_args()
    for name in (MOBILENET, JESTER):
        if not (options.weights / name).is_file():
            parser.error(f"--weights {options.weights}: no {name} there")
    return options


def run_experiment(overrides: Sequence[str], console: Console, *, store: bool = False) -> Result:
    """Train an experiment to its end and judge its last weights."""
    config = load_config(overrides)
    console.rule(overrides[0], align="left")
    load_manifest(config, console)  # decoding everything once to count frames is no one's training
    start = time.perf_counter()
    if store:
        cache_data(config, console=console)
    result = train(config, console=console)
    seconds = time.perf_counter() - start
    judged = evaluate(config, result.run_dir / "checkpoints" / "last.ckpt", console=console)
    with (judged.directory / "predictions.csv").open(newline="", encoding="utf-8") as file:
        hits = {row["path"]: row["label"] == row["predicted"] for row in csv.DictReader(file)}
    return Result(metrics=judged.metrics, hits=hits, seconds=seconds)


def run_reference(overrides: Sequence[str], console: Console) -> Result:
    """Logistic regression on MobileNetV2's features, averaged over the frames of each of a video's views."""
    config = load_config(overrides)
    console.rule("reference: frame features and logistic regression", align="left")
    manifest = load_manifest(config, console)
    contract = make_contract(config, manifest)
    datamodule = ClipDataModule(config, manifest, contract, seed=0)
    model = VideoActionModel(contract.to_dict(), config.model).eval()
    console.print(load_pretrained(model.network, config.model.weights, network_name="mobilenet_v2").line())
    start = time.perf_counter()
    feature_ND, index_N = frame_features(model, datamodule, "train")
    label_N = datamodule.labels("train")[index_N]
    groups = np.array([record.source_video for record in datamodule.records("train")])[index_N]
    folds = list(StratifiedGroupKFold(5, shuffle=True, random_state=0).split(feature_ND, label_N, groups))
    regression = LogisticRegressionCV(
        Cs=np.logspace(-4, 0, 9),
        cv=folds,
        max_iter=500,
        l1_ratios=(0,),
        scoring="accuracy",
        use_legacy_attributes=False,
    )
    classifier = make_pipeline(StandardScaler(), regression).fit(feature_ND, label_N)
    seconds = time.perf_counter() - start

    feature_ND, index_N = frame_features(model, datamodule, "test")
    probability_VK = classifier.predict_proba(feature_ND)
    records = datamodule.records("test")
    probability_NK = np.stack([probability_VK[index_N == number].mean(axis=0) for number in range(len(records))])
    label_N = datamodule.labels("test")
    sources = [record.source_video for record in records]
    metrics = compute_metrics(probability_NK, label_N, sources, resamples=RESAMPLES)
    correct_N = top_k_hits(probability_NK, label_N, k=1).tolist()
    hits = {record.path: hit for record, hit in zip(records, correct_N, strict=True)}
    return Result(metrics=metrics, hits=hits, seconds=seconds)


@torch.inference_mode()
def frame_features(model: VideoActionModel, datamodule: ClipDataModule, split: str) -> tuple[Floats, NDArray[np.int64]]:
    """Features of each view of each video, and the videos' numbers."""
    features, numbers = [], []
    for batch in datamodule.evaluation_dataloader(split):
        features += [model.features(view) for view in batch.clip_BCTHW.split(2)]
        numbers.append(batch.index_B)
    return torch.cat(features).double().numpy(), torch.cat(numbers).numpy()


def sources_of_test(config: Config, console: Console) -> dict[str, str]:
    return {record.path: record.source_video for record in load_manifest(config, console).split("test")}


def gain(results: dict[str, Result], groups: dict[str, str]) -> dict[str, float]:
    """Transfer less reference, and its 95 % interval, both judged on the same resampled source videos."""
    paths = sorted(results["transfer"].hits)
    difference_N = np.array([results["transfer"].hits[p] - results["reference"].hits[p] for p in paths], dtype=float)
    low, high = bootstrap_interval(difference_N, [groups[path] for path in paths], resamples=RESAMPLES)
    name = "transfer_minus_reference"
    return {name: float(difference_N.mean()), f"{name}_low": low, f"{name}_high": high}


def write(results: dict[str, Result], groups: dict[str, str], overrides: Sequence[str], console: Console) -> None:
    figures: dict[str, float] = {}
    rows = []
    for name, result in results.items():
        metrics = result.metrics
        figures |= {f"{name}_top1": metrics.top1, f"{name}_top1_low": metrics.top1_low}
        figures |= {f"{name}_top1_high": metrics.top1_high, f"{name}_seconds": result.seconds}
        minutes = f"{result.seconds / 60:.1f} min"
        rows.append((name, metrics.text("top1"), f"{metrics.interval} %", metrics.text("top5"), minutes))
    figures |= gain(results, groups)
    clips = results["transfer"].metrics.clips
    report(
        __file__,
        title=f"{clips} test clips",
        columns=("model", "top-1", "95 % interval", "top-5", "training"),
        rows=rows,
        figures=figures,
        settings={"overrides": list(overrides), "test_clips": clips},
        console=console,
    )


if __name__ == "__main__":
    main()

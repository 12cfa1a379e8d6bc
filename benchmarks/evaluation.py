"""What an evaluation costs beyond the model's own time: seconds and memory of all figures, files and plots.

    python benchmarks/evaluation.py [--resamples 1000] [--peer-resamples 20]

Probabilities are random and lean to the label; a source video has five clips, a clip three views. Timed are: collecting
the views' logits, all figures with their intervals, their files, and the plots. Sizes: the test split of HMDB51 (1,530
clips, 51 classes), four times as many clips, and 5,000 clips of 1,000 classes.

The peer is scikit-learn on the same clips, which computes the same scores of all clips together (top-k, mean class
accuracy, precision, recall and F1, log loss, Brier score) and, for their intervals, of the rows of each draw. Its draws
are timed for `--peer-resamples` and the time of all is estimated from these. The scores of both must agree to 1e-6.

Memory is the peak of a process of its own, less what it has after its imports. Collecting alone is measured with
50,000 and 200,000 clips: what a clip adds there is what an evaluation keeps of it. About a minute on two cores.
"""

import argparse
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from report import report
from sklearn import metrics as sklearn

from action_recognition.contract import ClipContract
from action_recognition.datasets.records import ClipRecord
from action_recognition.evaluation.compute import compute_figures
from action_recognition.evaluation.predictions import Accumulator, SplitPredictions
from action_recognition.evaluation.report.plots import write_plots
from action_recognition.evaluation.tables import write_tables

VIEWS, CLIPS_OF_A_SOURCE, TEMPERATURE = 3, 5, 1.4
SIZES = ((1530, 51), (4 * 1530, 51), (5000, 1000))
COLLECTED = (50_000, 200_000)
STEPS = ("collect", "figures", "files", "plots")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--peer-resamples", type=int, default=20)
    options = parser.parse_args()
    measured = [in_process(measure, clips, classes, options.resamples) for clips, classes in SIZES]
    peak_mb = [in_process(collected_mb, clips) for clips in COLLECTED]
    peer = in_process(measure_peer, *SIZES[0], options.resamples, options.peer_resamples)
    rows = []
    for (clips, classes), found in zip(SIZES, measured, strict=True):
        cells = (f"{found[step]:.2f}" for step in (*STEPS, "total"))
        rows.append((f"{clips:,} x {classes:,}", *cells, f"{found['mb']:.0f}"))
    rows.append((f"{rows[0][0]}, scikit-learn", "", f"{peer['seconds']:.1f}", "", "", "", ""))
    kept_bytes = 1e6 * (peak_mb[1] - peak_mb[0]) / (COLLECTED[1] - COLLECTED[0])
    report(
        __file__,
        title="An evaluation beyond the model's own time",
        columns=("clips x classes", *(f"{step} s" for step in (*STEPS, "all")), "peak MB"),
        rows=rows,
        figures={
            "seconds_1530_clips": measured[0]["total"],
            "figures_seconds_1530_clips": measured[0]["figures"],
            "scikit_learn_seconds_1530_clips": peer["seconds"],
            "largest_difference_from_scikit_learn": peer["difference"],
            "bytes_kept_of_a_clip_of_51_classes": kept_bytes,
        },
        settings={"resamples": options.resamples, "peer_resamples": options.peer_resamples, "views": VIEWS},
    )


def in_process(function: Any, *arguments: int) -> Any:
    """The result of a function in a new process, whose peak of memory is then its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def peak_memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def collect(clips: int, classes: int) -> SplitPredictions:
    """Predictions of logits that are made view by view, so that only what is kept of them takes memory."""
    generator = np.random.default_rng(0)
    label_N = generator.integers(0, classes, size=clips)
    seen = Accumulator(label_N, classes, TEMPERATURE)
    for place in range(clips):
        logits_VK = generator.standard_normal((VIEWS, classes), dtype=np.float32)
        logits_VK[:, label_N[place]] += 2
        seen.add(place, logits_VK)
    return seen.result()


def split_of(predictions: SplitPredictions, classes: int) -> tuple[list[ClipRecord], ClipContract]:
    """Records with tags for these clips, and a contract with these classes."""
    names = tuple(f"action_{number:04d}" for number in range(classes))
    records = [
        ClipRecord(
            path=f"{names[label]}/clip_{number}.avi",
            label=names[label],
            split="test",
            source_video=f"film_{number // CLIPS_OF_A_SOURCE}",
            view=("fr", "ba", "le", "ri")[number % 4],
            camera=("cm", "nm")[number % 2],
            quality=("goo", "med", "bad")[number % 3],
            visible_body=("f", "u", "h", "l")[number % 4],
            people=str(1 + number % 3),
        )
        for number, label in enumerate(predictions.outcomes.label_N.tolist())
    ]
    contract = ClipContract(
        frames=16,
        stride=2,
        short_side=128,
        size=112,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        class_names=names,
        temperature=TEMPERATURE,
        threshold=0.3,
    )
    return records, contract


def measure(clips: int, classes: int, resamples: int) -> dict[str, float]:
    """Seconds of each step, and the peak of memory in MB."""
    before_mb, seconds, start = peak_memory_mb(), [], time.perf_counter()
    predictions = collect(clips, classes)
    seconds.append(time.perf_counter() - start)
    records, contract = split_of(predictions, classes)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        figures = compute_figures(predictions, records, contract, resamples=resamples)
        seconds.append(time.perf_counter() - start)
        write_tables(figures, records, predictions.outcomes, predictions.probability_NK, Path(folder))
        seconds.append(time.perf_counter() - start - sum(seconds[1:]))
        peak_mb = peak_memory_mb()  # a picture of a large matrix is matplotlib's affair
        write_plots(figures, Path(folder), title="benchmark")
        seconds.append(time.perf_counter() - start - sum(seconds[1:]))
    return {**dict(zip(STEPS, seconds, strict=True)), "total": sum(seconds), "mb": peak_mb - before_mb}


def collected_mb(clips: int) -> float:
    before_mb = peak_memory_mb()
    collect(clips, SIZES[0][1])
    return peak_memory_mb() - before_mb


def measure_peer(clips: int, classes: int, resamples: int, timed: int) -> dict[str, float]:
    """Seconds of scikit-learn for all draws, estimated from some, and how far its scores are from ours."""
    predictions = collect(clips, classes)
    records, contract = split_of(predictions, classes)
    ours = compute_figures(predictions, records, contract, resamples=2).metrics.values
    probability_NK, label_N = predictions.probability_NK.astype(np.float64), predictions.outcomes.label_N
    probability_NK /= probability_NK.sum(axis=1, keepdims=True)
    theirs = peer_scores(probability_NK, label_N)
    generator, sources = np.random.default_rng(0), -(-clips // CLIPS_OF_A_SOURCE)
    rows_G = np.split(np.arange(clips), range(CLIPS_OF_A_SOURCE, clips, CLIPS_OF_A_SOURCE))
    start = time.perf_counter()
    for drawn_G in generator.integers(0, sources, size=(timed, sources)):
        rows = np.concatenate([rows_G[group] for group in drawn_G])
        peer_scores(probability_NK[rows], label_N[rows])
    seconds = (time.perf_counter() - start) * resamples / timed
    return {"seconds": seconds, "difference": max(abs(ours[name] - score) for name, score in theirs.items())}


def peer_scores(probability_NK: NDArray[np.float64], label_N: NDArray[np.int64]) -> dict[str, float]:
    classes = range(probability_NK.shape[1])
    predicted_N = probability_NK.argmax(axis=1)
    scores = {"top1": sklearn.accuracy_score(label_N, predicted_N)}
    for k in (3, 5):
        scores[f"top{k}"] = sklearn.top_k_accuracy_score(label_N, probability_NK, k=k, labels=classes)
    for average in ("macro", "weighted"):
        found = sklearn.precision_recall_fscore_support(label_N, predicted_N, average=average, zero_division=0)
        scores |= {f"{name}_{average}": found[place] for place, name in enumerate(("precision", "recall", "f1"))}
    recall = sklearn.recall_score(label_N, predicted_N, labels=np.unique(label_N), average="macro", zero_division=0)
    scores["mean_class_accuracy"] = recall
    scores["log_loss"] = sklearn.log_loss(label_N, probability_NK, labels=classes)
    scores["brier"] = sklearn.brier_score_loss(label_N, probability_NK, labels=classes, scale_by_half=False)
    return {name: float(score) for name, score in scores.items()}


if __name__ == "__main__":
    main()

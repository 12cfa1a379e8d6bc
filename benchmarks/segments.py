"""Actions in time: how well segments are found in videos assembled from clips of known order.

    python benchmarks/segments.py [key=value ...] [--model video_action_model.onnx] [--sample-model FILE]

Each video is a minute of actions, of one to four clips each, and of pauses (`benchmarks/assembled.py`). How windows
become segments is chosen on videos made of validation clips; those made of test clips are looked at once. Beside it
stand the peer, each window's likeliest class without overlap, and the chosen settings with one of them changed.

Overrides say which data set the model was trained on (`experiment=demo` without any). `--sample-model` is a second
model, of the HMDB51 sample under official split 2, judged with the settings that were chosen on the first.
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from assembled import load_pieces, make_pauses, pick_pieces, write_video
from report import ROOT, report
from rich.console import Console

from action_recognition.config import load_config
from action_recognition.data.load import load_manifest
from action_recognition.evaluation.temporal_detection import Action, f1, mean_average_precision
from action_recognition.inference.backends import load_backend
from action_recognition.inference.predictor import Predictor
from action_recognition.inference.temporal.segments import (
    RECOMMENDED_SEGMENTS,
    Segment,
    SegmentSettings,
    Window,
    find_segments,
)

OVERLAPS = (0.0, 0.5, 0.75)
GRID = {
    "smoothing_seconds": (0.0, 0.25, 0.5, 1.0),
    "min_seconds": (0.0, 0.5, 1.0, 2.0),
    "merge_seconds": (0.0, 2.0),
    "threshold": (0.0, 0.3, 0.5),  # and the model's own, which its contract has
}
RAW = SegmentSettings(threshold=0.0, smoothing_seconds=0.0, min_seconds=0.0, merge_seconds=0.0)
PREDICT_OVERLAP = 0.5  # of conf/predict
TOLERANCE = 0.02  # settings this close to the best are as good
VIDEO_SECONDS, PAUSES, STEP = 60.0, 24, 0.05
COLUMNS = ("way", "mAP at 0.3", "mAP at 0.5", "F1 at 0.5", "time right", "pauses called an action", "segments")


@dataclass(frozen=True, kw_only=True)
class Film:
    """An assembled video: what is in it, and the windows of a model at each overlap."""

    actions: list[Action]
    seconds: float
    windows: Mapping[float, Sequence[Window]]
    class_names: tuple[str, ...]

    def find(self, overlap: float, settings: SegmentSettings) -> tuple[Segment, ...]:
        return find_segments(self.windows[overlap], self.class_names, settings)


@dataclass(frozen=True, kw_only=True)
class Score:
    map_30: float
    map_50: float
    f1_30: float
    f1_50: float
    time_right: float
    pauses_wrong: float
    segments: int

    @property
    def quality(self) -> float:
        return float(np.mean([self.map_30, self.map_50, self.f1_30, self.f1_50]))

    def cells(self) -> tuple[str, ...]:
        shares = (self.map_30, self.map_50, self.f1_50, self.time_right, self.pauses_wrong)
        return (*(f"{100 * share:.1f} %" for share in shares), str(self.segments))


def main() -> None:
    options = parse_options()
    console = Console(soft_wrap=True)
    overrides = options.overrides or ["experiment=demo"]
    films = list(assemble(overrides, options.model, "val", options.videos, console))
    overlap, settings, best = choose(films, own_threshold(options.model))
    console.print(f"chosen on validation clips: overlap {overlap}, {settings}; {best.quality:.3f}", highlight=False)
    figures: dict[str, float] = {}
    rows: list[tuple[str, ...]] = []
    models = {load_config(overrides).data.name: (overrides, options.model)}
    if options.sample_model:
        sample = [f"data.videos_dir='{options.sample / 'videos'}'", f"data.splits_dir='{options.sample / 'splits'}'"]
        models["hmdb51_sample"] = (["data=hmdb51", "data.split=2", *sample], options.sample_model)
    for name, (words, model) in models.items():
        films = list(assemble(words, model, "test", options.videos, console))
        for way, (used, changed) in ways(overlap, settings, own_threshold(model)).items():
            score = judge(films, used, changed)
            rows.append((f"{name}: {way}", *score.cells()))
            if way in ("raw windows", "as predict", "chosen"):
                found = {f"{name}_{way}_{key}".replace(" ", "_"): value for key, value in asdict(score).items()}
                figures |= found
    report(
        __file__,
        title=f"{options.videos} videos of test clips, a minute each",
        columns=COLUMNS,
        rows=rows,
        figures=figures,
        settings={"overrides": overrides, "overlap": overlap, **asdict(settings), "validation": best.quality},
        console=console,
    )


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="Hydra overrides that name the data set")
    parser.add_argument("--model", type=Path, default=Path("video_action_model.onnx"), help="trained on it")
    parser.add_argument("--sample-model", type=Path, help="trained on the HMDB51 sample")
    parser.add_argument("--sample", type=Path, default=ROOT.parent / "shared" / "hmdb51_sample")
    parser.add_argument("--videos", type=int, default=12, help="videos of a minute from each split")
    return parser.parse_args()


def assemble(overrides: Sequence[str], model: Path, split: str, videos: int, console: Console) -> Iterator[Film]:
    config = load_config(overrides)
    backend = load_backend(model, kind="onnx", device="cpu")
    clips = load_pieces(load_manifest(config, console).split(split), Path(config.data.videos_dir))
    pauses = make_pauses(clips, count=PAUSES, seed=0)
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(videos):
            path = Path(scratch, f"{number}.mp4")
            actions = write_video(path, pick_pieces(clips, pauses, seconds=VIDEO_SECONDS, seed=number))
            found = {overlap: Predictor(backend, overlap=overlap).predict(path) for overlap in OVERLAPS}
            yield Film(
                actions=actions,
                seconds=found[0.0].duration_seconds,
                windows={overlap: prediction.windows for overlap, prediction in found.items()},
                class_names=backend.contract.class_names,
            )


def own_threshold(model: Path) -> float:
    return load_backend(model, kind="onnx", device="cpu").contract.threshold


def choose(films: Sequence[Film], own: float) -> tuple[float, SegmentSettings, Score]:
    """The settings of the grid with the best mean of average precision and F1 at overlaps of 0.3 and 0.5.

    Of those that are as good, the least overlap, for speed; then the highest threshold, because no answer is better
    than a wrong one; then the shortest segments, because one's own videos may have shorter actions than these.
    """
    tried = []
    grid = GRID | {"threshold": (*GRID["threshold"], own)}
    for overlap, *values in product(OVERLAPS, *grid.values()):
        settings = SegmentSettings(**dict(zip(grid, values, strict=True)))
        tried.append((overlap, settings, judge(films, overlap, settings)))
    best = max(score.quality for _, _, score in tried)
    good = [entry for entry in tried if entry[2].quality >= best - TOLERANCE]
    return min(good, key=lambda entry: (entry[0], -entry[1].threshold, entry[1].min_seconds, -entry[2].quality))


def ways(overlap: float, chosen: SegmentSettings, own: float) -> dict[str, tuple[float, SegmentSettings]]:
    """The peer, `predict` with the model's own threshold, what was chosen, and that with one thing changed."""
    return {
        "raw windows": (0.0, RAW),
        "as predict": (PREDICT_OVERLAP, replace(RECOMMENDED_SEGMENTS, threshold=own)),
        "chosen": (overlap, chosen),
        "chosen, no overlap": (0.0, chosen),
        "chosen, overlap 0.75": (0.75, chosen),
        "chosen, no smoothing": (overlap, replace(chosen, smoothing_seconds=0.0)),
        "chosen, no shortest length": (overlap, replace(chosen, min_seconds=0.0)),
        "chosen, threshold 0": (overlap, replace(chosen, threshold=0.0)),
        "chosen, threshold 0.5": (overlap, replace(chosen, threshold=0.5)),
    }


def judge(films: Sequence[Film], overlap: float, settings: SegmentSettings) -> Score:
    found: list[Action] = []
    truth: list[Action] = []
    right, is_pause, is_wrong_pause = [], [], []
    for film in films:
        video = film.actions[0].video
        actions = [
            Action(video, segment.label, segment.start_seconds, segment.end_seconds, segment.probability)
            for segment in film.find(overlap, settings)
            if segment.label is not None
        ]
        found, truth = found + actions, truth + film.actions
        there, seen = (labels_at(these, film.seconds) for these in (film.actions, actions))
        right.append(there == seen)
        is_pause.append(there == "")
        is_wrong_pause.append((there == "") & (seen != ""))
    return Score(
        map_30=mean_average_precision(found, truth, overlap=0.3),
        map_50=mean_average_precision(found, truth, overlap=0.5),
        f1_30=f1(found, truth, overlap=0.3),
        f1_50=f1(found, truth, overlap=0.5),
        time_right=float(np.concatenate(right).mean()),
        pauses_wrong=float(np.concatenate(is_wrong_pause).sum() / max(1, np.concatenate(is_pause).sum())),
        segments=len(found),
    )


def labels_at(actions: Sequence[Action], seconds: float) -> np.ndarray:
    """The label every `STEP` seconds, empty where there is none."""
    labels = np.full(int(seconds / STEP), "", dtype=object)
    for action in actions:
        labels[round(action.start_seconds / STEP) : round(action.end_seconds / STEP)] = action.label
    return labels


if __name__ == "__main__":
    main()

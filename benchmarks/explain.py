"""Class activation maps: whether their heat lies on the acting figure, and goes when what was learnt does.

    python benchmarks/explain.py [key=value ...] [--checkpoint best] [--clips 64] [--seeds 5] [--split test]

On clips of the demo set, whose renderer knows where the figure is, the share of heat inside the figure's box is
compared with the box's share of the area (what heat spread at random would have). Beside the trained model stand
models whose parts have random weights, from the head down (Adebayo et al. 2018), the mean over several seeds, and two
peers that know no network: a Gaussian at the centre, and the difference of neighbouring frames. Intervals are
bootstrapped over source videos. About 10 minutes on two cores.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from report import report
from rich.console import Console

from action_recognition.config import load_config
from action_recognition.contract import ClipContract
from action_recognition.data.load import load_manifest
from action_recognition.evaluation.intervals import bootstrap_interval
from action_recognition.explain.cam import METHODS, class_map, default_layer
from action_recognition.explain.heat_pictures import seen_square
from action_recognition.explain.sanity import part_count, randomised, rank_correlation, share_inside
from action_recognition.models.module import VideoActionModel
from action_recognition.synthetic.scene import HEIGHT, WIDTH, figure_box
from action_recognition.synthetic.videos import PlannedClip, plan_clips
from action_recognition.tracking.run_folders import resolve_checkpoint
from action_recognition.video.clip_files import open_clip
from action_recognition.video.frames import FrameFormat, center_crop

RESAMPLES = 10_000
COLUMNS = ("maps", "share of heat in the box", "times the area's share", "more than the Gaussian", "rank correlation")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A clip: `clip_CTHW` as the model sees it, and where the figure is in it."""

    clip_CTHW: NDArray[np.uint8]
    inside_THW: NDArray[np.bool_]
    source: str

    @property
    def shape(self) -> tuple[int, int, int]:
        frames, height, width = self.inside_THW.shape
        return frames, height, width


def main() -> None:
    options = parse_options()
    console = Console(soft_wrap=True)
    config = load_config(options.overrides or ["experiment=demo"])
    model = VideoActionModel.from_checkpoint(resolve_checkpoint(options.checkpoint, plots_dir=config.plots_dir))
    videos = Path(config.data.videos_dir)
    paths = [record.path for record in load_manifest(config, console).split(options.split)]
    chosen = np.random.default_rng(0).permutation(len(paths))[: options.clips]
    shown = list(show(model.contract, videos, [paths[number] for number in sorted(chosen)]))
    layer = options.layer or default_layer(model, shown[0].clip_CTHW)
    sources = [one.source for one in shown]
    area_N = np.array([one.inside_THW.mean() for one in shown])
    gaussian_N = np.array([share_inside(gaussian(one.shape), one.inside_THW) for one in shown])
    ways = {f"peer: {name}": share for name, share in peers(shown, gaussian_N).items()}
    ranks: dict[str, NDArray[np.float64]] = {}
    for method in METHODS:
        for name, (share_N, rank_N) in cascade(model, shown, method, layer, options.seeds).items():
            ways[f"{method}, {name}"], ranks[f"{method}, {name}"] = share_N, rank_N
    rows: list[tuple[str, ...]] = []
    figures: dict[str, float] = {}
    for name, share_N in ways.items():
        known = np.isfinite(share_N)
        share_N, groups = share_N[known], [source for source, is_known in zip(sources, known, strict=True) if is_known]
        columns = {"share": share_N, "ratio": share_N / area_N[known], "over_gaussian": share_N - gaussian_N[known]}
        if name in ranks:
            columns["rank"] = ranks[name][known]
        cells = [interval(values, groups) for values in columns.values()]
        rows.append((name, *(text for _, text in cells), *[""] * (4 - len(cells))))
        key = name.replace(", ", "_").replace(": ", "_").replace(" ", "_")
        figures |= {f"{key}_{column}": found for column, (found, _) in zip(columns, cells, strict=True)}
    report(
        __file__,
        title=f"Heat on the figure: {len(shown)} {options.split} clips of {len(set(sources))} sources",
        columns=COLUMNS,
        rows=rows,
        figures=figures | {"area_share": float(area_N.mean())},
        settings={"layer": layer, "seeds": options.seeds, "clips": len(shown), "split": options.split},
        console=console,
    )


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="Hydra overrides that name the demo set")
    parser.add_argument("--checkpoint", default="best", help="trained on it")
    parser.add_argument("--split", default="test", choices=("train", "val", "test"), help="settings are chosen on val")
    parser.add_argument("--layer", help="layer of the maps; the default one if none is given")
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=5, help="random models of each kind")
    return parser.parse_args()


def show(contract: ClipContract, videos: Path, paths: Sequence[str]) -> Iterator[Shown]:
    """The first clip of each video, with the figure's box on each frame."""
    planned = {f"{one.action.label}/{one.file_name}": one for one in plan_clips(seed=2024, clips_per_class=70)}
    for path in paths:
        with open_clip(videos / path, FrameFormat.of(contract)) as opened:
            frames = [center_crop(frame.read(), contract.size) for frame in opened.timed()]
        numbers = np.minimum(np.arange(contract.frames) * contract.stride, len(frames) - 1)
        clip_CTHW = np.stack([frames[number] for number in numbers]).transpose(3, 0, 1, 2)
        yield Shown(
            clip_CTHW=np.ascontiguousarray(clip_CTHW),
            inside_THW=boxes(planned[path], contract, numbers),
            source=planned[path].source.name,
        )


def boxes(planned: PlannedClip, contract: ClipContract, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where the figure's box is in the square that the model sees, `[T, H, W]`."""
    left, top, right, _ = seen_square(WIDTH, HEIGHT, contract)
    scale, size = contract.size / (right - left), contract.size
    inside_THW = np.zeros((len(numbers), size, size), dtype=bool)
    for inside_HW, number in zip(inside_THW, numbers.tolist(), strict=True):
        first_x, first_y, end_x, end_y = figure_box(planned.scene, planned.clip, number)
        columns = [int(np.clip(round((x - left) * scale), 0, size)) for x in (first_x, end_x)]
        rows = [int(np.clip(round((y - top) * scale), 0, size)) for y in (first_y, end_y)]
        inside_HW[slice(*rows), slice(*columns)] = True
    return inside_THW


def peers(shown: Sequence[Shown], gaussian_N: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Shares of what knows no network."""
    even = [share_inside(np.ones(one.shape), one.inside_THW) for one in shown]
    change = [share_inside(frame_difference(one.clip_CTHW), one.inside_THW) for one in shown]
    return {"even": np.array(even), "Gaussian at the centre": gaussian_N, "frame difference": np.array(change)}


def gaussian(shape_THW: tuple[int, int, int]) -> NDArray[np.float64]:
    """A quarter of the side wide, the same at all times."""
    side_H, side_W = (np.exp(-8 * ((np.arange(side) + 0.5) / side - 0.5) ** 2) for side in shape_THW[1:])
    return np.broadcast_to(side_H[:, None] * side_W, shape_THW)


def frame_difference(clip_CTHW: NDArray[np.uint8]) -> NDArray[np.float64]:
    change_THW = np.abs(np.diff(clip_CTHW.astype(np.float64), axis=1)).sum(axis=0)
    return np.concatenate([change_THW[:1], change_THW])


def cascade(
    model: VideoActionModel, shown: Sequence[Shown], method: str, layer: str, seeds: int
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Shares in the box and rank correlations with the trained model's maps, by how much of the model is random.

    Random models are asked for the class that the trained one finds, and their figures are means over seeds.
    """
    found = [class_map(model, one.clip_CTHW, method=method, layer=layer) for one in shown]
    trained = [one.over_clip(clip.shape) for one, clip in zip(found, shown, strict=True)]
    share_N = np.array([share_inside(heat, one.inside_THW) for heat, one in zip(trained, shown, strict=True)])
    ways = {"trained": (share_N, np.ones(len(shown)))}
    parts = part_count(model)
    for random in range(1, parts + 1):
        shares, ranks = defaultdict[int, list[float]](list), defaultdict[int, list[float]](list)
        for seed in range(seeds):
            changed = randomised(model, random, seed=seed)
            for number, one in enumerate(shown):
                target = found[number].target
                heat = class_map(changed, one.clip_CTHW, method=method, layer=layer, target=target)
                heat_THW = heat.over_clip(one.shape)
                shares[number].append(share_inside(heat_THW, one.inside_THW))
                ranks[number].append(rank_correlation(heat_THW, trained[number]))
        name = "all random" if random == parts else f"head and {random - 1} stages random"
        with np.errstate(all="ignore"):
            means = [np.array([np.nanmean(kept[n]) for n in range(len(shown))]) for kept in (shares, ranks)]
        ways[name] = (means[0], means[1])
    return ways


def interval(values_N: NDArray[np.float64], groups: Sequence[str]) -> tuple[float, str]:
    low, high = bootstrap_interval(values_N, groups, resamples=RESAMPLES)
    mean = float(values_N.mean())
    return mean, f"{mean:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

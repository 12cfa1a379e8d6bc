"""The demo data set: synthetic clips in HMDB51's layout and naming, with split files like the official ones.

The same seed gives the same bytes: OpenCV's own Motion-JPEG writer uses neither FFmpeg nor threads, and every clip has
a random generator of its own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
from numpy.random import PCG64, Generator, SeedSequence

from action_recognition.errors import DataError, check_at_least
from action_recognition.synthetic.scene import (
    ACTIONS,
    FPS,
    HEIGHT,
    PAIRS,
    WIDTH,
    Action,
    Clip,
    Scene,
    make_clip,
    make_scene,
    render_frames,
)
from action_recognition.utils.folders import new_folder
from action_recognition.utils.progress import silent

JPEG_QUALITY = 8  # on this writer's own scale; the usual quality 50, about 75 KB per clip
CLIPS_PER_SOURCE = 6  # per class, on average
TRAIN_SHARE, TEST_SHARE = 0.66, 0.26  # of a class's clips; the rest is unused, as in HMDB51
SPLITS = (1, 2, 3)

# HMDB51's names hold such characters too, so readers of the set must handle them.
_PLACES = (
    "Demo_Park", "Demo_Gym", "Demo_#Street", "Demo_Yard_&_Garden", "Demo_Hall_(Part_1)", "Demo_Beach!",
    "Demo_Roof+Sky", "Demo_Sam's_Room", "Demo_Stage", "Demo_School", "Demo_Station", "Demo_Kitchen",
)  # fmt: skip
# A round is two sources with two pairs of classes each, so that it holds clips of every class.
_ROUNDS = ((PAIRS[:2], PAIRS[2:]), (PAIRS[::2], PAIRS[1::2]), ((PAIRS[0], PAIRS[3]), PAIRS[1:3]))


@dataclass(frozen=True, kw_only=True)
class SourceVideo:
    """One source video, with `clips_per_class` clips of each class in `pairs`."""

    name: str
    pairs: tuple[str, ...]
    clips_per_class: int


@dataclass(frozen=True, kw_only=True)
class PlannedClip:
    """One clip to render, and its label (0 unused, 1 train, 2 test) in each split."""

    action: Action
    source: SourceVideo
    number: int
    scene: Scene
    clip: Clip
    split_labels: tuple[int, ...]

    @property
    def file_name(self) -> str:
        tags = self.clip.tags(self.scene.quality)
        return f"{self.source.name}_{self.action.label}_{tags}_{self.number}.avi"


def render_demo_set(
    directory: Path,
    *,
    seed: int = 2024,
    clips_per_class: int = 70,
    progress: Callable[[int, int], None] = silent,
) -> None:
    """Write `directory/videos/<class>/*.avi` and `directory/splits/<class>_test_split{1,2,3}.txt`.

    Args:
        clips_per_class: at least 3, one per test list.
        progress: called with (done, total) after each clip.

    Raises:
        ConfigError: `seed` is less than 0, or `clips_per_class` less than 3.
        DataError: `directory` is not empty, or a video cannot be written.
    """
    check_at_least("seed", seed, 0)
    check_at_least("clips_per_class", clips_per_class, len(SPLITS))
    with new_folder(directory) as partial:
        planned = list(plan_clips(seed=seed, clips_per_class=clips_per_class))
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)  # for pictures this small, OpenCV's own threads cost more time than they save
        try:
            for done, clip in enumerate(planned, start=1):
                _write_video(clip, partial / "videos")
                progress(done, len(planned))
        finally:
            cv2.setNumThreads(threads)
        _write_splits(planned, partial / "splits")


def plan_clips(*, seed: int, clips_per_class: int) -> Iterator[PlannedClip]:
    """Every clip of the set, in a fixed order, without rendering."""
    sources = make_sources(clips_per_class)
    labels = _split_labels(sources, seed=seed, clips_per_class=clips_per_class)
    for source_number, source in enumerate(sources):
        scene = make_scene(_generator(seed, 1, source_number))
        for place, action in enumerate(ACTIONS):
            if action.pair not in source.pairs:
                continue
            for number in range(source.clips_per_class):
                yield PlannedClip(
                    action=action,
                    source=source,
                    number=number,
                    scene=scene,
                    clip=make_clip(action, _generator(seed, 2, source_number, place, number)),
                    split_labels=labels[source_number // 2, number],
                )


def make_sources(clips_per_class: int) -> list[SourceVideo]:
    """Sources with `clips_per_class` clips of every class in total."""
    rounds = max(len(_ROUNDS), round(clips_per_class / CLIPS_PER_SOURCE))
    sizes = [clips_per_class // rounds + (number < clips_per_class % rounds) for number in range(rounds)]
    for number in range(0, rounds - 1, 3):
        if sizes[number + 1] > 1:
            sizes[number] += 1
            sizes[number + 1] -= 1
    return [
        SourceVideo(
            name=f"{_PLACES[number % len(_PLACES)]}_{number // len(_PLACES) + 1:02d}",
            pairs=_ROUNDS[number // 2 % len(_ROUNDS)][number % 2],
            clips_per_class=sizes[number // 2],
        )
        for number in range(2 * rounds)
    ]


def _split_labels(
    sources: list[SourceVideo], *, seed: int, clips_per_class: int
) -> dict[tuple[int, int], tuple[int, ...]]:
    """The labels in the splits, by (round, number of the clip).

    A whole round is test or not, so no source is on both sides and all classes have the same numbers. Surplus clips of
    a test round are unused, never moved to train.
    """
    sizes = [source.clips_per_class for source in sources[::2]]
    order = _generator(seed, 3).permutation(len(sizes)).tolist()
    keys = [(number, clip) for number, size in enumerate(sizes) for clip in range(size)]
    by_split = []
    for split in range(len(SPLITS)):
        first = split * len(order) // len(SPLITS)
        turned = order[first:] + order[:first]
        test_clips = max(1, round(TEST_SHARE * clips_per_class))
        tested: set[int] = set()
        while sum(sizes[number] for number in tested) < test_clips:
            tested.add(turned[len(tested)])
        test = islice((key for key in keys if key[0] in tested), test_clips)
        train = islice((key for key in keys if key[0] not in tested), max(1, round(TRAIN_SHARE * clips_per_class)))
        by_split.append(dict.fromkeys(train, 1) | dict.fromkeys(test, 2))
    return {key: tuple(labels.get(key, 0) for labels in by_split) for key in keys}


def _write_video(planned: PlannedClip, videos_dir: Path) -> None:
    path = videos_dir / planned.action.label / planned.file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), cv2.CAP_OPENCV_MJPEG, codec, FPS, (WIDTH, HEIGHT))
    try:
        if not writer.isOpened():
            raise DataError(f"{path}: OpenCV could not open it for writing")
        writer.set(cv2.VIDEOWRITER_PROP_QUALITY, JPEG_QUALITY)
        for frame in render_frames(planned.scene, planned.clip):
            writer.write(frame)
    finally:
        writer.release()
    # The writer does not report a full disk.
    with path.open("rb") as file:
        promised = 8 + int.from_bytes(file.read(8)[4:], "little")
    if path.stat().st_size != promised:
        raise DataError(f"{path}: only {path.stat().st_size} of {promised} bytes were written; is the disk full?")


def _write_splits(planned: list[PlannedClip], directory: Path) -> None:
    directory.mkdir(parents=True)
    for action in ACTIONS:
        clips = sorted((clip for clip in planned if clip.action == action), key=lambda clip: clip.file_name)
        for index, split in enumerate(SPLITS):
            # The official files have a space before the end of the line.
            lines = [f"{clip.file_name} {clip.split_labels[index]} \n" for clip in clips]
            path = directory / f"{action.label}_test_split{split}.txt"
            path.write_text("".join(lines), encoding="ascii", newline="\n")


def _generator(*seeds: int) -> Generator:
    return Generator(PCG64(SeedSequence(seeds)))

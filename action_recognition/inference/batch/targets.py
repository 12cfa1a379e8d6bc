"""What `predict` makes of each input beside its label: files with names of their own, in the folders asked for."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from action_recognition.inference.batch.jobs import Task
from action_recognition.inference.inputs.given import Given

LABELLED_SUFFIX, TIMELINE_SUFFIX = ".labelled.mp4", ".timeline.png"
LONGEST_NAME_BYTES = 255 - 40  # of file systems, less these suffixes and what `utils.files.replacing` adds


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Where results go; None for those that are not wanted.

    Attributes:
        results: a file of results, see `results`.
        video_dir: a folder for copies with the labels drawn in, `<name>.labelled.mp4`.
        timeline_dir: a folder for pictures of the actions over time, `<name>.timeline.png`.
        cut: a folder for each segment of a class as a clip, `<class>/...mp4`.
    """

    results: Path | None = None
    video_dir: Path | None = None
    timeline_dir: Path | None = None
    cut: Path | None = None


def plan(given: Sequence[Given], outputs: Outputs) -> list[Task]:
    """A task for each input."""
    videos = named_files(outputs.video_dir, given, LABELLED_SUFFIX)
    timelines = named_files(outputs.timeline_dir, given, TIMELINE_SUFFIX)
    return [Task(given=each, video=videos.get(each), timeline=timelines.get(each), cut=outputs.cut) for each in given]


def named_files(folder: Path | None, given: Sequence[Given], suffix: str) -> dict[Given, Path]:
    """A file in `folder` for each input: `<name><suffix>`, numbered where several have the same name.

    No two inputs get the same file, and none gets a file that is an input itself.
    """
    if folder is None:
        return {}
    stems = {path: Path(os.path.realpath(str(path))).stem if path.name in ("", "..") else path.stem for path in given}
    namesakes = Counter(stems.values())
    # Not `Path.resolve`: it raises over a link in a circle.
    taken = {os.path.realpath(str(path)) for path in given}
    numbers: Counter[str] = Counter()
    chosen: dict[Given, Path] = {}
    for path, stem in stems.items():
        while True:
            numbers[stem] += 1
            number = f"-{numbers[stem]}" if namesakes[stem] > 1 or numbers[stem] > 1 else ""
            target = folder / f"{_cut(stem, LONGEST_NAME_BYTES - len(number))}{number}{suffix}"
            if os.path.realpath(target) not in taken:
                break
        taken.add(os.path.realpath(target))
        chosen[path] = target
    return chosen


def _cut(stem: str, size_bytes: int) -> str:
    """The longest start of a name that fits, in whole characters."""
    while len(os.fsencode(stem)) > size_bytes:
        stem = stem[:-1]
    return stem

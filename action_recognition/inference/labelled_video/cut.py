"""Segments of a video as clips of their own, in one folder per class: a `data=folder` set after a look through it."""

import glob
import hashlib
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from action_recognition.errors import UserError, VideoError
from action_recognition.inference.inputs.open import Input
from action_recognition.inference.labelled_video.pictures import depth_scale, file_of, open_pictures
from action_recognition.inference.labelled_video.video_writer import UNKNOWN_FPS, VideoWriter, writing_video
from action_recognition.inference.temporal.segments import Segment
from action_recognition.inference.video_labels import VideoLabels
from action_recognition.utils.names import LONGEST_NAME_BYTES
from action_recognition.utils.text import printable
from action_recognition.video.clip_files import frame_files
from action_recognition.video.timed_frames import TimedFrame

# Finds the source video in the name of a clip, so that clips of one video stay on one side of a split.
SOURCE_PATTERN = r"^(.+)_\d+-\d+ms$"
CRF = 16  # models learn from these clips; it is hard to see a difference from the original
MIN_FRAMES = 2  # one frame shows no motion
LONGEST_STEM_BYTES = LONGEST_NAME_BYTES - 100  # the rest is for times and what `utils.files.replacing` adds
HASHED_BYTES = 1 << 20
_PATTERN_LETTERS = re.compile(r'[*?:"<>|/\\]')


def cut_segments(labels: VideoLabels, given: Input, directory: Path) -> list[Path]:
    """Write each segment with a class to `directory/<class>/<video>-<hash>_<start>-<end>ms.mp4`, frame by frame.

    The hash is of the video's content, so videos of the same name do not meet. Clips have the frames' times and size
    (an odd side loses a row or column of pixels), H.264 of high quality, and no sound. A sequence of depth images
    becomes folders with copies of its images. A clip that is there already is left as it is, also where someone has
    moved it to another class.

    Args:
        given: what the labels are of, see `open_input`; it must be possible to read it again.

    Returns:
        The clips in order of time, old and new ones. Segments of less than `MIN_FRAMES` frames have none.

    Raises:
        VideoError: if the input cannot be read.
        UserError: if a clip cannot be written.
    """
    source, folders = source_name(labels, given), folder_names(labels.class_names)
    segments = [
        one for one in labels.segments if one.label is not None and one.end_frame - one.first_frame >= MIN_FRAMES
    ]
    file = file_of(given)
    images = frame_files(file) if file else None
    is_depth = depth_scale(given) is not None
    if is_depth and not images:
        raise VideoError(f"{labels.input}: depth in memory; expected image files, which can be copied")
    clips: list[Path] = []
    missing: list[tuple[Segment, Path]] = []
    for segment in segments:
        name = f"{source}_{_times(segment, labels)}ms{'' if is_depth else '.mp4'}"
        there = sorted(directory.glob(f"*/{glob.escape(name)}"))
        clips.append(there[0] if there else directory / folders[str(segment.label)] / name)
        if not there:
            missing.append((segment, clips[-1]))
    if is_depth and images:
        for segment, path in missing:
            _copy_images(images[segment.first_frame : segment.end_frame], path)
    elif missing:
        with open_pictures(given) as frames:
            _write_clips(frames, missing, labels)
    return clips


def next_command(directory: Path) -> str:
    """What to do with the clips, after a person has looked through them."""
    pattern = shlex.quote(f"data.source_pattern={SOURCE_PATTERN}")
    return f"check-data data=folder {shlex.quote(f'data.videos_dir={directory}')} {pattern}"


def source_name(labels: VideoLabels, given: Input) -> str:
    """The name of a video with a hash of its content, as the start of the names of its clips."""
    file = file_of(given)
    stem = getattr(given, "stem", None) or Path(os.path.realpath(file) if file else labels.input).stem
    # Sequences are named with stars and [first:end], which would be patterns again.
    stem = _PATTERN_LETTERS.sub("_", printable(stem)).lstrip(".") or "video"
    while len(stem.encode()) > LONGEST_STEM_BYTES:
        stem = stem[:-1]
    return f"{stem}-{_content_hash(file) if file else hashlib.md5(labels.input.encode()).hexdigest()[:8]}"


def folder_names(class_names: Sequence[str]) -> dict[str, str]:
    """For each class a folder that can be made on this system, not hidden, and that no other class has."""
    chosen: dict[str, str] = {}
    taken: set[str] = set()
    for number, label in enumerate(class_names):
        name = printable(label).replace("/", "_").strip()
        name = f"_{name[1:]}" if name.startswith(".") else name
        if os.name == "nt":
            name = "".join("_" if letter in '<>:"|?*\\' else letter for letter in name).rstrip(". ")
        while len(name.encode()) > LONGEST_STEM_BYTES:
            name = name[:-1]
        if not name or name.casefold() in taken:  # some systems do not tell large letters from small ones
            name = f"{name}_{number}"
        taken.add(name.casefold())
        chosen[label] = name
    return chosen


def _times(segment: Segment, labels: VideoLabels) -> str:
    start, end = segment.start_seconds, segment.end_seconds
    if not labels.fps:
        start, end = segment.first_frame / UNKNOWN_FPS, segment.end_frame / UNKNOWN_FPS
    return f"{round(start * 1000):07d}-{round(end * 1000):07d}"


def _content_hash(file: Path) -> str:
    """Eight hex digits of the size, the start and the end of a file; of a sequence, of its names and first image."""
    files = frame_files(file) or (file,)
    digest = hashlib.md5("/".join(path.name for path in files[1:]).encode(errors="surrogateescape"))
    try:
        with files[0].open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            digest.update(f"{size} ".encode() + opened.read(HASHED_BYTES))
            opened.seek(max(0, size - HASHED_BYTES))
            digest.update(opened.read(HASHED_BYTES))
    except OSError as error:
        raise VideoError(f"{file}: cannot be read ({error.strerror})") from None
    return digest.hexdigest()[:8]


def _write_clips(frames: Iterator[TimedFrame], clips: Sequence[tuple[Segment, Path]], labels: VideoLabels) -> None:
    """Clips in order of time, of frames that are read once."""
    numbered = enumerate(frames)
    for segment, path in clips:
        wanted = (frame for number, frame in _until(numbered, segment.end_frame) if number >= segment.first_frame)
        with writing_video(path, frames=segment.end_frame - segment.first_frame) as partial:
            _write_clip(wanted, partial, labels)


def _until(numbered: Iterator[tuple[int, TimedFrame]], end: int) -> Iterator[tuple[int, TimedFrame]]:
    """Frames up to number `end`, which the next clip may begin with and is not taken."""
    for number, frame in numbered:
        yield number, frame
        if number + 1 >= end:
            return


def _write_clip(frames: Iterator[TimedFrame], path: Path, labels: VideoLabels) -> None:
    start, writer = None, None
    with ExitStack() as stack:
        for frame in frames:
            frame_HWC = frame.read()
            height, width = (side - side % 2 for side in frame_HWC.shape[:2])
            if writer is None:
                if not (height and width):
                    raise VideoError(f"{labels.input}: a side of one pixel, expected at least 2")
                start, fps = frame.seconds, labels.fps or UNKNOWN_FPS
                writer = stack.enter_context(VideoWriter(path, fps=fps, width=width, height=height, crf=CRF))
            seconds = None if frame.seconds is None or start is None else frame.seconds - start
            writer.write(frame_HWC[:height, :width], seconds)


def _copy_images(files: Sequence[Path], folder: Path) -> None:
    """Copy images to a folder, which appears when it is complete."""
    partial = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    try:
        partial.mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copyfile(file, partial / file.name)
        partial.replace(folder)
    except OSError as error:
        raise UserError(f"{folder}: could not be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)

"""The inputs that the words of a command name: files, folders, patterns, lists, URLs, cameras and standard input."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from action_recognition.errors import VideoError
from action_recognition.inference.inputs.given import STDIN, Given, as_camera, as_url, path_of_file_url, read_stdin
from action_recognition.inference.inputs.patterns import as_starred, files_that_match, is_folder, is_video, videos_below
from action_recognition.utils.redaction import redacted
from action_recognition.video.clip_files import STAR, frame_files, is_image, natural_key
from action_recognition.video.decoder import VIDEO_SUFFIXES
from action_recognition.video.regular_files import open_regular

LIST_SUFFIX = ".txt"
LIST_MARK = "@"
COMMENT = "#"
ALLOWED = "a file, folder, quoted pattern, URL, list (.txt), number of a camera, or - for stdin"


def expand_inputs(words: Sequence[str]) -> list[Given]:
    """What the words name, in order, each once.

    A name that exists is that file or folder, whatever it looks like. A given file may have any name. In folders, and
    those below them, the suffix decides, and hidden files and folders are skipped; what is found is sorted. A folder
    with images but no videos is included itself, because its meaning depends on the model (see `as_clips`). Unreadable
    videos (a pipe, a dangling link) and folders are included: reading them reports why.

    A word that is no such name may be:

    - `clips/**/*.mp4`: a pattern as in a shell, quoted there. `**` is any number of folders. Folders that match stand
      for the videos in them.
    - `frames/img_*.png` or FFmpeg's `frames/img_%04d.png`: images that are one clip, in the order of the numbers in
      their names. `[10:50]` behind it, or behind a folder, selects by place, from 0, the end exclusive.
    - `list.txt` or `@list.txt`: a file with one of these words on each line. Empty lines and those that begin with `#`
      are skipped. Names are looked for beside the list first, then in the current folder. Missing videos are included.
    - `http://`, `https://`, `rtsp://` or `rtmp://`: a video or a stream, also as HLS. `file://`: a file or folder.
    - `0`: the first camera of this machine, as `/dev/video0` is.
    - `-`: a video on standard input, whatever there is of that name.

    Raises:
        VideoError: for a word that names nothing, and for a folder without videos and images.
    """
    found = dict.fromkeys(given for word in words for given in _expand(word))
    return [read_stdin() if given is None else given for given in found]


def expand_path(path: str) -> list[Given]:
    """As `expand_inputs`, but of a word that can only be the path or the pattern of files.

    Raises:
        VideoError: if it names nothing.
    """
    found = [given for given in _named(path, is_literal=False, in_list=False) if given is not None]
    if not found:
        raise VideoError(f"{path}: no such file or folder")
    return found


def as_clips(given: Sequence[Given], *, frames: int) -> list[Given]:
    """For a model of one frame per clip, each image is a clip; for others, images named together are a sequence."""
    if frames != 1:
        return list(given)
    return [clip for each in given for clip in (_images(each) if isinstance(each, Path) else (each,))]


def _expand(word: str, beside: Path | None = None) -> Sequence[Given | None]:
    """What one word names, on the command line or in a list that lies in `beside`; None is standard input."""
    if not word.strip():
        raise VideoError(f"{word!r}: no file or folder; expected the name of one (. is the current folder)")
    if word == STDIN:
        return [None]
    camera = as_camera(word)
    if camera and word.startswith("/"):
        return [camera]
    file = path_of_file_url(word)
    if file is None and not os.path.lexists(word) and (url := as_url(word)):
        return [url]
    names = [file or word] if beside is None else [os.path.join(beside, file or word), word]  # noqa: PTH118 - as typed
    for name in names:
        if found := _named(name, is_literal=file is not None, in_list=beside is not None):
            return found
    if camera:
        return [camera]
    if beside and is_video(Path(word)):
        return [Path(names[0])]
    raise VideoError(f"{redacted(word)}: no such file or folder; expected {ALLOWED}")


def _named(name: str, *, is_literal: bool, in_list: bool) -> Sequence[Given | None]:
    """What a path or a pattern stands for; nothing if there is no such thing."""
    path = Path(name)
    if is_folder(path):
        return _of_folder(path)
    is_list = path.suffix.lower() == LIST_SUFFIX
    if os.path.lexists(name):
        if is_list and in_list:
            raise VideoError(f"{path}: a list in a list, expected videos, folders or URLs")
        return list(_of_list(path)) if is_list else [path]
    if is_literal:
        return []
    if name.startswith(LIST_MARK) and is_list and not in_list:
        return list(_of_list(Path(name.removeprefix(LIST_MARK))))
    path = as_starred(path)
    return [path] if frame_files(path) else files_that_match(name)


def _of_folder(folder: Path) -> list[Given]:
    found: list[Given] = [*sorted(videos_below(folder))]
    if not found and any(is_image(file) for file in folder.iterdir()):
        return [folder]
    if not found:
        raise VideoError(f"{folder}: no videos in this folder; expected {', '.join(sorted(VIDEO_SUFFIXES))}")
    return found


def _of_list(path: Path) -> Iterator[Given | None]:
    with open_regular(path) as file:
        content = file.read()
    if b"\0" in content:
        raise VideoError(f"{path}: not a list; expected UTF-8 text with a path or a URL on each line")
    lines = content.decode("utf-8-sig", errors="surrogateescape").replace("\r", "\n").split("\n")
    words = [(number, line.strip()) for number, line in enumerate(lines, start=1)]
    words = [(number, word) for number, word in words if word and not word.startswith(COMMENT)]
    if not words:
        raise VideoError(f"{path}: an empty list; expected a path or a URL on each line")
    for number, word in words:
        try:
            yield from _expand(word, path.parent)
        except VideoError as error:
            raise VideoError(f"{path}, line {number}: {error}") from None


def _images(path: Path) -> Iterable[Path]:
    """The images that a folder or a pattern stands for; of a pattern, also those without a number."""
    if STAR in path.name and not os.path.lexists(path) and not path.name.endswith("]"):
        return sorted(filter(is_image, path.parent.glob(path.name)), key=lambda image: natural_key(image.name))
    return (path,) if os.path.lexists(path) and not is_folder(path) else frame_files(path) or (path,)

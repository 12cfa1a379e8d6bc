"""Opening anything that frames can be read from."""

from collections.abc import Iterable, Iterator, Sized
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from numbers import Integral
from os import PathLike, fsdecode
from pathlib import Path
from typing import IO, Any

from numpy.typing import NDArray
from PIL import Image

from action_recognition.errors import VideoError
from action_recognition.inference.inputs.arrays import FramesInput, open_array
from action_recognition.inference.inputs.base import DEFAULT_INPUTS, FrameInput, InputSettings
from action_recognition.inference.inputs.expand import expand_inputs, expand_path
from action_recognition.inference.inputs.given import Camera, Given, Stdin, Url
from action_recognition.inference.inputs.spooled import Content, open_as, open_content
from action_recognition.inference.inputs.wrapped import Paced, Shortened
from action_recognition.video.clip_files import open_clip
from action_recognition.video.frames import AS_THEY_ARE, FrameFormat

# Tensors are iterables of frames, too, for a type checker that knows no torch.
Input = str | PathLike[str] | Given | Content | IO[bytes] | int | NDArray[Any] | Iterable[Any]


@contextmanager
def open_input(
    given: Input, frame_format: FrameFormat, settings: InputSettings = DEFAULT_INPUTS
) -> Iterator[FrameInput]:
    """Open an input for the length of a `with` block.

    Args:
        given: one of

            - a path, as `str` or `Path`, of a video, an image, a folder with one video or with images, or a pattern of
              images such as `frames/img_%04d.png`;
            - a `str` that names another input as on the command line, such as a URL, see `expand_inputs`;
            - `bytes`, or a binary file: the content of a video file;
            - an array or a tensor `[T, H, W, 3]`, uint8, RGB, 0-255, as torchvision's `read_video` gives; for a model
              of depth `[T, H, W]` or `[T, H, W, 1]`, uint8 or uint16 as it was trained;
            - an iterable of such frames `[H, W, 3]`, or of PIL images, which is read once;
            - an `int`: the camera of that number.

            Frames in memory have no times but those that `settings.fps` gives them.
        settings: times of inputs without, and where an input ends.

    Raises:
        VideoError: if it cannot be opened, or is none of these. Frames in an iterable are checked as they come.
    """
    with ExitStack() as stack:
        opened = stack.enter_context(_opened(given, frame_format, settings))
        if opened.is_live:  # it has times, and ends by the settings itself
            yield opened
            return
        if settings.fps is not None:
            opened = Paced(opened, settings.fps)
        yield opened if settings.max_seconds is None else Shortened(opened, settings.max_seconds)


def is_repeatable(given: Input) -> bool:
    """Whether an input can be opened a second time; what iterators and files have given is gone."""
    return not isinstance(given, Iterator) and not hasattr(given, "read")


def is_live(given: Given) -> bool:
    """Whether an input goes on until it is closed; looks at what is behind a URL.

    Raises:
        VideoError: if it cannot be opened.
    """
    if not isinstance(given, Url):
        return isinstance(given, Camera)
    from action_recognition.inference.inputs.stream import Connection

    with closing(Connection(given.address, AS_THEY_ARE)) as connection:
        return connection.is_live


def _opened(given: Any, frame_format: FrameFormat, settings: InputSettings) -> AbstractContextManager[FrameInput]:
    if isinstance(given, str | PathLike):
        found = expand_inputs([given]) if isinstance(given, str) else expand_path(fsdecode(given))
        if len(found) > 1:
            raise VideoError(f"{fsdecode(given)}: {len(found)} inputs, expected one; expand_inputs lists them")
        given = found[0]
    if isinstance(given, Path):
        return open_clip(given, frame_format)
    if isinstance(given, Stdin):
        return open_as(given.path, frame_format, name=str(given))
    if isinstance(given, Integral) and not isinstance(given, bool):
        given = Camera(int(given))
    if isinstance(given, Camera):
        from action_recognition.inference.inputs.camera import open_camera

        return open_camera(given.number, frame_format, settings)
    if isinstance(given, Url):
        # Not at the top: files need no PyAV.
        from action_recognition.inference.inputs.stream import open_stream

        return open_stream(given.address, frame_format, settings)
    if isinstance(given, Content):
        return open_content(given, frame_format, name="bytes")
    if hasattr(given, "read"):
        return open_content(given, frame_format, name=_name_of(given))
    if isinstance(given, Image.Image):
        given = [given]
    if hasattr(given, "__array__"):
        return nullcontext(open_array(given, frame_format, origin="tensor" if hasattr(given, "permute") else "array"))
    if isinstance(given, Iterable):
        count = len(given) if isinstance(given, Sized) else 0
        return nullcontext(FramesInput(given, frame_format, origin="frames", count=count))
    kind = type(given).__name__
    raise VideoError(f"{kind}: expected a path, URL, bytes, binary file, array, frames or number of a camera")


def _name_of(file: Any) -> str:
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else "bytes"

"""The protocol of inputs: what a predictor reads frames from."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from action_recognition.errors import ConfigError
from action_recognition.utils.stored_values import shown
from action_recognition.video.frames import ClipMetadata
from action_recognition.video.timed_frames import TimedFrame


class FrameInput(Protocol):
    """An open input. `VideoFile` and `ImageSequence` are two.

    Attributes:
        is_live: it goes on until it is closed, as a camera does.
    """

    is_live: bool

    @property
    def origin(self) -> str:
        """Its name in messages and results."""
        ...

    @property
    def metadata(self) -> ClipMetadata: ...

    def timed(self) -> Iterator[TimedFrame]:
        """The frames in order, in the format that the input was opened for.

        Raises:
            VideoError: if it cannot be read.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class InputSettings:
    """How inputs are read.

    Attributes:
        fps: frames per second of inputs without times, such as arrays and images. With None they have none, and are
            sampled as if they had the rate that the model was trained at.
        max_seconds: an input ends there; None for its own end, which cameras do not have.
        latency_seconds: of live inputs, frames are dropped if the answer would come later than this.
        reconnect_seconds: of live inputs, how long a lost connection is tried again.

    Raises:
        ConfigError: for a rate or an end that is no number above 0.
    """

    fps: float | None = None
    max_seconds: float | None = None
    latency_seconds: float = 2.0
    reconnect_seconds: float = 60.0

    def __post_init__(self) -> None:
        for name in ("fps", "max_seconds"):
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, _positive(name, given))


def _positive(name: str, given: Any) -> float:
    """A number, such as PyAV's fraction, as a float."""
    try:
        number = float(given)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number < math.inf:
        raise ConfigError(f"{name}={shown(given)}: expected a number above 0, or None")
    return number


DEFAULT_INPUTS = InputSettings()

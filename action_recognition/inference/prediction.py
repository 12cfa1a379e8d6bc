"""A model's labels for a whole video, and the tables, plots and videos that are made of them."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from action_recognition.errors import UserError, check_choice
from action_recognition.inference.video_labels import VideoLabels
from action_recognition.utils.text import printable

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

WINDOW_COLUMNS = ("start_seconds", "end_seconds", "first_frame", "end_frame", "label", "probability")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Prediction(VideoLabels):
    """What `Predictor.predict` returns.

    Attributes:
        given: what was predicted, for `save_video`, which reads the frames again; None if that is not possible.
    """

    given: Any = None

    def to_json(self, top_k: int = 5) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(top_k), ensure_ascii=False)

    def to_pandas(self, rows: Literal["windows", "segments"] = "windows") -> "pd.DataFrame":
        """A table with one row per window or per segment.

        Returns:
            Columns `start_seconds`, `end_seconds`, `first_frame`, `end_frame` (exclusive), `label`, `probability`. A
            table of windows also has a column per class with its probability, under the name of the class, so that
            `table[list(prediction.class_names)]` is `[N, K]`; a class that is called like one of the other columns
            gets a `_` behind its name. A segment's label is missing (`isna`) for none of them. `table.attrs` has the
            name of the input.

        Raises:
            ConfigError: for other rows.
        """
        import pandas as pd

        check_choice("rows", rows, ("windows", "segments"))
        found = self.windows if rows == "windows" else self.segments
        table = pd.DataFrame([[getattr(row, name) for name in WINDOW_COLUMNS] for row in found], columns=WINDOW_COLUMNS)
        if rows == "windows":
            names = [f"{name}_" if name in WINDOW_COLUMNS else name for name in self.class_names]
            probabilities = pd.DataFrame([window.probabilities for window in self.windows], columns=names)
            table = pd.concat([table, probabilities], axis=1)
        table.attrs["input"] = self.input
        return table

    def plot(self, *, top_k: int = 8) -> "Figure":
        """The probabilities of the `top_k` main classes over time, and the segments below them.

        Returns:
            A matplotlib figure, which a notebook shows as the last value of a cell and `figure.savefig(path)` writes.
        """
        from action_recognition.inference.temporal.timeline import draw_timeline

        figure: Any = draw_timeline(self, title=self.input, top_k=top_k)
        # pyplot, which would keep the figure in memory, is what a notebook shows figures by.
        figure._repr_png_ = lambda: _as_png(figure)
        return figure

    def save_video(self, path: str | os.PathLike[str], *, top_k: int = 3, given: Any = None) -> Path:
        """Write an MP4 that browsers and notebooks play: labels on every frame, the timeline, the original sound.

        Args:
            path: an .mp4 file; it appears when it is complete.
            top_k: classes shown with a bar.
            given: where to read the frames from, if not from what was predicted.

        Returns:
            `path`.

        Raises:
            UserError: if what was predicted can be read only once (a camera, an iterator of frames, an open file), or
                `path` cannot be written.
            VideoError: if the frames cannot be read, any more.
        """
        from action_recognition.inference.labelled_video.overlay import write_labelled_video

        source = self.given if given is None else given
        if source is None:
            raise UserError(
                f"{self.input}: cannot be read a second time; give the same frames again: save_video(path, given=...)"
            )
        with _with_sound(source) as source:
            write_labelled_video(self, source, Path(path), top_k=top_k)
        return Path(path)

    def __repr__(self) -> str:
        seconds = f"{self.duration_seconds:.1f} s" if self.fps else f"{self.frames} frames"
        parts = (seconds, _counted(len(self.windows), "window"), _counted(len(self.segments), "segment"))
        return f"<Prediction {printable(self.input)}: {self.answer}; {', '.join(parts)}>"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from action_recognition.inference.notebook_view import as_html

        return as_html(self)


@contextmanager
def _with_sound(given: Any) -> Iterator[Any]:
    """The same input, as a file where it is the content of one: sound is looked for in files."""
    from action_recognition.inference.inputs.spooled import spool

    if not isinstance(given, bytes | bytearray | memoryview) and not hasattr(given, "read"):
        yield given
        return
    path = spool(given, name="bytes")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _as_png(figure: "Figure") -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

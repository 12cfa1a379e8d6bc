"""What is made of a prediction: tables, text, plots, notebook views."""

import html.parser
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from helpers.colour_backend import BLUE, GREEN, RED, ColourBackend, coloured
from PIL import Image

from action_recognition.errors import ConfigError, UserError
from action_recognition.inference.prediction import Prediction
from action_recognition.inference.predictor import Predictor
from action_recognition.inference.temporal.segments import SegmentSettings, Window

MakeVideo = Callable[..., Path]


@pytest.fixture
def video(make_video: MakeVideo, tmp_path: Path) -> Path:
    return make_video(tmp_path / "réd & <blue>.avi", coloured((30, RED), (24, GREEN), (30, BLUE)))


@pytest.fixture
def prediction(video: Path) -> Prediction:
    return Predictor(ColourBackend()).predict(video)


def made(*probabilities: list[float], class_names: tuple[str, ...], **changes: object) -> Prediction:
    """A prediction of windows of one second each."""
    windows = tuple(
        Window(
            first_frame=30 * number,
            end_frame=30 * (number + 1),
            start_seconds=float(number),
            end_seconds=number + 1.0,
            probabilities=np.array(probability_K),
            class_names=class_names,
        )
        for number, probability_K in enumerate(probabilities)
    )
    values = {"input": "clip", "frames": 30 * len(windows), "fps": 30.0, "duration_seconds": float(len(windows))}
    mean = np.mean(probabilities, axis=0)
    return Prediction(**values | {"windows": windows, "probabilities": mean, "class_names": class_names} | changes)  # type: ignore[arg-type]


def test_labels_in_descending_order(prediction: Prediction) -> None:
    expected = sorted(zip(prediction.class_names, prediction.probabilities, strict=True), key=lambda pair: -pair[1])
    assert prediction.top(2) == expected[:2]
    assert prediction.top() == prediction.top(5) == expected
    assert (prediction.label, prediction.probability) == expected[0]
    for window in prediction.windows:
        assert window.top(1) == [(window.label, window.probability)]
        assert window.probability == window.probabilities.max()


def test_streamed_windows_say_their_label(video: Path) -> None:
    labels = [window.label for window in Predictor(ColourBackend()).stream(video)]
    assert [label for number, label in enumerate(labels) if labels[number - 1 : number] != [label]] == [
        "red",
        "green",
        "blue",
    ]


def test_a_table_of_windows(prediction: Prediction) -> None:
    table = prediction.to_pandas()
    assert len(table) == len(prediction.windows)
    probability_NK = table[list(prediction.class_names)].to_numpy()
    np.testing.assert_array_equal(probability_NK, [window.probabilities for window in prediction.windows])
    np.testing.assert_array_equal(table["label"], table[list(prediction.class_names)].idxmax(axis=1))
    np.testing.assert_array_equal(table["probability"], probability_NK.max(axis=1))
    assert (table["start_seconds"] < table["end_seconds"]).all()
    assert table.dtypes["first_frame"] == np.int64
    assert table.attrs == {"input": prediction.input}
    both = pd.concat({"one": table, "two": table})
    assert both.loc["two"].equals(table)


def test_a_table_of_segments(video: Path) -> None:
    prediction = Predictor(ColourBackend(), segments=SegmentSettings(threshold=0.9999)).predict(video)
    table = prediction.to_pandas("segments")
    assert len(table) == len(prediction.segments) > 3
    for (_, row), segment in zip(table.iterrows(), prediction.segments, strict=True):
        assert row.isna()["label"] == (segment.label is None)
        assert segment.label in (row["label"], None)
        assert (row["start_seconds"], row["probability"]) == (segment.start_seconds, segment.probability)
    assert table["label"].isna().sum() == 2
    assert table["end_seconds"].iloc[-1] == prediction.duration_seconds
    with pytest.raises(ConfigError, match=r"^rows=segment: expected one of windows, segments .did you mean 'segments'"):
        prediction.to_pandas("segment")  # type: ignore[arg-type]


def test_a_class_may_be_called_like_a_column() -> None:
    table = made([0.75, 0.25], [0.5, 0.5], class_names=("label", "walk")).to_pandas()
    assert table["label"].tolist() == ["label", "label"]
    assert table["label_"].tolist() == [0.75, 0.5]
    assert table.columns.is_unique


def test_text_is_json_and_round_trips(prediction: Prediction) -> None:
    assert json.loads(prediction.to_json()) == json.loads(json.dumps(prediction.to_dict()))
    assert len(json.loads(prediction.to_json(top_k=2))["top"]) == 2


def test_the_plot_shows_itself_in_a_notebook(prediction: Prediction) -> None:
    figure = prediction.plot()
    with Image.open(io.BytesIO(figure._repr_png_())) as image:
        assert image.format == "PNG"
        assert np.asarray(image.convert("L")).std() > 10
    assert len(figure.axes) >= 1


def test_one_line_says_what_it_is(prediction: Prediction) -> None:
    pattern = r"<Prediction .*réd & <blue>\.avi: (red|blue) \d+\.\d%; 2\.8 s, \d+ windows, 3 segments>"
    assert re.fullmatch(pattern, repr(prediction))
    assert re.fullmatch(r"<Window 0\.00-0\.\d\d s, frames 0-\d+: red 100\.0%>", repr(prediction.windows[0]))
    one = made([0.5, 0.5], class_names=("a\nb", "c"), fps=0.0)
    assert repr(one) == r"<Prediction clip: a\nb 50.0%; 30 frames, 1 window, 1 segment>"


class Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.titles: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.titles += [value or "" for name, value in attrs if name == "title"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(prediction: Prediction) -> Tags:
    tags = Tags()
    tags.feed(prediction._repr_html_())
    tags.close()
    assert tags.open == []
    return tags


def test_a_notebook_shows_label_bars_and_segments(prediction: Prediction) -> None:
    tags = parsed(prediction)
    assert "réd & <blue>.avi, 2.8 s" in tags.text
    assert all(f"{probability:.1%}" in tags.text for _, probability in prediction.top(3))
    assert [title.split()[2] for title in tags.titles] == ["red", "green", "blue"]
    assert tags.titles[0].startswith("0.0-")


def test_a_long_video_has_a_short_view() -> None:
    long = made(*[[0.9, 0.1], [0.1, 0.9]] * 500, class_names=("a", "b"))
    assert "1000 segments" in parsed(long).text
    assert len(long._repr_html_()) < 3000


def test_names_cannot_write_html() -> None:
    evil = '<script>alert("1")</script>'
    tags = parsed(made([0.9, 0.1], [0.1, 0.9], class_names=(evil, "b"), input=evil, fps=0.0))
    assert "script" not in tags.open
    assert tags.text.count(evil) >= 3
    assert "<script" not in made([1.0], class_names=(evil,), input=evil)._repr_html_()
    none = made([0.5, 0.5], class_names=("a", "b"), segment_settings=SegmentSettings(threshold=0.9))
    assert parsed(none).titles == ["0.0-1.0 s: none of the classes 50.0%"]


def test_none_of_these_is_what_is_below_the_threshold() -> None:
    shares = {0.6: False, 0.601: True}
    for threshold, is_none in shares.items():
        found = made([0.6, 0.4], class_names=("walk", "b"), segment_settings=SegmentSettings(threshold=threshold))
        assert (found.is_none_of_these, found.label) == (is_none, "walk")
        assert ("none of these (likeliest walk 60.0%)" in repr(found)) == is_none
        assert ("none of these" in found._repr_html_()) == is_none


def decoded(path: Path) -> np.ndarray:
    with av.open(path) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def assert_alike(found: np.ndarray, expected: np.ndarray, *, most: float = 0.5) -> None:
    """The encoder's threads do not give the same bytes each time."""
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() < most


def test_videos_of_whatever_was_predicted(make_video: MakeVideo, tmp_path: Path) -> None:
    """Files, their bytes, and arrays give the same pictures; iterators are given again."""
    predictor, frames = Predictor(ColourBackend()), coloured((10, RED), (8, GREEN))
    video = make_video(tmp_path / "video.avi", frames)
    written = predictor.predict(video).save_video(tmp_path / "path.mp4")
    assert written == tmp_path / "path.mp4"
    expected = decoded(written)
    assert len(expected) == 18
    of_bytes = predictor.predict(video.read_bytes()).save_video(str(tmp_path / "bytes.mp4"))
    assert_alike(decoded(of_bytes), expected)
    of_array = decoded(predictor.predict(frames, fps=30).save_video(tmp_path / "array.mp4"))
    assert_alike(of_array, expected, most=6.0)  # the file went through Motion JPEG before

    streamed = predictor.predict(iter(frames), fps=30)
    with pytest.raises(UserError, match=r"cannot be read a second time; give the same frames again: save_video"):
        streamed.save_video(tmp_path / "no.mp4")
    again = decoded(streamed.save_video(tmp_path / "again.mp4", given=iter(frames)))
    assert_alike(again, of_array)
    with video.open("rb") as file:
        assert_alike(decoded(streamed.save_video(tmp_path / "file.mp4", given=file)), expected)
    assert sorted(path.name for path in tmp_path.glob("*.mp4")) == [
        "again.mp4",
        "array.mp4",
        "bytes.mp4",
        "file.mp4",
        "path.mp4",
    ]


def test_a_video_that_is_gone_is_said(video: Path, tmp_path: Path) -> None:
    prediction = Predictor(ColourBackend()).predict(video)
    video.unlink()
    with pytest.raises(UserError, match=r"^[^\n]*blue>\.avi: [^\n]+$"):
        prediction.save_video(tmp_path / "no.mp4")
    with pytest.raises(UserError, match="could not be written"):
        prediction.save_video("/dev/null/no.mp4", given=coloured((84, RED)))
    assert list(tmp_path.glob("*.mp4")) == []

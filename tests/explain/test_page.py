"""The page of one input: what it says about truth and prediction."""

from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from helpers.support import moving_square, write_video
from helpers.tiny_models import save_checkpoint, tiny_model

from action_recognition.config import load_config
from action_recognition.datasets.records import ClipRecord, Manifest
from action_recognition.explain.example import Example, explain_model, read_example
from action_recognition.explain.page import SECTIONS, head, probability_table, write_page
from action_recognition.reports.page import Block, Paragraph


def example_of(
    folder: Path, *, clip: str = "walk/clip.avi", overrides: tuple[str, ...] = (), **model: object
) -> Example:
    path = save_checkpoint(tiny_model(**model), folder / "run/checkpoints/best.ckpt")
    settings = load_config(["visualize.device=cpu", *overrides]).visualize
    return read_example(explain_model(path, settings), make_input(folder / clip))


def make_input(path: Path) -> Path:
    """A video, or a folder of depth images."""
    frames_THWC = moving_square(20)
    if path.suffix:
        return write_video(path, frames_THWC)
    path.mkdir()
    for number, frame_HWC in enumerate(frames_THWC):
        cv2.imwrite(str(path / f"{number}.png"), frame_HWC[..., 0])
    return path


@pytest.fixture(autouse=True)
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    return tmp_path / "run"


def test_the_window_is_the_likeliest_of_the_predicted_class_or_the_one_asked_for(tmp_path: Path) -> None:
    example = example_of(tmp_path)
    windows = example.prediction.windows
    best = max(windows, key=lambda window: window.probabilities[example.label_index])
    assert example.window.start_seconds == best.start_seconds
    asked = example_of(tmp_path, overrides=("visualize.second=0.6",))
    assert asked.window.start_seconds == windows[-1].start_seconds
    assert asked.clip_BCTHW.shape == (1, 3, 4, 32, 32)


def test_truth_comes_from_the_key_the_manifest_or_the_folder(tmp_path: Path, run_dir: Path) -> None:
    assert example_of(tmp_path).truth == "walk"
    assert example_of(tmp_path, clip="clips/a.avi").truth == ""
    size_bytes = (tmp_path / "walk/clip.avi").stat().st_size
    record = ClipRecord(path="walk/clip.avi", label="run", split="test", source_video="clip", size_bytes=size_bytes)
    Manifest(tmp_path, (record,)).write(run_dir / "manifest.csv")
    example = example_of(tmp_path)
    assert (example.truth, example.truth_from) == ("run", "from the data set that the model was trained on")
    Manifest(tmp_path, (replace(record, size_bytes=5),)).write(run_dir / "manifest.csv")
    assert example_of(tmp_path).truth == "walk", "another clip of the same name"
    assert example_of(tmp_path, overrides=("visualize.label=wave",)).truth == "wave"


def test_the_true_class_is_in_the_table_wherever_it_is(tmp_path: Path) -> None:
    names = tuple(f"class {number}" for number in range(1000))
    example = example_of(tmp_path, class_names=names, overrides=("visualize.label=class 7",))
    rows = probability_table(example).rows
    rank = 1 + int((example.prediction.probabilities > example.prediction.probabilities[7]).sum())
    assert len(rows) == (8 if rank <= 8 else 9)
    assert rows[-1][:2] == ["class 7 (true)", rank] or rank <= 8
    texts = [block.text for block in head(example) if isinstance(block, Paragraph)]
    assert "wrong: it is class 7." in texts[0] or "right" in texts[0]


def test_depth_is_shown_as_grey_stretched_over_its_values(tmp_path: Path) -> None:
    example = example_of(tmp_path, clip="depth", channels=1, mean=(100.0,), std=(50.0,))
    frames_THWC = example.frames_THWC
    assert frames_THWC.shape == (4, 32, 32, 3)
    assert (frames_THWC.min(), frames_THWC.max()) == (0, 255)


def interrupted(example: Example, folder: Path) -> list[Block]:
    (folder / "maps.png").touch()
    raise KeyboardInterrupt


def test_an_interruption_leaves_the_page_that_there_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = example_of(tmp_path, overrides=("visualize.what=[histograms]",))
    before = write_page(example, tmp_path / "out/clip").read_bytes()
    monkeypatch.setitem(SECTIONS, "histograms", f"{__name__}:interrupted")
    for folder in ("clip", "other"):
        with pytest.raises(KeyboardInterrupt):
            write_page(example, tmp_path / "out" / folder)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["clip"]
    assert (tmp_path / "out/clip/page.html").read_bytes() == before


def test_what_is_less_probable_than_the_threshold_is_none_of_the_classes(tmp_path: Path) -> None:
    texts = [block.text for block in head(example_of(tmp_path, threshold=1.0)) if isinstance(block, Paragraph)]
    assert "none of these (likeliest " in texts[0]
    assert "none of these" not in head(example_of(tmp_path))[1].text

"""`visualize` and `list-layers` as they are called."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.html_pages import Page
from helpers.support import moving_square
from helpers.tiny_models import exported_bytes, names_in, save_checkpoint, tiny_contract, tiny_model

from action_recognition.models.module import VideoActionModel

RunCli = Callable[..., Any]
MODEL = "visualize.checkpoint=model.ckpt"


@pytest.fixture
def videos(make_video: Callable[..., Path], tmp_path: Path) -> Path:
    for seed, name in enumerate(("walk/a", "walk/<b> $x$ wörk [1]", "other/a")):
        make_video(tmp_path / f"videos/{name}.avi", moving_square(20, seed=seed))
    save_checkpoint(tiny_model(), tmp_path / "model.ckpt")
    (tmp_path / "model.onnx").write_bytes(exported_bytes())
    return tmp_path / "videos"


def test_several_inputs_have_a_page_each(videos: Path, tmp_path: Path, run_cli: RunCli) -> None:
    (videos / "empty.mp4").touch()
    done = run_cli("visualize", "videos", MODEL, "visualize.output_dir=out")
    assert done.code == 1
    assert "error: videos/empty.mp4: empty file" in done.out
    assert "error: 1 of 4 inputs could not be read or written" in done.err
    assert names_in(tmp_path / "out") == ["<b> $x$ wörk [1]", "a-1", "a-2"]
    assert done.out.count("page.html") == 3
    for folder in (tmp_path / "out").iterdir():
        page = Page((folder / "page.html").read_text(encoding="utf-8"))
        assert not page.open
        assert all(address.startswith(("data:", "#")) for address in page.fetched)
    texts = [(tmp_path / f"out/{name}/page.html").read_text() for name in ("a-1", "a-2")]
    assert "The true class is not known" in texts[0]
    assert "from the name of its folder" in texts[1]


def test_stills_and_sequences_are_inputs(videos: Path, tmp_path: Path, run_cli: RunCli) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for number, frame in enumerate(moving_square(6)):
        cv2.imwrite(str(frames / f"f{number}.png"), frame)
    words = ("visualize", "frames", "visualize.output_dir=out", "visualize.label=wave", "visualize.what=[histograms]")
    assert run_cli(*words, MODEL).code == 0
    assert "from visualize.label" in (tmp_path / "out/frames/page.html").read_text()
    assert run_cli(*words, MODEL).code == 0, "a page replaces an older one"
    save_checkpoint(tiny_model(frames=1), tmp_path / "still.ckpt")
    done = run_cli(*words, "visualize.checkpoint=still.ckpt")
    assert done.code == 0
    assert len(names_in(tmp_path / "out")) == 7, "each image is a clip for a model of stills"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "no input given; expected a file"),
        (["missing.avi"], "missing.avi: no such file or folder"),
        (["videos/walk/a.avi", "visualize.checkpoint=model.onnx"], "an exported model shows no layers; give its"),
        (["videos/walk/a.avi", "visualize.checkpoint=null"], "visualize.checkpoint=null: expected best, last or a che"),
        (["videos/walk/a.avi", MODEL, "visualize.layers=[conv]"], "visualize.layers=conv: no such layer"),
        (
            ["videos/walk/a.avi", MODEL, "visualize.checkpoint=deep.ckpt", "visualize.layers=[*]"],
            "names 47 layers, exp",
        ),
        (["videos/walk/a.avi", MODEL, "visualize.label=swim"], "visualize.label=swim: expected one of run, walk, wave"),
        (["videos/walk/a.avi", MODEL, "visualize.second=9"], "ends at 0.67 s; expected visualize.second=9 to be in it"),
        (["videos/walk/a.avi", MODEL, "visualize.what=[all]"], "visualize.what[0]=all: expected one of maps, kernels"),
        (["videos/walk/a.avi", MODEL, "visualize.output_dir=mine"], "mine/a: holds holiday.jpg, which would be lost"),
        (["one.png", MODEL], "one.png: 1 frame, expected at least 2"),
        (["broken.avi", MODEL], "broken.avi: "),
        (["0", MODEL], "camera 0: goes on without end"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    words: list[str], line: str, videos: Path, tmp_path: Path, run_cli: RunCli
) -> None:
    (tmp_path / "mine/a").mkdir(parents=True)
    (tmp_path / "mine/a/holiday.jpg").touch()
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((40, 40, 3), np.uint8))
    if "visualize.checkpoint=deep.ckpt" in words:
        contract = tiny_contract().to_dict()
        deep = VideoActionModel(contract, {"network": "cnn3d", "args": {"widths": [2] * 9}})
        save_checkpoint(deep, tmp_path / "deep.ckpt")
    (tmp_path / "broken.avi").write_bytes(os.urandom(2000))
    done = run_cli("visualize", *words)
    assert done.code == 1
    assert line in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not (tmp_path / "plots").exists()
    assert names_in(tmp_path / "mine") == ["a"]


def test_layers_are_listed(videos: Path, run_cli: RunCli) -> None:
    done = run_cli("list-layers", MODEL)
    assert done.code == 0
    assert "* blocks.0 Sequential 4x4x8x8 332 stage 1" in [" ".join(line.split()) for line in done.out.splitlines()]
    done = run_cli("list-layers", MODEL, "blocks.?.0", "head.*")
    assert [line.split()[0] for line in done.out.splitlines()[1:]] == [
        "blocks.0.0",
        "blocks.1.0",
        "blocks.2.0",
        "head.1",
    ]
    done = run_cli("list-layers", "visualize.checkpoint=null", "model=r2plus1d_18", "clip.size=32", "backbone.layer?")
    assert done.out.count("Sequential") == 4
    done = run_cli("list-layers", MODEL, "block.0")
    assert "pattern=block.0: no such layer (did you mean 'blocks.0'?); see" in done.err

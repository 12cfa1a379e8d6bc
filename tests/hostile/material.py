"""The good files that inputs are made from: a tiny data set, a model trained on it, its exports, a clip store."""

import csv
import json
import shutil
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from helpers.support import TINY_MODEL, moving_square, write_video
from hostile.outcomes import run_command

FRAMES, HEIGHT, WIDTH = 12, 48, 64
# File name: (container, codec, pixel format).
CONTAINERS = {
    "h264.mp4": ("mp4", "libx264", "yuv420p"),
    "mpeg4.mp4": ("mp4", "mpeg4", "yuv420p"),
    "h264.mov": ("mov", "libx264", "yuv420p"),
    "h264.mkv": ("matroska", "libx264", "yuv420p"),
    "vp8.webm": ("webm", "libvpx", "yuv420p"),
    "flv1.flv": ("flv", "flv", "yuv420p"),
    "mpeg2.ts": ("mpegts", "mpeg2video", "yuv420p"),
    "mpeg1.mpg": ("mpeg", "mpeg1video", "yuv420p"),
    "mpeg4.avi": ("avi", "mpeg4", "yuv420p"),
    "ffv1.avi": ("avi", "ffv1", "yuv420p"),
    "wmv2.wmv": ("asf", "wmv2", "yuv420p"),
    "raw.y4m": ("yuv4mpegpipe", "rawvideo", "yuv420p"),
    "rgb.gif": ("gif", "gif", "rgb8"),
}
GOOD = "mjpeg.avi"


def make_material(folder: Path) -> Path:
    """Make all of it in `folder`, by the project's own commands."""
    folder.mkdir(parents=True)
    make_videos(folder / "good")
    make_set(folder / "set")
    make_stills(folder / "stills")
    work = folder / "work"
    work.mkdir()
    for words in (
        ["train", *training_words(folder), f"trainer.run_dir={folder}/run", "trainer.max_epochs=1"],
        ["export-onnx", f"export.checkpoint={folder}/run/checkpoints/best.ckpt", f"export.onnx={folder}/model.onnx"],
        ["cache-data", *data_words(folder), "data.cache.codec=raw", f"data.cache.dir={folder}/raw"],
        ["cache-data", *data_words(folder), "data.cache.codec=jpeg", f"data.cache.dir={folder}/jpeg"],
    ):
        said = run_command(words, work)
        assert said.code == 0, (words, said)
    shutil.copy(folder / "run/checkpoints/best.ckpt", folder / "model.ckpt")
    _write_sidecar(folder)
    _pack(folder)
    for backend, model in (("onnx", "model.onnx"), ("torch", "model.ckpt")):
        expected = folder / f"expected-{backend}.json"
        said = run_command(predict_words(folder, backend, folder / model, expected), work)
        assert said.code == 0, said
    return folder


def make_videos(folder: Path) -> None:
    """One small video in each container."""
    frames = moving_square(FRAMES, seed=1, height=HEIGHT, width=WIDTH)
    write_video(folder / GOOD, frames)
    for name, (container, codec, pixels) in CONTAINERS.items():
        encode(folder / name, frames, container=container, codec=codec, pixels=pixels)


def encode(path: Path, frames_THWC: np.ndarray, *, container: str, codec: str, pixels: str) -> Path:
    """Write a video with PyAV."""
    with av.open(str(path), "w", format=container) as out:
        stream: Any = out.add_stream(codec, rate=Fraction(25))
        stream.height, stream.width = frames_THWC.shape[1:3]
        stream.pix_fmt = pixels
        for frame in frames_THWC:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode(None))
    return path


def make_set(folder: Path) -> None:
    """Two classes of 5 source videos in HMDB51's layout: sources 0-3 train, 4 test."""
    for label, direction in (("run", 1), ("walk", -1)):
        lines = []
        for source in range(5):
            name = f"Film_{source}_{label}_f_nm_np1_ri_goo_0.avi"
            write_video(folder / "videos" / label / name, moving_square(8, direction=direction, seed=source))
            lines.append(f"{name} {1 if source < 4 else 2} ")
        path = folder / "splits" / f"{label}_test_split1.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n")


def make_stills(folder: Path) -> None:
    """Twelve images of three classes, and their CSV."""
    (folder / "images").mkdir(parents=True)
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["filename", "label"])
        for number in range(12):
            name, generator = f"Image_{number}.png", np.random.default_rng(number)
            cv2.imwrite(str(folder / "images" / name), generator.integers(0, 255, (40, 50, 3), dtype=np.uint8))
            writer.writerow([name, ("sit", "run", "clap")[number % 3]])


def data_words(folder: Path, **given: object) -> list[str]:
    """Overrides for the tiny set; `given` replaces any, without the `data.`."""
    words = {"videos_dir": f"{folder}/set/videos", "splits_dir": f"{folder}/set/splits", "dir": f"{folder}/none"}
    words |= {"val_fraction": "0.25", "num_workers": "0", "batch_size": "4", "test_clips": "1"}
    words |= {key: str(value) for key, value in given.items()}
    return ["data=hmdb51", *(f"data.{key}={value}" for key, value in words.items()), "clip.stride=1", *TINY_MODEL]


def training_words(folder: Path) -> list[str]:
    """Overrides for a training of a second or two."""
    fixed = ["trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.memory_format=contiguous"]
    return [*data_words(folder), *fixed, "evaluation.bootstrap=20", "tracking.system_metrics=false"]


def predict_words(material: Path, backend: str, model: Path, output: Path, *sources: str) -> list[str]:
    """A prediction on `sources`, or on the good video."""
    given = sources or (str(material / "good" / GOOD),)
    settings = [f"predict.backend={backend}", f"predict.model={model}", f"predict.output={output}"]
    return ["predict", *given, *settings, "predict.device=cpu"]


def probabilities_of(answer: Path) -> list[dict[str, float]]:
    """The probabilities of each video in a JSON file that `predict` wrote."""
    answers = json.loads(answer.read_text())["predictions"]
    return [{top["label"]: float(top["probability"]) for top in answer["top"]} for answer in answers]


def _pack(folder: Path) -> None:
    from action_recognition.serving.servable import save_servable

    save_servable(folder / "servable", onnx_path=folder / "model.onnx", checkpoint=folder / "model.ckpt")


def _write_sidecar(folder: Path) -> None:
    """An engine file and its sidecar; no engine inside, but everything before it is loaded can be tried."""
    import hashlib

    from action_recognition.export.engine import EngineInfo
    from action_recognition.models.module import VideoActionModel

    plan = b"engine" * 100
    (folder / "model.engine").write_bytes(plan)
    info = EngineInfo(
        contract=VideoActionModel.from_checkpoint(folder / "model.ckpt").contract,
        engine="tensorrt_rtx",
        library_version="1.5",
        compute_capability="8.9",
        precision="fp32",
        min_batch=1,
        opt_batch=1,
        max_batch=4,
        onnx_sha256="0" * 64,
        engine_sha256=hashlib.sha256(plan).hexdigest(),
    )
    (folder / "model.engine.json").write_text(info.to_json())


if __name__ == "__main__":
    make_material(Path(sys.argv[1]))

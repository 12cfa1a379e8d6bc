"""Plants faults in a data set in HMDB51's layout, and remembers what check-data must find."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

TAGS = "f_nm_np1_fr_med_0"


def read_bgr(path: Path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    frames = []
    while True:
        ok, frame = capture.read()
        if not ok:
            return frames
        frames.append(frame)


def write_bgr(path: Path, frames: list[np.ndarray], *, codec: str = "MJPG", fps: float = 30.0) -> None:
    """Encode anew; `size` is that of the first frame."""
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), fps, (width, height))
    assert writer.isOpened(), path
    for frame in frames:
        writer.write(frame)
    writer.release()


@dataclass
class Planting:
    """A copy of a data set that may be damaged; `codes` is what its split files will say: `{class: {name: code}}`."""

    root: Path
    split: int
    codes: dict[str, dict[str, str]]
    expected: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def copy(cls, videos: Path, splits: Path, root: Path, *, split: int, classes: list[str]) -> "Planting":
        """Copy what the split uses of some classes."""
        codes: dict[str, dict[str, str]] = {}
        for label in classes:
            lines = (splits / f"{label}_test_split{split}.txt").read_text().split("\n")
            codes[label] = {}
            for name, code in (line.split() for line in lines if line.strip()):
                if (videos / label / name).exists() and code != "0":
                    codes[label][name] = code
                    (root / "videos" / label).mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(videos / label / name, root / "videos" / label / name)
        return cls(root, split, codes)

    @property
    def overrides(self) -> list[str]:
        videos, splits = self.root / "videos", self.root / "splits"
        return ["data=hmdb51", f"data.videos_dir={videos}", f"data.splits_dir={splits}", f"data.split={self.split}"]

    def video(self, path: str) -> Path:
        return self.root / "videos" / path

    def write_splits(self) -> None:
        for label, codes in self.codes.items():
            path = self.root / "splits" / f"{label}_test_split{self.split}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text("".join(f"{name} {code} \n" for name, code in codes.items()))

    def replace(self, kind: str, path: str, content: bytes) -> None:
        self.video(path).write_bytes(content)
        self.expected.add((kind, path))

    def truncate(self, path: str, *, keep: float) -> None:
        content = self.video(path).read_bytes()
        self.replace("truncated", path, content[: int(keep * len(content))])

    def cut_unnoticed(self, path: str, *, keep: float) -> None:
        """End the file early and make its outermost length agree, as a careless repair does."""
        content = self.video(path).read_bytes()
        content = content[: int(keep * len(content))]
        self.replace("frame mismatch", path, content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:])

    def shorten(self, path: str, *, frames: int) -> None:
        write_bgr(self.video(path), read_bgr(self.video(path))[:frames])
        self.expected.add(("short", path))

    def copy_into_test(self, path: str, number: int) -> None:
        copy = self._add(path, f"Copied_film_{number}", ".avi", code="2")
        shutil.copyfile(self.video(path), self.video(copy))
        self.expected.add(("duplicate across splits", copy))

    def encode_into_test(self, path: str, number: int, *, suffix: str, codec: str, **changes: float) -> None:
        """Add another encoding of a clip: other `width`, frames cut off at `start` and `end`, other `light`."""
        frames = read_bgr(self.video(path))
        frames = frames[int(changes.get("start", 0)) : len(frames) - int(changes.get("end", 0))]
        height, width = frames[0].shape[:2]
        new_width = int(changes.get("width", width))
        size = (new_width, round(height * new_width / width / 2) * 2)
        frames = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames]
        frames = [cv2.convertScaleAbs(frame, alpha=0.9, beta=changes.get("light", 0.0)) for frame in frames]
        copy = self._add(path, f"Encoded_film_{number}", suffix, code="2")
        write_bgr(self.video(copy), frames, codec=codec, fps=changes.get("fps", 30.0))
        self.expected.add(("near duplicate across splits", copy))

    def move(self, path: str, label: str) -> None:
        """Move a clip to another class's folder and list, with its name."""
        old, name = path.split("/")
        self.codes[label][name] = self.codes[old].pop(name)
        self.video(path).rename(self.video(f"{label}/{name}"))
        self.expected.add(("mislabelled", f"{label}/{name}"))

    def misplace(self, path: str, label: str, number: int) -> None:
        """Move a clip to another class's folder under a neutral name, which its own class's list has."""
        old, name = path.split("/")
        plain = f"holiday-{number}.avi"
        self.codes[old][plain] = self.codes[old].pop(name)
        self.video(path).rename(self.video(f"{label}/{plain}"))
        self.expected.add(("mislabelled", f"{label}/{plain}"))

    def leak(self, trained: str, tested: str) -> None:
        """List the first of two test clips from one source for training."""
        label, name = trained.split("/")
        assert self.codes[label][name] == "2"
        self.codes[label][name] = "1"
        self.expected.add(("leaking", tested))

    def _add(self, path: str, source: str, suffix: str, *, code: str) -> str:
        label = path.split("/")[0]
        name = f"{source}_{label}_{TAGS}{suffix}"
        self.codes[label][name] = code
        return f"{label}/{name}"

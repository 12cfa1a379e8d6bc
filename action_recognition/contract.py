"""The clip contract: what training, evaluation, every exported file and every server agree on.

It is a frozen dataclass of plain values. It travels in the checkpoint as a plain dict, in the ONNX file's
`metadata_props`, in the TensorRT sidecar and in the MLflow model, so that no second place knows a mean, a size or
a class list.
"""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from action_recognition.errors import ContractError, check_at_least, check_choice

CONTRACT_VERSION = 2
# Version 1 had no `bits`: its clips are of 8 bits.
ADDED_SINCE: dict[int, dict[str, Any]] = {1: {"bits": 8}, CONTRACT_VERSION: {}}
CONTRACT_KEY = "clip_contract"
SHORT_CLIP_POLICIES = ("repeat_last", "wrap", "error")


@dataclass(frozen=True, kw_only=True)
class ClipContract:
    """How a clip for a model is cut from a video, and what the model's outputs mean.

    A clip is uint8 `[C, T, H, W]`, RGB, 0-255 (of depth: one channel, and uint16, 0-65535, with 16 bits), with
    `T = frames` taken every `stride` frames. Each frame is resized so that its shorter side is `short_side` pixels;
    the centre `size` x `size` pixels are the model's input. The model itself subtracts `mean` and divides by `std`
    (one value a channel, both on the scale of the clip's values).

    Args:
        frames: frames a clip (T).
        stride: distance between two frames of a clip, in frames of the video.
        short_side: pixels of the shorter frame side after resizing.
        size: pixels of the square that the model sees (H = W).
        mean, std: per channel, on the scale of the clip's values.
        class_names: the label of output `k` is `class_names[k]`.
        short_clip: what fills a clip when the video is shorter than its span: `repeat_last`, `wrap`, or `error`.
        data_hash: hash of the manifest that the model was trained on, empty before training.
        bits: of a value, 8 or 16.

    Raises:
        ContractError: on values that contradict each other.
    """

    frames: int
    stride: int
    short_side: int
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    class_names: tuple[str, ...]
    short_clip: str = "repeat_last"
    data_hash: str = ""
    channels: int = 3
    bits: int = 8
    version: int = CONTRACT_VERSION

    def __post_init__(self) -> None:
        for name in ("frames", "stride", "size"):
            check_at_least(name, getattr(self, name), 1)
        check_choice("short_clip", self.short_clip, SHORT_CLIP_POLICIES)
        check_choice("bits", self.bits, (8, 16))
        if self.short_side < self.size:
            raise ContractError(f"short_side={self.short_side}: expected at least size={self.size}")
        if not (len(self.mean) == len(self.std) == self.channels):
            raise ContractError(f"mean and std need {self.channels} values each, got {len(self.mean)}, {len(self.std)}")
        if len(set(self.class_names)) != len(self.class_names) or not self.class_names:
            raise ContractError("class_names must be distinct and not empty")

    @property
    def span(self) -> int:
        """Frames of video that one clip covers."""
        return (self.frames - 1) * self.stride + 1

    @property
    def min_frames(self) -> int:
        """A video with fewer frames is refused: one frame repeated T times would show no motion."""
        return min(2, self.frames)

    @property
    def clip_shape(self) -> tuple[int, int, int, int]:
        """`(C, T, H, W)` of one clip."""
        return (self.channels, self.frames, self.size, self.size)

    @property
    def dtype(self) -> str:
        """Of a clip, as numpy, torch and ONNX call it."""
        return f"uint{self.bits}"

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, safe for JSON and for `torch.load(weights_only=True)`."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @classmethod
    def from_dict(cls, values: dict[str, Any], *, origin: str) -> Self:
        """Read a contract back.

        Args:
            origin: the file it came from, for the error message.

        Raises:
            ContractError: if the version is another one, or keys are missing or unknown.
        """
        if not isinstance(values, dict) or values.get("version") not in list(ADDED_SINCE):
            found = values.get("version") if isinstance(values, dict) else type(values).__name__
            raise ContractError(
                f"{origin}: clip contract version {found}, expected {CONTRACT_VERSION}; export the model again with "
                "this version: python commands.py export-onnx"
            )
        values = ADDED_SINCE[values["version"]] | values | {"version": CONTRACT_VERSION}
        known = {field.name for field in fields(cls)}
        if set(values) != known:
            raise ContractError(f"{origin}: clip contract keys differ: {sorted(set(values) ^ known)}")
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**plain)

    @classmethod
    def from_json(cls, text: str | None, *, origin: str) -> Self:
        """Like `from_dict`, from the JSON text that an exported file carries; None means that it carries none."""
        if not text:
            raise ContractError(f"{origin}: no clip contract inside; was it made by python commands.py export-onnx?")
        try:
            return cls.from_dict(json.loads(text), origin=origin)
        except json.JSONDecodeError as error:
            raise ContractError(f"{origin}: clip contract is not JSON ({error})") from error

"""The clip contract: what training, evaluation, every exported file and every server agree on.

It is a frozen dataclass of plain values. It travels in the checkpoint as a plain dict, in the ONNX file's
`metadata_props`, in the TensorRT sidecar and in the MLflow model, so that no second place knows a mean, a size or
a class list.
"""

import json
from dataclasses import asdict, dataclass, fields
from math import prod
from typing import Annotated, Any, Self

from action_recognition.errors import ContractError, first_line
from action_recognition.older_contracts import known_rate
from action_recognition.utils.rules import DISTINCT, Choice, Length, Range, Text
from action_recognition.utils.stored_values import check_keys, check_values, shown

CONTRACT_VERSION = 4
FIRST_WITH_RATE = 3
UNCALIBRATED = {"temperature": 1.0, "threshold": 0.0}
# Version 1 had no `bits`: its clips are of 8 bits. Version 2 had no `fps`: its strides count frames of any rate, unless
# the data that it was trained on is known. Version 3 had no calibration.
ADDED_SINCE: dict[int, dict[str, Any]] = {
    1: {"bits": 8, "fps": 0.0, **UNCALIBRATED},
    2: {"fps": 0.0, **UNCALIBRATED},
    3: UNCALIBRATED,
    CONTRACT_VERSION: {},
}
CONTRACT_KEY = "clip_contract"
SHORT_CLIP_POLICIES = ("repeat_last", "wrap", "error")
# Of one clip: 2 GB where they are bytes, 8 GB as the model's float32.
MAX_CLIP_VALUES = 2**31
Pixels = Annotated[int, Range(1, 4096)]


@dataclass(frozen=True, kw_only=True)
class ClipContract:
    """How a clip for a model is cut from a video, and what the model's outputs mean.

    A clip is uint8 `[C, T, H, W]`, RGB, 0-255 (of depth: one channel, and uint16, 0-65535, with 16 bits), with
    `T = frames` taken every `stride` frames. Each frame is resized so that its shorter side is `short_side` pixels;
    the centre `size` x `size` pixels are the model's input. The model itself subtracts `mean` and divides by `std`
    (one value a channel, both on the scale of the clip's values).

    Args:
        frames: frames a clip (T).
        stride: distance between two frames of a clip, in frames of a video of `fps` frames per second.
        fps: the rate at which the stride counts. Videos of other rates are sampled by presentation time, see
            `video.frame_times`. 0 if clips have no rate, such as depth sequences: the stride counts frames.
        short_side: pixels of the shorter frame side after resizing.
        size: pixels of the square that the model sees (H = W).
        mean, std: per channel, on the scale of the clip's values.
        class_names: the label of output `k` is `class_names[k]`.
        short_clip: what fills a clip when the video is shorter than its span: `repeat_last`, `wrap`, or `error`.
        data_hash: hash of the manifest that the model was trained on, empty before training.
        bits: of a value, 8 or 16.
        temperature: logits are divided by it before the softmax, fitted on validation clips so that probabilities say
            how often the model is right; 1 before calibration. See `utils.probabilities`.
        threshold: a video whose likeliest class is less probable than this is none of the classes; 0 for never.

    The ranges allow what the configuration allows (`config.data_schema`).

    Raises:
        ContractError: on values of another type or range, or that contradict each other.
    """

    frames: Annotated[int, Range(1, 4096)]
    stride: Annotated[int, Range(1, 1000)]
    short_side: Pixels
    size: Pixels
    mean: Annotated[tuple[Annotated[float, Range(0, 65535)], ...], Length(1, 16)]
    # Less than a millionth would be zero in float32, or make infinity of a pixel.
    std: Annotated[tuple[Annotated[float, Range(1e-6, 65535)], ...], Length(1, 16)]
    class_names: Annotated[tuple[Annotated[str, Text(1000)], ...], Length(1, 1_000_000), DISTINCT]
    short_clip: Annotated[str, Choice(*SHORT_CLIP_POLICIES)] = "repeat_last"
    data_hash: Annotated[str, Text(128, may_be_empty=True)] = ""
    channels: Annotated[int, Range(1, 16)] = 3
    fps: Annotated[float, Range(0, 1000)] = 0.0
    bits: Annotated[int, Choice(8, 16)] = 8
    temperature: Annotated[float, Range(0.001, 1000)] = 1.0
    threshold: Annotated[float, Range(0, 1)] = 0.0
    version: Annotated[int, Choice(CONTRACT_VERSION)] = CONTRACT_VERSION

    def __post_init__(self) -> None:
        check_values(type(self), vars(self), origin="clip contract")
        for name in ("mean", "std"):  # JSON and YAML give whole numbers for 128.0
            object.__setattr__(self, name, tuple(map(float, getattr(self, name))))
        for name in ("fps", "temperature", "threshold"):
            object.__setattr__(self, name, float(getattr(self, name)))
        if self.short_side < self.size:
            raise ContractError(f"clip contract: short_side={self.short_side}: expected at least size={self.size}")
        if not (len(self.mean) == len(self.std) == self.channels):
            found = f"{len(self.mean)} and {len(self.std)}"
            raise ContractError(
                f"clip contract: mean and std: expected channels={self.channels} values each, got {found}"
            )
        if prod(self.clip_shape) > MAX_CLIP_VALUES:
            shape = " x ".join(map(str, self.clip_shape))
            raise ContractError(f"clip contract: a clip of {shape} values: expected at most {MAX_CLIP_VALUES:,}")

    @property
    def span(self) -> int:
        """Frames of video, at `fps` frames per second, that one clip covers."""
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

    @property
    def is_calibrated(self) -> bool:
        """Whether `temperature` and `threshold` are other than before calibration."""
        return (self.temperature, self.threshold) != tuple(UNCALIBRATED.values())

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
            ContractError: if the version is another one, keys are missing or unknown, or a value is not allowed.
        """
        version = values.get("version") if isinstance(values, dict) else None
        if type(version) is not int or version not in ADDED_SINCE:
            found = shown(version) if isinstance(values, dict) else type(values).__name__
            raise ContractError(
                f"{origin}: clip contract version {found}, expected {CONTRACT_VERSION}; export the model again with "
                "this version: python commands.py export-onnx"
            )
        values = ADDED_SINCE[version] | values | {"version": CONTRACT_VERSION}
        if version < FIRST_WITH_RATE and isinstance(values.get("class_names"), list | tuple):
            values["fps"] = known_rate(tuple(map(str, values["class_names"])))
        check_keys([field.name for field in fields(cls)], values, origin=f"{origin}: clip contract")
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        try:
            return cls(**plain)
        except ContractError as error:
            raise ContractError(f"{origin}: {error}") from None

    @classmethod
    def from_json(cls, text: str | None, *, origin: str) -> Self:
        """Like `from_dict`, from the JSON text that an exported file carries; None means that it carries none."""
        if not text:
            raise ContractError(f"{origin}: no clip contract inside; was it made by python commands.py export-onnx?")
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:  # not JSON, numbers of 5,000 digits, lists in lists in lists
            raise ContractError(f"{origin}: clip contract is not JSON ({first_line(error)})") from None
        return cls.from_dict(values, origin=origin)

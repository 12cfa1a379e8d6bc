"""What the keys of the groups `clip` and `augment` may be: how clips are cut, and what training makes of them."""

from dataclasses import dataclass, field
from typing import Annotated

from action_recognition.config.checking import Section, shown
from action_recognition.config.rules import INTERVAL, ChannelMeans, ChannelStds, Share
from action_recognition.contract import SHORT_CLIP_POLICIES
from action_recognition.errors import ConfigError
from action_recognition.utils.rules import Choice, Range

Pixels = Annotated[int, Range(1, 4096)]
# A factor between 1 - x and 1 + x; beyond 1 it would turn colours round.
ColorFactor = Annotated[float, Range(0, 1)]
BetaParameter = Annotated[float, Range(0, 100)]


@dataclass(kw_only=True)
class ClipConfig(Section, key="clip"):
    """How a clip is cut from a video: what the clip contract is made of, beside the class names.

    `mean` and `std` have one value per channel, on the scale of pixel values of `bits` bits.
    """

    frames: Annotated[int, Range(1, 4096)]
    stride: Annotated[int, Range(1, 1000)]
    short_side: Pixels
    size: Pixels
    short_clip: Annotated[str, Choice(*SHORT_CLIP_POLICIES)]
    mean: ChannelMeans
    std: ChannelStds
    bits: Annotated[int, Choice(8, 16)] = 8
    fps: Annotated[float, Range(0, 1000)] | None = None

    @property
    def channels(self) -> int:
        return len(self.mean)

    def check_together(self) -> None:
        if max(self.std) < 1 and max(map(abs, self.mean)) <= 1:
            line = f"clip.mean={shown(self.mean)}, clip.std={shown(self.std)}: expected on the scale of pixels"
            raise ConfigError(f"{line}, 0-255; multiply them by 255")


@dataclass(kw_only=True)
class AugmentConfig(Section, key="augment"):
    """Training-time augmentation; `crop_scale` is the share of the frame's area, colour values are +- factors.

    `randaugment_ops` of `randaugment_magnitude` (0-10) follow colour; `erasing_scale` is a share of the frame's area;
    `mixup_alpha` and `cutmix_alpha` are the Beta distribution's parameter, 0 for none, one of the two drawn a batch.
    """

    crop_scale: Annotated[list[Annotated[float, Range(above=0, most=1)]], INTERVAL]
    crop_ratio: Annotated[list[Annotated[float, Range(0.01, 100)]], INTERVAL]
    flip_probability: Share
    keep_direction: list[str]
    brightness: ColorFactor
    contrast: ColorFactor
    saturation: ColorFactor
    temporal_jitter: bool
    randaugment_ops: Annotated[int, Range(0, 16)] = 0
    randaugment_magnitude: Annotated[float, Range(0, 10)] = 9.0
    erasing_probability: Share = 0.0
    erasing_scale: Annotated[list[Annotated[float, Range(above=0, below=1)]], INTERVAL] = field(
        default_factory=lambda: [0.02, 0.33]
    )
    mixup_alpha: BetaParameter = 0.0
    cutmix_alpha: BetaParameter = 0.0

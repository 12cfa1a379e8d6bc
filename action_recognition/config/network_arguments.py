"""What `model.args` may hold: an argument has one meaning, and one range, in every network that takes it.

A network's constructor decides which of them it takes (`models.networks.build_network`). An argument that is not listed
here may be anything but NaN.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from action_recognition.config.rules import ChannelMeans, ChannelStds, Share, ShareBelowOne
from action_recognition.utils.rules import Choice, Length, Range

Units = Annotated[int, Range(1, 65536)]
Layers = Annotated[int, Range(1, 100)]

NETWORK_ARGUMENTS: Mapping[str, Any] = {
    "backbone": str,
    "variant": Annotated[str, Choice("original", "adapted")],
    "head": Annotated[str, Choice("linear", "light", "conv", "baseline")],
    "pooling": Annotated[str, Choice("average", "temporal_shift", "transformer")],
    "widths": Annotated[list[Units], Length(1, 16)] | None,
    "fc": Units | Annotated[list[Units], Length(1, 8)] | None,
    "hidden": Units,
    "dropout": ShareBelowOne | None,
    "stochastic_depth": Share,
    "depths": Annotated[list[Layers], Length(4, 4)],
    "dim": Units,
    "depth": Layers,
    "heads": Annotated[int, Range(1, 256)],
    "width_mult": Annotated[float, Range(above=0, most=16)],
    "groups": Annotated[int, Range(1, 64)],
    "same_padding": bool,
    "mean": ChannelMeans,
    "std": ChannelStds,
    "motion_mean": ChannelMeans,
    "motion_std": ChannelStds,
    "motion_size": Annotated[int, Range(1, 4096)],
    "appearance_stride": Annotated[int, Range(1, 1000)],
}

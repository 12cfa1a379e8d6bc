"""Networks by name. A new one is a file here, a line in `NETWORKS` and a file in `conf/model/`."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from action_recognition.errors import ConfigError, check_choice, first_line
from action_recognition.models.networks.base import ActionNetwork
from action_recognition.models.networks.whole_windows import use_whole_windows

# Module of this package, class, and torchvision's name where the class builds several of its networks.
# Imported when needed: importing torchvision alone takes a second.
NETWORKS: Mapping[str, tuple[str, ...]] = {
    "cnn3d": ("cnn3d", "CNN3D"),
    "c3d": ("c3d", "C3D"),
    "lrcn": ("lrcn", "LRCN"),
    "shufflenet3d": ("shufflenet3d", "ShuffleNet3D"),
    "r3d_18": ("torchvision_video", "VideoResNet", "r3d_18"),
    "mc3_18": ("torchvision_video", "VideoResNet", "mc3_18"),
    "r2plus1d_18": ("torchvision_video", "VideoResNet", "r2plus1d_18"),
    "s3d": ("torchvision_video", "S3D", "s3d"),
    "mvit_v2_s": ("torchvision_video", "MViTV2S", "mvit_v2_s"),
    "swin3d_t": ("torchvision_video", "Swin3DT", "swin3d_t"),
    "two_stream": ("two_stream", "TwoStream"),
    "resnet18": ("frame", "FrameNetwork", "resnet18"),
    "resnet50": ("frame", "FrameNetwork", "resnet50"),
    "efficientnet_b0": ("frame", "FrameNetwork", "efficientnet_b0"),
    "efficientnet_b7": ("frame", "FrameNetwork", "efficientnet_b7"),
    "mobilenet_v2": ("frame", "FrameNetwork", "mobilenet_v2"),
    "timm": ("timm_frames", "TimmFrames"),
}


def build_network(name: str, *, clip_shape: tuple[int, int, int, int], num_classes: int, **args: Any) -> ActionNetwork:
    """Make the network `name`, with random weights.

    Args:
        clip_shape: `(C, T, H, W)` of one input clip.

    Returns:
        A module from normalised float clips `[B, C, T, H, W]` to logits `[B, num_classes]`.

    Raises:
        ConfigError: if there is no such network, or it does not take `args` or such clips.
    """
    check_choice("model.network", name, NETWORKS)
    module, class_name, *torchvision_name = NETWORKS[name]
    network = getattr(import_module(f"{__name__}.{module}"), class_name)
    try:
        made: ActionNetwork = network(*torchvision_name, clip_shape=clip_shape, num_classes=num_classes, **args)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"model.args={args}: {name} does not take them ({first_line(error)})") from None
    use_whole_windows(made)
    return made

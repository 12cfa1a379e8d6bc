"""What every network keeps to, on miniatures: parts, any clips that it takes, training, ONNX, errors in one line."""

import pytest
import torch
from helpers.frame_checks import settle
from helpers.network_checks import check_every_stage_learns, check_logits, check_onnx, check_parts, noise

from action_recognition.errors import ConfigError
from action_recognition.models.networks import NETWORKS, build_network
from action_recognition.models.networks.base import ActionNetwork
from action_recognition.models.networks.whole_windows import WholeWindowConv3d

Shape = tuple[int, int, int, int]
C3D = {"widths": [4, 4, 6, 8, 8], "fc": [12, 10]}
SHALLOW = {"depths": [1, 1, 1, 1], "stochastic_depth": 0.0}
STREAMS = {"mean": [120.0, 110.0, 100.0], "std": [60.0, 50.0, 40.0], "motion_size": 32}
# Options by a name of the test's own: the network, its arguments, clips `(C, T, H, W)` and its features of each.
OPTIONS: dict[str, tuple[str, dict[str, object], dict[Shape, tuple[int, ...]]]] = {
    "cnn3d": ("cnn3d", {"widths": [4, 4, 6]}, {(3, 4, 32, 32): (6,), (1, 1, 16, 17): (6,), (6, 3, 16, 16): (6,)}),
    "c3d": (
        "c3d",
        {"variant": "original", **C3D},
        {(3, 8, 32, 40): (10,), (1, 8, 32, 40): (10,), (3, 1, 17, 20): (10,)},
    ),
    "c3d_adapted": (
        "c3d",
        {"variant": "adapted", **C3D},
        {(3, 10, 65, 70): (10,), (6, 10, 65, 70): (10,), (3, 9, 65, 65): (10,)},
    ),
    "lrcn": (
        "lrcn",
        {"variant": "original", "widths": [4, 8, 6, 6, 8], "fc": 12, "hidden": 8},
        {(3, 4, 67, 80): (4, 12), (1, 1, 67, 80): (1, 12)},
    ),
    "lrcn_adapted": (
        "lrcn",
        {"variant": "adapted", "widths": [4, 6], "hidden": 8},
        {(3, 4, 20, 17): (4, 120), (1, 1, 20, 17): (1, 120), (6, 2, 20, 17): (2, 120)},
    ),
    "shufflenet3d": (
        "shufflenet3d",
        {},
        {(3, 4, 32, 32): (480,), (1, 1, 20, 31): (480,), (3, 5, 33, 17): (480,), (6, 16, 32, 32): (480,)},
    ),
    "r3d_18": ("r3d_18", {}, {(3, 2, 24, 24): (512,)}),
    "mc3_18": ("mc3_18", {}, {(3, 4, 32, 32): (512,)}),
    "r2plus1d_18": ("r2plus1d_18", {}, {(1, 2, 24, 24): (512,)}),
    "mvit_v2_s": ("mvit_v2_s", SHALLOW, {(3, 4, 32, 32): (768,), (1, 2, 32, 36): (768,), (6, 4, 40, 32): (768,)}),
    "swin3d_t": ("swin3d_t", SHALLOW, {(3, 4, 32, 32): (768,), (1, 1, 30, 41): (768,), (6, 5, 32, 32): (768,)}),
    "resnet18": ("resnet18", {}, {(3, 4, 32, 32): (512,)}),
    "resnet18_transformer": (
        "resnet18",
        {"pooling": "transformer", "dim": 16, "depth": 1},
        {(3, 4, 32, 32): (4, 512)},
    ),
    "resnet50": ("resnet50", {}, {(3, 1, 32, 32): (2048,)}),
    "efficientnet_b0": ("efficientnet_b0", {}, {(3, 2, 48, 40): (1280,)}),
    "mobilenet_v2": ("mobilenet_v2", {"pooling": "temporal_shift"}, {(3, 4, 48, 40): (1280,)}),
    "two_stream": ("two_stream", STREAMS, {(3, 8, 64, 64): (5280,)}),
    "timm_resnet": ("timm", {"backbone": "test_resnet"}, {(3, 2, 64, 64): (96,)}),
    "timm_convnext": ("timm", {"backbone": "test_convnext", "pooling": "transformer"}, {(1, 3, 64, 64): (3, 64)}),
    "timm_vit": ("timm", {"backbone": "test_vit"}, {(3, 2, 64, 64): (64,)}),
}
CASES = [(option, shape) for option, (_, _, features) in OPTIONS.items() for shape in features]
SLOW_TO_EXPORT = ("r3d_18", "r2plus1d_18", "mvit_v2_s", "swin3d_t", "resnet50", "efficientnet_b0", "two_stream")
SLOW_TO_EXPORT += ("shufflenet3d", "mobilenet_v2", "resnet18_transformer", "timm_convnext", "timm_vit")
# Made large only, and tried in a file of their own.
ELSEWHERE = {"s3d", "efficientnet_b7"}


def make(option: str, shape: Shape) -> ActionNetwork:
    torch.manual_seed(0)
    name, args, _ = OPTIONS[option]
    network = build_network(name, clip_shape=shape, num_classes=5, **args)
    return settle(network, noise(4, *shape, seed=9))


def test_all_networks_are_tried() -> None:
    assert {name for name, _, _ in OPTIONS.values()} | ELSEWHERE == set(NETWORKS)


@pytest.mark.parametrize(("option", "shape"), CASES, ids=lambda value: str(value).replace(", ", "x"))
def test_features_make_logits_and_every_part_learns(option: str, shape: Shape) -> None:
    network = make(option, shape)
    check_parts(network)
    convolutions = [module for module in network.modules() if isinstance(module, torch.nn.Conv3d)]
    assert all(isinstance(module, WholeWindowConv3d) for module in convolutions)
    features = check_logits(network, noise(2, *shape), num_classes=5)
    assert features.shape == (2, *OPTIONS[option][2][shape])
    check_every_stage_learns(network, noise(4, *shape))


@pytest.mark.parametrize(
    "option", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW_TO_EXPORT)) for name in OPTIONS]
)
def test_the_onnx_graph_gives_the_same_logits(option: str) -> None:
    shape = next(iter(OPTIONS[option][2]))
    check_onnx(make(option, shape), shape)


@pytest.mark.parametrize(
    ("name", "shape", "args", "words"),
    [
        ("cnn3e", (3, 4, 32, 32), {}, "did you mean 'cnn3d'"),
        ("cnn3d", (3, 4, 32, 32), {"depth": 9}, "depth"),
        ("c3d", (3, 8, 32, 32), {"variant": "c3d"}, "variant=c3d: expected one of original, adapted"),
        ("c3d", (3, 8, 32, 32), {"variant": "original", "widths": [4, 4]}, "expected 5"),
        ("c3d", (3, 8, 65, 65), {"variant": "adapted"}, "smallest clip is 9x65x65"),
        ("c3d", (3, 9, 64, 65), {"variant": "adapted"}, "smallest clip is 9x65x65"),
        ("c3d", (3, 9, 65, 64), {"variant": "adapted"}, "smallest clip is 9x65x65"),
        ("lrcn", (3, 4, 32, 32), {"variant": "best"}, "variant=best: expected one of original, adapted"),
        ("lrcn", (3, 4, 3, 20), {"widths": [4, 6]}, "3x20: adapted takes them from 4x4"),
        ("lrcn", (3, 4, 66, 80), {"variant": "original"}, "66x80: original takes them from 67x67"),
        ("lrcn", (3, 4, 67, 80), {"variant": "original", "widths": [4, 4]}, "expected five even numbers"),
        ("lrcn", (3, 4, 67, 80), {"variant": "original", "widths": [4, 5, 4, 4, 4]}, "expected five even numbers"),
        ("shufflenet3d", (3, 4, 32, 32), {"groups": 5}, "groups=5: expected one of 1, 2, 3, 4, 8"),
        ("shufflenet3d", (3, 4, 32, 32), {"width_mult": 0.3}, "width_mult=0.3"),
        ("shufflenet3d", (3, 4, 32, 32), {"width_mult": 0.01}, "width_mult=0.01"),
        ("shufflenet3d", (3, 4, 32, 32), {"width": 2}, "width"),
        ("s3d", (3, 16, 112, 112), {}, "16x112x112 (frames x height x width): s3d takes them from 13x209x209"),
        ("s3d", (3, 12, 224, 224), {}, "12x224x224 (frames x height x width): s3d takes them from 13x209x209"),
        ("s3d", (3, 13, 208, 224), {}, "13x208x224 (frames x height x width): s3d takes them from 13x209x209"),
        *(
            ("mvit_v2_s", shape, {}, "even number of frames and sides that are multiples of 4 from 32")
            for shape in ((3, 5, 32, 32), (3, 1, 32, 32), (3, 4, 34, 32), (3, 4, 32, 28))
        ),
        ("mvit_v2_s", (3, 4, 32, 32), {"depths": [1, 0, 1, 1]}, "depths=[1, 0, 1, 1]"),
        ("swin3d_t", (3, 4, 32, 32), {"depths": [1, 0, 1, 1]}, "depths=[1, 0, 1, 1]"),
        ("two_stream", (1, 8, 64, 64), STREAMS, "expected 3 channels"),
        ("two_stream", (3, 2, 64, 64), STREAMS, "more frames than"),
        ("two_stream", (3, 8, 64, 64), STREAMS | {"motion_size": 48}, "expected a divisor of clip.size=64"),
        ("mobilenet_v2", (3, 4, 48, 40), {"head": "convs"}, "args.head=convs: expected one of linear, light, conv, ba"),
        ("mobilenet_v2", (3, 4, 48, 40), {"pooling": "max"}, "args.pooling=max: expected one of average, temporal_sh"),
        ("mobilenet_v2", (3, 4, 48, 40), {"pooling": "transformer", "head": "conv"}, "goes with head=linear or light"),
        ("mobilenet_v2", (3, 4, 48, 40), {"pooling": "transformer", "dim": 30}, "dim=30, heads=4: expected dim to be"),
        ("mobilenet_v2", (3, 4, 48, 40), {"pooling": "transformer", "depth": 0}, "depth=0: expected at least 1"),
        ("mobilenet_v2", (3, 1, 31, 64), {}, "frames of 31x64: expected at least 32x32"),
        ("resnet18", (3, 1, 32, 32), {"same_padding": True}, "same_padding"),
        ("timm", (3, 1, 32, 32), {"backbone": "resnet_18"}, "expected one of timm.list_models() (did you mean 'resn"),
    ],
)
def test_what_a_network_cannot_take_is_one_line(name: str, shape: Shape, args: dict, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        build_network(name, clip_shape=shape, num_classes=5, **args)
    assert words in str(raised.value)

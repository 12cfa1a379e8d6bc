"""TensorFlow's padding, and MobileNetV2 with weights that were trained with it."""

from pathlib import Path

import cv2
import pytest
import torch
import torch.nn.functional as F
from helpers.network_checks import noise, stir
from torch import Tensor

from action_recognition.models.networks import build_network
from action_recognition.models.networks.torchvision_backbones import SamePaddingConv2d
from action_recognition.models.pretrained import load_pretrained

# Expansion, channels, blocks and stride of MobileNetV2, table 2 of the paper.
TABLE = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(6, 7), (9, 12)])
def test_padding_is_tensorflows(kernel: int, stride: int, size: tuple[int, int]) -> None:
    """Each output computed by itself: TensorFlow's window starts `total // 2` before the input."""
    convolution = SamePaddingConv2d(2, 1, kernel, stride=stride, padding=kernel // 2)
    stir(convolution)
    image = noise(1, 2, *size)
    out = [-(-side // stride) for side in size]
    starts = [max((o - 1) * stride + kernel - side, 0) // 2 for o, side in zip(out, size, strict=True)]
    expected = torch.zeros(1, 1, *out)
    for y in range(out[0]):
        for x in range(out[1]):
            total = convolution.bias[0].clone()
            for i in range(kernel):
                for j in range(kernel):
                    row, column = y * stride + i - starts[0], x * stride + j - starts[1]
                    if 0 <= row < size[0] and 0 <= column < size[1]:
                        total += (convolution.weight[0, :, i, j] * image[0, :, row, column]).sum()
            expected[0, 0, y, x] = total
    torch.testing.assert_close(convolution(image), expected, rtol=1e-4, atol=1e-5)


def test_only_strided_convolutions_are_padded_so() -> None:
    network = build_network("mobilenet_v2", clip_shape=(3, 1, 64, 64), num_classes=2, same_padding=True)
    padded = [module for module in network.modules() if isinstance(module, SamePaddingConv2d)]
    assert len(padded) == 5
    assert all(module.stride == (2, 2) for module in padded)


def folded_mobilenet(weights: dict[str, Tensor], image: Tensor) -> Tensor:
    """The network of the paper with its batch norms inside the convolutions, written out."""

    def convolve(x: Tensor, key: str, stride: int = 1, relu: bool = True) -> Tensor:
        weight, bias = weights[f"{key}.weight"], weights[f"{key}.bias"]
        groups = weight.shape[0] if weight.shape[1] == 1 else 1
        if weight.shape[-1] == 3:
            x = F.pad(x, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))
        x = F.conv2d(x, weight, bias, stride, groups=groups)
        return x.clamp(0, 6) if relu else x

    x, number = convolve(image, "features.0.0", stride=2), 1
    for expansion, channels, blocks, first_stride in TABLE:
        for block in range(blocks):
            stride, name = (first_stride if block == 0 else 1), f"features.{number}.conv"
            y = convolve(x, f"{name}.0.0") if expansion > 1 else x
            depthwise = 1 if expansion > 1 else 0
            y = convolve(y, f"{name}.{depthwise}.0", stride=stride)
            y = convolve(y, f"{name}.{depthwise + 1}", relu=False)
            x, number = (x + y if stride == 1 and x.shape[1] == channels else y), number + 1
    x = convolve(x, "features.18.0").mean((2, 3))
    return F.linear(x, weights["classifier.1.weight"], weights["classifier.1.bias"])


def test_folded_weights_from_tensorflow_classify(shared_dir: Path) -> None:
    path = shared_dir / "weights" / "mobilenet_v2_imagenet_bnfolded_fp16.pt"
    network = build_network("mobilenet_v2", clip_shape=(3, 1, 224, 224), num_classes=1000, same_padding=True).eval()
    report = load_pretrained(network, str(path), network_name="mobilenet_v2")
    assert report.tensors_in_file == 106
    assert (report.missing, report.unexpected, report.mismatched) == ([], [], {})
    frame = cv2.imread(str(min((shared_dir / "har_stills" / "train").glob("*.jpg"))))
    rgb = torch.from_numpy(cv2.resize(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), (224, 224)))
    still = rgb.permute(2, 0, 1)[None].float() / 127.5 - 1
    weights = {name: tensor.float() for name, tensor in torch.load(path, weights_only=True).items()}
    with torch.no_grad():
        found, expected = network(still[:, :, None]), folded_mobilenet(weights, still)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    assert found.argmax() == expected.argmax()
    assert found.softmax(1).max() > 0.05  # sure of something: noise gives 0.001 a class

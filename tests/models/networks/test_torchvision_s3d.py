"""S3D, which takes only large clips: all on one network and one clip."""

import pytest
import torch
from helpers.network_checks import check_onnx, check_parts, noise, stir
from torchvision.models import get_model

from action_recognition.errors import ConfigError
from action_recognition.models.networks import build_network
from action_recognition.models.networks.base import ActionNetwork
from action_recognition.models.pretrained import load_pretrained

SMALLEST = (3, 13, 209, 209)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[ActionNetwork, torch.nn.Module]:
    theirs = get_model("s3d", weights=None).eval()
    stir(theirs)
    path = tmp_path_factory.mktemp("s3d") / "theirs.pth"
    torch.save(theirs.state_dict(), path)
    ours = build_network("s3d", clip_shape=SMALLEST, num_classes=400).eval()
    report = load_pretrained(ours, path.as_uri(), network_name="s3d")
    # Theirs classifies with a 1x1x1 convolution, ours with a linear layer.
    assert (report.missing, report.unexpected, report.mismatched, dict(report.adapted)) == ((), (), (), {})
    return ours, theirs


def test_same_function_as_torchvisions_own(pair: tuple[ActionNetwork, torch.nn.Module]) -> None:
    ours, theirs = pair
    clip_BCTHW = noise(1, *SMALLEST)
    with torch.inference_mode():
        features_BD = ours.features(clip_BCTHW)
        assert features_BD.shape == (1, 1024)
        torch.testing.assert_close(ours.head(features_BD), theirs(clip_BCTHW), rtol=1e-4, atol=1e-4)


def test_parts(pair: tuple[ActionNetwork, torch.nn.Module]) -> None:
    check_parts(pair[0])
    assert len(pair[0].stages()) == 5


@pytest.mark.slow
def test_onnx(pair: tuple[ActionNetwork, torch.nn.Module]) -> None:
    check_onnx(pair[0], SMALLEST, batch=1)


@pytest.mark.parametrize("shape", [(3, 16, 112, 112), (3, 12, 224, 224), (3, 13, 208, 224)], ids=str)
def test_a_clip_too_small_names_what_is_taken(shape: tuple[int, int, int, int]) -> None:
    with pytest.raises(ConfigError, match="13x209x209") as raised:
        build_network("s3d", clip_shape=shape, num_classes=2)
    assert "x".join(map(str, shape[1:])) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_other_channels() -> None:
    with torch.device("meta"):
        network = build_network("s3d", clip_shape=(6, 16, 224, 224), num_classes=7)
        assert network(torch.empty(2, 6, 16, 224, 224)).shape == (2, 7)

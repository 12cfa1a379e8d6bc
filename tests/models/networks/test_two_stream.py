import pytest
import torch
import torch.nn.functional as F
from helpers.network_checks import noise

from action_recognition.models.networks import build_network
from action_recognition.models.networks.two_stream import pool_grid
from action_recognition.models.pretrained import load_pretrained

SHAPE = (3, 8, 64, 64)
MEAN, STD = [120.0, 110.0, 100.0], [60.0, 50.0, 40.0]


def make(**args):
    given = {"clip_shape": SHAPE, "num_classes": 5, "mean": MEAN, "std": STD, "motion_size": 32, "width_mult": 0.5}
    torch.manual_seed(0)
    return build_network("two_stream", **(given | args))


@pytest.fixture(scope="module")
def network():
    """With statistics in its batch norms, that features react to what is seen."""
    made = make().train()
    with torch.no_grad():
        for seed in range(3):
            made(noise(4, *SHAPE, seed=seed))
    return made.eval()


def test_appearance_features_are_statistics_of_the_frames_features(network):
    clip = noise(2, *SHAPE)
    with torch.no_grad():
        found = network.appearance_features(clip)
        for one, expected in zip(clip, found, strict=True):
            frames = torch.stack([network.appearance(one[None, :, t]).mean(dim=(2, 3))[0] for t in range(0, 8, 2)])
            change = torch.stack([(frames[t + 1] - frames[t]).abs() for t in range(3)]).mean(dim=0)
            assert torch.allclose(torch.cat([frames.mean(0), frames.std(0), change]), expected, atol=1e-4)


def test_the_motion_stream_sees_its_own_normalisation_and_size(network):
    raw = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(0)) * 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1, 1) for values in (MEAN, STD))
    wanted = torch.tensor([114.77, 107.74, 99.48]).view(1, 3, 1, 1, 1)
    seen = []
    handle = network.motion.conv1.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        network((raw - mean) / std)
    handle.remove()
    half = F.interpolate(raw[0].transpose(0, 1), scale_factor=0.5, mode="area").transpose(0, 1)[None]
    assert torch.allclose(seen[0], half - wanted, atol=1e-2)


def test_the_order_of_frames_matters_to_motion(network):
    clip = noise(1, *SHAPE)
    with torch.no_grad():
        assert (network.motion_features(clip) - network.motion_features(clip.flip(2))).abs().max() > 1e-3


@pytest.mark.parametrize("size", [2, 4, 6, 7, 8])
def test_grid_pooling_is_adaptive_pooling(size):
    maps = noise(2, 3, 4, size, size)
    assert torch.allclose(pool_grid(maps), F.adaptive_avg_pool3d(maps, 2), atol=1e-6)


def test_a_single_place_stays_one():
    assert pool_grid(noise(1, 3, 1, 4, 4)).shape == (1, 3, 1, 2, 2)


def test_published_weights_of_both_parts_fit(shared_dir):
    weights = {
        "appearance": str(shared_dir / "weights/mobilenet_v2_imagenet_bnfolded_fp16.pt"),
        "motion": str(shared_dir / "weights/jester_shufflenet3d_v1_0.5x_g3_state_dict.pt"),
    }
    report = load_pretrained(make(same_padding=True), weights, network_name="two_stream")
    for part in report.parts:
        assert (len(part.unexpected), part.mismatched) == (2, {}), "all but the classifier"

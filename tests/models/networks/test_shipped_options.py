"""The shipped model options of the 3D networks, at the sizes their files name, against parameter counts by hand."""

import pytest
import torch

from action_recognition.config import load_config
from action_recognition.models.networks import build_network

# Millions of parameters for 400 classes; of torchvision's networks as its documentation has them.
MILLIONS = {
    "c3d": 30.22,  # 27.66 of convolutions, 512 * 2x2x2 * 512 + 512 * 512 of dense layers, batch norms, classifier
    "c3d_original": 79.63,
    "lrcn": 9.80,  # blocks 4.71, LSTM on 512x3x3 4.98, classifier 0.10
    "lrcn_original": 11.09,  # at 112x112 fc6 sees a 2x2 map: 4.20; CaffeNet 2.33, LSTM 4.46, classifier 0.10
    "shufflenet3d": 0.45,
    "r3d_18": 33.37,
    "mc3_18": 11.70,
    "r2plus1d_18": 31.51,
    "s3d": 8.32,
    "mvit_v2_s": 34.54,
    "swin3d_t": 28.16,
}
SIZES = {"s3d": ["clip.short_side=256", "clip.size=224"], "mvit_v2_s": ["clip.short_side=256", "clip.size=224"]}


@pytest.mark.parametrize("option", MILLIONS)
def test_option_builds_what_it_says(option: str) -> None:
    config = load_config([f"model={option}", "data=hmdb51", *SIZES.get(option, [])])
    shape = (3, config.clip.frames, config.clip.size, config.clip.size)
    with torch.device("meta"):
        network = build_network(config.model.network, clip_shape=shape, num_classes=400, **config.model.args)
        assert network(torch.empty(2, *shape)).shape == (2, 400)
    assert config.model.weights is None, "an offline machine must be able to train it"
    count = sum(weight.numel() for weight in network.parameters()) / 1e6
    assert count == pytest.approx(MILLIONS[option], abs=0.01)

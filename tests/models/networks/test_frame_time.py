"""Temporal shift and the transformer over frames, against references written out by hand."""

import pytest
import torch
from helpers.frame_checks import settle
from helpers.network_checks import noise, stir

from action_recognition.models.networks import build_network
from action_recognition.models.networks.frame_heads import TransformerHead
from action_recognition.models.networks.temporal_shift import ShiftedConv2d, temporal_shift


def make(name: str, frames: int, **args: object):
    torch.manual_seed(0)
    network = build_network(name, clip_shape=(3, frames, 32, 32), num_classes=5, **args)
    return settle(network, noise(4, 3, frames, 32, 32, seed=9))


@pytest.mark.parametrize("channels", [8, 24, 20])
def test_shift_is_the_papers(channels: int) -> None:
    clip_BTCHW = noise(2, 5, channels, 3, 2)
    expected, eighth = torch.zeros_like(clip_BTCHW), channels // 8
    for t in range(5):
        for c in range(channels):
            source = t + 1 if c < eighth else t - 1 if c < 2 * eighth else t
            if 0 <= source < 5:
                expected[:, t, c] = clip_BTCHW[:, source, c]
    given = clip_BTCHW.flatten(0, 1)
    kept = given.clone()
    assert torch.equal(temporal_shift(given, frames=5).unflatten(0, (2, 5)), expected)
    assert torch.equal(given, kept)


@pytest.mark.parametrize(("name", "count"), [("resnet50", 16), ("resnet18", 8), ("mobilenet_v2", 10)])
def test_every_residual_block_shifts(name: str, count: int) -> None:
    network = make(name, 4, pooling="temporal_shift")
    shifting = [part for part, module in network.backbone.named_modules() if isinstance(module, ShiftedConv2d)]
    assert len(shifting) == count
    if name == "resnet18":  # the skip connection is not shifted
        assert shifting == [f"layer{n}.{block}.conv1" for n in (1, 2, 3, 4) for block in (0, 1)]
    if name == "mobilenet_v2":  # the blocks of stride 1 between alike widths
        assert shifting == [f"features.{n}.conv.0.0" for n in (3, 5, 6, 8, 9, 10, 12, 13, 15, 16)]
    assert network.state_dict().keys() == make(name, 4).state_dict().keys()


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_a_still_is_not_shifted(name: str) -> None:
    still, shifting, plain = noise(2, 3, 1, 32, 32), make(name, 1, pooling="temporal_shift"), make(name, 1)
    plain.load_state_dict(shifting.state_dict())
    with torch.no_grad():
        assert torch.equal(shifting(still), plain(still))
        assert shifting(still).std() > 0.01


def test_shift_refuses_other_lengths() -> None:
    with pytest.raises(ValueError, match="clips of 8 frames: pooling=temporal_shift was made for 4"):
        make("mobilenet_v2", 4, pooling="temporal_shift")(noise(1, 3, 8, 32, 32))


@pytest.fixture
def head() -> TransformerHead:
    torch.manual_seed(0)
    head = TransformerHead(features=12, frames=4, num_classes=3, dim=8, depth=2, heads=2, dropout=0.5)
    stir(head)
    return head.eval()


def test_transformer_is_torchs_own_encoder(head: TransformerHead) -> None:
    frames_BTD = noise(3, 4, 12)
    x = torch.cat([head.class_token.expand(3, 1, 8), head.projection(frames_BTD) + head.positions], dim=1)
    for block in head.blocks:
        layer = torch.nn.TransformerEncoderLayer(8, 2, 32, activation="gelu", batch_first=True, norm_first=True)
        pairs = {
            "self_attn.in_proj_": block.query_key_value,
            "self_attn.out_proj.": block.projection,
            "linear1.": block.mlp[0],
            "linear2.": block.mlp[2],
            "norm1.": block.norm1,
            "norm2.": block.norm2,
        }
        layer.load_state_dict({k + n: v for k, part in pairs.items() for n, v in part.state_dict().items()})
        x = layer.eval()(x)
    torch.testing.assert_close(head(frames_BTD), head.classifier(head.norm(x)[:, 0]), rtol=1e-4, atol=1e-5)


def test_positions_are_interpolated_for_other_lengths(head: TransformerHead) -> None:
    with torch.no_grad():
        head.positions.copy_(torch.arange(4.0)[:, None].expand(4, 8))
    assert torch.equal(head._positions(4), head.positions)
    torch.testing.assert_close(head._positions(8)[:, 0], torch.tensor([0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]))
    assert head(noise(2, 8, 12)).shape == head(noise(2, 1, 12)).shape == (2, 3)

"""Attention roll-out against full matrices multiplied out, and against what the networks' own modules pass on."""

from itertools import product

import numpy as np
import pytest
import torch
from helpers.tiny_models import tiny_model
from models.test_layers import model_of
from torch import Tensor, nn
from torchvision.models.swin_transformer import PatchMerging
from torchvision.models.video.swin_transformer import ShiftedWindowAttention3d

from action_recognition.explain.attention import attention_steps, merging_step, unpooled
from action_recognition.explain.rollout import carried, has_roll_out, roll_out
from action_recognition.models.module import VideoActionModel
from action_recognition.models.networks.frame_heads import EncoderBlock

TRANSFORMERS = {
    "mvit_v2_s": (2, 16, 16),
    "swin3d_t": (2, 8, 8),
    "resnet18_transformer": (4, 1, 1),
    "timm_convnext": (3, 1, 1),
    "timm_vit": (2, 10, 10),
}


def clip_of(model: VideoActionModel) -> Tensor:
    return torch.randint(0, 256, (1, *model.contract.clip_shape), generator=torch.Generator().manual_seed(0)).byte()


@pytest.mark.parametrize("option", TRANSFORMERS)
def test_shares_of_every_transformer_sum_to_one_through_every_layer(option: str) -> None:
    model = model_of(option).eval()
    assert has_roll_out(model.network)
    found = roll_out(model, clip_of(model))
    assert found.share_THW.shape == TRANSFORMERS[option]
    assert found.over_frames_only == (TRANSFORMERS[option][1:] == (1, 1))
    assert found.share_THW.min() > 0
    assert found.share_THW.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(found.share_THW, roll_out(model, clip_of(model)).share_THW)
    with torch.no_grad(), attention_steps(model.network) as steps:
        model(clip_of(model))
    for part in (False, True):
        chosen = [step for name, step in steps if name.startswith("head.") is part]
        if not chosen:
            continue
        tokens = outputs_of(model, option) if not part else model.contract.frames + 1
        share_NQ = torch.rand(model.contract.frames if option == "timm_vit" and not part else 1, tokens)
        share_NQ /= share_NQ.sum(dim=1, keepdim=True)
        for step in reversed(chosen):
            share_NQ = step(share_NQ)
            assert share_NQ.min() >= 0
            torch.testing.assert_close(share_NQ.sum(dim=1), torch.ones(len(share_NQ)))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def outputs_of(model: VideoActionModel, option: str) -> int:
    """Tokens at the end of the backbone."""
    return {"mvit_v2_s": 1 + 2 * 2 * 2, "swin3d_t": 2, "timm_vit": 1 + 100}[option]


@pytest.mark.parametrize("option", ["resnet18", "two_stream", "cnn3d", "lrcn_adapted"])
def test_networks_without_attention_have_none(option: str) -> None:
    model = model_of(option)
    assert not has_roll_out(model.network)
    assert roll_out(model, clip_of(model)) is None


def test_a_tiny_transformer_multiplied_out() -> None:
    """Attention from queries and keys by hand, whole matrices of three blocks, the row of the class token."""
    torch.manual_seed(0)
    blocks = nn.Sequential(*(EncoderBlock(12, heads=3, dropout=0.0) for _ in range(3))).eval()
    for weight in blocks.parameters():
        nn.init.normal_(weight, std=0.5)
    tokens_BND = torch.randn(1, 6, 12)
    product_NN = torch.eye(6)
    with torch.no_grad():
        given = tokens_BND
        for block in blocks:
            query, key, _ = block.query_key_value(block.norm1(given))[0].split(12, dim=1)
            mean = torch.zeros(6, 6)
            for head in range(3):
                part = slice(4 * head, 4 * head + 4)
                scores = torch.tensor([[float(q @ k) / 2 for k in key[:, part]] for q in query[:, part]])
                mean += scores.exp() / scores.exp().sum(dim=1, keepdim=True) / 3
            product_NN = (mean + torch.eye(6)) / 2 @ product_NN
            given = block(given)
        with attention_steps(blocks) as steps:
            blocks(tokens_BND)
    assert [name for name, _ in steps] == ["0", "1", "2"]
    for row in range(6):
        start = torch.eye(6)[row : row + 1]
        torch.testing.assert_close(
            carried([step for _, step in steps], start)[0], product_NN[row], rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("grid", [(2, 4, 4), (4, 8, 4), (2, 4, 8), (3, 4, 6)])
def test_shifted_windows_pass_on_what_torchvisions_own_module_does(grid: tuple[int, int, int]) -> None:
    """With zero queries and values handed through, the module applies its attention to the input: it is linear.

    Its gradient is then the step; position biases make attention uneven, and differ between heads.
    """
    torch.manual_seed(0)
    for shift in ([0, 0, 0], [1, 2, 2]):
        module = ShiftedWindowAttention3d(
            4, window_size=[2, 4, 4], shift_size=shift, num_heads=2, qkv_bias=False
        ).eval()
        with torch.no_grad():
            module.qkv.weight.zero_()
            module.qkv.weight[8:] = torch.eye(4)
            module.proj.weight.copy_(torch.eye(4))
            module.proj.bias.zero_()
            module.relative_position_bias_table.normal_()
        tokens = torch.rand(1, *grid, 4, requires_grad=True)
        with attention_steps(nn.Sequential(module)) as steps:
            attended = nn.Sequential(module)(tokens)
        share_NQ = torch.rand(1, grid[0] * grid[1] * grid[2])
        (passed,) = torch.autograd.grad(attended, tokens, share_NQ.view(1, *grid, 1).expand_as(attended))
        if any(side % min(side, window) for side, window in zip(grid, (2, 4, 4), strict=True)):
            step = steps[0][1]
            torch.testing.assert_close(step(share_NQ).sum(), share_NQ.sum())  # what goes to padding is shared out
            continue
        expected_NK = (share_NQ + passed.mean(dim=-1).flatten(1)) / 2
        torch.testing.assert_close(steps[0][1](share_NQ), expected_NK, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sides", [(2, 4, 6), (1, 5, 3), (2, 1, 4)])
def test_merged_tokens_give_equal_shares_to_the_neighbours_that_they_came_from(sides: tuple[int, int, int]) -> None:
    """A change of one token changes those merged tokens, and only those, that give it a share."""
    module = PatchMerging(2)
    tokens = torch.zeros(1, *sides, 2)
    rows, columns = -(-sides[1] // 2), -(-sides[2] // 2)
    for place, (time, row, column) in enumerate(product(*map(range, sides))):
        merged = torch.zeros(sides[0], rows, columns)
        merged[time, row // 2, column // 2] = 1
        shared = merging_step(module, (tokens,), [])(merged.flatten()[None])[0]
        family = min(2, sides[1] - row // 2 * 2) * min(2, sides[2] - column // 2 * 2)
        assert shared[place] == pytest.approx(1 / family)
        assert shared.sum() == pytest.approx(1)


def test_unpooled_shares_go_to_the_tokens_in_reach() -> None:
    grid, kernel, stride, padding = (2, 5, 4), (3, 3, 3), (1, 2, 4), (1, 1, 1)
    pooled = tuple(
        (side + 2 * pad - size) // step + 1 for side, size, step, pad in zip(grid, kernel, stride, padding, strict=True)
    )
    share = torch.rand(2, pooled[0] * pooled[1] * pooled[2])
    expected = torch.zeros(2, *grid)
    for place, position in enumerate(product(*map(range, pooled))):
        reach = [
            [at for at in range(index * step - pad, index * step - pad + size) if 0 <= at < side]
            for index, step, pad, size, side in zip(position, stride, padding, kernel, grid, strict=True)
        ]
        cells = list(product(*reach))
        for time, row, column in cells:
            expected[:, time, row, column] += share[:, place] / len(cells)
    torch.testing.assert_close(unpooled(share, grid, kernel, stride, padding), expected.flatten(1))


def test_a_block_of_mvit_multiplied_out() -> None:
    """Attention as recorded; pooling, the pooled queries and the skip connection as whole matrices."""
    model = model_of("mvit_v2_s").eval()
    block = model.network.backbone.blocks[1]  # pools queries, keys and the skip connection
    grid, tokens = (2, 16, 16), 1 + 512
    captured_attention: list[Tensor] = []
    given = torch.randn(1, tokens, 96, generator=torch.Generator().manual_seed(1))
    softmax = Tensor.softmax
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Tensor, "softmax", lambda self, dim: captured_attention.append(softmax(self, dim)) or softmax(self, dim)
        )
        block(given, grid)
    attention_QK = captured_attention[0][0].mean(dim=0)
    with torch.no_grad(), attention_steps(nn.ModuleList([block])) as steps:
        block(given, grid)

    def pooling_matrix(pool: nn.Module | None) -> Tensor:
        if pool is None:
            return torch.eye(512)
        given_sizes = (pool.pool.kernel_size, pool.pool.stride, pool.pool.padding)
        sizes = [(value,) * 3 if isinstance(value, int) else tuple(value) for value in given_sizes]
        ones = torch.ones(1, 1, *sizes[0])
        count = nn.functional.conv3d(torch.ones(1, 1, *grid), ones, stride=sizes[1], padding=sizes[2])
        columns = [
            (nn.functional.conv3d(unit.view(1, 1, *grid), ones, stride=sizes[1], padding=sizes[2]) / count).flatten()
            for unit in torch.eye(512)
        ]
        return torch.stack(columns, dim=1)

    def with_token(matrix: Tensor) -> Tensor:
        return torch.block_diag(torch.ones(1, 1), matrix)

    queries, keys, skip = (
        with_token(pooling_matrix(pool)) for pool in (block.attn.pool_q, block.attn.pool_k, block.pool_skip)
    )
    attended = attention_QK @ keys
    attended[1:] = (attended[1:] + queries[1:]) / 2
    expected_QN = (attended + skip) / 2
    share_NQ = torch.rand(3, len(expected_QN))
    torch.testing.assert_close(torch.cat([steps[0][1](share[None]) for share in share_NQ]), share_NQ @ expected_QN)


def test_a_frozen_or_training_model_gives_the_same_shares() -> None:
    model = model_of("resnet18_transformer").train().requires_grad_(False)
    found = roll_out(model, clip_of(model)).share_THW
    assert all(module.training for module in model.modules())
    np.testing.assert_array_equal(roll_out(model.eval(), clip_of(model)).share_THW, found)
    assert roll_out(tiny_model(), clip_of(tiny_model())) is None

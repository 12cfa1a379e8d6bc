from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from action_recognition.config import load_config
from action_recognition.transforms.augment import ClipAugment


def augment(clip, labels=None, *, seed=0, size=16, ranks=None, **changes):
    config = replace(load_config(["augment=none"]).augment, **changes)
    labels = torch.zeros(len(clip), dtype=torch.int64) if labels is None else labels
    return ClipAugment(config, size=size, class_names=("left", "right"))(clip, labels, seed=seed, **(ranks or {}))


@pytest.fixture
def clip():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (6, 3, 4, 16, 16), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("size", [16, 8])
def test_the_whole_frame_is_scaled_as_interpolate_scales_it(clip, size):
    frames = F.interpolate(clip.float().flatten(0, 1), size=(size, size), mode="bilinear")
    assert torch.allclose(augment(clip, size=size).flatten(0, 1), frames, atol=1e-3)


def test_flips_mirror_clips_except_those_of_classes_that_keep_their_direction(clip):
    labels = torch.tensor([0, 1, 0, 1, 0, 1])
    out = augment(clip, labels, flip_probability=1.0, keep_direction=["right"])
    assert torch.allclose(out[labels == 1], clip[labels == 1].float(), atol=1e-3)
    assert torch.allclose(out[labels == 0], clip[labels == 0].float().flip(-1), atol=1e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {"crop_scale": [0.3, 0.8], "flip_probability": 0.5, "brightness": 0.9, "contrast": 0.9, "saturation": 0.9},
        {"randaugment_ops": 2, "randaugment_magnitude": 9.0},
    ],
)
def test_the_seed_determines_one_draw_per_clip_and_values_stay_in_range(clip, changes):
    still = clip[:, :, :1].expand(-1, -1, 5, -1, -1)
    out = augment(still, seed=5, **changes)
    assert out.dtype == torch.float32
    assert 0 <= out.min() <= out.max() <= 255
    assert torch.allclose(out, out[:, :, :1].expand_as(out), atol=1e-3), "all frames get the same draw"
    assert not torch.allclose(out, still.float(), atol=2)
    one_clip_twice = augment(still[:1].expand(2, -1, -1, -1, -1), seed=5, **changes)
    assert not torch.allclose(one_clip_twice[0], one_clip_twice[1], atol=1.0)
    assert torch.equal(out, augment(still, seed=5, **changes))
    assert not torch.equal(out, augment(still, seed=6, **changes))


def test_saturation_keeps_the_luma():
    clip = torch.randint(0, 256, (1, 3, 2, 8, 8), dtype=torch.uint8)
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1, 1)
    luma = (clip[0] * weights).sum(0)
    outs = [augment(clip, seed=seed, size=8, saturation=1.0)[0] for seed in range(40)]
    for out in outs:
        inside = ((out > 1) & (out < 254)).all(dim=0)
        assert torch.allclose((out * weights).sum(0)[inside], luma[inside], atol=0.1)
    spread = [float((out[0] - out[2]).abs().mean()) for out in outs]
    assert max(spread) > 2 * min(spread)


def test_randaugment_leaves_the_global_generator_alone(clip):
    before = torch.random.get_rng_state()
    augment(clip, randaugment_ops=1, erasing_probability=1.0)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("channels", [1, 3])
def test_erasing_puts_the_mean_into_one_box_of_every_frame(clip, channels):
    clip = clip[:, :channels]
    out = augment(clip, erasing_probability=1.0, erasing_scale=[0.1, 0.3])
    for before, after in zip(clip.float(), out, strict=True):
        erased = (after - before).abs().amax(dim=(0, 1)) > 1e-2
        rows, columns = erased.any(dim=1), erased.any(dim=0)
        assert 0.05 < float(rows.sum() * columns.sum()) / erased.numel() < 0.4
        box = after[:, :, rows][..., columns]
        assert torch.allclose(box, before.mean(dim=(1, 2, 3)).view(-1, 1, 1, 1).expand_as(box), atol=1e-2)


def test_processes_together_draw_what_a_single_one_draws(clip):
    changes = {"crop_scale": [0.3, 1.0], "flip_probability": 0.5, "brightness": 0.4, "randaugment_ops": 1}
    parts = [augment(clip[3 * r : 3 * r + 3], seed=4, ranks={"rank": r, "world": 2}, **changes) for r in range(2)]
    assert torch.equal(torch.cat(parts), augment(clip, seed=4, **changes))

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from action_recognition.transforms.mixing import mix

LABELS = torch.tensor([0, 1, 2, 1])
CLIPS = torch.rand(4, 3, 2, 8, 10, generator=torch.Generator().manual_seed(0)) * 255


def mixed(inputs, *, mixup=0.0, cutmix=0.0, seed=0):
    return mix(inputs, LABELS, num_classes=3, mixup_alpha=mixup, cutmix_alpha=cutmix, seed=seed)


def test_mixup_is_torchvisions_with_the_same_share():
    out, label_BK = mixed(CLIPS, mixup=0.4)
    share = float(label_BK[0, 0])  # clip 0 is the only one of its class, and is mixed with clip 3
    reference = v2.MixUp(num_classes=3)
    for frame in range(CLIPS.shape[2]):
        expected = reference.transform(CLIPS[:, :, frame], {"labels": LABELS, "batch_size": 4, "lam": share})
        assert torch.allclose(out[:, :, frame], expected, atol=1e-3)
    assert torch.allclose(label_BK.sum(dim=1), torch.ones(4))


def test_cutmix_pastes_one_box_of_the_clip_before_into_every_frame():
    for seed in range(20):
        out, label_BK = mixed(CLIPS, cutmix=1.0, seed=seed)
        pasted = (out != CLIPS).any(dim=(0, 1, 2))
        assert torch.equal(out[..., pasted], CLIPS.roll(1, dims=0)[..., pasted])
        rows, columns = pasted.any(dim=1), pasted.any(dim=0)
        assert pasted.sum() == rows.sum() * columns.sum(), "a box"
        assert float(label_BK[0, 0]) == pytest.approx(1 - float(pasted.float().mean()), abs=1e-6)


def test_shares_are_drawn_from_the_beta_distribution():
    shares = [float(mixed(CLIPS, mixup=0.3, seed=seed)[1][0, 0]) for seed in range(400)]
    expected = np.random.default_rng(0).beta(0.3, 0.3, size=20_000)
    assert np.mean(shares) == pytest.approx(0.5, abs=0.06)
    assert np.std(shares) == pytest.approx(expected.std(), abs=0.04)


def test_with_both_about_half_of_the_batches_are_cut():
    cut = sum(bool((mixed(CLIPS, mixup=0.5, cutmix=1.0, seed=seed)[0] == CLIPS).any()) for seed in range(200))
    assert 70 < cut < 130


def test_features_are_only_blended():
    features = torch.rand(4, 7)
    for seed in range(5):
        out, label_BK = mixed(features, cutmix=1.0, seed=seed)
        share = label_BK[0, 0]
        assert torch.allclose(out[0], share * features[0] + (1 - share) * features[3], atol=1e-6)

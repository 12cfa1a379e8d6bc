import pytest
import torch
from torch import nn

from action_recognition.config import OptimizerConfig
from action_recognition.models.optimizers import make_optimizer, schedule_factor

PLAIN = {"lr": 0.1, "weight_decay": 0.5, "schedule": "cosine", "warmup_epochs": 1, "label_smoothing": 0.0}


def test_cosine_agrees_with_torchs_own():
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50)
    for step in range(50):
        ours = schedule_factor(step, total=50, warmup=0, schedule="cosine")
        assert ours == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9)
        optimizer.step()
        reference.step()


def test_warm_up_rises_evenly_to_the_full_rate():
    factors = [schedule_factor(step, total=20, warmup=4, schedule="constant") for step in range(6)]
    assert factors == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])


@pytest.mark.parametrize(
    ("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)]
)
def test_norms_and_biases_do_not_decay(name, kind):
    network = nn.Sequential(nn.Conv3d(3, 4, 3), nn.BatchNorm3d(4))
    made = make_optimizer(network.parameters(), OptimizerConfig(name=name, **PLAIN), 10, 5)
    assert isinstance(made["optimizer"], kind)
    decayed, plain = made["optimizer"].param_groups
    assert [tuple(p.shape) for p in decayed["params"]] == [(4, 3, 3, 3, 3)]
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.5, 0.0)
    assert len(plain["params"]) == 3


def test_frozen_parameters_are_left_out():
    network = nn.Linear(3, 2)
    network.bias.requires_grad_(False)
    made = make_optimizer(network.parameters(), OptimizerConfig(name="adam", **PLAIN), 10, 5)
    assert sum(len(group["params"]) for group in made["optimizer"].param_groups) == 1

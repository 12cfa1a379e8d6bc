import pytest
import torch
from torch import nn

from action_recognition.config import OptimizerConfig
from action_recognition.models.networks.base import ActionNetwork
from action_recognition.models.optimizers import make_optimizer, schedule_factor

PLAIN = {"lr": 0.1, "weight_decay": 0.5, "schedule": "cosine", "warmup_epochs": 1, "label_smoothing": 0.0}


class TwoStages(ActionNetwork):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv3d(3, 4, 3)
        self.body = nn.Sequential(nn.Conv3d(4, 5, 1), nn.BatchNorm3d(5))
        self.head = nn.Linear(5, 2)

    def stages(self):
        return [self.stem, self.body]


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
    made = make_optimizer(TwoStages(), OptimizerConfig(name=name, **PLAIN), 10, 5)
    assert isinstance(made["optimizer"], kind)
    for group in made["optimizer"].param_groups:
        assert {p.ndim > 1 for p in group["params"]} == {group["weight_decay"] == 0.5}
        assert group["weight_decay"] in (0.5, 0.0)
    assert sum(len(group["params"]) for group in made["optimizer"].param_groups) == 8


def test_rates_fall_from_the_head_to_the_input():
    network = TwoStages()
    config = OptimizerConfig(name="adamw", **PLAIN, layer_decay=0.5)
    groups = make_optimizer(network, config, 10, 5)["optimizer"].param_groups
    rates = {id(p): group["initial_lr"] for group in groups for p in group["params"]}
    for part, rate in ((network.head, 0.1), (network.body, 0.05), (network.stem, 0.025)):
        assert [rates[id(p)] for p in part.parameters()] == pytest.approx([rate] * len(list(part.parameters())))


def test_frozen_parameters_stay_what_they_are_until_they_thaw():
    network = TwoStages()
    network.stem.requires_grad_(False)
    made = make_optimizer(network, OptimizerConfig(name="adamw", **PLAIN), 10, 5)
    before = network.stem.weight.clone()

    def step():
        loss = network.head(network.body(network.stem(torch.ones(2, 3, 3, 3, 3))).flatten(1)).square().sum()
        made["optimizer"].zero_grad()
        loss.backward()
        made["optimizer"].step()

    step()
    assert torch.equal(network.stem.weight, before)
    network.stem.requires_grad_(True)
    step()
    assert not torch.equal(network.stem.weight, before)

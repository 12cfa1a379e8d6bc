import json

import pytest
import torch
from torch import nn

from action_recognition.config import load_config
from action_recognition.training import step
from action_recognition.training.step import StepPlan, candidates, choose_step

SHAPE = (3, 4, 32, 32)


def settings(**changes):
    config = load_config([f"trainer.{key}={value}" for key, value in {"accelerator": "cpu", **changes}.items()])
    return config.trainer


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 4, 3)

    def forward(self, clip):
        return self.conv(clip.float()).mean(dim=(2, 3, 4))


def choose(cache, seconds, monkeypatch, **changes):
    """`choose_step` where measuring takes the seconds given for each plan."""
    measured = []

    def measure(model, plan, clip_shape, device):
        measured.append(plan)
        return seconds[plan.precision, plan.memory_format]

    monkeypatch.setattr(step, "measure_step", measure)
    monkeypatch.setattr(step, "fast_precision", lambda device: "bf16-mixed")
    plan = choose_step(lambda layout: Net(), settings(**changes), clip_shape=SHAPE, label="net", cache=cache)
    return plan, measured


TIMES = {
    ("32-true", "contiguous"): 4.0,
    ("32-true", "channels_last_3d"): 2.0,
    ("bf16-mixed", "contiguous"): 3.0,
    ("bf16-mixed", "channels_last_3d"): 1.0,
}


def test_the_fastest_plan_is_taken_and_remembered(tmp_path, monkeypatch):
    cache = tmp_path / "plans.json"
    plan, measured = choose(cache, TIMES, monkeypatch)
    assert plan == StepPlan(precision="bf16-mixed", memory_format="channels_last_3d", speedup=4.0)
    assert len(measured) == 4
    again, measured = choose(cache, TIMES, monkeypatch)
    assert again == plan
    assert measured == []
    assert len(json.loads(cache.read_text())) == 1


def test_a_gain_within_the_noise_is_no_reason_to_leave_float32(tmp_path, monkeypatch):
    times = dict.fromkeys(TIMES, 1.0) | {("bf16-mixed", "contiguous"): 0.95}
    plan, _ = choose(tmp_path / "plans.json", times, monkeypatch)
    assert plan == StepPlan(precision="32-true", memory_format="contiguous", speedup=1.0)


def test_what_the_user_sets_is_not_measured_away(tmp_path, monkeypatch):
    plan, measured = choose(tmp_path / "plans.json", TIMES, monkeypatch, precision="32-true")
    assert {p.precision for p in measured} == {"32-true"}
    assert plan.memory_format == "channels_last_3d"
    plan, measured = choose(
        tmp_path / "plans.json", TIMES, monkeypatch, precision="32-true", memory_format="contiguous"
    )
    assert measured == []
    assert plan == StepPlan(precision="32-true", memory_format="contiguous")


def test_half_types_are_offered_only_where_the_chip_has_them(monkeypatch):
    monkeypatch.setattr(step, "_cpuinfo", lambda: "model name : x\nflags : avx2 fma\n")
    plans = candidates(settings(), torch.device("cpu"))
    assert {plan.precision for plan in plans} == {"32-true"}
    monkeypatch.setattr(step, "_cpuinfo", lambda: "model name : x\nflags : avx2 amx_bf16 amx_tile\n")
    assert {plan.precision for plan in candidates(settings(), torch.device("cpu"))} == {"32-true", "bf16-mixed"}


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_measuring_runs_forward_and_backward(precision):
    net = Net()
    plan = StepPlan(precision=precision, memory_format="contiguous")
    assert step.measure_step(net, plan, SHAPE, torch.device("cpu"), repeats=1) > 0
    assert net.conv.weight.grad is not None


def test_float16_on_a_cpu_becomes_what_the_chip_computes(monkeypatch):
    config = settings(precision="16-mixed")
    monkeypatch.setattr(step, "_cpuinfo", lambda: "model name : x\nflags : avx2 fma\n")
    assert {plan.precision for plan in candidates(config, torch.device("cpu"))} == {"32-true"}
    monkeypatch.setattr(step, "_cpuinfo", lambda: "model name : x\nflags : avx2 amx_bf16 amx_tile\n")
    assert {plan.precision for plan in candidates(config, torch.device("cpu"))} == {"bf16-mixed"}

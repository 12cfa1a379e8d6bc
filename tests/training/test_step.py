import itertools
import json

import lightning as L
import pytest
import torch
from helpers.tiny_models import tiny_contract
from rich.console import Console
from torch import nn
from torch.utils.data import DataLoader

from action_recognition.config import load_config
from action_recognition.data.dataset import ClipBatch
from action_recognition.errors import ConfigError
from action_recognition.models.module import VideoActionModel
from action_recognition.training import step, step_plan
from action_recognition.training.step import Race, choose_step
from action_recognition.training.step_plan import StepPlan, candidates
from action_recognition.training.step_proof import PLAIN, StepResult, StepTrial
from action_recognition.utils import cpu

SHAPE = (3, 4, 32, 32)
CPU = torch.device("cpu")
HALF = [StepPlan(precision="bf16-mixed", memory_format=layout) for layout in ("contiguous", "channels_last_3d")]


def settings(**changes):
    config = load_config([f"trainer.{key}={value}" for key, value in {"accelerator": "cpu", **changes}.items()])
    return config.trainer


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 4, 3)

    def forward(self, clip):
        return self.conv(clip.float()).mean(dim=(2, 3, 4))


class TimedTrial:
    """A trial whose steps take the seconds given for each plan, in turn; numbers in `wrong` are refused."""

    def __init__(self, seconds, wrong=None):
        self.seconds = {
            key: itertools.cycle(value if isinstance(value, list) else [value]) for key, value in seconds.items()
        }
        self.wrong, self.timed, self.first, self.device = wrong or {}, [], {}, CPU

    def objection(self, plan):
        return self.wrong.get((plan.precision, plan.memory_format))

    def run(self, plan):
        self.timed.append(plan)
        return StepResult(next(self.seconds[plan.precision, plan.memory_format]), torch.zeros(1), {})


def choose(cache, seconds, monkeypatch, *, wrong=None, console=None, limit=1.0, **changes):
    """`choose_step` where steps take the seconds given for each plan."""
    trial = TimedTrial(seconds, wrong)
    monkeypatch.setattr(step, "StepTrial", lambda make_model, clip_shape, device: trial)
    monkeypatch.setattr(step, "LIMIT_SECONDS", limit)
    monkeypatch.setattr(step_plan, "fast_precision", lambda device: "bf16-mixed")
    plan = choose_step(
        lambda layout: Net(), settings(**changes), clip_shape=SHAPE, label="net", cache=cache, console=console
    )
    return plan, trial.timed


TIMES = {
    ("32-true", "contiguous"): 4.0,
    ("32-true", "channels_last_3d"): 2.0,
    ("bf16-mixed", "contiguous"): 3.0,
    ("bf16-mixed", "channels_last_3d"): 1.0,
}
FASTEST = StepPlan(precision="bf16-mixed", memory_format="channels_last_3d", speedup=4.0)


def test_the_fastest_plan_is_taken_and_remembered(tmp_path, monkeypatch):
    cache = tmp_path / "plans.json"
    plan, timed = choose(cache, TIMES, monkeypatch)
    assert plan == FASTEST
    assert len(set(timed)) == 4
    assert choose(cache, TIMES, monkeypatch) == (plan, [])
    assert len(json.loads(cache.read_text())) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"null"])
def test_a_damaged_file_of_plans_is_measured_anew(tmp_path, monkeypatch, content):
    cache = tmp_path / "plans.json"
    cache.write_bytes(content)
    assert choose(cache, TIMES, monkeypatch)[0] == FASTEST
    assert choose(cache, TIMES, monkeypatch) == (FASTEST, [])


PLAIN_ENTRY = {"precision": "32-true", "memory_format": "contiguous"}


@pytest.mark.parametrize(
    "entry",
    [
        *(None, [], "bf16-mixed", {}, PLAIN_ENTRY),
        *(PLAIN_ENTRY | {"speedup": speedup} for speedup in ("fast", float("nan"))),
        *(PLAIN_ENTRY | {"speedup": 1.0, "precision": precision} for precision in (16, "64-true")),
    ],
)
def test_an_entry_that_is_no_plan_is_measured_anew(tmp_path, monkeypatch, entry):
    cache = tmp_path / "plans.json"
    choose(cache, TIMES, monkeypatch)
    (key,) = json.loads(cache.read_text())
    cache.write_text(json.dumps({key: entry, "other": 1}))
    assert choose(cache, TIMES, monkeypatch)[0] == FASTEST
    assert json.loads(cache.read_text())["other"] == 1


def test_slow_moments_do_not_change_the_order(tmp_path, monkeypatch):
    """Another program runs now and then; each plan has a quiet moment, at another time."""
    times = {key: [9 * value, 7 * value, value, value, value] for key, value in TIMES.items()}
    times["bf16-mixed", "channels_last_3d"] = [8.0, 8.0, 5.0, 1.0, 1.0]
    cache = tmp_path / "plans.json"
    plan, _ = choose(cache, times, monkeypatch)
    assert (plan.precision, plan.memory_format) == ("bf16-mixed", "channels_last_3d")
    assert cache.exists()


def test_an_unsure_choice_is_not_remembered(tmp_path, monkeypatch, capsys):
    """One step of all was quick: whether it is the truth or the others were disturbed, nobody can tell."""
    times = dict.fromkeys(TIMES, 2.0) | {("bf16-mixed", "contiguous"): [1.0, *[2.0] * 1_000_000]}
    cache = tmp_path / "plans.json"
    console = Console(soft_wrap=True)
    choose(cache, times, monkeypatch, limit=0.2, console=console)
    assert not cache.exists()
    assert "measured again" in capsys.readouterr().out


def test_a_gain_within_the_noise_is_no_reason_to_leave_float32(tmp_path, monkeypatch):
    times = dict.fromkeys(TIMES, 1.0) | {("bf16-mixed", "contiguous"): 0.95}
    plan, _ = choose(tmp_path / "plans.json", times, monkeypatch)
    assert plan == PLAIN


def test_what_the_user_sets_is_not_measured_away(tmp_path, monkeypatch):
    cache = tmp_path / "plans.json"
    plan, timed = choose(cache, TIMES, monkeypatch, precision="32-true")
    assert {p.precision for p in timed} == {"32-true"}
    assert plan.memory_format == "channels_last_3d"
    plan, timed = choose(cache, TIMES, monkeypatch, precision="32-true", memory_format="contiguous")
    assert (plan, timed) == (PLAIN, [])


def test_a_plan_with_wrong_numbers_is_not_taken(tmp_path, monkeypatch, capsys):
    wrong = {("bf16-mixed", "channels_last_3d"): "outputs are not finite"}
    plan, _ = choose(tmp_path / "plans.json", TIMES, monkeypatch, wrong=wrong, console=Console(soft_wrap=True))
    assert (plan.precision, plan.memory_format) == ("32-true", "channels_last_3d")
    (line,) = capsys.readouterr().out.splitlines()
    assert "bf16-mixed, channels_last_3d" in line
    assert "not finite" in line


def test_a_precision_that_is_demanded_and_wrong_is_an_error(tmp_path, monkeypatch):
    wrong = {(plan.precision, plan.memory_format): "the gradient of conv.weight is not finite" for plan in HALF}
    with pytest.raises(ConfigError, match=r"trainer.precision=bf16-mixed: .*conv.weight.*trainer.precision=32-true"):
        choose(tmp_path / "plans.json", TIMES, monkeypatch, wrong=wrong, precision="bf16-mixed")
    assert not (tmp_path / "plans.json").exists()


def test_a_network_that_repeats_in_no_format_is_trained_in_float32(tmp_path, monkeypatch, capsys):
    """Some operations add in any order: float32 is then what is left, not an error that names no way on."""
    wrong = dict.fromkeys(TIMES, "the same step twice gave different gradients")
    plan, _ = choose(tmp_path / "plans.json", TIMES, monkeypatch, wrong=wrong, console=Console(soft_wrap=True))
    assert plan == PLAIN
    assert "computes in 32-true, contiguous" in capsys.readouterr().out


def test_gpus_need_not_repeat_every_bit():
    once = StepResult(1.0, torch.ones(3), {"conv.weight": torch.ones(5)})
    nearly = StepResult(1.0, torch.ones(3), {"conv.weight": torch.ones(5) + 1e-6})
    other = StepResult(1.0, torch.ones(3), {"conv.weight": torch.full((5,), 2.0)})
    gpu = torch.device("cuda")
    assert nearly.repeats(once, gpu)
    assert not nearly.repeats(once, CPU)
    assert not other.repeats(once, gpu)


def test_choosing_leaves_the_random_generator_as_it_is(tmp_path):
    """A run that measures and one that remembers must begin with the same weights."""
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    choose_step(lambda layout: Net(), settings(), clip_shape=SHAPE, label="net", cache=tmp_path / "plans.json")
    assert torch.equal(torch.rand(3), expected)


class SpoiltLinear(nn.Linear):
    """Its weight gradient is what `spoil` makes of it, in bfloat16 only, as with broken kernels."""

    spoil = None

    def forward(self, given):
        weight = self.weight + 0
        if torch.is_autocast_enabled("cpu"):
            weight.register_hook(self.spoil)
        return given @ weight.T


class SpoiltNet(nn.Module):
    def __init__(self, spoil):
        super().__init__()
        self.layer = SpoiltLinear(3, 4, bias=False)
        self.layer.spoil = spoil

    def forward(self, clip):
        return self.layer(clip.float().mean(dim=(2, 3, 4)) / 255)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda gradient: gradient * float("nan"), ["not finite"]),
        (lambda gradient: gradient * 1.3, ["layer: the weight gradient is 30%"]),
        (lambda gradient: gradient * (1 + 0.01 * torch.rand(())), ["twice"]),
        (lambda gradient: gradient, []),
    ],
    ids=["nan", "far", "random", "right"],
)
def test_the_proof_sees_wrong_gradients(spoil, said):
    race = Race(StepTrial(lambda layout: SpoiltNet(spoil), SHAPE, CPU), [PLAIN, HALF[0]], lambda *given: None)
    race.run()
    assert race.plans == ([PLAIN] if said else [PLAIN, HALF[0]])
    assert all(words in line for words, line in zip(said, race.refused, strict=True))


@pytest.mark.parametrize(
    ("flags", "asked", "offered"),
    [
        ("avx2 fma", "auto", {"32-true"}),
        ("avx2 amx_bf16 amx_tile", "auto", {"32-true", "bf16-mixed"}),
        ("avx2 fma", "16-mixed", {"32-true"}),  # CPUs do not train in float16
        ("avx2 amx_bf16 amx_tile", "16-mixed", {"bf16-mixed"}),
    ],
)
def test_half_types_are_offered_only_where_the_chip_has_them(flags, asked, offered, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(f"model name\t: x\nflags\t\t: {flags}\n")
    monkeypatch.setattr(cpu, "CPUINFO", tmp_path / "cpuinfo")
    assert {plan.precision for plan in candidates(settings(precision=asked), CPU)} == offered


def tiny_training(plan, folder, **changes):
    """Bytes of the weights that a short training under `plan` ends with."""
    torch.manual_seed(0)
    contract = tiny_contract(frames=changes.pop("frames", 4))
    model = VideoActionModel(
        contract.to_dict(), changes, load_config(["optimizer.lr=0.01"]).optimizer, memory_format=plan.memory_format
    )
    clips = torch.randint(0, 256, (8, *contract.clip_shape), dtype=torch.uint8)
    batches = [ClipBatch(clips[n : n + 4], torch.arange(4) % 3, torch.arange(4), []) for n in (0, 4)]
    silent = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = L.Trainer(max_epochs=2, accelerator="cpu", precision=plan.precision, default_root_dir=folder, **silent)
    trainer.fit(model, DataLoader(batches, batch_size=None))
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def check_twice(plan, folder, **changes):
    once, again = (tiny_training(plan, folder, **changes) for _ in range(2))
    for name, tensor in once.items():
        assert torch.isfinite(tensor).all(), name
        assert tensor.numpy().tobytes() == again[name].numpy().tobytes(), name


@pytest.mark.parametrize("plan", candidates(settings(), CPU), ids=lambda p: f"{p.precision}-{p.memory_format}")
def test_the_same_training_twice_gives_the_same_bytes(plan, tmp_path):
    """Four frames, of which the last convolution sees two."""
    check_twice(plan, tmp_path, network="cnn3d", args={"widths": [8, 16, 16]})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cnn3d", "r3d_18", "mc3_18", "r2plus1d_18", "shufflenet3d", "lrcn"])
@pytest.mark.parametrize("plan", candidates(settings(), CPU), ids=lambda p: f"{p.precision}-{p.memory_format}")
def test_the_same_training_of_large_networks_twice_gives_the_same_bytes(plan, name, tmp_path):
    check_twice(plan, tmp_path, network=name, args={}, frames=16)

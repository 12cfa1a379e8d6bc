"""Number format and memory layout of a training step, chosen by proving and timing the step itself.

The fastest combination depends on network and chip: bf16 with `channels_last_3d` is 11 times faster for r3d_18 on a CPU
with AMX, and slower on one without. So the step is measured once per machine, network and clip shape. The result is
kept in `.cache/`, so that later runs compute the same way, unless other work on the machine disturbed the measurement.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import torch
from rich.console import Console
from torch import nn

from action_recognition.config import TrainerConfig
from action_recognition.errors import ConfigError
from action_recognition.training.step_plan import StepPlan, candidates, fast_precision
from action_recognition.training.step_proof import PLAIN, StepTrial
from action_recognition.utils.cpu import cpu_flags, cpu_name
from action_recognition.utils.devices import training_device
from action_recognition.utils.files import read_json, replace_file
from action_recognition.utils.progress import Advance, progress_bar
from action_recognition.utils.rank import is_first_process

CACHE = Path(".cache/step_plans.json")
# The least gain for which plain float32 is left.
MINIMUM_GAIN = 1.1
# A choice is sure if, with any one round left out, no other plan is faster than the chosen one by more than this, and
# plain float32 is slower if another plan was chosen.
SURE_WITHIN = 1.1
FEWEST_ROUNDS = 3
# A plan that took this many times as long as the fastest, twice, is no longer timed.
HOPELESS = 3.0
# No new round after that; in total it takes about a minute for r3d_18 on two cores.
LIMIT_SECONDS = 90.0
# Raise it when the proof changes: remembered plans of an older proof are measured again.
PROOF = 2


def choose_step(
    make_model: Callable[[str], nn.Module],
    trainer: TrainerConfig,
    *,
    clip_shape: tuple[int, int, int, int],
    label: str,
    cache: Path = CACHE,
    console: Console | None = None,
) -> StepPlan:
    """The fastest open plan whose numbers are right, for this model on this machine; random generators do not advance.

    Args:
        make_model: from a memory format to a model that takes uint8 clips.
        clip_shape: `(C, T, H, W)`.
        label: the network and its arguments, for the cache.
        console: shows progress, refused plans, and that a choice is not sure.

    Raises:
        ConfigError: if settings leave only plans whose numbers are wrong here.
    """
    console = console or Console(quiet=True)
    device = training_device(trainer.accelerator)
    plans = candidates(trainer, device)
    if not is_first_process():  # several processes timing at once would not agree
        half = fast_precision(device) or "32-true"
        return next((plan for plan in plans if plan.precision == half), plans[0])
    if len(plans) == 1 and plans[0].precision == "32-true":
        return plans[0]
    key = _key(device, label, clip_shape, [f"{plan.precision}/{plan.memory_format}" for plan in plans])
    known = read_json(cache) or {}  # a damaged file costs only a new measurement
    if (remembered := _remembered(known.get(key), plans)) is not None:
        return remembered
    # Training must draw the same numbers whether its plan was measured or remembered.
    with torch.random.fork_rng(), progress_bar("training step: proving and timing", console=console) as advance:
        torch.manual_seed(0)
        race = Race(StepTrial(make_model, clip_shape, device), plans, advance)
        sure = race.run()
    for line in race.refused:
        _say(console, line)
    if not race.plans and PLAIN in plans:
        # Some operations do not repeat exactly in any format. Plain float32 is the definition of a network.
        _say(console, f"training step: no format passed, so it computes in {PLAIN.precision}, {PLAIN.memory_format}")
        return PLAIN
    if not race.plans:
        raise ConfigError(
            f"trainer.precision={trainer.precision}: {race.refused[0]}; python commands.py train "
            "trainer.precision=32-true"
        )
    plan = race.chosen()
    if sure:
        replace_file(cache, json.dumps(known | {key: asdict(plan)}, indent=1).encode())
    else:
        _say(console, "training step: other work made its timing unsure; it is measured again next time")
    return plan


class Race:
    """Plans that are proved, then timed in turn, round by round, until the order is sure.

    Args:
        plans: candidates, plain float32 first if it is among them.
        advance: called before each step.
    """

    def __init__(self, trial: StepTrial, plans: list[StepPlan], advance: Advance) -> None:
        self.trial, self.plans, self.advance = trial, list(plans), advance
        self.refused: list[str] = []
        self.seconds: dict[StepPlan, list[float]] = {}
        self.steps = 0

    def run(self) -> bool:
        """Prove and time; whether the choice is sure."""
        begin = time.perf_counter()
        for plan in list(self.plans):
            self._tell(plan)
            if found := self.trial.objection(plan):
                self._refuse(plan, found)
            else:
                self.seconds[plan] = []
        while len(self.plans) > 1 and (time.perf_counter() - begin < LIMIT_SECONDS or not self._timed()):
            running = self._running()
            for plan in running:
                self._time(plan)
            rounds = [len(self.seconds[plan]) for plan in running if plan in self.plans]
            if len(self.plans) > 1 and min(rounds, default=0) >= FEWEST_ROUNDS and self._is_sure():
                return True
        return len(self.plans) < 2

    def chosen(self) -> StepPlan:
        """The fastest plan by the least time of each, or the first one if that is not clearly slower."""
        fastest, gain = self._fastest()
        return replace(fastest, speedup=round(gain, 2)) if gain > 1 else fastest

    def _fastest(self) -> tuple[StepPlan, float]:
        least = {plan: min(self.seconds.get(plan) or [0.0]) for plan in self.plans}
        fastest, first = min(self.plans, key=least.__getitem__), self.plans[0]
        if fastest is first or least[first] < MINIMUM_GAIN * least[fastest]:
            return first, 1.0
        return fastest, least[first] / least[fastest]

    def _is_sure(self) -> bool:
        """Whether the choice does not depend on a single round."""
        mine, _ = self._fastest()
        # Staying with the first plan already gives up a small gain.
        slack = SURE_WITHIN * (MINIMUM_GAIN if mine is self.plans[0] else 1.0)
        for left_out in range(len(self.seconds[mine])):
            rounds = {plan: (seconds[:left_out], seconds[left_out + 1 :]) for plan, seconds in self.seconds.items()}
            least = {plan: min(before + after) for plan, (before, after) in rounds.items()}
            if least[mine] > slack * min(least.values()):
                return False
            if mine is not self.plans[0] and least[mine] >= least[self.plans[0]]:
                return False
        return True

    def _time(self, plan: StepPlan) -> None:
        self._tell(plan)
        result = self.trial.run(plan)
        if not result.repeats(self.trial.first.setdefault(plan, result), self.trial.device):
            self._refuse(plan, "the same step twice gave different gradients")
        else:
            self.seconds[plan].append(result.seconds)

    def _refuse(self, plan: StepPlan, why: str) -> None:
        self.plans.remove(plan)
        self.seconds.pop(plan, None)
        self.refused.append(f"{plan.precision}, {plan.memory_format} computes this network wrongly here: {why}")

    def _timed(self) -> bool:
        return all(self.seconds[plan] for plan in self.plans)

    def _running(self) -> list[StepPlan]:
        if not self._timed():
            return list(self.plans)
        best = min(min(self.seconds[plan]) for plan in self.plans)
        return [p for p in self.plans if len(self.seconds[p]) < 2 or min(self.seconds[p]) < HOPELESS * best]

    def _tell(self, plan: StepPlan) -> None:
        self.steps += 1
        self.advance(self.steps, None, f"{plan.precision}, {plan.memory_format}")


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _remembered(entry: object, plans: list[StepPlan]) -> StepPlan | None:
    """The plan of an entry, if it is one of `plans`."""
    if not isinstance(entry, dict):
        return None
    speedup = entry.get("speedup")
    if not isinstance(speedup, int | float) or isinstance(speedup, bool) or not 0 < speedup < 1e6:
        return None
    same = (plan for plan in plans if asdict(plan) | {"speedup": speedup} == entry)
    return next((replace(plan, speedup=float(speedup)) for plan in same), None)


def _key(device: torch.device, label: str, clip_shape: tuple[int, ...], names: list[str]) -> str:
    flags = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in cpu_flags()]
    chip = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{cpu_name()} {' '.join(flags)}"
    text = f"{PROOF}|{chip}|{torch.get_num_threads()}|{torch.__version__}|{label}|{clip_shape}|{names}"
    return f"{label.split('(')[0]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

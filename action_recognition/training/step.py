"""How a training step computes: number format and memory layout, chosen by timing the step itself.

Which of them is quickest depends on the network and the chip: bf16 with `channels_last_3d` is 11 times faster for
r3d_18 on a CPU with AMX and slower on one without. So the step is measured, once for each machine, network and
clip shape; the result is kept in `.cache/`, so that later runs there compute the same way.
"""

import hashlib
import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from action_recognition.config import TrainerConfig
from action_recognition.files import replace_file
from action_recognition.models.device import training_device
from action_recognition.processes import is_first_process

CACHE = Path(".cache/step_plans.json")
MEASURED_CLIPS = 4
# Leaving plain float32 has to be worth it; this is also above the noise of two timed steps.
MINIMUM_GAIN = 1.1


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """A Lightning precision and a memory format; `speedup` is against contiguous float32, 1.0 if not measured."""

    precision: str
    memory_format: str
    speedup: float = 1.0


def fast_precision(device: torch.device) -> str | None:
    """The half type that `device` computes in hardware, as a Lightning precision; None if it has none."""
    if device.type == "cuda":
        return "bf16-mixed" if torch.cuda.get_device_capability(device)[0] >= 8 else "16-mixed"
    if device.type == "cpu" and (_cpu_flag("amx_bf16") or _cpu_flag("avx512_bf16")):
        return "bf16-mixed"
    return None


def candidates(trainer: TrainerConfig, device: torch.device) -> list[StepPlan]:
    """The plans that settings and hardware leave open, plain float32 first where it is among them."""
    half = fast_precision(device)
    precisions = [trainer.precision] if trainer.precision != "auto" else ["32-true", *([half] if half else [])]
    if device.type == "cpu" and trainer.precision == "16-mixed":
        # CPUs do not train in float16. bfloat16 stands in where it is computed in hardware; elsewhere it is far slower.
        precisions = [half or "32-true"]
    formats = ["contiguous", "channels_last_3d"] if device.type != "mps" else ["contiguous"]
    if trainer.memory_format != "auto":
        formats = [trainer.memory_format]
    return [StepPlan(precision=precision, memory_format=layout) for precision in precisions for layout in formats]


def choose_step(
    make_model: Callable[[str], nn.Module],
    trainer: TrainerConfig,
    *,
    clip_shape: tuple[int, int, int, int],
    label: str,
    cache: Path = CACHE,
) -> StepPlan:
    """The fastest of the open plans for this model on this machine.

    Args:
        make_model: from a memory format to a model that takes uint8 clips.
        clip_shape: `(C, T, H, W)`.
        label: names the network and its arguments in the cache.
    """
    device = training_device(trainer.accelerator)
    plans = candidates(trainer, device)
    if not is_first_process():  # several processes timing at once would not agree
        half = fast_precision(device) or "32-true"
        return next((plan for plan in plans if plan.precision == half), plans[0])
    if len(plans) == 1:
        return plans[0]
    names = [f"{plan.precision}/{plan.memory_format}" for plan in plans]
    key = _key(device, label, clip_shape, names)
    known = json.loads(cache.read_text()) if cache.exists() else {}
    if key not in known:
        seconds = [measure_step(make_model(plan.memory_format), plan, clip_shape, device) for plan in plans]
        best = min(range(len(plans)), key=seconds.__getitem__)
        chosen = best if seconds[0] / seconds[best] >= MINIMUM_GAIN else 0
        known[key] = asdict(plans[chosen]) | {"speedup": round(seconds[0] / seconds[chosen], 2)}
        replace_file(cache, json.dumps(known, indent=1).encode())
    return StepPlan(**known[key])


def autocast(plan: StepPlan, device: torch.device) -> torch.autocast:
    """The context in which the plan's forward passes run."""
    half = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(plan.precision)
    return torch.autocast(device.type, dtype=half, enabled=half is not None)


def measure_step(
    model: nn.Module, plan: StepPlan, clip_shape: tuple[int, int, int, int], device: torch.device, *, repeats: int = 2
) -> float:
    """Seconds for forward and backward of one small batch; the best of `repeats` after one that is not counted."""
    model = model.to(device).train()
    clip = torch.randint(0, 256, (MEASURED_CLIPS, *clip_shape), dtype=torch.uint8, device=device)
    best = float("inf")
    for attempt in range(repeats + 1):
        start = time.perf_counter()
        with autocast(plan, device):
            loss = model(clip).float().logsumexp(dim=1).mean()
        loss.backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if attempt:
            best = min(best, time.perf_counter() - start)
    return best


def _key(device: torch.device, label: str, clip_shape: tuple[int, ...], names: list[str]) -> str:
    chip = torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name()
    text = f"{chip}|{torch.get_num_threads()}|{torch.__version__}|{label}|{clip_shape}|{names}"
    return f"{label.split('(')[0]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.exists() else ""


def _cpu_flag(flag: str) -> bool:
    return f" {flag}" in _cpuinfo()


def _cpu_name() -> str:
    names = [line.split(":", 1)[1].strip() for line in _cpuinfo().splitlines() if line.startswith("model name")]
    flags = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if _cpu_flag(flag)]
    return f"{names[0] if names else platform.processor()} {' '.join(flags)}"

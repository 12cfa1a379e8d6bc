"""What a training step may compute in: number formats and memory layouts, by what settings and hardware leave open."""

import platform
from dataclasses import dataclass
from pathlib import Path

import torch

from action_recognition.config import TrainerConfig


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


def autocast(plan: StepPlan, device: torch.device) -> torch.autocast:
    """The context in which the plan's forward passes run."""
    half = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(plan.precision)
    return torch.autocast(device.type, dtype=half, enabled=half is not None)


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.exists() else ""


def _cpu_flag(flag: str) -> bool:
    return f" {flag}" in _cpuinfo()


def cpu_name() -> str:
    names = [line.split(":", 1)[1].strip() for line in _cpuinfo().splitlines() if line.startswith("model name")]
    flags = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if _cpu_flag(flag)]
    return f"{names[0] if names else platform.processor()} {' '.join(flags)}"

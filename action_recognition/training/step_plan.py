"""Number formats and memory layouts that a training step may use, and the choice that several processes share."""

import json
import os
from dataclasses import asdict, dataclass

import torch

from action_recognition.config import TrainerConfig
from action_recognition.utils.cpu import cpu_flags
from action_recognition.utils.rank import is_first_process

# The first process passes its plan on to the processes that it starts.
PLAN_VARIABLE = "ACTION_RECOGNITION_STEP_PLAN"


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """A Lightning precision and a memory format; `speedup` over contiguous float32 is 1.0 if not measured."""

    precision: str
    memory_format: str
    speedup: float = 1.0


def fast_precision(device: torch.device) -> str | None:
    """The half type that `device` computes in hardware, as a Lightning precision; None if it has none."""
    if device.type == "cuda":
        return "bf16-mixed" if torch.cuda.get_device_capability(device)[0] >= 8 else "16-mixed"
    if device.type == "cpu" and cpu_flags() & {"amx_bf16", "avx512_bf16"}:
        return "bf16-mixed"
    return None


def candidates(trainer: TrainerConfig, device: torch.device) -> list[StepPlan]:
    """The plans that settings and hardware allow, plain float32 first if it is among them."""
    half = fast_precision(device)
    precisions = [trainer.precision] if trainer.precision != "auto" else ["32-true", *([half] if half else [])]
    if device.type == "cpu" and trainer.precision == "16-mixed":
        # CPUs do not train in float16; bfloat16 replaces it on hardware that computes it, elsewhere it is far slower.
        precisions = [half or "32-true"]
    formats = ["contiguous", "channels_last_3d"] if device.type != "mps" else ["contiguous"]
    if trainer.memory_format != "auto":
        formats = [trainer.memory_format]
    return [StepPlan(precision=precision, memory_format=layout) for precision in precisions for layout in formats]


def autocast(plan: StepPlan, device: torch.device) -> torch.autocast:
    """The context in which the plan's forward passes run."""
    half = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(plan.precision)
    return torch.autocast(device.type, dtype=half, enabled=half is not None)


def share_step_plan(plan: StepPlan) -> None:
    """Make processes started from now on compute as this one does; their own timing might choose another plan."""
    os.environ[PLAN_VARIABLE] = json.dumps(asdict(plan))


def inherited_step_plan() -> StepPlan | None:
    """The plan of the first process; None in that process, and if torchrun started all of them."""
    text = None if is_first_process() else os.environ.get(PLAN_VARIABLE)
    return StepPlan(**json.loads(text)) if text else None

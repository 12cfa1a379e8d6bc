"""Several processes that train one model: Lightning starts them, each runs the command anew up to the fit."""

import json
import os
from dataclasses import asdict
from typing import Any

from action_recognition.config import TrainerConfig
from action_recognition.training.step_plan import StepPlan
from action_recognition.utils.devices import training_device
from action_recognition.utils.rank import is_first_process

# The first process tells those it starts how it decided that a step computes.
PLAN = "ACTION_RECOGNITION_STEP_PLAN"


def share_step_plan(plan: StepPlan) -> None:
    """Make processes started from now on compute as this one does; their own timing might choose another plan."""
    os.environ[PLAN] = json.dumps(asdict(plan))


def inherited_step_plan() -> StepPlan | None:
    """The plan of the first process; None in that process, and if torchrun started all of them."""
    text = None if is_first_process() else os.environ.get(PLAN)
    return StepPlan(**json.loads(text)) if text else None


def process_settings(settings: TrainerConfig) -> dict[str, Any]:
    """The arguments of Lightning's `Trainer` for the number of processes and what they exchange.

    On GPUs batch norm sees the batches of all processes; on CPUs, where torch has no such norm, only its own batch.
    """
    several = settings.devices != 1
    return {
        "accelerator": settings.accelerator,
        "devices": settings.devices,
        "strategy": "auto" if settings.devices in (1, "auto") else "ddp",
        "sync_batchnorm": several and training_device(settings.accelerator).type == "cuda",
    }

"""What a training cost and on which device: tags from which `compare-runs` explains a runtime."""

from typing import TYPE_CHECKING, Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from action_recognition.training.callbacks import History
from action_recognition.training.step_plan import StepPlan
from action_recognition.utils.devices import device_name

if TYPE_CHECKING:
    from action_recognition.tracking.mlflow_run import Tracker


class RunFacts(Callback):
    """Set tags at the end: `run/...`, `device`, `precision`, `memory_format`, `read_from`, `data_hash`.

    The `run/...` numbers are tags because each metric would be a chart of one dot on MLflow's page. `run/epochs` and
    `run/train_seconds` cover the whole history, also across a resume; the seconds include validation; steps are
    batches. A run that is broken off logs none of them.
    """

    def __init__(self, tracker: "Tracker", plan: StepPlan, history: History, *, read_from: str) -> None:
        self.tracker = tracker
        self.history = history
        self.tags = {"precision": plan.precision, "memory_format": plan.memory_format, "read_from": read_from}

    def on_train_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        epochs, seconds = len(self.history.rows), sum(row["seconds"] for row in self.history.rows)
        if not (trainer.is_global_zero and self.history.epochs and self.history.batches):
            return
        steps_per_epoch = self.history.batches / self.history.epochs
        # Each process sees its share of the clips.
        clips_per_epoch = trainer.world_size * self.history.clips / self.history.epochs
        parameters = list(pl_module.parameters())
        facts = {
            "epochs": epochs,
            "train_seconds": seconds,
            "seconds_per_epoch": seconds / epochs,
            "steps_per_epoch": steps_per_epoch,
            "seconds_per_step": seconds / epochs / steps_per_epoch,
            "clips_per_second": clips_per_epoch * epochs / seconds,
            "parameters": sum(parameter.numel() for parameter in parameters),
            "parameters_trained": sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        }
        numbers = {
            f"run/{name}": f"{value:.6g}" if isinstance(value, float) else str(value) for name, value in facts.items()
        }
        device = device_name(trainer.strategy.root_device, trainer.world_size)
        self.tracker.set_tags({**numbers, **self.tags, "device": device, "data_hash": pl_module.contract.data_hash})
        judged = [row for row in self.history.rows if "val_top1" in row]
        if judged:
            best = max(judged, key=lambda row: row["val_top1"])
            found = f"best top-1 {100 * best['val_top1']:.1f} % in epoch {int(best['epoch']) + 1} of {epochs}"
            self.tracker.describe({"Validation": found})

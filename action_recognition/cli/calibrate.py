"""`calibrate`: temperature and threshold of a checkpoint, fitted on validation clips."""

from typing import TYPE_CHECKING

from action_recognition.cli.command import Call, command
from action_recognition.cli.infer import same_checkpoint
from action_recognition.cli.next_commands import PLACES

if TYPE_CHECKING:
    from rich.console import Console

    from action_recognition.config import Config
    from action_recognition.evaluation.calibration.calibrate import Calibrated


@command(groups=("evaluation", "data", "clip"), of_checkpoint=True, makes_batches=True, needs_data=True)
def run(call: Call) -> None:
    """Fit a checkpoint's temperature and threshold on validation clips; train does this at its end.

    The checkpoint is rewritten with them. What was exported from it before has to be exported again.
    """
    run_calibration(call.config, console=call.console)
    call.print_next({"infer": (*PLACES, "evaluation"), same_checkpoint("export-onnx", call.overrides): PLACES})


def run_calibration(config: "Config", *, console: "Console") -> "Calibrated":
    """Calibrate `evaluation.checkpoint`."""
    from action_recognition.data.datamodule import ClipDataModule
    from action_recognition.data.load import load_manifest
    from action_recognition.evaluation.calibration.calibrate import calibrate_checkpoint, show
    from action_recognition.models.module import VideoActionModel
    from action_recognition.models.stored_contract import check_rewritable
    from action_recognition.tracking.run_folders import resolve_checkpoint

    checkpoint = resolve_checkpoint(config.evaluation.checkpoint, plots_dir=config.plots_dir)
    check_rewritable(checkpoint)
    contract = VideoActionModel.from_checkpoint(checkpoint).contract
    datamodule = ClipDataModule(config, load_manifest(config, console), contract, seed=0)
    found = calibrate_checkpoint(checkpoint, datamodule, target_risk=config.evaluation.target_risk, console=console)
    show(found, checkpoint, console)
    return found

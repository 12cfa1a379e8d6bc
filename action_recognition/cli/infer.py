"""The evaluation commands: a table on the terminal, and MLflow if asked."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from action_recognition.cli.command import Call, command
from action_recognition.cli.next_commands import PLACES

if TYPE_CHECKING:
    from rich.console import Console

    from action_recognition.config import Config
    from action_recognition.evaluation.evaluate import Evaluation

GROUPS = ("evaluation", "data", "clip")


@command(groups=GROUPS, of_checkpoint=True, makes_batches=True)
def infer(call: Call) -> None:
    """Evaluate a checkpoint on the test split of its data; writes plots/metrics.json."""
    run_evaluation(call.config, console=call.console)
    call.print_next({same_checkpoint("export-onnx", call.overrides): PLACES})


@command(groups=(*GROUPS, "tracking"), of_checkpoint=True, makes_batches=True)
def infer_ml_flow(call: Call) -> None:
    """As infer, and record the scores and plots in MLflow."""
    run_evaluation(call.config, console=call.console, mlflow=True)
    call.print_next({same_checkpoint("export-onnx", call.overrides): PLACES})


def same_checkpoint(command: str, given: Sequence[str]) -> str:
    """`command` for the checkpoint that an evaluation was told to take."""
    named = [word.partition("=")[2] for word in given if word.startswith("evaluation.checkpoint=")]
    return f"{command} {shlex.quote(f'export.checkpoint={named[-1]}')}" if named else command


def run_evaluation(config: "Config", *, console: "Console", mlflow: bool = False) -> "Evaluation":
    """Evaluate `evaluation.checkpoint` and show the scores."""
    from action_recognition.evaluation.evaluate import evaluate
    from action_recognition.evaluation.terminal import summary
    from action_recognition.tracking.run_folders import resolve_checkpoint, run_dir_of, tracking_of

    checkpoint = resolve_checkpoint(config.evaluation.checkpoint, plots_dir=config.plots_dir)
    if not mlflow:
        evaluation = evaluate(config, checkpoint, console=console)
    else:
        from action_recognition.evaluation.recording import record_evaluation
        from action_recognition.tracking.mlflow_run import open_run

        tags = {"command": "infer-ml-flow", "checkpoint": str(checkpoint)}
        if training_run_id := tracking_of(run_dir_of(checkpoint)):
            tags["training_run_id"] = training_run_id
        with open_run(config, tags=tags) as tracker:
            evaluation = evaluate(config, checkpoint, console=console)
            record_evaluation(tracker, config, checkpoint, evaluation, training_run_id=training_run_id)
            console.print(f"see the run: {tracker.url_hint}", highlight=False)
    for line in evaluation.errors:
        console.print(f"skipped: {line}", style="yellow", markup=False, highlight=False)
    if evaluation.errors:
        console.print(f"{len(evaluation.errors)} unreadable clips were skipped", style="yellow")
    for part in summary(evaluation.figures, split=config.evaluation.split):
        console.print(part)
    if evaluation.metrics.caution:
        console.print(evaluation.metrics.caution, style="yellow", highlight=False, soft_wrap=True)
    written = ", ".join(sorted(path.name for path in evaluation.directory.iterdir()))
    console.print(f"{config.evaluation.metrics}; {evaluation.directory}/: {written}", highlight=False, markup=False)
    return evaluation

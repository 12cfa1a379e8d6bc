"""The evaluation commands: a table on the terminal, and MLflow if asked."""

from rich.console import Console
from rich.table import Table

from action_recognition.config import Config
from action_recognition.evaluation.evaluate import Evaluation, evaluate
from action_recognition.evaluation.metrics import Metrics
from action_recognition.tracking.run_folders import resolve_checkpoint, run_dir_of, tracking_of


def run_evaluation(config: Config, *, console: Console, mlflow: bool = False) -> Evaluation:
    """Evaluate `evaluation.checkpoint` and show the scores."""
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
    console.print(metrics_table(evaluation.metrics, split=config.evaluation.split))
    if evaluation.metrics.caution:
        console.print(evaluation.metrics.caution, style="yellow", highlight=False, soft_wrap=True)
    written = ", ".join(sorted(path.name for path in evaluation.directory.iterdir()))
    console.print(f"{config.evaluation.metrics}; {evaluation.directory}/: {written}", highlight=False, markup=False)
    return evaluation


def metrics_table(metrics: Metrics, *, split: str) -> Table:
    table = Table(title=f"{metrics.clips} {split} clips", title_justify="left")
    for name in ("top-1", "95 % interval", "top-3", "top-5", "mean class accuracy"):
        table.add_column(name, justify="right")
    table.add_row(
        f"{100 * metrics.top1:.1f} %",
        f"{100 * metrics.top1_low:.1f} - {100 * metrics.top1_high:.1f} %",
        f"{100 * metrics.top3:.1f} %",
        f"{100 * metrics.top5:.1f} %",
        f"{100 * metrics.mean_class_accuracy:.1f} %",
    )
    return table

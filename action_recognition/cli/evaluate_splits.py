"""`evaluate-splits`: one training and test per official split, as papers report them."""

from action_recognition.cli.command import Call, command
from action_recognition.cli.train import GROUPS

SPLITS = (*GROUPS, "evaluation", "splits")


@command(groups=SPLITS, reads_videos=True, makes_batches=True, needs_data=True)
def evaluate_splits(call: Call) -> None:
    """Train and test every official split; mean and spread go to plots/splits/.

    splits.numbers=[1,2] takes only some. The same command goes on where it was interrupted.
    """
    _run(call, mlflow=False)


@command(groups=(*SPLITS, "tracking"), reads_videos=True, makes_batches=True, needs_data=True)
def evaluate_splits_ml_flow(call: Call) -> None:
    """As evaluate-splits, and record it in MLflow: one run with the trainings and tests below it."""
    _run(call, mlflow=True)


def _run(call: Call, *, mlflow: bool) -> None:
    from action_recognition.studies.evaluate_splits import evaluate_splits as evaluate

    evaluate(call.config, console=call.console, mlflow=mlflow)

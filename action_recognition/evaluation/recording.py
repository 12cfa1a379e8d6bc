"""An evaluation in MLflow: its own run, and its scores in the training run and at the registered model."""

from collections.abc import Mapping
from pathlib import Path

from mlflow.entities import LoggedModel, LoggedModelInput, Metric, Run, RunTag

from action_recognition.config import Config
from action_recognition.contract import ClipContract
from action_recognition.evaluation.evaluate import Evaluation, score_summary
from action_recognition.evaluation.metrics import PRIMARY
from action_recognition.tracking.data_inputs import split_input
from action_recognition.tracking.logged_models import find_logged_model, log_checkpoint
from action_recognition.tracking.mlflow_run import Tracker
from action_recognition.tracking.mlflow_store import page_of, run_to_resume
from action_recognition.tracking.run_description import command_line
from action_recognition.tracking.run_folders import data_title, run_dir_of, run_title
from action_recognition.tracking.run_notes import COMMAND, EVALUATION, TEST, add_to_note, merge_note

PICTURES = (".png", ".svg", ".jpg")
# Of all bounds of intervals, a training run and a registered version show these.
SHOWN_BOUNDS = ("top1_low", "top1_high")


def record_evaluation(
    tracker: Tracker, config: Config, checkpoint: Path, evaluation: Evaluation, *, training_run_id: str | None
) -> None:
    """Log every figure and file of an evaluation; log the scores on test clips in the training run too, and link them.

    The figures of `metrics.json` are metrics `<split>_top1`, ... of the evaluation's run and, linked to the clips that
    they were measured on, of the checkpoint's logged model. Numbers of clips are tags, because a chart of them would
    say nothing. What has a row for each class, tag, pair or bin is a table among the artifacts.

    Args:
        training_run_id: the run that trained the checkpoint; None if it is not known.
    """
    split, leaking = config.evaluation.split, config.evaluation.allow_leakage
    trained = run_to_resume(tracker.client, training_run_id)
    model = judged_model(tracker, config, checkpoint, evaluation.contract, trained)
    data = split_input(config, evaluation.manifest, split, min_frames=evaluation.contract.min_frames)
    tracker.client.log_inputs(tracker.run_id, datasets=[data], models=[LoggedModelInput(model.model_id)])
    values = {f"{split}_{name}": value for name, value in evaluation.figures.flat().items()}
    scores = {name: value for name, value in values.items() if isinstance(value, float)}
    numbers = {name: str(value) for name, value in values.items() if name not in scores}
    tracker.log_metrics(scores, model_id=model.model_id, data=data.dataset)
    tracker.set_tags(numbers)
    for path in sorted(evaluation.directory.glob("[!.]*.*")):
        tracker.log_artifact(path, "plots" if path.suffix in PICTURES else None)
    clips = f"{evaluation.metrics.clips} {'test' if split == 'test' else 'validation'} clips"
    result = f"{score_summary(evaluation.metrics)}; {clips}{', leaking' if leaking else ''}"
    what = f"{checkpoint.name} of {run_title(run_dir_of(checkpoint))} on {data_title(config.data)}"
    if trained is not None:
        what += f"; [its training]({page_of(trained.info.experiment_id, trained.info.run_id)})"
    tracker.describe({EVALUATION: what, COMMAND: command_line(tracker, config), TEST: result})
    if trained is not None and split == "test" and not leaking:
        summary = {f"{split}_{name}" for name in (*evaluation.metrics.values, *SHOWN_BOUNDS)}
        kept = {name: value for name, value in scores.items() if name in summary}
        _log_in_training_run(tracker, trained.info.run_id, checkpoint, kept, numbers, result)


def judged_model(
    tracker: Tracker, config: Config, checkpoint: Path, contract: ClipContract, trained: Run | None
) -> LoggedModel:
    """The logged model of a checkpoint: that of its training, or of an earlier evaluation; otherwise a new one."""
    places = {tracker.experiment_id, *([trained.info.experiment_id] if trained else [])}
    found = find_logged_model(tracker.client, checkpoint, sorted(places))
    if found is not None:
        return found
    run_dir = run_dir_of(checkpoint)
    name = run_title(run_dir) if checkpoint.stem == "best" else f"{run_title(run_dir)}-{checkpoint.stem}"
    run_id = trained.info.run_id if trained else None
    return log_checkpoint(tracker, config, checkpoint, contract, name=name, place=str(checkpoint), source_run_id=run_id)


def _log_in_training_run(
    tracker: Tracker,
    training_run_id: str,
    checkpoint: Path,
    scores: Mapping[str, float],
    numbers: Mapping[str, str],
    result: str,
) -> None:
    """Log the scores in the training run; they replace those of an earlier evaluation."""
    client = tracker.client
    now = client.get_run(tracker.run_id).info.start_time
    tags = {**numbers, "test_checkpoint": checkpoint.stem, "evaluation_run_id": tracker.run_id}
    client.log_batch(
        training_run_id,
        metrics=[Metric(name, value, now, 0) for name, value in scores.items()],
        tags=[RunTag(*item) for item in tags.items()],
    )
    link = f"[its evaluation]({page_of(tracker.experiment_id, tracker.run_id)})"
    found = f"{result}, {checkpoint.name}; {link}"
    add_to_note(client, training_run_id, {TEST: found})
    if checkpoint.stem != "best":  # `best` is what is registered
        return
    shown = {f"test_{name}": f"{scores[f'test_{name}']:.4f}" for name in (PRIMARY, *SHOWN_BOUNDS)}
    for version in client.search_model_versions(f"run_id = '{training_run_id}'"):
        for name, value in {**shown, "test_clips": numbers["test_clips"]}.items():  # a request each
            client.set_model_version_tag(version.name, version.version, name, value)
        note = merge_note(version.description or "", {TEST: result})
        client.update_model_version(version.name, version.version, description=note)

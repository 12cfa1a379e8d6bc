"""`evaluate-splits`: one training and one test per official split, and their mean and spread.

A study is a folder, `<splits.output_dir>/<splits.name>/`. Each split has a run folder in it, `split-1/` and so on; what
is finished there is not done again.
"""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from rich.console import Console

from action_recognition.config import Config, key_of, training_settings
from action_recognition.data.load import load_manifest
from action_recognition.datasets import dataset_of
from action_recognition.datasets.official_lists import AnnotatedDataset, MissingListError, lists_dir
from action_recognition.datasets.records import Manifest
from action_recognition.errors import ConfigError, DataError
from action_recognition.evaluation.evaluate import Evaluation, evaluate, score_summary
from action_recognition.evaluation.recording import record_evaluation
from action_recognition.studies.split_report import SplitScores, SplitStudy, report_splits
from action_recognition.tracking.mlflow_run import Tracker, open_run
from action_recognition.tracking.run_folders import checkpoint_dir, remember_tracking, tracking_of
from action_recognition.training.fit import train
from action_recognition.training.preparation import find_weights
from action_recognition.utils.files import replace_file
from action_recognition.utils.locks import locked

SETTINGS, TRAINED, SCORES = "settings.json", "trained.json", "scores.json"
COMMAND, RECORDED = "evaluate-splits", "evaluate-splits-ml-flow"
# What the study itself decides for each split.
OWN_KEYS = ("data.split", "trainer.run_dir", "trainer.resume", "evaluation.metrics")


def evaluate_splits(config: Config, *, console: Console, mlflow: bool = False) -> SplitStudy:
    """Train on each of `splits.numbers`, test on its test clips, and report mean and spread over the splits.

    What an interrupted call has finished is kept: a trained split is not trained again, and one that was broken off
    goes on from its last epoch. The table is written as `split_scores.csv`, `.json`, `.md` and `.html` into the study.

    Args:
        config: of the trainings and tests; its `data.split` does not matter.
        mlflow: record a parent run with a run per training and test below it.

    Raises:
        ConfigError: before anything is trained, for a key that the study sets itself, and for a study of this name
            with other settings.
        DataError: for data without official lists or clips of these splits, and where data changed since a split was
            trained.
    """
    check_settings(config)
    folder = Path(config.splits.output_dir, config.splits.name)
    check_clips(config, folder)
    with locked(folder / "study.lock", work=f"evaluate-splits splits.name={config.splits.name}"):
        keep_settings(config, folder)
        find_weights(config)
        with _parent_run(config, folder) if mlflow else nullcontext() as tracker:
            if tracker:
                remember_tracking(folder, tracker.run_id)
            scores = [run_split(config, folder, number, tracker, console) for number in sorted(config.splits.numbers)]
            study = SplitStudy.of(config, scores)
            report_splits(study, folder, tracker, console)
            if tracker:
                console.print(f"see the runs: {tracker.url_hint}", highlight=False, markup=False)
    return study


def check_settings(config: Config) -> None:
    """Refuse what cannot be meant, and data without the lists of each split."""
    given = {key_of(override) for override in config.overrides}
    for key in OWN_KEYS:
        if key in given:
            advice = "splits.numbers=[...]" if key == "data.split" else "splits.output_dir and splits.name"
            raise ConfigError(f"{key}: evaluate-splits sets it for each split; leave it out and give {advice}")
    if (config.evaluation.split, config.evaluation.checkpoint) != ("test", "best"):
        line = f"evaluation.split={config.evaluation.split}, evaluation.checkpoint={config.evaluation.checkpoint}"
        raise ConfigError(f"{line}: evaluate-splits tests the best checkpoint of each split on its test clips")
    dataset, data = dataset_of(config.data), config.data
    if not isinstance(dataset, AnnotatedDataset) or data.splits_dir is None:
        raise DataError(
            f"data={data.name}: has no official splits, so there is nothing to repeat; train once with "
            "data.test_fraction and several data.split_seed instead: python commands.py train"
        )
    for number in config.splits.numbers:
        try:
            dataset.read_split(lists_dir(data), split=number)
        except MissingListError as error:
            there = f"splits.numbers={[one for one in config.splits.numbers if one != number]}".replace(" ", "")
            raise DataError(f"splits.numbers: {error}; or leave it out: {there}") from None


def check_clips(config: Config, folder: Path) -> None:
    """Refuse a split of which there are no clips to train or to test on, before hours of training.

    Raises:
        DataError: naming the split.
    """
    for number in sorted(config.splits.numbers):
        # Raises where there is none to train on.
        manifest = load_manifest(split_config(config, number, folder / f"split-{number}"), Console(quiet=True))
        if not manifest.split("test"):
            there = f"splits.numbers={[one for one in config.splits.numbers if one != number]}".replace(" ", "")
            line = f"splits.numbers: split {number} has no test clips in {config.data.videos_dir}"
            raise DataError(f"{line}; leave it out: {there}")


def keep_settings(config: Config, folder: Path) -> None:
    """Note what the study is trained and tested with, or compare it with what it was begun with.

    Raises:
        ConfigError: naming a key that differs.
    """
    settings = {key: value for key, value in training_settings(config).items() if key not in OWN_KEYS}
    settings |= {f"evaluation.{key}": getattr(config.evaluation, key) for key in ("bootstrap", "allow_leakage")}
    path = folder / SETTINGS
    if not path.exists():
        replace_file(path, (json.dumps(settings, indent=2) + "\n").encode())
        return
    begun = json.loads(path.read_text(encoding="utf-8"))
    now = json.loads(json.dumps(settings))
    if changed := next((key for key in sorted({*begun, *now}) if begun.get(key) != now.get(key)), None):
        name, before = config.splits.name, json.dumps(begun.get(changed))
        line = f"splits.name={name}: was begun with {changed}={before}, not {json.dumps(now.get(changed))}"
        raise ConfigError(f"{line}; give another name: splits.name={name}-2, or {changed}={before}")


def run_split(config: Config, folder: Path, number: int, parent: Tracker | None, console: Console) -> SplitScores:
    """Train and test one split, as far as that is not done."""
    run_dir = folder / f"split-{number}"
    child = split_config(config, number, run_dir)
    manifest = load_manifest(child, Console(quiet=True))
    best = checkpoint_dir(run_dir) / "best.ckpt"
    if not (run_dir / TRAINED).exists():
        console.print(f"split {number}: training in {run_dir}", style="bold", highlight=False, markup=False)
        _train(child, run_dir, manifest, parent, console)
    trained = json.loads((run_dir / TRAINED).read_text(encoding="utf-8"))
    if trained["data_hash"] != manifest.data_hash:
        line = f"{run_dir}: trained on other data (data hash {trained['data_hash']}, now {manifest.data_hash})"
        raise DataError(f"{line}; give another name: splits.name={config.splits.name}-2")
    scores = run_dir / SCORES
    if not (scores.exists() and scores.stat().st_mtime_ns > best.stat().st_mtime_ns):
        evaluation = _test(child, best, parent, console)
        found = {"metrics": evaluation.figures.flat(), "summary": score_summary(evaluation.metrics)}
        replace_file(scores, (json.dumps(found, indent=2) + "\n").encode())
    tested = json.loads(scores.read_text(encoding="utf-8"))
    console.print(f"split {number}: {tested['summary']}", highlight=False, markup=False)
    return SplitScores(
        number=number, run_dir=run_dir, manifest=manifest, metrics=tested["metrics"], epochs=trained["epochs"]
    )


def split_config(config: Config, number: int, run_dir: Path) -> Config:
    """The configuration of one split's training and test; it goes on from a checkpoint that is there."""
    places = (checkpoint_dir(run_dir) / f"{name}.ckpt" for name in ("last", "best"))
    last = next((str(path) for path in places if path.is_file()), None)
    best = str(checkpoint_dir(run_dir) / "best.ckpt")
    kept = [given for given in config.overrides if not key_of(given).startswith("splits")]
    return replace(
        config,
        data=replace(config.data, split=number),
        trainer=replace(config.trainer, run_dir=str(run_dir), resume=last),
        evaluation=replace(config.evaluation, checkpoint=best, metrics=str(run_dir / "metrics.json")),
        overrides=[*kept, f"data.split={number}"],
    )


def _train(config: Config, run_dir: Path, manifest: Manifest, parent: Tracker | None, console: Console) -> None:
    with _child_run(config, parent, {"command": "train-ml-flow"}, tracking_of(run_dir)) as tracker:
        result = train(config, console=console, tracker=tracker, command=RECORDED if parent else COMMAND)
    done = {"epochs": result.epochs, "best_val_top1": result.best_val_top1, "data_hash": manifest.data_hash}
    replace_file(run_dir / TRAINED, (json.dumps(done, indent=2) + "\n").encode())


def _test(config: Config, best: Path, parent: Tracker | None, console: Console) -> Evaluation:
    training_run_id = tracking_of(best.parent.parent) if parent else None
    tags = {"command": "infer-ml-flow", "checkpoint": str(best)}
    tags |= {"training_run_id": training_run_id} if training_run_id else {}
    with _child_run(config, parent, tags, None) as tracker:
        evaluation = evaluate(config, best, console=console)
        if tracker:
            record_evaluation(tracker, config, best, evaluation, training_run_id=training_run_id)
    for line in evaluation.errors:
        console.print(f"skipped: {line}", style="yellow", markup=False, highlight=False)
    return evaluation


def _parent_run(config: Config, folder: Path) -> AbstractContextManager[Tracker]:
    name = config.tracking.run_name or config.splits.name
    named = replace(config, tracking=replace(config.tracking, run_name=name, system_metrics=False))
    return open_run(named, tags={"command": RECORDED}, resume_run_id=tracking_of(folder))


def _child_run(
    config: Config, parent: Tracker | None, tags: Mapping[str, str], resume: str | None
) -> AbstractContextManager[Tracker | None]:
    if parent is None:
        return nullcontext()
    name = f"{parent.run_name}-split-{config.data.split}{'' if tags['command'] == 'train-ml-flow' else '-test'}"
    named = replace(config, tracking=replace(config.tracking, run_name=name))
    return open_run(named, tags={**tags, MLFLOW_PARENT_RUN_ID: parent.run_id}, resume_run_id=resume)

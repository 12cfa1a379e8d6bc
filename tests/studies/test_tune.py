"""`tune`: real trainings where training matters, and a stand-in for it where only the search does."""

import functools
import re
import shlex
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
import torch
import yaml
from mlflow import MlflowClient
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial
from rich.console import Console

from action_recognition.config import CONF_DIR, Config, compose, flatten, load_config
from action_recognition.errors import ConfigError, DataError
from action_recognition.studies import space, trials, tune, tune_report
from action_recognition.studies.space import read_space
from action_recognition.studies.study import open_study, seed_sampler
from action_recognition.studies.tune import run_tune
from action_recognition.tracking.run_folders import last_run
from action_recognition.training.step import StepPlan

AS_IT_IS = ["trainer.precision=32-true", "trainer.memory_format=contiguous"]  # nothing to measure
QUICK = ["trainer.max_epochs=1", "tune.study=quick", "tune.startup_trials=1", *AS_IT_IS]
LR_ONLY = ["~tune.space.model", "~tune.space.optimizer.label_smoothing"]


@pytest.fixture(scope="session")
def empty_studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("studies") / "optuna.db"
    optuna.storages.RDBStorage(f"sqlite:///{path}")
    return path


@pytest.fixture
def project(tmp_path: Path, empty_store: Path, empty_studies: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plots").mkdir()
    shutil.copy(empty_store, tmp_path / "plots/mlflow.db")
    shutil.copy(empty_studies, tmp_path / "plots/optuna.db")
    return tmp_path


@pytest.fixture
def console() -> Console:
    return Console(record=True, width=200)


def study_of(project: Path, name: str = "quick") -> optuna.Study:
    return optuna.load_study(study_name=name, storage=f"sqlite:///{project}/plots/optuna.db")


def states(project: Path) -> list[str]:
    return [trial.state.name for trial in study_of(project).trials]


def test_a_search_trains_records_and_goes_on(project, tiny_overrides, run_cli: Callable):
    words = [*tiny_overrides, *QUICK, *LR_ONLY, "tune.space.optimizer.lr.high=1e-3"]
    first = run_cli("tune", *words, "tune.trials=1")
    assert (first.code, first.err) == (0, "")
    outcome = run_cli("tune", *words, "tune.trials=2")
    assert (outcome.code, outcome.err) == (0, "")
    assert "goes on: 1 of 2 trials" in outcome.out

    study = study_of(project)
    assert states(project) == ["COMPLETE", "COMPLETE"]
    rates = [trial.params["optimizer.lr"] for trial in study.trials]
    assert all(1e-4 <= rate <= 1e-3 for rate in rates)
    assert rates[0] != rates[1]

    client = MlflowClient(f"sqlite:///{project}/plots/mlflow.db")
    experiment = client.get_experiment_by_name("hmdb51").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    assert sorted(runs) == ["quick-trial-0000", "quick-trial-0001", "tune-quick"]
    parent = runs["tune-quick"]
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["command"] == "tune"
    for number in (0, 1):
        child = runs[f"quick-trial-000{number}"]
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.data.params["optimizer.lr"] == str(rates[number])
        assert child.data.metrics["val_top1"] == study.trials[number].value
        assert child.data.tags["run/epochs"] == "1"
        assert not any(name.startswith("run/") for name in child.data.metrics)  # each would be a chart of one dot
        assert {"device", "precision", "data_hash"} <= set(child.data.tags)
        assert not any(name.startswith("test") for name in child.data.metrics)
    tags = runs["quick-trial-0000"].data.tags
    steps = {name: float(value) for name, value in tags.items() if name.startswith("run/")}
    assert steps["run/steps_per_epoch"] == 3  # 12 training clips in batches of 4
    assert steps["run/seconds_per_step"] == pytest.approx(steps["run/train_seconds"] / 3, rel=1e-4)
    assert steps["run/clips_per_second"] == pytest.approx(12 / steps["run/train_seconds"], rel=1e-4)

    best = study.best_trial
    assert last_run(f"{project}/plots") == Path(best.user_attrs["run_dir"])
    line = outcome.out.strip().splitlines()[-1]
    assert line.startswith("next: python commands.py train data=hmdb51 ")
    assert line.endswith(f" optimizer.lr={best.params['optimizer.lr']!r}")
    assert "tune." not in line
    load_config(shlex.split(line)[4:])
    folder = project / "plots/tune"
    assert {path.name for path in folder.iterdir()} == {"best.yaml", "history.png", "curves.png", "quick"}
    assert yaml.safe_load((folder / "best.yaml").read_text()) == {"optimizer": {"lr": best.params["optimizer.lr"]}}

    plots = f"plots_dir={project}/plots"
    assert run_cli("infer-ml-flow", plots, "trainer.accelerator=cpu").code == 0
    compared = run_cli("compare-runs", "tracking.experiment=hmdb51", plots)
    assert compared.code == 0
    assert "2 runs" in compared.out
    tested, other = (f"quick-trial-{number:04d}" for number in (best.number, 1 - best.number))
    table = {line.split(" | ")[0]: line for line in (project / "plots/compare/compare.md").read_text().splitlines()}
    assert "% (validation)" in table[f"| {other}"]
    assert re.search(r"\| \d+\.\d % \(\d+\.\d - \d+\.\d\) \| 100.0 % \|", table[f"| {tested}"])  # two classes


def test_a_pruned_training_ends_early_and_its_run_says_so(project, tiny_overrides, console):
    overrides = [*tiny_overrides, *QUICK, *LR_ONLY, "trainer.max_epochs=3", "tune.warmup_epochs=0", "tune.trials=2"]
    searched = read_space(load_config(overrides), tiny_overrides)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trials, "train", fake_train([1.0]))
        run_tune(load_config([*overrides, "tune.trials=1"]), console=console)
    study = study_of(project)
    study.add_trial(  # nobody gets as far as this one
        create_trial(
            value=2.0,
            params={"optimizer.lr": 1e-3},
            distributions={entry.key: entry.distribution for entry in searched},
            intermediate_values={0: 2.0, 1: 2.0, 2: 2.0},
            user_attrs={"overrides": ["optimizer.lr=0.001"], "run_dir": "nowhere"},
        )
    )
    run_tune(load_config([*overrides, "tune.trials=3"]), console=console)
    pruned = study_of(project).trials[-1]
    assert pruned.state == TrialState.PRUNED
    assert sorted(pruned.intermediate_values) == [0]
    client = MlflowClient(f"sqlite:///{project}/plots/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("hmdb51").experiment_id], "tags.trial = '2'")
    assert run.data.tags["pruned"] == "after 1 epoch"
    assert run.info.status == "FINISHED"
    assert run.data.metrics["epoch"] == 0
    assert "train_loss" in run.data.metrics


def fake_train(curve: list[float] | BaseException, *, seen: list | None = None) -> Callable:
    """In place of `train`: reports a curve of validation top-1 to the callbacks, or raises."""

    def run(config, *, console, tracker, callbacks):
        if seen is not None:
            seen.append(config)
        if isinstance(curve, BaseException):
            raise curve
        for epoch, value in enumerate(curve):
            for callback in callbacks:
                trainer = SimpleNamespace(callback_metrics={"val_top1": torch.tensor(value)}, sanity_checking=False)
                callback.on_train_epoch_end(trainer, SimpleNamespace(current_epoch=epoch))
        return SimpleNamespace(best_val_top1=max(curve))

    return run


@functools.cache
def composed_once(overrides: tuple[str, ...]) -> Config:
    return load_config(overrides)


def composed(overrides: tuple[str, ...]) -> Config:
    """As `load_config`: what the tests, with their common seed, compose again and again."""
    return deepcopy(composed_once(overrides))


class Untracked:
    """In place of an MLflow run, which the tests above have looked at."""

    run_id, url_hint = "run", "nowhere"

    def log_metrics(self, metrics: dict[str, float]) -> None: ...
    def set_tags(self, tags: dict[str, object]) -> None: ...
    def describe(self, parts: dict[str, str]) -> None: ...
    def log_artifact(self, path: Path, folder: str) -> None:
        assert path.is_file()


@pytest.fixture
def search(project, console, monkeypatch) -> Callable[..., str]:
    """Run a search of the demo set with stand-ins for data, training and MLflow."""

    def run(train: Callable, *overrides: str) -> str:
        monkeypatch.setattr(trials, "train", train)
        return run_tune(composed((*QUICK, *overrides)), console=console)

    for module in (trials, space):
        monkeypatch.setattr(module, "load_config", lambda overrides: composed(tuple(overrides)))
    for module in (trials, tune):
        monkeypatch.setattr(module, "open_run", lambda *_, **__: nullcontext(Untracked()))
    monkeypatch.setattr(tune, "_checked_data", lambda *_: "hash")
    monkeypatch.setattr(tune_report, "save_figure", lambda _, path: path.touch())
    return run


def test_a_trial_that_its_settings_break_is_failed_and_the_search_goes_on(search, project, console):
    calls = iter([DataError("data.x: broken\nsecond line"), [0.4], [0.6, 0.5]])

    def train(config, **given):
        return fake_train(next(calls))(config, **given)

    search(train, "tune.trials=3", "tune.pruner=none")
    assert states(project) == ["FAIL", "COMPLETE", "COMPLETE"]
    study = study_of(project)
    assert study.trials[0].user_attrs["error"] == "data.x: broken\\nsecond line"
    assert [trial.value for trial in study.trials] == [None, 0.4, 0.6]
    text = console.export_text()
    assert "trial 0 failed: data.x: broken" in text
    assert "2 complete, 0 pruned, 1 failed" in text
    assert next(calls, None) is None
    search(fake_train(AssertionError("all trials are there")), "tune.trials=3", "tune.pruner=none")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), RuntimeError("bug")])
def test_an_interruption_fails_the_trial_and_the_study_goes_on(search, project, console, error):
    with pytest.raises(type(error)):
        search(fake_train(error), "tune.trials=2")
    assert states(project) == ["FAIL"]
    assert "the same command goes on" in console.export_text(clear=False)
    search(fake_train([0.5]), "tune.trials=2")
    assert states(project) == ["FAIL", "COMPLETE", "COMPLETE"]


def test_a_killed_process_leaves_no_trial_running(search, project):
    search(fake_train([0.5]), "tune.trials=1")
    killed = study_of(project).ask({"optimizer.lr": FloatDistribution(1e-4, 1e-2, log=True)})
    elsewhere = study_of(project).ask({"optimizer.lr": FloatDistribution(1e-4, 1e-2, log=True)})
    for trial, host in ((killed, study_of(project).trials[0].user_attrs["host"]), (elsewhere, "another machine")):
        trial.set_user_attr("host", host)
        trial.set_user_attr("pid", 2**30)
    search(fake_train([0.5]), "tune.trials=2")
    assert states(project) == ["COMPLETE", "FAIL", "RUNNING", "COMPLETE"]


def test_drawn_settings_reach_the_training_and_best_yaml_is_an_experiment(search, project, tmp_path, monkeypatch):
    seen: list = []
    settings = [
        *LR_ONLY,
        "+tune.space.trainer.accumulate={type:int,low:1,high:8,log:true}",
        "+tune.space.augment.crop_scale={type:categorical,choices:[[0.5,1.0],[0.25,0.75]]}",
        "+tune.space.trainer.ema_decay={type:categorical,choices:[null]}",
    ]
    command = search(fake_train([0.5], seen=seen), *settings, "tune.trials=3")
    for config, trial in zip(seen, study_of(project).trials, strict=True):
        assert config.optimizer.lr == trial.params["optimizer.lr"]
        assert str(config.trainer.accumulate) == str(trial.params["trainer.accumulate"])
        assert config.augment.crop_scale in ([0.5, 1.0], [0.25, 0.75])
        assert config.trainer.ema_decay is None
    assert len({config.optimizer.lr for config in seen}) == 3

    shutil.copytree(CONF_DIR, tmp_path / "conf")
    shutil.copy(project / "plots/tune/best.yaml", tmp_path / "conf/experiment/found.yaml")
    monkeypatch.setattr(compose, "CONF_DIR", tmp_path / "conf")
    typed = flatten(load_config(shlex.split(command)[1:]))
    base = [word for word in shlex.split(command)[1:] if word.split("=")[0] not in study_of(project).best_params]
    assert flatten(load_config([*base, "experiment=found"])) == typed


def test_a_searched_group_is_chosen_before_its_keys(search, project, tmp_path, monkeypatch):
    seen: list = []
    chosen = "+tune.space.optimizer={type:categorical,choices:[sgd,adamw]}"
    search(fake_train([0.5], seen=seen), "~tune.space.optimizer", "~tune.space.model", chosen, "tune.trials=2")
    assert {config.optimizer.name for config in seen} <= {"sgd", "adamw"}
    shutil.copytree(CONF_DIR, tmp_path / "conf")
    shutil.copy(project / "plots/tune/best.yaml", tmp_path / "conf/experiment/found.yaml")
    monkeypatch.setattr(compose, "CONF_DIR", tmp_path / "conf")
    best = study_of(project).best_params["optimizer"]
    assert load_config(["experiment=found"]).optimizer == load_config([f"optimizer={best}"]).optimizer


def test_the_same_seed_draws_the_same_settings(project, search):
    drawn = []
    for name in ("one", "two", "three"):
        config = composed((*QUICK, f"trainer.seed={int(name == 'three')}"))
        config.tune.study = name
        searched = read_space(config, ())
        study = open_study(config, searched, data_hash="a")
        drawn.append([])
        for finished in range(2):
            seed_sampler(study, config, finished=finished)
            drawn[-1].append(study.ask({e.key: e.distribution for e in searched}).params)
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0][0] != drawn[0][1]


def test_importances_find_what_matters(search, project, console):
    def train(config, **given):
        return fake_train([100 * config.optimizer.lr])(config, **given)

    search(train, "tune.trials=5", "tune.pruner=none", "~tune.space.model")
    assert (project / "plots/tune/importances.png").is_file()
    assert "importance 0." in console.export_text()


def test_a_tie_is_said_and_the_earliest_taken(search, project, console):
    scores = iter([[0.4], [0.8], [0.8], [0.2], [0.8]])

    def train(config, **given):
        return fake_train(next(scores))(config, **given)

    search(train, "tune.trials=5", "tune.pruner=none")
    text = " ".join(console.export_text().split())
    assert "a tie: trials 1, 2, 4 share the best validation top-1, 80.0 %" in text
    assert "Trial 1 is taken because it is the earliest" in text
    assert "80.0 %, the earliest of 3 with this score." in (project / "plots/tune/best.yaml").read_text()


def test_no_tie_no_word_of_it(search, project, console):
    search(fake_train([0.5]), "tune.trials=1")
    assert "tie" not in console.export_text()


def test_one_step_plan_for_a_whole_study(project, tiny_overrides, console, monkeypatch):
    """Measured once, whatever a measurement would give for the next trial or on the machine that goes on with it."""
    plans = iter([StepPlan(precision="bf16-mixed", memory_format="channels_last_3d")])
    monkeypatch.setattr(tune, "choose_step_plan", lambda *_: next(plans))
    seen: list = []
    monkeypatch.setattr(trials, "train", fake_train([0.5], seen=seen))
    overrides = [word for word in tiny_overrides if word not in AS_IT_IS]
    words = [*overrides, "tune.study=plan", *LR_ONLY]
    for count in (2, 3):
        command = run_tune(load_config([*words, f"tune.trials={count}"]), console=console)
    computed = {(config.trainer.precision, config.trainer.memory_format) for config in seen}
    assert (len(seen), computed) == (3, {("bf16-mixed", "channels_last_3d")})
    assert {"trainer.precision=bf16-mixed", "trainer.memory_format=channels_last_3d"} <= set(shlex.split(command))
    # What is given, or searched, is not touched.
    given = [*words, "trainer.precision=32-true", "tune.study=given", "tune.trials=1"]
    given.remove("tune.study=plan")
    monkeypatch.setattr(tune, "choose_step_plan", lambda *_: StepPlan(precision="32-true", memory_format="contiguous"))
    run_tune(load_config(given), console=console)
    assert (seen[-1].trainer.precision, seen[-1].trainer.memory_format) == ("32-true", "contiguous")


def test_a_timeout_starts_no_further_trial(search, project):
    search(fake_train([0.5]), "tune.trials=1")
    search(fake_train(AssertionError("too late")), "tune.trials=5", "tune.timeout_minutes=1e-9")
    assert states(project) == ["COMPLETE"]


def test_a_study_of_another_question_is_refused(project):
    def opened(*overrides: str, data_hash: str = "a") -> None:
        config = load_config([*QUICK, *overrides])
        searched = read_space(config, ())
        open_study(config, searched, data_hash=data_hash).ask({entry.key: entry.distribution for entry in searched})

    opened()
    opened("tune.trials=99", "tune.space.optimizer.lr.high=0.5", "data.videos_dir=elsewhere")
    for changed, word in (
        (["trainer.max_epochs=7"], "trainer.max_epochs 1 -> 7"),
        (["tune.space.optimizer.lr.log=false"], "tune.space.optimizer.lr has another"),
    ):
        with pytest.raises(ConfigError, match=f"tune.study=quick: .*{word}.* quick-2"):
            opened(*changed)
    with pytest.raises(ConfigError, match=r"tune\.study=quick: .*other data .*quick-2"):
        opened(data_hash="b")


NUMBERS = {"type": "float", "low": 0.1, "high": 0.5}


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({}, ["nothing to search"]),
        ({"optimizer": {"lr": None}}, ["tune.space.optimizer.lr=None", "float|int|categorical"]),
        ({"optimizer": {"lrate": NUMBERS}}, ["tune.space.optimizer.lrate", "'optimizer.lr'", "~tune.space"]),
        ({"optimizer.lr": NUMBERS | {"type": "flot"}}, ["tune.space.optimizer.lr.type=flot", "'float'"]),
        ({"trainer.patience": {"type": "int", "low": 1.5, "high": 3}}, ["low=1.5", "whole numbers"]),
        ({"trainer.patience": {"type": "int", "low": 3, "high": 1}}, ["low=3", "low below high"]),
        ({"optimizer.lr": {"type": "float", "low": 0, "high": 1, "log": True}}, ["log=True", "above 0"]),
        ({"optimizer.lr": NUMBERS | {"log": "maybe"}}, ["log=maybe"]),
        ({"optimizer.lr": NUMBERS | {"step": 1}}, ["tune.space.optimizer.lr.step", "high, log, low, type"]),
        ({"optimizer.schedule": {"type": "categorical"}}, ["choices=None"]),
        ({"optimizer.schedule": {"type": "categorical", "choices": ["cosin"]}}, ["schedule=cosin", "'cosine'"]),
        ({"optimizer.layer_decay": NUMBERS | {"high": 1.5}, "optimizer.lr": NUMBERS}, ["layer_decay=1.5", "at most 1"]),
        ({"optimizer": NUMBERS}, ["tune.space.optimizer.type=float", "adam, adamw, sgd"]),
        ({"data": {"val_fraction": NUMBERS}}, ["judged alike", "~tune.space.data.val_fraction"]),
        ({"trainer.seed": NUMBERS}, ["judged alike"]),
        ({"model.args.depth": NUMBERS}, ["tune.space.model.args.depth", "no such key"]),
    ],
)
def test_a_wrong_space_is_one_line(entries, words):
    config = default_config()
    with pytest.raises(ConfigError) as caught:
        read_space(replace(config, tune=replace(config.tune, space=entries)), ())
    assert_one_line(caught, words)


@functools.cache
def default_config() -> Config:
    return load_config()


def assert_one_line(caught: pytest.ExceptionInfo[ConfigError], words: list[str]) -> None:
    line = str(caught.value)
    assert "\n" not in line
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data.val_fraction=0", ["data.val_fraction=0", "validation clips"]),
        ("trainer.resume=last", ["trainer.resume", "tune.study"]),
        ("trainer.devices=2", ["trainer.devices=2"]),
        ("trainer.limit_val_batches=0", ["trainer.limit_val_batches=0"]),
        ("tune.pruner=medium", ["tune.pruner=medium", "'median'"]),
        ("tune.trials=0", ["tune.trials=0", "1 to 1000000"]),
        ("tune.timeout_minutes=0", ["tune.timeout_minutes=0"]),
        ("model.weights=gone.pt", ["model.weights=gone.pt", "no such file"]),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_trained(tmp_path, console, monkeypatch, override, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trials, "train", fake_train(AssertionError("trained")))
    with pytest.raises(ConfigError) as caught:
        run_tune(load_config([*QUICK, override]), console=console)
    assert_one_line(caught, words)


@pytest.mark.parametrize("storage", ["sqlite:///notes.txt", "folder"])
def test_a_storage_that_is_none(tmp_path, monkeypatch, storage):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("no database at all, but long enough to be told from an empty one" * 20)
    config = default_config()
    with pytest.raises(ConfigError) as caught:
        open_study(replace(config, tune=replace(config.tune, storage=storage)), [], data_hash="a")
    assert_one_line(caught, [f"tune.storage={storage}", "sqlite:///FILE"])


def test_no_complete_trial_says_why(search):
    with pytest.raises(ConfigError, match=r"no trial was completed, the last failed: data.x: broken"):
        search(fake_train(DataError("data.x: broken")), "tune.trials=2")

"""`tune`: real trainings where training matters, and a stand-in for it where only the search does."""

import shlex
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from functools import cache
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import optuna
import pytest
import torch
import yaml
from helpers.refusals import refused
from mlflow import MlflowClient
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from action_recognition.config import CONF_DIR, Config, compose, flatten, load_config
from action_recognition.errors import ConfigError, DataError
from action_recognition.studies import space, trials, tune, tune_report
from action_recognition.studies.space import read_space
from action_recognition.studies.tune import run_tune
from action_recognition.tracking.run_folders import last_run
from action_recognition.training.step_plan import StepPlan

AS_IT_IS = ["trainer.precision=32-true", "trainer.memory_format=contiguous"]  # nothing to measure
QUICK = ["trainer.max_epochs=1", "tune.study=quick", "tune.startup_trials=1", *AS_IT_IS]
LR_ONLY = ["~tune.space.model", "~tune.space.optimizer.label_smoothing"]
LR = {"optimizer.lr": FloatDistribution(1e-4, 1e-2, log=True)}


@pytest.fixture
def project(studies: Path, client: MlflowClient) -> Path:
    """A working directory with a tracking store and a database of studies."""
    return studies


def study_of(project: Path) -> optuna.Study:
    return optuna.load_study(study_name="quick", storage=f"sqlite:///{project}/plots/optuna.db")


def states(project: Path) -> list[str]:
    return [trial.state.name for trial in study_of(project).trials]


def test_a_search_trains_records_and_goes_on(project, client, tiny_overrides, run_cli: Callable):
    words = [*tiny_overrides, *QUICK, *LR_ONLY, "tune.space.optimizer.lr.high=1e-3"]
    first = run_cli("tune", *words, "tune.trials=1")
    assert (first.code, first.err) == (0, "")
    outcome = run_cli("tune", *words, "tune.trials=2")
    assert (outcome.code, outcome.err) == (0, "")
    assert "continues: it has 1 of 2 trials" in outcome.out

    study = study_of(project)
    assert states(project) == ["COMPLETE", "COMPLETE"]
    rates = [trial.params["optimizer.lr"] for trial in study.trials]
    assert all(1e-4 <= rate <= 1e-3 for rate in rates)
    assert rates[0] != rates[1]

    experiment = client.get_experiment_by_name("hmdb51").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    assert sorted(runs) == ["quick-trial-0000", "quick-trial-0001", "tune-quick"]
    parent = runs["tune-quick"]
    assert (parent.info.status, parent.data.tags["command"]) == ("FINISHED", "tune")
    for number in (0, 1):
        child = runs[f"quick-trial-000{number}"].data
        assert child.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.params["optimizer.lr"] == str(rates[number])
        assert child.metrics["val_top1"] == study.trials[number].value
        assert not any(name.startswith(("test", "run/")) for name in child.metrics)  # a chart of one dot says nothing
        assert {"device", "precision", "data_hash"} <= set(child.tags)
        steps = {name: float(value) for name, value in child.tags.items() if name.startswith("run/")}
        assert (steps["run/epochs"], steps["run/steps_per_epoch"]) == (1, 3)  # 12 training clips in batches of 4
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

    assert run_cli("compare-runs", "tracking.experiment=hmdb51", f"plots_dir={project}/plots").code == 0
    rows = (project / "plots/compare/compare.md").read_text()
    assert all(f"| quick-trial-{number:04d} |" in rows for number in (0, 1))
    assert rows.count("% (validation)") == 2


def test_a_pruned_training_ends_early_and_its_run_says_so(project, client, tiny_overrides, console):
    overrides = [*tiny_overrides, *QUICK, *LR_ONLY, "trainer.max_epochs=3", "tune.warmup_epochs=0"]
    searched = read_space(load_config(overrides), tiny_overrides)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trials, "train", trainings([1.0]))
        run_tune(load_config([*overrides, "tune.trials=1"]), console=console)
    study_of(project).add_trial(  # nobody gets as far as this one
        create_trial(
            value=2.0,
            params={"optimizer.lr": 1e-3},
            distributions=dict(searched),
            intermediate_values={0: 2.0, 1: 2.0, 2: 2.0},
            user_attrs={"overrides": ["optimizer.lr=0.001"], "run_dir": "nowhere"},
        )
    )
    run_tune(load_config([*overrides, "tune.trials=3"]), console=console)
    pruned = study_of(project).trials[-1]
    assert (pruned.state, sorted(pruned.intermediate_values)) == (TrialState.PRUNED, [0])
    (run,) = client.search_runs([client.get_experiment_by_name("hmdb51").experiment_id], "tags.trial = '2'")
    assert (run.data.tags["pruned"], run.info.status, run.data.metrics["epoch"]) == ("after 1 epoch", "FINISHED", 0)
    assert len((Path(pruned.user_attrs["run_dir"]) / "history.csv").read_text().splitlines()) == 2


def trainings(*curves: list[float] | BaseException) -> Callable:
    """In place of `train`: each call reports the next curve of validation top-1, or raises; the last one repeats.

    `seen` holds the configurations.
    """
    upcoming = chain(curves, repeat(curves[-1]))

    def run(config, *, console, tracker, callbacks):
        run.seen.append(config)
        curve = next(upcoming)
        if isinstance(curve, BaseException):
            raise curve
        for epoch, value in enumerate(curve):
            for callback in callbacks:
                trainer = SimpleNamespace(callback_metrics={"val_top1": torch.tensor(value)}, sanity_checking=False)
                callback.on_train_epoch_end(trainer, SimpleNamespace(current_epoch=epoch))
        return SimpleNamespace(best_val_top1=max(curve))

    run.seen = []
    return run


@cache
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
    monkeypatch.setattr(tune_report, "save_figure", lambda figure, path: (plt.close(figure), path.touch()))
    return run


def test_a_trial_that_its_settings_break_is_failed_and_the_search_goes_on(search, project, console):
    train = trainings(DataError("data.x: broken\nsecond line"), [0.4], [0.6, 0.5])
    search(train, "tune.trials=3", "tune.pruner=none")
    assert states(project) == ["FAIL", "COMPLETE", "COMPLETE"]
    study = study_of(project)
    assert study.trials[0].user_attrs["error"] == "data.x: broken\\nsecond line"
    assert [trial.value for trial in study.trials] == [None, 0.4, 0.6]
    text = console.export_text()
    assert "trial 0 failed: data.x: broken" in text
    assert "2 complete, 0 pruned, 1 failed" in text
    search(trainings(AssertionError("all trials are there")), "tune.trials=3", "tune.pruner=none")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), RuntimeError("bug")])
def test_an_interruption_fails_the_trial_and_the_study_goes_on(search, project, console, error):
    with pytest.raises(type(error)):
        search(trainings(error), "tune.trials=2")
    assert states(project) == ["FAIL"]
    assert "the same command continues it" in console.export_text(clear=False)
    search(trainings([0.5]), "tune.trials=2")
    assert states(project) == ["FAIL", "COMPLETE", "COMPLETE"]


def test_a_killed_process_leaves_no_trial_running_and_no_run(search, project, client):
    search(trainings([0.5]), "tune.trials=1")
    here = study_of(project).trials[0].user_attrs["host"]
    runs = {}
    for host in (here, "another machine"):
        runs[host] = client.create_run("0").info.run_id
        trial = study_of(project).ask(LR)
        for name, value in {"host": host, "pid": 2**30, "mlflow_run_id": runs[host]}.items():
            trial.set_user_attr(name, value)
    search(trainings([0.5]), "tune.trials=2")
    assert states(project) == ["COMPLETE", "FAIL", "RUNNING", "COMPLETE"]
    assert [client.get_run(run).info.status for run in runs.values()] == ["KILLED", "RUNNING"]


def compose_with(best_yaml: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `experiment=found` of a search's best settings."""
    shutil.copytree(CONF_DIR, folder / "conf")
    shutil.copy(best_yaml, folder / "conf/experiment/found.yaml")
    monkeypatch.setattr(compose, "CONF_DIR", folder / "conf")


def test_drawn_settings_reach_the_training_and_best_yaml_is_an_experiment(search, project, monkeypatch):
    settings = [
        *LR_ONLY,
        "+tune.space.trainer.accumulate={type:int,low:1,high:8,log:true}",
        "+tune.space.augment.crop_scale={type:categorical,choices:[[0.5,1.0],[0.25,0.75]]}",
        "+tune.space.trainer.ema_decay={type:categorical,choices:[null]}",
    ]
    train = trainings([0.5])
    command = search(train, *settings, "tune.trials=3")
    for config, trial in zip(train.seen, study_of(project).trials, strict=True):
        assert config.optimizer.lr == trial.params["optimizer.lr"]
        assert str(config.trainer.accumulate) == str(trial.params["trainer.accumulate"])
        assert config.augment.crop_scale in ([0.5, 1.0], [0.25, 0.75])
        assert config.trainer.ema_decay is None
    assert len({config.optimizer.lr for config in train.seen}) == 3

    typed = flatten(load_config(shlex.split(command)[1:]))
    base = [word for word in shlex.split(command)[1:] if word.split("=")[0] not in study_of(project).best_params]
    compose_with(project / "plots/tune/best.yaml", project, monkeypatch)
    assert flatten(load_config([*base, "experiment=found"])) == typed


@pytest.mark.parametrize(("group", "choices"), [("optimizer", ["sgd", "adamw"]), ("augment", ["none", "strong"])])
def test_a_searched_group_is_chosen_before_its_keys(search, project, monkeypatch, group, choices):
    space = f"+tune.space.{group}={{type:categorical,choices:[{','.join(choices)}]}}"
    search(trainings([0.5]), "~tune.space.optimizer", "~tune.space.model", space, "tune.trials=2")
    best = study_of(project).best_params[group]
    assert best in choices
    compose_with(project / "plots/tune/best.yaml", project, monkeypatch)
    found, chosen = load_config(["experiment=found"]), load_config([f"{group}={best}"])
    assert getattr(found, group) == getattr(chosen, group)


def test_importances_find_what_matters(search, project, console):
    def train(config, **given):
        return trainings([100 * config.optimizer.lr])(config, **given)

    search(train, "tune.trials=5", "tune.pruner=none", "~tune.space.model")
    assert (project / "plots/tune/importances.png").is_file()
    assert "importance 0." in console.export_text()


@pytest.mark.parametrize("tied", [True, False])
def test_a_tie_is_said_and_the_earliest_taken(search, project, console, tied):
    curves = [[0.4], [0.8], [0.8], [0.2], [0.8]] if tied else [[0.4], [0.8], [0.7], [0.2], [0.3]]
    search(trainings(*curves), "tune.trials=5", "tune.pruner=none")
    text, settings = " ".join(console.export_text().split()), (project / "plots/tune/best.yaml").read_text()
    assert ("a tie: trials 1, 2, 4 share the best validation top-1, 80.0 %" in text) is tied
    assert ("Trial 1 is taken because it is the earliest" in text) is tied
    assert ("80.0 %, the earliest of 3 with this score." in settings) is tied
    assert "# Trial 1 of study quick: validation top-1 80.0 %" in settings


def test_one_step_plan_for_a_whole_study(project, tiny_overrides, console, monkeypatch):
    """Measured once, whatever a measurement would give for the next trial or on the machine that goes on with it."""
    plans = iter([StepPlan(precision="bf16-mixed", memory_format="channels_last_3d")])
    monkeypatch.setattr(tune, "choose_step_plan", lambda *_: next(plans))
    train = trainings([0.5])
    monkeypatch.setattr(trials, "train", train)
    words = [*(word for word in tiny_overrides if word not in AS_IT_IS), *LR_ONLY]
    for count in (2, 3):
        command = run_tune(load_config([*words, "tune.study=plan", f"tune.trials={count}"]), console=console)
    computed = {(config.trainer.precision, config.trainer.memory_format) for config in train.seen}
    assert (len(train.seen), computed) == (3, {("bf16-mixed", "channels_last_3d")})
    assert {"trainer.precision=bf16-mixed", "trainer.memory_format=channels_last_3d"} <= set(shlex.split(command))
    # What is given, or searched, is not touched.
    monkeypatch.setattr(tune, "choose_step_plan", lambda *_: StepPlan(precision="32-true", memory_format="contiguous"))
    given = load_config([*words, "trainer.precision=32-true", "tune.study=given", "tune.trials=1"])
    run_tune(given, console=console)
    assert (train.seen[-1].trainer.precision, train.seen[-1].trainer.memory_format) == ("32-true", "contiguous")


def test_a_timeout_starts_no_further_trial(search, project):
    search(trainings([0.5]), "tune.trials=1")
    search(trainings(AssertionError("too late")), "tune.trials=5", "tune.timeout_minutes=1e-9")
    assert states(project) == ["COMPLETE"]


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
    monkeypatch.setattr(trials, "train", trainings(AssertionError("trained")))
    with refused(*words):
        run_tune(load_config([*QUICK, override]), console=console)


def test_no_complete_trial_says_why(search):
    with pytest.raises(ConfigError, match=r"no trial was completed, the last failed: data.x: broken"):
        search(trainings(DataError("data.x: broken")), "tune.trials=2")

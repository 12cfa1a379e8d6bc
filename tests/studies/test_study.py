"""The Optuna study: draws follow from the seed, and only the same question goes on."""

from dataclasses import replace

import pytest
from helpers.refusals import refused

from action_recognition.config import load_config
from action_recognition.errors import ConfigError
from action_recognition.studies.space import read_space
from action_recognition.studies.study import open_study, seed_sampler


def test_the_same_seed_draws_the_same_settings(studies):
    drawn = []
    for name in ("one", "two", "three"):
        config = load_config(["tune.startup_trials=1", f"trainer.seed={int(name == 'three')}", f"tune.study={name}"])
        searched = read_space(config, ())
        study = open_study(config, searched, data_hash="a")
        drawn.append([])
        for finished in range(2):
            seed_sampler(study, config, finished=finished)
            drawn[-1].append(study.ask(dict(searched)).params)
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0][0] != drawn[0][1]


def test_a_study_of_another_question_is_refused(studies):
    def opened(*overrides: str, data_hash: str = "a") -> None:
        config = load_config(["tune.study=quick", *overrides])
        searched = read_space(config, ())
        open_study(config, searched, data_hash=data_hash).ask(dict(searched))

    opened()
    opened("tune.trials=99", "tune.space.optimizer.lr.high=0.5", "data.videos_dir=elsewhere")
    for changed, word in (
        (["trainer.max_epochs=7"], "trainer.max_epochs 20 -> 7"),
        (["tune.space.optimizer.lr.log=false"], "tune.space.optimizer.lr has another"),
    ):
        with pytest.raises(ConfigError, match=f"tune.study=quick: .*{word}.* quick-2"):
            opened(*changed)
    with pytest.raises(ConfigError, match=r"tune\.study=quick: .*other data .*quick-2"):
        opened(data_hash="b")


@pytest.mark.parametrize("storage", ["sqlite:///notes.txt", "folder"])
def test_an_unusable_storage_is_refused(tmp_path, monkeypatch, storage):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("no database at all, but long enough to be told from an empty one" * 20)
    config = load_config()
    with refused(f"tune.storage={storage}: ", "sqlite:///FILE"):
        open_study(replace(config, tune=replace(config.tune, storage=storage)), {}, data_hash="a")

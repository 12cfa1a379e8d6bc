"""The search space: what is wrong with one is said in one line, before anything is trained."""

from dataclasses import replace

import pytest
from helpers.refusals import refused

from action_recognition.config import load_config
from action_recognition.studies.space import read_space

NUMBERS = {"type": "float", "low": 0.1, "high": 0.5}


@pytest.fixture(scope="module")
def config():
    return load_config()


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({}, ["nothing to search"]),
        ({"optimizer": {"lr": None}}, ["tune.space.optimizer.lr=None", "float|int|categorical"]),
        ({"optimizer": {"lrate": NUMBERS}}, ["tune.space.optimizer.lrate", "'optimizer.lr'", "~tune.space"]),
        ({"optimizer.lr": NUMBERS | {"type": "flot"}}, ["tune.space.optimizer.lr.type=flot", "'float'"]),
        ({"trainer.patience": {"type": "int", "low": 1.5, "high": 3}}, ["low=1.5", "a whole number"]),
        ({"trainer.patience": {"type": "int", "low": 3, "high": 1}}, ["low=3", "low below high"]),
        ({"optimizer.lr": {"type": "float", "low": 0, "high": 1, "log": True}}, ["log=true", "above 0"]),
        ({"optimizer.lr": NUMBERS | {"log": "maybe"}}, ["log=maybe"]),
        ({"optimizer.lr": NUMBERS | {"step": 1}}, ["tune.space.optimizer.lr.step", "high, log, low"]),
        ({"optimizer.schedule": {"type": "categorical"}}, ["choices=null", "a list of"]),
        ({"optimizer.schedule": {"type": "categorical", "choices": ["cosin"]}}, ["schedule=cosin", "'cosine'"]),
        ({"optimizer.layer_decay": NUMBERS | {"high": 1.5}, "optimizer.lr": NUMBERS}, ["layer_decay=1.5", "at most 1"]),
        ({"optimizer": NUMBERS}, ["tune.space.optimizer.type", "adam, adamw, sgd"]),
        ({"data": {"val_fraction": NUMBERS}}, ["judged alike", "~tune.space.data.val_fraction"]),
        ({"trainer.seed": NUMBERS}, ["judged alike"]),
        ({"model.args.depth": NUMBERS}, ["tune.space.model.args.depth", "no such key"]),
    ],
)
def test_a_wrong_space_is_one_line(config, entries, words):
    with refused(*words):
        read_space(replace(config, tune=replace(config.tune, space=entries)), ())

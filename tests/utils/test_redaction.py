"""Passwords and tokens in URLs are never stored or shown."""

import sqlite3

import pytest
import torch
from rich.console import Console

from action_recognition.config import flatten, load_config, to_yaml
from action_recognition.errors import ConfigError
from action_recognition.models.checkpoint_config import config_of_checkpoint
from action_recognition.utils.redaction import is_hidden, redacted, redacted_values

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:s3cr3t@host/clips.zip", "https://***@host/clips.zip"),
        ("https://s3cr3t@host", "https://***@host"),
        ("https://user:s3,cr'3t@host/x", "https://***@host/x"),
        ("https://user:p@s3cr3t@host/x", "https://***@host/x"),
        ("postgresql+psycopg2://user:s3cr3t@host:5432/db", "postgresql+psycopg2://***@host:5432/db"),
        ("https://h/a.tar?X-Amz-Signature=s3cr3t&part=2", "https://h/a.tar?X-Amz-Signature=***&part=2"),
        ("https://h/a.tar?part=2&token=s3cr3t#top", "https://h/a.tar?part=2&token=***#top"),
        ("https://h/a?sv=1&sig=s3cr3t", "https://h/a?sv=1&sig=***"),
        ("data.mirrors.videos=[https://a/b,https://u:s3cr3t@c/d]", "data.mirrors.videos=[https://a/b,https://***@c/d]"),
        ("no password in user@example.org or a=b?token", "no password in user@example.org or a=b?token"),
        ("hf://datasets/a/b@main/*.rar", "hf://datasets/a/b@main/*.rar"),
        ("sqlite:///plots/mlflow.db", "sqlite:///plots/mlflow.db"),
        ("https://host/a@b?page=1&keyword=x", "https://host/a@b?page=1&keyword=x"),
    ],
)
def test_what_is_secret_in_an_address_is_hidden_and_the_rest_stays(text: str, shown: str) -> None:
    assert redacted(text) == shown
    assert redacted(shown) == shown


def test_nested_values_are_redacted_and_others_left() -> None:
    given = {"a": [f"https://u:{SECRET}@h", 3], "b": {"c": None, "d": ("x", 1.5)}}
    assert redacted_values(given) == {"a": ["https://***@h", 3], "b": {"c": None, "d": ("x", 1.5)}}
    assert is_hidden({"a": ["https://***@h/x"]})
    assert is_hidden("https://h?token=***")
    assert not is_hidden(["clip.size=3", None, 1])


@pytest.mark.parametrize(
    "override",
    [
        f"data.archive=https://user:{SECRET}@host/clips.zip",
        f"data.mirrors.videos=[https://user:{SECRET}@host/a.rar]",
        f"data.shards.url=https://host/shards?token={SECRET}",
        f"model.weights=https://host/w.pt?X-Amz-Signature={SECRET}",
        f"tracking.tracking_uri=postgresql://user:{SECRET}@host/db",
        f"tracking.artifact_root=https://user:{SECRET}@host/mlruns",
    ],
)
def test_a_stored_configuration_holds_no_secret_and_the_used_one_does(override: str) -> None:
    config = load_config([override])
    assert SECRET not in to_yaml(config)
    assert SECRET not in repr(flatten(config))
    assert SECRET in repr(config)


def test_nothing_that_a_tracked_training_writes_or_says_holds_the_secret(run_cli, tiny_overrides, tmp_path):
    words = [
        *tiny_overrides,
        f"data.archive=https://user:{SECRET}@host/clips.zip?token={SECRET}",
        f"tracking.tracking_uri=sqlite:///{tmp_path}/mlflow.db",
        f"tracking.artifact_root={tmp_path}/mlruns",
    ]
    outcome = run_cli("train-ml-flow", *words)
    assert outcome.code == 0, outcome.err
    assert SECRET not in outcome.out + outcome.err
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert holding == []
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        stored = dict(database.execute("select key, value from params"))
    assert stored["data.archive"] == "https://***@host/clips.zip?token=***"
    (checkpoint,) = (tmp_path / "plots").rglob("best.ckpt")
    provenance = torch.load(checkpoint, weights_only=True)["hyper_parameters"]["provenance"]
    assert "data.archive=https://***@host/clips.zip?token=***" in provenance["overrides"]
    # What only the beginning needed is not asked for again.
    config = config_of_checkpoint(load_config([f"plots_dir={tmp_path}/plots"]))
    assert config.data.archive is None


def test_a_hidden_address_that_is_needed_is_asked_for_again(tiny_config, tiny_overrides, tmp_path):
    from action_recognition.training.fit import train

    config = load_config([*tiny_overrides, "trainer.max_epochs=1"])
    config.data.cache.dir = f"s3://user:{SECRET}@bucket/store"
    train(config, console=Console())
    with pytest.raises(ConfigError, match=r"best\.ckpt: data\.cache\.dir: was stored without the password"):
        config_of_checkpoint(load_config([f"plots_dir={tmp_path}/plots"]))
    given = load_config([f"plots_dir={tmp_path}/plots", "data.cache.dir=store"])
    assert config_of_checkpoint(given).data.cache.dir == "store"


def test_an_error_that_names_an_address_hides_its_password(run_cli):
    outcome = run_cli("download-data", "data=stills", f"data.archive=https://user:{SECRET}@host/x.zip")
    assert outcome.code == 1
    assert "data.archive=https://***@host/x.zip" in outcome.err
    assert SECRET not in outcome.out + outcome.err

"""What a later command takes from a checkpoint, and what it does not."""

import pytest

from action_recognition.config import flatten, keys_marked, load_config
from action_recognition.config.compose import Composed, compose_values
from action_recognition.config.rules import Lifetime
from action_recognition.errors import ConfigError
from action_recognition.models.checkpoint_config import as_trained, config_to_store, trained_config

TRAINED = (
    "data=hmdb51",
    "model=r3d_18",
    "data.split=2",
    "clip.size=96",
    "model.args.dropout=0.25",
    "trainer.devices=2",
    "tracking.experiment=earlier",
    "evaluation.split=val",
)


def stored(*overrides: str) -> Composed:
    return trained_config({"config": config_to_store(load_config(overrides or TRAINED))})


def test_a_model_keeps_every_value_that_outlives_a_command():
    trained, now = flatten(load_config(TRAINED)), flatten(as_trained(stored(), load_config()))
    passing = keys_marked(Lifetime.COMMAND, Lifetime.MACHINE)
    assert {key: now[key] for key in now if not key.startswith(passing)} == {
        key: trained[key] for key in trained if not key.startswith(passing)
    }
    assert (now["tracking.experiment"], now["evaluation.split"]) == ("hmdb51", "test")


def test_a_value_that_conf_has_changed_since_stays_as_it_was_trained():
    trained = stored()
    trained.values["optimizer"]["weight_decay"] = 0.125
    trained.values["model"]["args"] = {"of_then": 1}
    config = as_trained(trained, load_config(["evaluation.split=val"]))
    assert config.optimizer.weight_decay == 0.125
    assert config.model.args == {"of_then": 1}


def test_a_key_that_is_newer_than_the_checkpoint_has_its_default_and_one_that_is_gone_is_left_out():
    trained = stored()
    del trained.values["data"]["in_memory"]
    trained.values["data"]["of_then"] = 1
    assert as_trained(trained, load_config()).data.in_memory is False


@pytest.mark.parametrize(
    ("given", "key", "value"),
    [
        ("data.split=3", "data.split", 3),
        ("data.split=1", "data.split", 1),  # the default, but given
        ("data.dir=elsewhere", "data.videos_dir", "elsewhere/videos"),  # what refers to a changed key follows
        ("data=ucf101", "data.name", "ucf101"),
        ("data=ucf101", "clip.size", 96),
        ("model.args.dropout=0.5", "model.args.dropout", 0.5),
        ("clip.stride=4", "clip.size", 96),
        ("optimizer=sgd", "optimizer.name", "sgd"),
        ("experiment=demo", "trainer.max_epochs", 12),
        ("experiment=demo", "data.split", 2),
    ],
)
def test_what_is_given_now_goes_first(given: str, key: str, value: object):
    assert flatten(as_trained(stored(), load_config([given])))[key] == value


def test_only_a_resumed_training_asks_the_machine_that_trained():
    assert as_trained(stored(), load_config(["trainer.resume=last"])).trainer.devices == 2
    assert as_trained(stored(), load_config()).trainer.devices == load_config().trainer.devices


def test_a_checkpoint_of_overrides_alone_is_understood():
    """As checkpoints were before they held values, with the keys of before `clip` and `augment` were groups."""
    overrides = ["data=hmdb51", "data.frames=8", "data.augment.flip_probability=0", "+data.augment.mixup_alpha=0.1"]
    config = as_trained(trained_config({"overrides": [word.lstrip("+") for word in overrides]}), load_config())
    assert (config.data.name, config.clip.frames) == ("hmdb51", 8)
    assert (config.augment.flip_probability, config.augment.mixup_alpha) == (0, 0.1)


def test_an_address_without_its_password_is_asked_for_unless_nothing_reads_it_any_more():
    address = "https://user:secret@host/clips.zip"
    assert as_trained(stored(f"data.archive={address}"), load_config()).data.archive is None
    with pytest.raises(ConfigError, match=r"data\.cache\.dir: was stored without the password"):
        as_trained(stored(f"data.cache.dir={address}"), load_config())
    given = load_config(["data.cache.dir=store"])
    assert as_trained(stored(f"data.cache.dir={address}"), given).data.cache.dir == "store"


def test_choices_are_those_that_an_experiment_leads_to():
    assert compose_values(["experiment=hmdb51_transfer"]).choices["model"] == "two_stream"

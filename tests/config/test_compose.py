from pathlib import Path

import pytest

from action_recognition.config import CONF_DIR, flatten, load_config
from action_recognition.errors import ConfigError

OPTIONS = sorted(path.relative_to(CONF_DIR).with_suffix("") for path in CONF_DIR.glob("*/[!_]*.yaml"))


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_every_shipped_option_composes(option: Path):
    # A clip of depth images suits no other data set.
    suiting = ["data=depth_demo"] if "depth" in option.name and option.parent.name == "clip" else []
    config = load_config([*suiting, f"{option.parent}={option.name}"])
    assert config.clip.frames >= 1


def test_values_arrive_typed():
    config = load_config(["trainer.max_epochs=3", "optimizer.lr=0.5", "data=hmdb51", "data.split=2"])
    assert (config.trainer.max_epochs, config.optimizer.lr, config.data.split) == (3, 0.5, 2)
    assert config.data.videos_dir == "data/hmdb51/videos"
    assert config.overrides[0] == "trainer.max_epochs=3"


def test_flatten_names_every_value_by_its_override_key():
    flat = flatten(load_config(["augment.brightness=0.25"]))
    assert flat["augment.brightness"] == 0.25
    assert flat["model.network"] == "cnn3d"
    assert not any(isinstance(value, dict) for value in flat.values())


@pytest.mark.parametrize("value", [r"^(.+)_\d+$", "it's (mine)", "#20 [a] & b!", "{x", "a=b,c", "C:\\clips (1)\\"])
def test_values_need_no_quotes_beyond_the_shells(value):
    assert load_config([f"data.videos_dir={value}"]).data.videos_dir == value


def test_base_files_are_not_offered_as_options():
    with pytest.raises(ConfigError) as caught:
        load_config(["data=nowhere"])
    assert "_clips" not in str(caught.value)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("lr=0.1", "optimizer.lr=0.1"),
        ("epochs=5", "trainer.max_epochs=5"),
        ("optimizer.learning_rate=1", "optimizer.lr=1"),
        ("model.dropout=0.5", "model.args.dropout=0.5"),
        ("workers=2", "data.num_workers=2"),
        ("checkpoint=x", "evaluation.checkpoint=x or export.checkpoint=x"),
        ("trainer.max_epoch=3", "trainer.max_epochs=3"),
    ],
)
def test_a_key_by_another_name_is_answered_with_the_right_one(word, meant):
    with pytest.raises(ConfigError) as caught:
        load_config([word])
    assert str(caught.value) == f"{word}: no such key (did you mean {meant}?); see conf/"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("trainer.max_epoch=3", ["trainer.max_epoch", "trainer.max_epochs"]),
        ("trainer.max_epochs=many", ["trainer.max_epochs", "many", "whole number"]),
        ("trainer.max_epochs=0", ["trainer.max_epochs=0", "1 to 1000000"]),
        ("data.split=7", ["data.split=7", "1, 2, 3"]),
        ("data=hmdb", ["data=hmdb", "hmdb51"]),
        ("augment.crop_scale=[1]", ["crop_scale"]),
        ("data.source_pattern='('", ["source_pattern", "regular expression"]),
        ("export.min_batch=9", ["min_batch"]),
        ("predict.backend=torhc", ["torhc", "'torch'"]),
        ("word", ["word", "key=value"]),
        ("data.split=[", ["data.split=[", "1, 2, 3"]),
        ("nonsense=1", ["nonsense=1", "no such key"]),
        ("data.frames=8", ["data.frames=8: no such key (did you mean clip.frames=8?)"]),  # as it was called once
        ("+trainer.extra=1", ["extra"]),
        ("data=null", ["data=null", "hmdb51"]),
        ("~data", ["~data", "hmdb51"]),
        ("hydra.run.dir=x", ["hydra.run.dir=x", "not read"]),
        ("+overrides=[a]", ["overrides", "no such key"]),
        ("data.name=${nope}", ["data.name", "nope"]),
        ("clip.frames=???", ["clip.frames", "must be given"]),
        ("clip.frames=2.7", ["clip.frames=2.7", "whole number"]),
        ("clip.std=[0,1,1]", ["clip.std[0]=0", "1e-06 to 65535"]),
        ("clip.std=[0.2,0.2,0.2] clip.mean=[0.5,0.5,0.5]", ["clip.std=[0.2,0.2,0.2]", "0-255"]),
        ("model.args=a", ["model.args=a", "mapping"]),
        ("+=${hydra:x}", ["expected key=value"]),
        ("data.full_set=3", ["data.full_set=3", "classes"]),
        ("data.mirrors.videos=[{url:x,size:-1}]", ["data.mirrors", "size=-1"]),
        ("model.args.widths=[4,0]", ["model.args.widths[1]=0", "1 to 65536"]),
        ("model.weights=[a]", ["model.weights=[a]", "a path"]),
        ("plots_dir=", ["plots_dir=", "not empty"]),
        ("data.name=../x", ["data.name=../x", "no slash"]),
        (f"trainer.seed={'9' * 5000}", ["trainer.seed=999", "4294967295"]),
    ],
)
def test_a_mistake_is_one_line_that_names_it(override, words):
    with pytest.raises(ConfigError) as caught:
        load_config(override.split(" "))
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 500
    for word in words:
        assert word in line


@pytest.mark.parametrize("name", ["2024", "007", "1e5", "true", "0x10"])
def test_a_name_that_looks_like_a_number_stays_as_it_is(name):
    assert load_config([f"data.videos_dir={name}"]).data.videos_dir == name
    words = ["data=depth", f"data.train_subjects=[{name},a b]", f"compare.runs={name}"]
    config = load_config(words)
    assert config.data.train_subjects == [name, "a b"]
    assert config.compare.runs == [name]


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_the_learning_rate_is_the_networks_own_unless_it_is_given(optimizer):
    deep, small = (load_config([f"model={name}", f"optimizer={optimizer}"]) for name in ("r3d_18", "cnn3d"))
    assert deep.optimizer.lr == deep.model.default_lr < small.optimizer.lr == small.model.default_lr
    assert load_config(["model=r3d_18", f"optimizer={optimizer}", "optimizer.lr=0.5"]).optimizer.lr == 0.5
    # The recipe of an experiment is its own.
    assert load_config(["experiment=demo", f"optimizer={optimizer}"]).optimizer.lr == 0.003

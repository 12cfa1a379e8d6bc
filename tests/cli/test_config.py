"""`config`, and the keys that `COMMAND --help` lists."""

import re

import pytest
import yaml
from helpers.tiny_models import save_checkpoint, tiny_model

from action_recognition.cli.commands import COMMANDS, load_command
from action_recognition.config import group_options, load_config, to_values
from action_recognition.config.option_files import groups


def places(out):
    """What is printed, as `{key: place}`; keys of the same name in several groups are kept apart by their group."""
    found, group = {}, ""
    for line in out.splitlines():
        if match := re.match(r"( *)([\w.]+):.*  # (.+)$", line):
            found[f"{group}.{match[2]}" if match[1] else match[2]] = match[3]
        elif not line.startswith(" "):
            group = line.rstrip(":")
    return found


def test_what_a_command_would_run_with_is_yaml_with_the_place_of_each_value(run_cli, tmp_path):
    (tmp_path / "mine.yaml").write_text("optimizer: {weight_decay: 0.5}\n")
    words = ["experiment=demo", "trainer.max_epochs=3", "@mine.yaml", "data.archive=https://me:secret@host/x.zip"]
    outcome = run_cli("config", "train", *words)
    assert outcome.code == 0, outcome.err
    printed, expected = yaml.safe_load(outcome.out), to_values(load_config([*words[:2], "optimizer.weight_decay=0.5"]))
    assert printed["data"].pop("archive") == "https://***@host/x.zip"
    expected["data"].pop("archive")
    assert printed == {key: expected[key] for key in printed}
    assert "tracking" not in printed  # train does not read it
    told = places(outcome.out)
    assert told["plots_dir"] == "conf/config.yaml"
    assert told["data.kind"] == "conf/data/demo.yaml"
    assert told["data.split"] == "conf/data/_clips.yaml"
    assert told["clip.size"] == "conf/clip/16x2_56.yaml"
    assert told["optimizer.lr"] == told["trainer.patience"] == "conf/experiment/demo.yaml"
    assert told["optimizer.weight_decay"] == "mine.yaml"
    assert told["trainer.max_epochs"] == told["data.archive"] == "given here"
    assert told["data.labels_csv"] == "default"


def test_what_a_checkpoint_was_trained_with_is_said_to_be_of_it(run_cli, tmp_path):
    model = tiny_model()
    model.hparams["provenance"] = {"overrides": ["data=hmdb51", "clip.frames=4"]}
    path = save_checkpoint(model, tmp_path / "a.ckpt")
    outcome = run_cli("config", "infer", f"evaluation.checkpoint={path}", "data.split=2")
    assert outcome.code == 0, outcome.err
    told = places(outcome.out)
    assert told["data.name"] == told["clip.frames"] == f"checkpoint {path}"
    assert told["data.split"] == told["evaluation.checkpoint"] == "given here"
    assert told["evaluation.bootstrap"] == "conf/evaluation/default.yaml"


def test_groups_and_options_are_listed(run_cli):
    everything = run_cli("config").out
    for group in groups():
        options = group_options(group)
        assert f"{group}=" in everything
        assert ", ".join(options) in everything
        if group not in COMMANDS:
            lines = run_cli("config", group).out.splitlines()
            assert [line.split()[0] for line in lines] == [f"{group}={option}" for option in options]
    assert "C3D as published (Tran et al. 2015" in run_cli("config", "model").out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["modle"], "config modle: expected a command or a group of conf/ (did you mean 'model'?)"),
        (["completion"], "config completion: completion reads no keys"),
        (["train", "video.mp4"], "config train video.mp4: expected key=value"),
        (["train", "trainer.max_epoch=1"], "did you mean trainer.max_epochs=1"),
        (["infer-from-onnx", "predict.backend=torch"], "predict.backend can be chosen with predict"),
    ],
)
def test_what_cannot_be_shown_is_one_line(run_cli, words, expected):
    outcome = run_cli("config", *words)
    assert outcome.code == 1
    (line,) = outcome.err.splitlines()
    assert expected in line


def test_a_fixed_key_is_said_to_be_fixed(run_cli):
    assert places(run_cli("config", "infer-from-onnx").out)["predict.backend"] == "fixed by infer-from-onnx"


def test_help_lists_the_keys_that_a_command_reads(run_cli):
    lines = run_cli("infer", "--help").out.splitlines()
    assert any(re.match(r" +clip\.frames=16 +frames per clip +\[a whole number, 1 to 4096\]$", line) for line in lines)
    assert any(re.match(r" +data\.labels_csv=\S+ +CSV .* \(of data=stills\)", line) for line in lines)
    assert not any("optimizer." in line for line in lines)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_names_groups_that_are_there(name):
    command = load_command(COMMANDS[name])
    assert set(command.groups) <= set(groups())
    assert bool(command.groups) == command.composes

"""`@params.yaml` among overrides: what is in the file arrives in the configuration as it is written there."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from action_recognition.cli.command import split_words
from action_recognition.config import load_config
from action_recognition.config.parameter_files import read_overrides
from action_recognition.errors import ConfigError


def written(folder: Path, content: Any) -> str:
    path = folder / "params.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, allow_unicode=True))
    return f"@{path}"


def test_a_file_is_the_overrides_in_it_in_its_place(tmp_path: Path) -> None:
    word = written(tmp_path, {"trainer": {"max_epochs": 2, "ema_decay": None}, "clip": {"std": [1.5, 2, 3]}})
    config = load_config(["trainer.max_epochs=9", word, "clip.size=32"])
    assert config.trainer.max_epochs == 2
    assert config.clip.std == [1.5, 2, 3]
    # What a checkpoint remembers, and MLflow: the values, not the name of a file that changes.
    assert config.overrides == [
        "trainer.max_epochs=9",
        "clip.std=[1.5,2,3]",
        "trainer.ema_decay=null",
        "trainer.max_epochs=2",
        "clip.size=32",
    ]


def test_options_are_chosen_and_numbers_read_as_in_conf(tmp_path: Path) -> None:
    assert load_config([written(tmp_path, {"optimizer": "sgd"})]).optimizer.name == "sgd"
    config = load_config([written(tmp_path, "optimizer:\n  lr: 1e-4\n  weight_decay: 5.0e-05\n")])
    assert (config.optimizer.lr, config.optimizer.weight_decay) == (1e-4, 5e-05)


@settings(deadline=None, max_examples=12)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=12))
@pytest.mark.filterwarnings("ignore")
def test_any_text_stays_this_text(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    if "${" in text or not text.strip():
        return  # an interpolation, as in conf/; no name
    word = written(tmp_path_factory.mktemp("text"), {"tracking": {"run_name": text}})
    assert load_config([word]).tracking.run_name == text


@pytest.mark.parametrize("text", ["null", "True", "1", "nan", "a,b", "[a]", "it's", 'say "x"', "a\\", "~/a b"])
def test_a_text_that_looks_like_something_else(tmp_path: Path, text: str) -> None:
    assert load_config([written(tmp_path, {"tracking": {"run_name": text}})]).tracking.run_name == text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        ("- a\n- b\n", "it holds a list"),
        ("a: [1,\n", "not a YAML file"),
        (b"\xff\xfe\x00", "not a YAML file"),
        ("trainer: {max_epoch: 2}", "did you mean trainer.max_epochs=2"),
        ("lr: 2", "lr=2: no such key"),
    ],
)
def test_a_mistake_in_it_is_one_line(tmp_path: Path, content: str | bytes | None, words: str) -> None:
    path = tmp_path / "params.yaml"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigError) as caught:
        load_config([f"@{path}"])
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("# nothing yet\n")
    assert read_overrides(tmp_path / "params.yaml") == []


def test_it_is_no_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("@clip.avi").touch()
    assert split_words(["@clip.avi", "@params.yaml", "a.avi"]) == (["@clip.avi", "a.avi"], ["@params.yaml"])

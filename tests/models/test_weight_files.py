"""Files of weights: found by path, URL or name, downloaded once, and refused where they hold something else."""

import hashlib
import io
import os
import pickle
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from helpers.mirror_server import Server
from helpers.published import Published, Tiny, assert_same, load, one_line, saved
from torch import nn

from action_recognition.errors import ConfigError, ContractError
from action_recognition.models.networks.base import ActionNetwork
from action_recognition.models.weight_files import read_state_dict


class Hostile:
    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.made),)


@pytest.mark.parametrize("form", ["torch", "legacy", "pickle"])
def test_code_in_a_file_is_not_run(form: str, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    content, bad, made = {"stem.0.weight": Hostile(tmp_path / "made")}, tmp_path / "bad.pth", tmp_path / "made"
    if form == "pickle":
        bad.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, bad, _use_new_zipfile_serialization=form == "torch")
    line = one_line(ContractError, Tiny(), str(bad))
    assert line.startswith(f"{bad}: refused")
    assert not made.exists()
    assert not recwarn.list  # torch's own notes on such files are nothing for a user
    if form == "pickle":  # it would have been made, had it been read otherwise
        pickle.loads(bad.read_bytes())
        assert made.exists()


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04cut short"])
def test_a_file_that_is_no_weights_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.pth").write_bytes(content)
    assert "refused" in one_line(ContractError, Tiny(), str(tmp_path / "bad.pth"))


def test_a_file_without_tensors_is_one_line(tmp_path: Path) -> None:
    bad = saved({"state_dict": {}, "epoch": 3}, tmp_path / "bad.pth")
    assert "holds no named tensors" in one_line(ContractError, Tiny(), str(bad))
    with pytest.raises(ContractError):
        read_state_dict(saved([torch.ones(1)], tmp_path / "list.pth"))


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("nowhere/x.pth", ["nowhere/x.pth", "no such file"]),
        ("x.pth", ["x.pth", "no such file"]),
        ("file:///nowhere/x.pth", ["no such file"]),
        (".", ["model.weights=."]),
        ("/", ["folder"]),
        ("KINETICS", ["KINETICS", "no named weights", "a path or a URL"]),
        ("", ["model.weights="]),
        (3, ["model.weights=3"]),
        (["a"], ["model.weights=['a']"]),
        ({}, ["no part is given weights"]),
        ({"tail": "x.pth"}, ["model.weights.tail", "backbone, head"]),
        ({"backbone": None}, ["no part is given weights"]),
    ],
    ids=str,
)
def test_weights_that_are_not_there(weights: object, words: list[str]) -> None:
    line = one_line(ConfigError, Tiny(), weights)
    assert all(word in line for word in words), line


def test_file_url_and_home(path: Path, theirs: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    spaced = path.rename(path.with_name("my weights #1.pth"))
    ours = Tiny()
    load(ours, spaced.as_uri())
    assert_same(ours, theirs)
    monkeypatch.setenv("HOME", str(spaced.parent))
    assert len(load(Tiny(), "~/my weights #1.pth").matched) == 15


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch.hub's cache, empty and of this test."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


def as_bytes(network: nn.Module) -> bytes:
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer)
    return buffer.getvalue()


def test_url_is_fetched_once(server: Server, hub: Path, theirs: Published) -> None:
    url = server.add("/of/weights.pth", as_bytes(theirs))
    for _ in range(2):
        ours = Tiny()
        load(ours, url)
        assert_same(ours, theirs)
    assert [seen.path for seen in server.seen] == ["/of/weights.pth"]
    # The same file name elsewhere is another file.
    other = Published()
    load(ours, server.add("/other/weights.pth", as_bytes(other)))
    assert_same(ours, other)
    assert len(list(hub.iterdir())) == 2


def named(url: str) -> ActionNetwork:
    class Named(Tiny):
        @classmethod
        def weight_names(cls) -> Mapping[str, str]:
            return {"KINETICS400_V1": url, "DEFAULT": url}

    return Named()


def test_name_is_fetched_and_its_hash_checked(server: Server, hub: Path, theirs: Published) -> None:
    content = as_bytes(theirs)
    wrong = named(server.add("/models/tiny-00000000.pth", content))
    assert "hash" in one_line(ConfigError, wrong, "DEFAULT")
    assert list(hub.iterdir()) == []
    file_name = f"tiny-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    ours = named(server.add(f"/models/{file_name}", content))
    assert load(ours, "KINETICS400_V1").weights == "KINETICS400_V1"
    assert_same(ours, theirs)
    assert [entry.name for entry in hub.iterdir()] == [file_name]


def test_a_name_misspelt_is_told_the_right_ones(hub: Path) -> None:
    line = one_line(ConfigError, named("http://127.0.0.1:1/x.pth"), "KINETICS400")
    assert "expected one of KINETICS400_V1, DEFAULT, a path or a URL (did you mean 'KINETICS400_V1'?)" in line


def test_download_that_is_cut_short_or_no_weights_is_not_kept(server: Server, hub: Path, theirs: Published) -> None:
    url = server.add("/weights.pth", as_bytes(theirs), drops=[2000])
    with pytest.raises((ConfigError, ContractError), match=r"weights\.pth"):
        load(Tiny(), url)
    assert list(hub.iterdir()) == []
    assert len(load(Tiny(), url).matched) == 15, "the next try starts afresh"
    assert "refused" in one_line(ContractError, Tiny(), server.add("/page.pth", b"<html>"))


def test_server_without_the_file_or_no_server(server: Server, hub: Path) -> None:
    for url in (f"{server.url}/none.pth", "http://127.0.0.1:1/none.pth"):
        line = one_line(ConfigError, Tiny(), url)
        assert line.startswith(f"{url}: could not be downloaded (")
        assert line.endswith("download it elsewhere and give its path: model.weights=PATH")
    assert list(hub.iterdir()) == []

"""Commands killed at random moments (kill -9): the next run ends with what an undisturbed one gives.

No rest is left either.

A plain run kills the quick ones twice, `pytest -m hostile` each twenty times. Up to three kills follow each other
before a command may come to its end; the moments follow from HOSTILE_SEED.
"""

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helpers.archive_makers import make_tar
from helpers.mirror_server import Server, running_server
from hostile.corpus import SEED
from hostile.forks import Ended, Forks
from hostile.material import data_words, training_words
from hostile.outcomes import TRACEBACK

KILLS = 20
KILLS_IN_A_SAMPLE = 2
IN_A_ROW = 3
EPOCHS = 4

Words = Callable[[Path], list[str]]


@dataclass(frozen=True, kw_only=True)
class Killed:
    """A command to kill.

    Attributes:
        first: its words for a folder, of a run from the beginning.
        again: the words to try first in the next run; if these are refused, the run starts from the beginning.
        result: what it leaves in a folder, to be compared.
    """

    first: Words
    result: Callable[[Path], Any]
    again: Words | None = None


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    started = Forks()
    yield started
    started.close()


@pytest.fixture(scope="module")
def mirror() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def commands(hostile_material: Path, mirror: Server) -> dict[str, Killed]:
    material = hostile_material
    trained = training_words(material)
    searched = ["tune.trials=3", "tune.startup_trials=1", "trainer.max_epochs=2", "tune.warmup_epochs=1"]
    return {
        "train": Killed(
            first=lambda folder: ["train", *trained, f"trainer.max_epochs={EPOCHS}"],
            again=lambda folder: ["train", "trainer.resume=last"],
            result=weights,
        ),
        "cache-data": Killed(
            first=lambda folder: ["cache-data", *data_words(material), "data.cache.dir=store"],
            result=lambda folder: contents(folder / "store"),
        ),
        "download-data": Killed(
            first=lambda folder: ["download-data", *download_words(material, mirror)],
            result=lambda folder: contents(folder / "data"),
        ),
        "export-onnx": Killed(
            first=lambda folder: ["export-onnx", f"export.checkpoint={material}/model.ckpt"],
            result=lambda folder: contents(folder, "*.onnx"),
        ),
        "tune": Killed(first=lambda folder: ["tune", *trained, *searched], result=study),
    }


NAMES = ("train", "cache-data", "download-data", "export-onnx", "tune")
QUICK = ("train", "cache-data", "download-data")  # the others take half a minute


@pytest.mark.parametrize("name", QUICK)
def test_killed_twice(name: str, commands: dict[str, Killed], forks: Forks, tmp_path: Path) -> None:
    kill_and_compare(name, commands[name], forks, tmp_path, kills=KILLS_IN_A_SAMPLE)


@pytest.mark.hostile
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
def test_killed_twenty_times(name: str, commands: dict[str, Killed], forks: Forks, tmp_path: Path) -> None:
    kill_and_compare(name, commands[name], forks, tmp_path, kills=KILLS)


def kill_and_compare(name: str, command: Killed, forks: Forks, tmp_path: Path, *, kills: int) -> None:
    chance = random.Random(f"{name}/{SEED}")
    quiet = tmp_path / "undisturbed"
    quiet.mkdir()
    undisturbed = forks.run(quiet, command.first(quiet))
    assert undisturbed.code == 0, undisturbed.said
    expected, names = command.result(quiet), left_names(quiet)
    assert expected
    killed, number, story = 0, 0, [f"seed {SEED}, undisturbed in {undisturbed.seconds:.2f} s"]
    while killed < kills:
        folder, number = tmp_path / f"killed-{number}", number + 1
        folder.mkdir()
        for _ in range(chance.randint(1, IN_A_ROW)):
            after_seconds = chance.uniform(0, undisturbed.seconds)
            words = next_words(command, folder, killed=bool(story[-1].startswith("killed")))
            ended = forks.run(folder, words, kill_after_seconds=after_seconds)
            killed += ended.code == -9
            story.append(f"killed after {after_seconds:.2f} s: {ended.code}: {words[-1]}")
            assert TRACEBACK not in ended.said, "\n".join([*story, ended.said])
        last = to_the_end(command, folder, forks, story)
        assert last.code == 0, "\n".join([*story, last.said])
        found = command.result(folder)
        different = [
            f"{key}: {found.get(key)} instead of {value}" for key, value in expected.items() if found.get(key) != value
        ]
        assert found == expected, "\n".join([*story, last.said, *different])
        rest = left_names(folder) ^ names
        assert not rest, "\n".join([*story, f"{rest} are in one folder only"])
        story.append("came to its end")
        shutil.rmtree(folder)


def next_words(command: Killed, folder: Path, *, killed: bool) -> list[str]:
    """To go on where something was saved, which is what the pointer to the last run says."""
    if command.again and killed and (folder / "plots/last_run").exists():
        return command.again(folder)
    return command.first(folder)


def to_the_end(command: Killed, folder: Path, forks: Forks, story: list[str]) -> Ended:
    """As a user would: go on, and where that is refused, start again."""
    if command.again:
        ended = forks.run(folder, command.again(folder))
        story.append(f"went on: {ended.code}")
        if ended.code == 0:
            return ended
        assert "python commands.py train" in ended.said, "\n".join([*story, ended.said])
        assert TRACEBACK not in ended.said, "\n".join([*story, ended.said])
    ended = forks.run(folder, command.first(folder))
    story.append(f"from the beginning: {ended.code}")
    return ended


def weights(folder: Path) -> dict[str, str]:
    """Checksums of the weights of the last run's checkpoints, and its history without what tells the time."""
    import torch

    run = folder / (folder / "plots/last_run").read_text().strip()
    found = {}
    for name in ("best", "last"):
        state = torch.load(run / f"checkpoints/{name}.ckpt", weights_only=True)["state_dict"]
        content = b"".join(key.encode() + tensor.numpy().tobytes() for key, tensor in sorted(state.items()))
        found[name] = hashlib.sha256(content).hexdigest()
    history = (run / "history.csv").read_text().splitlines()
    kept = [place for place, column in enumerate(history[0].split(",")) if "second" not in column]
    found["history"] = "\n".join(",".join(row.split(",")[place] for place in kept) for row in history)
    return found


def contents(folder: Path, pattern: str = "*") -> dict[str, str]:
    """Checksums of all files below a folder, but for locks."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob(pattern))
        if path.is_file() and not path.name.startswith(".lock")
    }


def study(folder: Path) -> dict[str, Any]:
    """The trials that count, their settings and scores; and the best."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    (name,) = optuna.get_all_study_names(storage=f"sqlite:///{folder}/plots/optuna.db")
    loaded = optuna.load_study(study_name=name, storage=f"sqlite:///{folder}/plots/optuna.db")
    counted = [trial for trial in loaded.trials if trial.state.name in ("COMPLETE", "PRUNED")]
    assert not [trial for trial in loaded.trials if trial.state.name in ("RUNNING", "WAITING")]
    # A pruned trial's score is what it had reached.
    trials = [(trial.state.name, json.dumps(trial.params, sort_keys=True), trial.value) for trial in counted]
    return {"trials": trials, "best": max(trial[2] for trial in trials if trial[0] == "COMPLETE")}


def download_words(material: Path, mirror: Server) -> list[str]:
    videos = sorted((material / "set/videos").rglob("*.avi"))
    splits = sorted((material / "set/splits").iterdir())
    clips = [{"name": f"{path.parent.name}/{path.name}", "data": path.read_bytes()} for path in videos]
    lists = [{"name": f"splits/{path.name}", "data": path.read_bytes()} for path in splits]
    headers = {"ETag": '"1"'}
    urls = [
        mirror.add(f"/{name}", make_tar(members), headers=headers, pause_seconds=0.01)
        for name, members in (("clips.tar", clips), ("splits.tar", lists))
    ]
    return ["data=hmdb51", "data.full_set=null", f"data.archive={urls[0]}", f"data.splits_archive={urls[1]}"]


def left_names(folder: Path) -> set[str]:
    """Hidden and partial files and locks below a folder: what must not be left by a killed run alone."""
    marks = ("partial", "lock", "tmp", "journal")
    return {
        _timeless(path.relative_to(folder)) for path in folder.rglob("*") if any(mark in path.name for mark in marks)
    }


def _timeless(path: Path) -> str:
    """Without the name of a run, which tells when it began."""
    parts = path.parts
    return "/".join("RUN" if place and parts[place - 1] == "runs" else part for place, part in enumerate(parts))

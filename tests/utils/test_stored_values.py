"""Values of wrong types in files that are read back: sidecars, indexes of shards, the settings of a checkpoint."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import torch
from helpers.tiny_models import tiny_contract, tiny_model

from action_recognition.checks.thumbnails import SAMPLES, SKETCH_SIZE, Thumbnails, read_thumbnails, write_thumbnails
from action_recognition.errors import ConfigError, ContractError, DataError, UserError
from action_recognition.export.engine import EngineInfo
from action_recognition.models.module import VideoActionModel
from action_recognition.readers.shards.index import Shard, ShardIndex
from action_recognition.tracking.run_folders import last_run, tracking_of
from action_recognition.training.callbacks import read_history
from action_recognition.utils.rules import DISTINCT, Choice, Length, Range, Text
from action_recognition.utils.stored_values import checker

STRANGE = [None, True, -1, 1.5, float("nan"), 10**30, "x\ny", "", [], [None], [[1]], {}, {"a": 1}]
DIGIT = Annotated[int, Range(0, 9)]


@contextmanager
def one_line(kind: type[UserError], origin: object) -> Iterator[None]:
    """The block raises an error of one line about `origin`."""
    with pytest.raises(kind) as raised:
        yield
    line = str(raised.value)
    assert line.startswith(str(origin))
    assert line.isprintable()
    assert len(line) < 400


@pytest.mark.parametrize("value", [*STRANGE, "4"])
def test_a_number_is_no_text_no_truth_value_and_not_nan(value: object) -> None:
    assert not checker(DIGIT)(value)
    assert checker(Annotated[float, Range(0, 9)])(value) is (value == 1.5)
    assert not checker(Annotated[int, Choice(1, 0)])(value)
    assert not checker(Annotated[list[DIGIT], Length(1, 3)])(value)


def test_distinct_values_and_empty_texts() -> None:
    assert checker(Annotated[tuple[DIGIT, ...], Length(0, 3)])([1, 1])
    assert not checker(Annotated[tuple[DIGIT, ...], Length(0, 3), DISTINCT])([1, 1])
    assert Text(may_be_empty=True).allows("")
    assert not Text().allows(" ")
    assert not Text(3).allows("four")


INFO = EngineInfo(
    contract=tiny_contract(),
    engine="tensorrt_rtx",
    library_version="1.5",
    compute_capability="8.9",
    precision="fp32",
    min_batch=1,
    opt_batch=2,
    max_batch=4,
    onnx_sha256="0" * 64,
    engine_sha256="1" * 64,
)


@pytest.mark.parametrize("key", list(asdict(INFO)))
def test_a_sidecar_with_any_value_changed_is_read_or_one_line(tmp_path: Path, key: str) -> None:
    path = tmp_path / "model.engine.json"
    for value in STRANGE:
        path.write_text(json.dumps(json.loads(INFO.to_json()) | {key: value}))
        with one_line(ContractError, path):
            EngineInfo.read(path)
    path.write_text(INFO.to_json())
    assert EngineInfo.read(path) == INFO


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 100_000, b"[]", b"null", b'{"version": 1}'])
def test_a_sidecar_that_is_none_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.engine.json"
    path.write_bytes(content)
    with one_line(ContractError, path):
        EngineInfo.read(path)


def test_an_index_with_any_value_changed_is_read_or_one_line() -> None:
    shard = Shard(file="a.tar", split="train", clips=1, bytes=30, sha256="0", offsets=(0, 20), crc32=(7,))
    index = ShardIndex(
        name="n", contract=tiny_contract(), jpeg_quality=90, max_bytes=100, manifest_sha256="1", shards=(shard,)
    )
    whole = json.loads(index.to_json())
    assert ShardIndex.from_json(json.dumps(whole).encode(), origin="index.json") == index
    changed = [whole | {key: value} for key in whole if key != "clips" for value in STRANGE]
    changed = [values for values in changed if values["shards"] != []]
    parts = [asdict(shard) | {key: value} for key in asdict(shard) for value in STRANGE]
    parts += [asdict(shard) | wrong for wrong in ({"offsets": [20, 0]}, {"offsets": [0, 31]}, {"file": "../a"})]
    changed += [whole | {"shards": [part]} for part in parts] + [whole | {"shards": [value]} for value in STRANGE]
    for values in changed:
        with one_line(DataError, "index.json"):
            ShardIndex.from_json(json.dumps(values).encode(), origin="index.json")


SETTINGS: list[tuple[str, Any]] = [
    *((key, value) for key in ("contract", "model") for value in (None, 1, [], "x", {}, {1: 2})),
    *(("optimizer", value) for value in (1, [1], "x", {"lr": "x"}, {1: 2})),
    *(("augment", value) for value in (1, [1], "x", {"crop_scale": None}, {1: 2})),
    *(("provenance", value) for value in (1, [1], "x", {"overrides": "a"}, {"overrides": [1]}, {"train_groups": None})),
    *(("seed", value) for value in (None, "x", 1.5, -1, True)),
    *(("memory_format", value) for value in (None, "x", 1, [])),
    ("surprise", 1),
    ("model", {"network": "nothing", "args": {}}),
    ("model", {"network": 5, "args": {}}),
    ("model", {"network": "cnn3d", "args": None}),
    ("model", {"network": "cnn3d", "args": {"widths": "x"}}),
    ("model", {"network": "cnn3d", "args": {"widths": [4, 4, 4]}, "input": 5}),
]


@pytest.mark.parametrize(("key", "value"), SETTINGS, ids=[f"{key}{number}" for number, (key, _) in enumerate(SETTINGS)])
def test_a_checkpoint_with_other_settings_is_one_line(tmp_path: Path, key: str, value: object) -> None:
    model, path = tiny_model(), tmp_path / "model.ckpt"
    settings = dict(model.hparams) | {key: value}
    torch.save({"state_dict": model.state_dict(), "hyper_parameters": settings}, path)
    with one_line(ContractError, path):
        VideoActionModel.from_checkpoint(path)


@pytest.mark.parametrize(
    "content", [{}, [], None, 5, {"hyper_parameters": 1}, {"state_dict": {}, "hyper_parameters": {}}]
)
def test_a_checkpoint_of_something_else_is_one_line(tmp_path: Path, content: object) -> None:
    path = tmp_path / "model.ckpt"
    torch.save(content, path)
    with one_line(ContractError, path):
        VideoActionModel.from_checkpoint(path)


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe", b"epoch\nx\n", b"loss\n1\n", b"epoch\n0,1,2\n", b"epoch\nnan\n", b"epoch\ninf\n", bytes(200_000)],
)
def test_a_history_that_is_none_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "history.csv"
    path.write_bytes(content)
    with one_line(DataError, path):
        read_history(path)


@pytest.mark.parametrize("content", [b"", b"\n", b"plots/ru\0ns/a", b"\x1b[2J", b"a\nb", b"x" * 5000])
def test_a_pointer_that_names_no_run_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "last_run").write_bytes(content)
    with one_line(ConfigError, tmp_path):
        last_run(str(tmp_path))
    (tmp_path / "mlflow_run_id").write_bytes(content)
    assert tracking_of(tmp_path) is None


def test_damaged_thumbnails_are_made_again(tmp_path: Path) -> None:
    path = tmp_path / "thumbnails.npz"
    gray_THW = np.arange(SAMPLES * SKETCH_SIZE**2, dtype=np.uint8).reshape(SAMPLES, SKETCH_SIZE, SKETCH_SIZE)
    write_thumbnails(path, {"0" * 32: Thumbnails(header_frames=9, gray_THW=gray_THW)})
    whole = path.read_bytes()
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        for thumbnail in read_thumbnails(path).values():
            assert np.array_equal(thumbnail.gray_THW, gray_THW)
            assert thumbnail.header_frames == 9

import dataclasses

import pytest

from action_recognition.contract import ClipContract
from action_recognition.errors import ConfigError, ContractError


def test_json_and_dict_bring_back_an_equal_contract(tiny_contract):
    assert ClipContract.from_json(tiny_contract.to_json(), origin="x") == tiny_contract
    assert ClipContract.from_dict(tiny_contract.to_dict(), origin="x") == tiny_contract


def test_dict_holds_plain_values_only(tiny_contract):
    plain = (int, float, str, list)
    for value in tiny_contract.to_dict().values():
        assert type(value) in plain
        assert not isinstance(value, list) or all(type(item) in (float, str) for item in value)


def test_span_counts_first_to_last_frame(tiny_contract):
    assert tiny_contract.span == len(range(0, 4 * 2 - 1))
    assert dataclasses.replace(tiny_contract, frames=1).span == 1


@pytest.mark.parametrize("text", [None, "", "{not json", "[]", '{"version": 99}'])
def test_a_file_without_a_readable_contract_is_refused(text):
    with pytest.raises(ContractError, match=r"model\.onnx"):
        ClipContract.from_json(text, origin="model.onnx")


def test_unknown_and_missing_keys_are_refused(tiny_contract):
    values = tiny_contract.to_dict()
    with pytest.raises(ContractError, match="surprise"):
        ClipContract.from_dict(values | {"surprise": 1}, origin="x")
    del values["stride"]
    with pytest.raises(ContractError, match="stride"):
        ClipContract.from_dict(values, origin="x")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"frames": 0}, "frames"),
        ({"short_side": 16}, "short_side"),
        ({"mean": (1.0,)}, "mean"),
        ({"class_names": ("a", "a")}, "class_names"),
        ({"short_clip": "loop"}, "repeat_last"),
    ],
)
def test_contradictory_values_are_refused(tiny_contract, change, word):
    with pytest.raises((ContractError, ConfigError), match=word):
        dataclasses.replace(tiny_contract, **change)

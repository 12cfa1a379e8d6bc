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


def test_version_1_is_read_as_8_bits(tiny_contract):
    old = tiny_contract.to_dict() | {"version": 1}
    del old["bits"]
    assert ClipContract.from_dict(old, origin="x") == tiny_contract
    assert (tiny_contract.dtype, dataclasses.replace(tiny_contract, bits=16).dtype) == ("uint8", "uint16")
    del old["version"]
    with pytest.raises(ContractError, match="version None, expected 2"):
        ClipContract.from_dict(old, origin="x")


@pytest.mark.parametrize("version", [[], {}, "1", 3])
def test_another_version_is_refused(tiny_contract, version):
    with pytest.raises(ContractError, match="expected 2"):
        ClipContract.from_dict(tiny_contract.to_dict() | {"version": version}, origin="x")


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
        ({"bits": 12}, "bits=12"),
    ],
)
def test_contradictory_values_are_refused(tiny_contract, change, word):
    with pytest.raises((ContractError, ConfigError), match=word):
        dataclasses.replace(tiny_contract, **change)

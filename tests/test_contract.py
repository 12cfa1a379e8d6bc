import dataclasses

import pytest

from action_recognition.config import load_config
from action_recognition.contract import CONTRACT_VERSION, ClipContract
from action_recognition.errors import ContractError, UserError
from action_recognition.older_contracts import HMDB51_CLASSES
from action_recognition.synthetic.scene import ACTIONS


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


def of_version(version, contract):
    """What an older program wrote."""
    newer = {1: ("bits", "fps", "temperature", "threshold"), 2: ("fps", "temperature", "threshold")}
    left_out = newer.get(version, ("temperature", "threshold"))
    return {key: value for key, value in contract.to_dict().items() if key not in left_out} | {"version": version}


def test_version_1_is_read_as_8_bits(tiny_contract):
    old = of_version(1, tiny_contract)
    assert ClipContract.from_dict(old, origin="x") == tiny_contract
    assert (tiny_contract.dtype, dataclasses.replace(tiny_contract, bits=16).dtype) == ("uint8", "uint16")
    del old["version"]
    with pytest.raises(ContractError, match=f"version None, expected {CONTRACT_VERSION}"):
        ClipContract.from_dict(old, origin="x")


@pytest.mark.parametrize(
    ("class_names", "fps"),
    [
        (sorted(HMDB51_CLASSES), 30.0),
        (sorted(HMDB51_CLASSES)[:21], 30.0),
        ([action.label for action in ACTIONS], 30.0),
        (["run", "walk"], 0.0),
        (["run", "walk", *map(str, range(20))], 0.0),
    ],
    ids=["hmdb51", "21 of hmdb51", "demo", "two of hmdb51", "others"],
)
def test_version_2_has_a_rate_where_its_classes_tell(tiny_contract, class_names, fps):
    old = of_version(2, tiny_contract) | {"class_names": class_names}
    assert ClipContract.from_dict(old, origin="x").fps == fps


@pytest.mark.parametrize("version", [1, 2, 3])
def test_older_versions_are_not_calibrated(tiny_contract, version):
    found = ClipContract.from_dict(of_version(version, tiny_contract), origin="x")
    assert (found.version, found.temperature, found.threshold, found.is_calibrated) == (4, 1.0, 0.0, False)
    assert found == tiny_contract


def test_calibration_travels_in_json(tiny_contract):
    calibrated = dataclasses.replace(tiny_contract, temperature=1.7432198765, threshold=0.41)
    assert calibrated.is_calibrated
    assert dataclasses.replace(tiny_contract, threshold=0.41).is_calibrated
    assert ClipContract.from_json(calibrated.to_json(), origin="x") == calibrated


@pytest.mark.parametrize("version", [[], {}, "1", 5, True, 2.0, None, 10**30])
def test_another_version_is_refused(tiny_contract, version):
    with pytest.raises(ContractError, match=f"expected {CONTRACT_VERSION}"):
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
    with pytest.raises(ContractError, match=word):
        dataclasses.replace(tiny_contract, **change)


# Of every value that a file can hold, those of another type or beyond the range of the field.
NUMBERS = [0, -1, 2.5, 10**30, 10**5000, True, "2", None, [], [2], {}, float("nan"), float("inf")]
VALUES = [[], [1.0], None, 1.0, "abc", [None] * 3, ["1"] * 3, [[1.0]] * 3, [True] * 3, [1e9] * 3, [-1.0] * 3]
BEYOND = [[float("nan")] * 3, [float("inf")] * 3, [10**400] * 3, {"0": 1.0}, [1.0] * 17]
NAMES = [
    [],
    None,
    "run",
    [1, 2],
    [None],
    [True],
    [[]],
    [{}],
    [""],
    [" "],
    ["a", "a"],
    ["a\n"],
    ["\x1b[2J"],
    ["\ud800"],
    {"a": 1},
]
TEXTS = [None, 5, [], {}, True, "loop", "a\nb", "x" * 5000]
WRONG = [
    *((name, value) for name in ("frames", "stride", "size", "short_side", "channels", "bits") for value in NUMBERS),
    *((name, value) for name in ("mean", "std") for value in (*VALUES, *BEYOND)),
    *(("std", value) for value in ([0, 0, 0], [0.0, 1.0, 1.0], [1e-300] * 3, [-0.0] * 3)),
    *(("class_names", value) for value in NAMES),
    *(("temperature", value) for value in NUMBERS if value != 2.5),
    *(("threshold", value) for value in NUMBERS if value != 0),
    *(("short_clip", value) for value in TEXTS),
    *(("data_hash", value) for value in TEXTS if value != "loop"),
]


@pytest.mark.parametrize(("key", "value"), WRONG, ids=[f"{key}{number}" for number, (key, _) in enumerate(WRONG)])
def test_a_value_of_another_type_or_range_is_one_line_with_file_and_key(tiny_contract, key, value):
    values = tiny_contract.to_dict() | {key: value}
    with pytest.raises(ContractError) as raised:
        ClipContract.from_dict(values, origin="some/model.onnx")
    line = str(raised.value)
    assert line.startswith("some/model.onnx: clip contract")
    assert key in line
    assert line.isprintable()
    assert len(line) < 300


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"version": ' + "9" * 5000 + "}", '{"version": 4, "frames": NaN}', '"\\ud800"', "null", "\x00"],
)
def test_json_that_breaks_its_reader_is_one_line(text):
    with pytest.raises(ContractError, match=r"model\.onnx") as raised:
        ClipContract.from_json(text, origin="model.onnx")
    assert "\n" not in str(raised.value)


def test_a_clip_larger_than_memory_is_refused(tiny_contract):
    with pytest.raises(ContractError, match=r"3 x 4096 x 4096 x 4096"):
        dataclasses.replace(tiny_contract, frames=4096, size=4096, short_side=4096)


def test_keys_that_are_no_text_are_refused(tiny_contract):
    with pytest.raises(ContractError, match="keys differ"):
        ClipContract.from_dict(tiny_contract.to_dict() | {1: 2, None: 3}, origin="x")


def test_whole_numbers_stand_for_floats(tiny_contract):
    found = ClipContract.from_dict(tiny_contract.to_dict() | {"mean": [128, 127, 0]}, origin="x")
    assert found.mean == (128.0, 127.0, 0.0)
    assert all(type(value) is float for value in found.mean)


@pytest.mark.parametrize("name", ["frames", "stride", "size", "short_side", "mean", "std"])
@pytest.mark.parametrize("value", [1e-6, 1, 16, 1000, 1001, 4096, 4097, 65535, 65536])
def test_what_the_configuration_takes_the_contract_takes(tiny_contract, name, value):
    given = [value] * 3 if name in ("mean", "std") else int(value)
    beside = {"short_side": 4096} if name == "size" else {"size": 1} if name == "short_side" else {}
    beside |= {"mean": [100.0] * 3} if name == "std" else {}
    overrides = {f"data.{key}": text for key, text in ({name: given} | beside).items()}
    try:
        load_config([f"{key}={str(text).replace(' ', '')}" for key, text in overrides.items()])
    except UserError:
        return
    dataclasses.replace(tiny_contract, **{name: given} | beside)

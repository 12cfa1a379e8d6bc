"""How much longer a run took: the ratio, its three numbers, and the settings that explain it."""

import pytest
from helpers.recorded_runs import run_record

from action_recognition.studies.runtime import runtime_change
from action_recognition.studies.table import config_changes, duration

BASELINE = "baseline 20 epochs x 20 steps x 0.5 s"
SLOWER = f"2.0x: 20 epochs x 20 steps x 1 s, {BASELINE}"


@pytest.mark.parametrize(
    ("overrides", "values", "expected"),
    [
        (["clip.size=64", "optimizer.lr=1", "data.split=2"], {"seconds": 400.0}, f"{SLOWER}; clip.size 56 -> 64"),
        (
            ["trainer.max_epochs=30", "data.batch_size=32"],
            {"seconds": 75.0, "epochs": 15, "steps_per_epoch": 10.0},
            f"0.38x: 15 of 30 epochs x 10 steps x 0.5 s, {BASELINE}; data.batch_size 16 -> 32, "
            "trainer.max_epochs 20 -> 30",
        ),
        ([], {"seconds": 400.0, "tags": {"device": "GPU B"}}, f"{SLOWER}; device CPU A -> GPU B"),
        ([], {"seconds": 400.0}, f"{SLOWER}; nothing logged explains it"),
        # Half of the epochs at twice the time: equal runtimes, and still told.
        ([], {"epochs": 10}, f"1.0x: 10 of 20 epochs x 20 steps x 1 s, {BASELINE}; training ended early"),
        (["optimizer.lr=0.1"], {"seconds": 201.0}, "1.0x"),
        # Less was logged.
        (
            ["data.batch_size=8"],
            {"seconds": 400.0, "steps_per_epoch": None},
            "2.0x: 20 epochs x 20 s, baseline 20 epochs x 10 s; data.batch_size 16 -> 8",
        ),
        ([], {"seconds": 400.0, "epochs": None}, "2.0x (epochs and steps were not logged)"),
        ([], {"seconds": None}, ""),
    ],
)
def test_the_runtime_against_the_baseline(overrides, values, expected):
    baseline, run = run_record("base", tags={"device": "CPU A"}), run_record("other", *overrides, **values)
    assert runtime_change(baseline, run, config_changes(baseline, run)) == expected


@pytest.mark.parametrize(
    ("epochs", "told"),
    [
        ([1.0, 1.4, 1.1, 1.5, 1.2, 1.3], False),  # the machine did something else as well
        ([1.3, 1.31, 1.32, 1.3, 1.31, 1.33], True),
        ([1.2], False),  # too few to know what is usual
        ([3.0], True),
    ],
)
def test_a_slower_step_is_explained_only_beyond_the_spread_of_the_epochs(epochs, told):
    usual = [1.0, 1.2, 1.1, 1.0, 1.05, 1.1] if len(epochs) > 1 else [1.0]
    baseline, run = (
        run_record(name, *changed, epochs=len(of), steps_per_epoch=1.0, seconds=sum(of), epoch_seconds=tuple(of))
        for name, changed, of in (("base", [], usual), ("other", ["clip.size=64"], epochs))
    )
    found = runtime_change(baseline, run, config_changes(baseline, run))
    assert found.endswith("; clip.size 56 -> 64" if told else "; within the noise")


def test_other_data_under_the_same_settings_is_a_change():
    before, after = (run_record(tags={"data_hash": text}) for text in ("0123456789", "9876543210"))
    assert [str(change) for change in config_changes(before, after)] == ["data hash 01234567 -> 98765432"]


def test_durations():
    texts = ["4.2 s", "61 s", "3 min 05 s", "2 h 07 min", "not ended"]
    assert [duration(value) for value in (4.21, 61, 185, 7620, None)] == texts

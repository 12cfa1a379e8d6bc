"""What changed between two configurations, in words."""

import pytest
from helpers.recorded_runs import params

from action_recognition.studies.changes import changes


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return [str(change) for change in changes(before, after)]


def test_changes_are_readable_with_group_choices_first():
    after = params("optimizer=sgd", "augment.mixup_alpha=0.2", "clip.size=48", "trainer.freeze=backbone")
    assert changed(params(), after) == [
        "optimizer: adam -> sgd",
        "clip.size 56 -> 48",
        "augment.mixup_alpha 0.0 -> 0.2",
        "optimizer.lr 0.002 -> 0.01",
        "optimizer.weight_decay 0.0 -> 0.0001",
        "trainer.freeze none -> backbone",
    ]


def test_paths_names_and_other_commands_settings_are_no_changes():
    noise = ["plots_dir=x", "data.videos_dir=y", "tracking.run_name=z", "evaluation.bootstrap=7", "export.opset=21"]
    noise += ["trainer.run_dir=r", "data.cache.dir=null", "compare.metric=top3", "tune.trials=3"]
    assert changed(params(), params(*noise)) == []


NETWORK = {"model.network": "cnn3d", "model.args.widths": "[4]", "model.args.dropout": "0.1"}
LONG = {"optimizer.lr": "0.0012381723123", "clip.std": "[63.75, 63.75, 63.75]"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"clip.size": "56", "optimizer.lr": "1"}, {"clip.size": "56", "optimizer.lr": "1.0"}, []),
        # A key that did not exist yet had its default.
        ({}, {"trainer.ema_decay": "None"}, []),
        ({}, {"trainer.ema_decay": "0.9"}, ["trainer.ema_decay null -> 0.9"]),
        # Earlier runs logged two groups below data.
        ({"data.size": "48", "data.augment.contrast": "0"}, {"clip.size": "48", "augment.contrast": "0"}, []),
        # Another network's own arguments are part of the choice.
        (
            NETWORK,
            {"model.network": "c3d", "model.args.dropout": "0.5", "model.args.depth": "3"},
            ["model: cnn3d -> c3d", "model.args.dropout 0.1 -> 0.5"],
        ),
        (
            NETWORK,
            {key: value for key, value in NETWORK.items() if key != "model.args.widths"},
            ["model.args.widths [4] -> (none)"],
        ),
        # Long numbers are rounded as far as they still differ.
        (
            LONG,
            {"optimizer.lr": "0.002", "clip.std": "[63.712345, 63.75, 63.75]"},
            ["clip.std [63.75, 63.75, 63.75] -> [63.71, 63.75, 63.75]", "optimizer.lr 0.001238 -> 0.002"],
        ),
        (LONG, {**LONG, "optimizer.lr": "0.0012381799999"}, ["optimizer.lr 0.00123817 -> 0.00123818"]),
    ],
)
def test_values_are_compared_as_numbers_and_shown_as_typed(before, after, expected):
    assert changed(before, after) == expected

"""Completion in the shell; bash itself is asked where it can be."""

import subprocess
import sys

import pytest
from helpers.support import ROOT

from action_recognition.cli.completion import SCRIPTS, candidates

# What readline gives a completion function, with the words cut as bash cuts them.
ASK = """
source <("$0" commands.py completion bash)
action-recognition() { "$PYTHON" commands.py "$@"; }
COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=(action-recognition)
_action_recognition
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("train-ml-flow-d", {"train-ml-flow-dvc"}),
        ("completion ", set(SCRIPTS)),
        (
            "config tra",
            {"train", "train-ml-flow", "train-ml-flow-dvc", "train-ml-flow-server-dvc", "trainer", "tracking"},
        ),
        ("train opt", {"optimizer=", "optimizer."}),
        ("train experiment", {"experiment="}),
        ("train optimizer=ad", {"optimizer=adam", "optimizer=adamw"}),
        ("config train trainer.max", {"trainer.max_epochs="}),
        ("train model=tsm_mobilenet_v2 model.args.h", {"model.args.head="}),
        ("train model.args.w", {"model.args.widths="}),
        ("train data=hmdb51 data.full_set.t", {"data.full_set.train=", "data.full_set.test="}),
        ("infer evaluation.split=", {"evaluation.split=val", "evaluation.split=test"}),
        ("infer evaluation.allow_leakage=t", {"evaluation.allow_leakage=true"}),
        ("train trainer.devices=", {"trainer.devices=auto"}),
        ("train trainer.ema_decay=", {"trainer.ema_decay=null"}),
        ("cache-data data.videos_dir=", set()),  # the shell completes file names
        ("predict my_vid", set()),
        ("convert-trt data", set()),  # it reads none of it
        ("unknown tr", set()),
        ("demo model=missing model.args.w", {"model.args.widths="}),
    ],
)
def test_a_line_goes_on_with_what_the_command_reads(line, expected):
    assert set(candidates(f"action-recognition {line}")) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("action-recognition exp", ["export-shards", "export-onnx"]),
        ("action-recognition train data=hmdb51 optimizer=ad", ["adam", "adamw"]),
        ("action-recognition train trainer.max_e", ["trainer.max_epochs="]),
        ("action-recognition predict 'a b", [""]),
    ],
)
def test_bash_completes(line, expected):
    done = subprocess.run(
        ["bash", "-c", ASK, sys.executable, line],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert (done.stdout.split("\n")[:-1], done.stderr) == (expected, "")


def test_no_slow_library_is_imported():
    code = "import sys; from action_recognition.cli.main import main; main(sys.argv[1:]); print(sorted(sys.modules))"
    for words in (["completion", "words", "action-recognition train data.cache.codec="], ["train", "--help"], []):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=True
        )
        modules = done.stdout.splitlines()[-1]
        assert not any(
            f"'{name}'" in modules for name in ("torch", "hydra", "omegaconf", "numpy", "cv2", "mlflow", "lightning")
        )


@pytest.mark.parametrize("shell", SCRIPTS)
def test_each_shell_has_a_script(run_cli, shell):
    outcome = run_cli("completion", shell)
    assert (outcome.code, outcome.out) == (0, SCRIPTS[shell].strip() + "\n")
    assert "action-recognition" in outcome.out


@pytest.mark.parametrize("words", [[], ["csh"], ["bash", "zsh", "fish"]])
def test_other_shells_are_refused(run_cli, words):
    outcome = run_cli("completion", *words)
    assert outcome.code == 1
    assert "expected one of bash, zsh, fish" in outcome.err

"""Inputs that must be found out: what the harness is there to see, planted on purpose."""

import os
import signal
import time
from pathlib import Path
from random import Random

from hostile.outcomes import REFUSED, Outcome, Said, judge, judge_call


def warm_up(material: Path) -> None:
    """Nothing is needed."""


def attempt(chance: Random, number: int, material: Path, work: Path) -> Outcome:
    return (_traceback, _segmentation_fault, _hog, _silent, _wrong_answer, _hang, _escape, _good)[number](work)


def _traceback(work: Path) -> Outcome:
    return judge_call(lambda: {}["planted"], "a KeyError", right=lambda answer: "")


def _segmentation_fault(work: Path) -> Outcome:
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError("unreachable")


def _hog(work: Path) -> Outcome:
    held = []
    for _ in range(200):
        held.append(bytearray(b"\1") * 10_000_000)
        time.sleep(0.01)
    return judge_call(lambda: len(held), "2 GB", right=lambda answer: "")


def _silent(work: Path) -> Outcome:
    return judge(Said(code=0, out="run 100 %", err=""), "nonsense", right=str, must=REFUSED)


def _wrong_answer(work: Path) -> Outcome:
    return judge(Said(code=0, out="run 100 %", err=""), "nonsense", right=lambda: "another label than before")


def _hang(work: Path) -> Outcome:
    time.sleep(60)
    raise AssertionError("unreachable")


def _escape(work: Path) -> Outcome:
    return judge(Said(code=1, out="", err="error: \x1b[2J.mp4: no video\n"), "a name with an escape", right=str)


def _good(work: Path) -> Outcome:
    return judge(Said(code=1, out="", err="error: no video\n"), "no video", right=str, must=REFUSED)

"""What became of one input, and the rules by which a command's answer is judged."""

import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

REFUSED, RIGHT, WRONG = "refused", "right", "wrong"
TRACEBACK = "Traceback (most recent call last)"
# A terminal acts on these; tabs and line feeds are harmless.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
LONGEST_LINE = 2000


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`verdict` is `refused`, `right` or `wrong`; `line` says how or why, `what` is the input."""

    verdict: str
    what: str
    line: str = ""
    seconds: float = 0.0
    megabytes: float = 0.0

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command left: exit code, both streams, and the exception that it did not catch."""

    code: int
    out: str
    err: str
    trace: str = ""

    @property
    def reason(self) -> str:
        """Its error lines in one."""
        return " | ".join(line for line in self.err.splitlines() if line.startswith("error: "))[:300]


@contextmanager
def streams_to(out: Path, err: Path) -> Iterator[None]:
    """File descriptors 1 and 2 into files, so that what C libraries print is seen too."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    kept = os.dup(1), os.dup(2)
    with out.open("wb") as to_out, err.open("wb") as to_err:
        os.dup2(to_out.fileno(), 1)
        os.dup2(to_err.fileno(), 2)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number, descriptor in enumerate(kept, start=1):
            os.dup2(descriptor, number)
            os.close(descriptor)


def run_command(words: Sequence[str], folder: Path) -> Said:
    """Run a command of the project in this process, with `folder` as its working directory."""
    from action_recognition.cli.main import main

    out, err = folder.parent / "stdout", folder.parent / "stderr"
    trace, before = "", Path.cwd()
    os.chdir(folder)
    try:
        with streams_to(out, err):
            try:
                code = main(list(words))
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else 1
            except BaseException:
                code, trace = 1, traceback.format_exc()
    finally:
        os.chdir(before)
    text = [path.read_bytes().decode("utf-8", "backslashreplace") for path in (out, err)]
    return Said(code=code, out=text[0], err=text[1], trace=trace)


def fault_of(said: Said) -> str:
    """What no answer may have, whether it refuses or not; empty where it has none of it."""
    if said.trace:
        return f"a traceback: {said.trace.strip().splitlines()[-1][:300]} ({_place(said.trace)})"
    both = said.out + said.err
    if TRACEBACK in both:
        return f"prints a traceback: {both.strip().splitlines()[-1][:300]}"
    if found := CONTROL.search(both):
        return f"prints the control character {found[0]!r}"
    if said.code not in (0, 1, 2):
        return f"exit code {said.code}"
    if said.code and not said.reason:
        return f"exit code {said.code} without a line that begins with 'error: ': {said.err[-200:]!r}"
    strange = [line for line in said.err.splitlines() if line.strip() and not line.startswith(("error: ", "warning: "))]
    if said.code and strange:
        return f"more than error lines on stderr: {strange[0][:200]!r}"
    if any(len(line) > LONGEST_LINE for line in said.err.splitlines()):
        return f"a line of more than {LONGEST_LINE} characters"
    return ""


def _place(trace: str) -> str:
    """The project's own line nearest to where it was raised."""
    own = [line.strip() for line in trace.splitlines() if "action_recognition/" in line]
    return own[-1].split("action_recognition/")[-1] if own else "outside of the project"


def judge(said: Said, what: str, *, right: Callable[[], str], must: str = "") -> Outcome:
    """The outcome of a command.

    Args:
        right: called where the command succeeds; gives what is wrong with its answer, or an empty text.
        must: `refused` or `right` where only one of them will do.
    """
    if fault := fault_of(said):
        return Outcome(verdict=WRONG, what=what, line=fault)
    if said.code:
        if must == RIGHT:
            return Outcome(verdict=WRONG, what=what, line=f"refused what is right: {said.reason}")
        return Outcome(verdict=REFUSED, what=what, line=said.reason)
    if must == REFUSED:
        return Outcome(verdict=WRONG, what=what, line=f"passes silently: {said.out.strip()[-200:]!r}")
    try:
        problem = right()
    except FileNotFoundError as error:
        problem = f"succeeds without writing {error.filename}"
    return Outcome(verdict=WRONG if problem else RIGHT, what=what, line=problem)


def judge_call(call: Callable[[], Any], what: str, *, right: Callable[[Any], str], must: str = "") -> Outcome:
    """As `judge`, of a function that refuses by a `UserError` of one line."""
    from action_recognition.errors import UserError

    try:
        answer = call()
    except UserError as error:
        said = Said(code=1, out="", err=f"error: {error}\n")
        return judge(said, what, right=str, must=must)
    except BaseException:
        return judge(Said(code=1, out="", err="", trace=traceback.format_exc()), what, right=str)
    return judge(Said(code=0, out=str(answer)[:200], err=""), what, right=lambda: right(answer), must=must)

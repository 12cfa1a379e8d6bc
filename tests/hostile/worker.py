"""A child process that tries inputs: numbers of one kind in, one line of JSON each out. `pool` watches over it."""

import json
import os
import shutil
import signal
import sys
import traceback
from pathlib import Path

from hostile.corpus import kind_named, try_input
from hostile.outcomes import WRONG, Outcome


def main(kind: str, material: str, folder: str) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    # What tries to read a terminal gets nothing, and what breaks a pipe is killed by nobody.
    numbers = os.fdopen(os.dup(0), "r", buffering=1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    kind_named(kind).load().warm_up(Path(material))
    print(json.dumps({"ready": True}), file=answers)
    for line in iter(numbers.readline, ""):
        number = int(line)
        try:
            outcome = try_input(kind, number, Path(material), Path(folder))
        except BaseException:  # the harness's own mistake is a finding too
            outcome = Outcome(verdict=WRONG, what="the attempt itself", line=traceback.format_exc())
        os.chdir("/")
        shutil.rmtree(Path(folder) / f"{kind}-{number}", ignore_errors=True)
        print(outcome.to_json(), file=answers)


if __name__ == "__main__":
    main(*sys.argv[1:])

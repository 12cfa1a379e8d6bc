"""Long work says how far it is: a bar on a terminal, lines elsewhere, also while one step takes long."""

import io
import re
import time
from collections.abc import Callable

import pytest
from rich.console import Console

from action_recognition.utils.progress import WorkState, as_clock, progress_bar


class Clock:
    """Seconds that move when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def test_a_line_names_work_share_and_both_times() -> None:
    clock = Clock()
    state = WorkState("decoding", clock=clock)
    clock.now += 60
    state.advance(25, 100)
    clock.now += 30
    assert state.line() == "decoding: 25 of 100 (25 %), 1:30 elapsed, about 2:30 left"


def test_work_of_unknown_size_says_what_is_known() -> None:
    clock = Clock()
    state = WorkState("measuring", clock=clock)
    clock.now += 31
    assert state.line() == "measuring: 0:31 elapsed"
    state.advance(1, None, "bf16")
    assert state.line() == "measuring: bf16: 1, 0:31 elapsed"


def test_what_an_earlier_run_did_is_not_counted_as_speed() -> None:
    clock = Clock()
    state = WorkState("downloading", in_bytes=True, clock=clock)
    state.advance(900_000_000, 1_000_000_000)
    assert state.remaining_seconds() is None
    clock.now += 50
    state.advance(950_000_000, 1_000_000_000)
    assert state.line() == "downloading: 950.0 MB of 1,000.0 MB (95 %), 0:50 elapsed, about 0:50 left"


def test_a_step_that_takes_longer_than_expected_never_gives_negative_time() -> None:
    clock = Clock()
    state = WorkState("work", clock=clock)
    clock.now += 10
    state.advance(1, 2)
    clock.now += 100
    assert state.remaining_seconds() == 0.0


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.7, "1:00"), (245, "4:05"), (3845, "1:04:05")])
def test_times_are_written_as_on_a_clock(seconds: float, text: str) -> None:
    assert as_clock(seconds) == text


def test_without_a_terminal_lines_come_also_while_a_single_step_takes_long() -> None:
    out = io.StringIO()
    console = Console(file=out, width=40)
    with progress_bar(
        "a step [with brackets] and a name that is longer than a line", console=console, line_seconds=0.02
    ):
        wait_for(lambda: out.getvalue().count("\n") >= 2)
    lines = out.getvalue().splitlines()
    pattern = r"a step \[with brackets\] and a name that is longer than a line: 0:0\d elapsed"
    assert all(re.fullmatch(pattern, line) for line in lines), lines


def test_short_work_and_a_quiet_console_say_nothing() -> None:
    out = io.StringIO()
    with progress_bar("short", console=Console(file=out)) as advance:
        advance(1, 1)
    with progress_bar("quiet", console=Console(file=out, quiet=True), line_seconds=0.01):
        time.sleep(0.1)
    assert out.getvalue() == ""


def test_a_terminal_gets_a_bar_that_goes() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100)
    with progress_bar("decoding [x]", console=console) as advance:
        for done in range(5):
            advance(done, 4, "now")
    assert "decoding [x]: now" in out.getvalue()
    assert "4/4" in out.getvalue()


def test_an_error_in_the_work_passes_and_ends_the_lines() -> None:
    out = io.StringIO()
    with pytest.raises(KeyError), progress_bar("work", console=Console(file=out), line_seconds=0.01):
        raise KeyError
    written = out.getvalue()
    time.sleep(0.05)
    assert out.getvalue() == written


def test_a_download_without_a_terminal_says_lines_too() -> None:
    out = io.StringIO()
    with progress_bar("", console=Console(file=out), line_seconds=0.02, in_bytes=True) as advance:
        advance(1_000_000, 4_000_000, "hmdb51.rar")
        wait_for(lambda: "hmdb51.rar: 1.0 MB of 4.0 MB (25 %)" in out.getvalue())

"""Long work reports its progress: a bar on a terminal, lines elsewhere, also during one long step."""

import io
import re
import time
from collections.abc import Callable

import pytest
from rich.console import Console

from action_recognition.utils import progress
from action_recognition.utils.progress import Work, as_clock, progress_bar


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.01)


def lines_of(label: str, steps: list[tuple], *, in_bytes: bool = False) -> list[str]:
    """The line after each step; a step is the second at which it is reported, and what `advance` gets, if anything."""
    now = [0.0]
    work, lines = Work(label, console=Console(), in_bytes=in_bytes, clock=lambda: now[0]), []
    for second, *report in steps:
        now[0] = second
        if report:
            work.advance(*report)
        lines.append(work.line())
    return lines


def test_a_line_names_work_share_and_both_times() -> None:
    first, second = lines_of("decoding", [(30, 10, 100), (60, 25, 100)])
    assert first == "decoding: 10 of 100 (10 %), 0:30 elapsed"
    assert second == "decoding: 25 of 100 (25 %), 1:00 elapsed, about 2:30 left"


def test_work_of_unknown_size_says_what_is_known() -> None:
    lines = lines_of("measuring", [(31,), (31, 1, None, "bf16")])
    assert lines == ["measuring: 0:31 elapsed", "measuring: bf16: 1, 0:31 elapsed"]


def test_an_earlier_run_and_an_earlier_part_do_not_count_as_speed() -> None:
    total = 1_000_000_000
    steps = [(0, 900_000_000, total), (50, 950_000_000, total), (60, 0, total, "checking")]
    first, second, third = lines_of("downloading", steps, in_bytes=True)
    assert "left" not in first
    assert second == "downloading: 950.0 MB of 1,000.0 MB (95 %), 0:50 elapsed, about 0:50 left"
    assert third == "downloading: checking: 0.0 MB of 1,000.0 MB (0 %), 0:00 elapsed"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.7, "1:00"), (245, "4:05"), (3845, "1:04:05")])
def test_times_are_written_as_on_a_clock(seconds: float, text: str) -> None:
    assert as_clock(seconds) == text


def test_without_a_terminal_lines_come_also_while_a_single_step_takes_long(often: None) -> None:
    out = io.StringIO()
    label = "a step [with brackets] and a name that is longer than a line"
    with progress_bar(label, console=Console(file=out, width=40), in_bytes=True) as advance:
        wait_for(lambda: out.getvalue().count("\n") >= 2)
        lines = out.getvalue().splitlines()
        assert all(re.fullmatch(rf"{re.escape(label)}: 0:0\d elapsed", line) for line in lines), lines
        advance(1_000_000, 4_000_000, "hmdb51.rar")
        wait_for(lambda: "hmdb51.rar: 1.0 MB of 4.0 MB (25 %)" in out.getvalue())


def test_short_work_says_nothing() -> None:
    out = io.StringIO()
    with progress_bar("short", console=Console(file=out)) as advance:
        advance(1, 1)
    assert out.getvalue() == ""


def test_a_quiet_console_says_nothing(often: None) -> None:
    out = io.StringIO()
    with progress_bar("quiet", console=Console(file=out, quiet=True)):
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


def test_an_error_in_the_work_passes_and_ends_the_lines(often: None) -> None:
    out = io.StringIO()
    with pytest.raises(KeyError), progress_bar("work", console=Console(file=out)):
        raise KeyError
    written = out.getvalue()
    time.sleep(0.05)
    assert out.getvalue() == written

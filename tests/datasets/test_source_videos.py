"""Which clips come from one source: what is said where nothing is known, and the patterns that are proposed."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from action_recognition.datasets.source_videos import propose_pattern

CLASSES = ("run", "walk", "hand_wave")


def names(template: str, *, sources: int = 5, takes: int = 2) -> list[tuple[str, str]]:
    return [
        (label, template.format(label=label, s=source, t=take, n=100 * number + 10 * source + take))
        for number, label in enumerate(CLASSES)
        for source in range(sources)
        for take in range(takes)
    ]


@pytest.mark.parametrize(
    ("template", "source", "across"),
    [
        ("Film_{s}_{label}_f_nm_np1_ri_goo_{t}", "Film_3", True),
        ("person{s:02}_{label}_d{t}", "person03", True),
        ("S{s}-G-{label}-{t}", "S3-G", True),
        ("S{s}.cam1.{n}", "S3", True),
        ("My film ({s}) {label} {t}", "My film (3)", True),
        ("{label}_{s}_{t}", "run_3", False),
        ("video_{label}_{s}-{t}", "video_run_3", False),
        ("{label}{s}_{t}", "run3", False),
    ],
)
def test_the_source_is_found_in_the_name(template: str, source: str, across: bool) -> None:
    clips = names(template)
    proposal = propose_pattern(clips)
    assert proposal is not None
    found = {name: re.search(proposal.pattern, name)[1] for _, name in clips}  # type: ignore[index]
    assert found[next(name for label, name in clips if label == "run" and "3" in name)].rstrip("_- ") == source
    assert proposal.across is across
    assert proposal.sources == len(set(found.values()))


@pytest.mark.parametrize("template", ["{n}", "clip_{n}", "{n:032x}", "{label}"])
def test_names_that_tell_nothing_give_no_pattern(template: str) -> None:
    assert propose_pattern(names(template)) is None
    assert propose_pattern([]) is None


@pytest.fixture
def own(own_set: list[str]) -> list[str]:
    """The clips of `own_set` without its split files."""
    return ["data=folder", own_set[1], *own_set[3:-1], "augment.keep_direction=[]"]


def test_check_data_says_that_sources_are_not_known(own: list[str], run_cli: Callable, tmp_path: Path) -> None:
    result = run_cli("check-data", *own)
    assert "each of the 24 files counts as its own source video" in result.out
    assert "share prefixes such as 'Film_0'" in result.out
    assert "nothing that makes training wrong" not in result.out
    assert " 0 of " not in result.out
    page = (tmp_path / "plots/data_report.md").read_text()
    assert "sources are not known" in page
    pattern = re.search(r"try data\.source_pattern='([^']+)'", result.out)[1]  # type: ignore[index]
    again = run_cli("check-data", *own, f"data.source_pattern={pattern}")
    assert again.code == 0, again.err
    assert "not known" not in again.out
    assert "nothing that makes training wrong" in again.out
    page = (tmp_path / "plots/data_report.md").read_text()
    assert "official" not in page.lower()


def test_training_says_it_in_one_line(own: list[str], run_cli: Callable, tiny_overrides: list[str]) -> None:
    words = [word for word in tiny_overrides if not word.startswith(("data=", "data.videos", "data.splits"))]
    result = run_cli("train", *words, *own)
    assert result.code == 0, result.err
    assert sum("sources are not known" in line for line in result.out.splitlines()) == 1


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r"^Film_([0-3])_", "does not match 'Film_4_run_f_nm_np1_ri_goo_0'"),
        (r"^Film_(9)?", "group 1 is empty in 'Film_0_run_f_nm_np1_ri_goo_0'"),
        (r"^Film_()", "group 1 is empty in"),
        (r"^Film", "has no group"),
    ],
)
def test_a_pattern_that_finds_no_source_names_what_it_saw(
    own: list[str], run_cli: Callable, pattern: str, words: str
) -> None:
    result = run_cli("check-data", *own, f"data.source_pattern={pattern}")
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert words in result.err
    if "(" in pattern:
        found = 16 if "0-3" in pattern else 0
        assert f"finds a source in {found} of 24 file names" in result.err
        assert "try data.source_pattern=" in result.err

"""An output that grows: killed anywhere, taken up again, never mixed with other settings."""

import json
import os
from pathlib import Path

import pytest
from helpers.tiny_models import file_size_limit, names_in
from inference.batch.test_results import FORMATS, a_record

from action_recognition.errors import DataError, UserError
from action_recognition.inference.batch import growing_results as module
from action_recognition.inference.batch.growing_results import fingerprint_of_file, fingerprint_of_run, growing_results
from action_recognition.inference.batch.results import read_results

ORDER = ["c.mp4", "a.mp4", "caf\udce9.mp4", "b.mp4"]


def add(path: Path, *sources: str, run: str = "run", order: list[str] = ORDER) -> list[Path]:
    with growing_results(path, run, order) as results:
        for source in sources:
            results.add(a_record(source, fingerprint=results.fingerprint("1")))
    return results.set_aside


def add_and_die(path: Path, *sources: str, run: str = "run") -> None:
    """Die with the records on disk, and nothing closed or written after them."""
    child = os.fork()
    if child == 0:
        with growing_results(path, run, ORDER) as results:
            for source in sources:
                results.add(a_record(source, fingerprint=results.fingerprint("1")))
            os.kill(os.getpid(), 9)
    os.waitpid(child, 0)


def sources_in(path: Path) -> list[str]:
    return [record["source"].replace("\\udce9", "\udce9") for record in read_results(path)]


@pytest.mark.parametrize("suffix", FORMATS)
def test_results_are_in_the_order_of_the_inputs(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    assert add(path, "b.mp4", "caf\udce9.mp4", "c.mp4", "a.mp4", "c.mp4") == []
    assert sources_in(path) == ORDER
    assert names_in(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_second_run_goes_on(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    add(path, "b.mp4", "caf\udce9.mp4")
    with growing_results(path, "run", ORDER) as results:
        found = [results.is_done(source, "1") for source in ORDER]
        assert (found, results.is_done("b.mp4", "2"), results.is_done("b.mp4", None)) == (
            [False, False, True, True],
            False,
            False,
        )
        assert results.get("b.mp4")["label"] == "wave"
        results.add({"source": "b.mp4", "error": "b.mp4: gone"})
        results.add(a_record("a.mp4", fingerprint=results.fingerprint("1")))
    assert sources_in(path) == ["a.mp4", "caf\udce9.mp4", "b.mp4"] or suffix == ".json"
    with growing_results(path, "run", ["b.mp4"]) as results:
        assert not results.is_done("b.mp4", "1"), "errors are tried again"
        assert results.is_done("a.mp4", "1"), "what was not asked for this time is kept"
    assert set(sources_in(path)) == {"a.mp4", "caf\udce9.mp4", "b.mp4"}


@pytest.mark.parametrize("suffix", FORMATS)
def test_killed_runs_lose_nothing(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    add_and_die(path, "b.mp4")
    add_and_die(path, "c.mp4")
    journal = path if suffix == ".jsonl" else tmp_path / f".out{suffix}.journal"
    assert [json.loads(line)["source"] for line in journal.read_bytes().splitlines()] == ["b.mp4", "c.mp4"]
    with journal.open("ab") as file:
        file.write(b'{"source": "a.mp4", "fingerpr')
    with growing_results(path, "run", ORDER) as results:
        assert [results.is_done(source, "1") for source in ORDER] == [True, False, False, True]
        results.add(a_record("a.mp4", fingerprint=results.fingerprint("1")))
    assert sources_in(path) == ["c.mp4", "a.mp4", "b.mp4"]
    assert names_in(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", FORMATS)
def test_other_settings_set_the_old_results_aside(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    add(path, "b.mp4")
    before = path.read_bytes()
    assert add(path, "c.mp4", run="other") == [tmp_path / f"out.1{suffix}"]
    assert (tmp_path / f"out.1{suffix}").read_bytes() == before
    assert sources_in(path) == ["c.mp4"]
    add_and_die(path, "a.mp4", run="third")
    assert sources_in(tmp_path / f"out.2{suffix}") == ["c.mp4"]
    add(path, "b.mp4", run="fourth")
    everything = [source for file in tmp_path.glob(f"out.*{suffix}") for source in sources_in(file)]
    assert sorted(everything) == ["a.mp4", "b.mp4", "c.mp4"]
    assert sources_in(path) == ["b.mp4"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_files_of_others_are_kept(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_bytes(b"my notes")
    assert add(path, "b.mp4") == [tmp_path / f"out.1{suffix}"]
    assert (tmp_path / f"out.1{suffix}").read_bytes() == b"my notes"
    path.write_bytes(b"")
    assert add(path, "b.mp4") == []


def test_results_of_before_have_no_fingerprint_and_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text('{"predictions": [{"source": "a.mp4", "label": "wave"}], "errors": []}')
    assert add(path, "b.mp4") == [tmp_path / "out.1.json"]


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with (
        growing_results(path, "run", []),
        pytest.raises(DataError, match=r"labelling into .*out\.csv is already running"),
    ):
        add(path)


@pytest.mark.parametrize("suffix", FORMATS)
def test_ctrl_c_leaves_a_whole_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"

    def interrupted() -> None:
        with growing_results(path, "run", ORDER) as results:
            results.add(a_record("b.mp4", fingerprint=results.fingerprint("1")))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert sources_in(path) == ["b.mp4"]
    assert names_in(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_full_disk_is_one_line_and_keeps_what_there_was(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    sources = [f"{number}.mp4" for number in range(100)]
    with (
        file_size_limit(5000),
        pytest.raises(UserError, match=r"out\..*: could not be written \((File too large|No space left.*)\)"),
    ):
        add(path, *sources)
    with growing_results(path, "run", sources) as results:
        done = [results.is_done(source, "1") for source in sources]
    assert done == sorted(done, reverse=True)
    assert done[0]


def test_the_output_is_written_while_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WRITE_SECONDS", -1.0)
    monkeypatch.setattr(module, "WRITE_SHARE", float("inf"))
    with growing_results(tmp_path / "out.parquet", "run", ORDER) as results:
        for count, source in enumerate(("b.mp4", "a.mp4"), start=1):
            results.add(a_record(source, fingerprint=results.fingerprint("1")))
            assert len(sources_in(tmp_path / "out.parquet")) == count


def test_fingerprints_follow_content_and_settings(tmp_path: Path) -> None:
    video, model = tmp_path / "a.mp4", tmp_path / "m.onnx"
    video.write_bytes(b"1")
    model.write_bytes(b"m")
    first = fingerprint_of_file(video)
    assert first == fingerprint_of_file(video)
    os.utime(video, ns=(1, 1))
    assert len({first, fingerprint_of_file(video), fingerprint_of_file(video, tmp_path)}) == 3
    assert fingerprint_of_file(tmp_path / "gone.mp4") == fingerprint_of_file(tmp_path / "gone.mp4")
    runs = {fingerprint_of_run(model, {"overlap": share}) for share in (0.0, 0.5)}
    model.write_bytes(b"n")
    assert len(runs | {fingerprint_of_run(model, {"overlap": 0.0})}) == 3

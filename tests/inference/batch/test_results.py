"""Result files, read back by pandas, pyarrow and ourselves."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from action_recognition.errors import ConfigError, UserError
from action_recognition.inference.batch.results import check_output, line_of, read_results, storable, write_results

NAMES = ("a.mp4", 'b, "c"\n.mp4', "caf\udce9/ü\u2028.mp4", "=1+1.mp4")
FORMATS = [".json", ".jsonl", ".csv", ".parquet"]


def a_segment(start: float, end: float, label: str | None, probability: float) -> dict[str, Any]:
    times = {"start_seconds": start, "end_seconds": end, "first_frame": int(start * 30), "end_frame": int(end * 30)}
    return times | {"label": label, "probability": probability}


def a_record(source: str, **changes: Any) -> dict[str, Any]:
    window = {"start_seconds": 0.0, "end_seconds": 1.5, "label": "wave", "probability": 0.75}
    record = {
        "source": source,
        "label": "wave",
        "none_of_these": source != "a.mp4",
        "top": [{"label": "wave", "probability": 0.75}, {"label": "run", "probability": 0.25}],
        "frames": 90,
        "fps": 29.97,
        "duration_seconds": 3.0,
        "windows": [window, window | {"start_seconds": 1.5, "end_seconds": 3.0}],
        "segments": [a_segment(0.0, 1.5, "wave", 0.75), a_segment(1.5, 3.0, None, 0.1)],
        "fingerprint": "abc-123",
    }
    return record | changes


def some_records() -> list[dict[str, Any]]:
    failed = {"source": "bad.mp4", "error": "bad.mp4: empty file"}
    half = a_record("half.mp4", error="half.labelled.mp4: could not be written")
    del half["fingerprint"]
    return [*(a_record(name) for name in NAMES), failed, half]


@pytest.mark.parametrize("suffix", FORMATS)
def test_records_come_back(suffix: str, tmp_path: Path) -> None:
    path, records = tmp_path / f"out{suffix}", some_records()
    write_results(path, iter(records))
    found = sorted(read_results(path), key=lambda record: storable(record["source"]))
    expected = sorted(records, key=lambda record: storable(record["source"]))
    assert [storable(record["source"]) for record in found] == [storable(record["source"]) for record in expected]
    for ours, theirs in zip(found, expected, strict=True):
        kept = {key: value for key, value in theirs.items() if key != "source"}
        if suffix == ".csv":  # one row per segment, and the likeliest label
            kept = {key: value for key, value in kept.items() if key not in ("frames", "fps", "windows")}
            kept |= {"top": kept["top"][:1]} if "top" in kept else {}
        assert {key: ours[key] for key in kept} == kept


def test_csv_is_one_row_per_segment_and_one_line_gives_one_per_video(tmp_path: Path) -> None:
    write_results(tmp_path / "out.csv", some_records())
    table = pd.read_csv(tmp_path / "out.csv")
    assert list(table.columns[:5]) == ["source", "start_seconds", "end_seconds", "label", "probability"]
    assert len(table) == 2 * 5 + 1
    assert table["probability"].dtype == float
    first = table[table["source"] == "a.mp4"]
    assert first[["start_seconds", "end_seconds"]].to_numpy().tolist() == [[0.0, 1.5], [1.5, 3.0]]
    assert first["label"].isna().tolist() == [False, True]
    videos = table.drop_duplicates("source").set_index("source")
    assert videos.loc["a.mp4", ["video_label", "video_probability", "none_of_these"]].tolist() == ["wave", 0.75, False]
    assert videos.loc["half.mp4", "none_of_these"] == True  # noqa: E712 - pandas has NaN where a video failed
    assert set(videos.index) == {storable(name) for name in NAMES} | {"bad.mp4", "half.mp4"}
    assert table["error"].notna().sum() == 3


def test_parquet_is_one_row_per_video_with_typed_lists(tmp_path: Path) -> None:
    records = some_records()
    write_results(tmp_path / "out.parquet", records)
    table = pq.read_table(tmp_path / "out.parquet")
    assert [str(table.schema.field(name).type) for name in ("source", "frames", "fps")] == ["string", "int64", "double"]
    assert table.column("source").to_pylist() == [storable(record["source"]) for record in records]
    segments = pd.read_parquet(tmp_path / "out.parquet").explode("segments").dropna(subset="segments")
    flat = pd.json_normalize(segments["segments"].tolist())
    assert len(flat) == 10
    assert flat["end_seconds"].tolist()[:2] == [1.5, 3.0]


def test_json_is_what_older_readers_know(tmp_path: Path) -> None:
    records = some_records()
    write_results(tmp_path / "out.json", records)
    content = json.loads((tmp_path / "out.json").read_bytes())
    assert [entry["source"] for entry in content["predictions"]] == [*NAMES, "half.mp4"]
    assert content["errors"] == [{key: record[key] for key in ("source", "error")} for record in records[-2:]]
    assert content["predictions"][0] == records[0]


@pytest.mark.parametrize("suffix", FORMATS)
def test_no_records_are_a_file_too(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    write_results(path, [])
    assert list(read_results(path)) == []


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(
    "content", [b"\x00\xff", b"a,b\n1,2\n", b"[1]", b'{"predictions": 3, "errors": {}}', b"[" * 9999]
)
def test_other_files_are_no_results(suffix: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError):
        list(read_results(path))


def test_subtitles_are_of_one_input(tmp_path: Path) -> None:
    write_results(tmp_path / "out.srt", [a_record("a.mp4")])
    assert (tmp_path / "out.srt").read_text().startswith("1\n00:00:00,000 --> 00:00:01,500\nwave 75%\n")
    check_output(tmp_path / "out.vtt", inputs=1)
    with pytest.raises(ConfigError, match=r"out\.vtt: subtitles of one input, 2 are given; \.csv holds any number"):
        check_output(tmp_path / "out.vtt", inputs=2)


@pytest.mark.parametrize("name", ["out", "out.txt", ".json", "out.jsonl.gz"])
def test_other_suffixes_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"expected a name ending in \.json, \.jsonl, \.csv, \.parquet, \.srt, \.vtt"):
        check_output(Path(name), inputs=1)


def test_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out.json").mkdir()
    with pytest.raises(UserError, match=r"predict\.output=.*out\.json: could not be written"):
        check_output(tmp_path / "out.json", inputs=1)


def test_numbers_that_are_none_are_not_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        line_of(a_record("a.mp4", fps=float("nan")))

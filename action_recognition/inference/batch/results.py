"""Result files, in the format of `predict.output`'s suffix, written from records and read back to records.

A record is the result of one input: `Prediction.to_dict`, with `fingerprint` (of the model, the settings and the file,
see `growing_results`), or `{"source": ..., "error": ...}`, or both where a labelled input's video could not be written.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from action_recognition.errors import ConfigError, UserError
from action_recognition.inference.temporal.segments import Segment
from action_recognition.inference.temporal.subtitles import to_srt, to_vtt
from action_recognition.utils.files import replacing

if TYPE_CHECKING:
    import pyarrow

Record = dict[str, Any]

SUBTITLES = {".srt": to_srt, ".vtt": to_vtt}
SEGMENT_COLUMNS = ("start_seconds", "end_seconds", "label", "probability", "first_frame", "end_frame")
CSV_COLUMNS = ("source", *SEGMENT_COLUMNS, "video_label", "video_probability", "none_of_these", "error", "fingerprint")
ROWS_PER_GROUP = 1000  # videos of a Parquet file that are in memory at a time


def check_output(output: Path, *, inputs: int) -> None:
    """Refuse at once what could only fail after hours.

    Raises:
        ConfigError: for a suffix of no format, or one that holds a single input if there are several.
        UserError: if `output` is a folder.
    """
    suffix = output.suffix.lower()
    if suffix not in (*WRITERS, *SUBTITLES):
        raise ConfigError(f"predict.output={output}: expected a name ending in {', '.join((*WRITERS, *SUBTITLES))}")
    if output.is_dir():
        raise UserError(f"predict.output={output}: could not be written (Is a directory)")
    if suffix in SUBTITLES and inputs > 1:
        raise ConfigError(f"predict.output={output}: subtitles of one input, {inputs} are given; .csv holds any number")


def storable(name: str) -> str:
    """A name as UTF-8 has it: bytes that are not become escapes such as `\\udce9`."""
    return name.encode(errors="backslashreplace").decode()


def line_of(record: Record) -> bytes:
    """One line of JSON; lone surrogates become JSON's own escapes.

    Raises:
        ValueError: if a number is infinite or NaN, which JSON does not have.
    """
    return json.dumps(record, ensure_ascii=False, allow_nan=False).encode(errors="backslashreplace") + b"\n"


def write_results(output: Path, records: Iterable[Record]) -> None:
    """Write `output` in one step.

    Raises:
        UserError: if it cannot be written, or subtitles are asked for where there are no times.
    """
    suffix = output.suffix.lower()
    try:
        with replacing(output) as partial:
            if suffix in SUBTITLES:
                partial.write_text(_subtitles(suffix, records), encoding="utf-8", newline="")
            else:
                WRITERS[suffix](partial, records)
    except OSError as error:
        raise UserError(f"predict.output={output}: could not be written ({error.strerror or error})") from None


def read_results(path: Path) -> Iterator[Record]:
    """The records in a file that `write_results` wrote, as far as its format holds them: CSV holds no windows.

    Raises:
        ValueError: if it is some other file.
        OSError: if it cannot be read.
    """
    try:
        for record in READERS[path.suffix.lower()](path):
            if not isinstance(record, dict) or not isinstance(record.get("source"), str):
                raise ValueError("a record without a source")
            if not isinstance(record.get("fingerprint"), str | None):
                raise ValueError("a fingerprint that is no text")
            yield record
    except (KeyError, TypeError, AttributeError, RecursionError, csv.Error) as error:
        raise ValueError(error) from None


def _subtitles(suffix: str, records: Iterable[Record]) -> str:
    (record,) = records
    if "segments" not in record:
        raise UserError(f"{record['source']}: has no segments, so no subtitles")
    return SUBTITLES[suffix]([Segment(**segment) for segment in record["segments"]], origin=record["source"])


def _write_lines(path: Path, records: Iterable[Record]) -> None:
    with path.open("wb") as file:
        file.writelines(map(line_of, records))


def _read_lines(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        for line in file:
            yield json.loads(line)


def _write_json(path: Path, records: Iterable[Record]) -> None:
    errors: list[Record] = []
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
        file.write('{\n  "predictions": [')
        between = "\n"
        for record in records:
            if "error" in record:
                errors.append({"source": record["source"], "error": record["error"]})
            if "label" in record:
                result = {key: value for key, value in record.items() if key != "error"}
                file.write(between + _indented(result))
                between = ",\n"
        file.write('\n  ],\n  "errors": [' + ("\n" if errors else ""))
        file.write(",\n".join(map(_indented, errors)) + "\n  ]\n}\n")


def _indented(value: Record) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return "    " + text.replace("\n", "\n    ")  # line breaks in names are escaped


def _read_json(path: Path) -> Iterator[Record]:
    content = json.loads(path.read_bytes())
    if not isinstance(content, dict) or not content.keys() >= {"predictions", "errors"}:
        raise ValueError("not a result file")
    errors = {entry["source"]: entry for entry in content["errors"]}
    for entry in content["predictions"]:
        yield entry | errors.pop(entry["source"], {})
    yield from errors.values()


def _write_csv(path: Path, records: Iterable[Record]) -> None:
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.DictWriter(file, CSV_COLUMNS, lineterminator="\n")
        writer.writeheader()
        for record in records:
            of_video: Record = {key: record.get(key) for key in ("source", "error", "fingerprint")}
            if record.get("top"):
                best = record["top"][0]
                of_video |= {"video_label": best["label"], "video_probability": best["probability"]}
                of_video["none_of_these"] = str(record.get("none_of_these", False)).lower()
            for segment in record.get("segments") or [{}]:
                writer.writerow(of_video | {key: segment.get(key) for key in SEGMENT_COLUMNS})


def _read_csv(path: Path) -> Iterator[Record]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if tuple(rows.fieldnames or ()) != CSV_COLUMNS:
            raise ValueError("not a result file")
        for source, group in groupby(rows, key=lambda row: row["source"]):
            segments = list(group)
            yield _record_of(source, segments)


def _record_of(source: str, rows: list[dict[str, str]]) -> Record:
    first, record = rows[0], Record(source=source)
    record |= {key: first[key] for key in ("error", "fingerprint") if first[key]}
    if not first["video_label"]:
        return record
    segments = [
        {
            "start_seconds": float(row["start_seconds"]),
            "end_seconds": float(row["end_seconds"]),
            "first_frame": int(row["first_frame"]),
            "end_frame": int(row["end_frame"]),
            "label": row["label"] or None,
            "probability": float(row["probability"]),
        }
        for row in rows
    ]
    best = {"label": first["video_label"], "probability": float(first["video_probability"])}
    seconds = segments[-1]["end_seconds"]
    record |= {"label": best["label"], "none_of_these": first["none_of_these"] == "true", "top": [best]}
    return record | {"duration_seconds": seconds, "segments": segments}


def _schema() -> "pyarrow.Schema":
    import pyarrow as pa

    text, number, whole = pa.string(), pa.float64(), pa.int64()
    share = {"label": text, "probability": number}
    times = {"start_seconds": number, "end_seconds": number}
    frames = {"first_frame": whole, "end_frame": whole}
    entries = {"top": share, "windows": times | share, "segments": times | frames | share}
    lists = {name: pa.list_(pa.struct(list(parts.items()))) for name, parts in entries.items()}
    return pa.schema(
        {
            "source": text,
            "label": text,
            "none_of_these": pa.bool_(),
            "frames": whole,
            "fps": number,
            "duration_seconds": number,
        }
        | lists
        | {"error": text, "fingerprint": text}
    )


def _write_parquet(path: Path, records: Iterable[Record]) -> None:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    remaining, schema = iter(records), _schema()
    with ParquetWriter(path, schema) as writer:
        while group := list(islice(remaining, ROWS_PER_GROUP)):
            rows = [record | {"source": storable(record["source"])} for record in group]
            writer.write_table(pa.Table.from_pylist(rows, schema))


def _read_parquet(path: Path) -> Iterator[Record]:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            if not file.schema_arrow.equals(_schema()):
                raise ValueError("not a result file")
            for batch in file.iter_batches(ROWS_PER_GROUP):
                for row in batch.to_pylist():
                    yield {key: value for key, value in row.items() if value is not None}
    except pa.ArrowException as error:
        raise ValueError(error) from None


WRITERS = {".json": _write_json, ".jsonl": _write_lines, ".csv": _write_csv, ".parquet": _write_parquet}
READERS = {".json": _read_json, ".jsonl": _read_lines, ".csv": _read_csv, ".parquet": _read_parquet}

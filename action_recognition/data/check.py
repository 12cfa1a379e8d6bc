"""`check-data`: what would make training wrong, found before it does."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from action_recognition.config import Config
from action_recognition.contract import ClipContract
from action_recognition.data.datamodule import make_contract
from action_recognition.data.load import load_manifest
from action_recognition.data.manifest import SPLITS, Manifest, source_groups
from action_recognition.errors import DataError

# A clip in training and again in validation or test makes every score after it meaningless.
WRONG = ("leaking", "duplicate across splits")


@dataclass(frozen=True)
class Finding:
    """Something about one clip; `kind` groups findings of the same sort."""

    kind: str
    path: str
    detail: str


def check_data(config: Config, *, console: Console) -> list[Finding]:
    """Decode every clip and report what is wrong with any.

    Raises:
        DataError: when a clip cannot be read, is a duplicate across splits, or leaks.
    """
    manifest = load_manifest(config, console)
    contract = make_contract(config.data, manifest)
    findings = [
        *find_unreadable(manifest),
        *find_short(manifest, contract),
        *find_duplicates(manifest),
        *find_leaks(manifest),
    ]
    for finding in findings:
        console.print(f"{finding.kind}: {finding.path}: {finding.detail}", markup=False, highlight=False)
    console.print(summary_table(manifest))
    wrong = [finding for finding in findings if finding.kind in ("unreadable", *WRONG)]
    if wrong:
        raise DataError(
            f"{len(wrong)} clips of {config.data.name} make training wrong (first: {wrong[0].path}); "
            "remove or replace them, then: python commands.py check-data"
        )
    console.print(f"{config.data.name}: nothing that makes training wrong; {len(findings)} remarks", highlight=False)
    return findings


def find_unreadable(manifest: Manifest) -> list[Finding]:
    """Clips that cannot be decoded at all, or end before their container says."""
    return [Finding("unreadable", r.path, _reason(r.error)) for r in manifest.records if r.error]


def find_short(manifest: Manifest, contract: ClipContract) -> list[Finding]:
    """Clips with fewer frames than the contract spans: the short-clip policy will fill them."""
    return [
        Finding("short", r.path, f"{r.frames} frames, a clip spans {contract.span}: {contract.short_clip}")
        for r in manifest.records
        if not r.error and r.frames < contract.span
    ]


def find_duplicates(manifest: Manifest) -> list[Finding]:
    """Files with the same bytes; those in different splits are the grave ones."""
    same: dict[str, list[int]] = defaultdict(list)
    for number, record in enumerate(manifest.records):
        same[record.md5].append(number)
    findings = []
    for numbers in same.values():
        first = manifest.records[numbers[0]]
        for number in numbers[1:]:
            record = manifest.records[number]
            across = {first.split, record.split} - {"unused"}
            kind = "duplicate across splits" if len(across) > 1 else "duplicate"
            findings.append(Finding(kind, record.path, f"same bytes as {first.path}"))
    return findings


def find_leaks(manifest: Manifest) -> list[Finding]:
    """Validation and test clips whose source video also gives training clips of the same class."""
    trained = source_groups(manifest.split("train"))
    return [
        Finding("leaking", r.path, f"{r.split} clip of source {r.source}, which is also in train")
        for r in manifest.records
        if r.split in ("val", "test") and (r.label, r.source) in trained
    ]


def summary_table(manifest: Manifest) -> Table:
    """Clips of each class in each split, and the range of their lengths."""
    table = Table(title=str(Path(manifest.videos_dir)), title_justify="left")
    table.add_column("class")
    for column in (*SPLITS, "sources", "frames"):
        table.add_column(column, justify="right")
    for label in manifest.class_names:
        records = [record for record in manifest.records if record.label == label]
        frames = sorted(record.frames for record in records)
        counts = [str(sum(record.split == split for record in records)) for split in SPLITS]
        table.add_row(label, *counts, str(len({r.source for r in records})), f"{frames[0]}-{frames[-1]}")
    return table


def _reason(error: str) -> str:
    """The reason without the path before it."""
    return error.split(": ", 1)[-1]

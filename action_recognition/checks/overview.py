"""A data set as a whole: leakage, remarks, and the numbers in the report's tables."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from action_recognition.checks.findings import Finding, HeaderBias, Listing
from action_recognition.contract import ClipContract
from action_recognition.datasets.base import Dataset
from action_recognition.datasets.records import SPLITS, ClipRecord, Manifest, source_groups
from action_recognition.utils.text import first_names

IMBALANCED = 3  # times as many training clips in the largest class as in the smallest
FEW = 5  # things to name one by one


@dataclass(frozen=True, kw_only=True)
class Leakage:
    """How many of `clips` in `split` come from a source that is also in train (for test: in train or val).

    `leaking` counts those whose source gives training clips of the same class, which a split has to avoid;
    `seen_in_other_class` those whose source gives training clips of other classes only, which official splits allow.
    `noun` is what a source is here.
    """

    split: str
    clips: int
    leaking: int
    seen_in_other_class: int
    noun: str = "source video"

    @property
    def share(self) -> float:
        return self.leaking / self.clips if self.clips else 0.0

    def __str__(self) -> str:
        return (
            f"{self.leaking} of {self.clips} {self.split} clips ({100 * self.share:.1f} %) have their {self.noun} in "
            f"train under the same class, {self.seen_in_other_class} under another class"
        )


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Everything that check-data found. `remarks` are lines about the data set, `findings` are about single clips.

    `unknown_sources` is a line where the clips' sources are unknown, so that leakage cannot be found; otherwise empty.
    """

    name: str
    dataset: Dataset
    unknown_sources: str
    split: int | None
    manifest: Manifest
    contract: ClipContract
    findings: tuple[Finding, ...]
    remarks: list[str]
    leakage: tuple[Leakage, ...]

    @property
    def faults(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.is_fault]


def measure_leakage(manifest: Manifest, *, noun: str = "source video") -> tuple[Leakage, ...]:
    """Leakage of val and test, where they have clips; `noun` is what a source is."""
    train, val, test = (manifest.split(split) for split in ("train", "val", "test"))
    measured = []
    for split, clips, seen in (("val", val, train), ("test", test, train + val)):
        groups, sources = source_groups(seen), {record.source_video for record in seen}
        leaking = sum((record.label, record.source_video) in groups for record in clips)
        other_class = sum(record.source_video in sources for record in clips) - leaking
        if clips:
            counts = {"clips": len(clips), "leaking": leaking, "seen_in_other_class": other_class}
            measured.append(Leakage(split=split, noun=noun, **counts))
    return tuple(measured)


def remark_lines(
    manifest: Manifest, contract: ClipContract, listing: Listing, header_frames: Mapping[str, int], bias: HeaderBias
) -> list[str]:
    """What a reader should know about the data set, one line each. Nothing here makes training wrong."""
    readable = [record for record in manifest.records if not record.error]
    lines = (
        _subset_line(manifest.records, listing),
        _header_line(readable, header_frames, bias),
        _length_line(readable, contract),
        _imbalance_line(manifest),
        _untested_line(manifest),
    )
    return [line for line in lines if line]


def _subset_line(records: Sequence[ClipRecord], listing: Listing) -> str:
    here = {(record.label, Path(record.path).name) for record in records}
    missing = sorted(key for key in listing if key not in here)
    if not missing:
        return ""
    if len(missing) <= FEW:
        return f"{len(missing)} clips of the split files are not here: {', '.join(name for _, name in missing)}"
    classes = {label for label, _ in listing}
    present = {label for label, _ in here} & classes
    found = len(listing) - len(missing)
    return (
        f"a subset: {found:,} of the {len(listing):,} clips that the split files name are here, "
        f"{len(present)} of {len(classes)} classes"
    )


def _header_line(records: Sequence[ClipRecord], header_frames: Mapping[str, int], bias: HeaderBias) -> str:
    other = sum(header_frames.get(r.path, 0) not in (0, r.frames) for r in records)
    if not other:
        return ""
    usual = ""
    if bias.missing:
        usual = f", usually {abs(bias.missing):.0f} too {'many' if bias.missing > 0 else 'few'}"
    elif abs(bias.share - 1) > 0.005:
        usual = f", usually {100 * abs(1 / bias.share - 1):.0f} % too {'many' if bias.share < 1 else 'few'}"
    return (
        f"headers and decoding disagree about the number of frames for {other} of {len(records)} clips{usual}; this is "
        "harmless, frames are counted by decoding"
    )


def _length_line(records: Sequence[ClipRecord], contract: ClipContract) -> str:
    shorter = sum(record.grid_places(contract.fps) < contract.span for record in records)
    if not shorter:
        return ""
    return (
        f"{shorter} of {len(records)} clips have fewer frames than the {contract.span} that the model's "
        f"{contract.frames} frames at stride {contract.stride} span: clip.short_clip={contract.short_clip} applies"
    )


def _imbalance_line(manifest: Manifest) -> str:
    counts = Counter(record.label for record in manifest.split("train")).most_common()
    if not counts or counts[0][1] <= IMBALANCED * counts[-1][1]:
        return ""
    (most, largest), (least, smallest) = counts[0], counts[-1]
    return f"unbalanced classes: {largest} training clips of {most}, {smallest} of {least}"


def _untested_line(manifest: Manifest) -> str:
    tested = {record.label for record in manifest.split("test")}
    if not tested:
        return "no test clips: no score can be measured with python commands.py infer"
    empty = sorted(set(manifest.class_names) - tested)
    return f"classes without test clips: {first_names(empty)}" if empty else ""


def class_rows(manifest: Manifest) -> list[tuple[str, list[int], int, str]]:
    """For each class its name, its clips in each of `SPLITS`, its number of sources, and `length_text`."""
    rows = []
    for label in manifest.class_names:
        records = [record for record in manifest.records if record.label == label]
        counts = [sum(record.split == split for record in records) for split in SPLITS]
        rows.append((label, counts, len({record.source_video for record in records}), length_text(records)))
    return rows


def length_bins(frames: Sequence[int]) -> list[tuple[int, int, int]]:
    """`(first, last, clips)` for about a dozen ranges of clip length in frames, each of a round width."""
    low, high = min(frames), max(frames)
    widths = (base * 10**power for power in range(9) for base in (1, 2, 5))
    width = next(width for width in widths if (high - low) / width < 14)
    counts = Counter(count // width for count in frames)
    return [(n * width, (n + 1) * width - 1, counts[n]) for n in range(low // width, high // width + 1)]


def length_text(records: Sequence[ClipRecord]) -> str:
    """`shortest - median - longest` in frames."""
    frames = sorted(record.frames for record in records if not record.error)
    return f"{frames[0]} - {median(frames):.0f} - {frames[-1]}" if frames else "-"

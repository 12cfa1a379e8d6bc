"""What can be wrong with clips, one function per kind of finding. Nothing is decoded here."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

from action_recognition.contract import ClipContract
from action_recognition.datasets import hmdb51, ucf101
from action_recognition.datasets.records import ClipRecord, Manifest, source_groups
from action_recognition.readers.store.reader import ClipStore
from action_recognition.utils.text import printable

# {(class, file name): split}, as the split files have it.
Listing = Mapping[tuple[str, str], str]


class Kind(NamedTuple):
    """A kind of finding. A fault makes training or its scores wrong; anything else is a remark."""

    fault: bool
    meaning: str


# In the order of the report.
KINDS = {
    "unreadable": Kind(True, "not a video, or nothing in it could be decoded"),
    "truncated": Kind(True, "the file ends before its container says it does"),
    "frame mismatch": Kind(True, "far fewer frames than the header says, beyond what is usual here"),
    "mislabelled": Kind(True, "the file name or the split files name another class than the folder"),
    "listed twice": Kind(True, "the split files list it under several classes"),
    "class without training clips": Kind(True, "the model would have an output that it never learns"),
    "leaking": Kind(True, "training clips of its class come from the same source"),
    "duplicate across splits": Kind(True, "the same bytes as a clip of another split"),
    "near duplicate across splits": Kind(True, "the same footage as a clip of another split"),
    "same footage, other class": Kind(False, "the same footage in another split under another class"),
    "damaged in the store": Kind(False, "its clip store entry is damaged; the video is decoded until cache-data runs"),
    "duplicate": Kind(False, "the same bytes as another clip, but not across splits"),
    "short": Kind(False, "most of what the model sees of it would be padding"),
    "unlisted": Kind(False, "no split file lists it, so it is not used"),
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding about one clip; `other` is the clip with which it shares something, if any."""

    kind: str
    path: str
    detail: str
    other: str = ""

    @property
    def is_fault(self) -> bool:
        return KINDS[self.kind].fault


def find_unreadable(manifest: Manifest) -> list[Finding]:
    """Clips that cannot be decoded at all, and clips that are cut off."""
    findings = []
    for record in manifest.records:
        if record.error:
            # An error line starts with the path.
            reason = record.error.rpartition(f"{printable(record.path)}: ")[2]
            kind = "truncated" if reason.startswith("truncated") else "unreadable"
            findings.append(Finding(kind=kind, path=record.path, detail=reason))
    return findings


def find_damaged_entries(records: Sequence[ClipRecord], store: ClipStore | None) -> list[Finding]:
    """Clips whose entry in the clip store has changed since it was written; every entry is read completely."""
    damage = ((record.path, line) for record in records if store for line in store.damage(record.md5))
    return [Finding(kind="damaged in the store", path=path, detail=line) for path, line in damage]


@dataclass(frozen=True, kw_only=True)
class HeaderBias:
    """How far a data set's headers are off: decoding finds `share` of the header's frames, less `missing`."""

    share: float = 1.0
    missing: float = 0.0

    def expected(self, header_frames: int) -> float:
        return self.share * header_frames - self.missing

    @classmethod
    def of(cls, records: Sequence[ClipRecord], header_frames: Mapping[str, int]) -> "HeaderBias":
        """The better of the median share and the median difference.

        Args:
            header_frames: the header's frame count by path; 0 where it gives none.
        """
        counts = [(r.frames, header_frames[r.path]) for r in records if header_frames.get(r.path, 0) > 0]
        if not counts:
            return cls()
        biases = (
            cls(share=median(decoded / header for decoded, header in counts)),
            cls(missing=median(header - decoded for decoded, header in counts)),
        )
        return min(biases, key=lambda bias: median(abs(bias.expected(header) - decoded) for decoded, header in counts))


def find_frame_mismatches(
    records: Sequence[ClipRecord], header_frames: Mapping[str, int], bias: HeaderBias
) -> list[Finding]:
    """Clips that end early, where all headers may be off.

    Every HMDB51 header gives a fifth more frames than the file has. So only frames missing beyond the data set's bias
    count: more than 2, and more than a tenth.
    """
    findings = []
    for record in records:
        header = header_frames.get(record.path, 0)
        expected = min(bias.expected(header), header)
        if header > 0 and expected - record.frames > max(2, expected / 10):
            detail = f"{record.frames} frames decoded, {header} in the header, {expected:.0f} expected here"
            findings.append(Finding(kind="frame mismatch", path=record.path, detail=detail))
    return findings


def find_short(records: Sequence[ClipRecord], contract: ClipContract) -> list[Finding]:
    """Clips whose own frames fill less than half of a model input, or are too few to be used at all."""
    findings = []
    for record in records:
        own = -(-record.grid_places(contract.fps) // contract.stride)
        if record.frames < contract.min_frames or own < contract.frames / 2:
            filled = f"{own} of the {contract.frames} frames that the model sees"
            detail = f"{record.frames} frames at stride {contract.stride} give {filled}"
            findings.append(Finding(kind="short", path=record.path, detail=detail))
    return findings


def find_mislabelled(records: Sequence[ClipRecord], listing: Listing) -> list[Finding]:
    """Clips in the folder of one class whose name, or whose line in the split files, names another."""
    classes = frozenset({record.label for record in records} | {label for label, _ in listing})
    listed_in = _labels_by_name(listing)
    findings = []
    for record in records:
        path = Path(record.path)
        named, listed = named_class(path.stem, classes), listed_in.get(path.name, [])
        if named is not None and named.casefold() != record.label.casefold():
            detail = f"lies in {record.label}, its name says {named}"
        elif listed and record.label not in listed:
            detail = f"lies in {record.label}, the split files list it under {', '.join(listed)}"
        else:
            continue
        findings.append(Finding(kind="mislabelled", path=record.path, detail=detail))
    return findings


def find_listed_twice(records: Sequence[ClipRecord], listing: Listing) -> list[Finding]:
    """Clips that the split files list under their own class and under others, as when a list was copied to another.

    The line of the clip's own class decides, so it is used; but one of the lists is wrong.
    """
    listed_in = _labels_by_name(listing)
    findings = []
    for record in records:
        labels = listed_in.get(Path(record.path).name, [])
        if others := [label for label in labels if label != record.label and record.label in labels]:
            detail = f"the split files list it under {record.label} and {', '.join(others)}"
            findings.append(Finding(kind="listed twice", path=record.path, detail=detail))
    return findings


def _labels_by_name(listing: Listing) -> dict[str, list[str]]:
    labels: dict[str, list[str]] = defaultdict(list)
    for label, name in sorted(listing):
        labels[name].append(label)
    return labels


def find_untrained_classes(manifest: Manifest) -> list[Finding]:
    """Classes whose clips are all in other splits, or all unreadable."""
    trained = {record.label for record in manifest.split("train")}
    findings = []
    for label in sorted(set(manifest.class_names) - trained):
        count = Counter(record.split for record in manifest.records if record.label == label)
        splits = ", ".join(f"{number} {split}" for split, number in sorted(count.items()))
        detail = f"none of {count.total()} clips is readable and in train ({splits})"
        findings.append(Finding(kind="class without training clips", path=f"{label}/", detail=detail))
    return findings


def named_class(stem: str, classes: frozenset[str]) -> str | None:
    """The class that a file name in HMDB51's or UCF101's form contains; None for any other name.

    Where several classes fit (`sword`, `draw_sword`), it is the longest.
    """
    if match := ucf101.NAME.match(stem):
        return match["label"] if match["label"].casefold() in {name.casefold() for name in classes} else None
    match = hmdb51.TAGS.search(stem)
    if not match:
        return None
    fitting = [label for label in classes if stem[: match.start()].endswith(f"_{label}_")]
    return max(fitting, key=len, default=None)


def find_leaking(manifest: Manifest) -> list[Finding]:
    """Clips whose (class, source video) is also on the other side: test against train and val, val against train."""
    train, val = source_groups(manifest.split("train")), source_groups(manifest.split("val"))
    findings = []
    for record in manifest.records:
        group = (record.label, record.source_video)
        seen = "train" if group in train else "val" if group in val and record.split == "test" else None
        if seen and record.split in ("val", "test"):
            detail = f"{record.split} clip of source {record.source_video}, which is also in {seen}"
            findings.append(Finding(kind="leaking", path=record.path, detail=detail))
    return findings


def find_unlisted(records: Sequence[ClipRecord], listing: Listing) -> list[Finding]:
    """Clips that no split file lists under any class."""
    names, without_case = {name for _, name in listing}, {name.casefold(): name for _, name in listing}
    findings = []
    for record in records if listing else ():
        name = Path(record.path).name
        if name not in names:
            close = without_case.get(name.casefold())
            hint = f", which have {close}" if close else ""
            findings.append(Finding(kind="unlisted", path=record.path, detail=f"not in the split files{hint}: unused"))
    return findings

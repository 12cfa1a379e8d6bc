"""The report of check-data: its content and its order."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from action_recognition.checks.findings import KINDS, Finding
from action_recognition.checks.overview import Checked, class_rows, length_bins, length_text
from action_recognition.datasets.official_lists import AnnotatedDataset
from action_recognition.datasets.records import SPLITS, ClipRecord, source_groups
from action_recognition.reports.contact_sheets import strips, typical_clips
from action_recognition.reports.page import (
    Bar,
    Block,
    Bullets,
    Cell,
    Figure,
    Gallery,
    Heading,
    Paragraph,
    Table,
    to_html,
    to_markdown,
)
from action_recognition.utils.files import replace_file

CLIPS_OF_A_CLASS = 4
PICTURED = 24  # findings of a kind with pictures
LISTED = 500  # findings of a kind in the table
TAGS = {
    "visible_body": ("Visible body", {"f": "full body", "u": "upper body", "l": "lower body", "h": "head"}),
    "camera": ("Camera motion", {"nm": "still", "cm": "moving"}),
    "people": ("People involved", {}),
    "view": ("Viewpoint", {"fr": "front", "ba": "back", "le": "left", "ri": "right"}),
    "quality": ("Video quality", {"goo": "good", "med": "medium", "bad": "bad"}),
}


def write_report(checked: Checked, directory: Path) -> tuple[Path, Path]:
    """Write `data_report.html`, self-contained and with pictures, and `data_report.md`; return their paths."""
    blocks = list(report_blocks(checked))
    html, markdown = directory / "data_report.html", directory / "data_report.md"
    replace_file(html, to_html(f"Data report: {checked.name}", blocks).encode())
    replace_file(markdown, to_markdown(blocks).encode())
    return html, markdown


def report_blocks(checked: Checked) -> Iterator[Block]:
    records = checked.manifest.records
    split = f", split {checked.split}" if checked.split else ""
    yield Heading(f"Data report: {checked.name}{split}", level=1)
    yield Paragraph(f"{checked.manifest.videos_dir}; data hash {checked.manifest.data_hash}")
    yield _verdict(checked)
    unknown = [checked.unknown_sources] if checked.unknown_sources else []
    yield Bullets([*unknown, _size_line(checked), *checked.remarks])
    yield from _findings_blocks(checked)
    yield from _leakage_blocks(checked)
    yield from _class_blocks(checked)
    yield from _length_blocks(checked)
    yield from _tag_blocks(records)


def _verdict(checked: Checked) -> Paragraph:
    faults = len(checked.faults)
    others = len(checked.findings) - faults
    line = "Nothing found that makes training wrong"
    if faults:
        line = f"{faults} findings that make training or its scores wrong"
    elif checked.unknown_sources:
        line += ", but sources are not known, so leakage cannot be seen"
    tone = "bad" if faults or checked.unknown_sources else "good"
    return Paragraph(f"{line}; {others} smaller findings" if others else line, tone=tone)


def _size_line(checked: Checked) -> str:
    records, noun = checked.manifest.records, checked.dataset.source_noun
    seconds = sum(record.frames / record.fps for record in records if record.fps > 0)
    sources = len(source_groups(records))
    sizes = Counter(f"{r.width}x{r.height}" for r in records if not r.error)
    rates = Counter(f"{r.fps:g}" for r in records if not r.error)
    return (
        f"{len(records):,} clips of {len({record.label for record in records})} classes from {sources:,} "
        f"{noun}s, {seconds / 60:.1f} minutes; {_most_common(sizes)} pixels; "
        f"{_most_common(rates)} frames per second"
    )


def _most_common(counts: Counter[str]) -> str:
    names = [name for name, _ in counts.most_common(3)]
    return ", ".join(names) + (f" and {len(counts) - 3} more" if len(counts) > 3 else "")


def _findings_blocks(checked: Checked) -> Iterator[Block]:
    yield Heading("Findings")
    counts = Counter(finding.kind for finding in checked.findings)
    if not counts:
        yield Paragraph("None.")
        return
    found = {name: kind for name, kind in KINDS.items() if counts[name]}
    rows = [(name, counts[name], "fault" if kind.fault else "remark", kind.meaning) for name, kind in found.items()]
    yield Table(("kind", "clips", "severity", "meaning"), rows, wide=frozenset({"severity", "meaning"}))
    for kind in found:
        findings = [finding for finding in checked.findings if finding.kind == kind]
        yield Heading(kind.capitalize(), level=3)
        shown = [(finding.path, finding.detail) for finding in findings[:LISTED]]
        yield Table(("clip", "what"), shown, wide=frozenset({"clip", "what"}))
        if len(findings) > LISTED:
            yield Paragraph(f"and {len(findings) - LISTED:,} more")
        if figures := _finding_figures(checked, findings[:PICTURED]):
            yield Gallery(figures)


def _finding_figures(checked: Checked, findings: Sequence[Finding]) -> list[Figure]:
    by_path = {record.path: record for record in checked.manifest.records}
    shown = [by_path[path] for finding in findings for path in (finding.path, finding.other) if path in by_path]
    drawn = strips(shown, checked.manifest.videos_dir, frames=5, height=64)
    picture = {record.path: jpeg for record, jpeg in zip(shown, drawn, strict=True) if jpeg}
    figures = []
    for finding in findings:
        jpegs = [picture[path] for path in (finding.path, finding.other) if path in picture]
        if finding.path in picture:
            below = f", below it {finding.other}" if len(jpegs) > 1 else ""
            figures.append(Figure(jpegs, f"{finding.path}{below}"))
    return figures


def _leakage_blocks(checked: Checked) -> Iterator[Block]:
    yield Heading("Leakage")
    noun = checked.dataset.source_noun
    if checked.unknown_sources:
        yield Paragraph(f"Nothing can be said: {checked.unknown_sources}.", tone="bad")
        return
    text = (
        f"Clips of one {noun} look alike. Where such clips of one class are on both sides of a split, the score "
        f"measures how well a model recognises {noun}s, not actions."
    )
    if isinstance(checked.dataset, AnnotatedDataset):
        text += (
            " The official splits keep them apart class by class; the same source video may give clips of other "
            "classes on the other side."
        )
    yield Paragraph(text)
    if not checked.leakage:
        yield Paragraph("There are neither validation nor test clips.")
        return
    rows: list[Sequence[Cell]] = []
    for one in checked.leakage:
        counts = (one.clips, one.leaking, f"{100 * one.share:.1f} %", one.seen_in_other_class)
        rows.append((one.split, *counts, Bar((one.leaking,), one.clips)))
    yield Table(("split", "clips", f"{noun} in train", "share", f"{noun} in train, other class", ""), rows)


def _class_blocks(checked: Checked) -> Iterator[Block]:
    manifest = checked.manifest
    found = class_rows(manifest)
    largest = max(sum(counts) for _, counts, _, _ in found)
    rows: list[Sequence[Cell]] = [
        (name, *counts, sources, lengths, Bar(counts, largest)) for name, counts, sources, lengths in found
    ]
    total = [manifest.counts()[split] for split in SPLITS]
    sources = len(source_groups(manifest.records))
    rows.append(("all", *total, sources, length_text(manifest.records), Bar(total, sum(total))))
    yield Heading("Classes")
    columns = ("class", *SPLITS, f"{checked.dataset.source_noun}s", "frames: min - median - max", "")
    yield Table(columns, rows, legend=SPLITS)
    typical = {
        name: typical_clips([r for r in manifest.records if r.label == name], count=CLIPS_OF_A_CLASS)
        for name in manifest.class_names
    }
    shown = [record for records in typical.values() for record in records]
    drawn = iter(strips(shown, manifest.videos_dir, frames=1, height=72))
    yield Gallery([Figure([j for j in islice(drawn, len(clips)) if j], name) for name, clips in typical.items()])


def _length_blocks(checked: Checked) -> Iterator[Block]:
    frames = [record.frames for record in checked.manifest.records if not record.error]
    if not frames:
        return
    contract = checked.contract
    yield Heading("Lengths")
    yield Paragraph(
        f"The model sees {contract.frames} frames at stride {contract.stride}, a span of {contract.span} frames; "
        f"shorter clips are filled by the policy {contract.short_clip}."
    )
    bins = length_bins(frames)
    most = max(count for _, _, count in bins)
    rows = [(f"{low} - {high}" if high > low else str(low), count, Bar((count,), most)) for low, high, count in bins]
    yield Table(("frames", "clips", ""), rows)


def _tag_blocks(records: Sequence[ClipRecord]) -> Iterator[Block]:
    """Tables of HMDB51's tags; a data set without tags has none."""
    if not any(getattr(record, tag) for record in records for tag in TAGS):
        return
    yield Heading("Tags")
    yield Paragraph("What the file names say about the clips. Percentages are of the split's clips, bars of all clips.")
    used = [split for split in SPLITS if any(record.split == split for record in records)]
    for tag, (title, meanings) in TAGS.items():
        counts = {split: Counter(getattr(r, tag) for r in records if r.split == split) for split in used}
        total = sum(counts.values(), Counter[str]())
        rows: list[Sequence[Cell]] = []
        for value in (*filter(total.get, meanings), *sorted(set(total) - set(meanings))):
            shares = [f"{100 * count[value] / count.total():.0f} %" for count in counts.values()]
            bar = Bar([count[value] for count in counts.values()], len(records))
            rows.append((meanings.get(value, value or "not said"), total[value], *shares, bar))
        yield Table((title, "clips", *used, ""), rows, legend=used if tag == next(iter(TAGS)) else ())

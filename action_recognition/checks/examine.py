"""Every clip decoded and compared: all findings of a data set."""

from pathlib import Path

from rich.console import Console

from action_recognition.checks.duplicates import MAX_PAIRS, find_exact_duplicates, find_near_duplicates
from action_recognition.checks.findings import (
    KINDS,
    Finding,
    HeaderBias,
    Listing,
    find_damaged_entries,
    find_frame_mismatches,
    find_leaking,
    find_listed_twice,
    find_mislabelled,
    find_short,
    find_unlisted,
    find_unreadable,
    find_untrained_classes,
)
from action_recognition.checks.overview import Checked, measure_leakage, remark_lines
from action_recognition.checks.thumbnails import make_thumbnails
from action_recognition.config import Config, DataConfig
from action_recognition.data.datamodule import make_contract
from action_recognition.data.load import load_manifest
from action_recognition.datasets import dataset_of
from action_recognition.datasets.official_lists import AnnotatedDataset
from action_recognition.readers.store.reader import open_store
from action_recognition.utils.progress import progress_bar


def examine(config: Config, *, console: Console) -> Checked:
    """All findings, in the order of `KINDS`; only progress is shown.

    Raises:
        DataError: if there is nothing to check.
    """
    data, dataset = config.data, dataset_of(config.data)
    manifest = load_manifest(config, console)
    contract = make_contract(config, manifest)
    listing = read_listing(data)
    readable = [record for record in manifest.records if not record.error]
    with progress_bar("decoding clips", console=console) as progress:
        thumbnails, errors = make_thumbnails(readable, data, progress=progress)
    readable = [record for record in readable if record.md5 in thumbnails]
    header_frames = {record.path: thumbnails[record.md5].header_frames for record in readable}

    bias = HeaderBias.of(readable, header_frames)
    cut = find_frame_mismatches(readable, header_frames, bias)
    whole = [record for record in readable if record.path not in {finding.path for finding in cut}]
    exact = find_exact_duplicates(readable)
    # Stills have no footage to compare, and depth images of one gesture all look alike.
    compared = readable if dataset.is_video else []
    near, unseen = find_near_duplicates(compared, thumbnails, videos_dir=manifest.videos_dir)
    known = {finding.path for finding in exact}
    findings = [
        *find_unreadable(manifest),
        *(Finding(kind="unreadable", path=path, detail=line) for path, line in errors.items()),
        *cut,
        *find_mislabelled(manifest.records, listing),
        *find_listed_twice(manifest.records, listing),
        *find_untrained_classes(manifest),
        *find_leaking(manifest),
        *find_damaged_entries(readable, open_store(data, short_side=contract.short_side)),
        *exact,
        *(finding for finding in near if finding.path not in known),
        *find_short(whole, contract),
        *find_unlisted(manifest.records, listing),
    ]
    remarks = remark_lines(manifest, contract, listing, header_frames, bias)
    remarks += dataset.file_remarks(manifest)
    if not dataset.is_video:
        remarks.append(f"near duplicates are not searched in data.kind={data.kind}, only files of the same bytes")
    if unseen:
        remarks.append(f"near duplicates: only the {MAX_PAIRS:,} most alike pairs were compared, {unseen:,} were not")
    return Checked(
        name=data.name,
        dataset=dataset,
        unknown_sources=dataset.unknown_sources(manifest.records, data),
        split=data.split if listing else None,
        manifest=manifest,
        contract=contract,
        findings=tuple(sorted(findings, key=lambda finding: (list(KINDS).index(finding.kind), finding.path))),
        remarks=remarks,
        leakage=measure_leakage(manifest, noun=dataset.source_noun),
    )


def read_listing(data: DataConfig) -> Listing:
    """What the split files say of all classes, even of those without a folder; empty without split files."""
    dataset = dataset_of(data)
    if not isinstance(dataset, AnnotatedDataset) or data.splits_dir is None:
        return {}
    return dataset.read_split(Path(data.splits_dir), split=data.split)

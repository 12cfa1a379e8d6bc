"""The same footage twice: clips with the same bytes, and near duplicates.

Near duplicates are searched in two steps. Thumbnails of a few frames give candidate pairs; both clips of a pair are
then decoded completely and compared frame by frame. Two frames are the same when their normalised 16x16 grey pictures
differ by no more than re-encoding changes them. Two clips are the same when at least half of the shorter one's frames
are found in the other, in order, and move alike. The last condition separates footage from its neighbours: clips cut
one after the other from a film with a still camera have the same background, but not the same motion.

On real HMDB51 clips (60 clips in 10 re-encoded, resized, trimmed, brightened or re-timed versions each) frames of a
copy differ by up to 0.002, mostly by 0.0001; the nearest frames of clips of different sources by 0.01 and more.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from action_recognition.checks.findings import Finding
from action_recognition.checks.thumbnails import Thumbnails, gray_frames
from action_recognition.datasets.records import ClipRecord

# All distances are 1 - cosine of grey frames with their mean taken off.
WORTH_A_LOOK = 0.05  # between thumbnails, which are a few frames apart where a clip was trimmed
SAME_FRAME = 0.002
SAME_STILL = 0.0001  # where nothing moves, only the picture itself can tell
SAME_MOTION = 0.9  # correlation of what changes over time
STILL = 0.05  # change over time below which there is no motion to compare
IN_ORDER = 0.9  # share of steps that do not go back: the same clip played backwards is another one
COMMON_SHARE = 0.5  # of the shorter clip
FRAME_SIZE = 16
FLAT = 2.0  # grey levels of deviation; a black frame is like any other
MAX_PAIRS = 20_000
USED = ("train", "val", "test")
Vectors = NDArray[np.float32]


class NearPair(NamedTuple):
    """Places of two clips with common footage; `share` of the shorter one's frames are in the other."""

    first: int
    second: int
    share: float
    distance: float


def find_exact_duplicates(records: Sequence[ClipRecord]) -> list[Finding]:
    """Files with the same bytes. Across splits, the clips outside of train are the findings."""
    same: dict[str, list[ClipRecord]] = defaultdict(list)
    for record in records:
        same[record.md5].append(record)
    findings = []
    for group in same.values():
        group.sort(key=_split_place)
        first = group[0]
        for record in group[1:]:
            across = first.split in USED and record.split in USED and record.split != first.split
            kind = "duplicate across splits" if across else "duplicate"
            label = "" if record.label == first.label else f", which is labelled {first.label}"
            detail = f"{record.split} clip with the bytes of {first.path} ({first.split}){label}"
            findings.append(Finding(kind=kind, path=record.path, detail=detail, other=first.path))
    return findings


def find_near_duplicates(
    records: Sequence[ClipRecord], thumbnails: Mapping[str, Thumbnails], *, videos_dir: Path
) -> tuple[list[Finding], int]:
    """Clips of val and test that show footage of another split, from another source video, in other bytes.

    Clips of one (class, source video) are left out: on two sides they are leaking, whatever they show.

    Returns:
        A finding for each clip that has such a counterpart, with the nearest, and the number of pairs left unseen
        because there were more than `MAX_PAIRS` to look at.
    """
    used = sorted((r for r in records if r.split in USED and r.md5 in thumbnails), key=_split_place)
    candidates = sorted(_candidates(used, thumbnails))
    pairs = compare_pairs(used, [pair for _, pair in candidates[:MAX_PAIRS]], videos_dir=videos_dir)
    nearest: dict[int, list[NearPair]] = defaultdict(list)
    for pair in sorted(pairs, key=lambda p: p.distance):
        nearest[pair.second].append(pair)
    findings = []
    for _, (best, *others) in sorted(nearest.items()):
        first, second = used[best.first], used[best.second]
        kind = "near duplicate across splits" if first.label == second.label else "same footage, other class"
        where = f"{first.path} ({first.split}){f' and {len(others)} more' if others else ''}"
        detail = f"{second.split} clip with {100 * best.share:.0f} % of its frames in {where}"
        findings.append(Finding(kind=kind, path=second.path, detail=detail, other=first.path))
    return findings, max(0, len(candidates) - MAX_PAIRS)


def _split_place(record: ClipRecord) -> int:
    return USED.index(record.split) if record.split in USED else len(USED)


def _candidates(
    records: Sequence[ClipRecord], thumbnails: Mapping[str, Thumbnails]
) -> Iterator[tuple[float, tuple[int, int]]]:
    """(Distance, places) of pairs across splits whose thumbnails are alike; the earlier split comes first."""
    if not records:
        return
    thumbnail_NTD = np.stack([frame_vectors(thumbnails[r.md5].gray_THW) for r in records])
    places = [[n for n, r in enumerate(records) if r.split == split] for split in USED]
    for early, late in ((places[0], places[1] + places[2]), (places[1], places[2])):
        for chunk in (late[n : n + 32] for n in range(0, len(late), 32)):
            if not early:
                break
            distance_AB = thumbnail_distance(thumbnail_NTD[chunk], thumbnail_NTD[early])
            for a, b in np.argwhere(distance_AB <= WORTH_A_LOOK):
                first, second = records[early[b]], records[chunk[a]]
                if first.md5 != second.md5 and (first.label, first.source_video) != (second.label, second.source_video):
                    yield float(distance_AB[a, b]), (early[b], chunk[a])


def thumbnail_distance(thumbnail_ATD: Vectors, thumbnail_BTD: Vectors) -> NDArray[np.float32]:
    """`[A, B]`: the distance within which half of the frames of one have a frame of the other, in either direction."""
    clips_a, samples, size = thumbnail_ATD.shape
    cosine = thumbnail_ATD.reshape(-1, size) @ thumbnail_BTD.reshape(-1, size).T
    cosine_ATBT = cosine.reshape(clips_a, samples, len(thumbnail_BTD), samples)
    half = samples // 2
    best_ATB = np.partition(cosine_ATBT.max(axis=3), samples - half, axis=1)[:, samples - half]
    best_ABT = np.partition(cosine_ATBT.max(axis=1), samples - half, axis=2)[:, :, samples - half]
    return np.asarray(1 - np.maximum(best_ATB, best_ABT), dtype=np.float32)


def compare_pairs(
    records: Sequence[ClipRecord], pairs: Sequence[tuple[int, int]], *, videos_dir: Path
) -> list[NearPair]:
    """Decode the clips of `pairs` (places in `records`) and keep the pairs that show the same footage."""
    needed = sorted({place for pair in pairs for place in pair})
    with ThreadPoolExecutor() as pool:
        paths = [videos_dir / records[place].path for place in needed]
        grays = pool.map(lambda path: gray_frames(path, size=FRAME_SIZE), paths)
        gray_of = dict(zip(needed, grays, strict=True))
    found = []
    for first, second in pairs:
        common = common_footage(frame_vectors(gray_of[first]), frame_vectors(gray_of[second]))
        if common is not None:
            found.append(NearPair(first, second, *common))
    return found


def frame_vectors(gray_THW: NDArray[np.uint8]) -> Vectors:
    """`[T, H * W]` of unit length with the mean taken off, so that light and contrast do not count; flat: zeros."""
    flat_TD = gray_THW.reshape(len(gray_THW), -1).astype(np.float32)
    flat_TD -= flat_TD.mean(axis=1, keepdims=True)
    length_T = np.linalg.norm(flat_TD, axis=1, keepdims=True)
    return np.where(length_T > FLAT * flat_TD.shape[1] ** 0.5, flat_TD / np.maximum(length_T, 1e-6), 0)


def common_footage(frames_AD: Vectors, frames_BD: Vectors) -> tuple[float, float] | None:
    """(Share of the shorter clip's frames that are in the other, their mean distance), or None for other footage."""
    if len(frames_AD) > len(frames_BD):
        frames_AD, frames_BD = frames_BD, frames_AD
    distance_AB = 1 - frames_AD @ frames_BD.T
    nearest_A = distance_AB.argmin(axis=1)
    distance_A = distance_AB[np.arange(len(nearest_A)), nearest_A]
    same_A = distance_A <= SAME_FRAME
    share, distance = float(same_A.mean()), float(distance_A[same_A].mean()) if same_A.any() else 1.0
    if share < COMMON_SHARE:
        return None
    moving_A, moving_B = (v - v.mean(axis=0) for v in (frames_AD[same_A], frames_BD[nearest_A[same_A]]))
    if np.sqrt((moving_A**2).sum(axis=1).mean()) < STILL and distance <= SAME_STILL:
        return share, distance
    in_order = (np.diff(nearest_A[same_A]) >= 0).mean() if same_A.sum() > 1 else 0.0
    size = float(np.linalg.norm(moving_A) * np.linalg.norm(moving_B))
    correlation = float((moving_A * moving_B).sum()) / max(size, 1e-9)
    return (share, distance) if in_order >= IN_ORDER and correlation >= SAME_MOTION else None

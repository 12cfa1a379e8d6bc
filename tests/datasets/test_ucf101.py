"""UCF101 in its own naming: lists, groups as sources, and the packagings it is found in."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.archive_makers import make_zip
from helpers.mirror_server import Server
from helpers.support import files_in, moving_square, write_video

from action_recognition.config import load_config
from action_recognition.datasets.manifest import build_manifest
from action_recognition.datasets.official_lists import MissingListError
from action_recognition.datasets.records import read_records, source_groups
from action_recognition.datasets.ucf101 import UCF101
from action_recognition.errors import DataError

# The folder of this class is written otherwise than its files.
CLASSES = {"ApplyEyeMakeup": "ApplyEyeMakeup", "HandstandPushups": "HandStandPushups", "YoYo": "YoYo"}
GROUPS, CLIPS = 6, 2
TEST_GROUPS = {1: {1, 2}, 2: {3, 4}, 3: {5, 6}}


def clip_names(label: str) -> list[str]:
    return [
        f"v_{CLASSES[label]}_g{group:02}_c{n:02}.avi" for group in range(1, GROUPS + 1) for n in range(1, CLIPS + 1)
    ]


def lists() -> dict[str, str]:
    """The seven files as the authors write them: with DOS line ends, numbers in the training lists only."""
    files = {"classInd.txt": "".join(f"{number} {label}\r\n" for number, label in enumerate(CLASSES, start=1))}
    for split, groups in TEST_GROUPS.items():
        train, test = [], []
        for number, label in enumerate(CLASSES, start=1):
            for name in clip_names(label):
                tested = int(name.rsplit("_g", 1)[1][:2]) in groups
                (test if tested else train).append(f"{label}/{name}" + ("" if tested else f" {number}"))
        files[f"trainlist0{split}.txt"] = "\r\n".join(train) + "\r\n"
        files[f"testlist0{split}.txt"] = "\r\n".join(test)
    return files


def write_lists(folder: Path, **changed: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (lists() | {f"{name}.txt": text for name, text in changed.items()}).items():
        (folder / name).write_bytes(text.encode())
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every clip of the lists, `<Class>/<name>`, each a video of its own."""
    made = tmp_path_factory.mktemp("made") / "clip.avi"
    named = [f"{label}/{name}" for label in CLASSES for name in clip_names(label)]
    return {
        name: write_video(made, moving_square(6, seed=seed, height=32, width=48)).read_bytes()
        for seed, name in enumerate(named)
    }


def zipped(members: dict[str, bytes]) -> bytes:
    return make_zip([{"name": name, "data": data} for name, data in members.items()])


@pytest.fixture
def splits_zip(tmp_path: Path) -> bytes:
    return zipped({f"ucfTrainTestlist/{name}": text.encode() for name, text in lists().items()})


@pytest.mark.parametrize("packaging", ["folders", "flat and in lower case"])
def test_from_the_mirrors_to_the_manifest(
    clips: dict[str, bytes], splits_zip: bytes, server: Server, run_cli: Callable, tmp_path: Path, packaging: str
) -> None:
    members = {f"UCF-101/{name}": data for name, data in clips.items()}
    if packaging != "folders":
        members = {f"UCF101/{Path(n).name.replace('HandS', 'Hands')}": data for n, data in clips.items()}
    urls = {"videos": server.add("/UCF101.zip", zipped(members)), "splits": server.add("/splits.zip", splits_zip)}
    counts = "{classes:3,clips:36,train:[24,24,24],test:[12,12,12]}"
    given = [f"data.mirrors.{part}=[{url}]" for part, url in urls.items()]
    outcome = run_cli("download-data", "data=ucf101", f"data.full_set={counts}", *given, "data.val_fraction=0.25")
    assert outcome.code == 0, outcome.err
    assert "ucf101 complete: 3 classes, 36 clips" in outcome.out
    assert files_in(tmp_path / "data/ucf101/videos") == clips
    records = read_records(tmp_path / "data/ucf101/manifest.csv")
    assert Counter(record.split for record in records) == {"train": 18, "val": 6, "test": 12}
    assert {r.source_video.rsplit("_", 1)[1] for r in records if r.split == "test"} == {"g01", "g02"}
    assert not any(record.error for record in records)


@pytest.mark.parametrize("split", [1, 2, 3])
def test_each_split_keeps_a_group_on_one_side(
    clips: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: int
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, data in clips.items():
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    places = ["data.videos_dir=videos", f"data.splits_dir={write_lists(tmp_path / 'lists')}"]
    manifest = build_manifest(load_config(["data=ucf101", *places, f"data.split={split}", "data.val_fraction=0.25"]))
    assert manifest.class_names == tuple(CLASSES)
    tested = manifest.split("test")
    assert {int(record.source_video[-2:]) for record in tested} == TEST_GROUPS[split]
    groups = [source_groups(manifest.split(part)) for part in ("train", "val", "test")]
    assert sum(map(len, groups)) == len(set.union(*groups)) == len(CLASSES) * GROUPS
    assert all(groups)
    assert all(record.camera == record.people == "" for record in manifest.records)


def test_real_clips_from_a_folder(shared_dir: Path, run_cli: Callable, tmp_path: Path) -> None:
    names = ["v_SoccerJuggling_g23_c01.avi", "v_SoccerJuggling_g24_c01.avi"]
    for name in names:
        path = tmp_path / "mine/SoccerJuggling" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((shared_dir / "videos" / name).read_bytes())
    text = {f"trainlist0{split}": f"SoccerJuggling/{names[0]} 84\n" for split in (1, 2, 3)}
    text |= {f"testlist0{split}": f"SoccerJuggling/{names[1]}\n" for split in (1, 2, 3)}
    write_lists(tmp_path / "lists", classInd="84 SoccerJuggling\n", **text)
    outcome = run_cli("download-data", "data=ucf101", "data.archive=mine", "data.splits_archive=lists")
    assert outcome.code == 0, outcome.err
    assert "ucf101 subset: 1 of 101 classes, 2 of 13,320 clips" in outcome.out
    first, second = read_records(tmp_path / "data/ucf101/manifest.csv")
    assert (first.source_video, first.split, second.split) == ("v_SoccerJuggling_g23", "train", "test")
    assert (first.frames, first.width, first.height, first.error) == (240, 320, 240, "")


def test_an_incomplete_download_is_refused(
    clips: dict[str, bytes], splits_zip: bytes, server: Server, run_cli: Callable, tmp_path: Path
) -> None:
    without = {name: data for name, data in clips.items() if name != "YoYo/v_YoYo_g06_c02.avi"}
    given = [server.add("/UCF101.zip", zipped(without)), server.add("/splits.zip", splits_zip)]
    mirrors = [f"data.mirrors.{part}=[{url}]" for part, url in zip(("videos", "splits"), given, strict=True)]
    outcome = run_cli("download-data", "data=ucf101", *mirrors)
    assert outcome.code == 1
    assert "lists of 3 classes, expected 101" in outcome.err
    counts = "{classes:3,clips:36,train:[24,24,24],test:[12,12,12]}"
    outcome = run_cli("download-data", "data=ucf101", *mirrors, f"data.full_set={counts}")
    assert outcome.code == 1
    assert "3 of 3 classes, 35 of 36 clips, without YoYo/v_YoYo_g06_c02.avi" in outcome.err
    assert not (tmp_path / "data/ucf101/videos").exists()


def test_the_shipped_counts_add_up() -> None:
    full = load_config(["data=ucf101"]).data.full_set
    assert full is not None
    assert [train + test for train, test in zip(full.train, full.test, strict=True)] == [full.clips] * 3


@pytest.mark.parametrize(
    ("stem", "source"),
    [
        ("v_ApplyEyeMakeup_g08_c01", "v_ApplyEyeMakeup_g08"),
        ("v_HandStandPushups_g25_c07", "v_HandStandPushups_g25"),
        ("holiday", "holiday"),
        ("v_YoYo_g01", "v_YoYo_g01"),
    ],
)
def test_the_group_is_the_source(stem: str, source: str) -> None:
    assert UCF101().parse_clip_name(stem, label="any") == {"source_video": source}


LINE = "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"trainlist01": f"{LINE} 3"}, r"trainlist01.txt:1: .*classInd.txt has 1 for 'ApplyEyeMakeup'"),
        ({"trainlist01": LINE}, r"trainlist01.txt:1"),
        ({"trainlist01": f"\n{LINE} one"}, r"trainlist01.txt:2"),
        ({"trainlist01": "v_ApplyEyeMakeup_g08_c01.avi 1"}, r"is not '<Class>/<file name> <number>'"),
        ({"testlist01": "Archery/v_Archery_g01_c01.avi"}, r"testlist01.txt:1.*is not '<Class>/<file name>'"),
        ({"trainlist01": f"{LINE} 1", "testlist01": LINE}, r"testlist01.txt:1.*in the training list of split 1 too"),
        ({"classInd": "one ApplyEyeMakeup"}, r"classInd.txt:1"),
        ({"classInd": "1 A\n2 A"}, r"classInd.txt:2.*each class once"),
    ],
)
def test_broken_lists_are_named_by_the_line(tmp_path: Path, changed: dict[str, str], words: str) -> None:
    with pytest.raises(DataError, match=words) as raised:
        UCF101().read_split(write_lists(tmp_path, **changed), split=1)
    assert "\n" not in str(raised.value)


def test_lists_that_are_missing_and_classes_they_do_not_know(tmp_path: Path) -> None:
    with pytest.raises(MissingListError, match=r"no classInd\.txt there"):
        UCF101().read_split(tmp_path, split=1)
    write_lists(tmp_path)
    (tmp_path / "testlist02.txt").unlink()
    with pytest.raises(MissingListError, match=r"no testlist02\.txt there"):
        UCF101().read_split(tmp_path, split=2)
    with pytest.raises(DataError, match=r"'YoYoo' is not in .*did you mean 'YoYo'"):
        UCF101().read_split(tmp_path, split=1, classes=["YoYoo"])


def test_lists_are_found_among_others(tmp_path: Path) -> None:
    write_lists(tmp_path / "a/ucfTrainTestlist")
    for name in ("testlist04.txt", "readme.txt", "trainlist.txt"):
        (tmp_path / "a" / name).write_text("other")
    found = UCF101().find_lists(tmp_path)
    assert found == {name: text.encode() for name, text in lists().items()}
    write_lists(tmp_path / "b", testlist03="other")
    with pytest.raises(DataError, match=r"another testlist03\.txt .* leave only one"):
        UCF101().find_lists(tmp_path)

"""`data=depth`: both layouts, splits by subject, and 16-bit values from file to batch."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.batches import make_datamodule
from PIL import Image

from action_recognition.config import load_config
from action_recognition.datasets.depth import Depth
from action_recognition.datasets.manifest import build_manifest
from action_recognition.datasets.records import group_digests
from action_recognition.errors import ConfigError, DataError
from action_recognition.synthetic.depth import GESTURES, draw_sequence, make_subject, render_depth_set

BASE = ["clip.frames=4", "clip.stride=2", "clip.short_side=32", "clip.size=32", "data.batch_size=4"]
SMALL = [*BASE, "data.num_workers=0", "data.test_clips=2"]
RUN = [
    *SMALL,
    "model=cnn3d",
    "model.args.widths=[4,4]",
    "trainer.accelerator=cpu",
    "trainer.precision=32-true",
    "trainer.memory_format=contiguous",
    "trainer.max_epochs=1",
    "trainer.limit_train_batches=2",
]


def write_sequence(folder, count, *, names="{}.png", seed=0, dtype=np.uint8):
    """`[count, 32, 32]` random values, the frames numbered from 1."""
    folder.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, size=(count, 32, 32)).astype(dtype)
    for number, value in enumerate(values, start=1):
        Image.fromarray(value).save(folder / names.format(number))
    return values


@pytest.fixture
def flat(tmp_path, monkeypatch) -> Path:
    """Four subjects, two gestures, twelve frames each, as flat files, with colour images beside them."""
    monkeypatch.chdir(tmp_path)
    for subject in (1, 2, 3, 10):
        for gesture in (1, 2):
            names = f"S{subject}-G{gesture}-T{{}}-depth.bin.png"
            write_sequence(tmp_path / "frames", 12, names=names, seed=10 * subject + gesture)
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "frames/cover.png")
    return tmp_path


def config_of(*words):
    return load_config(["data=depth", "data.dir=.", *SMALL, *words])


def subjects(manifest, split):
    return {record.source_video for record in manifest.records if record.split == split}


def test_flat_names_make_sequences_of_subjects(flat):
    manifest = build_manifest(config_of())
    assert len(manifest.records) == 8
    assert manifest.class_names == ("G1", "G2")
    record = next(r for r in manifest.records if r.source_video == "S10" and r.label == "G2")
    assert record.path == "S10-G2-T*-depth.bin.png"
    assert (record.frames, record.width, record.height, record.fps) == (12, 32, 32, 0.0)


def test_the_split_is_by_subject_for_all_classes_at_once(flat):
    for seed in range(5):
        config = config_of(f"data.split_seed={seed}")
        manifest = build_manifest(config)
        parts = [subjects(manifest, split) for split in ("train", "val", "test")]
        assert set.union(*parts) == {"S1", "S2", "S3", "S10"}
        assert sum(map(len, parts)) == 4
        assert all(parts)
        assert {r.label for r in manifest.split("test")} == {"G1", "G2"}
        seen = set(group_digests(manifest.split("train") + manifest.split("val")))
        assert not seen & set(group_digests(manifest.split("test")))
        assert Depth().split_remarks(manifest, config.data) == []


def test_subjects_go_where_they_are_named(flat):
    train, test = "data.train_subjects=[S1,S10]", "data.test_subjects=[S2]"
    for words, expected in (
        ([train, test], [{"S1", "S10"}, {"S2"}, {"S3"}]),
        ([train], [{"S1", "S10"}, {"S2", "S3"}, set()]),
        ([test], [{"S1", "S3", "S10"}, {"S2"}, set()]),
    ):
        manifest = build_manifest(config_of(*words, "data.val_fraction=0"))
        assert [subjects(manifest, split) for split in ("train", "test", "unused")] == expected


def test_one_subject_is_cut_by_sequence_and_that_is_said(flat):
    words = ["data.train_subjects=[S1]", "data.test_subjects=[S2]", "data.sequence_length=6", "data.val_fraction=0.5"]
    config = config_of(*words)
    manifest = build_manifest(config)
    assert Counter(r.split for r in manifest.records) == {"train": 2, "val": 2, "test": 4, "unused": 8}
    (line,) = Depth().split_remarks(manifest, config.data)
    assert "val has sequences of subject S1, who is in train too" in line


def test_a_run_is_cut_into_consecutive_sequences(flat):
    manifest = build_manifest(config_of("data.sequence_length=7", "data.min_sequence=5"))
    paths = sorted(r.path for r in manifest.records if r.source_video == "S1" and r.label == "G1")
    assert paths == ["S1-G1-T*-depth.bin.png[0:7]", "S1-G1-T*-depth.bin.png[7:12]"]
    assert {(r.frames, len(r.md5)) for r in manifest.records} == {(7, 32), (5, 32)}
    assert len({r.md5 for r in manifest.records}) == 16


def test_short_sequences_are_left_out_with_the_reason(flat):
    write_sequence(flat / "frames", 5, names="S1-G3-T{}-depth.bin.png")
    manifest = build_manifest(config_of("data.val_fraction=0", "data.test_subjects=[S2]"))
    (unusable,) = manifest.unusable()
    assert unusable.error == "frames/S1-G3-T*-depth.bin.png: 5 frames, fewer than data.min_sequence=6"
    assert len(manifest.split("train")) == 6
    # What was refused before is taken when the limit allows it: the reason is not in the cache.
    manifest = build_manifest(config_of("data.val_fraction=0", "data.test_subjects=[S2]", "data.min_sequence=5"))
    assert manifest.unusable() == []
    assert len(manifest.split("train")) == 7


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data.train_subjects=[S1,S2]", "data.test_subjects=[S2]"], "S2 is in both"),
        (["data.min_sequence=0"], "data.min_sequence=0"),
        (["data.sequence_length=3"], "data.sequence_length=3: expected at least data.min_sequence=6"),
        (["data.sequence_pattern='S(\\d+)'"], "(?P<frame>...)"),
        (["data.sequence_pattern='('"], "expected a regular expression"),
    ],
)
def test_settings_that_cannot_be_meant_are_one_line(words, said):
    with pytest.raises(ConfigError) as caught:
        config_of(*words)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data.test_subjects=[S20]"], "data.test_subjects: no subject 'S20' in ./frames"),
        (["data.videos_dir=nowhere"], "nowhere: no such directory"),
        (["clip.bits=16", "clip.mean=[9]"], "8 bits per value, clip.bits=16; give clip.bits=8"),
        (["data.sequence_pattern='(?P<subject>A)(?P<label>B)(?P<frame>C)'"], "matches no file (first: S1-G1-T1-depth"),
    ],
)
def test_data_that_contradicts_the_settings_is_one_line(flat, words, said):
    with pytest.raises(DataError) as caught:
        build_manifest(config_of(*words))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def folders(tmp_path, monkeypatch) -> dict[str, np.ndarray]:
    """Two gestures of three subjects in folders, 16 bit; what Pillow wrote, by path."""
    monkeypatch.chdir(tmp_path)
    names = [f"{label}/anna{n}-{take}" for label in ("push", "wave") for n in (1, 2, 3) for take in (1, 2)]
    return {
        name: write_sequence(tmp_path / "frames" / name, 11, seed=seed, dtype=np.uint16)
        for seed, name in enumerate(names)
    }


DEEP = ["clip.bits=16", "clip.mean=[30000]", "clip.std=[20000]", "data.source_pattern='^([a-z]+\\d)'"]


@pytest.mark.parametrize("more", [[], ["data.in_memory=true"], ["data.num_workers=1"]], ids=["", "memory", "worker"])
def test_sixteen_bits_arrive_as_they_are(folders, more):
    datamodule = make_datamodule(config_of(*DEEP, *more))
    assert subjects(datamodule.manifest, "test") < {"anna1", "anna2", "anna3"}
    contract = datamodule.contract
    assert (contract.bits, contract.channels, contract.dtype, contract.mean) == (16, 1, "uint16", (30000.0,))
    for _ in range(2):
        for batch in datamodule.test_dataloader():
            assert batch.clip_BCTHW.dtype == torch.uint16
            assert batch.clip_BCTHW.shape[1:] == (1, 4, 32, 32)
            for view, (clip, index) in enumerate(zip(batch.clip_BCTHW, batch.index_B.tolist(), strict=True)):
                values = folders[datamodule.records("test")[index].path]
                first = (0, 4)[view % 2]  # of 11 frames, a clip spans 7
                assert np.array_equal(clip[0].numpy(), values[first : first + 7 : 2])
    train = next(iter(datamodule.train_dataloader()))
    assert train.clip_BCTHW.dtype == torch.uint16
    assert train.errors == ()


def test_a_frame_of_other_bits_is_named_and_only_its_sequence_is_lost(folders):
    Image.fromarray(np.zeros((32, 32), np.uint8)).save("frames/push/anna1-1/7.png")
    (unusable,) = build_manifest(config_of(*DEEP)).unusable()
    assert "frames/push/anna1-1: 7.png has another size or depth" in unusable.error


def test_without_a_pattern_each_folder_is_a_subject(folders):
    manifest = build_manifest(config_of(*DEEP[:3]))
    # push and wave have folders of the same names
    assert len({record.source_video for record in manifest.records}) == 6
    with pytest.raises(DataError, match="does not match anna1-1"):
        build_manifest(config_of(*DEEP[:3], "data.source_pattern='(otto)'"))


def test_a_changed_frame_is_seen(folders, monkeypatch):
    first = build_manifest(config_of(*DEEP))
    with monkeypatch.context() as patch:
        patch.setattr("action_recognition.datasets.manifest.probed", None)
        assert build_manifest(config_of(*DEEP)) == first
    Image.fromarray(np.full((32, 32), 777, np.uint16)).save("frames/wave/anna3-2/11.png")
    second = build_manifest(config_of(*DEEP))
    changed = [a.path for a, b in zip(first.records, second.records, strict=True) if a != b]
    assert changed == ["wave/anna3-2"]
    assert first.data_hash != second.data_hash


def test_synthetic_gestures_differ_in_motion_and_mirror_each_other(tmp_path):
    subject = make_subject(np.random.default_rng(1))
    drawn = {name: draw_sequence(subject, name, np.random.default_rng(2), frames=12) for name in GESTURES}
    area = {name: [int((frame > 0).sum()) for frame in frames] for name, frames in drawn.items()}
    assert area["push"][-1] > 1.5 * area["push"][0]
    assert area["pull"][-1] < area["pull"][0] / 1.5
    depth = [int(np.median(frame[frame > 0])) for frame in drawn["push"]]
    assert depth[0] > depth[-1] + 10_000
    middle = {name: [np.nonzero(frame[:32])[1].mean() for frame in frames] for name, frames in drawn.items()}
    assert middle["swipe_right"][-1] - middle["swipe_right"][0] > 10
    assert middle["swipe_left"][-1] - middle["swipe_left"][0] < -10
    for name in ("a", "b"):
        render_depth_set(tmp_path / name, subjects=1, sequences=1, frames=2)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.png"))
    assert len(files) == 2 * len(GESTURES)
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)


def test_the_synthetic_set_trains_is_judged_exported_and_predicts(run_cli, tmp_path):
    assert run_cli("download-data", "data=depth_demo").code == 0
    assert sum(path.stat().st_size for path in (tmp_path / "data").rglob("*.png")) < 3_000_000
    outcome = run_cli("train", "data=depth_demo", *RUN)
    assert outcome.code == 0, outcome.err
    assert "36 train, 18 val, 18 test; 6 classes" in outcome.out
    outcome = run_cli("infer", "evaluation.bootstrap=50", "trainer.accelerator=cpu")
    assert outcome.code == 0, outcome.err
    assert "18 test clips" in outcome.out
    assert "caution: the clips come from only 1 source;" in outcome.out
    outcome = run_cli("export-onnx")
    assert outcome.code == 0, outcome.err
    folder = "data/depth_demo/frames/push/S1-01"
    for command in ("predict", "infer-from-onnx"):
        outcome = run_cli(command, folder, "predict.output=p.json")
        assert outcome.code == 0, outcome.err
        assert '"frames": 12' in (tmp_path / "p.json").read_text()
    assert "nothing that makes training wrong" in run_cli("check-data", "data=depth_demo").out
    page = (tmp_path / "plots/data_report.md").read_text()
    assert "subjects" in page
    assert "source video" not in page
    assert "fficial" not in page
    assert "nothing to cache" in run_cli("cache-data", "data=depth_demo").out


def test_the_real_sequences_load(shared_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    crops = shared_dir / "depth_hand/crops"
    words = [f"data.videos_dir={crops}", "data.num_workers=0", "clip.frames=10", "clip.short_side=112"]
    config = load_config(["data=depth", *words, "data.sequence_length=10"])
    manifest = build_manifest(config)
    assert Counter(record.split for record in manifest.records) == {"train": 11, "val": 11, "test": 11}
    assert len(manifest.class_names) == 11
    assert len(Depth().split_remarks(manifest, config.data)) == 2
    datamodule = make_datamodule(config)
    record = datamodule.records("test")[0]
    batch = next(iter(datamodule.test_dataloader()))
    first = int(record.path.split("[")[1].split(":")[0]) + 1
    for place in range(10):
        name = record.path.split("[")[0].replace("*", str(first + place))
        expected = np.asarray(Image.open(crops / name).convert("L"))
        assert np.array_equal(batch.clip_BCTHW[0, 0, place].numpy(), expected)
    whole = build_manifest(load_config(["data=depth", *words]))
    assert [(r.split, r.frames) for r in whole.records] == [("train", 30)] * 11

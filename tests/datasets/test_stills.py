"""`data=stills`: the CSV, the stratified split against scikit-learn's, and stills as clips of one frame."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.batches import make_datamodule
from helpers.support import moving_square
from PIL import Image
from sklearn.model_selection import StratifiedShuffleSplit

from action_recognition.config import load_config
from action_recognition.datasets.manifest import build_manifest
from action_recognition.datasets.records import group_digests
from action_recognition.datasets.splits import stratified_cut
from action_recognition.datasets.stills import read_labels
from action_recognition.errors import DataError
from action_recognition.synthetic.stills import POSES, render_stills_set
from action_recognition.video.frames import center_crop, resize_short_side

SMALL = ["clip.short_side=36", "clip.size=32", "data.batch_size=8", "data.num_workers=0"]
TINY = [*SMALL, "model=cnn3d", "model.args.widths=[4,4]", "trainer.accelerator=cpu", "trainer.precision=32-true"]
RUN = [*TINY, "trainer.memory_format=contiguous", "trainer.max_epochs=1", "trainer.limit_train_batches=2"]


@pytest.fixture
def stills(tmp_path, monkeypatch) -> Path:
    """Twelve pictures of each of two classes; the working directory is their folder."""
    monkeypatch.chdir(tmp_path)
    rows = ["filename,label"]
    for number in range(24):
        name = f"Image_{number}.png"
        Path("train").mkdir(exist_ok=True)
        Image.fromarray(moving_square(1, seed=number)[0]).save(f"train/{name}")
        rows.append(f"{name},{('clapping', 'calling')[number % 2]}")
    Path("Training_set.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def config_of(*words):
    return load_config(["data=stills", "data.dir=.", *SMALL, *words])


@pytest.mark.parametrize("sizes", [(40,) * 15, (7, 20, 33, 5), (11, 13, 50), (3, 100)])
@pytest.mark.parametrize("fraction", [0.3, 0.15, 0.5])
def test_each_class_gives_as_many_as_with_scikit_learn(sizes, fraction):
    labels = [f"class{number}" for number, size in enumerate(sizes) for _ in range(size)]
    cut = Counter(labels[place] for place in stratified_cut(labels, fraction=fraction, seed="a"))
    splitter = StratifiedShuffleSplit(n_splits=20, test_size=fraction, random_state=0)
    counts = [Counter(labels[place] for place in test) for _, test in splitter.split(labels, labels)]
    assert cut in counts  # ties between remainders go either way, there too


def test_another_seed_cuts_others_and_the_same_the_same():
    labels = ["a"] * 30 + ["b"] * 30
    cuts = [stratified_cut(labels, fraction=0.5, seed=seed) for seed in ("1", "1", "2")]
    assert cuts[0] == cuts[1] != cuts[2]
    assert not stratified_cut(labels, fraction=0.0, seed="1")
    assert stratified_cut(["a", "b", "b"], fraction=0.9, seed="1") <= {1, 2}  # one of each class stays


def test_a_still_is_a_clip_of_one_frame(stills):
    datamodule = make_datamodule(config_of("data.test_fraction=0.25", "data.val_fraction=0.3333"))
    counts = Counter((record.split, record.label) for record in datamodule.manifest.records)
    assert counts == {(s, c): n for s, n in (("test", 3), ("val", 3), ("train", 6)) for c in ("calling", "clapping")}
    batch = next(iter(datamodule.test_dataloader()))
    assert (batch.clip_BCTHW.shape[1:], batch.clip_BCTHW.dtype) == ((3, 1, 32, 32), torch.uint8)
    record = datamodule.records("test")[0]
    assert (record.frames, record.width, record.height) == (1, 64, 48)
    picture = resize_short_side(np.asarray(Image.open(f"train/{record.path}").convert("RGB")), 36)
    assert np.array_equal(batch.clip_BCTHW[0, :, 0].permute(1, 2, 0).numpy(), center_crop(picture, 32))
    groups = {split: set(group_digests(datamodule.records(split))) for split in ("train", "val", "test")}
    assert not groups["test"] & (groups["train"] | groups["val"])


def test_without_a_split_everything_trains_and_the_test_says_so(stills):
    datamodule = make_datamodule(config_of("data.test_fraction=0", "data.val_fraction=0"))
    assert datamodule.manifest.counts() == {"train": 24}
    with pytest.raises(DataError, match=r"stills: no test clips with data\.test_fraction=0: there is no test split"):
        datamodule.test_dataloader()


@pytest.mark.parametrize("harm", ["missing", "broken", "cut"])
def test_an_image_that_cannot_be_used_is_left_out_and_named(stills, harm):
    victim = stills / "train/Image_3.png"
    if harm == "missing":
        victim.unlink()
    else:
        victim.write_bytes(b"nothing" if harm == "broken" else victim.read_bytes()[:-500])
    manifest = build_manifest(config_of())
    (unusable,) = manifest.unusable()
    assert unusable.path == "Image_3.png"
    assert "Image_3.png: " in unusable.error
    assert sum(len(manifest.split(split)) for split in ("train", "val", "test")) == 23


LABELS = "filename,label\na.png,run\nb.png,walk\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("filename\na.png\n", "no column 'label'"),
        ("", "no column 'filename'"),
        ("filename,label,label\na.png,run,walk\n", "more than one column 'label'"),
        ("filename,label\n", "names no image"),
        (LABELS + "c.png,\n", "labels.csv:4: 'c.png' has no label"),
        (LABELS + ",run\n", "labels.csv:4: 'run' has no filename"),
        (LABELS + "c.png\n", "'c.png' has no label"),
        (LABELS + "a.png,walk\n", "a.png is labelled 'walk' here and 'run' before"),
        (LABELS + "c.png,sitting, reading\n", "more values than columns"),
        (LABELS + '"c.png,run\nd.png,run\n', "quotation mark"),
        (LABELS + 'c.png,"run\nd.png,run\n', "quotation mark"),
        (LABELS + "x" * 200_000 + ".png,run\n", "field larger than field limit"),
        (LABELS + "x" * 2000 + ",run\n", "at most 1000 characters"),
        (LABELS.replace("run", "r\0un"), ":2: not text"),
        (LABELS.encode("utf-16"), "not UTF-8"),
    ],
)
def test_a_damaged_csv_is_one_line(tmp_path, content, words):
    path = tmp_path / "labels.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        read_labels(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_csv_with_other_columns_and_a_byte_order_mark_is_read(tmp_path):
    (tmp_path / "labels.csv").write_text(
        '\ufeffid,label,filename\n1,"run, fast",a.png\n2,walk,b.png\n1,"run, fast",a.png\n'
    )
    assert read_labels(tmp_path / "labels.csv") == {"a.png": "run, fast", "b.png": "walk"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data.videos_dir=nowhere"], "data.videos_dir=nowhere: no such directory"),
        (["data.labels_csv=nowhere.csv"], "data.labels_csv=nowhere.csv: cannot be read"),
        (["data.labels_csv=null"], "data.labels_csv is not set"),
    ],
)
def test_what_is_not_there_is_named(stills, words, said):
    with pytest.raises(DataError, match=said):
        build_manifest(config_of(*words))


def test_the_synthetic_set_is_the_same_each_time(tmp_path):
    for name in ("a", "b"):
        render_stills_set(tmp_path / name, images_per_class=2)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 2 * len(POSES) + 1
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)
    assert Counter(read_labels(tmp_path / "a/Training_set.csv").values()) == dict.fromkeys(POSES, 2)
    with pytest.raises(DataError, match="not empty"):
        render_stills_set(tmp_path / "a")


def test_the_synthetic_set_trains_is_judged_and_predicts(run_cli, tmp_path):
    assert run_cli("download-data", "data=stills_demo").code == 0
    assert "already exists" in run_cli("download-data", "data=stills_demo").out
    outcome = run_cli("train", "data=stills_demo", *RUN)
    assert outcome.code == 0, outcome.err
    assert "6 classes" in outcome.out
    outcome = run_cli("infer", "evaluation.bootstrap=50", "trainer.accelerator=cpu")
    assert outcome.code == 0, outcome.err
    assert "44 test clips" in outcome.out
    image = "data/stills_demo/train/Image_1.jpg"
    outcome = run_cli("predict", image, "predict.top_k=1", "predict.video_dir=labelled")
    assert outcome.code == 0, outcome.err
    assert image in outcome.out
    assert (tmp_path / "labelled/Image_1.labelled.mp4").exists()
    outcome = run_cli("predict", "data/stills_demo/train", "predict.top_k=1")
    assert outcome.out.count(".jpg") == 144
    assert "nothing to cache" in run_cli("cache-data", "data=stills_demo").out
    assert run_cli("export-shards", "data=stills_demo").err.count("shards hold videos") == 1
    checked = run_cli("check-data", "data=stills_demo").out
    assert "nothing found that makes training wrong, but sources are not known" in checked
    page = (tmp_path / "plots/data_report.md").read_text()
    assert "images" in page
    assert "source video" not in page
    assert "fficial" not in page


def test_what_kaggle_packs_is_put_into_place(run_cli, stills, tmp_path):
    packed = tmp_path / "packed" / "Human Action Recognition"
    packed.mkdir(parents=True)
    (stills / "train").rename(packed / "train")
    (stills / "Training_set.csv").rename(packed / "Training_set.csv")
    (packed / "test").mkdir()  # without labels, under some of the same names
    Image.fromarray(moving_square(1)[0]).save(packed / "test" / "Image_1.png")
    outcome = run_cli("download-data", "data=stills", "data.archive=packed")
    assert outcome.code == 0, outcome.err
    assert len(list((tmp_path / "data/stills/train").iterdir())) == 24
    assert "stills: 13 train, 3 val, 8 test" in outcome.out
    outcome = run_cli("download-data", "data=stills", "data.dir=elsewhere")
    assert outcome.code == 1
    assert "kaggle.com" in outcome.err


def test_the_real_stills_load(shared_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_config(["data=stills", f"data.dir={shared_dir}/har_stills", "data.num_workers=0"])
    datamodule = make_datamodule(config)
    manifest = datamodule.manifest
    assert manifest.counts() == {"train": 360, "val": 60, "test": 180}
    assert Counter(record.label for record in manifest.split("test")) == dict.fromkeys(manifest.class_names, 12)
    batch = next(iter(datamodule.train_dataloader()))
    assert batch.clip_BCTHW.shape == (16, 3, 1, 176, 176)
    assert batch.errors == ()
    assert batch.clip_BCTHW.float().std() > 20

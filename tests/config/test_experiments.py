"""Every experiment trains for two steps, offline, on a synthetic set, with its own network, recipe and callbacks."""

import pytest
import torch
from helpers.support import ROOT

from action_recognition.config import load_config
from action_recognition.models.module import VideoActionModel
from action_recognition.tracking.run_folders import last_run
from action_recognition.training.callbacks import read_history

EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf/experiment").glob("*.yaml"))
STILLS = ["data=stills_demo", "clip.short_side=40", "clip.size=32"]
# What makes each of them small; and for the frozen pair of networks, sides that its motion stream divides.
SMALL = {
    "demo": ["data=demo", "clip.short_side=36", "clip.size=32"],
    "actrecog_c3d": ["data=depth_demo", "clip.short_side=65", "clip.size=65", "model.args.widths=[8,8,8,8,8]"],
    "actrecog_lrcn": ["data=depth_demo", "clip.short_side=36", "clip.size=32", "model.args.widths=[8,8,8,8,8]"],
    "hmdb51_scratch": ["clip.short_side=36", "clip.size=32"],
    "hmdb51_transfer": ["clip.short_side=68", "clip.size=64", "model.args.motion_size=32", "trainer.feature_views=1"],
    "hmdb51_single_frame": ["clip.short_side=36", "clip.size=32"],
    "hmdb51_kinetics": ["clip.short_side=36", "clip.size=32", "clip.frames=4"],
}


@pytest.fixture(scope="module")
def demo_sets(tmp_path_factory):
    """A folder with the synthetic stills and depth sequences."""
    from rich.console import Console

    from action_recognition.cli.download_data import download_data

    root = tmp_path_factory.mktemp("sets")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for name in ("stills_demo", "depth_demo"):
            download_data(load_config([f"data={name}"]), console=Console(quiet=True))
    return root


def overrides_of(experiment, demo_sets, tiny_set):
    small = SMALL.get(experiment, STILLS)
    chosen = [word for word in small if word.startswith("data=")]
    if chosen == ["data=demo"] or not chosen:
        places = [f"data.videos_dir={tiny_set}/videos", f"data.splits_dir={tiny_set}/splits", "data.val_fraction=0.25"]
    else:
        places = [f"data.dir={demo_sets}/data/{chosen[0].removeprefix('data=')}"]
    quick = ["data.batch_size=2", "data.num_workers=0", "trainer.accelerator=cpu", "trainer.max_epochs=1"]
    # Nothing is timed to find the quickest step: these are two.
    quick += ["trainer.limit_train_batches=2", "trainer.limit_val_batches=1", "trainer.memory_format=contiguous"]
    return [f"experiment={experiment}", *small, *places, *quick, "model.weights=null"]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_trains_two_steps(experiment, demo_sets, tiny_set, run_cli, tmp_path):
    words = overrides_of(experiment, demo_sets, tiny_set)
    if load_config(words).trainer.precision == "auto":
        words.append("trainer.precision=32-true")
    outcome = run_cli("train", *words)
    assert outcome.code == 0, outcome.err
    run_dir = tmp_path / last_run(str(tmp_path / "plots"))
    (row,) = read_history(run_dir / "history.csv")
    assert 0 < row["train_loss"] < 20
    config = load_config([f"experiment={experiment}"])
    content = torch.load(run_dir / "checkpoints/last.ckpt", weights_only=True)
    assert content["global_step"] == 2
    model = content["hyper_parameters"]["model"]
    assert (model["network"], model["input"]) == (config.model.network, config.model.input)
    if experiment == "har_v1":
        VideoActionModel.from_checkpoint(run_dir / "checkpoints/best.ckpt")
    for path in run_dir.rglob("*.ckpt"):  # EfficientNet-B7's are 260 MB each
        path.unlink()


def test_the_stills_series_changes_what_its_notebooks_changed():
    series = [load_config([f"experiment=har_{name}"]) for name in ("original", "v1", "v2", "v3", "v4")]
    facts = [
        (
            config.data.in_memory,
            config.data.test_fraction > 0 and config.data.val_fraction > 0,
            config.augment.flip_probability > 0,
            config.model.args["head"],
            config.optimizer.targets,
            config.trainer.patience < config.trainer.max_epochs,
            config.trainer.precision,
            config.trainer.devices,
        )
        for config in series
    ]
    assert facts == [
        (True, False, False, "baseline", "one_hot", False, "32-true", 1),
        (False, True, False, "baseline", "one_hot", False, "32-true", 1),
        (False, True, True, "light", "sparse", True, "32-true", 1),
        (False, True, True, "light", "sparse", True, "16-mixed", 1),
        (False, True, True, "light", "sparse", True, "16-mixed", "auto"),
    ]


def test_without_a_split_there_is_nothing_to_judge_on(demo_sets, tiny_set, run_cli):
    words = overrides_of("har_original", demo_sets, tiny_set)
    small = ["model=cnn3d", "trainer.freeze=none", "model.args.widths=[4,4]", "trainer.precision=32-true"]
    words = [word for word in words if word != "experiment=har_original"]
    words += ["data.test_fraction=0", "data.val_fraction=0", *small]
    assert run_cli("train", *words).code == 0
    outcome = run_cli("infer")
    assert outcome.code == 1
    assert "no test clips" in outcome.err
    assert outcome.err.count("\n") == 1

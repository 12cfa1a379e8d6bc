import numpy as np
import pytest
import torch
from torch import nn

from action_recognition.config import load_config
from action_recognition.data.datamodule import ClipDataModule
from action_recognition.datasets.manifest import build_manifest
from action_recognition.errors import ConfigError
from action_recognition.evaluation.evaluate import evaluate
from action_recognition.models.module import VideoActionModel
from action_recognition.training import feature_cache
from action_recognition.training.callbacks import read_history
from action_recognition.training.recipe import trained_stages, weight_average


def state(result, name="last"):
    return torch.load(result.run_dir / f"checkpoints/{name}.ckpt", weights_only=True)["state_dict"]


def changed_parts(before, after):
    """Which top-level parts of the network hold a value that differs."""
    return {name.split(".")[1] + name.split(".")[2] for name in before if not torch.equal(before[name], after[name])}


def test_a_frozen_backbone_keeps_weights_and_batch_norm_while_the_head_learns(run):
    frozen = ["trainer.freeze=backbone", "optimizer.schedule=constant"]
    short, long = (state(run(*frozen, f"trainer.max_epochs={n}", f"trainer.run_dir=r{n}")) for n in (1, 2))
    assert changed_parts(short, long) == {"head1"}


def test_stages_thaw_one_after_another_from_the_output(run):
    steps = ["trainer.freeze=backbone", "trainer.unfreeze_every=1", "optimizer.schedule=constant"]
    states = [state(run(*steps, f"trainer.max_epochs={n}", f"trainer.run_dir=r{n}")) for n in (1, 2, 3, 4)]
    assert changed_parts(states[0], states[1]) == {"head1", "blocks2"}
    assert changed_parts(states[1], states[2]) == {"head1", "blocks2", "blocks1"}
    assert changed_parts(states[2], states[3]) == {"head1", "blocks2", "blocks1", "blocks0"}


def test_how_many_stages_are_trained():
    network = type("Network", (), {"stages": lambda self: [1, 2, 3]})()
    assert [trained_stages(network, epoch=epoch, unfreeze_every=2) for epoch in range(9)] == [0, 0, 1, 1, 2, 2, 3, 3, 3]
    assert trained_stages(network, epoch=9, unfreeze_every=None) == 0


def test_the_average_of_weights_is_a_warmed_up_moving_average():
    callback = weight_average(0.9)
    weight = nn.Linear(1, 1, bias=False)
    average = torch.optim.swa_utils.AveragedModel(weight, **callback._kwargs, use_buffers=True)
    values = [3.0, -1.0, 4.0, 1.0, -5.0, 9.0] * 20
    expected = None
    for number, value in enumerate(values):
        with torch.no_grad():
            weight.weight.fill_(value)
        average.update_parameters(weight)
        keep = min(0.9, (1 + number) / (10 + number))
        expected = value if expected is None else keep * expected + (1 - keep) * value
        assert average.module.weight.item() == pytest.approx(expected, rel=1e-4)


def test_averaged_weights_are_what_is_kept(run):
    plain = run("trainer.run_dir=plain")
    averaged = run("trainer.run_dir=averaged", "trainer.ema_decay=0.5")
    kept = torch.load(averaged.run_dir / "checkpoints/last.ckpt", weights_only=True)
    raw = kept["current_model_state"]
    # The averages do not act on the training: the weights under them are those of a run without.
    for name, value in state(plain).items():
        if name.startswith("network") and value.is_floating_point():
            assert torch.allclose(raw[name], value, atol=1e-6), name
    assert changed_parts(state(plain), kept["state_dict"]) >= {"head1", "blocks0"}
    VideoActionModel.from_checkpoint(averaged.best_checkpoint)


def test_accumulated_batches_make_one_step_of_the_whole(run):
    common = ["augment.flip_probability=0", "model.args.dropout=0", "optimizer=sgd", "trainer.max_epochs=1"]
    common += ["trainer.freeze=backbone", "augment.crop_scale=[1.0,1.0]", "augment.crop_ratio=[1.0,1.0]"]
    common += ["augment.brightness=0", "augment.contrast=0", "augment.saturation=0"]
    # A frozen batch norm does not see how the batch is cut.
    whole = run(*common, "data.batch_size=4", "trainer.run_dir=whole")
    parts = run(*common, "data.batch_size=2", "trainer.accumulate=2", "trainer.run_dir=parts")
    for name, value in state(whole).items():
        assert torch.allclose(value.float(), state(parts)[name].float(), atol=1e-5), name


def test_cached_features_are_what_the_frozen_backbone_gives(run, tiny_overrides, console):
    overrides = ["trainer.freeze=backbone", "trainer.feature_views=3", "trainer.run_dir=r"]
    result = run(*overrides)
    config = load_config([*tiny_overrides, *overrides])
    model = VideoActionModel.from_checkpoint(result.best_checkpoint)
    manifest = build_manifest(config)
    datamodule = ClipDataModule(config, manifest, model.contract, seed=0)
    (path,) = feature_cache.CACHE_DIR.glob("cnn3d-val-*.npy")
    kept = np.load(path)
    for batch in datamodule.val_dataloader():
        expected = model.features(batch.clip_BCTHW).detach().numpy()
        assert np.allclose(kept[0, batch.index_B], expected, atol=2e-3)
    (path,) = feature_cache.CACHE_DIR.glob("cnn3d-train-*.npy")
    views = np.load(path)
    assert views.shape[:2] == (3, len(datamodule.records("train")))
    assert not np.allclose(views[0], views[1]), "each view is augmented anew"


def test_the_head_on_cached_features_learns_and_the_whole_is_one_checkpoint(run, tiny_overrides, console):
    overrides = ["trainer.freeze=backbone", "trainer.feature_views=4", "trainer.max_epochs=8", "optimizer.lr=0.1"]
    overrides += ["model.args.dropout=0", "trainer.patience=99"]
    result = run(*overrides, "trainer.run_dir=r")
    rows = read_history(result.run_dir / "history.csv")
    assert rows[-1]["train_loss"] < rows[0]["train_loss"] - 0.02
    config = load_config([*tiny_overrides, *overrides])
    last = result.run_dir / "checkpoints/last.ckpt"
    assert evaluate(config, last, console=console).metrics.clips == 8


def test_features_are_computed_again_only_when_something_changed(run, console):
    overrides = ["trainer.freeze=backbone", "trainer.feature_views=1", "trainer.max_epochs=1"]
    run(*overrides, "trainer.run_dir=a")
    files = set(feature_cache.CACHE_DIR.iterdir())
    times = {path: path.stat().st_mtime_ns for path in files}
    run(*overrides, "trainer.run_dir=b", "optimizer.lr=0.5", "augment.mixup_alpha=0.3")
    assert {path: path.stat().st_mtime_ns for path in feature_cache.CACHE_DIR.iterdir()} == times
    run(*overrides, "trainer.run_dir=c", "clip.stride=1")
    assert len(set(feature_cache.CACHE_DIR.iterdir()) - files) == 2
    run(*overrides, "trainer.run_dir=d", "augment.crop_scale=[0.9,1.0]")
    assert len(set(feature_cache.CACHE_DIR.iterdir()) - files) == 3, "validation is not augmented"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["trainer.feature_views=2"], "trainer.freeze=backbone"),
        (["trainer.unfreeze_every=2"], "needs trainer.freeze=backbone"),
        (["trainer.freeze=backbone", "trainer.feature_views=2", "trainer.devices=2"], "trainer.devices=1"),
        (["trainer.devices=0"], "trainer.devices=0"),
        (["trainer.devices=many"], "expected a whole number, 1 to 256, or auto"),
        (["trainer.ema_decay=1.0"], "trainer.ema_decay=1.0"),
        (["optimizer.layer_decay=0"], "optimizer.layer_decay=0"),
        (["data.sampling=balanced"], "data.sampling=balanced"),
        (["data.test_crops=2"], "data.test_crops=2"),
        (["augment.mixup_alpha=-1"], "augment.mixup_alpha=-1"),
        (["augment.randaugment_magnitude=11"], "expected a number, 0 to 10"),
        (["model.input=flow"], "model.input=flow"),
    ],
)
def test_contradictions_are_one_line(overrides, message):
    with pytest.raises(ConfigError, match=message):
        load_config(overrides)


def test_residuals_of_single_frames_are_refused(run):
    with pytest.raises(ConfigError, match="needs at least 2 frames"):
        run("model.input=residual", "clip.frames=1")


@pytest.mark.parametrize("kind", ["residual", "rgb_residual"])
def test_inputs_beside_rgb_are_trained_on(run, kind):
    result = run(f"model.input={kind}", "trainer.max_epochs=1", f"trainer.run_dir={kind}")
    model = VideoActionModel.from_checkpoint(result.best_checkpoint)
    clip = torch.randint(0, 256, (1, 3, 1, 32, 32), dtype=torch.uint8).expand(-1, -1, 4, -1, -1)
    given = model.network_input(clip)
    assert given.shape[1] == (6 if kind == "rgb_residual" else 3)
    assert given[:, -3:].abs().max() == 0, "nothing changes in a still"
    moved = clip.clone()
    moved[:, :, 2] = 255 - moved[:, :, 2]
    change = (moved[:, :, 2].float() - moved[:, :, 1].float()) / model.std[:, :, 0]
    assert torch.allclose(model.network_input(moved)[:, -3:, 2], 2 * change, atol=1e-5)


def test_compiling_changes_neither_results_nor_keys(run, monkeypatch):
    plain = run("trainer.run_dir=plain", "trainer.max_epochs=1")
    compiled = []

    def without_code_generation(module):  # which takes a minute on two cores; the graph is captured as always
        compiled.append(module)
        module._compiled_call_impl = torch.compile(module._call_impl, backend="eager")

    monkeypatch.setattr(nn.Module, "compile", without_code_generation)
    other = run("trainer.run_dir=compiled", "trainer.max_epochs=1", "trainer.compile=true")
    assert len(compiled) == 1
    assert set(state(plain)) == set(state(other))
    for name, value in state(plain).items():
        assert torch.allclose(value.float(), state(other)[name].float(), atol=1e-5), name

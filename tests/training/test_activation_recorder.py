"""What layers put out by epoch: histograms against NumPy's, and warnings for what is wrong and only for that."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.batches import make_datamodule
from lightning.pytorch.callbacks import Callback

from action_recognition.config import load_config
from action_recognition.errors import ConfigError, NumericsError
from action_recognition.models.activation_stats import ActivationStats, bin_edges
from action_recognition.models.module import VideoActionModel
from action_recognition.training.activation_record import FILE, ActivationRecord
from action_recognition.training.activation_recorder import MOST_VALUES, thinned

ON = "trainer.activation_histograms=true"
BASIC = [*(f"blocks.{block}.{part}" for block in range(3) for part in range(3)), "head.1"]


class Harm(Callback):
    """After each batch of an epoch: one ReLU that gets nothing above zero, and a head that shouts."""

    def __init__(self, epoch: int = 1) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, trainer, pl_module, *_):
        if trainer.current_epoch == self.epoch:
            with torch.no_grad():
                pl_module.network.blocks[1][1].bias.fill_(-500)
                pl_module.network.head[1].weight.fill_(1e6)


def weights_of(result):
    return torch.load(result.run_dir / "checkpoints/last.ckpt", weights_only=True)["state_dict"]


def test_histograms_are_numpys_training_does_not_change_and_a_resume_goes_on(run, tiny_overrides, console):
    plain = run("trainer.run_dir=plain")
    run(ON, "trainer.run_dir=parts", "trainer.max_epochs=1", "optimizer.schedule=constant")
    first = dict(np.load(Path("parts") / FILE))
    result = run(ON, "trainer.run_dir=whole")
    assert {n for n, w in weights_of(plain).items() if not torch.equal(w, weights_of(result)[n])} == set()
    with np.load(result.run_dir / FILE, allow_pickle=False) as file:
        recorded = dict(file)
    assert recorded["layers"].tolist() == BASIC
    assert recorded["epochs"].tolist() == [0, 1]
    np.testing.assert_array_equal(recorded["bin_edges"], bin_edges())

    model = VideoActionModel.from_checkpoint(result.run_dir / "checkpoints/last.ckpt")
    modules, seen = dict(model.network.named_modules()), {}
    for name in BASIC:
        modules[name].register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out.clone().numpy()}))
    batch = make_datamodule(load_config(tiny_overrides)).spread_clips("val", 8)
    assert set(batch.label_B.tolist()) == {0, 1}
    with torch.no_grad():
        model(batch.clip_BCTHW)
    for place, name in enumerate(BASIC):
        values = seen[name].astype(np.float64)
        expected = np.histogram(values, bin_edges())[0]
        assert np.abs(recorded["counts"][1, place] - expected).sum() <= 4  # one clip at a time rounds differently
        assert recorded["counts"][1, place].sum() == values.size
        assert recorded["mean"][1, place] == pytest.approx(values.mean(), abs=1e-5)
        assert recorded["std"][1, place] == pytest.approx(values.std(), rel=1e-4)
        assert recorded["share_of_zeros"][1, place] == pytest.approx((values == 0).mean(), abs=1e-3)
    assert (result.run_dir / "activations.png").stat().st_size > 10_000
    text = console.export_text()
    assert not any(f"layer {name}" in text for name in BASIC)  # a healthy network

    run("trainer.resume=parts/checkpoints/last.ckpt", "trainer.run_dir=parts", ON, "trainer.max_epochs=2")
    both = np.load(Path("parts") / FILE)
    assert both["epochs"].tolist() == [0, 1]
    np.testing.assert_array_equal(both["counts"][0], first["counts"][0])


def test_dead_and_exploding_layers_are_named_once(run, console):
    run("trainer.activation_histograms=[blocks.0.?,blocks.1.2,head.1]", "trainer.max_epochs=3", callbacks=[Harm()])
    lines = [line for line in console.export_text().splitlines() if ": layer " in line]
    assert [line for line in lines if "blocks.1.2 is dead" in line] == [
        "epoch 2: layer blocks.1.2 is dead: 100% of its 4 units are always 0"
    ]
    assert sum("layer head.1 explodes" in line for line in lines) == 1
    assert not any("layer blocks.0" in line for line in lines)


def test_where_nan_ends_a_training_the_epochs_before_are_drawn(run, tiny_config):
    class Spoil(Callback):
        def on_train_batch_start(self, trainer, pl_module, *_):
            if trainer.current_epoch == 1:
                pl_module.network.head[1].weight.data[0] = torch.nan

    with pytest.raises(NumericsError):
        run(ON, "trainer.run_dir=spoilt", callbacks=[Spoil()])
    assert np.load(Path("spoilt") / FILE)["epochs"].tolist() == [0]
    assert (Path("spoilt") / "activations.png").is_file()


def test_on_kept_features_the_head_is_recorded(run):
    result = run(ON, "trainer.freeze=backbone", "trainer.feature_views=1")
    assert np.load(result.run_dir / FILE)["layers"].tolist() == ["head.1"]
    with pytest.raises(ConfigError, match=r"\[blocks\.0\.0\]: trainer.feature_views trains on kept features"):
        run("trainer.activation_histograms=blocks.0.0", "trainer.freeze=backbone", "trainer.feature_views=1")


def test_a_layer_that_does_not_exist_is_refused_before_any_work(run, tiny_config):
    with pytest.raises(ConfigError, match=r"trainer.activation_histograms=blocks.9: no such layer"):
        run("trainer.activation_histograms=[blocks.9]")
    assert not Path(tiny_config.plots_dir).exists()


def recorded(*rms: float) -> ActivationRecord:
    """One layer whose values are `rms` or its opposite in each epoch."""
    record = ActivationRecord(("one",))
    for epoch, value in enumerate(rms):
        stats = ActivationStats()
        stats.add(torch.tensor([[value, -value]] * 8))
        record.add(epoch, {"one": stats})
    return record


@pytest.mark.parametrize(
    ("rms", "words"),
    [
        ((1.0, 0.5, 9.0), ""),
        ((0.5, 1.0, 60.0), "explodes: root mean square 60, 0.5 in epoch 1"),
        ((8.0, 0.04), "vanishes: root mean square 0.04, 8 in epoch 1"),
        ((1e-5,), "vanishes: root mean square 1e-05"),
        ((0.0, 1.0), ""),
    ],
)
def test_a_change_by_orders_of_magnitude_is_told(rms, words):
    assert recorded(*rms).changes().get("one", "") == words


def test_a_damaged_file_or_one_of_other_layers_is_not_continued(tmp_path):
    path = tmp_path / FILE
    record = recorded(1.0, 2.0)
    record.save(path)
    loaded = ActivationRecord.load(path, ("one",))
    assert loaded is not None
    np.testing.assert_array_equal(loaded.figure("rms"), record.figure("rms"))
    assert ActivationRecord.load(path, ("other",)) is None
    content = path.read_bytes()
    for damaged in (b"", content[: len(content) // 2], b"not an archive" * 9):
        path.write_bytes(damaged)
        assert ActivationRecord.load(path, ("one",)) is None
    assert ActivationRecord.load(tmp_path / "none.npz", ("one",)) is None


def test_large_maps_are_thinned_over_all_columns():
    places = torch.arange(8 * 112 * 112).view(1, 1, 8, 112, 112).expand(1, 64, 8, 112, 112)
    thin = thinned(places)
    assert thin.shape[:2] == (1, 64)
    assert 0.9 * MOST_VALUES / 64 <= thin.shape[2] <= MOST_VALUES / 64
    assert len(set((thin[0, 0] % 112).tolist())) == 112
    assert torch.equal(thinned(torch.ones(2, 5)), torch.ones(2, 5, 1))

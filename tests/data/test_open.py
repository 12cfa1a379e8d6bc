"""What one's own training loop uses: data in one call, single clips, and a checkpoint at its end."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from helpers.batches import batches_of, make_datamodule, same

from action_recognition.config import Config
from action_recognition.data.dataset import ClipDataset, already_collated
from action_recognition.data.open import open_data
from action_recognition.errors import ConfigError, DataError, VideoError
from action_recognition.inference.load import load
from action_recognition.training.preparation import make_model


def test_one_call_gives_what_the_four_steps_give(tiny_config: Config, tiny_overrides: list[str]) -> None:
    by_steps, by_call = make_datamodule(tiny_config), open_data(*tiny_overrides, "trainer.seed=1")
    assert by_call.contract == by_steps.contract
    assert same(batches_of(by_call.train_dataloader()), batches_of(by_steps.train_dataloader()))


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="data/demo"):
        open_data("data=demo")
    with pytest.raises(ConfigError, match="data=dem"):
        open_data("data=dem")


@pytest.mark.parametrize(("views", "crops", "shape"), [(0, 1, (36, 36)), (1, 1, (32, 32)), (2, 3, (32, 32))])
def test_one_clip_of_a_dataset(tiny_config: Config, views: int, crops: int, shape: tuple[int, int]) -> None:
    data = make_datamodule(tiny_config)
    dataset = ClipDataset(data.records("test"), data.manifest.videos_dir, data.contract, views=views, crops=crops)
    whole = dataset.__getitems__(range(len(dataset)))
    for index, (clip, label) in enumerate(dataset):
        assert clip.shape == ((6,) if views == 2 else ()) + (3, 4, *shape)
        assert torch.equal(clip.reshape(-1, *clip.shape[-4:]), whole.clip_BCTHW[whole.index_B == index])
        assert label == dataset.label_N[index]
    assert index == len(dataset) - 1
    for beyond in (-1, len(dataset)):
        with pytest.raises(IndexError):
            dataset[beyond]


def test_a_clip_that_cannot_be_read_is_an_error_of_its_own(tiny_config: Config, tmp_path: Path) -> None:
    data = make_datamodule(tiny_config)
    with pytest.raises(VideoError, match="no such file"):
        ClipDataset(data.records("test"), tmp_path, data.contract, views=1)[0]


def test_a_plain_loader_takes_the_dataset(tiny_config: Config) -> None:
    data = make_datamodule(tiny_config)
    dataset = ClipDataset(data.records("test"), data.manifest.videos_dir, data.contract, views=1)
    loader = torch.utils.data.DataLoader(dataset, batch_size=3, collate_fn=already_collated)
    assert same(batches_of(loader), [dataset.__getitems__(range(i, min(i + 3, 8))) for i in (0, 3, 6)])


def test_a_model_of_ones_own_loop_is_loaded_and_judged(tiny_config: Config, tiny_set: Path, run_cli, tmp_path) -> None:
    """Its checkpoint knows which source videos it saw, as one by `train` does."""
    data = make_datamodule(tiny_config)
    model = make_model(tiny_config, data.contract, data.manifest)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for step, batch in enumerate(data.train_dataloader()):
        loss = F.cross_entropy(model(model.augment_clips(batch, seed=step)), batch.label_B)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_checkpoint("mine.ckpt")
    model.eval()
    video = tiny_set / "videos" / data.records("test")[0].path
    loaded = load("mine.ckpt")
    clip_BCTHW = next(iter(data.test_dataloader())).clip_BCTHW
    with torch.inference_mode():
        expected = model(clip_BCTHW).numpy()
    assert loaded.backend(clip_BCTHW.contiguous().numpy()) == pytest.approx(expected, abs=1e-4)
    assert loaded.predict(video).label in data.contract.class_names
    assert run_cli("infer", "evaluation.checkpoint=mine.ckpt").code == 0

"""Histograms over the windows of an input, and what the page says of sick layers."""

from pathlib import Path

import pytest
import torch
from helpers.support import moving_square, write_video
from helpers.tiny_models import tiny_model

from action_recognition.config import load_config
from action_recognition.explain.example import Example, look_into, read_example
from action_recognition.explain.histograms import section, stats_of
from action_recognition.models.module import VideoActionModel
from action_recognition.reports.page import Bullets


def example_of(model: VideoActionModel, folder: Path, frames: int) -> Example:
    settings = load_config(["visualize.device=cpu"]).visualize
    return read_example(
        look_into(model, settings, path=folder), write_video(folder / "clip.avi", moving_square(frames))
    )


@pytest.mark.parametrize(("frames", "windows"), [(8, 1), (20, 4), (200, 8)])
def test_windows_are_spread_over_the_input(frames: int, windows: int, tmp_path: Path) -> None:
    model = tiny_model()
    example = example_of(model, tmp_path, frames)
    stats, count = stats_of(example, example.explained.chosen)
    assert count == windows == min(8, len(example.prediction.windows))
    for layer in example.explained.chosen:
        channels, *sides = layer.map_shape
        assert stats[layer.name].values == windows * channels * torch.Size(sides).numel()


def test_dead_and_exploding_layers_are_told(tmp_path: Path) -> None:
    model = tiny_model()
    with torch.no_grad():
        model.network.blocks[0][1].bias.fill_(-1000)
        model.network.blocks[1][1].bias.fill_(5000)
    blocks = section(example_of(model, tmp_path, 20), tmp_path)
    (warnings,) = [block for block in blocks if isinstance(block, Bullets)]
    assert warnings.tone == "bad"
    assert "blocks.0 is dead: 100% of its 4 units are always 0" in warnings.items
    assert any(str(item).startswith("blocks.1 explodes: root mean square") for item in warnings.items)


def test_a_healthy_network_has_no_warnings(tmp_path: Path) -> None:
    blocks = section(example_of(tiny_model(), tmp_path, 20), tmp_path)
    assert not any(isinstance(block, Bullets) for block in blocks)

"""Every network of the project can be looked into: maps, kernels, histograms, the whole page."""

from pathlib import Path

import numpy as np
import pytest
from helpers.explained import example_of_network
from helpers.html_pages import Page
from models.networks.test_networks import OPTIONS

from action_recognition.explain.histograms import stats_of
from action_recognition.explain.kernels import chosen_convolutions, kernels_of
from action_recognition.explain.maps import channel_rows_of, maps_of
from action_recognition.explain.page import write_page


@pytest.mark.parametrize("option", OPTIONS)
def test_maps_kernels_and_statistics_of_every_network(option: str) -> None:
    example = example_of_network(option)
    layers = example.explained.chosen
    maps_by_name = maps_of(example, layers)
    stats, windows = stats_of(example, layers)
    assert windows == 1
    for layer in layers:
        maps_CTHW = maps_by_name[layer.name]
        assert maps_CTHW.shape == layer.map_shape
        assert stats[layer.name].values == maps_CTHW.size
        assert stats[layer.name].mean == pytest.approx(maps_CTHW.mean(dtype=np.float64), rel=1e-4, abs=1e-6)
        rows = channel_rows_of(maps_CTHW, 3)
        assert [row.name for row in rows] == [
            f"channel {channel}" for channel in np.argsort(-maps_CTHW.std(axis=(1, 2, 3), dtype=np.float64))[:3]
        ]
    convolutions = chosen_convolutions(example.explained)
    assert convolutions, "even transformers have the convolution that cuts patches"
    assert convolutions[0].is_first
    for convolution in convolutions:
        kernels = kernels_of(convolution.module.weight.detach().numpy(), is_rgb=False, most=4)
        assert len(kernels.names) == len(kernels.pictures_NMHWC) <= 4
        assert 0 <= kernels.pictures_NMHWC.min() < kernels.pictures_NMHWC.max() <= 1


@pytest.mark.parametrize("option", ["two_stream", "resnet50", "timm_vit"])
def test_a_page_of_it(option: str, tmp_path: Path) -> None:
    """Two streams, a still (one frame a clip), a transformer of images."""
    example = example_of_network(option, "visualize.channels=2", "visualize.what=[maps,kernels,histograms]")
    page = Page(write_page(example, tmp_path / "page").read_text(encoding="utf-8"))
    assert not page.open
    assert len([row for row in page.rows if row and row[0] in {layer.name for layer in example.explained.chosen}]) >= 2
    written = sorted(path.name for path in (tmp_path / "page").iterdir())
    assert {"page.html", "maps.png", "maps.svg", "histograms.png", "histograms.svg"} < set(written)
    assert sum(name.startswith("kernels_01") for name in written) == 1


def test_layers_without_a_place_in_the_picture_are_named(tmp_path: Path) -> None:
    example = example_of_network(
        "mvit_v2_s", "visualize.what=[maps,histograms]", "visualize.channels=1",
        "visualize.layers=[backbone.blocks.0,backbone.blocks.0.attn.pool_k,head.1]",
    )  # fmt: skip
    text = write_page(example, tmp_path / "page").read_text(encoding="utf-8")
    assert "no place in the picture: backbone.blocks.0.attn.pool_k." in text

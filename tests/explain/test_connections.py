"""Which layer feeds which, against networks whose connections are known."""

import pytest
import torch
from models.networks.test_networks import OPTIONS
from models.test_layers import model_of
from torch import Tensor, nn

from action_recognition.explain.connections import INPUT, Connection, connections
from action_recognition.explain.map_pictures import lanes_of
from action_recognition.models.layers import default_layers, list_layers


def links_of(option: str, names: list[str]) -> set[tuple[str, str, int]]:
    model = model_of(option).eval()
    clip = model.network_input(torch.zeros(1, *model.contract.clip_shape, dtype=torch.uint8))
    return {(link.source, link.target, link.sums) for link in connections(model.network, names, clip)}


def test_the_shortcut_of_a_residual_block_is_a_connection() -> None:
    block = "backbone.layer2.1"
    names = ["backbone.layer2.0", f"{block}.conv1", f"{block}.conv2", block]
    assert links_of("resnet18", names) == {
        (INPUT, names[0], 3),
        (names[0], f"{block}.conv1", 0),
        (f"{block}.conv1", f"{block}.conv2", 0),
        (f"{block}.conv2", block, 1),
        (names[0], block, 1),
    }


@pytest.mark.parametrize(
    ("option", "sums"), [("resnet50", 3 + 4 + 6 + 3), ("r3d_18", 8), ("swin3d_t", 8), ("timm_vit", 12)]
)
def test_sums_are_the_residual_connections_of_a_network(option: str, sums: int) -> None:
    ((_, _, found),) = links_of(option, ["head"])
    assert found == sums


def test_two_streams_start_at_the_input_and_meet_in_the_head() -> None:
    found = links_of("two_stream", ["appearance", "motion.layer3", "head"])
    assert {(source, target) for source, target, _ in found} == {
        (INPUT, "appearance"),
        (INPUT, "motion.layer3"),
        ("appearance", "head"),
        ("motion.layer3", "head"),
    } | {(INPUT, "head")}, "the motion stream's last but one stage goes to the head by itself"


def test_what_is_written_into_a_tensor_counts() -> None:
    class Written(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, given: Tensor) -> Tensor:
            made = torch.zeros(1, 2)
            made[:] = self.one(given)
            return self.two(made)

    assert connections(Written(), ["one", "two"], torch.zeros(1, 2))[1] == Connection("one", "two", 0)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_drawn_layer_of_every_network_is_connected(option: str) -> None:
    model = model_of(option)
    names = [layer.name for layer in default_layers(list_layers(model))]
    clip = model.eval().network_input(torch.zeros(1, *model.contract.clip_shape, dtype=torch.uint8))
    links = connections(model.network, names, clip)
    assert {link.target for link in links} == set(names)
    assert not any(module._forward_hooks for module in model.modules())
    streams = {name.partition(".")[0] for name in names} if option == "two_stream" else {"one"}
    assert max(lanes_of(names, links).values()) == len(streams) - 1

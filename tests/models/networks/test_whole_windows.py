"""Convolutions over few frames, against float32 without padding of its own. Without the mend most of these differ only
where a CPU computes bfloat16 in hardware; elsewhere they show that padding by hand changes nothing."""

import copy
import random
from collections.abc import Sequence

import pytest
import torch
from torch import nn

from action_recognition.models.networks.whole_windows import has_whole_window, use_whole_windows

# bfloat16 keeps 8 bits: a rounding is off by up to 0.4 %. Taps that were never computed are off by 50 % and more.
TOLERANCE = 0.02
CHANNELS = [(1, 16, 32), (1, 3, 16), (2, 32, 32), (16, 16, 16), (16, 16, 32), (1, 1, 8)]
Computed = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def computed(convolution: nn.Module, clip: torch.Tensor, direction: torch.Tensor, *, half: bool) -> Computed:
    """Output and the gradients of input and weight, all that an update is made of."""
    given = clip.clone(memory_format=torch.preserve_format).requires_grad_()
    (weight,) = [parameter for parameter in convolution.parameters() if parameter.ndim == 5]
    convolution.zero_grad()
    # What memory held before must not matter.
    _ = [torch.full((size,), float("nan")) for size in (weight.numel(), clip.numel(), 100_000)]
    del _
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        output = convolution(given)
    (output * direction).sum().backward()
    return output.detach().float(), given.grad.clone(), weight.grad.clone()


def padded_beforehand(plain: nn.Conv3d) -> nn.Module:
    """The same convolution without padding of its own, which float32 too has wrong where padding is very wide."""
    if isinstance(plain.padding, str) or plain.padding_mode != "zeros":
        return plain
    bare = copy.deepcopy(plain)
    bare.padding = (0, 0, 0)
    return nn.Sequential(nn.ConstantPad3d([width for width in reversed(plain.padding) for _ in range(2)], 0.0), bare)


def check_mended(
    plain: nn.Conv3d, clip: torch.Tensor, layout: torch.memory_format, halves: Sequence[bool] = (True,)
) -> None:
    """What a mended copy of `plain` computes in bfloat16 and in float32, each twice."""
    holder = nn.Sequential(copy.deepcopy(plain)).to(memory_format=layout)
    use_whole_windows(holder)
    direction = torch.randn(padded_beforehand(plain)(clip).shape)
    expected = computed(padded_beforehand(plain), clip, direction, half=False)
    clip = clip.to(memory_format=layout)
    for half in halves:
        once, again = (computed(holder[0], clip, direction, half=half) for _ in range(2))
        for name, first, second, right in zip(("output", "input", "weight"), once, again, expected, strict=True):
            assert torch.isfinite(first).all(), name
            assert torch.equal(first, second), f"{name} differs when repeated"
            assert (first - right).norm() <= (TOLERANCE if half else 1e-5) * right.norm() + 1e-3, name


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d], ids=["contiguous", "last"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    "kernel", [(3, 3, 3), (3, 1, 1), (5, 3, 3), (7, 1, 1), (4, 3, 3), (2, 1, 1), (1, 5, 5)], ids=str
)
def test_half_gradients_are_right_over_any_number_of_frames(kernel, stride, layout):
    torch.manual_seed(0)
    for frames in range(1, 7):
        for padding in {kernel[0] // 2, kernel[0] - 1}:
            if frames + 2 * padding >= kernel[0]:
                pads = (padding, kernel[1] // 2, kernel[2] // 2)
                plain = nn.Conv3d(8, 16, kernel, stride, pads, bias=False)
                check_mended(plain, torch.randn(2, 8, frames, 5, 5), layout)


def random_convolution(draw: random.Random) -> tuple[nn.Conv3d, torch.Tensor] | None:
    """None where the kernel is larger than the padded input, or an axis of one makes torch's layout ambiguous."""
    kernel = [draw.choice((1, 2, 3, 3, 4, 5, 7)) for _ in range(3)]
    stride, dilation = ([draw.choice(choices) for _ in range(3)] for choices in ((1, 1, 2, 3), (1, 1, 1, 2)))
    sides = [draw.randint(1, 8) for _ in range(3)]
    groups, inputs, outputs = draw.choice(CHANNELS)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = [draw.choice((0, extent // 2, extent // 2, extent - 1)) for extent in reach]
    if any(side + 2 * p < extent for side, p, extent in zip(sides, padding, reach, strict=True)):
        return None
    if inputs == groups != outputs and 1 in kernel:
        return None
    made = nn.Conv3d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=draw.random() < 0.5)
    return made, torch.randn(2, inputs, *sides)


def test_half_gradients_are_right_for_random_convolutions():
    torch.manual_seed(0)
    draw, checked = random.Random(0), 0
    while checked < 60:
        if (drawn := random_convolution(draw)) is not None:
            check_mended(*drawn, draw.choice((torch.contiguous_format, torch.channels_last_3d)))
            checked += 1


@pytest.mark.filterwarnings("ignore:Using padding=.same.")
@pytest.mark.parametrize("padding", ["same", "valid", (1, 0, 1)])
@pytest.mark.parametrize("mode", ["zeros", "replicate"])
def test_every_way_to_give_padding(padding, mode):
    torch.manual_seed(0)
    plain = nn.Conv3d(4, 8, (2, 3, 4), padding=padding, padding_mode=mode, bias=False)
    check_mended(plain, torch.randn(2, 4, 2, 3, 4), torch.contiguous_format)


@pytest.mark.parametrize("sides", [(6, 9, 7), (7, 9, 7)], ids=str)
def test_float32_gradients_with_large_strided_kernels(sides):
    torch.manual_seed(0)
    plain = nn.Conv3d(32, 32, (7, 5, 1), (2, 1, 1), (3, 2, 0), groups=4, bias=False)
    check_mended(plain, torch.randn(4, 32, *sides), torch.channels_last_3d, [False])


def test_an_exported_graph_has_no_pad():
    holder = nn.Sequential(nn.Conv3d(4, 8, 3, padding=1))
    use_whole_windows(holder)
    program = torch.export.export(holder, (torch.randn(2, 4, 2, 5, 5),))
    assert not [node for node in program.graph.nodes if "pad" in str(node.target)]


def test_a_whole_window_is_found_where_one_is():
    def slow(size: int, reach: int, stride: int, before: int, after: int) -> bool:
        starts = range(-before, size + after - reach + 1, stride)
        return any(start >= 0 and start + reach <= size for start in starts)

    draw = random.Random(1)
    for _ in range(2000):
        given = [draw.randint(1, 9), draw.randint(1, 9), draw.randint(1, 3), draw.randint(0, 6), draw.randint(0, 6)]
        assert has_whole_window(*given) == slow(*given), given


class Doubled(nn.Conv3d):
    """A network's own convolution with a forward pass of its own."""

    def forward(self, input):
        return super().forward(2 * input)


def test_a_subclass_keeps_its_own_forward_pass_and_names():
    torch.manual_seed(0)
    holder = nn.ModuleDict({"inner": nn.Sequential(Doubled(4, 8, 3, padding=1))})
    before, clip = holder.state_dict(), torch.randn(2, 4, 2, 5, 5)
    with torch.no_grad():
        expected = holder["inner"](clip)
        use_whole_windows(holder)
        use_whole_windows(holder)  # a second time changes nothing
        assert isinstance(holder["inner"][0], Doubled)
        assert holder.state_dict().keys() == before.keys()
        assert torch.equal(holder["inner"](clip), expected)
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(holder["inner"](clip).float(), expected, atol=0.05, rtol=0.05)
        torch.testing.assert_close(copy.deepcopy(holder)["inner"](clip), expected)

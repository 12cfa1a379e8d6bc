"""Whether a training step gives right numbers under a plan: outputs and gradients against float32.

Libraries compute some shapes wrongly in some number formats, and training goes on with gradients of uninitialised
memory. So a plan is tried on the network itself, at its own clip shape, before it is used.

Each convolution and linear layer is compared by itself, computed in float32 from its real input, forward and backward.
Gradients of a whole network cannot be compared: in a deep network with random weights, roundings grow from layer to
layer until bfloat16 is up to 140 % off float32.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd
from torch.utils.hooks import RemovableHandle

from action_recognition.training.step_plan import StepPlan, autocast

PLAIN = StepPlan(precision="32-true", memory_format="contiguous")
CLIPS = 4
# Share of the float32 value, as norms. A bfloat16 layer is off by 0.3 % (its inputs and results have 8 bits), or more
# if a sum cancels; a gradient of uninitialised memory or without one of three taps is off by 58 % and more.
TOLERANCE = 0.1
# Zero up to rounding.
SMALLEST = 1e-6
# float16 loses gradients below 6e-8; training scales the loss as well.
FLOAT16_SCALE = 1024.0


@dataclass(frozen=True)
class StepResult:
    """Seconds of a step, its logits `[B, K]` and the gradient of every parameter by name, all float32 on the CPU."""

    seconds: float
    logits_BK: Tensor
    gradients: dict[str, Tensor]

    def repeats(self, other: "StepResult", device: torch.device) -> bool:
        """Whether the same step gave the same result twice: bit for bit on a CPU, up to `TOLERANCE` on a GPU.

        GPU libraries add in the order in which threads end.
        """
        pairs = [(self.logits_BK, other.logits_BK)]
        pairs += [(gradient, other.gradients[name]) for name, gradient in self.gradients.items()]
        return all(torch.equal(*pair) if device.type == "cpu" else _close(*pair) for pair in pairs)


class StepTrial:
    """Training steps of one network on the same clips and weights, under different plans.

    Args:
        make_model: from a memory format to a model that takes uint8 clips.
        clip_shape: `(C, T, H, W)`.
    """

    def __init__(
        self, make_model: Callable[[str], nn.Module], clip_shape: tuple[int, int, int, int], device: torch.device
    ) -> None:
        self.make_model, self.device = make_model, device
        generator = torch.Generator().manual_seed(0)
        # Blocks of colour under noise: clips of noise alone all look the same to a network.
        channels, frames, height, width = clip_shape
        blocks = torch.rand((CLIPS, channels, min(frames, 4), 4, 4), generator=generator)
        clip = F.interpolate(blocks, size=(frames, height, width)) * 200
        clip += torch.randint(0, 56, clip.shape, generator=generator)
        self.clip_BCTHW = clip.to(torch.uint8).to(device)
        self.weights: dict[str, Tensor] | None = None
        self.models: dict[str, nn.Module] = {}
        self.first: dict[StepPlan, StepResult] = {}

    def run(self, plan: StepPlan) -> StepResult:
        """One step without dropout, which draws differently in each memory layout."""
        model = self._model(plan.memory_format)
        model.zero_grad(set_to_none=True)
        scale = FLOAT16_SCALE if plan.precision == "16-mixed" else 1.0
        start = time.perf_counter()
        with autocast(plan, self.device):
            logits_BK = model(self.clip_BCTHW)
        label_B = torch.arange(len(logits_BK), device=self.device) % logits_BK.shape[1]
        (F.cross_entropy(logits_BK.float(), label_B) * scale).backward()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        seconds = time.perf_counter() - start
        gradients = {
            name: parameter.grad.detach().float().cpu() / scale
            for name, parameter in model.named_parameters()
            if parameter.grad is not None
        }
        return StepResult(seconds, logits_BK.detach().float().cpu(), gradients)

    def _model(self, memory_format: str) -> nn.Module:
        if memory_format not in self.models:
            model = self.make_model(memory_format)
            if self.weights is None:
                self.weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
            model.load_state_dict(self.weights)
            model.to(self.device).train()
            for module in model.modules():
                if isinstance(module, _DropoutNd) or type(module).__name__ == "StochasticDepth":
                    module.eval()
            self.models[memory_format] = model
        return self.models[memory_format]

    def objection(self, plan: StepPlan) -> str | None:
        """What is wrong with the numbers of a step under `plan`; None if nothing is."""
        found, watches = list[str](), list[RemovableHandle]()
        if plan.precision != PLAIN.precision:
            for name, layer in self._model(plan.memory_format).named_modules():
                if isinstance(layer, _ConvNd | nn.Linear):  # half types compute these; the rest keeps its input's type
                    watches.append(_watch(layer, name, plan, found))
        result = self.run(plan)
        for watch in watches:
            watch.remove()
        self.first[plan] = result
        if not torch.isfinite(result.logits_BK).all():
            return "outputs are not finite"
        for name, gradient in result.gradients.items():
            if not torch.isfinite(gradient).all():
                return f"the gradient of {name} is not finite"
        return found[0] if found else None


def _watch(layer: nn.Module, name: str, plan: StepPlan, found: list[str]) -> RemovableHandle:
    """From now on, compute `layer` in float32 as well in every step, and add differences to `found`."""

    def after_forward(_: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        if output.requires_grad:
            # A hook of the tensor: a module's backward hook forbids changing its output in place.
            output.register_hook(lambda gradient: compare(given[0].detach(), gradient))

    def compare(given: Tensor, gradient: Tensor) -> None:
        tried = _layer_step(layer, given, gradient, plan)
        right = _layer_step(layer, given.float(), gradient.float(), PLAIN)
        for part, ours, theirs in zip(("output", "input gradient", "weight gradient"), tried, right, strict=True):
            if not _close(ours, theirs):
                share = float((ours - theirs).norm() / (theirs.norm() + SMALLEST))
                found.append(f"{name}: the {part} is {share:.0%} off float32")

    return layer.register_forward_hook(after_forward)


def _layer_step(layer: nn.Module, given: Tensor, gradient: Tensor, plan: StepPlan) -> tuple[Tensor, ...]:
    """Output, and the gradients of input and weight, as float32."""
    given = given.clone(memory_format=torch.preserve_format).requires_grad_()
    weight = layer.get_parameter("weight")
    with torch.enable_grad():
        with autocast(plan, given.device):
            output = layer.forward(given)  # not the call, which has the hook
        made = torch.autograd.grad(output, (given, weight), gradient.to(output.dtype))
    return tuple(tensor.detach().float() for tensor in (output, *made))


def _close(ours: Tensor, theirs: Tensor) -> bool:
    return bool((ours - theirs).norm() <= TOLERANCE * theirs.norm() + SMALLEST)

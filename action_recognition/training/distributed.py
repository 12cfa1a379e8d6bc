"""Several processes that train one model: Lightning starts them, each runs the command anew up to the fit."""

import json
import os
from dataclasses import asdict
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from action_recognition.training.step import StepPlan
from action_recognition.utils.rank import is_first_process

# What the first process tells those it starts: how it decided that a step computes.
PLAN = "ACTION_RECOGNITION_STEP_PLAN"


def share_step_plan(plan: StepPlan) -> None:
    """Let processes started from now on compute as this one does: each timing its own could end in another choice."""
    os.environ[PLAN] = json.dumps(asdict(plan))


def inherited_step_plan() -> StepPlan | None:
    """What the first process decided; None in that process, and where torchrun started all of them."""
    text = None if is_first_process() else os.environ.get(PLAN)
    return StepPlan(**json.loads(text)) if text else None


class SumOverProcesses(torch.autograd.Function):
    """The sum of every process's tensor, in each of them; so is the gradient."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:  # noqa: ARG004 - autograd's signature
        total = own.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return SumOverProcesses.forward(ctx, gradient.contiguous())


def _summed(own: Tensor) -> Tensor:
    total: Tensor = SumOverProcesses.apply(own)
    return total


class AllReduceBatchNorm(_BatchNorm):
    """Batch norm over the batches of all processes, on any device; torch's `SyncBatchNorm` knows only GPUs.

    The gradient passes through the exchange, so that two processes with half a batch each compute what one computes
    with the whole batch. In evaluation, or without other processes, it is what it was made from.

    Shape: `[B, C, ...]`, any number of dimensions from 2.
    """

    @classmethod
    def of(cls, norm: _BatchNorm) -> "AllReduceBatchNorm":
        """With the same parameters and statistics as `norm`, not copies of them."""
        made = cls(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        made._parameters, made._buffers = norm._parameters, norm._buffers
        made.training = norm.training
        return made

    def _check_input_dim(self, given: Tensor) -> None:
        if given.dim() < 2:
            raise ValueError(f"expected [B, C, ...], got {given.dim()} dimensions")

    def forward(self, given: Tensor) -> Tensor:
        if not (self.training and dist.is_initialized() and dist.get_world_size() > 1):
            return super().forward(given)
        axes = [axis for axis in range(given.dim()) if axis != 1]
        values = given.float()
        count = _summed(values.new_tensor([values.numel() / values.shape[1]]))
        mean_C = _summed(values.sum(dim=axes)) / count
        shape = [1, -1, *[1] * (given.dim() - 2)]
        centred = values - mean_C.view(shape)
        var_C = _summed(centred.square().sum(dim=axes)) / count
        self._remember(mean_C.detach(), var_C.detach() * count / (count - 1))
        normalised = centred * (var_C + self.eps).rsqrt().view(shape)
        if self.affine:
            normalised = normalised * self.weight.view(shape) + self.bias.view(shape)
        return normalised.to(given.dtype)

    @torch.no_grad()
    def _remember(self, mean_C: Tensor, unbiased_var_C: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean_C.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_(unbiased_var_C.to(self.running_var.dtype), momentum)


def share_batch_norm(module: nn.Module) -> None:
    """Put an `AllReduceBatchNorm` in the place of every batch norm below `module`."""
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm):
            setattr(module, name, AllReduceBatchNorm.of(child))
        else:
            share_batch_norm(child)

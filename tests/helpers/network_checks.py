"""Checks that every network must pass."""

import contextlib
import io
import logging

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from action_recognition.models.networks.base import ActionNetwork


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def stir(network: nn.Module, seed: int = 0) -> None:
    """Give norms and biases distinct values; fresh ones are all zero or one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var"):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            elif tensor.is_floating_point() and tensor.ndim <= 1:
                tensor.add_(torch.randn(tensor.shape, generator=generator) * 0.2)


def check_parts(network: ActionNetwork) -> None:
    """Stages and head hold every parameter exactly once."""
    found = [id(weight) for part in [*network.stages(), network.head] for weight in part.parameters()]
    assert len(found) == len(set(found))
    assert set(found) == {id(weight) for weight in network.parameters()}


def check_logits(network: ActionNetwork, clip_BCTHW: Tensor, *, num_classes: int) -> Tensor:
    """Check shape and finite values, and that the head of the features gives the logits; returns the features."""
    network.eval()
    with torch.no_grad():
        logits_BK, features = network(clip_BCTHW), network.features(clip_BCTHW)
        torch.testing.assert_close(network.head(features), logits_BK)
    assert logits_BK.shape == (len(clip_BCTHW), num_classes)
    assert logits_BK.isfinite().all()
    assert (logits_BK[0] - logits_BK[-1]).abs().max() > 1e-6 or len(clip_BCTHW) == 1, "every clip gets the same"
    return features


def check_every_stage_learns(network: ActionNetwork, clip_BCTHW: Tensor) -> None:
    """One step of training changes each stage and the head."""
    parts = [*network.stages(), network.head]
    before = [[weight.detach().clone() for weight in part.parameters()] for part in parts]
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    labels = torch.arange(len(clip_BCTHW)) % 2
    nn.functional.cross_entropy(network(clip_BCTHW), labels).backward()
    optimizer.step()
    for number, (part, old) in enumerate(zip(parts, before, strict=True)):
        changed = [not torch.equal(weight, was) for weight, was in zip(part.parameters(), old, strict=True)]
        assert any(changed), f"stage {number} of {len(parts)} did not change"


def check_onnx(network: ActionNetwork, shape: tuple[int, ...], *, batch: int = 3) -> None:
    """The exported graph, traced with two clips, gives torch's logits for `batch`."""
    network.eval()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        program = torch.onnx.export(
            network,
            (noise(2, *shape),),
            input_names=["clip"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=20,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    clip_BCTHW = noise(batch, *shape, seed=3)
    with torch.inference_mode():
        expected_BK = network(clip_BCTHW).numpy()
    (found_BK,) = session.run(None, {"clip": clip_BCTHW.numpy()})
    np.testing.assert_allclose(found_BK, expected_BK, rtol=1e-3, atol=1e-5)
    assert np.ptp(expected_BK) > 1e-3

"""Examples of any network, with random weights and a clip of noise, for the tests of `explain`."""

from pathlib import Path

import numpy as np
from models.test_layers import model_of

from action_recognition.config import load_config
from action_recognition.explain.example import Example, look_into, read_example


def example_of_network(option: str, *overrides: str) -> Example:
    """One of `OPTIONS` of the networks' tests, shown as many frames as its clip has."""
    model = model_of(option).eval()
    contract = model.contract
    explained = look_into(model, load_config(list(overrides)).visualize, path=Path("none/checkpoints/best.ckpt"))
    shape = (contract.frames, contract.short_side, contract.short_side, contract.channels)
    frames_THWC = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return read_example(explained, frames_THWC)  # type: ignore[arg-type]

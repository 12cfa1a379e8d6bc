from collections.abc import Callable

import pytest
from rich.console import Console

from action_recognition.config import Config, load_config
from action_recognition.training.fit import TrainResult, train


@pytest.fixture
def console() -> Console:
    """Keeps what is printed, for `console.export_text()`."""
    return Console(record=True, width=200)


@pytest.fixture
def run(tiny_overrides: list[str], tiny_config: Config, console: Console) -> Callable[..., TrainResult]:
    """Train the tiny model with more overrides."""
    return lambda *overrides, **more: train(load_config([*tiny_overrides, *overrides]), console=console, **more)

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers.published import Published, published, saved


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower to share out among threads than to compute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def theirs() -> Published:
    return published()


@pytest.fixture
def path(theirs: Published, tmp_path: Path) -> Path:
    return saved(theirs.state_dict(), tmp_path / "theirs.pth")

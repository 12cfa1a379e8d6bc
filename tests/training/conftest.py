import pytest
from rich.console import Console


@pytest.fixture
def console() -> Console:
    """Keeps what is printed, for `console.export_text()`."""
    return Console(record=True, width=200)

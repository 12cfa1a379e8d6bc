from collections.abc import Iterator

import pytest
from helpers.mirror_server import Server, running_server


@pytest.fixture
def server() -> Iterator[Server]:
    """An HTTP server on loopback; `server.add` gives it something to serve."""
    with running_server() as server:
        yield server

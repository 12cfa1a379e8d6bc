import pytest

from action_recognition.download import transfer


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another try on the same mirror comes at once."""
    monkeypatch.setattr(transfer, "TRIES", 3)
    monkeypatch.setattr(transfer, "LONGEST_WAIT_SECONDS", 0.01)

import sys

import pytest

from action_recognition.errors import UserError
from action_recognition.utils import program as module
from action_recognition.utils.program import as_called, program


@pytest.mark.parametrize(
    ("called", "checkout", "expected"),
    [
        ("commands.py", True, "python commands.py"),
        ("/env/bin/action-recognition", True, "action-recognition"),
        ("C:/env/Scripts/action-recognition.exe", False, "action-recognition"),
        ("/env/site-packages/action_recognition/__main__.py", False, "python -m action_recognition"),
        ("/env/bin/pytest", True, "python commands.py"),
        ("notebook.py", False, "action-recognition"),
    ],
)
def test_commands_are_named_as_they_are_typed_here(called, checkout, expected, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", [called, "train"])
    if not checkout:
        monkeypatch.setattr(module, "CHECKOUT", tmp_path)
    assert program() == expected
    assert str(UserError("no run yet: python commands.py train makes one")) == f"no run yet: {expected} train makes one"
    assert as_called("next: python commands.py infer  or  python commands.py tune") == (
        f"next: {expected} infer  or  {expected} tune"
    )

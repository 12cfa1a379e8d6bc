"""The names that a notebook imports from the package itself."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.support import ROOT

import action_recognition


@pytest.mark.parametrize("name", action_recognition.PUBLIC)
def test_a_public_name_is_what_its_module_defines(name: str) -> None:
    found = getattr(action_recognition, name)
    assert found.__name__ == name
    assert found.__module__.startswith(f"action_recognition.{action_recognition.PUBLIC[name]}")


def test_editors_see_the_same_names() -> None:
    """What is imported under `if TYPE_CHECKING`, as `from module import name as name`, which exports it."""
    tree = ast.parse(Path(action_recognition.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    lines = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    seen = {alias.asname: str(line.module).partition(".")[2] for line in lines for alias in line.names}
    assert seen == action_recognition.PUBLIC


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        action_recognition.nothing  # noqa: B018


def test_importing_the_package_imports_nothing_slow() -> None:
    code = "import sys, action_recognition; print({'torch', 'numpy', 'cv2', 'hydra'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"

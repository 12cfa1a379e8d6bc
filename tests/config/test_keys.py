"""Every configuration key that a text of the package names exists: an error must not advise what cannot be given."""

import ast
import re
from pathlib import Path

import pytest
from helpers.support import ROOT

from action_recognition.config.keys import declared_keys, is_open
from action_recognition.config.option_files import groups

GROUPS = "|".join(groups())
KEY = re.compile(rf"(?<![\w./`])((?:{GROUPS})(?:\.[a-z_]+)+)(?=[=,;:. \[\]{{}}]|$)")
# Files and attributes of that look.
NO_KEYS = re.compile(
    r"^(data\.dvc|model\.(onnx|engine|engine\.json|state_dict|parameters)|compare\.md|optimizer\.step|trainer\.(test|fit))"
)


def named_keys(path: Path) -> list[tuple[int, str]]:
    """Keys in the texts of a module, docstrings too; in an f-string, up to what is filled in."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += [
                (node.lineno, key) for key in KEY.findall(node.value) if not NO_KEYS.match(key) and key[-1] != "_"
            ]
    return found


def exists(key: str) -> bool:
    parents = [key.rsplit(".", count)[0] for count in range(1, key.count(".") + 1)]
    return key in declared_keys() or any(parent in declared_keys() and is_open(parent) for parent in parents)


@pytest.mark.parametrize("package", sorted(p.name for p in (ROOT / "action_recognition").iterdir() if p.name[0] != "_"))
def test_every_key_that_a_text_names_exists(package: str) -> None:
    place = ROOT / "action_recognition" / package
    modules = [place] if place.is_file() else sorted(place.rglob("*.py"))
    unknown = [f"{path}:{line}: {key}" for path in modules for line, key in named_keys(path) if not exists(key)]
    assert unknown == []


def test_the_scan_finds_what_it_is_for(tmp_path: Path) -> None:
    source = 'raise X(f"{a}; give data.limit={b} or trainer.max_epochs=1 or data.cache.folder, model.args.width=2")'
    (tmp_path / "module.py").write_text(source)
    keys = [key for _, key in named_keys(tmp_path / "module.py")]
    assert keys == ["data.limit", "trainer.max_epochs", "data.cache.folder", "model.args.width"]
    assert [exists(key) for key in keys] == [False, True, False, True]

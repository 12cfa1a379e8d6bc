"""The rooms of the package: a module imports from its own room and from those below, never up or in a circle."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from helpers.support import ROOT

PACKAGE = ROOT / "action_recognition"
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 400, 60
# From the bottom up. An entry names a room, or a module that stands apart from the room it lies in.
ROOMS = (
    "utils.text",
    "utils.program",
    "errors",
    "utils",
    "older_contracts",
    "contract",
    "config",
    "video",
    "datasets",
    "reports",
    "synthetic",
    "download",
    "readers",
    "transforms",
    "data",
    "checks",
    "tracking",
    "models",
    "training",
    "evaluation",
    "export",
    "inference",
    "explain",
    "serving",
    "studies",
    "cli",
    "__main__",
)


def modules() -> dict[str, Path]:
    """Dotted names below the package, without its own; `__init__` files under the name of their folder."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            found[name] = path
    return found


def imports(path: Path, known: dict[str, Path], *, for_types: bool) -> Iterator[str]:
    """Modules of the package that a file imports, at its top or inside of functions.

    Args:
        for_types: also what it imports under `if TYPE_CHECKING`, which never runs.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    not_run = {node for block in blocks for node in ast.walk(block)}
    for node in ast.walk(tree):
        if node in not_run and not for_types:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            dotted = name.removeprefix("action_recognition.")
            if dotted == name:
                continue
            yield dotted if dotted in known else dotted.rpartition(".")[0]


def room_of(module: str) -> str:
    rooms = [room for room in ROOMS if module == room or module.startswith(f"{room}.")]
    return max(rooms, key=len, default="")


@cache
def import_graph(*, for_types: bool = True) -> dict[str, set[str]]:
    known = modules()
    return {name: {*imports(path, known, for_types=for_types)} & known.keys() for name, path in known.items()}


def test_every_module_is_in_a_room():
    assert [name for name in modules() if not room_of(name)] == []


def test_every_room_has_modules():
    assert set(ROOMS) == {room_of(name) for name in modules()}


def test_no_import_goes_up():
    graph = import_graph()
    upward = [
        f"{name} imports {target}"
        for name, targets in graph.items()
        for target in targets
        if ROOMS.index(room_of(target)) > ROOMS.index(room_of(name))
    ]
    assert "\n".join(upward) == ""


def test_no_import_runs_in_a_circle():
    graph, done = import_graph(), set[str]()

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            pytest.fail(f"a circle: {' -> '.join([*path[path.index(name) :], name])}")
        if name not in done:
            for target in sorted(graph[name] - {name}):
                visit(target, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_every_room_has_its_tests():
    rooms = {room.partition(".")[0] for room in ROOMS} - {"errors", "contract", "older_contracts", "__main__"}
    assert sorted(room for room in rooms if not any((ROOT / "tests" / room).glob("test_*.py"))) == []


def test_files_and_functions_fit_on_a_few_screens():
    long = []
    for path in sorted(
        path for name in ("action_recognition", "tests", "benchmarks") for path in (ROOT / name).rglob("*.py")
    ):
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > MOST_LINES:
            long.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= MOST_LINES_OF_A_FUNCTION:
                long.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert long == []

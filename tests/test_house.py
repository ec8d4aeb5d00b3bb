"""The house itself: imports point down, every room opens with the core dependencies, help is quick and light."""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import wavewright

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "wavewright"

FLOORS = {
    "__main__": 5,
    "cli": 4,
    "studio": 3,
    "jobs": 2,
    "data": 1,
    "train": 1,
    "engine": 1,
    "formats": 1,
    "metrics": 1,
    "report": 1,
    "losses": 1,
    "loss_settings": 1,
    "nets": 0,
    "audio": 0,
    "errors": -1,
    "settings": -1,
    "compiled": -1,
    "atomic": -1,
}
"""Each room and its floor. The cellar (-1) holds what every floor may use."""

MODULES = sorted(
    ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in SOURCE.rglob("*.py")
)


def imports_of(path: Path) -> set[str]:
    """Every module of the house that a file names in an import, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            found |= (
                {f"{node.module}.{alias.name}" for alias in node.names}
                if node.module == "wavewright"
                else {node.module}
            )
    return {name for name in found if name.startswith("wavewright.")}


def room_of(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_down(path: Path) -> None:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    if parts == ("__init__",):
        assert imports_of(path) == set()
        return
    room = parts[0]
    assert room in FLOORS, f"{room} has no floor: give it one here and in docs/architecture.md"
    for imported in imports_of(path):
        other = room_of(imported)
        if other not in FLOORS:  # `from wavewright import __version__`
            continue
        assert FLOORS[other] <= FLOORS[room], f"{path}: {room} imports {other}, which lies above it"


def test_rooms_of_the_workshop_do_not_import_in_circles() -> None:
    graph: dict[str, set[str]] = {}
    for path in SOURCE.rglob("*.py"):
        room = path.relative_to(SOURCE).with_suffix("").parts[0]
        graph.setdefault(room, set()).update(room_of(name) for name in imports_of(path))
    done: set[str] = set()

    def visit(room: str, path: tuple[str, ...]) -> None:
        assert room not in path, f"rooms import each other in a circle: {' -> '.join((*path, room))}"
        if room not in done:
            for other in sorted(graph.get(room, set()) - {room}):
                visit(other, (*path, room))
            done.add(room)

    for room in sorted(graph):
        visit(room, ())


def test_the_nets_know_nothing_but_torch() -> None:
    for path in (SOURCE / "nets").glob("*.py"):
        assert {room_of(name) for name in imports_of(path)} <= {"nets", "errors", "settings"}, path


def core_packages() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {requirement.split(">")[0] for requirement in project["project"]["dependencies"]}


@pytest.mark.parametrize("module", MODULES)
def test_every_module_imports_nothing_but_the_core_at_its_top(module: str) -> None:
    """Third-party imports at a module's top are core dependencies; extras may only be imported where they are used."""
    path = SOURCE.parent / Path(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    allowed = core_packages() | {"llvmlite", "wavewright"} | set(sys.stdlib_module_names)
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        for name in names:
            assert name.split(".")[0] in allowed, f"{module} imports {name}, which is no core dependency"


def test_every_module_imports() -> None:
    found = [name for _, name, _ in pkgutil.walk_packages(wavewright.__path__, "wavewright.")]
    for name in found:
        importlib.import_module(name)
    assert set(found) | {"wavewright"} == set(MODULES)


HELP_PAGES = [["--help"], ["train", "emulate", "--help"], ["signal", "--help"], ["render", "--help"], ["nonsense"]]


@pytest.mark.parametrize("words", HELP_PAGES, ids=" ".join)
def test_help_does_not_import_torch(words: list[str]) -> None:
    code = (
        "import sys; from wavewright.cli.main import run\n"
        "try: run(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numba', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.returncode == 0, done.stderr

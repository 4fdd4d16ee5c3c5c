"""The rooms and the one direction of their imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("scp", "storage")
    for path in (ROOT / package).rglob("*.py")
}
# What only the rooms above them may import.
OUTER = {"scp.cli", "scp.supervisor", "scp.worker", "scp.listener"}
MOST_LINES = 350


def imports(name: str) -> set[str]:
    """The modules of this project that a module imports when it is loaded or later."""
    tree = ast.parse(MODULES[name].read_text())
    guarded = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in guarded:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found & set(MODULES)


def test_there_are_modules_and_they_import_each_other() -> None:
    assert {"scp.handlers.store", "storage.archive"} <= set(MODULES)
    assert "storage" in imports("scp.handlers.store")


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("storage")])
def test_storage_never_imports_scp(name: str) -> None:
    assert not {found for found in imports(name) if found.startswith("scp")}


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("scp.handlers")])
def test_a_handler_knows_nothing_of_what_runs_it(name: str) -> None:
    assert not imports(name) & OUTER


def test_no_import_goes_round_in_a_circle() -> None:
    def walk(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join([*way, name])
        if name not in done:
            for found in sorted(imports(name)):
                if "." in found and found != name:  # a package is what its modules make of it
                    walk(found, (*way, name))
            done.add(name)

    done: set[str] = set()
    for name in MODULES:
        if "." in name:
            walk(name, ())


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_short(name: str) -> None:
    assert len(MODULES[name].read_text().splitlines()) <= MOST_LINES

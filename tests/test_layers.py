"""The rooms: packages in floors, each imported by its door, and imports that run one way."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOPS = ("scp", "storage")
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for top in TOPS
    for path in (ROOT / top).rglob("*.py")
}
PACKAGES = {name for name, path in MODULES.items() if path.name == "__init__.py"}
MOST_LINES = 350
MOST_ENTRIES = 12

# From below: a package imports from floors below its own, and from no other of the same floor.
FLOORS = (
    {"storage.diagnostics"},
    {"storage.dicom.values"},
    {"storage.dicom.data_sets"},
    {"storage.dicom", "storage.query"},
    {"storage.files.disk"},
    {"storage.files.locks"},
    {"storage.files"},
    {"storage.files.objects", "storage.journal.segments", "storage.worklist.entries"},
    {"storage.journal"},
    {"storage.journal.corrections", "storage.archive.receiving.log"},
    {"storage.index.engines"},
    {"storage.index.engines.postgres", "storage.index.engines.sqlite"},
    {"storage.index"},
    {"storage.index.consistency"},
    {"storage.sharing"},
    {"storage.sharing.nodes"},
    {"storage.archive.finding", "storage.archive.receiving"},
    {"storage.archive"},
    {"storage.worklist"},
    {"storage.outbox", "storage.maintenance.changes", "storage.maintenance.check"},
    {
        "storage.maintenance.recovery",
        "storage.maintenance.backup",
        "storage.maintenance.compaction",
    },
    {"storage.maintenance.migration"},
    {"storage.maintenance"},
    {"storage"},
    {"scp.config", "scp.copies.conversion.codecs"},
    {"scp.runtime", "scp.network.tls", "scp.copies.conversion.data_set"},
    {"scp.copies.conversion.limits", "scp.network.upper_layer"},
    {"scp.copies.conversion.pixels", "scp.copies.deidentify.rules", "scp.network.dimse"},
    {"scp.copies.corrected", "scp.copies.deidentify.elements", "scp.network.association"},
    {"scp.copies.deidentify.pixels", "scp.copies.export", "scp.network.scu"},
    {"scp.copies.deidentify.instances", "scp.network.services.worklist"},
    {"scp.copies.deidentify", "scp.copies.conversion", "scp.node.acts"},
    {"scp.web.media", "scp.web.request.access"},
    {"scp.web.models", "scp.web.http", "scp.web.rendering"},
    {"scp.copies.documents"},
    {
        "scp.copies",
        "scp.forwarding",
        "scp.network.fetching",
        "scp.network.services",
        "scp.web.request",
    },
    {"scp.web.retrieval", "scp.web.viewer", "scp.network.orders"},
    {"scp.web.dicomweb", "scp.web.page.surface"},
    {"scp.web.page.study"},
    {"scp.web.page.acting"},
    {"scp.web.page"},
    {"scp.web.monitoring"},
    {"scp.web.service"},
    {"scp.web"},
    {"scp.network"},
    {"scp.node.upkeep"},
    {"scp.node", "scp.conformance.writing"},
    {"scp.conformance.sections"},
    {"scp.conformance", "scp.cli.output"},
    {"scp.cli.options"},
    {
        "scp.cli.commands",
        "scp.cli.commands.changes",
        "scp.cli.commands.finding",
        "scp.cli.commands.node",
        "scp.cli.commands.retention",
        "scp.cli.commands.transfer",
        "scp.cli.commands.upkeep",
        "scp.cli.commands.worklist",
    },
    {"scp.cli"},
    {"scp"},
    {"scp.testing"},
)
# What has no door, only rooms: each of these is imported as what it is.
CORRIDORS = {
    "scp", "scp.network", "scp.copies", "scp.copies.conversion", "scp.copies.deidentify",
    "scp.web.media", "scp.web.models",
    "storage.files.objects", "storage.maintenance", "scp.web.retrieval",
    "storage.archive.receiving", "storage.sharing",
    "scp.cli.commands", "scp.cli.commands.changes", "scp.cli.commands.node",
    "scp.cli.commands.retention", "scp.cli.commands.transfer", "scp.cli.commands.upkeep",
    "scp.cli.commands.worklist", "scp.node.acts", "scp.node.upkeep",
}  # fmt: skip


def package_of(module: str) -> str:
    """The package that a module lies in; a package lies in itself."""
    return module if module in PACKAGES else module.rpartition(".")[0]


@cache
def imports(module: str) -> frozenset[tuple[str, str]]:
    """What a module imports of this project, when it is loaded or later, or for types alone.

    Pairs of a module, and of a name out of it: empty for the module itself.
    """
    found: set[tuple[str, str]] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports {node.module} by a relative name"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add((inner, "") if inner in MODULES else (node.module or "", alias.name))
    return frozenset((name, of) for name, of in found if name.split(".")[0] in TOPS)


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """A way that comes back to where it began, if there is one."""
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for following in sorted(arrows.get(name, ())):
            if found := walk(following, [*way, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(arrows) if (found := walk(name, []))), [])


def test_every_package_has_its_floor_and_no_other_has_one() -> None:
    named = [name for floor in FLOORS for name in floor]
    assert sorted(named) == sorted(PACKAGES)


def test_imports_run_down() -> None:
    height = {name: number for number, floor in enumerate(FLOORS) for name in floor}
    wrong = {
        (module, name)
        for module in MODULES
        for name, _ in imports(module)
        if package_of(name) != package_of(module)
        and height[package_of(name)] >= height[package_of(module)]
    }
    assert not wrong


def test_storage_never_imports_scp() -> None:
    assert not {
        (module, name)
        for module in MODULES
        for name, _ in imports(module)
        if module.startswith("storage") and name.startswith("scp")
    }


def test_a_package_is_imported_by_its_door() -> None:
    """From another one: not by a file in it. A door may give a module, where it names it."""
    past = set()
    for module in MODULES:
        for name, of in imports(module):
            package = package_of(name)
            if package in (package_of(module), *CORRIDORS) or name in PACKAGES:
                continue
            if of or name.rpartition(".")[2] not in given_by(package):
                past.add((module, name))
    assert not past


@cache
def given_by(package: str) -> set[str]:
    """The names in `__all__` of a package."""
    for node in ast.parse(MODULES[package].read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def rooms_of(package: str) -> dict[str, str]:
    """By name, the module that a door takes it from when it is asked for; empty: at once."""
    for node in ast.walk(ast.parse(MODULES[package].read_text())):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_ROOMS":
            rooms = ast.literal_eval(node.value)
            return {name: f"{package}.{room}" for name, room in rooms.items()}
    return {}


def test_a_door_that_waits_to_be_asked_gives_what_it_names() -> None:
    waiting = {package: rooms_of(package) for package in PACKAGES if rooms_of(package)}
    assert {"storage", "scp.node"} <= waiting.keys()
    for package, rooms in waiting.items():
        assert rooms == {of: name for name, of in imports(package) if of}
        assert rooms.keys() == given_by(package)


def test_no_door_gives_another_thing_by_the_name_of_a_file() -> None:
    """Which would hide the file from who imports it as a module."""
    hidden = {
        (package, name)
        for package in PACKAGES
        for name, of in imports(package)
        if of and f"{package}.{of}" in MODULES
    }
    assert not hidden


def test_what_a_door_gives_is_taken_by_somebody() -> None:
    taken = {(name, of) for module in MODULES for name, of in imports(module) if of}
    taken |= {
        name.rpartition(".")[::2] for module in MODULES for name, of in imports(module) if not of
    }
    public = {"storage", "scp.cli", "scp.testing"}  # for who builds on it, and for the command
    for_programs = {("scp.config", "open_archive")}
    idle = {
        (package, name)
        for package in PACKAGES - public
        for name in given_by(package)
        if (package, name) not in taken | for_programs
    }
    assert not idle


def test_no_files_import_each_other_in_a_circle() -> None:
    arrows = {
        module: {name for name, _ in imports(module) if name in MODULES and name not in PACKAGES}
        for module in MODULES
    }
    assert not circle(arrows)


def test_no_packages_import_each_other_in_a_circle() -> None:
    arrows: dict[str, set[str]] = {}
    for module in MODULES:
        others = {package_of(name) for name, _ in imports(module)} - {package_of(module)}
        arrows.setdefault(package_of(module), set()).update(others)
    assert not circle(arrows)


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b"}, "b": {"c"}}) == []


@pytest.mark.parametrize("top", [*TOPS, "tests"])
def test_no_folder_has_too_much_in_it(top: str) -> None:
    folders = [path for path in (ROOT / top).rglob("*") if path.is_dir()]
    crowded = {}
    for folder in [ROOT / top, *folders]:
        # A page on what is there; a mark for type checkers (PEP 561).
        passed_over = ("__pycache__", "README.md", "py.typed")
        entries = [path for path in folder.iterdir() if path.name not in passed_over]
        if len(entries) > MOST_ENTRIES:
            crowded[folder] = len(entries)
    assert not crowded


def test_a_module_is_short() -> None:
    lines = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert not {name: count for name, count in lines.items() if count > MOST_LINES}


def test_the_tables_of_the_index_are_named_in_its_own_rooms() -> None:
    """SQL elsewhere is of a database of its own."""
    own = ("storage.index", "storage.journal", "storage.outbox", "storage.query",
           "storage.sharing", "storage.worklist",
           "storage.maintenance.changes.kept_files")  # fmt: skip
    words = ("SELECT ", "INSERT INTO", "DELETE FROM", "UPDATE ", "PRAGMA ")
    found = {
        name
        for name, path in MODULES.items()
        if not name.startswith(own)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if any(word in node.value for word in words)
    }
    assert not found


def test_files_of_instances_are_asked_for_by_their_uids() -> None:
    """Nobody else makes a path in the tree: but for the backup, which is a copy of the folders."""
    backup = "storage.maintenance.backup.backup"
    own = ("storage.files", "storage.files.disk")
    found = {
        (name, ast.unparse(node))
        for name, path in MODULES.items()
        if package_of(name) not in own and name != backup
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        if node.attr in ("path", "root", "walk")
        if ast.unparse(node.value).rpartition(".")[2] in ("tree", "_tree", "files", "_files")
    }
    taken = {
        name
        for name in MODULES
        if package_of(name) not in own and name != backup
        if {of for _, of in imports(name)} & {"relative_path", "named_by"}
    }
    assert not found | taken


def test_what_is_asked_of_an_open_file_of_an_instance_needs_no_descriptor() -> None:
    """It may lie where there is none: `status_of` tells its size and its arrival."""
    backup = "storage.maintenance.backup.backup"  # a copy of the folders
    found = set()
    for name, path in MODULES.items():
        text = path.read_text()
        if ".open(" not in text or not re.search(r"\.(fileno|fstat)\(", text):
            continue
        calls = [
            node.func
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        ]
        opens = {
            ast.unparse(call.value).rpartition(".")[2] for call in calls if call.attr == "open"
        }
        if opens & {"tree", "_tree", "files", "_files", "superseded"} and name != backup:
            found |= {(name, call.attr) for call in calls if call.attr in ("fileno", "fstat")}
    assert not found

"""The nodes of an archive: entered, compared, taken for gone."""

import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from support.machine.postgres import ScratchPostgres

from storage.diagnostics import FolderError
from storage.sharing.nodes import Node, Registry, Schema, new_run, node_id, registry

ONE = Node("1" * 32, "pacs1:104", "1.0", {"[node] ae_title": "PACS", "[forward]": "ab12"})
TWO = replace(ONE, id="2" * 32, name="pacs2:104")
# What node two is -> why it may not serve beside node one.
REFUSED = {
    "another version": (
        replace(TWO, version="1.1"),
        "node pacs1:104 serves this archive with version 1.0, this one has 1.1: end all nodes of "
        "the one before the first of the other starts",
    ),
    "another setting": (
        replace(TWO, settings={"[node] ae_title": "OTHER", "[forward]": "ab12"}),
        "node pacs1:104 serves this archive with other settings, [node] ae_title: these have to be "
        "the same on all of its nodes",
    ),
    "settings more and less": (
        replace(TWO, settings={"[node] ae_title": "PACS", "[retention]": "cd34"}),
        "node pacs1:104 serves this archive with other settings, [forward], [retention]: these "
        "have to be the same on all of its nodes",
    ),
}


@pytest.fixture
def nodes(postgres: ScratchPostgres) -> Registry:
    return Registry(Schema(postgres.url, f"jobs_{uuid4().hex}", "The nodes"))


def enter(nodes: Registry, node: Node) -> int:
    run = new_run()
    nodes.enter(node, run)
    return run


def age(nodes: Registry, name: str, seconds: float) -> None:
    """Have a node not have been heard of for so long."""
    with nodes._schema.writing() as engine:
        statement = "UPDATE node SET seen = seen - ?::float8 * interval '1 second' WHERE name = ?"
        engine.execute(statement, (seconds, name))


def test_nodes_that_are_alike_serve_together_each_with_runs_of_its_own(nodes: Registry) -> None:
    first, second = enter(nodes, ONE), enter(nodes, TWO)
    assert nodes.living() == {first, second}
    assert nodes.beat(ONE, first) == nodes.beat(TWO, second) == []
    third = enter(nodes, ONE)  # started again
    assert third not in (first, second)
    assert nodes.living() == {second, third}
    assert not nodes.is_living(first)
    nodes.leave(TWO, second)
    assert [(one.node, one.run, one.is_living) for one in nodes.all()] == [(ONE, third, True)]


@pytest.mark.parametrize("kind", REFUSED)
def test_a_node_of_another_kind_is_refused_while_one_serves(nodes: Registry, kind: str) -> None:
    other, words = REFUSED[kind]
    enter(nodes, ONE)
    with pytest.raises(FolderError) as told:
        enter(nodes, other)
    assert str(told.value) == words
    assert [one.node for one in nodes.all()] == [ONE]
    age(nodes, ONE.name, registry.GONE_SECONDS)
    assert enter(nodes, other)


def test_settings_that_are_taken_while_it_serves_are_told_until_all_have_them(
    nodes: Registry,
) -> None:
    runs = enter(nodes, ONE), enter(nodes, TWO)
    changed = {"[node] ae_title": "PACS", "[forward]": "ef56"}
    assert nodes.beat(replace(ONE, settings=changed), runs[0]) == [
        "node pacs2:104 serves this archive with other settings, [forward]: these have to be the "
        "same on all of its nodes"
    ]
    assert nodes.beat(TWO, runs[1])[0].startswith("node pacs1:104 serves")
    assert nodes.beat(replace(TWO, settings=changed), runs[1]) == []


@pytest.mark.parametrize("off", [-60.0, 60.0])
def test_a_clock_that_is_off_is_refused_and_told(
    nodes: Registry, monkeypatch: pytest.MonkeyPatch, off: float
) -> None:
    run, now = enter(nodes, ONE), time.time
    monkeypatch.setattr(time, "time", lambda: now() + off)
    words = f"the clock of this machine is {'60 s behind' if off < 0 else '60 s ahead of'} that of"
    with pytest.raises(FolderError, match=words):
        enter(nodes, TWO)
    assert [words in told for told in nodes.beat(ONE, run)] == [True]
    assert nodes.living() == {run}  # by the clock of PostgreSQL


def test_a_copy_of_a_node_is_told(nodes: Registry) -> None:
    first = enter(nodes, ONE)
    second = enter(nodes, ONE)
    assert "another node has the id of this one" in nodes.beat(ONE, first)[0]
    assert nodes.beat(ONE, second) == []


def test_a_folder_has_one_id(tmp_path: Path) -> None:
    made = node_id(tmp_path)
    assert len(made) == 32
    assert node_id(tmp_path) == made
    (tmp_path / "node").write_text("")
    assert node_id(tmp_path) != made
    assert [path.name for path in tmp_path.iterdir()] == ["node"]

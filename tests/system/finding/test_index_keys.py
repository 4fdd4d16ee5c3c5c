"""`minipacs index`: keys that are added beside a node, or without one."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import CT, EXPLICIT, FIND, RunningNode, ct, encoded, identifier, minipacs, send
from support.checks.printed import conformance, read

from storage.archive.finding import added_keys
from storage.journal import FolderJournal

HELD = 30
FILLED, READ = "index keys filled", "no index serves"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    """A node that holds images of two KVPs."""
    running = RunningNode(tmp_path, {"node": {"workers": 2}})
    try:
        running.start()
        store(running, range(HELD))
        yield running
        assert running.stop() == 0
        assert not running.bugs()
    finally:
        if running.is_running:
            running.kill()


def store(node: RunningNode, numbers: range) -> None:
    with node.association((CT, EXPLICIT)) as association:
        for number in numbers:
            data = encoded(ct("1.1", "1.2", f"1.3.{number}", KVP=str(80 + number % 2)))
            assert send(association, CT, f"1.3.{number}", data).Status == 0x0000


def found(node: RunningNode, kvp: str) -> int:
    with node.association((FIND["STUDY"], EXPLICIT)) as association:
        asked = identifier("IMAGE", StudyInstanceUID="1.1", SeriesInstanceUID="1.2", KVP=kvp)
        answers = [data for _, data in association.send_c_find(asked, FIND["STUDY"]) if data]
    assert {str(float(one.KVP)) for one in answers} <= {str(float(kvp))}
    return len(answers)


def listed(node: RunningNode) -> list[dict[str, object]]:
    return list(json.loads(minipacs("index", node, "list", "--json").stdout)["added"])


def read_headers(node: RunningNode) -> int:
    """How many queries have read any, by the log."""
    return sum(READ in line for line in node.log)


def test_a_key_that_is_added_beside_a_node_is_filled_in_by_it(node: RunningNode) -> None:
    """All workers have it from then on, what arrives brings its value, and a start keeps it."""
    assert found(node, "80") == HELD // 2
    node.wait_for_log(READ)
    done = minipacs("index", node, "add", "KVP")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "added keys=KVP")
    node.wait_for_log(FILLED)
    ((key),) = listed(node)
    assert (key["keyword"], key["vr"], key["filled"]) == ("KVP", "DS", True)
    store(node, range(HELD, 2 * HELD))
    reads = read_headers(node)
    for _ in range(4):
        assert found(node, "81") == HELD
    assert read_headers(node) == reads
    node.stop()
    node.start()
    assert found(node, "80") == HELD
    assert not read_headers(node)


def test_the_list_names_what_headers_were_read_for(node: RunningNode) -> None:
    """That of the most headers first; what is added, and what cannot be, is left out."""
    assert found(node, "80") == HELD // 2
    with node.association((FIND["STUDY"], EXPLICIT)) as association:
        asked = identifier("STUDY", StudyInstanceUID="1.1", ScanOptions="", FrameType="")
        list(association.send_c_find(asked, FIND["STUDY"]))
    node.wait_for_log(READ, "headers=1 ")
    told = json.loads(minipacs("index", node, "list", "--json").stdout)["asked"]
    assert [(one["keyword"], one["queries"], one["headers"]) for one in told] == [
        ("KVP", 1, HELD), ("FrameType", 1, 1), ("ScanOptions", 1, 1),
    ]  # fmt: skip
    assert minipacs("index", node, "add", "KVP").returncode == 0
    lines = minipacs("index", node, "list").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["keys", "FrameType", "ScanOptions"]


def test_without_a_node_the_command_fills_it_in(node: RunningNode) -> None:
    node.stop()
    assert minipacs("index", node, "add", "00180060", "ScanOptions").returncode == 0
    lines = minipacs("index", node, "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["KVP", "ScanOptions", "keys"]
    assert all(line.endswith("filled") for line in lines[:2])
    node.start()
    assert found(node, "80") == HELD // 2
    assert minipacs("index", node, "remove", "KVP").returncode == 0
    node.wait_for_log(FILLED)
    assert found(node, "80") == HELD // 2
    node.wait_for_log(READ)


def test_a_decision_outlasts_the_index(node: RunningNode) -> None:
    """That is deleted, or made anew beside the node."""
    assert minipacs("index", node, "add", "KVP").returncode == 0
    node.wait_for_log(FILLED)
    assert minipacs("rebuild", node).returncode == 0
    assert found(node, "80") == HELD // 2
    assert not read_headers(node)
    node.stop()
    for path in node.data.glob("index.sqlite*"):
        path.unlink()
    node.start()
    assert found(node, "81") == HELD // 2
    assert not read_headers(node)
    assert listed(node)[0]["filled"]


def test_a_filling_that_is_killed_goes_on(node: RunningNode) -> None:
    """With the next start, which finds what was decided though no index has it yet."""
    node.kill()
    added_keys.add(FolderJournal(node.data, sync=True), "KVP")
    node.start()
    node.wait_for_log(FILLED)
    assert found(node, "81") == HELD // 2
    assert not read_headers(node)


def test_the_conformance_statement_names_them(node: RunningNode) -> None:
    words = "the index holds the values"
    assert words not in read(conformance(node.config).stdout).words("Other keys")
    assert minipacs("index", node, "add", "PhysiciansOfRecord").returncode == 0
    told = read(conformance(node.config).stdout)
    assert words in told.words("Other keys")
    (row,) = told.rows("Other keys")
    assert (row["Attribute"], row["Tag"], row["VR"]) == ("PhysiciansOfRecord", "(0008,1048)", "PN")


@pytest.mark.parametrize(("given", "says"), [
    (("add",), "takes the keyword of an attribute"),
    (("add", "Kvp"), "the nearest is KVP"),
    (("add", "KVP", "PatientName"), "has a column of its own"),
    (("add", "KVP", "--json"), "--json: tells what"),
    (("remove", "KVP"), "KVP: not added"),
    (("list", "KVP"), "takes no keyword"),
    (("fill",), "'fill' is not one of"),
])  # fmt: skip
def test_what_is_wrong_is_refused_and_nothing_done(
    node: RunningNode, given: tuple[str, ...], says: str
) -> None:
    done = minipacs("index", node, *given)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in " ".join(done.stderr.split())
    assert listed(node) == []


def test_what_is_added_is_not_added_again(node: RunningNode) -> None:
    assert minipacs("index", node, "add", "KVP", "KVP").returncode == 0
    done = minipacs("index", node, "add", "ScanOptions", "KVP")
    assert (done.returncode, "KVP: added already" in done.stderr) == (2, True)
    assert [one["keyword"] for one in listed(node)] == ["KVP"]

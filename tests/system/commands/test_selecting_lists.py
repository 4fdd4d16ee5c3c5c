"""What a command is about, by conditions, from a file or a pipe, or all: alike in all of them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import CT, EXPLICIT, RunningNode, ct, destination, encoded, minipacs

from storage import Archive, Received, prepare

# Study, series, instance, patient, Modality and Accession Number.
HELD = [
    ("1.1", "1.2", "1.3.1", "P1", "CT", "A1"), ("1.1", "1.4", "1.3.2", "P1", "SR", "A1"),
    ("2.1", "2.2", "2.3.1", "P1", "MR", "A2"), ("3.1", "3.2", "3.3.1", "P2", "CT", "A3"),
]  # fmt: skip
ALL = {one[2] for one in HELD}


@pytest.fixture
def node(tmp_path: Path) -> RunningNode:
    """The data of a node that does not run."""
    node = RunningNode(tmp_path, {})
    prepare(node.data, sync=False, charset="")
    archive = Archive(node.data, sync=False)
    for study, series, instance, patient, modality, accession in HELD:
        made = ct(study, series, instance, PatientID=patient, Modality=modality,
                  AccessionNumber=accession)  # fmt: skip
        archive.store(Received(CT, instance, EXPLICIT, encoded(made), "", "CT1"))
    archive.close_thread()
    return node


def run(node: RunningNode, *given: str, code: int = 0, answer: str = "") -> str:
    done = minipacs(given[0], node, *given[1:], answer=answer)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stdout + done.stderr
    return done.stdout + done.stderr


def held(node: RunningNode) -> set[str]:
    return {path.stem for path in node.files()}


# What is given, with the text of the file, and the instances that it names.
SELECTIONS: dict[str, tuple[tuple[str, ...], str, set[str]]] = {
    "a condition": (("--where", "Modality=CT"), "", {"1.3.1", "3.3.1"}),
    "conditions, all of them": (
        ("--where", "Modality=CT", "--where", "PatientID=P2"), "", {"3.3.1"},
    ),
    "a condition and a study": (
        ("--where", "Modality=SR", "--study", "2.1"), "", {"1.3.2", "2.3.1"},
    ),
    "UIDs of all levels": (("--from", "list"), "1.1\n3.2\n\n2.3.1\n", ALL),
    "UIDs with blanks, and a last line without its end": (
        ("--from", "list"), " 2.1 \r\n3.1", {"2.3.1", "3.3.1"},
    ),
    "a CSV file": (
        ("--from", "list"), "PatientID,AccessionNumber\nP1,A2\nP2,A3\n", {"2.3.1", "3.3.1"},
    ),
    "a column of it": (
        ("--from", "list", "--column", "PatientID"),
        "PatientID,AccessionNumber\nP1,A2\n", {"1.3.1", "1.3.2", "2.3.1"},
    ),
    "a CSV file of a spreadsheet": (
        ("--from", "list"), "\ufeffStudyInstanceUID;x\n2.1;1\n", {"2.3.1"},
    ),
    "a pipe": (("--from", "-"), "3.1\n", {"3.3.1"}),
    "all": (("--all",), "", ALL),
}  # fmt: skip


def given(node: RunningNode, what: str) -> tuple[tuple[str, ...], str]:
    """The options, and what comes by the pipe."""
    options, text, _ = SELECTIONS[what]
    path = node.config.parent / "list"
    if "list" in options:
        path.write_text(text, "utf-8")
    return tuple(str(path) if one == "list" else one for one in options), text


@pytest.mark.parametrize("what", SELECTIONS)
def test_what_is_selected_is_deleted_and_nothing_else(node: RunningNode, what: str) -> None:
    options, pipe = given(node, what)
    named = SELECTIONS[what][2]
    told = run(node, "delete", *options, "-y", answer=pipe)
    assert f"deleted instances={len(named)}" in told
    assert held(node) == ALL - named


def test_what_is_selected_is_exported(node: RunningNode, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "exported=2" in run(node, "export", str(out), "--where", "Modality=CT")
    assert {path.stem for path in out.rglob("*.dcm")} == {"1.3.1", "3.3.1"}


@pytest.fixture
def inbox(node: RunningNode) -> Iterator[dict[str, bytes]]:
    with destination("DEST") as (inbox, port):
        node.configure({"peers": {"DEST": {"host": "127.0.0.1", "port": port}}})
        yield inbox  # type: ignore[misc]


def test_what_find_tells_is_sent(node: RunningNode, inbox: dict[str, bytes]) -> None:
    """The one is made for the pipe of the other."""
    uids = run(node, "find", "AccessionNumber=A1", "--uids")
    assert "sent=2, warned=0, failed=0" in run(node, "send", "DEST", "--from", "-", answer=uids)
    assert set(inbox.take_all()) == {"1.3.1", "1.3.2"}  # type: ignore[attr-defined]


def test_what_is_selected_is_restored_from_a_list(node: RunningNode) -> None:
    run(node, "delete", "--all", "-y")
    assert held(node) == set()
    options, _ = given(node, "UIDs with blanks, and a last line without its end")
    run(node, "restore", *options)
    assert held(node) == {"2.3.1", "3.3.1"}


def test_studies_of_what_is_selected_are_corrected_and_told(node: RunningNode) -> None:
    options, _ = given(node, "a CSV file")
    run(node, "correct", *options, "StudyDescription=New", "-y")
    made = json.loads(run(node, "history", *options, "--json"))
    assert sorted(one["key"] for one in made) == ["2.1", "3.1"]


def test_studies_of_what_is_selected_are_pinned(node: RunningNode) -> None:
    run(node, "pin", "--where", "Modality=CT")
    assert "pinned studies=2" in run(node, "pin")
    told = run(node, "unpin", "--study", "1.1", "--study", "2.1", code=2)
    assert "study 2.1: is not pinned" in told
    run(node, "unpin", "--where", "PatientID=P1")
    assert "pinned studies=1" in run(node, "pin")
    run(node, "unpin", "--all")
    assert "pinned studies=0" in run(node, "pin")


def test_a_question_tells_what_is_selected(node: RunningNode) -> None:
    told = run(node, "delete", "--where", "Modality=CT", code=1)
    assert "Modality=CT" in told
    assert "instances=2" in told
    assert held(node) == ALL


WRONG: dict[str, tuple[tuple[str, ...], str, str]] = {
    "no such file": (("--from", "/none"), "", "--from /none: No such file or directory"),
    "an empty file": (("--from", "list"), "", "list: is empty"),
    "no such column": (
        ("--from", "list", "--column", "PatientId"), "PatientID,x\nP1,1\n",
        "has no column PatientId; its first line is PatientID,x",
    ),
    "no column that tells": (("--from", "list"), "a,b\n1,2\n", "has no column SOPInstanceUID or"),
    "a line without it": (
        ("--from", "list"), "AccessionNumber,x\nA1,1\n,2\n", "line 3: AccessionNumber is empty",
    ),
    "a wildcard in it": (
        ("--from", "list"), "AccessionNumber,x\nA*,1\n", "line 2: AccessionNumber has a wildcard",
    ),
    "a column of nothing": (("--column", "PatientID", "--all"), "", "--column: takes --from"),
    "all and more": (("--all", "--study", "1.1"), "", "--all: takes nothing beside it"),
    "no keyword": (("--where", "Modalty=CT"), "", "the nearest is Modality"),
    "what is not held": (("--where", "Modality=XA"), "", "Modality=XA: nothing is held"),
    "a UID that is not held": (("--from", "list"), "1.1\n9.9\n", "9.9: nothing is held"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_selected_changes_nothing(node: RunningNode, what: str) -> None:
    options, text, words = WRONG[what]
    path = node.config.parent / "list"
    path.write_text(text)
    options = tuple(str(path) if one == "list" else one for one in options)
    done = minipacs("delete", node, *options, "-y")
    assert done.returncode in (1, 2), done.stdout
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert held(node) == ALL

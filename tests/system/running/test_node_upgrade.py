"""A node that finds the index and the journal of another version, older or newer, at its start."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support import (
    CT,
    EXPLICIT,
    FIND,
    GET,
    MOVE,
    Inbox,
    RunningNode,
    ct,
    destination,
    encoded,
    find,
    found,
    got,
    identifier,
    minipacs,
    retrieved,
    running_node,
    send,
)
from support.checks.rebuilding import ANEW, held_up

from storage.index import version_of
from storage.journal import COMMITMENTS, RECEIPTS, FolderJournal

BEFORE, MEANWHILE = "1.1", "1.2"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[RunningNode, Inbox]]:
    with destination("INBOX", CT) as (inbox, port):
        tables = {"node": {"workers": 2}, "peers": {"INBOX": {"host": "127.0.0.1", "port": port}}}
        with running_node(tmp_path / "node", tables) as node:
            yield node, inbox


def store(node: RunningNode, study: str) -> dict[str, bytes]:
    """Store a study of three instances; returns their data sets."""
    uids = [f"{study}.1.{number}" for number in range(3)]
    sent = {uid: encoded(ct(study, f"{study}.1", uid, PatientID=study)) for uid in uids}
    with node.association((CT, EXPLICIT)) as association:
        for uid, data in sent.items():
            assert send(association, CT, uid, data).Status == 0x0000
    return sent


def move(node: RunningNode, study: str) -> int:
    query = identifier("STUDY", StudyInstanceUID=study)
    with node.association((MOVE["STUDY"], EXPLICIT)) as association:
        return retrieved(association.send_c_move(query, "INBOX", MOVE["STUDY"])).status


def changed(data: Path, *statements: str) -> None:
    with closing(sqlite3.connect(data / "index.sqlite")) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def older(data: Path) -> None:
    """An index that lacks a table and a column, and has another number."""
    changed(data, "DROP TABLE name_part", "ALTER TABLE instance DROP COLUMN charset",
            "PRAGMA user_version = 17")  # fmt: skip


def newer(data: Path) -> None:
    """An index with a table and a column that nobody knows, and another number."""
    changed(data, "CREATE TABLE of_later (id INTEGER)", "PRAGMA user_version = 2147483647",
            "ALTER TABLE study ADD COLUMN OfLater TEXT NOT NULL DEFAULT ''")  # fmt: skip


def write_of_later(data: Path) -> None:
    """Lines of the journal as a later version may write them."""
    journal = FolderJournal(data, sync=False)
    known = next(iter(journal.read(RECEIPTS)))
    journal.append(RECEIPTS, **{**known, "of_later": {"a": [1]}})
    journal.append(RECEIPTS, kind="of_later", uids=known["uids"])
    journal.append(RECEIPTS, kind="of_later", series="1.2.3")
    journal.append(RECEIPTS, uids="neither")
    journal.append(COMMITMENTS, kind="of_later", what="1.2.3")
    journal.append(COMMITMENTS, kind="of_later", transaction="1", peer="P", duplicate=False)
    journal.append("of_later", study="1.2.3")


@pytest.mark.parametrize("other", [older, newer])
def test_a_node_of_another_version_receives_at_once_and_then_answers_everything(
    served: tuple[RunningNode, Inbox], other: Callable[[Path], None]
) -> None:
    node, inbox = served
    sent = {BEFORE: store(node, BEFORE)}
    assert minipacs("pin", node, "--study", BEFORE).returncode == 0
    assert node.stop() == 0
    other(node.data)
    write_of_later(node.data)
    with held_up(node):
        node.start()
        node.wait_for_log("WARNING", "index of another version: to be made anew from the tree")
        sent[MEANWHILE] = store(node, MEANWHILE)
        for level, unique in (("PATIENT", "PatientID"), ("STUDY", "StudyInstanceUID")):
            with node.association((FIND[level], EXPLICIT)) as association:
                answers, final = find(association, FIND[level], level, **{unique: ""})
            assert (answers, final.Status, final.ErrorComment) == ([], 0xA700, ANEW)
        for study in sent:
            assert move(node, study) == 0xA701
            query = identifier("STUDY", StudyInstanceUID=study)
            with node.association((GET["STUDY"], EXPLICIT), (CT, EXPLICIT)) as association:
                assert retrieved(association.send_c_get(query, GET["STUDY"])).status == 0xA701
        for command in ("pin", "stats"):
            refused = minipacs(command, node)
            assert (refused.returncode, refused.stdout) == (2, "")
            assert "index not finished" in refused.stderr
        assert inbox.arrived == []
    node.wait_for_log("index rebuilt instances=6")
    for study, data_sets in sent.items():
        assert found(node, study, f"{study}.1") == sorted(data_sets)
        assert got(node, study) == data_sets
        assert move(node, study) == 0x0000
        assert inbox.data_sets() == data_sets
    assert minipacs("pin", node).stdout.splitlines()[1:] == ["pinned studies=1"]
    assert minipacs("check", node).returncode == 0
    assert not node.logged("WARNING", "starting another")
    assert not node.logged("ERROR", "died")


def test_an_index_of_the_same_tables_answers_while_its_rows_are_made_anew(
    served: tuple[RunningNode, Inbox],
) -> None:
    node, inbox = served
    sent = {BEFORE: store(node, BEFORE)}
    assert node.stop() == 0
    reading = version_of(node.data / "index.sqlite")
    changed(node.data, f"PRAGMA user_version = {reading ^ 1}",
            "UPDATE study SET PatientName = 'read^otherwise'")  # fmt: skip
    refused = minipacs("stats", node)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "index of another version; `minipacs rebuild` makes it anew" in refused.stderr
    with held_up(node):
        node.start()
        words = "index of another version: to be made anew from the tree; it answers meanwhile"
        node.wait_for_log("WARNING", words)
        sent[MEANWHILE] = store(node, MEANWHILE)
        assert names(node) == {BEFORE: "read^otherwise", MEANWHILE: "Doe^Jane"}
        for study, data_sets in sent.items():
            assert got(node, study) == data_sets
            assert move(node, study) == 0x0000
            assert inbox.data_sets() == data_sets
        assert minipacs("stats", node).returncode == 0
        assert version_of(node.data / "index.sqlite") != reading
    node.wait_for_log("index rebuilt instances=6")
    assert names(node) == {BEFORE: "Doe^Jane", MEANWHILE: "Doe^Jane"}
    assert version_of(node.data / "index.sqlite") == reading
    assert minipacs("check", node).returncode == 0


def names(node: RunningNode) -> dict[str, str]:
    """The name of each study's patient."""
    with node.association((FIND["STUDY"], EXPLICIT)) as association:
        answers, final = find(
            association, FIND["STUDY"], "STUDY", StudyInstanceUID="", PatientName=""
        )
    assert final.Status == 0x0000
    return {str(one.StudyInstanceUID): str(one.PatientName) for one in answers}


def test_an_older_index_that_is_damaged_answers_nothing(
    served: tuple[RunningNode, Inbox],
) -> None:
    node, _ = served
    store(node, BEFORE)
    assert node.stop() == 0
    path = node.data / "index.sqlite"
    changed(node.data, f"PRAGMA user_version = {version_of(path) ^ 1}")
    held = path.read_bytes()
    path.write_bytes(held[:4096] + b"x" * 4096 + held[8192:])
    node.start()
    node.wait_for_log("WARNING", "index damaged")
    assert names(node) == {BEFORE: "Doe^Jane"}


def test_lines_of_a_later_version_do_no_harm_to_the_commands(
    served: tuple[RunningNode, Inbox], tmp_path: Path
) -> None:
    node, _ = served
    sent = store(node, BEFORE)
    write_of_later(node.data)
    assert minipacs("check", node).returncode == 0
    assert minipacs("rebuild", node).stdout == "index rebuilt instances=3\n"
    assert minipacs("backup", node, str(tmp_path / "backup")).returncode == 0
    kept = tmp_path / "backup" / "journal" / "of_later.jsonl"
    assert kept.read_bytes() == (node.data / "journal" / "of_later.jsonl").read_bytes()
    assert minipacs("delete", node, "--study", BEFORE, "-y").returncode == 0
    assert minipacs("restore", node, "--study", BEFORE).returncode == 0
    node.kill()
    node.start()
    assert got(node, BEFORE) == sent
    assert minipacs("check", node).returncode == 0

"""The audit trail: what it tells of each association and service, and how its files rotate."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import (
    CT,
    ECHO,
    EXPLICIT,
    FIND,
    GET,
    IMPLICIT,
    MOVE,
    Inbox,
    RunningNode,
    StartNode,
    ct,
    destination,
    encoded,
    find,
    getting,
    identifier,
    retrieved,
    running_node,
    send,
)

from scp.runtime.audit import MANY, MOST_CHARACTERS, AuditTrail


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def trail(node: RunningNode, event: str, peer: str) -> list[dict[str, Any]]:
    """What is told of a peer, once its association has ended; without times and who it was."""
    node.wait_for_log("association closed", f"peer={peer} ")
    path = node.data / "audit" / "audit.jsonl"
    found = [line for line in lines(path) if (line["event"], line["peer"]) == (event, peer)]
    for line in found:
        assert line.pop("at").startswith("20")
        assert (line.pop("address"), line.pop("called")) == ("127.0.0.1", "MINIPACS")
        assert line.pop("seconds", 0) >= 0
        del line["event"], line["peer"]
    return found


@pytest.fixture(scope="module")
def inbox() -> Iterator[tuple[Inbox, int]]:
    with destination("ARCHIVE", CT) as made:
        yield made


@pytest.fixture(scope="module")
def node(
    tmp_path_factory: pytest.TempPathFactory, inbox: tuple[Inbox, int]
) -> Iterator[RunningNode]:
    peers = {"ARCHIVE": {"host": "127.0.0.1", "port": inbox[1]}}
    with running_node(tmp_path_factory.mktemp("audit"), {"peers": peers}) as running:
        with running.association((CT, EXPLICIT), ae_title="FILLER") as association:
            for study, instance in (("1.1", "1.3.1"), ("1.1", "1.3.2"), ("2.1", "2.3.1")):
                data = encoded(ct(study, f"{study[0]}.2", instance, PatientID=f"P{study}"))
                assert send(association, CT, instance, data).Status == 0x0000
                assert send(association, CT, instance, data).Status == 0x0000
            assert send(association, CT, "9.9", data).Status == 0xA900
        yield running


def test_what_is_stored_is_told_by_study(node: RunningNode) -> None:
    first, second, refused = trail(node, "store", "FILLER")
    assert (first.pop("bytes") > 0, second.pop("bytes") > 0) == (True, True)
    outcomes = {"stored": 2, "already there": 2}
    assert first == {"study": "1.1", "instances": 4, "outcomes": outcomes}
    outcomes = {"stored": 1, "already there": 1}
    assert second == {"study": "2.1", "instances": 2, "outcomes": outcomes}
    assert refused == {"refused": ["9.9"], "instances": 1, "outcomes": {"A900": 1}}


def test_an_association_is_told_with_its_end(node: RunningNode) -> None:
    with node.association((ECHO, IMPLICIT), ae_title="ECHOES") as association:
        association.send_c_echo()
        association.send_c_echo()
    assert trail(node, "echo", "ECHOES") == [{"status": "0000"}] * 2
    (told,) = trail(node, "association", "ECHOES")
    assert told == {"outcome": "release", "requests": 2, "bytes_in": 0, "bytes_out": 0}
    node.associate((ECHO, IMPLICIT), ae_title="ABORTS").abort()
    (told,) = trail(node, "association", "ABORTS")
    assert told["outcome"] == "abort"


def test_a_query_is_told_by_its_unique_keys_without_names(node: RunningNode) -> None:
    with node.association((FIND["STUDY"], EXPLICIT), ae_title="ASKS") as association:
        values = {"StudyInstanceUID": "1.1", "PatientName": "Doe*", "PatientID": "P1.1"}
        assert len(find(association, FIND["STUDY"], "STUDY", **values)[0]) == 1
        find(association, FIND["STUDY"], "SERIES", SeriesInstanceUID="")
    good, bad = trail(node, "find", "ASKS")
    keys = {"PatientID": "P1.1", "StudyInstanceUID": "1.1"}
    assert good == {"level": "STUDY", **keys, "answers": 1, "status": "0000"}
    assert (bad["status"], bool(bad["reason"])) == ("A900", True)
    assert "Doe" not in (node.data / "audit" / "audit.jsonl").read_text()
    assert "Doe" not in "\n".join(node.log)


def test_a_retrieve_is_told_with_its_studies_and_counts(node: RunningNode) -> None:
    query = identifier("PATIENT", PatientID="P1.1")
    with node.association((MOVE["PATIENT"], EXPLICIT), ae_title="MOVES") as association:
        assert (
            retrieved(association.send_c_move(query, "ARCHIVE", MOVE["PATIENT"])).status == 0x0000
        )
        assert retrieved(association.send_c_move(query, "NOBODY", MOVE["PATIENT"])).status == 0xA801
    study = identifier("STUDY", StudyInstanceUID="1.1")
    contexts = [(GET["STUDY"], EXPLICIT), (CT, EXPLICIT)]
    with node.association(*contexts, ae_title="GETS", **getting(Inbox(), contexts)) as association:
        assert retrieved(association.send_c_get(study, GET["STUDY"])).status == 0x0000
    good, bad = trail(node, "move", "MOVES")
    (got,) = trail(node, "get", "GETS")
    assert good.pop("bytes") == got.pop("bytes") > 0
    ended = {"studies": ["1.1"], "instances": 2, "sent": 2, "failed": 0, "warned": 0,
             "status": "0000"}  # fmt: skip
    asked = {"level": "PATIENT", "PatientID": "P1.1"}
    assert good == {"destination": "ARCHIVE", **asked, **ended}
    assert got == {"level": "STUDY", "StudyInstanceUID": "1.1", **ended}
    assert bad == {
        "destination": "NOBODY",
        "reason": "NOBODY: no host and port under [peers]",
        "status": "A801",
    }


def test_a_rejected_caller_is_told_with_the_reason(start_node: StartNode) -> None:
    node = start_node(access={"any_peer": False})
    assert node.associate((ECHO, IMPLICIT), ae_title="STRANGER").is_rejected
    node.wait_for_log("association rejected", "peer=STRANGER")
    (told,) = lines(node.data / "audit" / "audit.jsonl")
    assert (told["peer"], told["outcome"]) == ("STRANGER", "rejected")
    assert told["reason"] == "its AE title is not under [peers]"


def test_a_trail_elsewhere_and_none_at_all(start_node: StartNode) -> None:
    node = start_node(audit={"path": "told.jsonl"})
    assert node.echoes()
    node.wait_for_log("association closed")
    assert [line["event"] for line in lines(node.folder / "told.jsonl")] == ["echo", "association"]
    assert not (node.data / "audit").exists()
    assert (node.folder / "told.jsonl").stat().st_mode & 0o777 == 0o600
    silent = start_node(audit={"enabled": False})
    assert silent.echoes()
    silent.stop()
    assert not (silent.data / "audit").exists()


def test_a_trail_goes_where_a_reload_says_and_the_old_file_is_closed(
    start_node: StartNode,
) -> None:
    node = start_node()
    (worker,) = node.workers
    assert node.echoes()
    node.wait_for_log("association closed")
    for number in range(3):
        mark = node.mark()
        node.configure({"audit": {"path": f"told{number}.jsonl"}})
        node.reload()
        assert node.echoes()
        node.wait_for_log("association closed", after=mark)
        told = lines(node.folder / f"told{number}.jsonl")
        assert [line["event"] for line in told] == ["echo", "association"]
    opened = [os.readlink(path) for path in Path(f"/proc/{worker}/fd").iterdir()]
    assert [name for name in opened if name.endswith(".jsonl")] == [
        str((node.folder / "told2.jsonl").resolve())
    ]


def test_an_association_that_stores_many_studies_is_told_of_before_it_ends(
    start_node: StartNode,
) -> None:
    node = start_node()
    with node.association((CT, EXPLICIT), ae_title="ROUTER") as association:
        for number in range(MANY + 1):
            data = encoded(ct(f"1.{number}", f"2.{number}", f"3.{number}"))
            assert send(association, CT, f"3.{number}", data).Status == 0x0000
        told = lines(node.data / "audit" / "audit.jsonl")
        assert [line["study"] for line in told] == [f"1.{number}" for number in range(MANY)]
    assert len(trail(node, "store", "ROUTER")) == MANY + 1


# ---- files


def test_files_rotate_and_no_line_is_lost_among_several_writers(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    writers = [AuditTrail(path, 4096, 1000) for _ in range(4)]

    def write(number: int) -> None:
        for line in range(200):
            writers[number].write("echo", writer=number, line=line)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for writer in writers:
        writer.close()
    told = [line for each in tmp_path.iterdir() for line in lines(each)]
    assert sorted((line["writer"], line["line"]) for line in told) == [
        (writer, line) for writer in range(4) for line in range(200)
    ]
    assert len(list(tmp_path.iterdir())) > 5
    assert all(each.stat().st_size < 2 * 4096 for each in tmp_path.iterdir())


@pytest.mark.parametrize("files", [1, 2, 3])
def test_only_so_many_files_are_kept(tmp_path: Path, files: int) -> None:
    audit = AuditTrail(tmp_path / "audit.jsonl", 4096, files)
    for number in range(500):
        audit.write("echo", number=number)
    audit.close()
    names = ["audit.jsonl", *(f"audit.jsonl.{n}" for n in range(1, files))]
    assert sorted(each.name for each in tmp_path.iterdir()) == names
    told = [line["number"] for name in reversed(names) for line in lines(tmp_path / name)]
    assert told == list(range(told[0], 500))


def test_a_trail_that_was_moved_away_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    audit = AuditTrail(path, 4096, 2)
    audit.write("echo", number=1)
    path.rename(tmp_path / "kept")
    audit.write("echo", number=2)
    audit.close()
    assert [line["number"] for line in lines(tmp_path / "kept")] == [1]
    assert [line["number"] for line in lines(path)] == [2]


def test_a_trail_that_cannot_be_written_is_said_once_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    audit = AuditTrail(blocked / "audit.jsonl", 4096, 2)
    for _ in range(3):
        audit.write("echo")
    (record,) = caplog.records
    assert "cannot be written: File exists" in record.getMessage()
    os.unlink(blocked)
    audit.write("echo")
    audit.close()
    assert len(lines(blocked / "audit.jsonl")) == 1


# ---- what peers choose


def test_a_field_is_cut_where_it_is_long_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    audit = AuditTrail(path, 1 << 20, 2)
    uids = "\\".join(f"1.2.{number}" for number in range(100_000))
    audit.write(
        "find", StudyInstanceUID="1" * 100_000, SOPInstanceUID=uids, reason="short",
        refused=["2" * 100_000] * 1000, outcomes={"3" * 100_000: 1}, seconds=0.5,
    )  # fmt: skip
    audit.close()
    (line,) = lines(path)
    assert path.stat().st_size < 64 * 1024 + 4096
    assert line["StudyInstanceUID"].startswith("1" * MOST_CHARACTERS + "...")
    assert line["StudyInstanceUID"].endswith("(cut: 100000 characters, 1 values)")
    whole, _, told = line["SOPInstanceUID"].partition("...")
    assert told == f" (cut: {len(uids)} characters, 100000 values)"
    assert whole in uids
    assert uids[len(whole)] == "\\"
    assert (line["reason"], line["seconds"], len(line["refused"])) == ("short", 0.5, MANY)


def test_who_writes_many_lines_leaves_those_of_others_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    audit = AuditTrail(path, 4096, 3, address_lines=10)
    audit.write("store", peer="SCANNER", address="10.0.0.1", study="1.2")
    for number in range(1000):
        audit.write("echo", peer=f"EVIL{number}", address="10.0.0.2", number=number)
    audit.write("store", peer="SCANNER", address="10.0.0.1", study="1.3")
    audit.write("retain", user="root", studies=1)  # of nobody's address
    audit.close()
    told = lines(path)
    assert [one.get("study") for one in told if one["event"] == "store"] == ["1.2", "1.3"]
    assert [one["number"] for one in told if one["event"] == "echo"] == list(range(10))
    (busy,) = [one for one in told if one["event"] == "busy"]
    assert (busy["address"], busy["lines"]) == ("10.0.0.2", 10)
    assert told[-1]["event"] == "retain"
    # The last of the others lie beside it, in files that rotate by themselves.
    beside = [one["number"] for one in lines(tmp_path / "audit.jsonl.busy")]
    assert beside == list(range(beside[0], 1000))
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "audit.jsonl", "audit.jsonl.busy", "audit.jsonl.busy.1", "audit.jsonl.busy.2",
    ]  # fmt: skip

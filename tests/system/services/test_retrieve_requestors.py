"""C-GET's requestors, TLS, many instances and large ones, and DCMTK's clients."""

import os
import re
import sqlite3
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support import (
    CLIENT_SECONDS,
    CT,
    ECHO,
    EXPLICIT,
    GET,
    IMPLICIT,
    MOVE,
    START_SECONDS,
    Inbox,
    RunningNode,
    StartNode,
    client,
    free_port,
    getting,
    identifier,
    keys,
    running_node,
    send,
)
from support.network.certificates import Authority
from support.network.destinations import (
    Destination,
    Gate,
    at,
    hold,
    mute,
    storescp,
)
from support.network.retrieving import (
    CHEST,
    COMPRESSED,
    HEAD,
    HELD,
    MR,
    PRIVATE,
    STANDARD,
    Answer,
    Item,
    Rig,
    answer,
    expect_all,
    expect_it_goes_on,
    fill,
    get,
    item,
    move,
    of,
    put,
    same,
    study,
    uid,
)

from storage.dicom import part10

# pydicom warns of the values that are odd here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore")

# ---- C-GET requestors


def test_a_get_of_classes_that_are_taken_in_part(rig: Rig) -> None:
    found, inbox = get(
        rig.node, "STUDY", contexts=[(CT, EXPLICIT), (PRIVATE, EXPLICIT)],
        StudyInstanceUID=study("mixed"),
    )  # fmt: skip
    assert inbox.data_sets() == of("mixed/mc1", "mixed/mc2", "mixed/mp1")
    assert (found.status, found.counts) == (0xB000, (3, 2, 0))
    assert found.failed == {uid("mm1"), uid("mm2")}


@pytest.mark.parametrize(
    ("roles", "names"),
    [([CT], ("mixed/mc1", "mixed/mc2")), ([MR], ("mixed/mm1", "mixed/mm2")), ([], ())],
)
def test_a_get_by_a_requestor_that_is_no_scp_of_some(
    rig: Rig, roles: list[str], names: tuple[str, ...]
) -> None:
    """Contexts are there for all, the role of SCP is not."""
    found, inbox = get(rig.node, "STUDY", roles=roles, StudyInstanceUID=study("mixed"))
    assert inbox.data_sets() == of(*names)
    assert found.counts == (len(names), 5 - len(names), 0)
    assert found.status == (0xB000 if names else 0xA702)
    assert found.failed == set(of("mixed")) - set(of(*names))
    assert "no role selection as SCP was proposed" in found.comment


def test_a_get_takes_the_stored_form_where_there_are_two(rig: Rig) -> None:
    contexts = [(CT, EXPLICIT), (CT, IMPLICIT)]
    found, inbox = get(rig.node, "STUDY", contexts=contexts, StudyInstanceUID=study("plain"))
    expect_all(found, of("plain"))
    arrived = {u: (a.transfer_syntax_uid, a.data_set) for u, a in inbox.take_all().items()}
    expected = [i for i in HELD if i.study == "plain"]
    assert arrived == {i.uids[2]: (i.syntax, i.data_set) for i in expected}


def test_a_get_without_any_storage_class(rig: Rig) -> None:
    found, inbox = get(rig.node, "STUDY", contexts=[], StudyInstanceUID=CHEST)
    assert inbox.take_all() == {}
    assert (found.status, found.counts, found.failed) == (0xA702, (0, 4, 0), set(of("chest")))
    assert found.comment == "its SOP class was not accepted"


def test_a_get_requestor_that_stalls_ends_by_dimse_timeout(start_node: StartNode) -> None:
    """It is the requestor's own association: it ends, and the node goes on."""
    node, gate = start_node(limits={"dimse_timeout": 1}), Gate()
    fill(node, [i for i in HELD if i.study == "six"])
    inbox = Inbox()
    taken = inbox.take

    def take(event: Any) -> int:
        gate.hold()
        return taken(event)

    inbox.take = take  # type: ignore[method-assign]
    contexts = [(GET["STUDY"], EXPLICIT), (CT, EXPLICIT)]
    association = node.associate(*contexts, ae_title="SLEEPER", **getting(inbox, contexts))
    mark = node.mark()
    asking = threading.Thread(
        target=lambda: list(
            association.send_c_get(identifier("STUDY", StudyInstanceUID=study("six")), GET["STUDY"])
        )
    )
    asking.start()
    gate.wait_until_reached()
    try:
        node.wait_for_log("association closed peer=SLEEPER", after=mark)
    finally:
        gate.open()
        asking.join(CLIENT_SECONDS)
    assert node.echoes()


def test_a_requestor_that_waits_for_long_is_not_silent(start_node: StartNode, rig: Rig) -> None:
    """A move may take longer than the node waits for traffic; the association goes on."""
    gate = Gate()
    peers = {"PEER": {"host": "127.0.0.1", "port": rig.peer.port}}
    node = start_node(peers=peers, limits={"network_timeout": 1})
    fill(node, [i for i in HELD if i.study == "three"])
    with (
        rig.peer.does(at(2, do=hold(gate))),
        node.association((MOVE["STUDY"], EXPLICIT), (ECHO, EXPLICIT)) as association,
    ):
        query = identifier("STUDY", StudyInstanceUID=study("three"))
        responses = association.send_c_move(query, "PEER", MOVE["STUDY"])
        late = [next(responses) for _ in range(4)][-1]  # one a second, while it is held
        assert late[0].Status == 0xFF00
        gate.open()
        assert answer(responses).status == 0x0000
        assert association.send_c_echo().Status == 0x0000


# ---- the node itself, TLS, and the end of the node


def test_a_move_to_the_node_itself(start_node: StartNode) -> None:
    """All is there already; it stays as it is. Under another title it turns itself away."""
    port = free_port()
    own = {"host": "127.0.0.1", "port": port}
    peers = {"MINIPACS": own, "ALIAS": own, "SEVERAL": {**own, "sends": 2}}
    node = start_node(node={"port": port}, peers=peers)
    held = [i for i in HELD if i.study in ("chest", "knee")]
    fill(node, held)
    before = {path: path.stat().st_mtime_ns for path in node.files()}
    mark = node.mark()
    expect_all(move(node, "MINIPACS", "PATIENT", "PATIENT", PatientID="P1"), held)
    node.wait_for_log("association closed peer=MINIPACS", "requests=6", after=mark)
    assert len(node.logged("already there peer=MINIPACS", after=mark)) == 6
    found = move(node, "ALIAS", "STUDY", StudyInstanceUID=CHEST)
    assert (found.status, found.counts) == (0xA702, (0, 4, 0))
    assert "ALIAS" in found.comment
    assert {path: path.stat().st_mtime_ns for path in node.files()} == before
    assert node.echoes()


def test_tls_per_peer(start_node: StartNode, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca", 1)
    ours, theirs = authority.sign("ours"), Authority(tmp_path, "other", 2).sign("theirs")
    with ExitStack() as stack:
        start = stack.enter_context
        known = start(Destination().serving(STANDARD, tls=authority.server(ours)))
        unknown = start(Destination().serving(STANDARD, tls=authority.server(theirs)))
        plain = start(Destination().serving(STANDARD))
        silent = start(mute())
        host = {"host": "127.0.0.1"}
        node = start_node(
            tls=authority.table(ours),
            peers={
                "KNOWN": {**host, "port": known.port, "tls": True},
                "UNKNOWN": {**host, "port": unknown.port, "tls": True},
                "NOT TLS": {**host, "port": plain.port, "tls": True},
                "TLS UNSAID": {**host, "port": known.port},
                "PLAIN": {**host, "port": plain.port},
                "MUTE": {**host, "port": silent, "tls": True, "acse_timeout": 1},
            },
        )
        tls = {"tls_args": (authority.client(), "127.0.0.1")}
        held = [i for i in HELD if i.study == "chest"]
        with node.association(*{(i.sop_class, i.syntax) for i in held}, **tls) as association:
            for i in held:
                send(association, i.sop_class, i.uids[2], i.data_set, i.syntax)
        with node.association((MOVE["STUDY"], EXPLICIT), **tls) as association:

            def ask(title: str) -> Answer:
                query = identifier("STUDY", StudyInstanceUID=CHEST)
                return answer(association.send_c_move(query, title, MOVE["STUDY"]))

            expect_all(ask("KNOWN"), held)
            assert known.inbox.data_sets() == of("chest")
            expect_all(ask("PLAIN"), held)
            assert plain.inbox.data_sets() == of("chest")
            for title in ("UNKNOWN", "NOT TLS", "TLS UNSAID", "MUTE"):
                found = ask(title)
                assert (found.status, found.counts) == (0xA702, (0, 4, 0)), title
                assert title in found.comment
        assert unknown.callers == []


def test_a_node_that_is_told_to_stop_finishes_the_move(start_node: StartNode) -> None:
    gate = Gate()
    with Destination().serving(STANDARD) as peer:
        node = start_node(peers={"PEER": {"host": "127.0.0.1", "port": peer.port}})
        fill(node, [i for i in HELD if i.study == "six"])
        with peer.does(at(2, do=hold(gate))):
            association = node.associate((MOVE["STUDY"], EXPLICIT))
            query = identifier("STUDY", StudyInstanceUID=study("six"))
            responses = association.send_c_move(query, "PEER", MOVE["STUDY"])
            gate.wait_until_reached()
            codes: list[int] = []
            stopping = threading.Thread(target=lambda: codes.append(node.stop()))
            stopping.start()
            gate.open()
            expect_all(answer(responses), of("six"))
            association.release()
            stopping.join(START_SECONDS)
        assert codes == [0]
        assert peer.inbox.data_sets() == of("six")


def test_moves_by_several_workers(start_node: StartNode) -> None:
    with Destination().serving(STANDARD) as peer:
        node = start_node(node={"workers": 2},
                          peers={"PEER": {"host": "127.0.0.1", "port": peer.port}})  # fmt: skip
        fill(node, [i for i in HELD if i.study in ("six", "other")])
        for name in ("six", "other", "six", "other"):
            with peer.does():
                expect_all(move(node, "PEER", "STUDY", StudyInstanceUID=study(name)), of(name))
                assert peer.inbox.data_sets() == of(name)


# ---- more than counts and lists can hold


@pytest.mark.long
def test_more_instances_than_a_count_can_hold(start_node: StartNode, tmp_path: Path) -> None:
    """66,000 rows of the index whose files are not there, and a destination that is down."""
    node = start_node(
        peers={"DOWN": {"host": "127.0.0.1", "port": free_port()}}, storage={"sync": False}
    )
    fill(node, [item("head", "h1")])
    assert node.stop() == 0
    with sqlite3.connect(node.data / "index.sqlite") as database:
        names = [row[1] for row in database.execute("PRAGMA table_info(instance)")]
        columns = [name for name in names if name != "id"]
        uid_of = "SOPInstanceUID || '.' || number"
        values = [uid_of if name == "SOPInstanceUID" else name for name in columns]
        database.execute(
            "WITH RECURSIVE numbers(number) AS "
            "(SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 66000) "
            f"INSERT INTO instance ({', '.join(columns)}) "
            f"SELECT {', '.join(values)} FROM instance, numbers"
        )
    database.close()
    node.start()
    with node.association((MOVE["STUDY"], EXPLICIT)) as association:
        query = identifier("STUDY", StudyInstanceUID=HEAD)
        *pending, (final, data) = association.send_c_move(query, "DOWN", MOVE["STUDY"])
    assert final.Status == 0xA702
    assert final.NumberOfFailedSuboperations == 65535
    assert final.NumberOfCompletedSuboperations == final.NumberOfWarningSuboperations == 0
    assert all(p.NumberOfRemainingSuboperations <= 65535 for p, _ in pending)
    listed = list(data.FailedSOPInstanceUIDList)
    expected = {uid("h1"), *(f"{uid('h1')}.{number}" for number in range(1, 66001))}
    assert set(listed) <= expected
    assert len(set(listed)) == len(listed) > 2000  # those that fit an element of 64 KB
    with node.association((MOVE["STUDY"], IMPLICIT)) as association:  # where more fit
        *_, (_, data) = association.send_c_move(query, "DOWN", MOVE["STUDY"])
    assert set(data.FailedSOPInstanceUIDList) == expected
    assert node.echoes()


# ---- memory

_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
MIB = 1024 * 1024


def peaks(node: RunningNode) -> dict[int, int]:
    """The peak resident memory of each process of the node, in bytes."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            if os.getpgid(int(status.parent.name)) == node.process.pid:
                match = _PEAK.search(status.read_text())
                assert match
                found[int(status.parent.name)] = int(match[1]) * 1024
        except (OSError, AssertionError):
            continue
    return found


def test_a_large_instance_takes_flat_memory(tmp_path: Path) -> None:
    """One of 150 MiB, moved and got, by DCMTK's programs; less than 60 MiB come on top."""
    large = Item("huge", "huge", "huge", "P1", pixel_bytes=150 * MIB)
    folder = tmp_path / "node"
    put(folder, [(large.uids, large.sop_class, large.syntax, large.data_set)])
    with ExitStack() as stack:
        port = stack.enter_context(storescp(tmp_path / "scp", "--ignore", "-pdu", "131072"))
        peers = {"SCP": {"host": "127.0.0.1", "port": port}}
        node = stack.enter_context(running_node(folder, {"peers": peers}))
        expect_all(move(node, "SCP", "STUDY", StudyInstanceUID="1.2.3"), [])
        before = peaks(node)
        expect_all(move(node, "SCP", "STUDY", StudyInstanceUID=study("huge")), [1])
        moved = peaks(node)
        asked = keys(QueryRetrieveLevel="STUDY", StudyInstanceUID=study("huge"))
        client("getscu", node, ["-S", "--ignore", "-pdu", "131072", *asked])
        got = peaks(node)
    grown = [sum(now.values()) - sum(before.values()) for now in (moved, got)]
    assert all(growth < 60 * MIB for growth in grown), [growth // MIB for growth in grown]


# ---- DCMTK


def written(folder: Path) -> dict[str, tuple[str, bytes]]:
    """What DCMTK wrote: the transfer syntax and the data set, by SOP Instance UID."""
    found = {}
    for path in folder.iterdir():
        with path.open("rb") as file:
            meta = part10.read(file)
            found[meta.sop_instance_uid] = (meta.transfer_syntax_uid, file.read())
        path.unlink()
    return found


def expect_plain(arrived: dict[str, tuple[str, bytes]], only: str = "") -> None:
    """The study `plain`: as stored, or all in the transfer syntax `only`."""
    assert arrived.keys() == set(of("plain"))
    for original in (i for i in HELD if i.study == "plain"):
        syntax, data = arrived[original.uids[2]]
        assert syntax == (only or original.syntax)
        assert same(data, syntax, original)
        assert (data == original.data_set) == (syntax == original.syntax)


PLAIN = keys(QueryRetrieveLevel="STUDY", StudyInstanceUID=study("plain"))


@pytest.mark.parametrize(
    ("title", "only"),
    [("SCP ANY", ""), ("SCP IMPLICIT", IMPLICIT), ("SCP LITTLE", ""), ("SCP BIG", "")],
)
def test_movescu_to_storescp(rig: Rig, title: str, only: str) -> None:
    output = client("movescu", rig.node, ["-S", "-aem", title, *PLAIN])
    assert "Received Final Move Response (Success)" in output
    expect_plain(written(rig.storescp[title]), only)


def test_movescu_of_compressed_to_storescp(rig: Rig) -> None:
    sample = next(s for s in COMPRESSED if s.name == "JPEG2000.dcm")
    asked = keys(QueryRetrieveLevel="STUDY", StudyInstanceUID=sample.uids[0])
    client("movescu", rig.node, ["-S", "-aem", "SCP ANY", *asked])
    expected = {sample.uids[2]: (sample.transfer_syntax_uid, sample.data_set)}
    assert written(rig.storescp["SCP ANY"]) == expected


def test_storescp_that_aborts(rig: Rig) -> None:
    """It takes an instance, and aborts before it answers: one reconnect, then the rest failed."""
    asked = keys(QueryRetrieveLevel="STUDY", StudyInstanceUID=study("six"))
    output = client("movescu", rig.node, ["-S", "-d", "-aem", "SCP ABORTS", *asked], code=69)
    assert "OutOfResources" in output
    assert "Failed Suboperations          : 6" in output
    assert len(written(rig.storescp["SCP ABORTS"])) <= 2


@pytest.mark.parametrize(
    ("taken", "proposed", "only"),
    [("+x=", "-x=", ""), ("+xb", "-xb", ""), ("+xi", "-xi", IMPLICIT), ("+xa", "-xd", "")],
)
def test_movescu_as_its_own_destination(
    rig: Rig, tmp_path: Path, taken: str, proposed: str, only: str
) -> None:
    options = ["-S", "-aem", "MOVESCU", "+P", str(rig.movescu_port), taken, proposed, "+B"]
    output = client("movescu", rig.node, [*options, *PLAIN], cwd=tmp_path)
    assert "Received Final Move Response (Success)" in output
    expect_plain(written(tmp_path), only)


def test_movescu_cancels(rig: Rig) -> None:
    asked = keys(QueryRetrieveLevel="STUDY", StudyInstanceUID=study("many"))
    with rig.peer.does() as peer:
        output = client("movescu", rig.node, ["-S", "-aem", "PEER", "--cancel", "1", *asked])
        peer.wait_until_left()
        assert len(peer.inbox.take_all()) < 120
    assert "(Cancel: SubOperationsTerminatedDueToCancelIndication)" in output


# What getscu proposes for a class, one context of several transfer syntaxes: the node picks one,
# and it has to be one in which it can send what it holds.
@pytest.mark.parametrize("taken", ["+x=", "+xe", "+xb", "+xi", "+xd", "+xs", "+xv", "+xr", "+xm"])
def test_getscu(rig: Rig, tmp_path: Path, taken: str) -> None:
    output = client("getscu", rig.node, ["-S", taken, "+B", "-od", tmp_path, *PLAIN])
    assert "Received C-GET Response (Success)" in output
    arrived = written(tmp_path)
    assert arrived.keys() == set(of("plain"))
    for original in (i for i in HELD if i.study == "plain"):
        syntax, data = arrived[original.uids[2]]
        assert same(data, syntax, original)
        if syntax == original.syntax:
            assert data == original.data_set


# ---- after all of that


def test_after_all_of_that_the_node_goes_on(rig: Rig) -> None:
    expect_it_goes_on(rig)

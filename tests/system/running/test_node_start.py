"""Starting, stopping, and what each setting does, seen from outside."""

import os
import select
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pynetdicom.association import Association
from support import (
    CT,
    ECHO,
    EXPLICIT,
    FIND,
    GET,
    IMPLICIT,
    MOVE,
    START_SECONDS,
    Inbox,
    RunningNode,
    StartNode,
    accepted,
    at_rest,
    client,
    ct,
    data_set_bytes,
    destination,
    encoded,
    find,
    getting,
    identifier,
    next_message,
    retrieved,
    running_node,
    send,
    store_fragments,
    store_request,
    toml,
)
from support.network.certificates import Authority, trusting
from support.program import run, said

# ---- what keeps it from starting


def serve(
    *arguments: str | Path, cwd: Path, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """`minipacs serve` where it should end by itself."""
    return run("serve", *arguments, cwd=cwd, env={**os.environ, **environment})


def refused(folder: Path, **tables: Any) -> str:
    """The one line that `serve` ends with when it cannot start with these settings."""
    config = folder / "config.toml"
    config.write_text(toml({"limits": {"free_bytes": 0}, **tables}))
    done = serve("-c", config, cwd=folder)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = said(done.stderr.splitlines())
    start = f"minipacs: {config}: "
    assert line.startswith(start)
    return line.removeprefix(start)


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused(tmp_path, node={"port": port})
    assert line == (f"[node] host, port: cannot listen on 127.0.0.1:{port}: Address already in use")


def test_a_host_that_is_not_ours(tmp_path: Path) -> None:
    line = refused(tmp_path, node={"port": 0, "host": "no-such-host.invalid"})
    assert line.startswith("[node] host, port: cannot listen on no-such-host.invalid:0: ")


@pytest.mark.parametrize("name", ["data", "data/incoming", "data/index.sqlite"])
def test_a_folder_that_cannot_be_used(tmp_path: Path, name: str) -> None:
    """A file where a folder should be, and the reverse: root too cannot write there."""
    obstacle = tmp_path / name
    obstacle.parent.mkdir(exist_ok=True)
    if obstacle.suffix:
        obstacle.mkdir()
    else:
        obstacle.write_text("in the way")
    line = refused(tmp_path, node={"port": 0})
    assert line.startswith("[storage] path: ")
    assert str(obstacle) in line


def test_a_folder_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    line = refused(tmp_path, node={"port": 0}, storage={"path": "file/data"})
    assert line.startswith("[storage] path: ")
    assert f"{tmp_path}/file" in line


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"node": {"prot": 11112}}, "[node] prot: unknown key; [node] takes ae_title, host, port"),
        ({"peers": {"WS": {"host": "10.0.0.1"}}}, "[peers.WS] port: missing"),
        ({"tls": {"certificate": "none.pem", "key": "none.key"}}, "[tls] certificate: "),
    ],
)
def test_a_setting_that_is_none(tmp_path: Path, tables: dict[str, Any], words: str) -> None:
    line = refused(tmp_path, **{"node": {"port": 0}, **tables})
    assert line.startswith(words)


def test_a_config_file_that_is_not_there(tmp_path: Path) -> None:
    done = serve("-c", "nowhere.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("minipacs: nowhere.toml: not found; ")


def test_a_config_file_that_the_environment_names(tmp_path: Path) -> None:
    done = serve(cwd=tmp_path, MINIPACS_CONFIG="elsewhere.toml")
    assert done.returncode == 2
    assert done.stderr.startswith("minipacs: elsewhere.toml: not found; ")


def test_a_second_node_on_the_same_folder(start_node: StartNode, tmp_path: Path) -> None:
    first = start_node()
    other = tmp_path / "other"
    other.mkdir()
    line = refused(other, node={"port": 0}, storage={"path": str(first.data)})
    assert line == f"[storage] path: {first.data}: in use by another minipacs"
    assert first.echoes()
    assert first.stop() == 0
    # Free again when the first has ended.
    with running_node(other, {"storage": {"path": str(first.data)}}) as second:
        assert second.echoes()


# ---- stopping


def test_sigterm_finishes_a_store_that_is_under_way(start_node: StartNode) -> None:
    """Half of it came before the signal, slowly, and the rest comes after."""
    node = start_node()
    instance = ct("1.2", "1.3", "1.4", PixelData=bytes(range(256)) * 1000)
    data = encoded(instance)
    association = node.associate((CT, EXPLICIT), ae_title="SENDER")
    assert association.is_established
    first, rest = store_fragments(association, CT, "1.4", data)
    with at_rest(association):
        for fragment in first:
            association.dul.send_pdu(fragment)
        connection = association.dul.socket.socket
        assert not readable(connection, 2)  # a sender on a slow line
        node.process.terminate()
        node.wait_for_log("stopping: SIGTERM")
        for fragment in rest:
            association.dul.send_pdu(fragment)
        response = next_message(association)
    assert response is not None, "aborted"
    assert response.Status == 0x0000
    assert node.stop() == 0
    assert data_set_bytes(node.path(instance)) == data
    association.abort()
    node.start()
    with node.association((FIND["STUDY"], EXPLICIT)) as association:
        answers, _ = find(association, FIND["STUDY"], "STUDY", StudyInstanceUID="1.2")
    assert len(answers) == 1


def readable(connection: socket.socket, seconds: float) -> bool:
    """Whether there is something to read, or the end, within so many seconds."""
    return bool(select.select([connection], [], [], seconds)[0])


def test_sigterm_lets_a_move_that_is_under_way_finish(start_node: StartNode) -> None:
    with destination("PEER") as (inbox, port):
        node = start_node(peers={"PEER": {"host": "127.0.0.1", "port": port}})
        with node.association((CT, EXPLICIT)) as association:
            for number in range(20):
                data = encoded(ct("1.2", "1.3", f"1.4.{number}"))
                assert send(association, CT, f"1.4.{number}", data).Status == 0x0000
        association = node.associate((MOVE["STUDY"], EXPLICIT))
        query = identifier("STUDY", StudyInstanceUID="1.2")
        responses = association.send_c_move(query, "PEER", MOVE["STUDY"])
        assert next(responses)[0].Status == 0xFF00
        node.process.terminate()
        answer = retrieved(responses)
        assert (answer.status, answer.counts) == (0x0000, (20, 0, 0))
        assert len(inbox.data_sets()) == 20
        assert node.stop() == 0
        association.abort()


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
def test_a_stop_with_nothing_under_way_is_prompt(tmp_path: Path, signal: str) -> None:
    """Neither idle associations nor connections, open or already closed, hold it up."""
    node = RunningNode(tmp_path)
    # What hangs would be waited for that long.
    node.constants = {
        "scp.node.worker.GRACE_SECONDS": 600.0, "scp.node.supervisor._KILL_SECONDS": 600.0,
    }  # fmt: skip
    node.start()
    idle = node.associate((ECHO, IMPLICIT))
    assert idle.send_c_echo().Status == 0x0000
    # What a load balancer's health check does.
    socket.create_connection(("127.0.0.1", node.port)).close()
    try:
        with socket.create_connection(("127.0.0.1", node.port)):
            assert node.echoes()
            os.kill(node.process.pid, getattr(__import__("signal"), signal))
            assert node.process.wait(START_SECONDS) == 0
    finally:
        if node.is_running:
            node.kill()
    node.wait_for_log(f"stopping: {signal}")
    idle.abort()


# ---- [access], [peers]

PEERS: dict[str, dict[str, Any]] = {
    "KNOWN": {},
    "ELSEWHERE": {"from": ["192.0.2.0/24"]},
    "HERE": {"from": ["192.0.2.0/24", "127.0.0.0/8"]},
    "TWO WORDS": {},
}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node that knows its callers, and its name."""
    allowed = {f"ONLY {service}": {"allow": [service]} for service in SERVICES}
    with destination("PEER") as (inbox, port):
        peers = {
            **PEERS,
            **allowed,
            "NOTHING": {"allow": []},
            "PEER": {"host": "127.0.0.1", "port": port, "allow": []},
        }
        tables = {"access": {"any_peer": False}, "peers": peers}
        with running_node(tmp_path_factory.mktemp("strict"), tables) as node:
            node.inbox = inbox  # type: ignore[attr-defined]
            with node.association((CT, EXPLICIT), ae_title="KNOWN") as association:
                data = encoded(ct("1.2", "1.3", "1.4"))
                assert send(association, CT, "1.4", data).Status == 0x0000
            yield node


def rejection(association: Association) -> tuple[int, int, int]:
    """Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    assert association.is_rejected, "not rejected"
    answer = association.acceptor.primitive
    assert answer is not None
    return (answer.result, answer.result_source, answer.diagnostic)


@pytest.mark.parametrize(
    ("calling", "called", "expected"),
    [
        ("KNOWN", "MINIPACS", None),
        ("TWO WORDS", "MINIPACS", None),
        ("HERE", "MINIPACS", None),
        ("STRANGER", "MINIPACS", (1, 1, 3)),  # calling AE title not recognized
        ("known", "MINIPACS", (1, 1, 3)),
        ("ELSEWHERE", "MINIPACS", (1, 1, 3)),
        ("KNOWN", "OTHER", (1, 1, 7)),  # called AE title not recognized
        ("KNOWN", "minipacs", (1, 1, 7)),
    ],
)
def test_who_may_call_and_whom(
    strict: RunningNode, calling: str, called: str, expected: tuple[int, int, int] | None
) -> None:
    mark = strict.mark()
    association = strict.associate((ECHO, IMPLICIT), ae_title=calling, called=called)
    if expected is None:
        assert association.is_established
        association.release()
    else:
        assert rejection(association) == expected
        line = strict.wait_for_log("association rejected", after=mark)
        assert f" peer={calling} address=127.0.0.1: " in line


def test_echoscu_says_why_it_was_rejected(strict: RunningNode) -> None:
    output = client("echoscu", strict, ["-aet", "STRANGER"], code=1)
    assert "Reason: Calling AE Title Not Recognized" in output
    output = client("echoscu", strict, ["-aet", "KNOWN"], called="OTHER", code=1)
    assert "Reason: Called AE Title Not Recognized" in output


def test_any_peer_and_any_called_title(start_node: StartNode) -> None:
    node = start_node(access={"any_called_title": True}, peers=PEERS)
    for calling in ("STRANGER", "KNOWN", "HERE"):
        association = node.associate((ECHO, IMPLICIT), ae_title=calling, called="WHATEVER")
        assert association.is_established
        association.release()
    # What is said of a peer holds even so.
    association = node.associate((ECHO, IMPLICIT), ae_title="ELSEWHERE", called="WHATEVER")
    assert rejection(association) == (1, 1, 3)


SERVICES = ("echo", "store", "find", "move", "get")
# Service -> the SOP class that it is asked for with.
CLASSES = {
    "echo": ECHO,
    "store": CT,
    "find": FIND["STUDY"],
    "move": MOVE["STUDY"],
    "get": GET["STUDY"],
}


@pytest.mark.parametrize("service", SERVICES)
def test_allow_is_the_contexts_that_are_accepted(strict: RunningNode, service: str) -> None:
    contexts = [(uid, EXPLICIT) for uid in CLASSES.values()]
    association = strict.associate(*contexts, ae_title=f"ONLY {service}")
    try:
        agreed = [context.abstract_syntax for context in association.accepted_contexts]
        assert agreed == [CLASSES[service]]
        denied = {
            context.abstract_syntax: context.result for context in association.rejected_contexts
        }
        # User rejection (PS3.8 table 9-18).
        assert denied == {uid: 1 for name, uid in CLASSES.items() if name != service}
    finally:
        association.release()


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_allowed_works(strict: RunningNode, service: str) -> None:
    title, inbox = f"ONLY {service}", Inbox()
    query = identifier("STUDY", StudyInstanceUID="1.2")
    contexts = [(CLASSES[service], EXPLICIT)]
    options: dict[str, Any] = {}
    if service == "get":
        contexts.append((CT, EXPLICIT))
        options = getting(inbox, contexts)
    with strict.association(*contexts, ae_title=title, **options) as association:
        if service == "echo":
            assert association.send_c_echo().Status == 0x0000
        elif service == "store":
            data = encoded(ct("1.2", "1.3", "1.4"))
            assert send(association, CT, "1.4", data).Status == 0x0000
        elif service == "find":
            answers, _ = find(association, FIND["STUDY"], "STUDY", StudyInstanceUID="1.2")
            assert len(answers) == 1
        elif service == "move":
            answer = retrieved(association.send_c_move(query, "PEER", MOVE["STUDY"]))
            assert (answer.status, answer.counts) == (0x0000, (1, 0, 0))
        else:
            answer = retrieved(association.send_c_get(query, GET["STUDY"]))
            assert (answer.status, answer.counts) == (0x0000, (1, 0, 0))
            assert list(inbox.data_sets()) == ["1.4"]


def test_a_peer_that_may_do_nothing_gets_no_context(strict: RunningNode) -> None:
    contexts = [(uid, EXPLICIT) for uid in CLASSES.values()]
    association = strict.associate(*contexts, ae_title="NOTHING")
    assert not association.accepted_contexts
    assert {context.result for context in association.rejected_contexts} == {1}
    association.abort()


def test_who_may_only_get_cannot_store(strict: RunningNode) -> None:
    """A storage context with both roles proposed: the one that is allowed is granted."""
    contexts = [(CT, EXPLICIT)]
    with strict.association(
        *contexts, ae_title="ONLY get", **getting(Inbox(), contexts)
    ) as association:
        (context,) = association.accepted_contexts
        assert (context.as_scu, context.as_scp) == (False, True)
        before = strict.files()
        data = encoded(ct("1.5.1", "1.5.2", "1.5.3"))
        with at_rest(association):
            association.dimse.send_msg(
                store_request(CT, "1.5.3", data), accepted(association, CT, EXPLICIT)
            )
            response = next_message(association)
        assert response is None or response.Status == 0x0124
        assert strict.files() == before


# ---- [limits]


@pytest.mark.parametrize("workers", [1, 2])
def test_one_association_too_many(start_node: StartNode, workers: int) -> None:
    node = start_node(node={"workers": workers}, limits={"associations": 3})
    # Who is rejected for another reason takes none.
    for _ in range(4):
        assert rejection(node.associate((ECHO, IMPLICIT), called="OTHER")) == (1, 1, 7)
    with ExitStack() as stack:
        first, *_ = [
            stack.enter_context(node.association((ECHO, IMPLICIT), ae_title=f"A{number}"))
            for number in range(3)
        ]
        # Transient, local limit exceeded, by the presentation related provider.
        assert rejection(node.associate((ECHO, IMPLICIT))) == (2, 3, 2)
        node.wait_for_log("association rejected", "associations = 3")
        assert first.send_c_echo().Status == 0x0000
    # All were released; each slot is free again.
    for number in range(3):
        node.wait_for_log(f"association closed peer=A{number}", "by=release")
    mark = node.mark()
    again = [node.associate((ECHO, IMPLICIT), ae_title=f"B{number}") for number in range(3)]
    assert all(association.is_established for association in again)
    assert rejection(node.associate((ECHO, IMPLICIT))) == (2, 3, 2)
    again[0].abort()
    node.wait_for_log("association closed peer=B0", "by=abort", after=mark)
    last = node.associate((ECHO, IMPLICIT))
    assert last.is_established
    for association in (*again[1:], last):
        association.release()


@pytest.mark.parametrize(("limit", "status"), [(4, 0xA700), (5, 0x0000)])
def test_find_responses(start_node: StartNode, limit: int, status: int) -> None:
    """An answer that is cut short says so (PS3.4 C.4.1.3.1); one that is not does not."""
    node = start_node(limits={"find_responses": limit})
    with node.association((CT, EXPLICIT), (FIND["STUDY"], EXPLICIT)) as association:
        for number in range(5):
            data = encoded(ct(f"1.2.{number}", f"1.3.{number}", f"1.4.{number}"))
            assert send(association, CT, f"1.4.{number}", data).Status == 0x0000
        answers, final = find(association, FIND["STUDY"], "STUDY", StudyInstanceUID="")
        assert final.Status == status
        assert len(answers) == limit
        assert len({answer.StudyInstanceUID for answer in answers}) == len(answers)
        if status:
            assert "More than 4 matches" in final.ErrorComment
            node.wait_for_log("query refused peer=TESTER", "More than 4 matches")
        else:
            node.wait_for_log("queried peer=TESTER", "answers=5", "status=0000")


def test_pdu_bytes(start_node: StartNode) -> None:
    node = start_node(limits={"pdu_bytes": 4096})
    with node.association((CT, EXPLICIT)) as association:
        assert association.acceptor.maximum_length == 4096
        instance = ct("1.2", "1.3", "1.4", PixelData=bytes(range(256)) * 100)
        assert send(association, CT, "1.4", encoded(instance)).Status == 0x0000
    assert data_set_bytes(node.path(instance)) == encoded(instance)
    # A longer one is not read.
    association = node.associate((CT, EXPLICIT), ae_title="LONG")
    connection = association.dul.socket.socket
    connection.sendall(b"\x04\x00\x00\x80\x00\x00" + bytes(1000))
    node.wait_for_log("association closed peer=LONG", "by=abort")
    association.abort()
    assert node.echoes()


def test_free_bytes(start_node: StartNode) -> None:
    node = start_node(limits={"free_bytes": 2**60})
    with node.association((CT, EXPLICIT)) as association:
        response = send(association, CT, "1.4", encoded(ct("1.2", "1.3", "1.4")))
    assert response.Status == 0xA700
    assert response.ErrorComment
    assert node.files() == []


# ---- [storage]


@pytest.mark.parametrize(
    ("on_conflict", "status", "wins", "kept"),
    [("replace", 0x0000, 1, 1), ("keep", 0xB006, 0, 0), ("refuse", 0x0111, 0, 0)],
)
def test_on_conflict(
    start_node: StartNode, on_conflict: str, status: int, wins: int, kept: int
) -> None:
    node = start_node(storage={"on_conflict": on_conflict})
    both = [ct("1.2", "1.3", "1.4", PatientName=name) for name in ("Doe^Jane", "Doe^John")]
    with node.association((CT, EXPLICIT), (FIND["STUDY"], EXPLICIT)) as association:
        assert send(association, CT, "1.4", encoded(both[0])).Status == 0x0000
        response = send(association, CT, "1.4", encoded(both[1]))
        assert response.Status == status
        assert bool(response.ErrorComment) == bool(status)
        # The same once more is no conflict.
        assert send(association, CT, "1.4", encoded(both[wins])).Status == 0x0000
        (answer,), _ = find(
            association, FIND["STUDY"], "STUDY", StudyInstanceUID="", PatientName=""
        )
        assert answer.PatientName == both[wins].PatientName
    (path,) = node.files()
    assert data_set_bytes(path) == encoded(both[wins])
    superseded = [p for p in (node.data / "superseded").rglob("*") if p.is_file()]
    assert [data_set_bytes(p) for p in superseded] == [encoded(both[0])] * kept


def test_sync_false_warns_and_works(start_node: StartNode) -> None:
    node = start_node(storage={"sync": False})
    node.wait_for_log("WARNING", "[storage] sync is false")
    with node.association((CT, EXPLICIT)) as association:
        assert send(association, CT, "1.4", encoded(ct("1.2", "1.3", "1.4"))).Status == 0x0000
    assert len(node.files()) == 1


def test_files_are_for_the_node_alone(strict: RunningNode) -> None:
    """Patient data: no other user of the machine can read it."""
    held = [strict.data, *strict.data.rglob("*")]
    assert strict.files()[0] in held
    assert [path for path in held if path.stat().st_mode & 0o077] == []


def test_the_group_may_read_what_is_received_where_that_is_set(start_node: StartNode) -> None:
    node = start_node(storage={"readers": "group"})
    with node.association((CT, EXPLICIT)) as association:
        assert send(association, CT, "1.4", encoded(ct("1.2", "1.3", "1.4"))).Status == 0x0000
    (path,) = node.files()
    assert path.stat().st_mode & 0o777 == 0o640
    folders = [folder for folder in path.parents if folder.is_relative_to(node.data)]
    assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o750}
    assert (node.data / "journal").stat().st_mode & 0o077 == 0


# ---- [tls]


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a certificate of the node's and one of a client's; and another authority."""
    folder = tmp_path_factory.mktemp("pki")
    Authority(folder, "other", 2)
    authority = Authority(folder, "ca", 1)
    authority.sign("node")
    authority.sign("client", number=101)
    return folder


def client_context(pki: Path, trusted: str = "ca", shown: str = "") -> ssl.SSLContext:
    context = trusting(pki / f"{trusted}.pem")
    if shown:
        context.load_cert_chain(pki / f"{shown}.pem", pki / f"{shown}.key")
    return context


def tls_table(pki: Path, **more: Any) -> dict[str, Any]:
    return {"certificate": str(pki / "node.pem"), "key": str(pki / "node.key"), **more}


def echoes_over_tls(node: RunningNode, context: ssl.SSLContext) -> bool:
    association = node.associate((ECHO, IMPLICIT), tls_args=(context, "127.0.0.1"))
    if not association.is_established:
        return False
    answered = bool(association.send_c_echo().get("Status") == 0x0000)
    association.release()
    return answered


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, pki: Path) -> Iterator[RunningNode]:
    """A node that shows a certificate."""
    with running_node(tmp_path_factory.mktemp("secure"), {"tls": tls_table(pki)}) as node:
        yield node


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory, pki: Path) -> Iterator[RunningNode]:
    """A node that asks for a certificate too."""
    table = tls_table(pki, ca=str(pki / "ca.pem"), require_client=True)
    with running_node(tmp_path_factory.mktemp("mutual"), {"tls": table}) as node:
        yield node


def test_tls(secure: RunningNode, pki: Path) -> None:
    assert echoes_over_tls(secure, client_context(pki))


def test_tls_with_a_client_that_trusts_another(secure: RunningNode, pki: Path) -> None:
    assert not echoes_over_tls(secure, client_context(pki, trusted="other"))
    assert echoes_over_tls(secure, client_context(pki))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_tls_with_an_old_client(secure: RunningNode, pki: Path) -> None:
    """TLS 1.1 is forbidden (RFC 8996)."""
    old = client_context(pki)
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    assert not echoes_over_tls(secure, old)
    assert echoes_over_tls(secure, client_context(pki))


def test_tls_with_a_client_without(secure: RunningNode, pki: Path) -> None:
    assert not secure.associate((ECHO, IMPLICIT)).is_established
    assert echoes_over_tls(secure, client_context(pki))


def test_tls_with_a_store_of_many_pdus(secure: RunningNode, pki: Path) -> None:
    instance = ct("1.2", "1.3", "1.4", PixelData=os.urandom(3_000_000))
    data = encoded(instance)
    options = {"tls_args": (client_context(pki), "127.0.0.1")}
    with secure.association((CT, EXPLICIT), **options) as association:
        assert send(association, CT, "1.4", data).Status == 0x0000
    assert data_set_bytes(secure.path(instance)) == data
    inbox, contexts = Inbox(), [(GET["STUDY"], EXPLICIT), (CT, EXPLICIT)]
    with secure.association(*contexts, **getting(inbox, contexts), **options) as association:
        query = identifier("STUDY", StudyInstanceUID="1.2")
        assert retrieved(association.send_c_get(query, GET["STUDY"])).counts == (1, 0, 0)
    assert inbox.data_sets() == {"1.4": data}


def test_tls_with_dcmtk(mutual: RunningNode, pki: Path) -> None:
    options = ["+tls", pki / "client.key", pki / "client.pem", "+cf", pki / "ca.pem"]
    output = client("echoscu", mutual, options)
    assert "Received Echo Response (Success)" in output


@pytest.mark.parametrize(("shown", "welcome"), [("client", True), ("", False), ("other", False)])
def test_tls_that_requires_a_clients_certificate(
    mutual: RunningNode, pki: Path, shown: str, welcome: bool
) -> None:
    assert echoes_over_tls(mutual, client_context(pki, shown=shown)) == welcome
    assert echoes_over_tls(mutual, client_context(pki, shown="client"))


def test_a_stalled_handshake_holds_nobody_up(start_node: StartNode, pki: Path) -> None:
    node = start_node(tls=tls_table(pki), limits={"network_timeout": 2, "acse_timeout": 2})
    stalled = [socket.create_connection(("127.0.0.1", node.port), 30) for _ in range(5)]
    assert echoes_over_tls(node, client_context(pki))
    for connection in stalled:
        assert readable(connection, START_SECONDS)
        connection.close()


def test_tls_without_the_authority_that_it_requires(tmp_path: Path, pki: Path) -> None:
    line = refused(tmp_path, node={"port": 0}, tls=tls_table(pki, require_client=True))
    assert line == "[tls] ca: missing; require_client = true needs it"

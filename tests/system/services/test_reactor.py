"""The upper layer on one thread: what it relies on in pynetdicom, and how it behaves."""

import inspect
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pynetdicom
import pytest
from pynetdicom import fsm
from pynetdicom.acse import ACSE
from pynetdicom.association import Association, ServiceUser
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dul import DULServiceProvider
from pynetdicom.timer import Timer
from pynetdicom.transport import AddressInformation, AssociationSocket
from support import (
    CT,
    ECHO,
    EXPLICIT,
    IMPLICIT,
    START_SECONDS,
    RunningNode,
    ct,
    data_set_bytes,
    encoded,
    running_node,
)

from scp.network.association.acceptor import NodeAssociation
from scp.network.dimse import writer
from scp.network.dimse.command_set import Command, Field, decode, encode
from scp.network.dimse.reader import COMMAND, LAST
from scp.network.upper_layer.event_loop import EventLoop

# ---- what it relies on

CLASSES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        DULServiceProvider,
        Association,
        ACSE,
        fsm.StateMachine,
        AssociationSocket,
        Timer,
        DIMSEServiceProvider,
        ServiceUser,
        AddressInformation,
    )
}
# What is replaced, overridden, called privately or copied, by a digest of its source.
RELIED_ON = {
    "DULServiceProvider.__init__": "c82dafa9438ddf70",
    "DULServiceProvider.run_reactor": "e3a10eb3a0931e48",
    "DULServiceProvider._process_recv_primitive": "4c0ebbb3e646e35e",
    "DULServiceProvider._decode_pdu": "fc71dd1bf853e1ce",
    "DULServiceProvider._is_transport_event": "8725ed03bb8fbdef",
    "DULServiceProvider._read_pdu_data": "19f2d4e38c13c835",
    "DULServiceProvider._send": "a850a7919e68484e",
    "DULServiceProvider.send_pdu": "7cbce5da8594124e",
    "DULServiceProvider.receive_pdu": "fa67339834ca998c",
    "DULServiceProvider.peek_next_pdu": "7bdb626e1247e1b6",
    "DULServiceProvider.stop_dul": "28a7e0be126e7b30",
    "DULServiceProvider.kill_dul": "5ceccf8dd01c2072",
    "DULServiceProvider.idle_timer_expired": "0150c19fda68f6e9",
    "Association.__init__": "eb07516b8009ad8f",
    "Association.run_reactor": "ed8bbbe3b3d6ddae",
    "Association._run_reactor": "f28838c5559e462a",
    "Association.kill": "8f9713666a7f4cff",
    "Association.release": "c7d713502b77d702",
    "Association.request": "928cd0e3013c9ab9",
    "Association.abort": "de1cee39dfe396b0",
    "Association._abort_blocking": "10b43ef8c63c6764",
    "Association.set_socket": "235681dc751728fb",
    "Association.acse_timeout": "5633674fbb21bae5",
    "Association.network_timeout": "5aa7c33171f1d0c9",
    "ACSE.negotiate_association": "a6f771214fa494c1",
    "ACSE._negotiate_as_requestor": "507959152c5896c6",
    "ACSE.negotiate_release": "e66977c7292334c5",
    "ACSE.is_aborted": "ad2eb3f545a9ed05",
    "ACSE.is_release_requested": "894b33d21a8dec8e",
    "ACSE.send_abort": "6707ebd82b156b4b",
    "ACSE.send_accept": "c03855deabefe975",
    "ACSE.send_reject": "700998293bbcb6c9",
    "ACSE.send_release": "28eaf9df836ca88f",
    "StateMachine.do_action": "9a883f44c7f31641",
    "StateMachine.transition": "ea885ad668e50403",
    "AssociationSocket.__init__": "1f0325fdef2cc353",
    "AssociationSocket.close": "c726c8db53813d55",
    "AssociationSocket.connect": "aeeeae413bd339dc",
    "AssociationSocket.send": "1ea8158c0b51faca",
    "AssociationSocket._shutdown_socket": "e2b2628faa81a578",
    "Timer.expired": "66a10fac524fa183",
    "Timer.remaining": "4556c335c34ee264",
    "Timer.restart": "30af96b32eeff8ae",
    "Timer.start": "b780943e397630dd",
    "Timer.stop": "0d5473220f733bbc",
    "DIMSEServiceProvider.__init__": "bbecd186810e7700",
    "DIMSEServiceProvider.receive_primitive": "5f99c86b14a15cef",
    "DIMSEServiceProvider.maximum_pdu_size": "600fc7073d35ccd6",
    "ServiceUser.__init__": "81bf9cfc3aff80ea",
    "ServiceUser.reset_negotiation_items": "78740872df49da5f",
    "ServiceUser.add_negotiation_item": "4cdecb7f997d1c68",
    "ServiceUser.user_information": "b10b0366589d5cfc",
    "AddressInformation.__init__": "6e9960576155b346",
    "AddressInformation.address": "6a6a5aed578c6c47",
}
ACTIONS_DIGEST = "5bf1c00bcae86bef"
TRANSITIONS_DIGEST = "eddbbb3c0a72262c"

CHANGED = (
    "pynetdicom's {} is not what scp/network/upper_layer and scp/network/association were written "
    "against: read it again beside them, run every test, and then put its new digest here: {}"
)


def digest(*texts: str) -> str:
    return sha256("\n".join(texts).encode()).hexdigest()[:16]


def source_of(name: str) -> str:
    """The source of a method, or of the accessors of a property."""
    kind, method = name.split(".")
    found: Any = inspect.getattr_static(CLASSES[kind], method)
    parts = [found.fget, found.fset] if isinstance(found, property) else [found]
    return "".join(inspect.getsource(part) for part in parts if part)


def test_pynetdicom_is_of_the_version_that_was_read() -> None:
    words = "scp/network/upper_layer replaces what 3.0 does in threads: read both again"
    assert pynetdicom.__version__.startswith("3.0."), words


@pytest.mark.parametrize("name", RELIED_ON)
def test_what_is_relied_on_has_not_changed(name: str) -> None:
    now = digest(source_of(name))
    assert now == RELIED_ON[name], CHANGED.format(name, now)


def test_the_state_machine_has_not_changed() -> None:
    """States, events and transitions of PS3.8 9.2, and what each action does."""
    table = digest(*(f"{key}: {fsm.TRANSITION_TABLE[key]}" for key in sorted(fsm.TRANSITION_TABLE)))
    assert table == TRANSITIONS_DIGEST, CHANGED.format("fsm.TRANSITION_TABLE", table)
    actions = digest(*(inspect.getsource(fsm.ACTIONS[name][1]) for name in sorted(fsm.ACTIONS)))
    assert actions == ACTIONS_DIGEST, CHANGED.format("fsm.ACTIONS", actions)


# ---- a peer of bytes

A_ASSOCIATE_AC, P_DATA_TF, A_RELEASE_RP, A_ABORT = 0x02, 0x04, 0x06, 0x07
RELEASE_RQ = bytes.fromhex("05 00 00000004 00000000")
ABORT = bytes.fromhex("07 00 00000004 00000000")
# The presentation contexts of every association here.
ECHO_CONTEXT, CT_CONTEXT = 1, 3
PDU_BYTES = 1048576  # as agreed: the default of [limits]


def association_item(kind: int, body: bytes) -> bytes:
    """An item of an A-ASSOCIATE-RQ (PS3.8 9.3.2)."""
    return struct.pack(">BxH", kind, len(body)) + body


def association_request() -> bytes:
    """An A-ASSOCIATE-RQ PDU."""
    contexts = b"".join(
        association_item(
            0x20,
            struct.pack(">B3x", number)
            + association_item(0x30, abstract.encode())
            + association_item(0x40, syntax.encode()),
        )
        for number, abstract, syntax in (
            (ECHO_CONTEXT, ECHO, IMPLICIT),
            (CT_CONTEXT, CT, EXPLICIT),
        )
    )
    user = association_item(0x51, struct.pack(">I", 16384)) + association_item(0x52, b"1.2.3")
    body = (
        struct.pack(">HH16s16s32x", 1, 0, b"MINIPACS".ljust(16), b"BYTES".ljust(16))
        + association_item(0x10, b"1.2.840.10008.3.1.1.1")
        + contexts
        + association_item(0x50, user)
    )
    return struct.pack(">BxI", 1, len(body)) + body


def p_data(*values: tuple[int, int, bytes]) -> bytes:
    """A P-DATA-TF PDU, of context ID, message control header and fragment of each value."""
    items = b"".join(struct.pack(">IBB", len(v) + 2, c, h) + v for c, h, v in values)
    return struct.pack(">BxI", P_DATA_TF, len(items)) + items


def echo_request(message_id: int) -> bytes:
    """The PDU of a C-ECHO request."""
    command = Command(Field.C_ECHO_RQ, message_id, sop_class=ECHO)
    return p_data((ECHO_CONTEXT, COMMAND | LAST, encode(command)))


def store_command(instance: str) -> tuple[int, int, bytes]:
    """The value that is the command of a C-STORE request."""
    return CT_CONTEXT, COMMAND | LAST, writer.store_request(CT, instance, 1, 2, None)


class Peer:
    """A connection to a node, and whole PDUs as they come from there."""

    def __init__(self, node: RunningNode) -> None:
        self.connection = socket.create_connection(("127.0.0.1", node.port), START_SECONDS)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = self.connection.makefile("rb")

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()
        self.connection.close()

    def send(self, data: bytes, size: int = 0) -> None:
        """Send it; `size` bytes a segment where given."""
        step = size or len(data) or 1
        for start in range(0, len(data), step):
            self.connection.sendall(data[start : start + step])

    def receive(self) -> tuple[int, bytes]:
        """The type and the rest of the next PDU; type 0 where the connection has ended."""
        try:
            head = self._stream.read(6)
            if not head:
                return 0, b""
            kind, length = struct.unpack(">BxI", head)
            return kind, self._stream.read(length)
        except ConnectionResetError:
            return 0, b""

    def associate(self) -> "Peer":
        self.send(association_request())
        assert self.receive()[0] == A_ASSOCIATE_AC
        return self

    def answer(self) -> Command:
        """The command of the next message, which fits into a PDU."""
        kind, body = self.receive()
        assert kind == P_DATA_TF
        assert body[5] == COMMAND | LAST
        return decode(body[6:])

    def release(self) -> None:
        self.send(RELEASE_RQ)
        assert self.receive()[0] == A_RELEASE_RP


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node that takes as many associations as a test opens."""
    limits = {"associations": 1000}
    with running_node(tmp_path_factory.mktemp("reactor"), {"limits": limits}) as running:
        yield running


# ---- waiting costs nothing

WATCHED_SECONDS = 3.0
# The node itself looks around now and then; what polls wakes by the hundred in a second.
MOST_WAKES = 60


def wakes(node: RunningNode) -> dict[str, int]:
    """How often each thread of a node's processes has waited for something so far."""
    found = {}
    for process in (node.process.pid, *node.workers):
        for task in Path(f"/proc/{process}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # one that has ended
                told = (task / "status").read_text().partition("\nvoluntary_ctxt_switches:")[2]
                found[task.name] = int(told.split()[0])
    return found


def wakes_while_nothing_comes(node: RunningNode, connection: socket.socket) -> int:
    """How often threads of a node wake while `connection` has nothing to read."""
    connection.settimeout(WATCHED_SECONDS)
    before = wakes(node)
    with pytest.raises(TimeoutError):
        connection.recv(1)
    return sum(count - before.get(thread, 0) for thread, count in wakes(node).items())


def test_an_idle_node_waits(served: RunningNode) -> None:
    before = wakes(served)
    assert served.echoes()
    assert sum(wakes(served).values()) > sum(before.values())  # which this counts
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        assert wakes_while_nothing_comes(served, silent) <= MOST_WAKES


def test_associations_that_wait_wake_nobody(served: RunningNode) -> None:
    """Whatever they wait for: the next message, or the rest of a PDU."""
    begun = {
        "nothing": b"",
        "part of a header": echo_request(1)[:3],
        "part of a PDU": echo_request(1)[:-1],
        "part of a message": p_data(store_command("1.2.3"), (CT_CONTEXT, 0, b"12")),
    }
    peers = [Peer(served) for _ in range(15)]
    try:
        for peer in peers[5:]:
            peer.associate()
        for peer, data in zip(peers[5:], begun.values(), strict=False):
            peer.send(data)
        peers[0].send(association_request()[:100])
        assert served.echoes()
        assert wakes_while_nothing_comes(served, peers[-1].connection) <= MOST_WAKES
    finally:
        for peer in peers:
            peer.close()


# ---- nothing stays behind

ROUNDS = 200
# A worker keeps some threads for the associations that come next, with what these have open: how
# many is the machine's to say. What one round in ten leaves behind is more than that.
MOST_KEPT = ROUNDS // 10
SETTLE_SECONDS = 15.0


def echo_and_release(node: RunningNode) -> None:
    with Peer(node) as peer:
        peer.associate().send(echo_request(1))
        assert peer.answer().status == 0
        peer.release()


def abort(node: RunningNode) -> None:
    with Peer(node) as peer:
        peer.associate().send(ABORT)


def say_nothing(node: RunningNode) -> None:
    Peer(node).close()


def ask_and_go(node: RunningNode) -> None:
    with Peer(node) as peer:
        peer.send(association_request())


def stop_in_a_store(node: RunningNode) -> None:
    """With more of a data set than is held in memory, and part of a PDU."""
    with Peer(node) as peer:
        peer.associate().send(p_data(store_command("1.2.3"), (CT_CONTEXT, 0, bytes(100_000))))
        peer.send(p_data((CT_CONTEXT, 0, bytes(1000)))[:500])


KINDS: list[Callable[[RunningNode], None]] = [
    echo_and_release,
    abort,
    say_nothing,
    ask_and_go,
    stop_in_a_store,
]


def held(node: RunningNode) -> tuple[int, int]:
    """Threads and descriptors of a node's workers."""
    threads = descriptors = 0
    for worker in node.workers:
        threads += len(os.listdir(f"/proc/{worker}/task"))
        descriptors += len(os.listdir(f"/proc/{worker}/fd"))
    return threads, descriptors


def settled(node: RunningNode, most: tuple[int, int]) -> tuple[int, int]:
    """What a node holds once it is not more than `most`, or once that takes too long."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        assert node.echoes()
        now = held(node)
        if all(count <= limit for count, limit in zip(now, most, strict=True)):
            return now
        if time.monotonic() > deadline:
            return now


def at_rest(node: RunningNode) -> tuple[int, int]:
    """What a node holds when nobody is connected: the least of some looks."""
    looks = []
    for _ in range(10):
        assert node.echoes()
        looks.append(held(node))
    threads, descriptors = (min(counts) for counts in zip(*looks, strict=True))
    return threads, descriptors


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_associations_leave_nothing_behind(
    served: RunningNode, kind: Callable[[RunningNode], None]
) -> None:
    kind(served)
    before = at_rest(served)
    for _ in range(ROUNDS):
        kind(served)
    most = (before[0] + MOST_KEPT, before[1] + MOST_KEPT)
    threads, descriptors = settled(served, most)
    assert threads <= most[0]
    assert descriptors <= most[1]
    assert served.incoming() == []


# ---- as the bytes come

SIZES = [1, 2, 7, 0]


@pytest.mark.parametrize("size", SIZES)
def test_an_association_is_accepted_however_it_is_asked_for(served: RunningNode, size: int) -> None:
    """A byte a segment, some bytes a segment, or all at once."""
    with Peer(served) as peer:
        peer.send(association_request(), size)
        assert peer.receive()[0] == A_ASSOCIATE_AC
        peer.send(echo_request(1), size)
        assert peer.answer().status == 0
        peer.send(RELEASE_RQ, size)
        assert peer.receive()[0] == A_RELEASE_RP
        assert peer.receive()[0] == 0


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", [1, 2, 4, 5, 50])
def test_requests_are_answered_in_their_order_however_they_come(
    served: RunningNode, count: int, size: int
) -> None:
    """Several PDUs in a segment, or one in several; more than may wait as well."""
    with Peer(served) as peer:
        peer.associate()
        peer.send(b"".join(echo_request(number) for number in range(count)), size)
        for number in range(count):
            answer = peer.answer()
            assert answer == Command(Field.C_ECHO_RSP, None, number, ECHO, status=0)
        peer.release()


def test_requests_and_a_release_in_one_segment_are_all_answered(served: RunningNode) -> None:
    with Peer(served) as peer:
        peer.associate()
        peer.send(b"".join(echo_request(number) for number in range(3)) + RELEASE_RQ)
        assert [peer.answer().responds_to for _ in range(3)] == [0, 1, 2]
        assert peer.receive()[0] == A_RELEASE_RP
        assert peer.receive()[0] == 0


def test_all_in_one_segment_is_served(served: RunningNode) -> None:
    """A peer that does not wait to be accepted, against PS3.8: served, or aborted at once."""
    with Peer(served) as peer:
        with suppress(ConnectionResetError):
            peer.send(association_request() + echo_request(1) + RELEASE_RQ)
        kinds: list[int] = []
        while not kinds or kinds[-1]:
            kinds.append(peer.receive()[0])
        assert kinds in ([A_ASSOCIATE_AC, P_DATA_TF, A_RELEASE_RP, 0], [A_ABORT, 0])
    assert served.echoes()


def stored(node: RunningNode, instance: str, *pdus: bytes) -> bytes:
    """The data set that a node has, once it has stored what comes in these PDUs."""
    with Peer(node) as peer:
        peer.associate()
        for pdu in pdus:
            peer.send(pdu)
        answer = peer.answer()
        assert (answer.field, answer.status) == (Field.C_STORE_RSP, 0)
        peer.release()
    return data_set_bytes(node.path(ct("1.5.1", "1.5.2", instance)))


def fragments(data: bytes, size: int) -> list[tuple[int, int, bytes]]:
    """The values of a data set, in fragments of `size` bytes."""
    starts = range(0, len(data), size)
    last = starts[-1]
    return [
        (CT_CONTEXT, LAST if start == last else 0, data[start : start + size]) for start in starts
    ]


def test_a_data_set_in_fragments_of_a_byte_is_stored_byte_for_byte(served: RunningNode) -> None:
    """Each in a PDU of its own, all in one PDU, and in PDUs of some."""
    whole = encoded(ct("1.5.1", "1.5.2", "1.5.3", PixelData=bytes(range(256)) * 4))
    values = [store_command("1.5.3"), *fragments(whole, 1)]
    assert stored(served, "1.5.3", *(p_data(value) for value in values)) == whole
    assert stored(served, "1.5.3", b"".join(p_data(value) for value in values)) == whole
    assert stored(served, "1.5.3", p_data(*values)) == whole
    some = [p_data(*values[start : start + 100]) for start in range(0, len(values), 100)]
    assert stored(served, "1.5.3", *some) == whole


def test_a_data_set_in_empty_fragments_too_is_stored_byte_for_byte(served: RunningNode) -> None:
    whole = encoded(ct("1.5.1", "1.5.2", "1.5.4"))
    empty = (CT_CONTEXT, 0, b"")
    values = [store_command("1.5.4"), empty, (CT_CONTEXT, 0, whole), empty, (CT_CONTEXT, LAST, b"")]
    assert stored(served, "1.5.4", *(p_data(value) for value in values)) == whole


@pytest.mark.parametrize("size", [PDU_BYTES - 6, 65536, 4096])
def test_a_data_set_of_many_pdus_is_stored_byte_for_byte(served: RunningNode, size: int) -> None:
    """In the longest that were agreed, and in shorter ones."""
    instance = f"1.5.5.{size}"
    whole = encoded(ct("1.5.1", "1.5.2", instance, PixelData=os.urandom(2_500_000)))
    values = [store_command(instance), *fragments(whole, size)]
    assert stored(served, instance, *(p_data(value) for value in values)) == whole


# ---- longer than agreed

TOO_LONG = {
    "P-DATA of a byte more": struct.pack(">BxI", P_DATA_TF, PDU_BYTES + 1),
    "P-DATA of a byte more, that comes": struct.pack(">BxI", P_DATA_TF, PDU_BYTES + 1)
    + bytes(PDU_BYTES + 1),
    "P-DATA of 4 GiB, that begins": struct.pack(">BxI", P_DATA_TF, 0xFFFFFFFF) + bytes(100),
    "A-RELEASE-RQ of 4 GiB": struct.pack(">BxI", 0x05, 0xFFFFFFFF),
}


def assert_one_abort(node: RunningNode, peer: Peer, source: int) -> None:
    """`source` is 2 for the service provider (PS3.8 9.3.8)."""
    kind, body = peer.receive()
    assert (kind, body[2]) == (A_ABORT, source)
    assert peer.receive()[0] == 0
    assert node.echoes()


@pytest.mark.parametrize("what", TOO_LONG)
def test_a_pdu_longer_than_agreed_gets_one_abort(served: RunningNode, what: str) -> None:
    mark = served.mark()
    with Peer(served) as peer:
        peer.associate()
        with suppress(ConnectionError):  # it may have ended by now
            peer.send(TOO_LONG[what])
        assert_one_abort(served, peer, 2)
    served.wait_for_log("protocol error peer=BYTES", "agreed", after=mark)
    served.wait_for_log("association closed peer=BYTES", "by=abort", after=mark)


def test_a_request_longer_than_any_gets_one_abort(served: RunningNode) -> None:
    with Peer(served) as peer:
        peer.send(struct.pack(">BxI", 0x01, 1 << 24) + bytes(100))
        assert_one_abort(served, peer, 0)  # action AA-1, of PS3.8 table 9-9


# What threads have of their own in some version of Python from 3.11 on.
OF_THREADS = {"_handle", "_os_thread_handle", "_context", "_tstate_lock", "_is_stopped", "_stop"}


@pytest.mark.parametrize("kind", [NodeAssociation, EventLoop])
def test_no_name_is_taken_from_the_thread_that_it_runs_in(kind: type[threading.Thread]) -> None:
    of_threads = OF_THREADS | {one for one in dir(threading.Thread()) if not one.startswith("__")}
    assert {"_target", "run", "is_alive"} <= of_threads
    assert not {one for one in vars(kind) if one in of_threads} - {"run", "is_alive"}
    assert not set(kind.__init__.__code__.co_names) & of_threads

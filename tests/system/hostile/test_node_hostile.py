"""Peers that mean harm: ended in bounded time and memory, while others are served."""

import re
import resource
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count, repeat
from pathlib import Path

import pytest
from support import (
    CT,
    ECHO,
    EXPLICIT,
    FIND,
    IMPLICIT,
    Code,
    RunningNode,
    StartNode,
    client,
    ct,
    encoded,
    identifier,
    send,
)
from support import running_node as running_node_in
from support.checks.watching import anonymous, assert_no_more, at_rest
from support.network.plain_peer import Wire
from support.network.wire import (
    COMMAND,
    LAST,
    P_DATA,
    RELEASE,
    RELEASED,
    association_request,
    command_set,
    context_item,
    item,
    message,
    messages,
    pdu,
    request,
    request_of,
    role_item,
    uid,
    us,
    user_information,
    value,
)

OPENING = association_request(
    [(1, CT, [EXPLICIT]), (3, ECHO, [IMPLICIT]), (5, FIND["STUDY"], [EXPLICIT])]
)
STORE = command_set(request(0x0001, CT, True, (0x0700, us(0)), (0x1000, uid("1.2.3"))))
QUERY = command_set(request(0x0020, FIND["STUDY"], True, (0x0700, us(0))))
# The patience of the node, and how long anything may take that it does not wait for.
TIMEOUT = 1.0
PROMPT_SECONDS = 30.0
ENDED_SECONDS = 60.0
MOST_KIB = 64 * 1024


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node whose patience is short."""
    limits = {"acse_timeout": TIMEOUT, "dimse_timeout": TIMEOUT, "network_timeout": TIMEOUT}
    with running_node_in(tmp_path_factory.mktemp("hostile"), {"limits": limits}) as running:
        yield running


def echo_seconds(node: RunningNode) -> float:
    """How long another peer's C-ECHO takes.

    Of a process of its own: pynetdicom waits by select(2), which knows no descriptor above 1,023,
    and here may be more.
    """
    started = time.monotonic()
    client("echoscu", node)
    return time.monotonic() - started


def held_kib(node: RunningNode) -> int:
    """The memory of all workers."""
    return sum(map(anonymous, node.workers))


def until_ended(
    wire: Wire, pieces: Iterable[bytes], pause: float, look: Callable[[], None]
) -> None:
    """Send piece by piece until the node ends the connection, which it has to in time."""
    deadline = time.monotonic() + ENDED_SECONDS
    for piece in pieces:
        if not wire.send(piece) or wire.is_over(pause):
            return
        look()
        assert time.monotonic() < deadline, "not ended"
    assert wire.is_over(ENDED_SECONDS), "not ended"


# ---- a byte now and then

PAUSE = 0.3
TRICKLES: dict[str, tuple[bytes, bytes, Iterable[bytes]]] = {
    "an A-ASSOCIATE-RQ": (b"", b"", (OPENING[n : n + 1] for n in count())),
    "a PDU": (OPENING, pdu(P_DATA, b"", 100_000), repeat(b"\0")),
    "a command in PDUs": (OPENING, b"", repeat(pdu(P_DATA, value(1, COMMAND, b"\0")))),
    "a data set in PDUs": (
        OPENING,
        pdu(P_DATA, value(1, COMMAND | LAST, STORE)),
        repeat(pdu(P_DATA, value(1, 0, b"\0"))),
    ),
    "an identifier in PDUs": (
        OPENING,
        pdu(P_DATA, value(5, COMMAND | LAST, QUERY)),
        repeat(pdu(P_DATA, value(5, 0, b"\0"))),
    ),
}


@pytest.mark.parametrize("what", TRICKLES)
def test_what_trickles_for_ever_is_ended(node: RunningNode, what: str) -> None:
    opening, begun, pieces = TRICKLES[what]
    with Wire(node.port) as wire:
        if opening:
            wire.associate(opening)
        assert wire.send(begun)
        until_ended(wire, pieces, PAUSE, lambda: None)
    assert node.echoes()
    assert node.incoming() == []


def test_a_slow_sender_is_waited_for(node: RunningNode) -> None:
    """For many times the network's timeout, in one PDU and in many."""
    data = encoded(ct("1.2", "1.2.1", "1.2.3", PixelData=bytes(1000)))
    for size in (len(data), 50):
        stream = message(1, STORE, data, size)
        with Wire(node.port) as wire:
            wire.associate(OPENING)
            for start in range(0, len(stream), 100):
                assert not wire.hears(TIMEOUT / 5)
                assert wire.send(stream[start : start + 100])
            (answer,) = messages([wire.receive()])
            assert answer.number(0x0900) == 0x0000
            assert wire.send(RELEASE)
            assert wire.receive() == RELEASED


def test_a_request_that_comes_at_the_last_moment_is_served(tmp_path: Path) -> None:
    """To decode it takes longer than there is time for it: it came all the same."""
    node = RunningNode(tmp_path, {"limits": {"acse_timeout": TIMEOUT}})
    loop = "scp.network.upper_layer.event_loop"
    decode = f"{loop}.EventLoop._decode"
    slow = f"lambda *given, do={decode}: ({loop}.time.sleep({1.5 * TIMEOUT}), do(*given))"
    node.constants = {decode: Code(slow)}
    try:
        node.start()
        assert node.echoes()
        assert node.stop() == 0
        assert not node.bugs(), "\n".join(node.bugs())
    finally:
        if node.is_running:
            node.kill()


# ---- in a hurry, and without end

_CONTEXT = context_item(1, "1.2", ["1.2"])
HURRIES: dict[str, tuple[bytes, bytes, bytes]] = {
    "a PDU of 4 GiB": (OPENING, pdu(P_DATA, b"", 0xFFFFFFFF), bytes(1 << 16)),
    "an A-ASSOCIATE-RQ of 4 GiB": (b"", pdu(1, b"", 0xFFFFFFFF), bytes(1 << 16)),
    "a command": (OPENING, b"", pdu(P_DATA, value(1, COMMAND, bytes(1000)))),
    "a command in fragments of nothing": (OPENING, b"", pdu(P_DATA, value(1, COMMAND, b""))),
    "a data set in fragments of nothing": (
        OPENING,
        pdu(P_DATA, value(1, COMMAND | LAST, STORE)),
        pdu(P_DATA, value(1, 0, b"") * 1000),
    ),
    "an identifier": (
        OPENING,
        pdu(P_DATA, value(5, COMMAND | LAST, QUERY)),
        pdu(P_DATA, value(5, 0, bytes(1 << 16))),
    ),
}


@pytest.mark.parametrize("what", HURRIES)
def test_what_never_ends_is_ended(node: RunningNode, what: str) -> None:
    opening, begun, piece = HURRIES[what]
    before = peak = held_kib(node)

    def look() -> None:
        nonlocal peak
        peak = max(peak, held_kib(node))

    with Wire(node.port) as wire:
        if opening:
            wire.associate(opening)
        wire.send(begun)
        until_ended(wire, repeat(piece), 0.0, look)
    print(f"{what}: {peak - before} KiB")
    assert peak - before < MOST_KIB
    assert echo_seconds(node) < PROMPT_SECONDS


_MANY_SYNTAXES = [context_item(n, ECHO, ["1.2"] * 9000) for n in range(1, 31, 2)]
_MANY_ROLES = [user_information(*[role_item(f"1.2.{n}", 1, 1) for n in range(4000)])] * 15
# Of less than 1 MiB each, which is read whole.
REQUESTS = {
    "contexts": request_of([_CONTEXT] * ((1 << 20) // len(_CONTEXT) - 10)),
    "transfer syntaxes": request_of(_MANY_SYNTAXES),
    "roles": request_of([_CONTEXT, *_MANY_ROLES]),
    "as much as may be": request_of(
        [context_item(n, ECHO, [*["1.2"] * 74, IMPLICIT]) for n in range(1, 256, 2)]
    ),
    "items of nothing": request_of([item(0x60, b"")] * 250_000),
}


@pytest.mark.parametrize("what", REQUESTS)
def test_the_biggest_requests_in_a_hurry_hold_nobody_up(node: RunningNode, what: str) -> None:
    assert len(REQUESTS[what]) < 1 << 20
    before, slowest = held_kib(node), 0.0
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(node.port)) for _ in range(10)]
        for wire in wires:
            assert wire.send(REQUESTS[what])
        for wire in wires:
            slowest = max(slowest, echo_seconds(node))
            assert wire.hears(ENDED_SECONDS)
            wire.send(RELEASE)
        for wire in wires:
            assert wire.is_over(ENDED_SECONDS)
    print(f"{what}: an echo within {slowest:.2f} s, {held_kib(node) - before} KiB")
    assert slowest < PROMPT_SECONDS
    assert held_kib(node) - before < MOST_KIB


# ---- many, and silent

CROWD = 700


@contextmanager
def crowd(node: RunningNode, size: int) -> Iterator[None]:
    """Connections that say nothing."""
    with ExitStack() as stack:
        for _ in range(size):
            stack.enter_context(Wire(node.port))
        yield


def test_a_crowd_that_says_nothing_holds_nobody_up(start_node: StartNode) -> None:
    """With two descriptors each, of a node that was started with the usual 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        node = start_node(limits={"acse_timeout": 60})
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    before = at_rest(node)
    started = time.monotonic()
    with crowd(node, CROWD):
        seconds = [echo_seconds(node) for _ in range(5)]
        print(f"{CROWD} connections and 5 echoes in {time.monotonic() - started:.2f} s: {seconds}")
        assert max(seconds) < PROMPT_SECONDS
    assert_no_more(node, before)


def test_a_crowd_that_takes_all_descriptors_leaves_a_node_that_serves(
    start_node: StartNode,
) -> None:
    """Of the two that a connection takes either may be the one that is not there."""
    node = start_node(limits={"acse_timeout": 60})
    before, (worker,) = at_rest(node), node.workers
    for most in (101, 100):
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (most, 101))
        mark = node.mark()
        with crowd(node, 100):
            node.wait_for_log("ERROR", after=mark)
        assert_no_more(node, before)
    node.wait_for_log("cannot accept: Too many open files")
    node.wait_for_log("connection refused address=127.0.0.1: OSError")
    assert node.workers == [worker]


# ---- who never reads

STUDIES, COMMENT_BYTES = 200, 60_000


@pytest.fixture
def full(start_node: StartNode) -> RunningNode:
    """A node with studies whose answers are more than a connection holds back."""
    node = start_node(limits={"network_timeout": TIMEOUT})
    with node.association((CT, EXPLICIT)) as association:
        for number in range(STUDIES):
            study = f"1.2.{number}"
            held = ct(study, f"{study}.1", f"{study}.1.1", PatientID=study,
                      PatientComments="x" * COMMENT_BYTES)  # fmt: skip
            response = send(association, CT, f"{study}.1.1", encoded(held))
            assert response.Status == 0x0000
    return node


def test_who_never_reads_the_answers_is_let_go(full: RunningNode) -> None:
    before = at_rest(full)
    query = encoded(identifier("STUDY", StudyInstanceUID="", PatientComments=""))
    with Wire(full.port, receive_buffer=4096) as wire:
        wire.associate(OPENING)
        assert wire.send(message(5, QUERY, query))
        assert echo_seconds(full) < PROMPT_SECONDS
        closed = full.wait_for_log("association closed peer=BYTES", seconds=ENDED_SECONDS)
    sent = re.search(r"by=abort requests=1 .*bytes_out=(\d+)", closed)
    assert sent, closed
    assert 0 < int(sent[1]) < STUDIES * COMMENT_BYTES
    assert_no_more(full, before)

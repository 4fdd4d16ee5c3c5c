"""Associations by the thousand, ended in every state: nothing of them stays behind."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice, product

import pytest
from support import CT, ECHO, EXPLICIT, FIND, GET, IMPLICIT, RunningNode, ct, encoded, identifier
from support import running_node as running_node_in
from support.checks.watching import assert_no_more, at_rest, grown, strays
from support.network.plain_peer import Wire
from support.network.wire import (
    ABORTED,
    COMMAND,
    LAST,
    P_DATA,
    RELEASE,
    RELEASED,
    association_request,
    command_set,
    message,
    messages,
    pdu,
    request,
    role_item,
    uid,
    us,
    value,
)

OPENING = association_request(
    [(1, CT, [EXPLICIT]), (3, ECHO, [IMPLICIT]), (5, FIND["STUDY"], [EXPLICIT]),
     (7, GET["STUDY"], [EXPLICIT])],
    role_item(CT, 1, 1),
)  # fmt: skip
# What the node holds, so that a query has some answers and a retrieve some sub-operations.
STUDIES = 100
AT_ONCE = 8
SECONDS = 30.0
_PRIORITY = (0x0700, us(0))


def data_set(number: int) -> bytes:
    """The only instance of a study."""
    study, pixels = f"1.2.{number}", bytes(50_000)
    return encoded(ct(study, f"{study}.1", f"{study}.1.1", PatientID=study, PixelData=pixels))


def store(number: int) -> bytes:
    """The message that stores it."""
    instance = (0x1000, uid(f"1.2.{number}.1.1"))
    command = command_set(request(0x0001, CT, True, _PRIORITY, instance))
    return message(1, command, data_set(number))


ECHO_MESSAGE = message(3, command_set(request(0x0030, ECHO, False)))
FIND_MESSAGE = message(
    5,
    command_set(request(0x0020, FIND["STUDY"], True, _PRIORITY)),
    encoded(identifier("STUDY", StudyInstanceUID="", PatientName="", StudyDate="")),
)
GET_MESSAGE = message(
    7,
    command_set(request(0x0010, GET["STUDY"], True, _PRIORITY)),
    encoded(identifier("STUDY", StudyInstanceUID="1.2.0\\1.2.1\\1.2.2")),
)
STORE_MESSAGE = store(0)


# ---- how far an association gets


def ask(wire: Wire, *sent: bytes) -> Wire:
    """Associate, and send."""
    wire.associate(OPENING)
    assert wire.send(b"".join(sent))
    return wire


def answered(wire: Wire, sent: bytes, status: int = 0x0000) -> None:
    """Associate, send a request, and wait for its final response."""
    ask(wire, sent)
    for answer in messages(iter(wire.receive, b"")):
        if answer.number(0x0900) not in (0xFF00, 0xFF01):
            assert answer.number(0x0900) == status
            return
    raise AssertionError("no final response")


State = Callable[[Wire], object]
STATES: dict[str, State] = {
    "connected": lambda wire: None,
    "in the A-ASSOCIATE-RQ": lambda wire: wire.send(OPENING[:100]),
    "A-ASSOCIATE-AC not awaited": lambda wire: wire.send(OPENING),
    "associated": lambda wire: wire.associate(OPENING),
    "in a PDU": lambda wire: ask(wire, STORE_MESSAGE[:1000]),
    "in a command": lambda wire: ask(wire, pdu(P_DATA, value(1, COMMAND, bytes(20)))),
    "in a data set": lambda wire: ask(wire, pdu(P_DATA, b"".join((
        value(1, COMMAND | LAST, command_set(request(0x0001, CT, True, (0x1000, uid("1.2.3"))))),
        value(1, 0, data_set(0)[:20_000]),
    )))),
    "waiting for a C-ECHO-RSP": lambda wire: ask(wire, ECHO_MESSAGE),
    "waiting for a C-STORE-RSP": lambda wire: ask(wire, STORE_MESSAGE),
    "waiting for a C-FIND-RSP": lambda wire: ask(wire, FIND_MESSAGE),
    "amid C-FIND-RSPs": lambda wire: ask(wire, FIND_MESSAGE).receive(),
    "asked for a sub-operation": lambda wire: ask(wire, GET_MESSAGE).receive(),
    "with requests waiting": lambda wire: ask(wire, STORE_MESSAGE * 3, FIND_MESSAGE * 3),
    "echoed": lambda wire: answered(wire, ECHO_MESSAGE),
    "stored": lambda wire: answered(wire, STORE_MESSAGE),
    "found": lambda wire: answered(wire, FIND_MESSAGE),
    "A-RELEASE-RQ sent": lambda wire: ask(wire, RELEASE),
}  # fmt: skip


# ---- and how it ends


def release(wire: Wire) -> None:
    """In order, where there is an association; else until the node gives up."""
    wire.send(RELEASE)
    wire.end_writing()
    while found := wire.receive():
        if found == RELEASED:
            return


ENDS: dict[str, Callable[[Wire], object]] = {
    "release": release,
    "release, not awaited": lambda wire: wire.send(RELEASE),
    "abort": lambda wire: wire.send(ABORTED),
    "close": lambda wire: None,
    "half close": lambda wire: (wire.end_writing(), wire.is_over(SECONDS)),
    "reset": lambda wire: wire.reset(),
}
KINDS = list(product(STATES, ENDS))


def run(node: RunningNode, kind: tuple[str, str]) -> None:
    """An association to a state and its end."""
    state, end = kind
    with Wire(node.port, SECONDS) as wire:
        STATES[state](wire)
        ENDS[end](wire)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node of two workers that holds some studies."""
    limits = {"acse_timeout": 5, "network_timeout": 5, "associations": 1000}
    # Else a second file of the trail is begun, and so a descriptor more.
    audit = {"address_lines": 0}
    tables = {"node": {"workers": 2}, "limits": limits, "audit": audit}
    with running_node_in(tmp_path_factory.mktemp("soak"), tables) as running:
        for number in range(STUDIES):
            with Wire(running.port, SECONDS) as wire:
                answered(wire, store(number))
        yield running


# What the memory of a process may grow by, once each kind has been seen some times.
GROWTH_KIB = 8192
WARM_UP = 2


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.long)])
def test_associations_ended_in_every_state_leave_nothing(node: RunningNode, count: int) -> None:
    """Half of them in turn, half of them several at once."""
    workers = node.workers
    with ThreadPoolExecutor(AT_ONCE) as pool:

        def several(count: int) -> None:
            kinds = list(islice(cycle(KINDS), count))
            for kind in kinds[: count // 2]:
                run(node, kind)
            list(pool.map(lambda kind: run(node, kind), kinds[count // 2 :]))

        several(WARM_UP * 2 * len(KINDS))
        before = at_rest(node)
        several(count)
    after = assert_no_more(node, before)
    print(f"before {before}\nafter {after}\ngrown by {grown(before, after)} KiB")
    assert grown(before, after) < GROWTH_KIB
    assert node.workers == workers
    assert node.incoming() == []
    assert strays(node) == []
    assert len(node.files()) == STUDIES

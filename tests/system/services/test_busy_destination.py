"""A destination that takes no association just now (A-ASSOCIATE-RJ, transient) is asked again."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from pynetdicom import AE, evt
from pynetdicom.association import Association
from support import (
    CLIENT_SECONDS,
    CT,
    EXPLICIT,
    MOVE,
    RunningNode,
    StartNode,
    ct,
    encoded,
    identifier,
    minipacs,
    retrieved,
    send,
)
from support.network.wire import ASSOCIATE_RJ, pdu

BUSY, NEVER = bytes([0, 2, 3, 2]), bytes([0, 1, 1, 1])  # of PS3.8 table 9-21


@dataclass
class Busy:
    """A storage SCP that takes one association at a time, and how often it said so."""

    port: int = 0
    stored: list[str] = field(default_factory=list)
    said: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


@contextmanager
def busy() -> Iterator[Busy]:
    made, entity = Busy(), AE("BUSY")
    entity.add_supported_context(CT, [EXPLICIT])
    entity.maximum_associations = 1

    def store(event: evt.Event) -> int:
        made.stored.append(str(event.request.AffectedSOPInstanceUID))
        return 0x0000

    handlers = [(evt.EVT_C_STORE, store), (evt.EVT_REJECTED, lambda event: made.said.release())]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    made.port = server.server_address[1]
    try:
        yield made
    finally:
        server.shutdown()


def taking_its_place(peer: Busy) -> Association:
    caller = AE("OTHER")
    caller.add_requested_context(CT, EXPLICIT)
    association = caller.associate("127.0.0.1", peer.port)
    assert association.is_established
    return association


def node_with(start_node: StartNode, peer: Busy, seconds: float, sends: int = 1) -> RunningNode:
    told = {"host": "127.0.0.1", "port": peer.port, "acse_timeout": seconds, "sends": sends}
    node = start_node(peers={"BUSY": told})
    with node.association((CT, EXPLICIT)) as association:
        for number in range(4):
            data = encoded(ct("1.2", "1.3", f"1.4.{number}"))
            assert send(association, CT, f"1.4.{number}", data).Status == 0x0000
    return node


@pytest.mark.parametrize("sends", [1, 3])
def test_it_is_asked_again_until_it_has_room(start_node: StartNode, sends: int) -> None:
    with busy() as peer:
        node, other = node_with(start_node, peer, 60, sends), taking_its_place(peer)
        with node.association((MOVE["STUDY"], EXPLICIT)) as association:
            responses = association.send_c_move(
                identifier("STUDY", StudyInstanceUID="1.2"), "BUSY", MOVE["STUDY"]
            )
            # Twice: so it was asked again, and was busy still.
            assert all(peer.said.acquire(timeout=CLIENT_SECONDS) for _ in range(2))
            other.release()
            answer = retrieved(responses)
        assert (answer.status, answer.counts) == (0x0000, (4, 0, 0))
        assert sorted(peer.stored) == [f"1.4.{number}" for number in range(4)]


def test_one_that_stays_busy_is_given_up_and_its_reason_told(start_node: StartNode) -> None:
    with busy() as peer:
        node, other = node_with(start_node, peer, 2), taking_its_place(peer)
        with node.association((MOVE["STUDY"], EXPLICIT)) as association:
            *_, (last, _) = association.send_c_move(
                identifier("STUDY", StudyInstanceUID="1.2"), "BUSY", MOVE["STUDY"]
            )
        assert (last.Status, last.NumberOfFailedSuboperations) == (0xA702, 4)
        assert "BUSY rejects the association: Local limit exceeded" in last.ErrorComment
        done = minipacs("send", node, "BUSY", "--study", "1.2")
        assert done.returncode == 1
        assert "rejects the association: Local limit exceeded" in done.stdout
        other.release()
    assert peer.stored == []


def test_several_sends_ask_again_one_at_a_time(start_node: StartNode) -> None:
    """Some count all that ask as associations, and reject each of those that ask together."""
    together: list[bool] = []

    def serve() -> None:
        refused = [door.accept()[0] for _ in range(3)]
        for connection in refused:  # all now, so that they would be back at the same time
            reject(connection, BUSY)
        for _ in range(3):
            connection, _ = door.accept()
            together.append(bool(select.select([door], [], [], 0.5)[0]))
            reject(connection, NEVER)

    with socket.create_server(("127.0.0.1", 0)) as door:
        node = node_with(start_node, Busy(door.getsockname()[1]), 60, sends=3)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with node.association((MOVE["STUDY"], EXPLICIT)) as association:
            answer = retrieved(
                association.send_c_move(
                    identifier("STUDY", StudyInstanceUID="1.2"), "BUSY", MOVE["STUDY"]
                )
            )
        thread.join(CLIENT_SECONDS)
    assert (answer.status, together) == (0xA702, [False] * 3)


def reject(connection: socket.socket, values: bytes) -> None:
    with connection:
        connection.recv(65536)
        connection.sendall(pdu(ASSOCIATE_RJ, values))
        connection.recv(65536)  # till it is closed

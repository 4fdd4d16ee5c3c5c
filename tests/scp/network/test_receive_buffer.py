"""What is received into: PDUs of any size come out whole; a buffer is large only while it helps."""

import random
import socket
import struct
from collections.abc import Iterator
from queue import Queue
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pynetdicom import AE
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.association import Association

from scp.network.dimse import NodeDIMSE
from scp.network.upper_layer import NodeSocket, UpperLayer, event_loop, upper_layer_of
from scp.network.upper_layer.transport import _FIRST_BUFFER_BYTES, _MOST_BUFFER_BYTES

SMALL, LARGE = 2_000, 3 * _MOST_BUFFER_BYTES


@pytest.fixture
def pair() -> Iterator[tuple[NodeSocket, socket.socket]]:
    """A connection of the node's, and the peer's end of it."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    owner: Any = SimpleNamespace(network_timeout=10.0, dul=SimpleNamespace(event_queue=Queue()))
    connection = NodeSocket(owner, client_socket=ours)
    connection.longest_pdu = LARGE
    connection.adopt()
    with ours, theirs:
        yield connection, theirs


def pdu(source: random.Random, length: int) -> bytes:
    """P-DATA-TF of so many bytes, whatever they say."""
    return struct.pack(">BxI", 4, length) + source.randbytes(length)


def received(connection: NodeSocket, peer: socket.socket, data: bytes) -> Iterator[bytes]:
    """The PDUs of what the peer sends, which it does as fast as it can."""
    rest = memoryview(data)
    while True:
        while rest:
            try:
                rest = rest[peer.send(rest) :]
            except BlockingIOError:
                break
        while (whole := connection.next_pdu()) is not None:
            with whole:
                yield bytes(whole)
        if not connection.fill():
            return


def buffered(connection: NodeSocket) -> int:
    """The bytes that are held to read into."""
    return len(cast(Any, connection)._buffer)


@pytest.mark.parametrize("seed", range(4))
def test_pdus_of_all_sizes_come_out_as_they_were_sent(
    pair: tuple[NodeSocket, socket.socket], seed: int
) -> None:
    source = random.Random(seed)
    lengths = (0, 1, SMALL, 16_378, 131_066, _FIRST_BUFFER_BYTES, _MOST_BUFFER_BYTES, LARGE)
    pdus = [pdu(source, max(source.choice(lengths) - source.choice((0, 6)), 0)) for _ in range(40)]
    assert list(received(*pair, b"".join(pdus))) == pdus
    assert not pair[0].holds_part


def test_the_buffer_grows_where_a_peer_is_faster_and_no_further(
    pair: tuple[NodeSocket, socket.socket],
) -> None:
    connection, peer = pair
    pdus = [pdu(random.Random(1), 16_378)] * 800
    assert list(received(connection, peer, b"".join(pdus))) == pdus
    assert _FIRST_BUFFER_BYTES < buffered(connection) <= _MOST_BUFFER_BYTES
    assert connection.is_grown
    connection.shrink()
    assert buffered(connection) == _FIRST_BUFFER_BYTES
    assert list(received(connection, peer, pdus[0])) == pdus[:1]


def test_small_messages_leave_the_buffer_as_it_is(pair: tuple[NodeSocket, socket.socket]) -> None:
    for _ in range(100):
        one = pdu(random.Random(1), SMALL)
        assert list(received(*pair, one)) == [one]
    assert buffered(pair[0]) == _FIRST_BUFFER_BYTES


def test_a_buffer_that_holds_part_of_a_pdu_is_not_given_back(
    pair: tuple[NodeSocket, socket.socket],
) -> None:
    connection, peer = pair
    whole = pdu(random.Random(1), 4 * _FIRST_BUFFER_BYTES)
    assert not list(received(connection, peer, whole[:-1]))
    assert buffered(connection) > _FIRST_BUFFER_BYTES
    assert not connection.is_grown
    assert list(received(connection, peer, whole[-1:])) == [whole]
    assert connection.is_grown


def test_a_connection_on_which_nothing_comes_gives_back_what_its_buffer_has_grown_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_loop, "_GROWN_SECONDS", 0.01)
    association, (ours, theirs) = Association(AE(), MODE_ACCEPTOR), socket.socketpair()
    association.dul = UpperLayer(association)
    association.dimse = NodeDIMSE(association, lambda context_id, command: None)
    upper_layer = upper_layer_of(association)
    with ours, theirs:
        connection = NodeSocket(association, client_socket=ours)
        association.set_socket(connection)
        connection.adopt()
        upper_layer.start()
        theirs.sendall(pdu(random.Random(1), SMALL))
        connection.fill()
        connection._buffer.extend(bytes(_FIRST_BUFFER_BYTES))
        whole = connection.next_pdu()
        assert whole is not None
        whole.release()
        assert connection.is_grown
        upper_layer._wait(60.0)
        assert buffered(connection) == _FIRST_BUFFER_BYTES
        upper_layer.finish()

"""Pending responses of a C-FIND: sent together where one follows on another, none kept waiting."""

from types import SimpleNamespace
from typing import Any

import pytest

from scp.network.association import Cancelled, Request
from scp.network.association import request as requests
from scp.network.association.request import Traffic
from scp.network.dimse import Command, Field, Message, Status, writer

FIND = "1.2.840.10008.5.1.4.1.2.2.1"


class Sent:
    """An association that keeps what is sent on it, a list for each time."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self.dimse = SimpleNamespace(maximum_pdu_size=200, cancelled={})
        self.acse = SimpleNamespace(is_aborted=lambda: False)
        self.dul = SimpleNamespace(send_data=self._take, look=lambda: None, is_alive=lambda: True)

    def _take(self, pieces: list[bytes]) -> bool:
        self.calls.append(b"".join(pieces))
        return True


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def asked(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> Request:
    """A request that was made just now, as far as time goes in it."""
    monkeypatch.setattr(requests, "_HELD_SECONDS", 3600.0)
    message = Message(1, Command(Field.C_FIND_RQ, 7, sop_class=FIND, has_data_set=True))
    context: Any = SimpleNamespace(context_id=1)
    nothing: Any = None
    association: Any = sent
    return Request(nothing, association, message, context, Traffic())


def one_by_one(request: Request, identifiers: list[bytes]) -> bytes:
    """The same responses, each sent by itself."""
    alone = Sent()
    association: Any = alone
    pending = writer.response(request.command, Status.PENDING, has_data_set=True)
    for identifier in identifiers:
        writer.send(association, 1, pending, identifier)
    writer.send(association, 1, writer.response(request.command, Status.SUCCESS))
    return b"".join(alone.calls)


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_they_and_the_final_one_come_in_their_order(sent: Sent, asked: Request, count: int) -> None:
    identifiers = [b"%04d" % number * (number % 90 + 1) for number in range(count)]
    for identifier in identifiers:
        asked.respond_match(Status.PENDING, identifier)
    asked.respond(Status.SUCCESS)
    assert b"".join(sent.calls) == one_by_one(asked, identifiers)
    assert asked.traffic.bytes_out == sum(map(len, identifiers))
    if count < 3:
        assert len(sent.calls) == 1


@pytest.mark.parametrize(("count", "size"), [(10_000, 10), (200, 5_000)])
def test_no_more_wait_than_a_few(sent: Sent, asked: Request, count: int, size: int) -> None:
    for _ in range(count):
        asked.respond_match(Status.PENDING, bytes(size))
    assert max(map(len, sent.calls)) < 200_000
    assert 20 < len(sent.calls) < count


def test_one_that_has_waited_is_sent_though_nothing_follows(
    sent: Sent, asked: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.respond_match(Status.PENDING, b"first")
    asked.stop_if_cancelled()
    assert not sent.calls
    monkeypatch.setattr(requests, "_HELD_SECONDS", 0.0)
    asked.stop_if_cancelled()
    assert len(sent.calls) == 1
    assert b"first" in sent.calls[0]
    asked.stop_if_cancelled()
    assert len(sent.calls) == 1


def test_a_cancel_is_seen_behind_what_was_sent(
    sent: Sent, asked: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent.dimse.cancelled[7] = None
    asked.respond_match(Status.PENDING, b"first")
    monkeypatch.setattr(requests, "_HELD_SECONDS", 0.0)
    with pytest.raises(Cancelled):
        asked.respond_match(Status.PENDING, b"second")
    asked.respond(Status.CANCEL)
    assert [b"first" in call and b"second" in call for call in sent.calls] == [True, False]

"""What was sent on, and whether its receivers commit to it (PS3.4 annex J), on any association."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from queue import Queue
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom.association import Association
from support import CLIENT_SECONDS, RunningNode, minipacs
from support.network.receivers import COMMIT, COMMIT_INSTANCE, Receiver, call, outcome, report_on
from test_forward import LOOK, Start, start, store, told, uid, wait_until

from storage.outbox import standings_beside

__all__ = ["start"]  # the fixture


@pytest.fixture
def committer() -> Iterator[Callable[[Any], Receiver]]:
    """A receiver that does something about a request of commitment."""
    with ExitStack() as stack:

        def make(commit: Callable[[Association, Dataset], None]) -> Receiver:
            receiver = Receiver("ARCHIVE")
            receiver.commit = commit
            return stack.enter_context(receiver.up())

        yield make


def asked_for(receiver: Receiver) -> list[str]:
    """The instances of all requests."""
    items = (item for one in receiver.asked for item in one.ReferencedSOPSequence)
    return sorted(str(item.ReferencedSOPInstanceUID) for item in items)


def test_a_report_on_the_same_association_is_taken(
    start: Start, committer: Callable[[Any], Receiver]
) -> None:
    answers: Queue[int] = Queue()
    archive = committer(lambda one, request: answers.put(report_on(one, request, {})))
    node = start([{"to": ["ARCHIVE"]}], archive)
    sent = store(node, range(5))
    wait_until(node, "ARCHIVE", committed=5, to_be_committed=0, waiting=0)
    assert asked_for(archive) == sorted(sent)
    # It is noted before it is answered.
    assert {answers.get(timeout=CLIENT_SECONDS), *answers.queue} == {0x0000}
    assert archive.has(sent)
    assert "failed=0" in node.wait_for_log("commitment reported destination=ARCHIVE")


def test_a_report_on_an_association_of_the_receivers_is_taken_and_taken_twice(
    start: Start, committer: Callable[[Any], Receiver]
) -> None:
    archive = committer(lambda *_: None)
    node = start([{"to": ["ARCHIVE"]}], archive)
    store(node, range(3))
    archive.wait_until_asked_for(3)
    wait_until(node, "ARCHIVE", to_be_committed=3, committed=0, sent=3)
    association = call("ARCHIVE", node.port)
    assert association.is_established
    (context,) = association.accepted_contexts
    assert context.as_scp
    assert not context.as_scu
    for request in archive.asked:
        for _ in range(2):  # whose first answer was lost, the receiver sends it again
            assert report_on(association, request, {}) == 0x0000
    association.release()
    wait_until(node, "ARCHIVE", to_be_committed=0, committed=3)


def test_a_report_outlasts_a_kill_of_the_node(
    start: Start, committer: Callable[[Any], Receiver]
) -> None:
    archive = committer(lambda *_: None)
    node = start([{"to": ["ARCHIVE"]}], archive)
    store(node, range(1))
    archive.wait_until_asked()
    node.kill()
    node.start()
    association = call("ARCHIVE", node.port)
    assert report_on(association, archive.asked[0], {}) == 0x0000
    association.release()
    node.kill()
    node.start()
    wait_until(node, "ARCHIVE", to_be_committed=0, committed=1)


def test_what_is_not_committed_to_is_sent_again(
    start: Start, committer: Callable[[Any], Receiver]
) -> None:
    def commit(association: Association, request: Dataset) -> None:
        lost = {} if len(archive.asked) > 1 else {uid(1): 0x0112}
        report_on(association, request, lost)

    archive = committer(commit)
    node = start([{"to": ["ARCHIVE"], "quiet": 0.5}], archive)
    store(node, range(3))
    wait_until(node, "ARCHIVE", to_be_committed=0, committed=3, waiting=0)
    assert [archive.order.count(uid(one)) for one in range(3)] == [1, 2, 1]
    node.wait_for_log("commitment reported destination=ARCHIVE", "committed=2 failed=1")


def test_what_is_never_committed_to_is_given_up_and_told(
    start: Start, committer: Callable[[Any], Receiver]
) -> None:
    archive = committer(lambda one, request: report_on(one, request, {uid(0): 0x0112}))
    node = start([{"to": ["ARCHIVE"]}], archive)
    store(node, range(1))
    wait_until(node, "ARCHIVE", failed=1, committed=0, waiting=0, to_be_committed=0)
    (failed,) = told(node)["failed"]
    assert failed["words"] == "not committed to: failure reason 0112"
    assert archive.order == [uid(0)] * 4


def test_a_request_that_is_refused_is_told_until_one_is_granted(
    start: Start, committer: Callable[[Any], Receiver]
) -> None:
    archive = committer(lambda one, request: report_on(one, request, {}))
    archive.ask_status = 0x0110
    node = start([{"to": ["ARCHIVE"]}], archive)
    store(node, range(2))
    node.wait_for_log("commitment not asked destination=ARCHIVE", "answers status 0110")
    wait_until(node, "ARCHIVE", last_error_in="asking", last_error_over_since="", sent=2)
    store(node, range(2, 3))  # what is taken does not end it
    wait_until(node, "ARCHIVE", last_error_in="asking", last_error_over_since="", sent=3)
    archive.ask_status = 0x0000
    wait_until(node, "ARCHIVE", committed=3, to_be_committed=0)
    standing = told(node)["forwarding"]["ARCHIVE"]
    over = f" (over: asked since {standing['last_error_over_since']})\n"
    assert over in minipacs("forward", node).stdout


def test_a_queue_that_is_never_empty_is_asked_for_while_more_is_sent(
    start: Start, committer: Callable[[Any], Receiver]
) -> None:
    taken: list[int] = []
    enough = threading.Event()

    def commit(association: Association, request: Dataset) -> None:
        taken.append(len(archive.order))
        if len(taken) == 4:
            enough.set()
        report_on(association, request, {})

    def keep_waiting(uid: str) -> int:
        """None is taken before another waits behind it: the queue is never empty."""
        while not enough.is_set() and waiting(node) < 2:
            LOOK.wait(0.01)
        return 0x0000

    archive = committer(commit)
    archive.answer = keep_waiting
    node = start([{"to": ["ARCHIVE"]}], archive)
    sent: dict[str, bytes] = {}
    for number in range(10_000):
        if enough.is_set():
            break
        sent |= store(node, range(number, number + 1))
    assert enough.is_set()
    assert sorted(set(taken)) == taken  # it went on between two requests
    wait_until(node, "ARCHIVE", waiting=0, to_be_committed=0, committed=len(sent))
    assert archive.has(sent)
    assert asked_for(archive) == sorted(sent)


def waiting(node: RunningNode) -> int:
    return standings_beside(node.data, CLIENT_SECONDS)["ARCHIVE"].waiting


def test_a_long_delivery_is_stopped_to_ask_and_goes_on(start: Start) -> None:
    taken: list[int] = []
    asked = threading.Event()

    def commit(association: Association, request: Dataset) -> None:
        taken.append(len(archive.order))
        asked.set()
        report_on(association, request, {})

    def be_slow(uid: str) -> int:
        asked.wait(0.1)
        return 0x0000

    archive = Receiver("ARCHIVE")
    archive.commit, archive.answer = commit, be_slow
    with archive.up():
        pass
    node = start([{"to": ["ARCHIVE"]}], archive)
    sent = store(node, range(40))  # all of them one delivery: 4 s, or till it is asked
    with archive.up():
        wait_until(node, "ARCHIVE", waiting=0, to_be_committed=0, committed=40)
    assert 0 < taken[0] < 40
    assert archive.has(sent)
    assert asked_for(archive) == sorted(sent)


def test_who_does_not_commit_is_not_asked_again(start: Start) -> None:
    with Receiver("WARD").up() as ward:
        node = start([{"to": ["WARD"]}], ward)
        sent = store(node, range(2))
        node.wait_for_log("commitment not asked destination=WARD: it commits to nothing")
        wait_until(node, "WARD", sent=2, to_be_committed=0, waiting=0, failed=0)
        sent |= store(node, range(2, 3))
        wait_until(node, "WARD", sent=3, to_be_committed=0)
        assert ward.has(sent)


def test_the_role_is_for_destinations_alone(
    start: Start, committer: Callable[[Any], Receiver]
) -> None:
    archive = committer(lambda *_: None)
    node = start([{"to": ["ARCHIVE"]}], archive)
    assert not call("STRANGER", node.port).is_established
    assert call("ARCHIVE", node.port).is_established


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"TransactionUID": "1.2.3"}, 0x0115),
        ({"TransactionUID": None}, 0x0115),
        ({"instance": "1.2.3"}, 0x0112),
    ],
    ids=["never asked for", "no transaction", "another instance"],
)
def test_a_wrong_report_is_refused_and_nothing_is_noted(
    start: Start, committer: Callable[[Any], Receiver], change: dict[str, Any], status: int
) -> None:
    archive = committer(lambda *_: None)
    node = start([{"to": ["ARCHIVE"]}], archive)
    store(node, range(1))
    archive.wait_until_asked()
    event_type, information = outcome(archive.asked[0], {})
    if "TransactionUID" in change:
        information.TransactionUID = change["TransactionUID"]
    association = call("ARCHIVE", node.port)
    answer, _ = association.send_n_event_report(
        information, event_type, COMMIT, change.get("instance", COMMIT_INSTANCE)
    )
    assert answer.Status == status
    association.release()
    wait_until(node, "ARCHIVE", to_be_committed=1, committed=0)
    node.wait_for_log("report refused peer=ARCHIVE")


def test_a_node_of_ours_commits_to_what_another_sends_on(
    start: Start, start_node: Callable[..., RunningNode]
) -> None:
    other = start_node(node={"ae_title": "OTHER"})
    peer = Receiver("OTHER")
    peer.port = other.port
    node = start([{"to": ["OTHER"]}], peer)
    sent = store(node, range(4))
    wait_until(node, "OTHER", committed=4, to_be_committed=0, waiting=0)
    assert len(other.files()) == len(sent)

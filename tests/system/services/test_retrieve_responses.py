"""C-MOVE and C-GET: what is said on the way and at the end, also of what fails."""

import time
from contextlib import ExitStack
from itertools import pairwise

import pytest
from support import (
    CLIENT_SECONDS,
    CT,
    EXPLICIT,
    IMPLICIT,
    MOVE,
    START_SECONDS,
    Inbox,
    identifier,
)
from support.checks.broken_files import BROKEN, replaced
from support.network.destinations import (
    Coming,
    Gate,
    abort,
    answer_an_echo,
    answer_another,
    answer_without_status,
    ask_back,
    ask_for_release,
    at,
    drop,
    hold,
    reset,
    talk_nonsense,
)
from support.network.retrieving import (
    CHEST,
    HEAD,
    STUDY,
    Rig,
    expect_all,
    expect_it_goes_on,
    get,
    item,
    move,
    of,
    retrieve,
    services,
    study,
    uid,
)

from scp.network.services import retrieve as retrieve_service

# pydicom warns of the values that are odd here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore")

# ---- what is said on the way


@services
def test_pending_responses_of_many(rig: Rig, service: str) -> None:
    """One at once, one per 50 instances, and by time."""
    found, arrived = retrieve(rig, service, "STUDY", "STUDY", StudyInstanceUID=study("many"))
    assert arrived == of("many")
    expect_all(found, arrived)
    steps = [0, *found.steps, 120]
    assert all(later - earlier <= 50 for earlier, later in pairwise(steps))
    assert found.steps[0] == 1  # at once
    # By time no sooner than this after the one before.
    assert len(found.pending) <= 3 + (found.times[-1] - found.times[0]) / retrieve_service._SECONDS


@services
def test_pending_responses_of_few(rig: Rig, service: str) -> None:
    found, arrived = retrieve(rig, service, "STUDY", "STUDY", StudyInstanceUID=study("few"))
    assert found.steps == list(range(1, 50))
    expect_all(found, arrived)


def test_pending_responses_go_on_while_a_destination_stalls(rig: Rig) -> None:
    """One a second: the shortest wait is not longer, however busy the machine is."""
    gate, times, pending = Gate(), [], []
    with rig.peer.does(at(3, do=hold(gate))) as peer:
        query = identifier("STUDY", StudyInstanceUID=study("six"))
        with rig.node.association((MOVE["STUDY"], EXPLICIT)) as association:
            responses = association.send_c_move(query, "PEER", MOVE["STUDY"])
            for status, _ in responses:
                pending.append(status)
                times.append(time.monotonic())
                if len(pending) == 6:
                    gate.open()
                if status.Status != 0xFF00:
                    break
        assert peer.inbox.data_sets() == of("six")
    counts = [(p.NumberOfCompletedSuboperations, p.NumberOfRemainingSuboperations)
              for p in pending[:-1]]  # fmt: skip
    # Also where the machine is so busy that others come by time.
    assert list(dict.fromkeys(counts)) == [(1, 5), (2, 4), (3, 3), (4, 2), (5, 1)]
    assert counts.count((2, 4)) >= 4
    assert pending[-1].Status == 0x0000
    assert min(later - earlier for earlier, later in pairwise(times[1:6])) < 1.5


def test_a_destination_without_room_for_a_second_association(rig: Rig) -> None:
    """Associations with a destination come one after the other where sends = 1."""
    with rig.peer.does() as peer:
        expect_all(move(rig.node, "PEER", "STUDY", StudyInstanceUID=study("six")), of("six"))
        assert len(peer.callers) == 1


# ---- how it ends

STATUSES = {
    0x0000: "completed", 0x0001: "warned", 0x0107: "warned", 0x0116: "warned",
    0xB000: "warned", 0xB006: "warned", 0xB007: "warned", 0xB123: "warned",
    0xA700: "failed", 0xA900: "failed", 0xC000: "failed", 0xCFFF: "failed",
    0x0110: "failed", 0x0122: "failed", 0x0124: "failed", 0x0117: "failed",
}  # fmt: skip


@services
@pytest.mark.parametrize("status", STATUSES, ids=lambda status: f"{status:04X}")
def test_a_status_of_one_of_three(rig: Rig, service: str, status: int) -> None:
    """PS3.4 C.4.2.3.1; the statuses of C-STORE by their class (PS3.7 annex C)."""
    values = {STUDY: study("three")}
    inbox = Inbox(statuses={uid("three2"): status})
    if service == "get":
        found, _ = get(rig.node, "STUDY", inbox=inbox, **values)
    else:
        with rig.peer.does(lambda coming: status if coming.number == 2 else None):
            found = move(rig.node, "PEER", "STUDY", **values)
    kind = STATUSES[status]
    counts = (3, 0, 0) if kind == "completed" else (2, kind == "failed", kind == "warned")
    assert found.counts == counts
    assert found.status == (0x0000 if kind == "completed" else 0xB000)
    assert found.failed == ({uid("three2")} if kind == "failed" else set())
    if kind == "failed":
        assert f"{status:04X}" in found.comment


@services
@pytest.mark.parametrize(
    ("status", "final", "counts"),
    [(0xA700, 0xA702, (0, 6, 0)), (0xC000, 0xA702, (0, 6, 0)), (0xB000, 0xB000, (0, 0, 6))],
)
def test_a_status_of_all(
    rig: Rig, service: str, status: int, final: int, counts: tuple[int, int, int]
) -> None:
    values = {STUDY: study("six")}
    if service == "get":
        inbox = Inbox(statuses=dict.fromkeys(of("six"), status))
        found, _ = get(rig.node, "STUDY", inbox=inbox, **values)
    else:
        with rig.peer.does(lambda coming: status):
            found = move(rig.node, "PEER", "STUDY", **values)
    assert (found.status, found.counts) == (final, counts)
    assert found.failed == (set(of("six")) if counts[1] else set())
    assert found.steps == [1, 2, 3, 4, 5]


def test_failed_and_warned_together(rig: Rig) -> None:
    statuses = {uid("six1"): 0xB000, uid("six3"): 0xA700, uid("six4"): 0xC123, uid("six6"): 0xB007}
    with rig.peer.does(lambda coming: statuses.get(coming.uid)):
        found = move(rig.node, "PEER", "STUDY", StudyInstanceUID=study("six"))
    assert (found.status, found.counts) == (0xB000, (2, 2, 2))
    assert found.failed == {uid("six3"), uid("six4")}
    assert [p.NumberOfFailedSuboperations for p in found.pending] == [0, 0, 1, 2, 2]


def test_a_class_that_is_refused_fails_alone(rig: Rig) -> None:
    with rig.narrow["NO MR"].does() as peer:
        found = move(rig.node, "NO MR", "STUDY", StudyInstanceUID=study("mixed"))
        assert peer.inbox.data_sets() == of("mixed/mc1", "mixed/mc2", "mixed/mp1")
    assert (found.status, found.counts) == (0xB000, (3, 2, 0))
    assert found.failed == {uid("mm1"), uid("mm2")}


def test_a_private_class_that_is_refused_fails_alone(rig: Rig) -> None:
    with rig.narrow["EXPLICIT ONLY"].does() as peer:
        found = move(rig.node, "EXPLICIT ONLY", "STUDY", StudyInstanceUID=study("mixed"))
        assert peer.inbox.data_sets().keys() == set(of("mixed")) - {uid("mp1")}
    assert (found.status, found.counts, found.failed) == (0xB000, (4, 1, 0), {uid("mp1")})


@pytest.mark.parametrize("title", ["UNHEARD OF", "NO ADDRESS", "ONLY FINDS", "peer"])
def test_an_unknown_destination(rig: Rig, title: str) -> None:
    mark = rig.node.mark()
    found = move(rig.node, title, "STUDY", StudyInstanceUID=HEAD)
    assert found.status == 0xA801
    assert title in found.comment
    assert title in rig.node.wait_for_log("move refused peer=TESTER", after=mark)


@pytest.mark.parametrize(
    "title",
    ["DOWN", "STRANGER", "HANGS UP", "MUTE", "REJECTS", "NO CONTEXT", "SCP REFUSES", "SCP BREAKS"],
)
def test_a_destination_that_takes_nothing(rig: Rig, title: str) -> None:
    """Known but not to be reached: A702, and the comment says which it was."""
    started = time.monotonic()
    found = move(rig.node, title, "STUDY", StudyInstanceUID=CHEST)
    assert (found.status, found.counts) == (0xA702, (0, 4, 0))
    assert found.failed == set(of("chest"))
    assert title in found.comment
    assert time.monotonic() - started < START_SECONDS  # by its own timeouts
    told = f'"{title}"' if " " in title else title
    rig.node.wait_for_log("moved", f"destination={told}", "failed=4", "status=A702")


def test_pending_responses_while_nobody_answers(rig: Rig) -> None:
    found = move(rig.node, "MUTE", "STUDY", StudyInstanceUID=CHEST)
    assert found.status == 0xA702
    # One comes before the first sub-operation has ended.
    assert found.pending[0].NumberOfRemainingSuboperations == 4


# ---- files that are not what they should be


@services
@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_file_fails_alone(rig: Rig, service: str, how: str) -> None:
    mark = rig.node.mark()
    with replaced(rig.node.path(item("three", "three2").dataset), how):
        found, arrived = retrieve(rig, service, "STUDY", "STUDY", StudyInstanceUID=study("three"))
    assert arrived == of("three/three1", "three/three3")
    assert (found.status, found.counts, found.failed) == (0xB000, (2, 1, 0), {uid("three2")})
    rig.node.wait_for_log("sub-operation failed", uid("three2"), after=mark)


@services
@pytest.mark.parametrize("how", ["cut in the data set", "one bit of its pixels flipped"])
def test_a_broken_file_that_needs_converting_fails_alone(rig: Rig, service: str, how: str) -> None:
    with replaced(rig.node.path(item("three", "three2").dataset), how):
        if service == "get":
            found, inbox = get(
                rig.node, "STUDY", contexts=[(CT, IMPLICIT)], StudyInstanceUID=study("three")
            )
        else:
            with rig.narrow["IMPLICIT ONLY"].does() as peer:
                found = move(rig.node, "IMPLICIT ONLY", "STUDY", StudyInstanceUID=study("three"))
                inbox = peer.inbox
    assert inbox.take_all().keys() == {uid("three1"), uid("three3")}
    assert (found.status, found.counts, found.failed) == (0xB000, (2, 1, 0), {uid("three2")})


@services
def test_when_every_file_is_missing_the_retrieve_has_failed(rig: Rig, service: str) -> None:
    with ExitStack() as stack:
        for name in ("three1", "three2", "three3"):
            path = rig.node.path(item("three", name).dataset)
            stack.enter_context(replaced(path, "missing"))
        found, arrived = retrieve(rig, service, "STUDY", "STUDY", StudyInstanceUID=study("three"))
    assert arrived == {}
    assert (found.status, found.counts) == (0xA702, (0, 3, 0))
    assert found.failed == set(of("three"))


# ---- destinations that fail on the way

MISHAPS = {
    "aborts": abort,
    "drops the connection": drop,
    "resets the connection": reset,
    "talks nonsense": talk_nonsense,
    "answers another request": answer_another,
    "answers without a status": answer_without_status,
    "answers an echo": answer_an_echo,
    "asks back": ask_back,
}


@pytest.mark.parametrize("mishap", MISHAPS)
def test_one_reconnect_for_the_rest(rig: Rig, mishap: str) -> None:
    """The instance that was under way has failed; what was not begun still arrives, at once."""
    started = time.monotonic()
    with rig.peer.does(at(3, do=MISHAPS[mishap])) as peer:
        found = move(rig.node, "BRISK", "STUDY", StudyInstanceUID=study("six"))
        seconds = time.monotonic() - started
        peer.wait_until_left()
        arrived = peer.inbox.data_sets()
        shares = [len(caller.instances) for caller in peer.callers]
    assert shares == [3, 3]
    assert found.failed == {uid("six3")}
    assert (found.status, found.counts) == (0xB000, (5, 1, 0))
    rest = {u: d for u, d in of("six").items() if u != uid("six3")}
    arrived.pop(uid("six3"), None)  # nonsense came after it had been taken
    assert arrived == rest
    assert seconds < START_SECONDS  # and not by dimse_timeout


def test_a_destination_that_asks_for_release_in_the_middle(rig: Rig) -> None:
    with rig.peer.does(at(3, do=ask_for_release)) as peer:
        found = move(rig.node, "IMPATIENT", "STUDY", StudyInstanceUID=study("six"))
        arrived = peer.inbox.data_sets()
        assert len(peer.callers) == 2
    assert (found.status, found.counts, found.failed) == (0xB000, (5, 1, 0), {uid("six3")})
    assert len(arrived) == 5


def test_after_two_aborts_the_rest_has_failed(rig: Rig) -> None:
    with rig.peer.does(at(2, 4, do=abort)) as peer:
        found = move(rig.node, "PEER", "STUDY", StudyInstanceUID=study("six"))
        peer.wait_until_left()
        assert len(peer.callers) == 2
        assert peer.inbox.data_sets() == of("six/six1", "six/six3")
    assert (found.status, found.counts) == (0xB000, (2, 4, 0))
    assert found.failed == {uid(f"six{number}") for number in (2, 4, 5, 6)}
    assert "PEER" in found.comment


def test_a_destination_that_always_aborts(rig: Rig) -> None:
    with rig.peer.does(abort) as peer:
        found = move(rig.node, "PEER", "STUDY", StudyInstanceUID=study("six"))
        peer.wait_until_left()
        assert [len(caller.instances) for caller in peer.callers] == [1, 1]
    assert (found.status, found.counts, found.failed) == (0xA702, (0, 6, 0), set(of("six")))
    assert "PEER" in found.comment


def test_a_destination_that_hangs_up_once_it_has_accepted(rig: Rig) -> None:
    """What was sent into the void may count as failed; the rest goes over the reconnect."""
    with rig.peer.does() as peer, peer.hanging_up(1):
        found = move(rig.node, "PEER", "STUDY", StudyInstanceUID=study("six"))
        arrived = peer.inbox.data_sets()
        assert len(peer.callers) == 2
    assert found.failed <= {uid("six1")}
    assert arrived.keys() == set(of("six")) - found.failed
    assert found.counts == (len(arrived), len(found.failed), 0)


def test_a_destination_that_hangs_up_whenever_it_has_accepted(rig: Rig) -> None:
    with rig.peer.does() as peer, peer.hanging_up(100):
        found = move(rig.node, "PEER", "STUDY", StudyInstanceUID=study("six"))
        assert len(peer.callers) == 2
    assert (found.status, found.counts, found.failed) == (0xA702, (0, 6, 0), set(of("six")))
    assert "PEER" in found.comment


def test_an_abort_at_the_last_instance(rig: Rig) -> None:
    """There is nothing left to connect again for."""
    with rig.peer.does(at(6, do=abort)) as peer:
        found = move(rig.node, "PEER", "STUDY", StudyInstanceUID=study("six"))
        assert len(peer.callers) == 1
    assert (found.status, found.counts, found.failed) == (0xB000, (5, 1, 0), {uid("six6")})


def test_a_response_twice_is_not_taken_for_the_next(rig: Rig) -> None:
    def twice(coming: Coming) -> None:
        coming.respond(0x0000)

    with rig.peer.does(at(3, do=twice)) as peer:
        found = move(rig.node, "PEER", "STUDY", StudyInstanceUID=study("six"))
        arrived = peer.inbox.data_sets()
    assert found.failed <= {uid("six4")}
    assert found.counts == (6 - len(found.failed), len(found.failed), 0)
    assert set(of("six")) - found.failed <= arrived.keys()


def test_a_stall_ends_by_the_peers_dimse_timeout(rig: Rig) -> None:
    gate, started = Gate(), time.monotonic()
    with rig.peer.does(hold(gate)) as peer:
        try:
            found = move(rig.node, "IMPATIENT", "STUDY", StudyInstanceUID=study("six"))
            seconds = time.monotonic() - started
        finally:
            gate.open()
        assert len(peer.callers) == 2  # one reconnect
        peer.wait_until_left()
    assert (found.status, found.counts, found.failed) == (0xA702, (0, 6, 0), set(of("six")))
    assert "IMPATIENT" in found.comment
    assert 1 < seconds < START_SECONDS


def test_after_one_stall_the_rest_arrives(rig: Rig) -> None:
    gate = Gate()
    with rig.peer.does(at(2, do=hold(gate))) as peer:
        try:
            found = move(rig.node, "IMPATIENT", "STUDY", StudyInstanceUID=study("six"))
        finally:
            gate.open()
        assert len(peer.callers) == 2
        peer.wait_until_left()
    assert (found.status, found.counts, found.failed) == (0xB000, (5, 1, 0), {uid("six2")})


def test_a_destination_that_reads_no_more(rig: Rig) -> None:
    """What is sent fills the buffers of the kernel, and then nothing goes on."""
    started = time.monotonic()
    with rig.peer.does() as peer, peer.not_reading():
        found = move(rig.node, "IMPATIENT", "STUDY", StudyInstanceUID=study("large"))
        assert peer.inbox.take_all() == {}
    assert (found.status, found.counts, found.failed) == (0xA702, (0, 1, 0), {uid("large")})
    assert "IMPATIENT" in found.comment
    assert time.monotonic() - started < START_SECONDS  # by its own timeouts


def test_a_destination_that_never_answers_the_release(rig: Rig) -> None:
    """All has arrived; the requestor is told so."""
    started = time.monotonic()
    with rig.peer.does() as peer, peer.not_releasing() as gate:
        found = move(rig.node, "PATIENT", "STUDY", StudyInstanceUID=CHEST)
        seconds = time.monotonic() - started
        assert gate.reached.wait(CLIENT_SECONDS)
    expect_all(found, of("chest"))
    assert seconds < START_SECONDS  # and not by acse_timeout


# ---- after all of that


def test_after_all_of_that_the_node_goes_on(rig: Rig) -> None:
    expect_it_goes_on(rig)

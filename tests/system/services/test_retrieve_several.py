"""C-MOVE and C-GET: several at once, cancelled, and left by who asked."""

import socket
import threading
from typing import Any

import pytest
from pynetdicom import build_role
from support import (
    CLIENT_SECONDS,
    CT,
    ECHO,
    EXPLICIT,
    GET,
    MOVE,
    START_SECONDS,
    Inbox,
    getting,
    identifier,
)
from support.network.destinations import (
    Coming,
    Gate,
    abort,
    at,
    hold,
)
from support.network.retrieving import (
    CHEST,
    HEAD,
    KNEE,
    Answer,
    Rig,
    answer,
    expect_all,
    expect_it_goes_on,
    get,
    move,
    of,
    study,
    uid,
)

# pydicom warns of the values that are odd here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore")

# ---- several sends at once


def test_several_sends_at_once(rig: Rig) -> None:
    """The first three wait for each other: only associations at the same time get past that."""
    together = threading.Barrier(3, timeout=START_SECONDS)

    def meet(coming: Coming) -> None:
        together.wait()

    with rig.peer.does(at(1, 2, 3, do=meet)) as peer:
        found = move(rig.node, "THREE", "STUDY", caller="ASKER", StudyInstanceUID=study("six"))
        peer.wait_until_left()
        assert len(peer.callers) == 3
        arrived = peer.inbox.take_all()
    expect_all(found, of("six"))
    assert {u: a.data_set for u, a in arrived.items()} == of("six")
    originators = {a.message.MoveOriginatorApplicationEntityTitle for a in arrived.values()}
    assert originators == {"ASKER"}
    assert found.steps == [1, 2, 3, 4, 5]


def test_no_more_associations_than_instances(rig: Rig) -> None:
    with rig.peer.does() as peer:
        expect_all(move(rig.node, "THREE", "STUDY", StudyInstanceUID=KNEE), of("knee"))
        assert len(peer.callers) <= 2


def test_many_by_several_sends(rig: Rig) -> None:
    with rig.peer.does() as peer:
        found = move(rig.node, "THREE", "STUDY", StudyInstanceUID=study("many"))
        assert peer.inbox.data_sets() == of("many")
    expect_all(found, of("many"))


def test_one_send_that_is_aborted_for_good_leaves_the_rest_to_the_others(rig: Rig) -> None:
    """Two of three associations are aborted at once: there is one reconnect, and the third."""
    together, gate = threading.Barrier(3, timeout=START_SECONDS), Gate()
    aborted: list[Coming] = []

    def script(coming: Coming) -> None:
        if coming.number > 3:
            return
        together.wait()
        if coming.number == 3:
            gate.hold()
        else:
            aborted.append(coming)
            abort(coming)

    with rig.peer.does(script) as peer:
        result: list[Answer] = []
        asking = threading.Thread(
            target=lambda: result.append(
                move(rig.node, "THREE", "STUDY", StudyInstanceUID=study("six"))
            )
        )
        asking.start()
        gate.wait_until_reached()
        for coming in list(aborted):
            assert coming.caller.ended.wait(START_SECONDS)
        gate.open()
        asking.join(CLIENT_SECONDS)
        arrived = peer.inbox.data_sets()
    (found,) = result
    assert (found.status, found.counts) == (0xB000, (4, 2, 0))
    assert len(arrived) == 4


def test_three_sends_aborted_at_once_are_followed_by_one_reconnect(rig: Rig) -> None:
    together = threading.Barrier(3, timeout=START_SECONDS)

    def fail(coming: Coming) -> None:
        together.wait()
        abort(coming)

    with rig.peer.does(at(1, 2, 3, do=fail)) as peer:
        found = move(rig.node, "THREE", "STUDY", StudyInstanceUID=study("six"))
        arrived = peer.inbox.data_sets()
    assert (found.status, found.counts) == (0xB000, (3, 3, 0))
    assert arrived.keys() == set(of("six")) - found.failed


# ---- C-CANCEL, and requestors that go away


def test_a_move_is_cancelled_within_one_sub_operation(rig: Rig) -> None:
    gate = Gate()
    with rig.peer.does(at(2, do=hold(gate))) as peer:
        with rig.node.association((MOVE["STUDY"], EXPLICIT)) as association:
            query = identifier("STUDY", StudyInstanceUID=study("six"))
            responses = association.send_c_move(query, "PEER", MOVE["STUDY"], msg_id=7)
            gate.wait_until_reached()
            association.send_c_cancel(7, query_model=MOVE["STUDY"])
            assert rig.node.echoes()  # by then the node has read the C-CANCEL
            gate.open()
            found = answer(responses)
        peer.wait_until_left()
        arrived = peer.inbox.take_all()
    assert found.status == 0xFE00
    assert len(arrived) in (2, 3)
    assert found.counts == (len(arrived), 0, 0)
    assert found.final.NumberOfRemainingSuboperations == 6 - len(arrived)
    assert found.failed == set()


def test_what_failed_before_the_cancel_is_listed(rig: Rig) -> None:
    gate = Gate()

    def script(coming: Coming) -> int | None:
        if coming.number == 3:
            gate.hold()
        return 0xA700 if coming.number == 1 else None

    with (
        rig.peer.does(script),
        rig.node.association((MOVE["STUDY"], EXPLICIT)) as association,
    ):
        query = identifier("STUDY", StudyInstanceUID=study("six"))
        responses = association.send_c_move(query, "PEER", MOVE["STUDY"], msg_id=7)
        gate.wait_until_reached()
        association.send_c_cancel(7, query_model=MOVE["STUDY"])
        assert rig.node.echoes()
        gate.open()
        found = answer(responses)
    assert found.status == 0xFE00
    assert found.failed == {uid("six1")}
    assert found.final.NumberOfRemainingSuboperations in (2, 3)


def test_a_cancel_of_several_sends(rig: Rig) -> None:
    gate, together = Gate(), threading.Barrier(3, timeout=START_SECONDS)

    def script(coming: Coming) -> None:
        if coming.number <= 3:
            together.wait()
            gate.hold()

    with rig.peer.does(script) as peer:
        with rig.node.association((MOVE["STUDY"], EXPLICIT)) as association:
            query = identifier("STUDY", StudyInstanceUID=study("many"))
            responses = association.send_c_move(query, "THREE", MOVE["STUDY"], msg_id=7)
            gate.wait_until_reached()
            association.send_c_cancel(7, query_model=MOVE["STUDY"])
            assert rig.node.echoes()
            gate.open()
            found = answer(responses)
        peer.wait_until_left()
        arrived = peer.inbox.take_all()
    assert found.status == 0xFE00
    assert 3 <= len(arrived) <= 6  # each lane may have begun one more
    assert found.counts == (len(arrived), 0, 0)
    assert found.final.NumberOfRemainingSuboperations == 120 - len(arrived)


def test_a_cancel_of_another_message_is_ignored(rig: Rig) -> None:
    gate = Gate()
    with (
        rig.peer.does(at(2, do=hold(gate))),
        rig.node.association((MOVE["STUDY"], EXPLICIT)) as association,
    ):
        query = identifier("STUDY", StudyInstanceUID=study("six"))
        responses = association.send_c_move(query, "PEER", MOVE["STUDY"], msg_id=7)
        gate.wait_until_reached()
        association.send_c_cancel(8, query_model=MOVE["STUDY"])
        gate.open()
        found = answer(responses)
    expect_all(found, of("six"))


def test_a_get_is_cancelled_within_one_sub_operation(rig: Rig) -> None:
    """The C-CANCEL goes out before the response to the second C-STORE."""
    inbox, associations = Inbox(), []
    taken = inbox.take

    def take(event: Any) -> int:
        if len(inbox.arrived) == 1:
            associations[0].send_c_cancel(9, query_model=GET["STUDY"])
        return taken(event)

    inbox.take = take  # type: ignore[method-assign]
    contexts = [(GET["STUDY"], EXPLICIT), (CT, EXPLICIT)]
    with rig.node.association(*contexts, **getting(inbox, contexts)) as association:
        associations.append(association)
        query = identifier("STUDY", StudyInstanceUID=study("six"))
        found = answer(association.send_c_get(query, GET["STUDY"], msg_id=9))
    assert found.status == 0xFE00
    assert found.counts == (len(inbox.arrived), 0, 0)
    assert len(inbox.arrived) in (2, 3)
    assert found.final.NumberOfRemainingSuboperations == 6 - len(inbox.arrived)


def test_a_requestor_that_aborts_stops_the_delivery(rig: Rig) -> None:
    gate, mark = Gate(), rig.node.mark()
    with rig.peer.does(at(2, do=hold(gate))) as peer:
        association = rig.node.associate((MOVE["STUDY"], EXPLICIT), ae_title="QUITTER")
        query = identifier("STUDY", StudyInstanceUID=study("many"))
        association.send_c_move(query, "PEER", MOVE["STUDY"])
        gate.wait_until_reached()
        association.abort()
        rig.node.wait_for_log("association closed peer=QUITTER", "by=abort", after=mark)
        gate.open()
        peer.wait_until_left()
        assert len(peer.inbox.take_all()) <= 3
    assert rig.node.echoes()


def test_a_requestor_that_drops_its_connection_stops_the_delivery(rig: Rig) -> None:
    gate, mark = Gate(), rig.node.mark()
    with rig.peer.does(at(2, do=hold(gate))) as peer:
        association = rig.node.associate((MOVE["STUDY"], EXPLICIT), ae_title="DROPPER")
        query = identifier("STUDY", StudyInstanceUID=study("many"))
        association.send_c_move(query, "PEER", MOVE["STUDY"])
        gate.wait_until_reached()
        association.dul.socket.socket.shutdown(socket.SHUT_RDWR)
        rig.node.wait_for_log("association closed peer=DROPPER", "by=abort", after=mark)
        gate.open()
        peer.wait_until_left()
        assert len(peer.inbox.take_all()) <= 3
    association.kill()


def test_a_requestor_of_a_get_that_goes_away(rig: Rig) -> None:
    inbox, mark = Inbox(), rig.node.mark()
    taken = inbox.take

    def take(event: Any) -> int:
        if len(inbox.arrived) == 2:
            event.assoc.dul.socket.socket.shutdown(socket.SHUT_RDWR)
        return taken(event)

    inbox.take = take  # type: ignore[method-assign]
    contexts = [(GET["STUDY"], EXPLICIT), (CT, EXPLICIT)]
    association = rig.node.associate(*contexts, ae_title="QUITTER", **getting(inbox, contexts))
    query = identifier("STUDY", StudyInstanceUID=study("many"))
    last = list(association.send_c_get(query, GET["STUDY"]))[-1]
    assert "Status" not in last[0]
    rig.node.wait_for_log("association closed peer=QUITTER", "by=abort", after=mark)
    assert len(inbox.take_all()) <= 4
    assert rig.node.echoes()


# ---- several at once


def test_several_moves_at_once(rig: Rig) -> None:
    """To the same and to other destinations; each waits until all have begun."""
    together = threading.Barrier(4, timeout=START_SECONDS)
    begun: set[int] = set()

    def meet(coming: Coming) -> None:
        number = coming.event.request.MoveOriginatorMessageID
        if number not in begun:
            begun.add(number)
            together.wait()

    asked = [("PEER", "six"), ("PEER", "many"), ("OTHER", "other"), ("OTHER", "six")]
    answers: dict[int, Answer] = {}

    def ask(number: int, title: str, name: str) -> None:
        answers[number] = move(
            rig.node, title, "STUDY", caller=f"ASKER{number}", message_id=number,
            StudyInstanceUID=study(name),
        )  # fmt: skip

    with rig.peer.does(meet), rig.other.does(meet):
        threads = [
            threading.Thread(target=ask, args=(number, *what))
            for number, what in enumerate(asked, 1)
        ]
        for thread in threads:
            thread.start()
        got, inbox = get(rig.node, "STUDY", StudyInstanceUID=study("other"))
        for thread in threads:
            thread.join(CLIENT_SECONDS)
        arrived: dict[tuple[str, int, str], dict[str, bytes]] = {}
        for title, destination in (("PEER", rig.peer), ("OTHER", rig.other)):
            for instance, item_ in destination.inbox.take_all().items():
                message = item_.message
                by = (title, message.MoveOriginatorMessageID,
                      message.MoveOriginatorApplicationEntityTitle)  # fmt: skip
                arrived.setdefault(by, {})[instance] = item_.data_set
    expect_all(got, of("other"))
    assert inbox.data_sets() == of("other")
    assert arrived == {
        (title, number, f"ASKER{number}"): of(name) for number, (title, name) in enumerate(asked, 1)
    }
    for number, (_, name) in enumerate(asked, 1):
        expect_all(answers[number], of(name))


def test_a_stalled_move_holds_up_no_other(rig: Rig) -> None:
    gate = Gate()
    with rig.peer.does(at(1, do=hold(gate))), rig.other.does() as other:
        with rig.node.association((MOVE["STUDY"], EXPLICIT)) as association:
            query = identifier("STUDY", StudyInstanceUID=study("six"))
            responses = association.send_c_move(query, "PEER", MOVE["STUDY"])
            gate.wait_until_reached()
            expect_all(move(rig.node, "OTHER", "STUDY", StudyInstanceUID=CHEST), of("chest"))
            expect_all(move(rig.node, "PEER", "STUDY", StudyInstanceUID=KNEE), of("knee"))
            gate.open()
            expect_all(answer(responses), of("six"))
        assert other.inbox.data_sets() == of("chest")


def test_one_association_asks_again_and_again(rig: Rig) -> None:
    with rig.peer.does() as peer:
        with rig.node.association((MOVE["STUDY"], EXPLICIT)) as association:
            for number, title in enumerate(("PEER", "DOWN", "PEER", "UNHEARD OF", "PEER"), 1):
                query = identifier("STUDY", StudyInstanceUID=HEAD)
                found = answer(association.send_c_move(query, title, MOVE["STUDY"], number))
                expected = {"PEER": 0x0000, "DOWN": 0xA702}.get(title, 0xA801)
                assert found.status == expected
        assert len(peer.inbox.arrived) == 3
        peer.inbox.arrived.clear()


# ---- rights


@pytest.mark.parametrize(
    ("title", "move_taken", "get_taken"),
    [("ONLY FINDS", False, False), ("ONLY MOVES", True, False), ("ONLY GETS", False, True)],
)
def test_the_rights_of_peers_hold(rig: Rig, title: str, move_taken: bool, get_taken: bool) -> None:
    contexts = [(uid, EXPLICIT) for uid in (MOVE["STUDY"], GET["STUDY"])]
    association = rig.node.associate(*contexts, (ECHO, EXPLICIT), ae_title=title)
    taken = {str(context.abstract_syntax) for context in association.accepted_contexts}
    if association.is_established:
        association.release()
    assert (MOVE["STUDY"] in taken, GET["STUDY"] in taken) == (move_taken, get_taken)


def test_who_may_not_get_is_sent_nothing(rig: Rig) -> None:
    """The role of SCP is not granted to it, though it may store."""
    roles = [build_role(CT, scu_role=True, scp_role=True)]
    association = rig.node.associate((CT, EXPLICIT), ae_title="ONLY FINDS", ext_neg=roles)
    (context,) = association.accepted_contexts
    assert (context.as_scu, context.as_scp) == (True, False)
    association.release()


def test_who_may_only_move_moves(rig: Rig) -> None:
    with rig.peer.does() as peer:
        found = move(rig.node, "PEER", "STUDY", caller="ONLY MOVES", StudyInstanceUID=CHEST)
        assert peer.inbox.data_sets() == of("chest")
    expect_all(found, of("chest"))


# ---- after all of that


def test_after_all_of_that_the_node_goes_on(rig: Rig) -> None:
    expect_it_goes_on(rig)

"""The limits on associations, in total and by caller, over threads and processes."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from support import CT, ECHO, EXPLICIT, FIND, IMPLICIT, MOVE, RunningNode, StartNode
from support.network.plain_peer import Wire

from scp.runtime.association_slots import AssociationSlots


def test_slots_are_counted_in_total_and_by_caller() -> None:
    slots = AssociationSlots(3, 1)
    first, second = slots.take("A"), slots.take("A ", 2)
    assert (slots.taken(), slots.taken_by("A"), slots.taken_by("B")) == (2, 2, 0)
    assert slots.take("A", 2) is None
    third = slots.take("B", 2)
    assert slots.take("C") is None
    assert None not in (first, second, third)
    slots.give_back(first or 0)
    assert slots.take("A", 2) is not None
    assert (slots.taken(), slots.taken_by("A"), slots.taken_by("B")) == (3, 2, 1)
    slots.clear(0)
    assert (slots.taken(), slots.taken_by("A")) == (0, 0)


@pytest.mark.parametrize("most", [0, 5])
def test_of_many_at_once_in_several_processes_just_so_many_get_one(most: int) -> None:
    slots, children, reader_writer = AssociationSlots(20, 4), [], os.pipe()
    start, started = os.pipe()
    for worker in range(4):
        child = os.fork()
        if child == 0:
            slots.adopt(worker)
            os.close(started)
            os.read(start, 1)  # until the parent closes the other end
            with ThreadPoolExecutor(8) as pool:
                got = list(pool.map(lambda _: slots.take("SAME", most), range(20)))
            os.write(reader_writer[1], bytes([sum(slot is not None for slot in got)]))
            os._exit(0)
        children.append(child)
    os.close(started)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    assert sum(os.read(reader_writer[0], 4)) == (most or 20)
    assert slots.taken() == slots.taken_by("SAME") == (most or 20)
    for descriptor in (*reader_writer, start):
        os.close(descriptor)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%1", "fe80::2%1", True),
        ("::1", "::2", True),
        ("::1", "0.0.0.1", False),
    ],
)
def test_addresses_are_counted_as_sites(first: str, second: str, same: bool) -> None:
    slots = AssociationSlots(10, 1)
    assert slots.take("A", 0, first, 1) is not None
    assert (slots.take("B", 0, second, 1) is None) is same
    assert slots.taken_from(second) == 1
    assert slots.take("C", 0) is not None  # whose address does not count
    assert slots.taken_from("192.0.2.9") == 0


def rejected(node: RunningNode, title: str, address: str = "127.0.0.1") -> bool:
    """Whether the caller is turned away for now (PS3.8 table 9-21)."""
    association = node.associate((ECHO, IMPLICIT), ae_title=title, bind_address=(address, 0))
    if association.is_rejected:
        answer = association.acceptor.primitive
        assert (answer.result, answer.result_source, answer.diagnostic) == (2, 3, 2)
        return True
    assert association.is_established, "\n".join(node.log[-20:])
    association.abort()
    return False


def test_a_caller_that_has_its_share_is_turned_away_and_others_are_not(
    start_node: StartNode,
) -> None:
    node = start_node(
        node={"workers": 2},
        limits={"peer_associations": 2},
        peers={"SCANNER": {"associations": 1}, "ROUTER": {"associations": 0}},
    )
    held = [node.associate((ECHO, IMPLICIT), ae_title="ANY") for _ in range(2)]
    held.append(node.associate((ECHO, IMPLICIT), ae_title="SCANNER"))
    held += [node.associate((ECHO, IMPLICIT), ae_title="ROUTER") for _ in range(4)]
    assert all(association.is_established for association in held)
    assert [rejected(node, title) for title in ("ANY", "SCANNER", "ROUTER", "OTHER")] == [
        True, True, False, False,
    ]  # fmt: skip
    node.wait_for_log("rejected peer=ANY", "[limits] peer_associations = 2 are open")
    node.wait_for_log("rejected peer=SCANNER", "[peers.SCANNER] associations = 1 are open")
    mark = node.mark()
    held[2].release()
    node.wait_for_log("association closed peer=SCANNER", after=mark)
    assert not rejected(node, "SCANNER")
    for association in held:
        association.abort()


@pytest.mark.parametrize("limits", [{"associations": 8}, {"address_associations": 6}])
def test_an_address_that_has_its_share_is_turned_away_and_others_are_not(
    start_node: StartNode, limits: dict[str, int]
) -> None:
    node = start_node(
        node={"workers": 2},
        limits=limits,
        peers={
            "ROUTER": {"associations": 1, "from": ["127.0.0.0/8"]},
            "ANYWHERE": {"associations": 1},
        },
    )
    held = [node.associate((ECHO, IMPLICIT), ae_title=f"INVENTED{n}") for n in range(6)]
    assert all(association.is_established for association in held)
    assert rejected(node, "ONEMORE")
    assert rejected(node, "ANYWHERE")
    assert not rejected(node, "OTHER", "127.0.0.2")
    with node.association((ECHO, IMPLICIT), ae_title="ROUTER"):
        pass
    line = node.wait_for_log("rejected peer=ONEMORE", "address_associations")
    assert line.endswith("= 6 are open from 127.0.0.1")
    audited = (node.data / "audit" / "audit.jsonl").read_text()
    assert '"peer":"ONEMORE"' in audited
    assert "are open from 127.0.0.1" in audited
    mark = node.mark()
    held[0].release()
    node.wait_for_log("association closed peer=INVENTED0", after=mark)
    assert not rejected(node, "ONEMORE")
    for association in held:
        association.abort()


def test_of_many_connections_of_an_address_the_oldest_silent_ones_give_way(
    start_node: StartNode,
) -> None:
    node = start_node(limits={"acse_timeout": 60})
    node.stop()
    node.constants = {"scp.node.connection_crowds.MOST": 5}
    node.start()
    with ExitStack() as stack:
        held = stack.enter_context(node.association((ECHO, IMPLICIT)))
        silent = [stack.enter_context(Wire(node.port)) for _ in range(7)]
        assert silent[1].is_over(30)
        other = stack.enter_context(Wire(node.port))
        assert silent[2].is_over(30)
        assert node.echoes()  # and takes the place of one more
        assert silent[3].is_over(30)
        assert not any(wire.is_over() for wire in (*silent[4:], other))
        assert held.send_c_echo().Status == 0x0000
        line = node.wait_for_log("connection refused", "has opened too many others")
        assert "address=127.0.0.1:" in line


def test_a_service_that_is_denied_is_in_the_log(start_node: StartNode) -> None:
    node = start_node(peers={"SCANNER": {"allow": ["echo", "store"]}})
    contexts = [
        (ECHO, IMPLICIT),
        (CT, EXPLICIT),
        (FIND["STUDY"], EXPLICIT),
        (MOVE["STUDY"], EXPLICIT),
    ]
    with node.association(*contexts, ae_title="SCANNER") as association:
        assert {str(cx.abstract_syntax) for cx in association.accepted_contexts} == {ECHO, CT}
    line = node.wait_for_log("contexts refused peer=SCANNER")
    assert "services=find,move: [peers] does not allow them" in line

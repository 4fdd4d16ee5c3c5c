"""Many associations of a peer that says the same each time: what is remembered, and what not."""

import json
import random
import re
import signal
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from support import (
    CT,
    ECHO,
    EXPLICIT,
    FIND,
    GET,
    IMPLICIT,
    Code,
    RunningNode,
    StartNode,
    running_node,
)
from support.network.plain_peer import Wire
from support.network.wire import (
    ABORTED,
    APPLICATION_CONTEXT,
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    RELEASE,
    RELEASED,
    association_request,
    command_set,
    context_item,
    item,
    message,
    request,
    request_of,
    role_item,
)

VIDEO, MPEG2, MPEG4 = (
    "1.2.840.10008.5.1.4.1.1.77.1.1.1", "1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.102",
)  # fmt: skip


def telling(name: str, words: tuple[str, str], where: str) -> dict[str, Code]:
    """Has a function tell in the log by which word it returned something or nothing, and where."""
    told = f"(({words[0]!r} if found else {words[1]!r}) + ' ' + str({where}) + chr(10)).encode()"
    said = f"lambda found: (__import__('os').write(2, {told}), found)[1]"
    return {name: Code(f"(lambda real: lambda *given: ({said})(real(*given)))({name})")}


# Whether an A-ASSOCIATE-RQ was answered from memory, and in which thread; and of each look for a
# connection whether there was one, and in which process.
RECALL = telling(
    "scp.network.association.negotiation.NodeACSE.recall",
    ("RECALLED", "NEGOTIATED"),
    "__import__('threading').get_native_id()",
)
ACCEPT = telling(
    "scp.node.listener.Listener._accept", ("ACCEPTED", "WOKEN"), "__import__('os').getpid()"
)
TOLD = ("RECALLED", "NEGOTIATED", "ACCEPTED", "WOKEN")


@pytest.fixture
def told(tmp_path: Path) -> Iterator[RunningNode]:
    """A node of two workers that tells what it remembers, and what wakes it."""
    with running_node(tmp_path / "told", {"node": {"workers": 2}}) as node:
        node.stop()
        node.constants = {**RECALL, **ACCEPT}
        yield node.start()


def spoken(node: RunningNode, opening: bytes, *more: bytes) -> list[bytes]:
    """What comes back on a connection: to the A-ASSOCIATE-RQ, to what follows it, and to a release.

    The bytes of a certain connection's port are nowhere in it.
    """
    with Wire(node.port) as wire:
        wire.send(opening)
        answers = [wire.receive()]
        if answers[0][:1] == bytes([ASSOCIATE_AC]):
            for one in more:
                wire.send(one)
                answers.append(wire.receive())
            wire.send(RELEASE)
            answers.append(wire.receive())
        wire.end_writing()
        answers.append(wire.receive())
        return answers


ECHO_MESSAGE = message(1, command_set(request(0x0030, ECHO, False)))
ORDINARY = association_request([(1, ECHO, [IMPLICIT])])


def heard(node: RunningNode, word: str, after: int = 0) -> list[str]:
    """What the lines that begin with a word say behind it."""
    return [line.split()[-1] for line in node.log[after:] if line.startswith(word)]


# ---- the same bytes on the wire

UIDS = [
    ECHO,
    CT,
    FIND["STUDY"],
    GET["STUDY"],
    VIDEO,
    "1.2.840.10008.1.20.1",
    "1.2.3.4.5",
    "nothing",
]
SYNTAXES = [IMPLICIT, EXPLICIT, MPEG2, MPEG4, "1.2.840.10008.1.2.4.50", "1.2.3"]
TITLES = ["BYTES", "SCANNER", "RESTRICTED", "", "A\0B", "G\xc4RT", "BLANK   "]


def sub_items(chosen: random.Random) -> list[bytes]:
    """Some sub-items of the user information, right and wrong."""
    uid = chosen.choice(UIDS).encode()
    named = struct.pack(">H", len(uid)) + uid
    return chosen.sample([
        item(0x51, struct.pack(">I", chosen.choice([0, 1, 16384, 1 << 20]))),
        item(0x51, bytes(chosen.randrange(8))),
        item(0x52, b"1.2.3\0"), item(0x55, b"VERSION_1"), item(0x55, bytes(range(65, 90))),
        item(0x53, struct.pack(">HH", chosen.randrange(3), chosen.randrange(3))),
        role_item(uid.decode(), chosen.randrange(3), chosen.randrange(2)),
        item(0x56, named + bytes(chosen.randrange(2) for _ in range(chosen.randrange(9)))),
        item(0x57, named + named + b"\0\0"),
        item(0x58, struct.pack(">BBH", chosen.randrange(7), 1, 2) + b"me" + struct.pack(">H", 0)),
        item(0x60, b"unknown"),
    ], chosen.randrange(6))  # fmt: skip


def odd_requests(count: int) -> Iterator[bytes]:
    """A-ASSOCIATE-RQ PDUs of all kinds, always the same ones."""
    chosen = random.Random(20)
    for _ in range(count):
        contexts = [
            context_item(chosen.choice([1, 3, 5, 7, 9, 2]), chosen.choice(UIDS),
                         chosen.sample(SYNTAXES, chosen.randrange(4)))
            for _ in range(chosen.randrange(1, 7))
        ]  # fmt: skip
        items = [item(0x10, chosen.choice([APPLICATION_CONTEXT] * 5 + [b"1.2"])), *contexts]
        items += [item(0x99, b"unknown")] * (chosen.random() < 0.1)
        items += [item(0x50, b"".join(sub_items(chosen)))] * (chosen.random() < 0.9)
        titles = chosen.choice(["MINIPACS"] * 5 + ["MINIPACS\0", "OTHER"]), chosen.choice(TITLES)
        made = bytearray(request_of(items, *titles))
        made[6:8] = chosen.choice([b"\0\1"] * 8 + [b"\0\3", b"\0\2"])
        if chosen.random() < 0.1:  # damaged somewhere, so that it may be none
            made[chosen.randrange(6, len(made))] = chosen.randrange(256)
        yield bytes(made)


def without_what_differs(lines: Sequence[str]) -> Counter[str]:
    """Lines of a log, without times, ports, and what the tests have it tell."""
    times = r"^\S+ \S+ |seconds=\S+|(?<=127\.0\.0\.1):\d+"
    return Counter(re.sub(times, "", line) for line in lines if not line.startswith(TOLD))


def audited(node: RunningNode) -> Counter[str]:
    """The audit trail without times."""
    lines = (node.data / "audit" / "audit.jsonl").read_text().splitlines()
    return Counter(
        json.dumps({k: v for k, v in json.loads(line).items() if k not in ("at", "seconds")})
        for line in lines
    )


def test_what_is_remembered_is_answered_told_and_audited_as_what_is_not(tmp_path: Path) -> None:
    """Hundreds of requests, each twice, to a node that remembers and one that does not."""
    tables = {
        "node": {"workers": 1},
        "peers": {"RESTRICTED": {"allow": ["echo", "store"]}, "SCANNER": {"from": ["127.0.0.1"]}},
        "access": {"any_peer": True},
    }
    constants: dict[str, dict[str, object]] = {
        "remembers": {**RECALL},
        "never": {"scp.network.association.remembered._MOST_BYTES": 0},
    }
    found = []
    for name, held in constants.items():
        with running_node(tmp_path / name, tables) as node:
            node.stop()
            node.constants = held
            node.start()
            mark = node.mark()
            answers = [spoken(node, opening) for opening in odd_requests(200) for _ in range(2)]
            accepted = sum(one[0][:1] == bytes([ASSOCIATE_AC]) for one in answers)
            node.wait_for_log("association closed", count=accepted, after=mark)
            recalled = len(heard(node, "RECALLED", mark))
            node.stop()
            found.append((answers, without_what_differs(node.log[mark:]), audited(node)))
            assert 150 < accepted < 350
            assert (recalled > accepted / 3) is (name == "remembers")
    (answers, told, audit), (those, told_there, audit_there) = found
    assert answers == those
    assert told == told_there
    assert audit == audit_there


# ---- what is not answered from memory


def answer_kind(node: RunningNode, opening: bytes) -> int:
    return spoken(node, opening)[0][0]


def test_other_settings_are_heeded_at_once(start_node: StartNode) -> None:
    node = start_node(peers={"BYTES": {"allow": ["echo"]}})
    proposals = [(1, ECHO, [IMPLICIT]), (3, CT, [EXPLICIT])]
    opening = association_request(proposals)
    first = [spoken(node, opening) for _ in range(4)]
    assert first == first[:1] * 4
    node.configure({"peers": {"BYTES": {"allow": ["echo", "store"]}}})
    node.reload()
    second = [spoken(node, opening) for _ in range(4)]
    assert second == second[:1] * 4
    assert second[0] != first[0]
    node.wait_for_log("contexts refused", "services=store", count=4)
    node.configure({"access": {"any_peer": False}, "peers": {"OTHER": {}}})
    node.reload()
    assert answer_kind(node, opening) == ASSOCIATE_RJ


def test_a_limit_is_heeded_by_who_is_known(start_node: StartNode) -> None:
    node = start_node(node={"workers": 1}, peers={"BYTES": {"associations": 1}})
    for count in (1, 2, 3):
        assert answer_kind(node, ORDINARY) == ASSOCIATE_AC
        node.wait_for_log("association closed", count=count)  # its slot is given back by then
    with Wire(node.port) as held:
        held.associate(ORDINARY)
        refused = spoken(node, ORDINARY)[0]
        assert (refused[0], *refused[7:10]) == (ASSOCIATE_RJ, 2, 3, 2)
        held.send(RELEASE)
        assert held.receive() == RELEASED
    node.wait_for_log("association closed", count=4)
    assert answer_kind(node, ORDINARY) == ASSOCIATE_AC


# ---- threads and workers


def test_short_associations_share_threads_and_wake_one_worker_each(told: RunningNode) -> None:
    rounds, mark = 60, told.mark()
    for number in range(rounds):
        spoken(told, ORDINARY, ECHO_MESSAGE)
        told.wait_for_log("association closed", count=number + 1, after=mark)
    threads, known = heard(told, "RECALLED", mark), heard(told, "NEGOTIATED", mark)
    accepted = Counter(heard(told, "ACCEPTED", mark))
    assert len(known) in (1, 2)  # once in each worker
    assert len(threads) == rounds - len(known)
    assert len(set(threads)) <= 4  # of two workers; one may not rest yet when the next comes
    assert sum(accepted.values()) == rounds
    # One worker has what it needs at hand; another one comes in where that is not done yet.
    assert max(accepted.values()) > rounds / 2
    assert (
        len(heard(told, "WOKEN", mark)) < rounds / 4
    )  # by twice as many workers each time is none


# ---- the end


@pytest.mark.parametrize("rounds", [1, 2])
def test_who_only_waits_is_aborted_and_told_of_when_the_node_ends(
    start_node: StartNode, rounds: int
) -> None:
    """Negotiated for the first time, or known from before."""
    node = start_node(node={"workers": 2})
    for _ in range(rounds - 1):
        for _ in range(4):
            spoken(node, ORDINARY)
    mark = node.mark()
    peers = [Wire(node.port).associate(ORDINARY) for _ in range(20)]
    for peer in peers:
        peer.send(ECHO_MESSAGE)
        assert peer.receive()
    node.process.send_signal(signal.SIGTERM)
    for peer in peers:
        assert peer.receive() == ABORTED
        assert peer.receive() == b""
        peer.connection.close()
    node.wait_for_log("association closed", "by=abort", count=20, after=mark)

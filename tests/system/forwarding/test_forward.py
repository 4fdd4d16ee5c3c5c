"""[[forward]]: what arrives goes on, whatever its receivers do, and just once."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support import CLIENT_SECONDS, CT, EXPLICIT, RunningNode, ct, encoded, minipacs, send
from support.network.destinations import Gate
from support.network.receivers import MR, Receiver

from scp.cli.output import forwarding
from scp.config.loader import load
from storage.outbox import opened, studies_under_way

QUICK = {
    "scp.forwarding.destination.RETRY_SECONDS": (0.3, 0.3),
    "scp.forwarding.destination.ASK_SECONDS": 0.3,
    "storage.outbox.commitment_requests.AGAIN_SECONDS": 0.3,
    "scp.forwarding.process._RETRY_SECONDS": 0.3,
}
LOOK = threading.Event()  # never set: the queue tells nobody that it has changed
Start = Callable[..., RunningNode]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a node with rules; times are short. It has to end well, if it still runs."""
    with ExitStack() as stack:

        def starting(rules: list[dict[str, Any]], *to: Receiver, **times: Any) -> RunningNode:
            folder = tmp_path / "node"
            folder.mkdir()
            node = RunningNode(folder, tables_of(rules, *to))
            own = {f"scp.forwarding.destination.{name}": value for name, value in times.items()}
            node.constants = {**QUICK, **own}
            stack.callback(_end, node)
            return node.start()

        yield starting


def _end(node: RunningNode) -> None:
    try:
        if node.is_running:
            assert node.stop() == 0, "\n".join(node.log[-50:])
        assert not node.bugs(), "\n".join(node.bugs())
    finally:
        if node.is_running:
            node.kill()


def tables_of(rules: list[dict[str, Any]], *to: Receiver) -> dict[str, Any]:
    return {"peers": {one.title: one.peer for one in to}, "forward": rules}


@pytest.fixture
def receivers() -> Iterator[Callable[..., Receiver]]:
    with ExitStack() as stack:
        yield lambda *given: stack.enter_context(Receiver(*given).up())


def data_set(number: int, study: str = "1.1", **values: Any) -> bytes:
    return encoded(ct(study, f"{study}.2", uid(number), **values))


def uid(number: int) -> str:
    return f"1.3.{number}"


def store(
    node: RunningNode, numbers: range, title: str = "TESTER", study: str = "1.1", **values: Any
) -> dict[str, bytes]:
    """C-STORE instances, and what they were."""
    sop_class = str(values.get("SOPClassUID", CT))
    sent = {}
    with node.association((sop_class, EXPLICIT), ae_title=title) as association:
        for number in numbers:
            data = data_set(number, study, **values)
            assert send(association, sop_class, uid(number), data).Status == 0x0000
            sent[uid(number)] = data
    return sent


def told(node: RunningNode) -> dict[str, Any]:
    done = minipacs("forward", node, "--json")
    assert done.returncode in (0, 1), done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def wait_until(node: RunningNode, title: str, **wanted: int | str) -> None:
    """Wait until the node tells that of a destination."""
    deadline, settings = time.monotonic() + CLIENT_SECONDS, load(node.config)
    while True:
        found = vars(forwarding.standings(settings)[title])
        if all(found[key] == count for key, count in wanted.items()):
            return
        assert time.monotonic() < deadline, f"not {wanted}: {found}"
        LOOK.wait(0.05)


def forwarder(node: RunningNode) -> int:
    """The id of the process that forwards, once there is one."""
    pid, deadline = node.process.pid, time.monotonic() + CLIENT_SECONDS
    while time.monotonic() < deadline:
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "forwarder":
                return int(child)
    raise AssertionError("there is none")


def test_two_destinations_get_everything_byte_for_byte(
    start: Start, receivers: Callable[..., Receiver]
) -> None:
    one, two = receivers("ONE"), receivers("TWO")
    node = start([{"to": ["ONE", "TWO"]}], one, two)
    sent = store(node, range(20))
    for receiver in (one, two):
        receiver.wait_for(20)
        assert receiver.has(sent)
        assert node.wait_for_log("forwarded", f"destination={receiver.title}", "failed=0")
    for receiver in (one, two):
        wait_until(node, receiver.title, sent=20, waiting=0, failed=0)
    done = minipacs("stats", node, "--json")
    assert json.loads(done.stdout)["forwarding"]["TWO"]["sent"] == 20
    assert "Forwarding" in minipacs("stats", node).stdout
    lines = (node.data / "audit" / "audit.jsonl").read_text().splitlines()
    events = [line for line in map(json.loads, lines) if line["event"] == "forward"]
    assert sum(line["sent"] for line in events if line["destination"] == "ONE") == 20


def test_only_what_fits_a_rule_goes(start: Start, receivers: Callable[..., Receiver]) -> None:
    ward = receivers("WARD")
    node = start([{"to": ["WARD"], "modality": ["mr"], "description": ["*thorax*"]}], ward)
    store(node, range(1), Modality="CT", StudyDescription="THORAX")
    store(node, range(1, 2), Modality="MR", StudyDescription="SKULL")
    sent = store(node, range(2, 3), Modality="MR", SeriesDescription="The Thorax, twice")
    ward.wait_for(1)
    wait_until(node, "WARD", sent=1, waiting=0)
    assert ward.has(sent)


def test_what_came_from_a_peer_does_not_go_back_to_it(
    start: Start, receivers: Callable[..., Receiver]
) -> None:
    one, two = receivers("ONE"), receivers("TWO")
    node = start([{"to": ["ONE", "TWO"]}], one, two)
    of_one, of_two = store(node, range(3), "ONE"), store(node, range(3, 5), "TWO")
    two.wait_for(3)
    one.wait_for(2)
    wait_until(node, "ONE", waiting=0, sent=2)
    assert two.has(of_one)
    assert one.has(of_two)


def test_a_receiver_that_is_down_gets_it_when_it_is_up(start: Start) -> None:
    late = Receiver("LATE").start()
    late.stop()
    node = start([{"to": ["LATE"]}], late)
    sent = store(node, range(5))
    node.wait_for_log("forwarding waits", "cannot be reached", "again in seconds=")
    wait_until(node, "LATE", waiting=5, failed=0)
    standing = told(node)["forwarding"]["LATE"]
    assert "cannot be reached" in standing["last_error"]
    assert standing["oldest_waiting"]
    assert not standing["last_error_over_since"]
    assert under_way(node) == {"1.1"}  # which retention lets stay
    with late.up():
        late.wait_for(5)
        wait_until(node, "LATE", waiting=0, sent=5)
        standing = told(node)["forwarding"]["LATE"]
        assert standing["last_error_in"] == "sending"
        assert standing["last_error_at"] <= standing["last_error_over_since"]
        over = f"{standing['last_error']} (over: sent since {standing['last_error_over_since']})"
        assert f"\n  {standing['last_error_at']}: {over}\n" in minipacs("forward", node).stdout
        assert "(over: sent since " in minipacs("stats", node).stdout
    assert late.has(sent)
    store(node, range(5, 6))  # and it is down again
    wait_until(node, "LATE", waiting=1, last_error_over_since="")


def under_way(node: RunningNode) -> frozenset[str]:
    with opened(node.data) as queue:
        assert queue
        return studies_under_way(queue)


def test_who_asks_for_another_attempt_need_not_wait(start: Start) -> None:
    late = Receiver("LATE").start()
    late.stop()
    node = start([{"to": ["LATE"]}], late, RETRY_SECONDS=(1000.0,))
    sent = store(node, range(2))
    node.wait_for_log("forwarding waits destination=LATE", "again in seconds=1000")
    with late.up():
        assert minipacs("forward", node, "--retry").stdout == "sent again instances=0\n"
        retried = minipacs("forward", node, "--retry", "--json").stdout
        assert json.loads(retried) == {"retried": 0}
        late.wait_for(2)
        wait_until(node, "LATE", waiting=0, sent=2)
    assert late.has(sent)
    lines = (node.data / "audit" / "audit.jsonl").read_text().splitlines()
    retries = [one for one in map(json.loads, lines) if one["event"] == "forward-retry"]
    assert [(one["destination"], one["instances"]) for one in retries] == [(None, 0)] * 2
    assert all(one["user"] for one in retries)


def test_one_that_hangs_holds_up_nobody_else(
    start: Start, receivers: Callable[..., Receiver]
) -> None:
    stuck, quick = receivers("STUCK"), receivers("QUICK")
    gate = Gate()

    def hang(uid: str) -> int:
        gate.hold()
        return 0x0000

    stuck.answer = hang
    node = start([{"to": ["STUCK", "QUICK"]}], stuck, quick)
    sent = store(node, range(1))
    gate.wait_until_reached()
    sent |= store(node, range(1, 30))  # while nothing opens the gate
    quick.wait_for(30)
    assert quick.has(sent)
    assert not stuck.order
    gate.open()
    stuck.wait_for(30)
    wait_until(node, "STUCK", waiting=0, sent=30)
    assert stuck.has(sent)


def test_a_node_ends_though_a_receiver_hangs(
    start: Start, receivers: Callable[..., Receiver]
) -> None:
    stuck = receivers("STUCK")
    gate = Gate()
    stuck.answer = lambda uid: gate.hold() or 0x0000  # type: ignore[func-returns-value]
    node = start([{"to": ["STUCK"]}], stuck)
    sent = store(node, range(3))
    gate.wait_until_reached()
    assert node.stop() == 0
    gate.open()
    stuck.wait_for(1)
    node.start()
    stuck.wait_for(len(sent) + 1)  # whose answer came too late is sent once more
    wait_until(node, "STUCK", waiting=0)


def test_what_is_refused_is_given_up_told_and_sent_again_on_request(start: Start) -> None:
    picky = Receiver("PICKY", CT).start()
    node = start([{"to": ["PICKY"]}], picky)
    sent = store(node, range(3))
    sent |= store(node, range(3, 5), SOPClassUID=MR)
    picky.wait_for(3)
    node.wait_for_log("not forwarded", f"instance={uid(3)}", "attempt=4", "given up")
    node.wait_for_log("not forwarded", f"instance={uid(4)}", "attempt=4", "given up")
    picky.stop()
    done = minipacs("forward", node)
    assert done.returncode == 1
    assert "PICKY: waiting=0, failed=2, sent=3" in done.stdout
    assert "(over: " not in done.stdout  # two have failed
    assert f"instance {uid(3)}: " in done.stdout
    assert "SOP class" in done.stdout
    picky.classes.append(MR)
    with picky.up():
        done = minipacs("forward", node, "--retry", "PICKY")
        assert (done.returncode, done.stdout) == (0, "sent again instances=2\n")
        picky.wait_for(5)
        wait_until(node, "PICKY", waiting=0, failed=0, sent=5)
    assert picky.has(sent)
    assert minipacs("forward", node).returncode == 0


@pytest.mark.parametrize(("status", "goes_on"), [(0xA700, True), (0x0122, False), (0xC000, False)])
def test_a_failed_status_is_tried_again_as_it_is_worth(
    start: Start, receivers: Callable[..., Receiver], status: int, goes_on: bool
) -> None:
    ward, refused = receivers("WARD"), []

    def answer(uid: str) -> int:
        refused.append(uid)
        return status if len(refused) <= 4 else 0x0000

    ward.answer = answer
    node = start([{"to": ["WARD"]}], ward)
    sent = store(node, range(1))
    if goes_on:
        ward.wait_for(1)
        wait_until(node, "WARD", waiting=0, failed=0, sent=1)
        assert ward.has(sent)
    else:
        wait_until(node, "WARD", waiting=0, failed=1, sent=0)
        (failed,) = told(node)["failed"]
        assert failed["words"].startswith(f"status {status:04X}")
        assert len(refused) == 4


def test_a_warning_is_an_acknowledgement(start: Start, receivers: Callable[..., Receiver]) -> None:
    ward, asked = receivers("WARD"), []
    ward.answer = lambda uid: asked.append(uid) or 0xB000  # type: ignore[func-returns-value]
    node = start([{"to": ["WARD"]}], ward)
    store(node, range(2))
    wait_until(node, "WARD", waiting=0, failed=0, sent=2)
    assert asked == [uid(0), uid(1)]


def test_the_same_content_goes_once_and_other_content_again(
    start: Start, receivers: Callable[..., Receiver]
) -> None:
    ward = receivers("WARD")
    node = start([{"to": ["WARD"]}], ward)
    store(node, range(1))
    ward.wait_for(1)
    store(node, range(1))
    store(node, range(1), PatientName="Doe^John")
    ward.wait_for(2)
    assert minipacs("delete", node, "--instance", uid(0), "--yes").returncode == 0
    assert minipacs("restore", node, "--instance", uid(0)).returncode == 0
    store(node, range(1, 2))
    ward.wait_for(3)
    wait_until(node, "WARD", waiting=0, sent=3)
    assert sorted(ward.acknowledged.values()) == [1, 1, 1]


def test_what_is_deleted_meanwhile_does_not_go(start: Start) -> None:
    late = Receiver("LATE").start()
    late.stop()
    node = start([{"to": ["LATE"]}], late)
    sent = store(node, range(3))
    wait_until(node, "LATE", waiting=3)
    assert minipacs("delete", node, "--instance", uid(1), "--yes").returncode == 0
    del sent[uid(1)]
    with late.up():
        late.wait_for(2)
        wait_until(node, "LATE", waiting=0, failed=0, sent=2)
    assert late.has(sent)


def test_a_study_goes_when_nothing_of_it_came_for_a_while(
    start: Start, receivers: Callable[..., Receiver]
) -> None:
    ward = receivers("WARD")
    node = start([{"to": ["WARD"], "modality": ["CT"], "quiet": 2}], ward)
    sent = store(node, range(2))
    wait_until(node, "WARD", waiting=2)
    before_last = time.monotonic()
    store(node, range(2, 3), Modality="SR")  # of the study, though it goes nowhere
    ward.wait_for(2)
    assert time.monotonic() - before_last > 1.9
    assert ward.has(sent)
    assert "sent=2" in node.wait_for_log("forwarded destination=WARD")


# ---- starts, kills, and what is there after them


def test_what_was_held_before_the_first_rule_stays(
    start: Start, receivers: Callable[..., Receiver]
) -> None:
    ward = receivers("WARD")
    node = start([])
    store(node, range(3))
    node.configure(tables_of([{"to": ["WARD"]}], ward))
    node.reload("forwarding to=WARD")
    sent = store(node, range(3, 5))
    ward.wait_for(2)
    wait_until(node, "WARD", waiting=0, sent=2)
    assert ward.has(sent)


def test_rules_are_taken_over_and_a_bad_file_leaves_them(
    start: Start, receivers: Callable[..., Receiver]
) -> None:
    one, two = receivers("ONE"), receivers("TWO")
    node = start([{"to": ["ONE"]}], one, two)
    first = store(node, range(1))
    one.wait_for(1)
    node.configure(tables_of([{"to": ["NOBODY"]}], one, two))
    node.reload("configuration not reloaded, the old one stays")
    first |= store(node, range(1, 2))
    one.wait_for(2)
    node.configure(tables_of([{"to": ["TWO"]}], one, two))
    node.reload("forwarding to=TWO")
    second = store(node, range(2, 3))
    two.wait_for(1)
    assert one.has(first)
    assert two.has(second)


def test_what_came_while_no_rule_was_there_does_not_go(
    start: Start, receivers: Callable[..., Receiver]
) -> None:
    ward = receivers("WARD")
    rules = tables_of([{"to": ["WARD"]}], ward)
    node = start([{"to": ["WARD"]}], ward)
    sent = store(node, range(1))
    ward.wait_for(1)
    assert node.stop() == 0
    node.configure({})
    node.start()
    store(node, range(1, 2))
    assert node.stop() == 0
    node.configure(rules)
    node.start()
    sent |= store(node, range(2, 3))
    ward.wait_for(2)
    assert ward.has(sent)


@pytest.mark.parametrize("what", ["node", "forwarder"])
def test_after_a_kill_everything_arrives_and_what_was_noted_not_twice(
    start: Start, receivers: Callable[..., Receiver], what: str
) -> None:
    """Between a receiver's answer and the note of it one instance is in doubt, each kill."""
    one, two = receivers("ONE"), receivers("TWO")
    node = start([{"to": ["ONE", "TWO"]}], one, two)
    sent, kills = {}, 3
    for turn in range(kills):
        sent |= store(node, range(turn * 40, turn * 40 + 40))
        one.wait_for(turn * 40 + 7)
        if what == "node":
            node.kill()
            node.start()
        else:
            mark = node.mark()
            os.kill(forwarder(node), signal.SIGKILL)
            node.wait_for_log("forwarder ended, starting again", after=mark)
    sent |= store(node, range(1000, 1001))
    for receiver in (one, two):
        receiver.wait_for_instance(uid(1000))  # the journal was followed to its end
        wait_until(node, receiver.title, waiting=0, failed=0)
        assert {uid for uid, _ in receiver.acknowledged} == set(sent)
        twice = receiver.acknowledged.total() - len(sent)
        assert 0 <= twice <= kills


@pytest.mark.parametrize("harm", ["garbage", "gone", "cut"])
def test_a_queue_that_is_lost_begins_anew_with_what_comes(
    start: Start, receivers: Callable[..., Receiver], harm: str
) -> None:
    ward = receivers("WARD")
    node = start([{"to": ["WARD"]}], ward)
    sent = store(node, range(30))
    ward.wait_for(30)
    wait_until(node, "WARD", sent=30)
    assert node.stop() == 0
    queue = node.data / "forward.sqlite"
    if harm == "gone":
        queue.unlink()
    else:
        held = queue.read_bytes()
        queue.write_bytes(held[:5000] if harm == "cut" else b"garbage" * 2000)
    node.start()
    node.wait_for_log("forwarding begins: what arrived before now is not sent on")
    assert bool(node.logged("forwarding queue damaged")) == (harm != "gone")
    sent |= store(node, range(30, 32))
    ward.wait_for(32)
    wait_until(node, "WARD", sent=2, waiting=0)
    assert ward.has(sent)


def test_a_queue_that_vanishes_under_a_node_is_made_again(
    start: Start, receivers: Callable[..., Receiver]
) -> None:
    ward = receivers("WARD")
    node = start([{"to": ["WARD"]}], ward)
    sent = store(node, range(1))
    ward.wait_for(1)
    wait_until(node, "WARD", sent=1)
    mark = node.mark()
    for path in node.data.glob("forward.sqlite*"):
        path.unlink()
    store(node, range(1, 2))
    node.wait_for_log("forwarding begins: ", after=mark)
    sent |= store(node, range(2, 3))
    ward.wait_for(2)
    assert ward.has(sent)


def test_a_queue_that_cannot_be_had_holds_up_nobody(
    start: Start, receivers: Callable[..., Receiver]
) -> None:
    ward = receivers("WARD")
    node = start([], ward)
    (node.data / "forward.sqlite").mkdir()
    node.configure(tables_of([{"to": ["WARD"]}], ward))
    node.reload("forwarding does not begin: ")
    store(node, range(3))
    done = minipacs("stats", node)
    assert (done.returncode, "3 instances" in done.stdout) == (0, True)
    assert "forward.sqlite" in done.stderr or "forwarding queue" in done.stderr
    done = minipacs("forward", node)
    assert (done.returncode, done.stdout) == (2, "")
    assert "The forwarding queue" in done.stderr
    (node.data / "forward.sqlite").rmdir()
    node.wait_for_log("forwarding begins: ")
    sent = store(node, range(3, 5))
    ward.wait_for(2)
    wait_until(node, "WARD", sent=2)
    assert ward.has(sent)


@pytest.mark.parametrize(("given", "words"), [
    (("NOBODY",), "NOBODY: nothing goes there"), (("--retry", "NOBODY"), "nothing goes there"),
    (("--retry",), "nothing was ever sent on"),
], ids=["unknown", "unknown to retry", "no queue"])  # fmt: skip
def test_wrong_usage_is_told(tmp_path: Path, given: tuple[str, ...], words: str) -> None:
    done = minipacs("forward", RunningNode(tmp_path), *given)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr

"""Storage commitment (PS3.4 annex J): asked, answered at once, reported truly."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from support import Code, RunningNode, running_node
from support.network.requestor import CT, EXPLICIT, HELD, MR, Reference, Requestor


@pytest.fixture
def requestor() -> Iterator[Requestor]:
    made = Requestor()
    yield made
    made.server.shutdown()


@pytest.fixture
def node(tmp_path: Path, requestor: Requestor) -> Iterator[RunningNode]:
    peers = {"MODALITY": {"host": "127.0.0.1", "port": requestor.port}}
    with running_node(tmp_path / "node", {"peers": peers}) as running:
        store(running)
        yield running


def store(node: RunningNode) -> None:
    data_set = Dataset()
    data_set.SOPClassUID, data_set.SOPInstanceUID = CT, HELD
    data_set.StudyInstanceUID, data_set.SeriesInstanceUID = "1.2", "1.2.3"
    data_set.ensure_file_meta()
    data_set.file_meta.TransferSyntaxUID = EXPLICIT
    with node.association((CT, EXPLICIT)) as association:
        assert association.send_c_store(data_set).Status == 0x0000


def test_what_is_held_is_committed_to_on_the_association_that_asked(
    node: RunningNode, requestor: Requestor
) -> None:
    assert requestor.ask(node, "1.9.1", [(CT, HELD)], keep=True).Status == 0x0000
    assert requestor.report() == (1, "1.9.1", {(CT, HELD)}, {})
    assert requestor.reports.empty()


def test_who_releases_at_once_is_called_and_told_each_reason(
    node: RunningNode, requestor: Requestor
) -> None:
    asked = [(CT, HELD), (CT, "1.2.3.99"), (MR, HELD)]
    assert requestor.ask(node, "1.9.2", asked).Status == 0x0000
    failed = {(CT, "1.2.3.99"): 0x0112, (MR, HELD): 0x0119}
    assert requestor.report() == (2, "1.9.2", {(CT, HELD)}, failed)


def test_a_thousand_unknown_instances(node: RunningNode, requestor: Requestor) -> None:
    asked = [(CT, f"1.7.{number}") for number in range(1000)]
    assert requestor.ask(node, "1.9.3", asked).Status == 0x0000
    assert requestor.report() == (2, "1.9.3", set(), dict.fromkeys(asked, 0x0112))


def test_a_transaction_that_comes_twice_fails_the_second_time(
    node: RunningNode, requestor: Requestor
) -> None:
    for reason in (None, 0x0131):
        # Kept until it is told: else the first report might come once more.
        assert requestor.ask(node, "1.9.4", [(CT, HELD)], keep=True).Status == 0x0000
        event_type, _, held, failed = requestor.report()
        assert (event_type, held) == ((1, {(CT, HELD)}) if reason is None else (2, set()))
        assert failed == ({} if reason is None else {(CT, HELD): reason})


def test_a_file_that_is_not_what_was_received_is_not_committed_to(
    node: RunningNode, requestor: Requestor
) -> None:
    (path,) = node.files()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert requestor.ask(node, "1.9.5", [(CT, HELD)]).Status == 0x0000
    assert requestor.report() == (2, "1.9.5", set(), {(CT, HELD): 0x0110})


@pytest.mark.parametrize(
    ("transaction", "references", "request_", "status"),
    [
        ("1.9.6", [], {}, 0x0115),
        ("", [(CT, HELD)], {}, 0x0115),
        ("1.9.6", [(CT, "")], {}, 0x0115),
        ("1.9.6", [(CT, HELD)], {"action": 2}, 0x0123),
        ("1.9.6", [(CT, HELD)], {"instance": "1.2.3"}, 0x0112),
    ],
    ids=["nothing", "no transaction", "half a reference", "another action", "another instance"],
)
def test_what_is_no_request_is_refused_and_the_node_goes_on(
    node: RunningNode,
    requestor: Requestor,
    transaction: str,
    references: list[Reference],
    request_: dict[str, Any],
    status: int,
) -> None:
    answered = requestor.ask(node, transaction, references, **request_)
    assert (answered.Status, bool(answered.ErrorComment)) == (status, True)
    assert node.echoes()
    assert requestor.reports.empty()
    assert not (node.data / "journal" / "commitments.jsonl").exists()


def test_what_was_not_reported_is_reported_after_a_kill(
    tmp_path: Path, requestor: Requestor
) -> None:
    peers = {"MODALITY": {"host": "127.0.0.1", "port": requestor.port}}
    with running_node(tmp_path / "node", {"peers": peers}) as node:
        store(node)
        node.kill()
        # As it is when the node is killed between its answer and the report.
        line = {
            "at": "2026-01-01T00:00:00.000+00:00", "kind": "requested", "transaction": "1.9.7",
            "peer": "MODALITY", "references": [[CT, HELD]], "worker": 0, "duplicate": False,
        }  # fmt: skip
        (node.data / "journal" / "commitments.jsonl").write_text(json.dumps(line) + "\n")
        node.start()
        assert requestor.report() == (1, "1.9.7", {(CT, HELD)}, {})
        node.wait_for_log("transaction=1.9.7: reported on an association of its own")
        node.kill()
        node.start()
        assert node.echoes()
        assert not [line for line in node.log if "commitment resumed" in line]
    assert requestor.reports.empty()


SLOW = "lambda *given: __import__('time').sleep(0.02)"


def test_a_small_request_is_reported_before_a_large_one_that_came_first(
    tmp_path: Path, requestor: Requestor
) -> None:
    peers = {"MODALITY": {"host": "127.0.0.1", "port": requestor.port}}
    with running_node(tmp_path / "node", {"peers": peers}) as node:
        node.stop()
        large = [(CT, f"1.7.{number}") for number in range(50)]
        lines = [
            {
                "at": "2026-01-01T00:00:00.000+00:00", "kind": "requested", "transaction": uid,
                "peer": "MODALITY", "references": asked, "worker": 0, "duplicate": False,
            }
            for uid, asked in (("1.9.1", large), ("1.9.2", [(CT, HELD)]))
        ]  # fmt: skip
        journal = node.data / "journal" / "commitments.jsonl"
        journal.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        node.constants = {
            "scp.network.services.commitment_reporter.TURN_SECONDS": 0.0,
            "scp.network.services.commitment_reporter.commitments.failure_of": Code(SLOW),
        }
        node.start()
        assert [requestor.report()[1] for _ in range(2)] == ["1.9.2", "1.9.1"]


def test_the_files_of_a_requestor_that_is_gone_hold_up_nobody(
    tmp_path: Path, requestor: Requestor
) -> None:
    """What it asked for is looked into in turns, from where its association ended."""
    peers = {"MODALITY": {"host": "127.0.0.1", "port": requestor.port}}
    with running_node(tmp_path / "node", {"peers": peers}) as node:
        node.stop()
        node.constants = {
            "scp.network.services.commitment_reporter.TURN_SECONDS": 0.0,
            "scp.network.services.commitment_reporter.commitments.failure_of": Code(SLOW),
        }
        node.start()
        mark = node.mark()
        asked = [(CT, f"1.7.{number}") for number in range(200)]
        assert requestor.ask(node, "1.9.1", asked).Status == 0x0000
        node.wait_for_log("association closed peer=MODALITY", after=mark)
        assert requestor.reports.empty()
        assert requestor.ask(node, "1.9.2", [(CT, HELD)]).Status == 0x0000
        assert [requestor.report()[1] for _ in range(2)] == ["1.9.2", "1.9.1"]

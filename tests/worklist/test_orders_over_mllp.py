"""[orders]: HL7 messages over MLLP become entries, or are refused with a reason."""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import requests
from support import CLIENT_SECONDS, RunningNode
from support.program import run
from worklist.modality import Modality, of_step

StartWorklist = Callable[..., RunningNode]

ORDER = (
    "MSH|^~\\&|RIS|PRAXIS|PACS|KLINIK|20260102||ORM^O01|{number}|P|2.3.1||||||{charset}\r"
    "PID|||{patient}||{name}||19710203|F\r"
    "{orc}|{control}|PL-1|{accession}||||^^^20991231083000\r"
    "OBR||PL-1|{accession}|CTTHX^CT Thorax^L||||||||||||||{accession}||||||CT\r"
)
USUAL = {"number": "1", "charset": "8859/1", "patient": "P1", "name": "Müßig^Zoë",
         "control": "NW", "accession": "A1", "orc": "ORC"}  # fmt: skip


def order(codec: str = "latin-1", **given: str) -> bytes:
    return ORDER.format_map(USUAL | given).encode(codec)


class Client:
    """Who sends messages."""

    def __init__(self, node: RunningNode) -> None:
        at = re.search(r"orders at 127\.0\.0\.1:(\d+)", "\n".join(node.log))
        assert at
        self._socket = socket.create_connection(("127.0.0.1", int(at[1])), CLIENT_SECONDS)
        self._held = b""

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def ask(self, message: bytes) -> list[str]:
        """Send one in a frame, and give the fields of the answer's MSA segment."""
        self.send(b"\x0b" + message + b"\x1c\r")
        return self.answer()

    def answer(self) -> list[str]:
        """The fields of the MSA segment of the next answer."""
        return self.message().splitlines()[1].split("|")

    def message(self) -> str:
        while b"\x1c\r" not in self._held:
            more = self._socket.recv(65536)
            assert more, "the connection was ended"
            self._held += more
        frame, _, self._held = self._held.partition(b"\x1c\r")
        assert frame[:1] == b"\x0b"
        return frame[1:].decode("latin-1").replace("\r", "\n")

    def is_ended(self) -> bool:
        """Whether the other side ends the connection, without an answer."""
        try:
            return not self._socket.recv(1)
        except ConnectionResetError:
            return True


@contextmanager
def connected(node: RunningNode) -> Iterator[Client]:
    client = Client(node)
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def node(start_worklist: StartWorklist) -> RunningNode:
    return start_worklist(
        {"orders": {"port": 0, "station": {"CT": "CT01"}}, "metrics": {"port": 0}}
    )


def listed(node: RunningNode) -> list[dict[str, Any]]:
    listed = run("worklist", "list", "-c", node.config, "--all", "--json")
    return list(json.loads(listed.stdout))


def found(node: RunningNode) -> list[tuple[str, str]]:
    """Patients and numbers, as a modality finds them."""
    modality = Modality(node)
    try:
        answers = modality.found(
            {"PatientName": "", "AccessionNumber": "", **of_step(Modality="CT")}
        )
    finally:
        modality.close()
    return sorted((str(one.PatientName), str(one.AccessionNumber)) for one in answers)


@pytest.mark.parametrize(
    ("charset", "codec"),
    [("8859/1", "latin-1"), ("", "latin-1"), ("UNICODE UTF-8", "utf-8")],
    ids=["Latin-1", "none named", "UTF-8"],
)
def test_an_order_is_found_by_modalities_once_it_is_acknowledged(
    node: RunningNode, charset: str, codec: str
) -> None:
    with connected(node) as client:
        assert client.ask(order(codec, charset=charset)) == ["MSA", "AA", "1"]
        assert found(node) == [("Müßig^Zoë", "A1")]
        node.kill()  # what is acknowledged is on the disk
    node.start()
    assert found(node) == [("Müßig^Zoë", "A1")]


def test_an_order_is_changed_taken_back_and_ordered_anew(node: RunningNode) -> None:
    with connected(node) as client:
        client.ask(order())
        assert client.ask(order(number="2", control="XO", name="Roe^Rita"))[1] == "AA"
        assert found(node) == [("Roe^Rita", "A1")]
        assert client.ask(order(number="3", control="CA"))[1] == "AA"
        assert found(node) == []
        assert client.ask(order(number="4", accession="A2"))[1] == "AA"
        assert client.ask(order(number="5", control="DC", accession="A2"))[1] == "AA"
        assert found(node) == []
        assert client.ask(order(number="6"))[1] == "AA"
        assert found(node) == [("Müßig^Zoë", "A1")]


@pytest.mark.parametrize("between", ["nothing", "a restart", "new settings"])
def test_a_message_that_is_repeated_is_accepted_again_and_done_once(
    node: RunningNode, between: str
) -> None:
    """An old order that comes again does not bring back what was taken back meanwhile."""
    with connected(node) as client:
        assert client.ask(order()) == ["MSA", "AA", "1"]
        assert client.ask(order(number="2", control="CA")) == ["MSA", "AA", "2"]
    if between == "a restart":
        node.kill()
        node.start()
    elif between == "new settings":
        node.reload()
        node.wait_for_log("orders taken", count=2)
    with connected(node) as client:
        assert client.ask(order()) == ["MSA", "AA", "1"]
        assert found(node) == []
        assert client.ask(order(number="3")) == ["MSA", "AA", "3"]
        assert found(node) == [("Müßig^Zoë", "A1")]


def test_what_was_refused_is_done_once_it_can_be(node: RunningNode) -> None:
    with connected(node) as client:
        assert client.ask(order(number="2", control="CA"))[1] == "AE"
        assert client.ask(order())[1] == "AA"
        assert client.ask(order(number="2", control="CA"))[1] == "AA"
        assert found(node) == []


REFUSED = {
    "of another kind": (order().replace(b"ORM^O01", b"ADT^A08"), "AR", "MSH-9 is"),
    "of a character set that nobody knows": (order(charset="EBCDIC"), "AR", "MSH-18 is"),
    "that is not of its character set": (
        order(charset="UNICODE UTF-8"), "AE", "is not of UNICODE UTF-8",
    ),
    "garbage": (b"\x00\xff\x00 garbage", "AR", "MSH segment"),
    "nothing": (b"", "AR", "MSH segment"),
    "of no patient": (order(patient=""), "AE", "PatientID: missing"),
    "of no station": (order().replace(b"|CT\r", b"|MR\r"), "AE", "StationAETitle: missing"),
    "with a number that is too long": (order(accession="A" * 17), "AE", "AccessionNumber"),
    "taken back before it came": (order(control="CA"), "AE", "no order of this patient is known"),
    "with another control code": (order(control="ZZ"), "AE", "ORC-1 is"),
}  # fmt: skip


def test_what_cannot_be_taken_is_refused_with_a_reason(node: RunningNode) -> None:
    with connected(node) as client:
        for name, (message, code, words) in REFUSED.items():
            answer = client.ask(message)
            assert answer[1] == code, name
            assert words in answer[3].replace("\\T\\", "&"), name
        assert listed(node) == []
        assert client.ask(order())[1] == "AA"
        another = client.ask(order(number="2", patient="P2", name="Doe^Jane"))
        assert another[1] == "AE"  # the number is another patient's
        assert found(node) == [("Müßig^Zoë", "A1")]


def test_of_a_message_with_a_fault_nothing_is_taken(node: RunningNode) -> None:
    first, second = order().split(b"ORC"), order(accession="A2", patient="P1").split(b"ORC")
    wrong = b"ORC" + second[1].replace(b"20991231083000", b"")
    with connected(node) as client:
        assert client.ask(b"ORC".join(first) + wrong)[1] == "AE"
        assert listed(node) == []
        assert client.ask(b"ORC".join(first) + b"ORC" + second[1])[1] == "AA"
    assert [one[1] for one in found(node)] == ["A1", "A2"]


def test_the_answer_is_addressed_to_who_asked(node: RunningNode) -> None:
    with connected(node) as client:
        client.send(b"\x0b" + order(number="N-7") + b"\x1c\r")
        head, answer = client.message().splitlines()
    fields = head.split("|")
    assert fields[2:6] == ["PACS", "KLINIK", "RIS", "PRAXIS"]
    assert fields[8] == "ACK^O01"
    assert (fields[10:12], fields[17]) == (["P", "2.3.1"], "8859/1")
    assert answer == "MSA|AA|N-7"


def test_messages_may_come_in_one_segment_or_byte_by_byte(node: RunningNode) -> None:
    many = [order(number=str(n), accession=f"A{n}") for n in range(3)]
    frames = b"\r\n".join(b"\x0b" + one + b"\x1c\r" for one in many)
    with connected(node) as client:
        client.send(frames)
        assert [client.answer() for _ in many] == [["MSA", "AA", str(n)] for n in range(3)]
        for byte in b"\x0b" + order(number="9", accession="A9") + b"\x1c\r":
            client.send(bytes([byte]))
        assert client.answer() == ["MSA", "AA", "9"]
    assert len(found(node)) == 4


def test_who_sends_no_frame_is_ended_and_holds_up_nobody(start_worklist: StartWorklist) -> None:
    node = start_worklist({"orders": {"port": 0, "station": {"CT": "CT01"}}})
    with connected(node) as endless, connected(node) as garbage, connected(node) as cut:
        endless.send(b"\x0b" + order())  # and no more
        garbage.send(b"GET / HTTP/1.1\r\n\r\n")
        assert garbage.is_ended()
        with suppress(ConnectionError):  # before all of it is sent
            cut.send(b"\x0b" + b"x" * ((1 << 20) + 1))
        assert cut.is_ended()
        with connected(node) as other:
            assert other.ask(order())[1] == "AA"
        node.wait_for_log("orders ended", "no frame begins where one should")
        node.wait_for_log("orders ended", "a frame of more than 1048576 bytes")
        assert not node.logged("a frame has not ended")


def test_a_frame_that_does_not_end_is_given_up(
    start_worklist: StartWorklist, tmp_path: Any
) -> None:
    node = RunningNode(tmp_path, {"orders": {"port": 0}, "worklist": {}})
    node.constants = {"scp.network.orders.process.FRAME_SECONDS": 0.3,
                      "scp.network.orders.process.MOST_CLIENTS": 1}  # fmt: skip
    node.start()
    try:
        with connected(node) as client, connected(node) as second:
            assert second.is_ended()
            node.wait_for_log("orders refused", "1 connections are open")
            client.send(b"\x0b" + order())
            assert client.is_ended()
            node.wait_for_log("orders ended", "a frame has not ended within 0.3 s")
    finally:
        assert node.stop() == 0
    assert node.bugs() == []


def test_many_clients_at_once_are_each_answered(node: RunningNode) -> None:
    codes: list[str] = []

    def send(client_number: int) -> None:
        with connected(node) as client:
            for number in range(5):
                name = f"{client_number}-{number}"
                codes.append(client.ask(order(number=name, accession=name))[1])

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == ["AA"] * 30
    assert len(found(node)) == 30


def test_what_came_is_counted_logged_and_in_the_audit_trail(node: RunningNode) -> None:
    with connected(node) as client:
        client.ask(order())
        client.ask(order(number="2", control="ZZ"))
        at = re.search(r"metrics at (http\S+)/metrics", "\n".join(node.log))
        assert at
        told = requests.get(f"{at[1]}/metrics", timeout=10).text
        assert 'minipacs_orders_answered_total{code="AA"} 1.0' in told
        assert 'minipacs_orders_answered_total{code="AE"} 1.0' in told
        assert "minipacs_orders_open 1.0" in told
    lines = map(json.loads, (node.data / "audit/audit.jsonl").read_text().splitlines())
    first, second = (one for one in lines if one["event"] == "order")
    assert (first["answer"], first["control"], first["accession"]) == ("AA", "NW", "A1")
    assert (second["answer"], second["message"]) == ("AE", "2")
    assert "ORC-1 is" in second["reason"]
    assert not node.logged("Müßig")  # no name of a patient in the log


def test_where_the_disk_is_full_it_is_said_and_the_message_may_come_again(
    node: RunningNode,
) -> None:
    with connected(node) as client:
        folder = node.data / "worklist"
        folder.mkdir(exist_ok=True)
        kept = folder.rename(node.data / "kept")
        folder.write_bytes(b"")  # in which nothing can be written
        answer = client.ask(order())
        assert answer[1] == "AE"
        folder.unlink()
        kept.rename(folder)
        assert client.ask(order())[1] == "AA"
    assert found(node) == [("Müßig^Zoë", "A1")]


def test_settings_are_taken_while_the_node_runs(node: RunningNode) -> None:
    node.configure({"orders": {"port": 0, "station": {"CT": "OTHER"}}, "worklist": {},
                    "node": {"workers": 1}, "metrics": {"port": 0}})  # fmt: skip
    node.reload()
    node.wait_for_log("orders taken", count=2)
    with connected(node) as client:
        assert client.ask(order())[1] == "AA"
    (entry,) = listed(node)
    assert "OTHER" in json.dumps(entry)

"""Arrivals as a node tells them: at once, to many, through a proxy, until somebody ends it."""

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
import requests
from support import CT, EXPLICIT, RunningNode, StartNode, ct, minipacs, running_node
from support.checks.dicomweb import Web

SECONDS = 60


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with running_node(tmp_path_factory.mktemp("node"), {"web": {"port": 0, "workers": 1}}) as node:
        yield node


def store(node: RunningNode, study: str, instance: str = "1") -> None:
    one = ct(study, f"{study}.1", f"{study}.1.{instance}")
    one.ensure_file_meta()
    one.file_meta.TransferSyntaxUID = EXPLICIT
    with node.association((CT, EXPLICIT)) as association:
        assert association.send_c_store(one).Status == 0x0000


class Stream:
    """A stream of events of a node."""

    def __init__(self, node: RunningNode, known: str, head: str = "", version: str = "1.1") -> None:
        host, port = Web(node).origin.removeprefix("http://").split(":")
        self.connection = socket.create_connection((host, int(port)), SECONDS)
        request = f"GET /page/events?known={known} HTTP/{version}\r\nHost: {host}\r\n{head}\r\n"
        self.connection.sendall(request.encode())
        self.read = b""
        self.until(b"retry:")

    def until(self, wanted: bytes) -> bytes:
        """What has come up to that, which is then forgotten."""
        while wanted not in self.read:
            part = self.connection.recv(65536)
            assert part, (wanted, self.read)
            self.read += part
        found, _, self.read = self.read.partition(wanted)
        return found

    def event(self) -> str:
        """The id of the next event."""
        self.until(b"\nid: " if b"\nid: " in self.read else b"id: ")
        return self.until(b"\nevent: arrived\n").decode()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def state(node: RunningNode) -> str:
    return requests.get(f"{Web(node).origin}/page/latest", timeout=SECONDS).text


def test_what_arrives_is_told_at_once_and_what_is_known_is_not(node: RunningNode) -> None:
    store(node, "1.1")
    known = state(node)
    with Stream(node, known) as stream:
        store(node, "1.2")
        assert stream.event() == state(node) != known


def test_who_comes_back_is_told_what_came_meanwhile(node: RunningNode) -> None:
    store(node, "1.1")
    known = state(node)
    store(node, "1.1", "2")  # of a study that is there
    with Stream(node, "another", head=f"Last-Event-ID: {known}\r\n") as stream:
        assert stream.event() == state(node)


def test_a_stream_says_that_nobody_between_is_to_hold_it_back(node: RunningNode) -> None:
    with requests.get(f"{Web(node).origin}/page/events", stream=True, timeout=SECONDS) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert answer.headers["Cache-Control"] == "no-store, no-transform"
        assert "Content-Encoding" not in answer.headers
    head = requests.head(f"{Web(node).origin}/page/events", timeout=SECONDS)
    assert head.headers["Content-Type"].startswith("text/event-stream")


def test_a_proxy_that_asks_by_http_1_0_is_told_too(node: RunningNode) -> None:
    with Stream(node, "", head="Connection: close\r\n", version="1.0") as stream:
        assert stream.event() == state(node)


def test_many_who_listen_leave_dicomweb_its_threads(node: RunningNode) -> None:
    with ExitStack() as stack:
        streams = [stack.enter_context(Stream(node, state(node))) for _ in range(60)]
        assert Web(node).get("studies?limit=1").status_code in (200, 204)
        store(node, "1.4")
        assert {one.event() for one in streams} == {state(node)}


def told_again(node: RunningNode) -> str:
    """An event of the process that comes next: the one that ends may still take a connection."""
    while True:
        with suppress(AssertionError, ConnectionError), Stream(node, "") as stream:
            return stream.event()


@pytest.mark.parametrize("is_renewed", [True, False])
def test_streams_end_at_once_with_the_process_that_tells_them(
    start_node: StartNode, is_renewed: bool
) -> None:
    node = start_node(web={"port": 0, "workers": 1})
    with Stream(node, state(node)) as stream:
        if is_renewed:
            os.kill(node.process.pid, signal.SIGHUP)
        else:
            assert node.stop() == 0
        stream.until(b"\r\n0\r\n\r\n" if b"\r\n0" in stream.read else b"0\r\n\r\n")
        assert stream.connection.recv(1) == b""
    if is_renewed:
        assert re.fullmatch(r"\d+-\d+-\d+", told_again(node))


def test_a_correction_is_told_as_an_arrival_is(node: RunningNode) -> None:
    store(node, "1.5")
    known = state(node)
    with Stream(node, known) as stream:
        done = minipacs("correct", node, "--study", "1.5", "PatientName=Other^Name", "--yes")
        assert done.returncode == 0, done.stderr
        assert stream.event() != known

"""Requests that somebody has made others of: none is an internal error, none writes what is wrong.

An input of a run that failed can be had again by `--fuzz-seed`, and its number.
"""

import json
import socket
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from support import RunningNode, minipacs
from support.checks.dicomweb import Web
from support.checks.watching import anonymous
from support.data.http_requests import HttpRequests
from support.data.web_kit import Kit
from support.fuzzing.campaign import OF_THE_SENDER

from storage.dicom import part10

# What the memory of a process may grow by, once it has seen some of the requests.
_GROWTH_KIB = 48 * 1024


def said(web: Web, request: bytes) -> bytes:
    """What is answered, until the connection ends."""
    name, port = web.origin.removeprefix("http://").split(":")
    found = b""
    with socket.create_connection((name, int(port)), timeout=60) as connection:
        with suppress(OSError):  # it is cut before all is sent
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            while part := connection.recv(1 << 16):
                found += part
    return found


def processes(node: RunningNode) -> list[int]:
    """Those that answer over HTTP."""
    pid = node.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in children if Path(f"/proc/{one}/comm").read_text() == "web\n"]


@pytest.mark.parametrize(
    "count", [300, pytest.param(30_000, marks=pytest.mark.long)], ids=lambda count: str(count)
)
def test_no_request_is_an_internal_error(kit: Kit, pytestconfig: pytest.Config, count: int) -> None:
    seed = str(pytestconfig.getoption("--fuzz-seed"))
    print(f"--fuzz-seed {seed}")
    web, node = kit.web, kit.web.node
    requests = HttpRequests(kit, web.origin.removeprefix("http://"))
    mark, before, acknowledged = len(node.log), 0, set[str]()
    alive = processes(node)
    assert alive
    for number in range(count):
        if number == count // 4:
            before = sum(map(anonymous, alive))
        sent = requests.make(seed, number)
        answer = said(web, sent)
        assert not answer.startswith(b"HTTP/1.1 500"), (number, sent[:600])
        head, _, body = answer.partition(b"\r\n\r\n")
        if sent.startswith(b"POST") and head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")):
            acknowledged |= urls(body)
    assert not node.bugs(mark), "\n".join(node.bugs(mark))
    assert processes(node) == alive
    assert sum(map(anonymous, alive)) - before < _GROWTH_KIB * len(alive)
    assert acknowledged
    for url in sorted(acknowledged):
        found = web.get(url, "application/dicom; transfer-syntax=*")
        assert found.status_code == 200, url
        assert url.endswith(part10.read(BytesIO(found.content)).sop_instance_uid)
    assert node.incoming() == []
    done = minipacs("check", node, "--json")
    kinds = {one["kind"] for one in json.loads(done.stdout)["faults"]}
    assert kinds <= OF_THE_SENDER, kinds


def urls(body: bytes) -> set[str]:
    """Where the instances lie that a report acknowledges."""
    if not body.startswith(b"{"):  # it is XML, as Accept was made another one
        return set()
    report = json.loads(body)
    items = report.get("00081199", {}).get("Value", [])
    return {item["00081190"]["Value"][0] for item in items}

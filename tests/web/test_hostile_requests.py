"""Requests that no client of good will makes: the right status, nothing written, and it goes on."""

import random
import socket
import threading
from contextlib import ExitStack, suppress

import pytest
from support.checks.dicomweb import Web

CT = "studies/1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"
WRITTEN = 30


def connected(web: Web) -> socket.socket:
    host, port = web.origin.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def said(web: Web, request: bytes) -> bytes:
    """What is answered to some bytes, until the connection ends."""
    with connected(web) as connection:
        found = b""
        with suppress(OSError):  # it is cut before all is sent
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            while part := connection.recv(65536):
                found += part
    return found


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("studies/../../etc/passwd", 404), ("studies/..%2F..%2Fetc%2Fpasswd/series", 400),
        ("studies/1.2.3%00/series", 400), (f"studies/{'1' * 65}/metadata", 400),
        ("studies/1.2.3'%20OR%201=1/series", 400), ("studies/%F0%28%8C%BC/series", 400),
        (f"{CT}/bulkdata/7FE00010", 404), ("studies/a.b.c", 400), ("studies/%2e%2e/metadata", 404),
        ("studies?PatientName=%00", 200), ("studies?PatientName=%FF%FE", 200),
        ("studies?" + "&".join(f"0010{n:04X}=1" for n in range(0x1000, 0x1200)), 200),
    ],
)  # fmt: skip
def test_a_path_is_a_path_of_ours_or_none(web: Web, path: str, status: int) -> None:
    host = web.origin.removeprefix("http://")
    request = f"GET /dicom-web/{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    answer = said(web, request.encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:200]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0" * 4096,
        b"GET /dicom-web/studies HTTP/9.9\r\n\r\n",
        b"GET /dicom-web/studies HTTP/1.1\r\nHost\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        b'Content-Type: multipart/related; boundary="b"\r\n\r\nzz\r\n',
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused_and_the_next_is_answered(
    web: Web, request_bytes: bytes
) -> None:
    answer = said(web, request_bytes)
    assert not answer or answer[9:10] in b"45", answer[:100]
    assert web.get("studies?limit=1").status_code == 200


def test_many_connections_that_say_nothing_hold_nobody_up(web: Web) -> None:
    with ExitStack() as stack:
        for _ in range(500):
            stack.enter_context(connected(web))
        assert web.get("studies?limit=1").status_code == 200


def test_many_heads_that_do_not_end_are_cut(start_node) -> None:
    node = start_node(web={"port": 0, "workers": 1})
    web = Web(node)
    with ExitStack() as stack:
        for _ in range(60):  # more than there are threads
            one = stack.enter_context(connected(web))
            one.sendall(b"GET /dicom-web/studies HTTP/1.1\r\nX-A: b")
        assert web.get("studies?limit=1").status_code == 200


def test_who_takes_nothing_of_an_answer_holds_nobody_up(web: Web) -> None:
    host = web.origin.removeprefix("http://")
    request = f"GET /dicom-web/{CT} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n\r\n".encode()
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(connected(web)).sendall(request * 20)
        assert web.get("studies?limit=1").status_code == 200


def test_another_host_s_name_is_refused(web: Web) -> None:
    answer = web.session.get(f"{web.url}/studies", headers={"Host": "attacker.example"})
    assert answer.status_code == 400
    assert web.session.get(f"{web.url}/studies", headers={"Host": "localhost"}).status_code == 200


def test_a_page_of_another_origin_may_not_read(start_node) -> None:
    node = start_node(web={"port": 0, "origins": ["https://viewer.example.org"]})
    web = Web(node)
    ours = web.get("studies", Origin="https://viewer.example.org")
    assert ours.headers["Access-Control-Allow-Origin"] == "https://viewer.example.org"
    other = web.get("studies", Origin="https://attacker.example")
    assert "Access-Control-Allow-Origin" not in other.headers
    asked = web.session.options(
        f"{web.url}/studies",
        headers={"Origin": "https://viewer.example.org", "Access-Control-Request-Method": "POST",
                 "Access-Control-Request-Headers": "content-type"},
    )  # fmt: skip
    assert asked.status_code == 204
    assert "POST" in asked.headers["Access-Control-Allow-Methods"]


def test_requests_with_bytes_changed_are_answered_or_refused(web: Web) -> None:
    """Nothing that is sent makes an internal error."""
    seed = random.Random(7)
    host = web.origin.removeprefix("http://")
    bases = [
        f"GET /dicom-web/studies?PatientName=a*&limit=3&includefield=all HTTP/1.1\r\nHost: {host}",
        f"GET /dicom-web/{CT}/metadata HTTP/1.1\r\nHost: {host}\r\nAccept: application/dicom+json",
        f"GET /dicom-web/{CT}/rendered?window=1,2,linear&viewport=9,9 HTTP/1.1\r\nHost: {host}",
        f'GET /dicom-web/{CT} HTTP/1.1\r\nHost: {host}\r\nAccept: multipart/related; type="*/*"',
        f"GET /wado?requestType=WADO&studyUID=1&seriesUID=2&objectUID=3 HTTP/1.1\r\nHost: {host}",
        f"POST /dicom-web/studies HTTP/1.1\r\nHost: {host}\r\nContent-Length: 30\r\n"
        "Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\n\r\nxx\r\n--b--",
    ]  # fmt: skip
    before = len(web.node.log)
    for number in range(300):
        mutated = bytearray(f"{bases[number % len(bases)]}\r\n\r\n".encode())
        for _ in range(seed.randint(1, 4)):
            mutated[seed.randrange(len(mutated))] = seed.randrange(256)
        answer = said(web, bytes(mutated))
        assert not answer.startswith(b"HTTP/1.1 500"), bytes(mutated)
    assert not web.node.bugs(before)


def test_many_ask_at_one_time(web: Web) -> None:
    wrong = list[int]()

    def ask() -> None:
        own = Web(web.node)
        for _ in range(5):
            for path in ("studies", "instances?limit=5", f"{CT}/rendered", f"{CT}/metadata"):
                status = own.get(path).status_code
                if status != 200:
                    wrong.append(status)

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not wrong

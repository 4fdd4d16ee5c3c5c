"""[web] auth: who may ask, for what, and how it is proved; over sockets, plain and encrypted."""

import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from support import TEST_FILES, RunningNode, StartNode, free_port, minipacs
from support.checks.dicomweb import Web, parts
from support.checks.web_access import PASSWORD, basic, kept
from support.network.certificates import Authority
from support.program import run

from scp.config import credentials

# One for all runs: each process that tests side by side collects the same titles.
TOKEN = "minipacs_" + "Zx9" * 14 + "Q"
USERS: dict[str, Any] = {
    "anna": {"password": kept(), "allow": ["find", "retrieve", "store"]},
    "bert": {"password": kept(), "allow": ["find"]},
    "carl": {"password": kept(), "allow": []},
    "tool": {"tokens": [credentials.digest_of_token(TOKEN)], "allow": ["find", "store"]},
}
BEARER = f"Bearer {TOKEN}"
STUDY = "studies/1.2.3"
CT_FILE = (TEST_FILES / "CT_small.dcm").read_bytes()
CT_STUDY = "studies/1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"


def tables(**web: Any) -> dict[str, Any]:
    return {"web": {"port": 0, "workers": 1, **web}, "users": USERS}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A node that asks for passwords and tokens."""
    folder = tmp_path_factory.mktemp("access")
    node = RunningNode(folder, tables(auth="basic"))
    node.start()
    try:
        yield Web(node)
        assert node.stop() == 0
    finally:
        if node.is_running:
            node.kill()


def asked(web: Web, path: str, who: str = "", method: str = "GET", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named |= {"Authorization": who} if who else {}
    return web.session.request(method, f"{web.url}/{path}", headers=named, timeout=60)


def audited(web: Web) -> list[dict[str, Any]]:
    """The audit trail, in which all stands that was asked before over the same connection."""
    web.session.get(f"{web.url}/nothing", timeout=60)
    text = (web.node.data / "audit" / "audit.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    return [line for line in lines if not line.get("path", "").endswith("/nothing")]


@pytest.mark.parametrize(
    "who",
    [
        "", "Basic", "Basic !", "Basic YW5uYQ==", basic("anna", "wrong"), basic("anna", ""),
        basic("anna\0"), basic("nobody"), basic("tool"), basic("tool", TOKEN), basic(""),
        "Bearer", "Bearer x", f"Bearer {TOKEN[:-1]}",
        f"Bearer {credentials.digest_of_token(TOKEN)}", "Digest username=anna",
        "Basic " + "A" * 4000, basic("anna", kept()),
    ],
)  # fmt: skip
def test_who_does_not_prove_it_is_asked_to(web: Web, who: str) -> None:
    answer = asked(web, "studies", who)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="minipacs", charset="UTF-8"'
    assert "message" in answer.json()


@pytest.mark.parametrize(
    ("who", "found", "retrieved", "stored"),
    [
        (basic("anna"), 200, 404, 400), (basic("bert"), 200, 403, 403),
        (basic("carl"), 403, 403, 403), (BEARER, 200, 403, 400), (BEARER.lower()[:6] + BEARER[6:],
        200, 403, 400),
    ],
)  # fmt: skip
def test_each_may_do_what_is_allowed(
    web: Web, who: str, found: int, retrieved: int, stored: int
) -> None:
    for path in ("studies", "series", "instances", f"{STUDY}/series"):
        assert asked(web, path, who).status_code == found
    for path in (STUDY, f"{STUDY}/metadata", f"{STUDY}/rendered", f"{STUDY}/series/1/thumbnail"):
        assert asked(web, path, who).status_code == retrieved
    by_uri = web.origin + "/wado?requestType=WADO&studyUID=1&seriesUID=1&objectUID=1"
    answer = requests.get(by_uri, headers={"Authorization": who}, timeout=60)
    assert answer.status_code == retrieved
    headers = {"Content_Type": 'multipart/related; type="application/dicom"; boundary=b'}
    assert asked(web, "studies", who, "POST", **headers).status_code == stored


def test_a_refusal_names_the_right_and_where_it_would_be_given(web: Web) -> None:
    answer = asked(web, STUDY, basic("bert"))
    assert '[users] bert has no "retrieve" in allow' in answer.json()["message"]


def test_a_name_stands_in_audit_trail_and_log_and_no_secret_does(web: Web) -> None:
    asked(web, "studies", basic("anna"))
    asked(web, "studies", basic("anna", "not the password"))
    lines = [line for line in audited(web) if line.get("user") == "anna"]
    assert lines[-1]["status"] == 200
    log = "\n".join(web.node.log)
    assert "user=anna" in log
    for secret in (PASSWORD, "not the password", TOKEN, basic("anna")[6:], kept()):
        assert secret not in log + json.dumps(audited(web))


def test_what_is_stored_is_told_by_who_sent_it(web: Web) -> None:
    stored = Web(web.node)
    stored.session.headers["Authorization"] = BEARER
    assert stored.store([CT_FILE]).status_code == 200
    line = next(one for one in reversed(audited(stored)) if one.get("stored"))
    assert line["user"] == "tool"
    stats = json.loads(minipacs("stats", web.node, "--json").stdout)
    assert list(stats["by_sender"]) == ["STOW-RS tool"]
    got = asked(web, CT_STUDY, basic("anna"))
    assert got.status_code == 200
    assert len(parts(got)) == 1


def test_a_password_is_stretched_once_and_guessing_is_slowed(start_node: StartNode) -> None:
    web = Web(start_node(**tables(auth="basic")))
    assert asked(web, "studies", basic("anna")).status_code == 200
    codes = [asked(web, "studies", basic("anna", f"guess {n}")).status_code for n in range(12)]
    assert codes[:9] == [401] * 9
    assert codes[-1] == 429
    last = asked(web, "studies", basic("anna"))  # also of who knows it: it could be guessed at
    assert last.status_code == 429
    assert int(last.headers["Retry-After"]) >= 1
    assert asked(web, "studies", basic("bert")).status_code == 200
    assert asked(web, "studies", BEARER).status_code == 200


def test_who_begins_with_many_connections_at_one_time_is_let_in(start_node: StartNode) -> None:
    """No process knows the password yet, which takes its time, and none takes it for guessing."""
    users = {"anna": {"password": credentials.hashed(PASSWORD)}}
    web = Web(start_node(**tables(auth="basic") | {"users": users}))
    headers = {"Authorization": basic("anna")}
    with ThreadPoolExecutor(40) as threads:
        asked = [
            threads.submit(requests.get, f"{web.url}/studies", headers=headers, timeout=60)
            for _ in range(120)
        ]
        assert {one.result().status_code for one in asked} == {200}


def test_users_are_taken_at_sighup(start_node: StartNode) -> None:
    node = start_node(**tables(auth="basic"))
    web = Web(node)
    assert asked(web, "studies", basic("anna")).status_code == 200
    before = web.url
    assert run("user", "remove", "anna", "-c", node.config).returncode == 0
    made = run("user", "token", "carl", "-c", node.config).stdout.strip()
    node.reload()
    # Who was accepted by a process that was about to end is still answered by it.
    until(lambda: asked(web, "studies", basic("anna")).status_code == 401)
    assert asked(web, "studies", f"Bearer {made}").status_code == 403
    assert web.url == before


def test_a_preflight_needs_no_proof_and_what_follows_does(start_node: StartNode) -> None:
    viewer = "https://viewer.example.org"
    web = Web(start_node(**tables(auth="basic", origins=[viewer])))
    answer = asked(web, "studies", "", "OPTIONS", Origin=viewer,
                   Access_Control_Request_Method="GET",
                   Access_Control_Request_Headers="authorization")  # fmt: skip
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization"
    assert asked(web, "", "", "OPTIONS").status_code == 401
    assert asked(web, "", basic("carl"), "OPTIONS").status_code == 200
    refused = asked(web, "studies", Origin=viewer)
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, viewer)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400), ({"Origin": "OWN"}, 400), ({"Origin": "https://viewer.example.org"}, 400),
        ({"Origin": "https://evil.example"}, 403), ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403), ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403), ({"Sec_Fetch_Site": "same-origin"}, 400),
        ({"Origin": "https://viewer.example.org.evil.example"}, 403),
    ],
)  # fmt: skip
def test_a_page_of_a_stranger_changes_nothing(
    cross: Web, headers: dict[str, str], status: int
) -> None:
    named = {name: cross.origin if value == "OWN" else value for name, value in headers.items()}
    kind = 'multipart/related; type="application/dicom"; boundary=b'
    assert asked(cross, "studies", method="POST", Content_Type=kind, **named).status_code == status


@pytest.fixture(scope="module")
def cross(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    origins = ["https://viewer.example.org"]
    node = RunningNode(tmp_path_factory.mktemp("cross"), {"web": {"port": 0, "origins": origins}})
    node.start()
    try:
        yield Web(node)
    finally:
        node.stop()


def test_a_proxy_says_who_asks_and_nobody_else_does(start_node: StartNode) -> None:
    web = Web(start_node(**tables(auth="proxy", trusted_proxies=["127.0.0.1"])))
    assert asked(web, "studies").status_code == 403
    assert asked(web, "studies", X_Forwarded_User="bert").status_code == 200
    assert asked(web, STUDY, X_Forwarded_User="bert").status_code == 403
    assert asked(web, "studies", X_Forwarded_User="mallory").status_code == 403
    assert asked(web, "studies", X_Forwarded_User="", X__Forwarded_User="anna").status_code == 403
    # WSGI would take it for the same header.
    host = web.origin.removeprefix("http://")
    with socket.create_connection(("127.0.0.1", int(host.split(":")[1]))) as raw:
        raw.sendall(f"GET /dicom-web/studies HTTP/1.1\r\nHost: {host}\r\n"
                    "X_Forwarded_User: anna\r\nConnection: close\r\n\r\n".encode())  # fmt: skip
        assert raw.makefile("rb").read().startswith(b"HTTP/1.1 403")
    answer = asked(web, "studies", X_Forwarded_User="bert", X_Forwarded_For="192.0.2.9",
                   X_Forwarded_Proto="https", X_Forwarded_Host="pacs.example")  # fmt: skip
    assert answer.status_code == 200
    line = audited(web)[-1]
    assert (line["user"], line["address"]) == ("bert", "192.0.2.9")


def test_who_is_no_trusted_proxy_is_believed_nothing(start_node: StartNode) -> None:
    web = Web(start_node(**tables(auth="proxy", trusted_proxies=["10.0.0.1"])))
    answer = asked(web, "studies", X_Forwarded_User="anna", X_Forwarded_For="10.0.0.1")
    assert answer.status_code == 403
    assert "trusted_proxies" in answer.json()["message"]
    assert audited(web)[-1]["address"] == "127.0.0.1"


def test_a_url_in_an_answer_is_the_proxy_s(start_node: StartNode) -> None:
    web = Web(start_node(web={"port": 0, "trusted_proxies": ["127.0.0.1"]}))
    assert web.store([CT_FILE]).status_code == 200
    (found,) = web.get("studies", X_Forwarded_Proto="https", X_Forwarded_Host="pacs.example").json()
    assert found["00081190"]["Value"][0].startswith("https://pacs.example/dicom-web/studies/")


def test_a_password_is_not_taken_over_the_network_unencrypted(start_node: StartNode) -> None:
    """Not from an address of another machine: here that of a proxy, which is none by then."""
    node = start_node(**tables(auth="basic", host="0.0.0.0", trusted_proxies=["10.0.0.1"]))
    port = int(Web(node).url.split(":")[2].split("/")[0])
    outside = _own_address()
    if not outside:
        pytest.skip("this machine has no address but the loopback's")
    url = f"http://{outside}:{port}/dicom-web/studies"
    answer = requests.get(url, headers={"Authorization": basic("anna")}, timeout=60)
    assert answer.status_code == 403
    assert "HTTPS" in answer.json()["message"]
    assert "WWW-Authenticate" not in answer.headers


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        found: str = one.getsockname()[0]
        return "" if found.startswith("127.") else found


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Web, Authority, Any]]:
    """A node that speaks HTTPS, the authority of its certificate, and its files."""
    folder = tmp_path_factory.mktemp("https")
    authority = Authority(folder, "ca", 1)
    shown = authority.sign("node")
    (folder / "node").mkdir()
    node = RunningNode(folder / "node", {
        **tables(auth="basic", tls=True), "node": {"port": free_port()},
        "tls": {"certificate": str(shown.certificate), "key": str(shown.key),
                "ca": str(authority.ca), "require_client": True},
    })  # fmt: skip
    node.start()
    web = Web(node)
    web.session.verify = str(authority.ca)
    web.session.trust_env = False  # else REQUESTS_CA_BUNDLE goes before it
    try:
        yield web, authority, shown
    finally:
        node.kill()


def test_https_is_spoken_with_the_node_s_certificate(
    encrypted: tuple[Web, Authority, Any],
) -> None:
    web, _, _ = encrypted
    assert web.url.startswith("https://")
    answer = web.get("studies", Authorization=basic("anna"))
    assert answer.status_code == 200
    web.session.headers["Authorization"] = basic("anna")
    assert web.store([CT_FILE] * 50).status_code == 200
    (found,) = web.get("studies").json()
    assert found["00081190"]["Value"][0].startswith(f"{web.url}/studies/")
    got = web.get(CT_STUDY)  # the data set, behind a head of the node's
    assert parts(got)[0][1][-30_000:] == CT_FILE[-30_000:]


def test_who_stalls_in_the_handshake_or_speaks_plainly_holds_nobody_up(
    encrypted: tuple[Web, Authority, Any],
) -> None:
    web, authority, _ = encrypted
    port = int(web.url.split(":")[2].split("/")[0])
    context = ssl.create_default_context(cafile=str(authority.ca))
    stalled = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    for number, one in enumerate(stalled):
        if number % 3 == 1:
            one.sendall(b"\x16\x03\x01\x02\x00\x01")  # a ClientHello begins
        if number % 3 == 2:  # the handshake done, and no word
            stalled[number] = context.wrap_socket(one, server_hostname="127.0.0.1")
    assert web.get("studies", Authorization=basic("anna")).status_code == 200
    for one in stalled:
        one.close()
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.sendall(b"GET /dicom-web/studies HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"HTTPS" in plain.makefile("rb").read()
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{web.url}/studies", timeout=60)


def test_a_renewed_certificate_is_shown_after_sighup(
    encrypted: tuple[Web, Authority, Any], tmp_path: Path
) -> None:
    web, _, shown = encrypted
    other = Authority(tmp_path, "other", 2)
    shown.replace(other.sign("node", number=101))
    web.node.reload()
    fresh = requests.Session()
    fresh.verify, fresh.trust_env = str(other.ca), False

    def is_shown() -> bool:
        try:
            return fresh.get(f"{web.url}/studies", timeout=60).status_code == 401
        except requests.exceptions.SSLError:  # by the process that is about to end
            return False

    until(is_shown)


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline

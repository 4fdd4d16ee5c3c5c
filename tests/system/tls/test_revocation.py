"""Certificate revocation lists: who is refused, what is said of a list, one that is replaced."""

import re
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

import pytest
from cryptography import x509
from support import ECHO, IMPLICIT, RunningNode, StartNode, client, minipacs
from support.network.certificates import Authority, Shown
from support.network.destinations import Destination
from test_node_tls import Pki, echoes, refusal

from scp.config.loader import ConfigError, load
from scp.network.tls.tls_contexts import contexts

REVOKED = "shows a certificate that is revoked, by a list of [tls] crl"
EXPIRED = (
    "shows a certificate that an authority signed whose revocation list in [tls] crl has expired"
)
UNLISTED = "shows a certificate that an authority signed of which [tls] crl has no revocation list"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    folder = tmp_path_factory.mktemp("pki")
    ca, other = Authority(folder, "ca", 1), Authority(folder, "other", 2)
    return Pki(ca, other, ca.sign("node"), ca.sign("CT 1", number=101))


@pytest.fixture
def bad(pki: Pki) -> Shown:
    """The certificate of a caller that is to be revoked."""
    return pki.ca.sign("bad", number=105)


def table(pki: Pki, *lists: Path, **more: object) -> dict[str, object]:
    return pki.table(require_client=True, crl=[str(one) for one in lists], **more)


def fault(tmp_path: Path, tls: dict[str, object]) -> str:
    """What is said of these settings when the contexts are made."""
    node = RunningNode(tmp_path, {"tls": tls})
    with pytest.raises(ConfigError) as raised:
        contexts(load(node.config))
    return str(raised.value).removeprefix(f"{node.config}: ")


# ---- who is refused


@pytest.mark.parametrize("der", [False, True])
def test_who_is_revoked_is_refused_and_nobody_else(
    start_node: StartNode, pki: Pki, bad: Shown, der: bool
) -> None:
    node = start_node(tls=table(pki, pki.ca.revoke(bad, der=der)))
    assert echoes(node, pki.ca.client(pki.caller))
    mark = node.mark()
    assert not echoes(node, pki.ca.client(bad))
    assert refusal(node, mark) == REVOKED
    told = node.wait_for_log("revocation list file=")
    assert re.search(r"ca\.crl authority=\"CN=ca\" revoked=1 until=\d{4}-\d\d-\d\dT", told)


def test_dcmtk_is_refused_too(start_node: StartNode, pki: Pki, bad: Shown) -> None:
    node = start_node(tls=table(pki, pki.ca.revoke(bad)))
    mark = node.mark()
    revoked = Pki(pki.ca, pki.other, pki.node, bad)
    assert client("echoscu", node, revoked.options(), code=1)
    assert refusal(node, mark) == REVOKED
    assert client("echoscu", node, pki.options())


def test_a_certificate_that_need_not_be_shown_is_checked_where_it_is(
    start_node: StartNode, pki: Pki, bad: Shown
) -> None:
    node = start_node(tls=pki.table(crl=str(pki.ca.revoke(bad))))
    assert echoes(node, pki.ca.client())
    mark = node.mark()
    assert not echoes(node, pki.ca.client(bad))
    assert refusal(node, mark) == REVOKED


def test_an_expired_list_refuses_all_of_its_authority(start_node: StartNode, pki: Pki) -> None:
    path = pki.ca.revoke(since=-30, until=-1, file="old.crl")
    node = start_node(tls=table(pki, path))
    node.wait_for_log("WARNING", f"[tls] crl: {path}: has expired on", "CN=ca signed is refused")
    mark = node.mark()
    assert not echoes(node, pki.ca.client(pki.caller))
    assert refusal(node, mark) == EXPIRED


def test_an_authority_between_needs_a_list_of_its_own(
    tmp_path: Path, start_node: StartNode, pki: Pki
) -> None:
    root = Authority(tmp_path, "root", 1)
    middle = root.below("middle", 2)
    caller, revoked = middle.sign("caller", number=101), middle.sign("revoked", number=105)
    for shown in (caller, revoked):  # they show it too
        with shown.certificate.open("ab") as file:
            file.write(middle.ca.read_bytes())
    both = tmp_path / "both.pem"
    both.write_bytes(root.ca.read_bytes() + middle.ca.read_bytes())
    lists = [str(root.revoke())]
    tls = pki.table(require_client=True) | {"ca": str(both), "crl": lists}
    node = start_node(tls=tls)
    node.wait_for_log("has no list of CN=middle, an authority of [tls] ca")
    mark = node.mark()
    assert not echoes(node, pki.ca.client(caller))
    assert refusal(node, mark) == UNLISTED
    lists.append(str(middle.revoke(revoked)))
    node.configure({"tls": tls})
    node.reload()
    assert echoes(node, pki.ca.client(caller))
    mark = node.mark()
    assert not echoes(node, pki.ca.client(revoked))
    assert refusal(node, mark) == REVOKED
    root.revoke(_only(middle), file="root.crl")
    node.reload()
    assert not echoes(node, pki.ca.client(caller))


def _only(authority: Authority) -> Shown:
    return Shown(authority.ca, authority.ca)


def test_a_destination_that_is_revoked_is_not_called(start_node: StartNode, pki: Pki) -> None:
    revoked, good = (pki.ca.sign(name, number=106) for name in ("revoked", "good"))
    with (
        Destination().serving([(ECHO, [IMPLICIT])], tls=pki.ca.server(revoked)) as bad,
        Destination().serving([(ECHO, [IMPLICIT])], tls=pki.ca.server(good)) as fine,
    ):
        peers = {
            title: {"host": "127.0.0.1", "port": one.port, "tls": True}
            for title, one in {"REVOKED": bad, "GOOD": fine}.items()
        }
        node = start_node(peers=peers, tls=pki.table(crl=str(pki.ca.revoke(revoked))))
        told = minipacs("peers", node, "REVOKED")
        assert (told.returncode, "that is revoked" in told.stdout) == (1, True)  # it is wrapped
        assert minipacs("peers", node, "GOOD").returncode == 0


# ---- what is said of a file, which keeps a node from starting


FILES: list[tuple[str, Callable[[Pki, Path], Path], str]] = [
    ("missing", lambda pki, folder: folder / "none.crl", "{path} cannot be read: No such file"),
    (
        "text",
        lambda pki, folder: _file(folder, b"text"),
        "{path}: no revocation list in it",
    ),
    (
        "certificate",
        lambda pki, folder: _file(folder, pki.ca.ca.read_bytes()),
        "{path}: no revocation list in it",
    ),
    (
        "DER of nothing",
        lambda pki, folder: _file(folder, b"0\x03"),
        "{path} holds no revocation list",
    ),
    (
        "damaged",
        lambda pki, folder: _file(folder, pki.ca.revoke().read_bytes().replace(b"MII", b"MIA", 1)),
        "{path} holds no revocation list, or a damaged one",
    ),
    (
        "another authority's",
        lambda pki, folder: pki.other.revoke(),
        "{path} is of CN=other, which is no authority of [tls] ca",
    ),
    (
        "forged",
        lambda pki, folder: pki.ca.revoke(file="forged.crl", number=2),
        "{path} is not signed by the CN=ca of [tls] ca, or is damaged",
    ),
    (
        "what changed",
        lambda pki, folder: pki.ca.revoke(file="delta.crl", extensions=[x509.DeltaCRLIndicator(1)]),
        "{path} holds only what changed (a delta list); takes whole lists",
    ),
]


def _file(folder: Path, content: bytes) -> Path:
    path = folder / "file.crl"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("make", "words"), [row[1:] for row in FILES], ids=[r[0] for r in FILES])
def test_a_list_that_is_no_good_is_named(
    tmp_path: Path, pki: Pki, make: Callable[[Pki, Path], Path], words: str
) -> None:
    path = make(pki, tmp_path)
    assert fault(tmp_path, table(pki, path)).startswith(f"[tls] crl: {words.format(path=path)}")


def test_lists_need_authorities(tmp_path: Path, pki: Pki) -> None:
    tls = pki.table(crl=str(pki.ca.revoke()))
    del tls["ca"]
    assert fault(tmp_path, tls) == "[tls] ca: missing; crl needs it"


@pytest.mark.parametrize("given", [5, "", ["a.crl", 5], [""], True])
def test_what_crl_takes(tmp_path: Path, pki: Pki, given: object) -> None:
    node = RunningNode(tmp_path, {"tls": pki.table(crl=given)})
    with pytest.raises(ConfigError, match=r"\[tls\] crl: takes the path of a file, or a list of"):
        load(node.config)


# ---- a list that is replaced, and one that ends


def test_a_fresh_list_is_in_force_without_a_reload(tmp_path: Path, pki: Pki, bad: Shown) -> None:
    path = pki.ca.revoke(file="renewed.crl", until=1)
    node = RunningNode(
        tmp_path, {"node": {"workers": 2}, "tls": table(pki, path), "metrics": {"port": 0}}
    )
    node.constants = {"scp.network.tls.certificates.LOOK_SECONDS": 0.1}
    try:
        node.start()
        with node.association((ECHO, IMPLICIT), tls_args=(pki.ca.client(bad), "127.0.0.1")) as held:
            pki.ca.revoke(bad, file="renewed.crl", until=30)
            node.wait_for_log("certificate renewed", count=2)
            node.wait_for_log("revocation list", "revoked=1")
            assert held.send_c_echo().Status == 0x0000  # what is open goes on
        mark = node.mark()
        assert not echoes(node, pki.ca.client(bad))
        assert refusal(node, mark) == REVOKED
        path.write_text("half a list")
        node.wait_for_log("certificate not renewed, the old one stays", f"crl: {path}: no rev")
        assert not echoes(node, pki.ca.client(bad))
        assert echoes(node, pki.ca.client(pki.caller))
    finally:
        node.stop()


def test_when_a_list_ends_nobody_resumes_a_session(tmp_path: Path, pki: Pki) -> None:
    path = pki.ca.revoke(file="ending.crl", until=6 / 86400)
    node = RunningNode(tmp_path, {"node": {"workers": 1}, "tls": table(pki, path)})
    node.start()
    try:
        node.wait_for_log("[tls] crl:", "expires on", "after that whoever CN=ca signed is refused")
        context = pki.ca.client(pki.caller, maximum_version=ssl.TLSVersion.TLSv1_2)
        session = _session(node, context, None)
        assert session is not None
        node.wait_for_log("has expired on")
        node.wait_for_log("certificate renewed")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            _session(node, context, session)
    finally:
        node.stop()


def _session(
    node: RunningNode, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> ssl.SSLSession | None:
    import socket

    with (
        socket.create_connection(("127.0.0.1", node.port), 10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as made,
    ):
        assert made.session_reused is False
        return made.session


def test_until_when_it_is_valid_is_a_metric(start_node: StartNode, pki: Pki) -> None:
    lists = pki.ca.revoke(file="metric.crl", until=20)
    node = start_node(tls=table(pki, lists), metrics={"port": 0})
    line = node.wait_for_log("metrics at")
    page = urlopen(re.search(r"http://\S+/metrics", line)[0]).read().decode()  # type: ignore[index]
    told = float(re.search(r"^minipacs_crl_expiry_seconds (\S+)$", page, re.M)[1])  # type: ignore[index]
    wanted = datetime.now(UTC) + timedelta(days=20)
    assert abs(told - wanted.timestamp()) < 600

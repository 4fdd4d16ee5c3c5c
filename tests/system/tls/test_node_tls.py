"""TLS: its port and profiles, who is refused and why, and certificates that are replaced."""

import copy
import json
import os
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID
from pynetdicom.sop_class import StorageCommitmentPushModel
from support import (
    CT,
    ECHO,
    EXPLICIT,
    FIND,
    GET,
    IMPLICIT,
    MOVE,
    START_SECONDS,
    Inbox,
    RunningNode,
    StartNode,
    client,
    ct,
    data_set_bytes,
    dcmtk,
    encoded,
    find,
    getting,
    identifier,
    keys,
    minipacs,
    retrieved,
    running_node,
    send,
)
from support.network.certificates import Authority, Shown, days
from support.network.destinations import Destination, mute, storescp, stranger

from scp.config.loader import ConfigError
from scp.config.schema import Node, Peer, Settings, Tls
from scp.network.tls.certificates import expiring, read
from scp.network.tls.tls_contexts import SUITES, contexts

# The old versions that are to be refused.
pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion")

_TLS_PORT = re.compile(r" and TLS on port=(\d+), listening on 127\.0\.0\.1:(\d+)$")


def over_tls(node: RunningNode) -> RunningNode:
    """The same node, at its other port."""
    match = _TLS_PORT.search(node.logged("listening on")[0])
    assert match
    other = copy.copy(node)
    other.port = int(match[1])
    return other


@dataclass(frozen=True)
class Pki:
    """Two authorities, and what a node and its callers have of the first."""

    ca: Authority
    other: Authority
    node: Shown
    caller: Shown

    def table(self, **more: Any) -> dict[str, Any]:
        """[tls] of a node."""
        return self.ca.table(self.node, **more)

    def options(self, *more: str) -> list[str | Path]:
        """What a client of DCMTK's is given."""
        return ["+tls", self.caller.key, self.caller.certificate, "+cf", self.ca.ca, *more]


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    folder = tmp_path_factory.mktemp("pki")
    ca, other = Authority(folder, "ca", 1), Authority(folder, "other", 2)
    caller = ca.sign("CT 1", "Hospital, North", number=101)
    return Pki(ca, other, ca.sign("node"), caller)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[RunningNode]:
    """A node with a plain port and one for TLS, where a certificate may be shown."""
    tables = {"tls": pki.table(port=0), "limits": {"acse_timeout": 2}}
    with running_node(tmp_path_factory.mktemp("both"), tables) as node:
        yield node


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[RunningNode]:
    """A node that has TLS on its one port, and asks for a certificate."""
    tables = {"tls": pki.table(require_client=True)}
    with running_node(tmp_path_factory.mktemp("mutual"), tables) as node:
        yield node


def echoes(node: RunningNode, context: ssl.SSLContext | None = None) -> bool:
    """Whether it answers a C-ECHO, over TLS where there is a context."""
    options = {"tls_args": (context, "127.0.0.1")} if context else {}
    association = node.associate((ECHO, IMPLICIT), **options)
    if not association.is_established:
        return False
    answered = association.send_c_echo().get("Status") == 0x0000
    association.release()
    return answered


def audited(node: RunningNode, **fields: str) -> list[dict[str, Any]]:
    """The lines of the audit trail with these fields."""
    lines = (node.data / "audit" / "audit.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return [line for line in found if fields.items() <= line.items()]


def refusal(node: RunningNode, mark: int) -> str:
    """Why the one caller since the mark was refused; log and audit trail say the same."""
    line = node.wait_for_log("connection refused", after=mark)
    _, _, words = line.partition(": it ")
    assert re.search(r"WARNING connection refused address=127\.0\.0\.1:\d+: it ", line)
    assert not re.search(r"_ssl\.c|\[SSL|Error", line)
    assert len(node.logged("connection refused", after=mark)) == 1
    assert node.logged("protocol error", after=mark) == []
    told = audited(node, outcome="refused")[-1]
    assert (told["event"], told["address"], told["reason"]) == ("association", "127.0.0.1", words)
    return words


# ---- ports


def test_both_ports_serve_at_once(both: RunningNode, pki: Pki, tmp_path: Path) -> None:
    assert len(both.logged("listening on")) == 1
    ways: list[tuple[RunningNode, list[Any], str]] = [
        (both, [], "1.1"), (over_tls(both), pki.options(), "2.1"),
    ]  # fmt: skip
    for node, options, study in ways:
        assert "Received Echo Response (Success)" in client("echoscu", node, options)
        instance = ct(study, f"{study}.2", f"{study}.3", PatientID=study)
        path = tmp_path / f"{study}.dcm"
        instance.file_meta = FileMetaDataset()
        instance.file_meta.TransferSyntaxUID = UID(EXPLICIT)
        instance.save_as(path, enforce_file_format=True)
        client("storescu", node, options, [path])
        assert data_set_bytes(both.path(instance)) == data_set_bytes(path)
    for node, options, _ in ways:
        found = client(
            "findscu", node, ["-S", *options, *keys(QueryRetrieveLevel="STUDY"), "-k",
                              "StudyInstanceUID"],
        )  # fmt: skip
        assert "1.1" in found
        assert "2.1" in found


def test_a_port_that_is_taken_is_named(tmp_path: Path, pki: Pki, both: RunningNode) -> None:
    node = RunningNode(tmp_path, {"tls": pki.table(port=both.port)})
    with pytest.raises(AssertionError, match="cannot listen on"):
        node.start()
    assert f"[tls] port: cannot listen on 127.0.0.1:{both.port}" in node.log[0]


def test_a_port_that_comes_with_a_reload_waits_for_the_next_start(
    start_node: StartNode, pki: Pki
) -> None:
    node, mark = start_node(), 0
    node.configure({"tls": pki.table(port=0)})
    node.reload()
    node.wait_for_log("[tls] port: takes effect at the next start", after=mark)
    assert echoes(node)  # and is plain still


# ---- profiles

NEW, OLD = ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2
CHANNELS = [suite for suite in SUITES["bcp195"] if "RSA" in suite]
MORE = [suite for suite in SUITES["bcp195-modified"] if "RSA" in suite]


@pytest.mark.parametrize(("profile", "suites"), [("bcp195", CHANNELS), ("bcp195-modified", MORE)])
def test_a_profile_takes_its_suites_and_tls_1_3(
    start_node: StartNode, pki: Pki, profile: str, suites: list[str]
) -> None:
    node = start_node(tls=pki.table(profile=profile))
    for suite in suites:
        old = pki.ca.client(maximum_version=OLD)
        old.set_ciphers(suite)
        assert echoes(node, old)
        node.wait_for_log("association opened", f"tls=TLSv1.2 cipher={suite}")
    assert echoes(node, pki.ca.client(minimum_version=NEW))
    node.wait_for_log("association opened", "tls=TLSv1.3 cipher=TLS_")


def test_contexts_are_hardened(pki: Pki) -> None:
    """For callers, and for peers that are called."""
    made = contexts(
        Settings(
            source=Path("config.toml"),
            tls=Tls(certificate=pki.node.certificate, key=pki.node.key, ca=pki.ca.ca),
            peers={"P": Peer(tls=True)},
        )
    )
    for context in (made.server, made.client, made.named):
        assert context
        assert context.minimum_version == OLD
        assert context.options & ssl.OP_NO_RENEGOTIATION
        assert context.options & ssl.OP_NO_COMPRESSION
        suites = context.get_ciphers()
        assert suites
        for suite in suites:
            assert suite["aead"], suite
            assert suite["protocol"] == "TLSv1.3" or suite["name"] in SUITES["bcp195"], suite
    assert made.client
    assert (made.client.verify_mode, made.client.check_hostname) == (ssl.CERT_REQUIRED, False)


NOT_OFFERED = ["ECDHE-RSA-AES128-SHA256", "ECDHE-RSA-AES256-SHA", "AES256-GCM-SHA384",
               "DHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305"]  # fmt: skip


@pytest.mark.parametrize("suite", NOT_OFFERED)
def test_other_suites_are_refused(both: RunningNode, pki: Pki, suite: str) -> None:
    mark, old = both.mark(), pki.ca.client(maximum_version=OLD)
    old.set_ciphers(suite)
    assert not echoes(over_tls(both), old)
    assert refusal(both, mark) == "offers no cipher suite of [tls] profile"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(both: RunningNode, pki: Pki, version: ssl.TLSVersion) -> None:
    mark, old = both.mark(), pki.ca.client()
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = version
    assert not echoes(over_tls(both), old)
    assert refusal(both, mark) == "offers no version of TLS from 1.2 on"


DCMTK = [
    # option, whether it connects
    ("--profile-bcp195-nd", True),
    ("--profile-bcp195", True),
    ("--profile-bcp195-ex", True),
    ("--profile-aes", False),
    ("--profile-null", False),
]


@pytest.mark.parametrize(("option", "welcome"), DCMTK)
@pytest.mark.parametrize("port", ["optional", "required"])
def test_the_profiles_of_dcmtk(
    both: RunningNode, mutual: RunningNode, pki: Pki, option: str, welcome: bool, port: str
) -> None:
    node = over_tls(both) if port == "optional" else mutual
    mark = node.mark()
    output = client("echoscu", node, pki.options(option), code=0 if welcome else 1)
    assert ("Received Echo Response (Success)" in output) == welcome
    if not welcome:
        # What it offers is for TLS 1.2, and so little that it may be no TLS to the library.
        assert refusal(node, mark).startswith(("offers no cipher suite", "offers no version"))


# ---- who is refused, and why


@contextmanager
def connection(node: RunningNode) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", node.port), START_SECONDS) as made:
        yield made


def until_closed(made: socket.socket) -> bytes:
    received = b""
    with suppress(ConnectionResetError):
        while more := made.recv(4096):
            received += more
    return received


WORDS = [
    # what is sent, what is said of it, how the answer begins
    (bytes.fromhex("0100000000ca0001") + bytes(198), "speaks DICOM without TLS", b"\x07\x00"),
    (b"GET / HTTP/1.1\r\n\r\n", "speaks neither TLS nor DICOM", b""),
    (bytes(2000), "speaks neither TLS nor DICOM", b""),
    (b"\x16\x03\x01\xff\xff" + bytes(3000), "speaks no TLS", b"\x15\x03"),
    (bytes.fromhex("160301000401000000"), "speaks no TLS", b"\x15\x03"),
    (b"\x16garbage" * 10, "speaks no TLS", b""),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "words", "answer"), WORDS)
def test_what_is_no_tls_is_refused(
    both: RunningNode, pki: Pki, sent: bytes, words: str, answer: bytes
) -> None:
    mark, node = both.mark(), over_tls(both)
    with connection(node) as made:
        made.sendall(sent)
        assert until_closed(made).startswith(answer)
    assert refusal(both, mark).startswith(words)
    assert echoes(node, pki.ca.client())


def test_a_plain_caller_is_refused(both: RunningNode) -> None:
    mark = both.mark()
    assert not echoes(over_tls(both))
    assert refusal(both, mark) == "speaks DICOM without TLS to the TLS port"


def test_tls_to_the_plain_port_is_refused(both: RunningNode, pki: Pki) -> None:
    mark = both.mark()
    assert not echoes(both, pki.ca.client())
    assert refusal(both, mark) == "speaks TLS to the plain port"
    assert echoes(both)


@pytest.mark.parametrize("sent", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
def test_a_caller_that_goes_away_is_refused(both: RunningNode, sent: bytes) -> None:
    mark = both.mark()
    with connection(over_tls(both)) as made:
        made.sendall(sent)
    words = "ends the connection in the TLS handshake" if sent else "ends the connection without"
    assert refusal(both, mark).startswith(words)


@pytest.mark.parametrize("sent", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
def test_a_caller_that_stalls_is_refused(both: RunningNode, sent: bytes) -> None:
    mark = both.mark()
    with connection(over_tls(both)) as made:
        made.sendall(sent)
        until_closed(made)
    assert refusal(both, mark) == "makes no TLS handshake within seconds=2"


def no_certificate(pki: Pki) -> Shown | None:
    return None


CALLERS = [
    # what a caller shows, and what is said of it
    (no_certificate, "shows no certificate, as [tls] require_client asks"),
    (
        lambda pki: pki.other.sign("stranger", number=102),
        "shows a certificate that no authority of [tls] ca signed",
    ),
    (
        lambda pki: pki.ca.sign("late", until=-0.5, number=102),
        "shows a certificate that has expired",
    ),
    (
        lambda pki: pki.ca.sign("early", since=1, number=102),
        "shows a certificate that is not yet valid",
    ),
]


@pytest.mark.parametrize("version", [OLD, NEW])
@pytest.mark.parametrize(("shown", "words"), CALLERS)
def test_a_certificate_that_will_not_do_is_refused(
    mutual: RunningNode, pki: Pki, shown: Any, words: str, version: ssl.TLSVersion
) -> None:
    mark = mutual.mark()
    assert not echoes(mutual, pki.ca.client(shown(pki), maximum_version=version))
    assert refusal(mutual, mark) == words
    assert echoes(mutual, pki.ca.client(pki.caller))


@pytest.mark.parametrize("version", [OLD, NEW])
def test_a_caller_that_does_not_trust_the_node_is_told_of(
    both: RunningNode, pki: Pki, version: ssl.TLSVersion
) -> None:
    mark = both.mark()
    assert not echoes(over_tls(both), pki.other.client(maximum_version=version))
    assert refusal(both, mark).startswith("does not trust our certificate: it knows no authority")


def test_a_certificate_is_asked_for_but_not_required(both: RunningNode, pki: Pki) -> None:
    node = over_tls(both)
    assert echoes(node, pki.ca.client())
    assert echoes(node, pki.ca.client(pki.caller))
    mark = both.mark()
    assert not echoes(node, pki.ca.client(pki.other.sign("stranger", number=102)))
    assert refusal(both, mark) == "shows a certificate that no authority of [tls] ca signed"


def test_half_open_handshakes_hold_nobody_up(start_node: StartNode, pki: Pki) -> None:
    node = start_node(tls=pki.table(port=0))
    with ExitStack() as stack:
        for number in range(100):
            made = stack.enter_context(connection(over_tls(node)))
            made.sendall(b"\x16\x03\x01"[: number % 4])
        assert echoes(over_tls(node), pki.ca.client())
        assert echoes(node)
        assert node.logged("connection refused") == []


def test_the_end_of_the_connection_is_told_over_tls(both: RunningNode, pki: Pki) -> None:
    """By close_notify (RFC 8446 6.1), else what came last may be missing."""
    with (
        connection(over_tls(both)) as plain,
        pki.ca.client().wrap_socket(
            plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False
        ) as made,
    ):
        made.sendall(bytes.fromhex("420000000004") + b"abcd")  # no PDU
        assert made.recv(4096).startswith(b"\x07")
        assert made.recv(4096) == b""


# ---- what is carried, and what is told of it


def test_a_large_store_is_whole(both: RunningNode, pki: Pki) -> None:
    instance = ct("3.1", "3.2", "3.3", PixelData=os.urandom(20_000_000))
    data, node = encoded(instance), over_tls(both)
    options = {"tls_args": (pki.ca.client(), "127.0.0.1")}
    with node.association((CT, EXPLICIT), **options) as association:
        assert send(association, CT, "3.3", data).Status == 0x0000
    assert data_set_bytes(both.path(instance)) == data
    inbox, contexts = Inbox(), [(GET["STUDY"], EXPLICIT), (CT, EXPLICIT)]
    with node.association(*contexts, **getting(inbox, contexts), **options) as association:
        query = identifier("STUDY", StudyInstanceUID="3.1")
        assert retrieved(association.send_c_get(query, GET["STUDY"])).counts == (1, 0, 0)
    assert inbox.data_sets() == {"3.3": data}


def test_log_and_audit_trail_say_who_it_was(mutual: RunningNode, pki: Pki) -> None:
    mark, options = mutual.mark(), {"tls_args": (pki.ca.client(pki.caller), "127.0.0.1")}
    with mutual.association((FIND["STUDY"], EXPLICIT), ae_title="CT1", **options) as association:
        find(association, FIND["STUDY"], "STUDY", StudyInstanceUID="")
    subject = r"CN=CT 1,O=Hospital\, North"
    line = mutual.wait_for_log("association opened peer=CT1", after=mark)
    assert re.search(r" tls=TLSv1\.3 cipher=TLS_\w+ certificate=", line)
    assert line.endswith(f'certificate="{subject}"')
    mutual.wait_for_log("association closed peer=CT1", after=mark)
    for event in ("find", "association"):
        (told,) = audited(mutual, event=event, peer="CT1")
        assert (told["tls"], told["certificate"]) == ("TLSv1.3", subject)


def test_a_plain_association_is_told_as_one(both: RunningNode) -> None:
    with both.association((ECHO, IMPLICIT), ae_title="PLAIN"):
        pass
    both.wait_for_log("association closed peer=PLAIN")
    assert "tls" not in audited(both, event="association", peer="PLAIN")[0]
    assert "tls=" not in both.wait_for_log("association opened peer=PLAIN")


# ---- peers that are called


def filled(node: RunningNode) -> bytes:
    data = encoded(ct("4.1", "4.2", "4.3"))
    with node.association((CT, EXPLICIT)) as association:
        assert send(association, CT, "4.3", data).Status == 0x0000
    return data


def moved(node: RunningNode, title: str) -> tuple[int, str]:
    """Status and Error Comment of a C-MOVE of it."""
    with node.association((MOVE["STUDY"], EXPLICIT)) as association:
        query = identifier("STUDY", StudyInstanceUID="4.1")
        answer = retrieved(association.send_c_move(query, title, MOVE["STUDY"]))
    return answer.status, str(answer.final.get("ErrorComment", ""))


def test_dcmtk_takes_what_is_sent_over_tls(start_node: StartNode, pki: Pki, tmp_path: Path) -> None:
    options = [str(option) for option in pki.options("--require-peer-cert")]
    with storescp(tmp_path / "taken", *options) as port:
        peer = {"host": "127.0.0.1", "port": port, "tls": True}
        node = start_node(tls=pki.table(port=0), peers={"DCMTK": peer})
        data = filled(node)
        assert moved(node, "DCMTK") == (0x0000, "")
    (path,) = (tmp_path / "taken").iterdir()
    assert data_set_bytes(path) == data


PEERS = [
    # [peers] of it, the destination: what it shows or is, and what is said of it
    ({}, "unknown", "shows a certificate that no authority of [tls] ca signed"),
    ({}, "expired", "shows a certificate that has expired"),
    (
        {},
        "distrusts",
        "does not trust our certificate: it knows no authority that signed it",
    ),
    ({"tls_name": ".example"}, "known", "has a name under [peers] that is none for TLS"),
    ({}, "old", "takes no version of TLS from 1.2 on"),
    ({}, "cbc", "has no version or cipher suite of TLS in common with [tls] profile"),
    ({"tls": False}, "alert", "speaks TLS, and [peers] has no tls = true for it"),
    ({}, "plain", "speaks no TLS"),
    ({}, "garbage", "speaks no TLS"),
    ({}, "mute", "does not answer the TLS handshake"),
    (
        {"tls_name": "pacs.hospital.example"},
        "known",
        "shows a certificate that is for another name",
    ),
]


@pytest.fixture(scope="module")
def destinations(pki: Pki) -> Iterator[dict[str, int]]:
    """Ports of peers."""
    ca, other = pki.ca, pki.other
    named = ca.sign("pacs", number=103, alternative=["pacs.example", "127.0.0.1"])
    contexts: dict[str, Any] = {
        "known": ca.server(named),
        "unknown": ca.server(other.sign("unknown", number=103)),
        "expired": ca.server(ca.sign("expired", until=-0.5, number=103)),
        "distrusts": other.server(named),
        "distrusts late": other.server(named),
        "old": ca.server(named),
        "cbc": ca.server(named),
        "plain": None,
    }
    contexts["distrusts"].maximum_version = OLD
    contexts["old"].set_ciphers("DEFAULT:@SECLEVEL=0")
    contexts["old"].minimum_version = ssl.TLSVersion.TLSv1
    contexts["old"].maximum_version = ssl.TLSVersion.TLSv1_1
    contexts["cbc"].maximum_version = OLD
    contexts["cbc"].set_ciphers("ECDHE-RSA-AES256-SHA384")
    with ExitStack() as stack:
        ports = {
            name: stack.enter_context(Destination().serving([(CT, [EXPLICIT])], tls=context)).port
            for name, context in contexts.items()
        }
        ports["mute"] = stack.enter_context(mute())
        ports["garbage"] = stack.enter_context(stranger(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
        # A server of TLS that gets something else: unexpected message (RFC 8446 6.2).
        ports["alert"] = stack.enter_context(stranger(b"\x15\x03\x01\x00\x02\x02\x0a"))
        yield ports


@pytest.fixture(scope="module")
def calling(
    tmp_path_factory: pytest.TempPathFactory, pki: Pki, destinations: dict[str, int]
) -> Iterator[RunningNode]:
    """A node that knows them all; with acse_timeout, as some say nothing."""
    base = {"host": "127.0.0.1", "tls": True, "acse_timeout": 2}
    peers = {
        f"P{number}": {**base, "port": destinations[name], **more}
        for number, (more, name, _) in enumerate(PEERS)
    }
    peers["GOOD"] = {**base, "port": destinations["known"]}
    peers["LATE"] = {**base, "port": destinations["distrusts late"]}
    peers["NAMED"] = {**base, "port": destinations["known"], "tls_name": "pacs.example"}
    tables = {"tls": pki.table(port=0), "peers": peers}
    with running_node(tmp_path_factory.mktemp("calling"), tables) as node:
        filled(node)
        yield node


@pytest.mark.parametrize("title", ["GOOD", "NAMED"])
def test_a_peer_with_a_good_certificate_is_sent_to(calling: RunningNode, title: str) -> None:
    assert moved(calling, title) == (0x0000, "")


@pytest.mark.parametrize("number", range(len(PEERS)))
def test_why_a_peer_is_not_sent_to(
    calling: RunningNode, destinations: dict[str, int], number: int
) -> None:
    _, name, words = PEERS[number]
    mark = calling.mark()
    status, comment = moved(calling, f"P{number}")
    whole = f"P{number} {words} (127.0.0.1:{destinations[name]})"
    assert status == 0xA702
    assert comment == whole[:64].strip()
    assert whole in calling.wait_for_log(f"P{number} {words}", after=mark)


def test_a_peer_that_distrusts_the_node_after_the_handshake(calling: RunningNode) -> None:
    """In TLS 1.3 the alert comes when the node has begun to speak, and may be lost with that."""
    mark = calling.mark()
    assert moved(calling, "LATE")[0] == 0xA702
    assert re.search(
        "(does|may) not trust our certificate",
        calling.wait_for_log("LATE ", "our certificate", after=mark),
    )


def test_a_report_says_why_it_is_not_delivered(calling: RunningNode) -> None:
    context = (str(StorageCommitmentPushModel), EXPLICIT)
    mark = calling.mark()
    item, action = Dataset(), Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, "4.3"
    action.TransactionUID, action.ReferencedSOPSequence = "9.9", [item]
    association = calling.associate(context, ae_title="P0")
    association.send_n_action(action, 1, StorageCommitmentPushModel, "1.2.840.10008.1.20.1.1")
    association.abort()  # so that the report needs one of its own
    line = calling.wait_for_log("commitment not reported peer=P0", after=mark)
    assert PEERS[0][2] in line


# ---- certificates that are replaced


@pytest.fixture
def renewing(tmp_path: Path, pki: Pki) -> Iterator[tuple[RunningNode, Shown]]:
    """A node that often looks at its files, and these, which are its own."""
    folder = tmp_path / "own"
    folder.mkdir()
    own = Shown(folder / "node.pem", folder / "node.key")
    own.replace(pki.node)
    node = RunningNode(tmp_path, {"node": {"workers": 2}, "tls": pki.ca.table(own, port=0)})
    node.constants = {
        "scp.network.tls.certificates.LOOK_SECONDS": 0.1,
        "scp.network.tls.certificates.TELL_SECONDS": 0.1,
    }
    try:
        yield node.start(), own
        assert node.stop() == 0
        assert node.logged("Traceback") == []
    finally:
        if node.is_running:
            node.kill()


def serial(node: RunningNode, pki: Pki) -> str:
    """What tells its certificate from another."""
    context = pki.ca.client()
    with (
        connection(over_tls(node)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as made,
    ):
        shown: Any = made.getpeercert()
        return str(shown["serialNumber"])


def test_a_new_certificate_is_taken_while_associations_go_on(
    renewing: tuple[RunningNode, Shown], pki: Pki
) -> None:
    node, own = renewing
    before, options = serial(node, pki), {"tls_args": (pki.ca.client(), "127.0.0.1")}
    with over_tls(node).association((ECHO, IMPLICIT), **options) as association:
        own.replace(pki.ca.sign("node", file="renewed", number=104))
        node.wait_for_log("certificate renewed", count=2)
        assert serial(node, pki) != before
        assert association.send_c_echo().Status == 0x0000
    assert echoes(over_tls(node), pki.ca.client())


def test_one_file_of_two_changes_nothing(renewing: tuple[RunningNode, Shown], pki: Pki) -> None:
    node, own = renewing
    before = serial(node, pki)
    # It expires soon, which is told with each look here: so they can be counted.
    renewed = pki.ca.sign("node", file="renewed", number=104, until=3.5)
    own.certificate.write_bytes(renewed.certificate.read_bytes())
    line = node.wait_for_log("certificate not renewed, the old one stays")
    assert "certificate, key: cannot be used: the key is not that of the certificate" in line
    node.wait_for_log("expires on", count=5, after=node.mark())
    assert len(node.logged("not renewed")) == 1
    assert serial(node, pki) == before
    own.key.unlink()
    node.wait_for_log("not renewed", f"key: {own.key} cannot be read: No such file")
    assert serial(node, pki) == before
    own.key.write_bytes(renewed.key.read_bytes())
    node.wait_for_log("certificate renewed", count=2)
    assert serial(node, pki) != before


def test_a_key_with_a_password_is_refused(renewing: tuple[RunningNode, Shown], pki: Pki) -> None:
    """Nobody is asked for it."""
    node, own = renewing
    own.key.write_bytes(pki.node.encrypted())
    node.wait_for_log("not renewed", f"key: {own.key} is encrypted; takes one without a password")
    assert echoes(over_tls(node), pki.ca.client())


def test_a_reload_takes_a_new_certificate_too(start_node: StartNode, pki: Pki) -> None:
    node = start_node(tls=pki.table(port=0))
    before = serial(node, pki)
    node.configure({"tls": pki.ca.table(pki.ca.sign("node", file="second", number=104), port=0)})
    node.reload()
    assert serial(node, pki) != before


def test_a_worker_that_is_started_later_has_it_too(
    renewing: tuple[RunningNode, Shown], pki: Pki
) -> None:
    node, own = renewing
    before = serial(node, pki)
    own.replace(pki.ca.sign("node", file="renewed", number=104))
    node.wait_for_log("certificate renewed", count=2)
    own.key.unlink()  # so that it is not read again
    for process in node.workers:
        os.kill(process, 9)
    node.wait_for_log("died, starting another", count=2)
    assert serial(node, pki) != before


FILES = [
    # key of [tls], what its file holds, what is said of it
    (
        "certificate",
        b"",
        "certificate, key: cannot be used: not a PEM file of that kind, or a damaged",
    ),
    (
        "key",
        b"-----BEGIN PRIVATE KEY-----\nMIIE",
        "certificate, key: cannot be used: not a PEM file",
    ),
    ("key", None, "key: {path} cannot be read: No such file or directory"),
    ("ca", b"no certificate", "ca: {path} cannot be used: no certificate in it"),
    ("ca", None, "ca: {path} cannot be read: No such file or directory"),
]


@pytest.mark.parametrize(("key", "held", "words"), FILES)
def test_a_file_that_is_no_good_is_named(
    tmp_path: Path, pki: Pki, key: str, held: bytes | None, words: str
) -> None:
    path = tmp_path / "file.pem"
    if held is not None:
        path.write_bytes(held)
    tls = {name: Path(value) for name, value in pki.table().items()} | {key: path}
    with pytest.raises(ConfigError) as raised:
        contexts(Settings(source=Path("config.toml"), tls=Tls(**tls)))
    assert str(raised.value).startswith(f"config.toml: [tls] {words.format(path=path)}")
    assert str(path) in str(raised.value)


# ---- certificates that expire


def settings(certificate: Path, ca: Path | None = None) -> Settings:
    tls = Tls(certificate=certificate, key=certificate, ca=ca)
    return Settings(source=Path("config.toml"), node=Node(), tls=tls)


EXPIRING = [
    # from and until, in days from now; what is said
    (-1, 365, None),
    (-1, 31, None),
    (-1, 29.5, r"CN=node expires on \d{4}-\d\d-\d\d \d\d:\d\d UTC, days=29"),
    (-1, 0.5, r"CN=node expires on \d{4}-\d\d-\d\d \d\d:\d\d UTC, days=0"),
    (-20, -0.5, r"CN=node has expired on \d{4}-\d\d-\d\d \d\d:\d\d UTC"),
    (1, 365, r"CN=node is not valid before \d{4}-\d\d-\d\d \d\d:\d\d UTC"),
    (-1, 365 * 40, None),  # a GeneralizedTime
]


@pytest.mark.parametrize(("since", "until", "words"), EXPIRING)
def test_what_is_said_of_its_dates(
    tmp_path: Path, since: float, until: float, words: str | None
) -> None:
    path = Authority(tmp_path, "ca", 1).sign("node", since=since, until=until).certificate
    (held,) = read(path)
    assert held.name == "CN=node"
    assert abs((held.not_before - days(since)).total_seconds()) < 60
    assert abs((held.not_after - days(until)).total_seconds()) < 60
    said = expiring(settings(path), datetime.now(UTC))
    if words is None:
        assert said == []
    else:
        (line,) = said
        assert re.fullmatch(re.escape(f"[tls] certificate: {path}: ") + words, line)


def test_authorities_are_looked_at_too(tmp_path: Path) -> None:
    first, second = Authority(tmp_path, "good", 1), Authority(tmp_path, "ending", 2, until=10.5)
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(b"a comment\n" + first.ca.read_bytes() + second.ca.read_bytes())
    (line,) = expiring(settings(first.sign("node").certificate, bundle), datetime.now(UTC))
    assert f"[tls] ca: {bundle}: CN=ending expires on" in line


def test_a_malformed_certificate_is_told(tmp_path: Path) -> None:
    path = tmp_path / "bad.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    (line,) = expiring(settings(path), datetime.now(UTC))
    assert "until when it is valid cannot be told" in line


def test_the_warning_comes_at_the_start_and_daily_and_with_a_reload(
    tmp_path: Path, pki: Pki
) -> None:
    shown = pki.ca.sign("node", file="ending", until=3.5)
    node = RunningNode(tmp_path, {"tls": pki.ca.table(shown)})
    node.constants = {
        "scp.network.tls.certificates.LOOK_SECONDS": 0.1,
        "scp.network.tls.certificates.TELL_SECONDS": 0.5,
    }
    try:
        node.start()
        words = f"[tls] certificate: {shown.certificate}: CN=node expires on"
        assert "WARNING" in node.wait_for_log(words, "days=3", count=3)
        node.constants.clear()
        assert node.stop() == 0
        node.start()
        node.wait_for_log(words)
        node.reload()
        node.wait_for_log(words, count=2)
        assert len(node.logged(words)) == 2
    finally:
        if node.is_running:
            node.kill()


def test_dcmtk_has_tls() -> None:
    """Else the tests above would show less than they say."""
    assert "+tls" in os.popen(f"{dcmtk('echoscu')} --help").read()


def test_peers_are_echoed_over_tls(mutual: RunningNode, pki: Pki, tmp_path: Path) -> None:
    address = {"host": "127.0.0.1", "port": mutual.port, "tls": True}
    trusting = RunningNode(tmp_path, {"tls": pki.table(), "peers": {"MINIPACS": address}})
    done = minipacs("peers", trusting)
    assert done.returncode == 0, done.stdout
    assert "answered in" in done.stdout
    assert "(TLS)" in done.stdout
    plain = RunningNode(tmp_path, {"peers": {"MINIPACS": {**address, "tls": False}}})
    assert minipacs("peers", plain).returncode == 1

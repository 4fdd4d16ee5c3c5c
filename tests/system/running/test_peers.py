"""`minipacs peers`: echoes, and `add` and `remove`, which change who is a peer."""

import json
from pathlib import Path

import pytest
from support import ECHO, IMPLICIT, StartNode, program

from scp.config.loader import load


def said(*given: object, code: int = 0) -> str:
    """What a command says, on stdout where it is done, and ends with."""
    done = program.run(*given)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr if code == 2 else done.stdout


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text("# mine\n[access]\nany_peer = false # none else\n")
    return path


def test_each_key_of_a_peer_is_an_option(config: Path) -> None:
    options = (
        "--from", "10.0.0.0/8,192.0.2.1", "--from", "::1", "--charset", "ISO_IR 192",
        "--hierarchy", "strict", "--transfer-syntaxes", "ExplicitVRLittleEndian",
        "--pdu-bytes", 8192, "--acse-timeout", 5, "--dimse-timeout", 2.5, "--sends", 2,
        "--associations", 0, "--tls", "--tls-name", "pacs.local", "--allow", "echo, find",
        "--notify", "ian", "--notify-quiet", 5, "--fhir", "https://fhir.example.org/r4",
        "--fhir-version", "R5", "--fhir-token", "fhir.token",
    )  # fmt: skip
    told = said("peers", "add", "MY WS", "[::1]:104", *options, "-c", config)
    first, second = told.splitlines()
    assert first == f"{config}: peer MY WS added"
    assert "a node that runs takes it at SIGHUP: `systemctl reload minipacs`" in second
    assert config.read_text().startswith(
        "# mine\n[access]\nany_peer = false # none else\n\n[peers."
    )
    peer = load(config).peers["MY WS"]
    assert peer.model_fields_set == set(type(peer).model_fields)
    assert (peer.host, peer.port, peer.associations, peer.dimse_timeout) == ("::1", 104, 0, 2.5)
    assert [str(one) for one in peer.sources] == ["10.0.0.0/8", "192.0.2.1/32", "::1/128"]
    assert sorted(peer.allow) == ["echo", "find"]


def test_who_only_calls_has_no_address_and_may_be_allowed_nothing(config: Path) -> None:
    said("peers", "add", "CT1", "-c", config)
    said("peers", "add", "CT2", "--allow", "", "-c", config)
    assert config.read_text().endswith("\n[peers.CT1]\n\n[peers.CT2]\nallow = []\n")


def test_a_peer_that_is_removed_is_shown(config: Path) -> None:
    before = config.read_bytes()
    said("peers", "add", "WS", "127.0.0.1:104", "--sends", 2, "-c", config)
    told = said("peers", "remove", "WS", "-c", config).splitlines()
    assert told[:-1] == [
        f"{config}: peer WS removed; it had:", '  host = "127.0.0.1"', "  port = 104",
        "  sends = 2",
    ]  # fmt: skip
    assert "SIGHUP" in told[-1]
    assert config.read_bytes() == before


WRONG = [
    (("add", "WS", "host"), "host: takes HOST:PORT, with an address of IPv6 in brackets"),
    (("add", "WS", "::1:104"), "::1:104: takes HOST:PORT"),
    (("add", "WS", "host:"), "host:: takes HOST:PORT"),
    (("add", "WS", f"host:{'1' * 5000}"), "1: takes HOST:PORT"),
    (("add", "WS", ":104"), "[peers.WS] host: takes a host name or IP address"),
    (("add", "WS", "host:70000"), "[peers.WS] port: takes an integer from 1 to 65535, not 70000"),
    (("add", "WS", "host:1", "--allow", "all"), "[peers.WS] allow: takes a list of echo"),
    (("add", "WS", "host:1", "--sends", "x"), "--sends"),
    (("add", "WS", "host:1", "--sends", "1", "--sends", "2"), "--sends: is given twice"),
    (("add", "W\\S", "host:1"), "takes an AE title: 1 to 16 printable ASCII characters"),
    (("add",), "Missing argument 'AET'"),
    (("remove", "WS"), "[peers.WS]: there is no such table"),
    (("WS",), "[peers.WS]: there is no such table"),
    (("--json", "add", "WS", "h:1"), "[peers.add]: there is no such table; the word add or remove"),
]


@pytest.mark.parametrize(("given", "words"), WRONG)
def test_what_will_not_do_is_told_and_changes_nothing(
    config: Path, given: tuple[str, ...], words: str
) -> None:
    before = config.read_text(), config.stat().st_ino
    assert words in said("peers", *given, "-c", config, code=2)
    assert (config.read_text(), config.stat().st_ino) == before


def test_a_configuration_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    assert f"{path}: not found" in said("peers", "add", "WS", "h:1", "-c", path, code=2)
    assert not path.exists()


@pytest.mark.parametrize("title", ["ADD", "Remove", "add", "remove"])
def test_a_peer_that_is_called_like_a_word_is_asked(config: Path, title: str) -> None:
    said("peers", "add", title, "-c", config)
    words = ("--", title) if title.islower() else (title,)
    (found,) = json.loads(said("peers", "--json", "-c", config, *words))
    assert (found["peer"], found["answered"]) == (title, None)


def test_a_running_node_takes_them_when_it_is_told(start_node: StartNode) -> None:
    node = start_node(access={"any_peer": False})

    def is_known() -> bool:
        association = node.associate((ECHO, IMPLICIT), ae_title="NEW")
        if known := association.is_established:
            association.release()
        return known

    said("peers", "add", "NEW", "--from", "127.0.0.1", "-c", node.config)
    assert not is_known()
    node.reload()
    assert is_known()
    said("peers", "remove", "NEW", "-c", node.config)
    node.reload()
    assert not is_known()


def test_it_is_asked_where_it_was_said_to_be(start_node: StartNode, config: Path) -> None:
    node = start_node()
    said("peers", "add", "MINIPACS", f"127.0.0.1:{node.port}", "-c", config)
    assert "answered in" in said("peers", "MINIPACS", "-c", config)
    assert "answered in" in said("peers", "-c", config)

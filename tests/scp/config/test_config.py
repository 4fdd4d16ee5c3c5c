"""config.toml: what is taken, and what is said about what is not."""

import re
import shutil
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError
from support import ROOT

from scp.config.choices import CHARSETS, EntryState, Service
from scp.config.loader import ConfigError, load, warnings
from scp.config.schema import TABLES, ConfigDocument, Forward, Peer, Settings, Table, Tls
from scp.config.transfer_syntaxes import transfer_syntaxes
from storage.worklist import State

SHIPPED = ROOT / "config.toml"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def loaded(path: Path, text: str) -> Settings:
    path.write_text(text, "utf-8")
    return load(path)


def faults(path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(path, text)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    return [line.removeprefix(f"{path}: ") for line in lines]


def keys_of(table: type[Table]) -> set[str]:
    return {field.alias or name for name, field in table.model_fields.items()}


PEER = "[peers.WS]\n"
FORWARD = "[peers.WS]\nhost = 'ws'\nport = 104\n[[forward]]\nto = ['WS']\n"
TLS = '[tls]\ncertificate = "a"\nkey = "b"\n'

BAD = [
    # text, the key named, words in the message
    ("[node]\nport = 70000", "[node] port", "takes an integer from 0 to 65535, not 70000"),
    ("[node]\nport = -1", "[node] port", "not -1"),
    ('[node]\nport = "11112"', "[node] port", 'not "11112"'),
    ("[node]\nport = true", "[node] port", "not true"),
    ("[node]\nport = 1.0", "[node] port", "not 1.0"),
    ("[node]\nprot = 1", "[node] prot", "unknown key; [node] takes ae_title, host, port, workers"),
    ('[node]\nhost = ""', "[node] host", 'takes a host name or IP address, not ""'),
    ('[node]\nhost = "two words"', "[node] host", 'not "two words"'),
    ("[node]\nhost = 1", "[node] host", "not 1"),
    ("[node]\nworkers = 257", "[node] workers", "takes an integer from 0 to 256, not 257"),
    ("[node]\nworkers = -1", "[node] workers", "not -1"),
    ('[node]\nae_title = ""', "[node] ae_title", "takes an AE title: 1 to 16"),
    ('[node]\nae_title = "   "', "[node] ae_title", 'not "   "'),
    ('[node]\nae_title = "SEVENTEEN_LETTERS"', "[node] ae_title", "1 to 16"),
    ("[node]\nae_title = 'BACK\\SLASH'", "[node] ae_title", "no backslash"),
    ('[node]\nae_title = "MÜNSTER"', "[node] ae_title", 'not "MÜNSTER"'),
    ('[node]\nae_title = "TAB\\t"', "[node] ae_title", 'not "TAB\\t"'),
    ('[node]\nae_title = "LINE\\n"', "[node] ae_title", 'not "LINE\\n"'),
    ("[node]\nae_title = 1", "[node] ae_title", "not 1"),
    ("[node.extra]", "[node] extra", "unknown key"),
    ('[node]\n"two\\nlines" = 1', '[node] "two\\nlines"', "unknown key"),
    ('node = "x"', "[node]", 'takes a table, not "x"'),
    ("[[node]]", "[node]", "takes a table, not [{}]"),
    ('[storage]\npath = ""', "[storage] path", 'takes the path of a folder, not ""'),
    ('[storage]\npath = "a\\u0000"', "[storage] path", "takes the path of a folder"),
    ("[storage]\npath = 5", "[storage] path", "not 5"),
    ("storage = 5", "[storage]", "takes a table, not 5"),
    ('[storage]\non_conflict = "x"', "[storage] on_conflict", "takes replace or keep or refuse"),
    ('[storage]\nreaders = "all"', "[storage] readers", "takes owner or group or everyone"),
    ("[storage]\nsync = 1", "[storage] sync", "takes true or false, not 1"),
    ('[storage]\nsync = "yes"', "[storage] sync", 'not "yes"'),
    ('[storage]\ncharset = "latin1"', "[storage] charset", 'such as "ISO_IR 100", not "latin1"'),
    ('[storage]\ncharset = ""', "[storage] charset", 'not ""'),
    ('[storage]\ncharset = "ISO 2022 58"', "[storage] charset", 'not "ISO 2022 58"'),
    ("[access]\nany_peer = 0", "[access] any_peer", "takes true or false, not 0"),
    ("[access]\nany_called_title = []", "[access] any_called_title", "not []"),
    ("[limits]\nassociations = 0", "[limits] associations", "an integer from 1 to 4096, not 0"),
    (
        "[limits]\npdu_bytes = 4095",
        "[limits] pdu_bytes",
        "from 4096 to 134217728 (bytes), not 4095",
    ),
    ("[limits]\npdu_bytes = 134217729", "[limits] pdu_bytes", "not 134217729"),
    ("[limits]\nacse_timeout = 0", "[limits] acse_timeout", "a number of seconds above 0, not 0"),
    ("[limits]\ndimse_timeout = true", "[limits] dimse_timeout", "not true"),
    ('[limits]\ndimse_timeout = "60"', "[limits] dimse_timeout", 'not "60"'),
    ("[limits]\nnetwork_timeout = inf", "[limits] network_timeout", "seconds"),
    ("[limits]\nnetwork_timeout = nan", "[limits] network_timeout", "seconds"),
    ("[limits]\nfind_responses = -1", "[limits] find_responses", "an integer of 0 or more, not -1"),
    ("[query]\nmost_headers = -1", "[query] most_headers", "an integer of 0 or more, not -1"),
    ("[limits]\nfree_bytes = 1e9", "[limits] free_bytes", "of 0 or more (bytes), not 1000000000.0"),
    ("[limits]\nassociations = 2024-01-01", "[limits] associations", 'not "2024-01-01"'),
    (PEER + 'host = "ws"', "[peers.WS] port", "missing; takes host and port together"),
    (PEER + "port = 104", "[peers.WS] host", "missing; takes host and port together"),
    (PEER + 'tls_name = "ws"', "[peers.WS] tls_name", "is checked only with tls = true"),
    (PEER + 'host = "ws"\nport = 0', "[peers.WS] port", "an integer from 1 to 65535, not 0"),
    (PEER + 'host = ""\nport = 104', "[peers.WS] host", 'not ""'),
    (
        PEER + 'from = "10.0.0.0/8"',
        "[peers.WS] from",
        'a list of addresses and networks such as "10',
    ),
    (PEER + 'from = ["10.0.0.1/8"]', "[peers.WS] from", 'not "10.0.0.1/8"'),
    (PEER + 'from = ["ws.example"]', "[peers.WS] from", 'not "ws.example"'),
    (PEER + "from = [10]", "[peers.WS] from", "not 10"),
    (PEER + 'sources = ["10.0.0.0/8"]', "[peers.WS] sources", "takes host, port, from, charset"),
    (PEER + 'charset = "utf8"', "[peers.WS] charset", 'not "utf8"'),
    (PEER + 'allow = ["destroy"]', "[peers.WS] allow", "get, commit, worklist, step, not"),
    ("[worklist]\nserve = ['DONE']", "[worklist] serve", "takes a list of SCHEDULED, ARRIVED"),
    ("[worklist]\nquiet = 0", "[worklist] quiet", "takes a number of seconds above 0, not 0"),
    ("[worklist]\nkeep = -1", "[worklist] keep", "takes an integer from 0 to 36500 (days)"),
    ("[worklist]\nfolders = 'x'", "[worklist] folders", "unknown key; [worklist] takes folder"),
    (PEER + 'allow = "echo"', "[peers.WS] allow", "a list of echo, store, find, move, get, commit"),
    (PEER + "allow = [1]", "[peers.WS] allow", "not 1"),
    ('[peers."TWO WORDS"]\nallow = 1', '[peers."TWO WORDS"] allow', "not 1"),
    ("[peers.SEVENTEEN_LETTERS]", "[peers.SEVENTEEN_LETTERS]", "takes an AE title: 1 to 16"),
    ("[peers.'A\\B']", '[peers."A\\\\B"]', "no backslash"),
    ('[peers.""]', '[peers.""]', "takes an AE title"),
    ('[peers.WS]\n[peers." WS "]', '[peers." WS "]', "the same AE title as [peers.WS]"),
    ('[peers]\nhost = "ws"', "[peers.host]", 'takes a table, not "ws"'),
    ("peers = 1", "[peers]", "takes a table, not 1"),
    ('[tls]\ncertificate = "a"', "[tls] key", "missing; takes the path of a file"),
    ('[tls]\nkey = "b"', "[tls] certificate", "missing; takes the path of a file"),
    (TLS + "ca = true", "[tls] ca", "takes the path of a file, not true"),
    (TLS + "port = 65536", "[tls] port", "takes an integer from 0 to 65535, not 65536"),
    (TLS + "port = 11112", "[tls] port", "takes another one than [node] port, not 11112 too"),
    (TLS + "profile = 'aes'", "[tls] profile", 'takes bcp195 or bcp195-modified, not "aes"'),
    (TLS + 'require_client = "no"', "[tls] require_client", 'takes true or false, not "no"'),
    ("[[forward]]", "[[forward]] 1 to", "missing; takes a list of AE titles under [peers]"),
    ("[[forward]]\nto = []", "[[forward]] 1 to", "takes a list of AE titles under [peers], not []"),
    ("[[forward]]\nto = 'WS'", "[[forward]] 1 to", 'not "WS"'),
    ("[[forward]]\nto = ['']", "[[forward]] 1 to", 'not ""'),
    ("[[forward]]\nto = ['WS']", "[[forward]] 1 to", "[peers.WS] there is no such table"),
    (
        "[[forward]]\nto = ['A']\n[[forward]]\nto = ['WS']\n[peers.WS]\n"
        "[peers.A]\nhost = 'a'\nport = 104",
        "[[forward]] 2 to",
        "[peers.WS] has no host and port",
    ),
    (FORWARD + "modality = 'CT'", "[[forward]] 1 modality", "a list of texts, with * and ? as"),
    (FORWARD + "modality = ['']", "[[forward]] 1 modality", 'not ""'),
    (FORWARD + "from = [1]", "[[forward]] 1 from", "not 1"),
    (FORWARD + "senders = ['A']", "[[forward]] 1 senders", "takes to, modality, from, station"),
    (FORWARD + "quiet = 0", "[[forward]] 1 quiet", "a number of seconds above 0, not 0"),
    (FORWARD + "[[forward]]\nto = ['WS']\nage = 3", "[[forward]] 2 age", "unknown key"),
    ("[forward]\nto = ['WS']", "[[forward]]", 'takes an array of tables, not {"to": ["WS"]}'),
    ("forward = [1]", "[[forward]] 1", "takes a table, not 1"),
    (
        "[nodes]",
        "[nodes]",
        "unknown; the tables are [node], [storage], [index], [store], [access], [limits], [peers]",
    ),
    ("port = 1", "port", "unknown; the tables are"),
    ('source = "x"', "source", "unknown; the tables are"),
]


@pytest.mark.parametrize(("text", "key", "words"), BAD)
def test_a_bad_config_is_refused_by_key_and_what_it_takes(
    config: Path, text: str, key: str, words: str
) -> None:
    (line,) = faults(config, text)
    assert line.startswith((f"{key}: ", f"{key} "))
    assert words in line


GOOD = [
    # text, where to look, what is there
    ("", "node.port", 11112),
    ("[node]\nport = 0", "node.port", 0),
    ("[node]\nport = 65535", "node.port", 65535),
    ("[node]\nworkers = 256", "node.workers", 256),
    ('[node]\nhost = "::"', "node.host", "::"),
    ('[node]\nae_title = "  A B  "', "node.ae_title", "A B"),
    ('[node]\nae_title = " SIXTEEN_LETTERS_ "', "node.ae_title", "SIXTEEN_LETTERS_"),
    ('[node]\nae_title = "~!\\"#[]"', "node.ae_title", '~!"#[]'),
    ('[storage]\non_conflict = "refuse"', "storage.on_conflict", "refuse"),
    ('[storage]\nreaders = "group"', "storage.readers", "group"),
    ("[storage]\nsync = false", "storage.sync", False),
    ('[storage]\ncharset = "ISO_IR 192"', "storage.charset", "ISO_IR 192"),
    ('[storage]\ncharset = "GB18030"', "storage.charset", "GB18030"),
    ('[storage]\npath = "/srv/dicom"', "storage.path", Path("/srv/dicom")),
    ("[limits]\nacse_timeout = 0.5", "limits.acse_timeout", 0.5),
    ("[limits]\nacse_timeout = 5", "limits.acse_timeout", 5),
    ("[limits]\npdu_bytes = 4096", "limits.pdu_bytes", 4096),
    ("[limits]\npdu_bytes = 134217728", "limits.pdu_bytes", 134217728),
    ("[limits]\nfree_bytes = 0", "limits.free_bytes", 0),
    ("", "peers", {}),
    (PEER, "peers", {"WS": Peer()}),
    ('[peers." WS "]', "peers", {"WS": Peer()}),
    (PEER + 'host = "ws"\nport = 104', "peers", {"WS": Peer(host="ws", port=104)}),
    (PEER + "allow = []", "peers", {"WS": Peer(allow=frozenset())}),
    (
        PEER + 'allow = ["echo", "find"]',
        "peers",
        {"WS": Peer(allow=frozenset({Service.ECHO, Service.FIND}))},
    ),
    (
        PEER + 'from = ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"]',
        "peers",
        {"WS": Peer(sources=tuple(map(ip_network, ("10.0.0.0/8", "192.0.2.1", "2001:db8::/32"))))},
    ),
    (FORWARD + "quiet = 5", "forward", (Forward(to=("WS",), quiet=5),)),
    (FORWARD + "from = ['A*']", "forward", (Forward(to=("WS",), senders=("A*",)),)),
    ("", "tls", None),
    (TLS + "require_client = true", "tls.require_client", True),
    (TLS, "tls.ca", None),
    (TLS, "tls.port", None),
    (TLS + "port = 2762", "tls.port", 2762),
    (TLS, "tls.profile", "bcp195"),
]


@pytest.mark.parametrize(("text", "where", "value"), GOOD)
def test_a_good_config_is_taken(config: Path, text: str, where: str, value: object) -> None:
    found: object = loaded(config, text)
    for name in where.split("."):
        found = getattr(found, name)
    assert found == value


def test_every_fault_is_reported_with_its_file(config: Path) -> None:
    text = '[node]\nport = 70000\nprot = 1\n[storage]\nsync = 1\n[peers.WS]\nallow = ["x", "y"]\n'
    text += '[peers."WS "]\ncharset = "?"\n[tls]\n'
    assert {line.partition(":")[0] for line in faults(config, text)} == {
        "[node] port",
        "[node] prot",
        "[storage] sync",
        "[peers.WS] allow",
        '[peers."WS "]',
        '[peers."WS "] charset',
        "[tls] certificate",
        "[tls] key",
    }


def test_each_bad_member_of_a_list_is_a_fault(config: Path) -> None:
    x, y = faults(config, PEER + 'allow = ["x", "echo", "y"]')
    assert x.endswith('not "x"')
    assert y.endswith('not "y"')


def test_a_missing_file_is_said_to_be_missing_and_how_to_name_another(config: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(config)
    hint = "not found; give its path with --config or in $MINIPACS_CONFIG"
    assert str(caught.value) == f"{config}: {hint}"


def test_a_file_that_cannot_be_read_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r": cannot be read: Is a directory$"):
        load(tmp_path)


def test_a_syntax_error_has_its_line_and_column(config: Path) -> None:
    (line,) = faults(config, "[node]\nport 1")
    assert line.startswith("not TOML: ")
    assert "line 2, column 6" in line


def test_text_that_is_not_utf_8_is_a_fault(config: Path) -> None:
    config.write_bytes(b'[node]\nhost = "\xff"')
    with pytest.raises(ConfigError, match=r"not TOML: .*utf-8"):
        load(config)


def test_paths_are_taken_from_the_folder_of_the_file(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (config.parent / "elsewhere").mkdir()
    config.write_text(TLS + 'ca = "/etc/ca.pem"')
    monkeypatch.chdir(config.parent / "elsewhere")
    settings = load(Path("../config.toml"))
    folder = settings.source.parent
    assert folder.is_absolute()
    assert folder.resolve() == config.parent.resolve()
    assert settings.storage.path == folder / "data"
    assert settings.tls == Tls(certificate=folder / "a", key=folder / "b", ca=Path("/etc/ca.pem"))


def test_settings_cannot_be_changed(config: Path) -> None:
    settings = loaded(config, "")
    with pytest.raises(ValidationError, match="frozen"):
        settings.node.port = 1


def test_a_peer_is_found_by_its_title_without_the_spaces_around_it(config: Path) -> None:
    settings = loaded(config, '[peers."TWO WORDS "]')
    assert settings.peer(" TWO WORDS  ") == Peer()
    assert settings.peer("TWOWORDS") is None
    assert settings.peer("two words") is None


OPEN = '[node]\nhost = "0.0.0.0"\n'

WARNED = [
    # text, words of each warning in turn
    ("", []),
    ('[node]\nhost = "::1"', []),
    ('[node]\nhost = "localhost"', []),
    (PEER + 'allow = ["move"]', []),
    (OPEN, ["any machine that reaches it may store, query and retrieve", "unencrypted"]),
    (OPEN + "[access]\nany_peer = false", ["unencrypted"]),
    (OPEN + TLS, ["any machine that reaches it may store"]),
    (OPEN + TLS + "require_client = true", ["with a certificate that it trusts may store"]),
    (OPEN + TLS + "[access]\nany_peer = false", []),
    (OPEN + TLS + "port = 2762\n[access]\nany_peer = false", ["plain beside [tls] port"]),
    (
        OPEN + TLS + "port = 2762\nrequire_client = true",
        ["any machine that reaches it may store", "plain beside [tls] port"],
    ),
    ("[storage]\nsync = false", ["power cut"]),
    ("[metrics]\nport = 0", []),
    ('[metrics]\nhost = "0.0.0.0"\nport = 0', ["[metrics] host is 0.0.0.0: any machine"]),
]


@pytest.mark.parametrize(("text", "words"), WARNED)
def test_a_risky_config_loads_and_warns(config: Path, text: str, words: list[str]) -> None:
    found = warnings(loaded(config, text))
    assert len(found) == len(words)
    for warning, word in zip(found, words, strict=True):
        assert word in warning


def test_the_shipped_config_says_the_defaults(config: Path) -> None:
    default = loaded(config, "")
    shutil.copy(SHIPPED, config)
    assert load(config) == default


def uncommented(text: str) -> str:
    return re.sub(r"^# (\[|\w+ = )", r"\1", text, flags=re.MULTILINE)


def test_the_shipped_config_shows_every_key_and_no_other() -> None:
    tables = tomllib.loads(uncommented(SHIPPED.read_text("utf-8")))
    assert tables.keys() == keys_of(ConfigDocument)
    (tables["peers"],) = tables["peers"].values()
    (tables["users"],) = tables["users"].values()
    (tables["forward"],) = tables["forward"]
    shown = {name: set(table) for name, table in tables.items()}
    assert shown == {name: keys_of(table) for name, table in TABLES.items()}


def test_the_shipped_config_has_a_comment_on_every_key() -> None:
    lines = uncommented(SHIPPED.read_text("utf-8")).splitlines()
    for line in lines:
        assert " = " not in line.partition("  #")[0] or "  # " in line, line


# [index] and [store], which do not go with all that stands on a folder of one node's own.
_SHARED = re.compile(r"^\[index\]\n.*?\n\n(?=\[)", re.DOTALL | re.MULTILINE)


def test_the_examples_in_the_shipped_config_can_be_uncommented(config: Path) -> None:
    text = uncommented(SHIPPED.read_text("utf-8"))
    settings = loaded(config, _SHARED.sub("", text))
    assert settings.peers
    assert settings.tls is not None
    assert settings.forward
    (shared,) = _SHARED.findall(text)
    settings = loaded(config, shared)
    assert settings.index
    assert settings.store


def test_only_the_examples_of_what_is_off_are_commented_out() -> None:
    tables = tomllib.loads(SHIPPED.read_text("utf-8"))
    assert tables.keys() == keys_of(ConfigDocument) - {
        "index", "store", "peers", "tls", "metrics", "web", "users", "forward", "worklist",
        "orders",
    }  # fmt: skip


def test_the_states_of_a_worklist_are_those_that_it_has() -> None:
    assert get_args(EntryState) == tuple(State)


def test_every_key_says_what_it_takes() -> None:
    for table in TABLES.values():
        for name, field in table.model_fields.items():
            assert field.description, name


def test_what_is_listed_of_the_standard_is_what_pydicom_has() -> None:
    import pynetdicom  # noqa: F401  # adds to the table
    from pydicom._uid_dict import UID_dictionary
    from pydicom.charset import python_encoding

    # pydicom also reads the empty value and two misspellings.
    assert set(python_encoding) - {"", "ISO 2022 58", "ISO 2022 GBK"} == CHARSETS
    assert transfer_syntaxes() == {
        entry[4]: uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax"
    }

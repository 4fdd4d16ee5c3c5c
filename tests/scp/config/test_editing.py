"""Peers added to config.toml and removed again: all that a person wrote there stays as it is."""

import fcntl
import os
import re
import stat
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from support import ROOT, START_SECONDS

from scp.config import ConfigError, editing
from scp.config.loader import load

SHIPPED = (ROOT / "config.toml").read_text()
VALUES: dict[str, Any] = {"host": 'ü"\\x', "port": 104, "from": ["10.0.0.0/8"], "tls": True}
TABLE = '[peers."NEW 1"]\nhost = "ü\\"\\\\x"\nport = 104\nfrom = ["10.0.0.0/8"]\ntls = true\n'
FORWARD = '[[forward]]\nto = ["A"]\n'
ADDRESS = 'host = "a"   # here\nport=1\n'

# What there is before the new table, and behind it.
LAYOUTS = {
    "no peers": ("[node]\nport = 1 # one\n\n", ""),
    "nothing": ("", ""),
    "comments alone": ("# one\n\n# [peers.EXAMPLE]\n\n", ""),
    "as shipped": (f"{SHIPPED}\n", ""),
    "peers last": (f"[log]\n\n[peers.A]\n{ADDRESS}\n", ""),
    "the next one's comment": ("# a\n[peers.A] # b\n# tls = true\n\n", "\n# log\n\n# it\n[log]\n"),
    "no empty line": ("[peers.A]\n\n", "\n# audit\n[audit]\n"),
    "out of order": (f"[peers.A]\n\n# l\n[log]\n[peers.B]\n{ADDRESS}\n", "\n# a\n[audit]\n"),
    "behind an array of tables": (
        f"[peers.A]\n{ADDRESS}\n{FORWARD}\n# b\n[peers.B]\n\n", f"\n# second\n{FORWARD}",
    ),
    "a list of several lines": (
        '[peers.A]\nallow = [\n  "echo", # c\n\n  "store",\n]\n\n', "\n[log]\n",
    ),
    "a header in a text": ('[storage]\npath = """\n[peers.X]\n"""\n[peers.B]\n\n', "\n[log]\n"),
    "a table of tables": ("[peers]\n# all\nA = {}\nB = {tls = true} # b\n\n", "\n# log\n[log]\n"),
    "dotted keys": ("[peers]\nA.tls = true\nB.sends = 2\nA.sends = 3\n\n", "\n# log\n[log]\n"),
    "dotted keys at the top": ("peers.A.tls = true\nnode.port = 1\n[log]\n\n", ""),
    "set in": (f"  [peers.'A']\n  {ADDRESS}\n", "\n  # log\n  [log]\n"),
    "lines of Windows": (f"[peers.A]\r\n{ADDRESS}\n".replace("\n", "\r\n"), "\r\n# l\r\n[log]\r\n"),
}  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_peer_comes_in_one_piece_and_goes_without_a_trace(config: Path, name: str) -> None:
    before, after = (part.replace("\r\r", "\r").encode() for part in LAYOUTS[name])
    lines = b"\r\n" if b"\r\n" in before else b"\n"
    was = before.removesuffix(lines) + after
    config.write_bytes(was)
    editing.add_table(config, "peers", " NEW 1 ", VALUES)
    assert config.read_bytes() == before + TABLE.encode().replace(b"\n", lines) + after
    peer = load(config).peers["NEW 1"]
    assert (peer.host, peer.port, peer.tls) == ('ü"\\x', 104, True)
    assert tomllib.loads(editing.remove_table(config, "peers", "NEW 1")) == VALUES
    assert config.read_bytes() == was
    assert [one.name for one in config.parent.iterdir()] == ["config.toml"]


REMOVED = {
    "the first of two": (f"[peers.A]\n{ADDRESS}\n# b\n[peers.B]\n", "# b\n[peers.B]\n"),
    "its comment": (
        f"[peers.B]\n\n# a\n[peers.A] # a\n{ADDRESS}# b = c\n\n# log\n[log]\n",
        "[peers.B]\n\n# a\n\n# log\n[log]\n",
    ),
    "the last line, cut short": ("[log]\n\n[peers.A]\nsends = 2", "[log]\n"),
    "a title with spaces": ("[log]\n[\"peers\".' A ']\ntls = true\n", "[log]\n"),
    "one that is written into a line": ("[peers]\nA = {} # a\nB = {}\n", "[peers]\nB = {}\n"),
    "dotted keys": ("[peers]\nA.tls = true\nB.sends = 2\nA.sends = 3\n", "[peers]\nB.sends = 2\n"),
    "behind an array of tables": (
        f"[peers.B]\n{ADDRESS}\n[[forward]]\nto = ['B']\n\n[peers.A]\n\n[[forward]]\nto = ['B']\n",
        f"[peers.B]\n{ADDRESS}\n[[forward]]\nto = ['B']\n\n[[forward]]\nto = ['B']\n",
    ),
}


@pytest.mark.parametrize("name", REMOVED)
def test_a_peer_that_a_person_wrote_goes_and_no_comment_of_others(config: Path, name: str) -> None:
    was, becomes = REMOVED[name]
    config.write_text(was)
    editing.remove_table(config, "peers", "A")
    assert config.read_text().lstrip("\n") == becomes


def test_the_last_line_may_lack_its_end(config: Path) -> None:
    config.write_text("[peers.A]\ntls = true")
    editing.add_table(config, "peers", "NEW 1", VALUES)
    assert config.read_text() == f"[peers.A]\ntls = true\n\n{TABLE}"


def test_a_form_that_cannot_be_changed_is_told(config: Path) -> None:
    config.write_text("peers = {A = {}} # in a line\n")
    for change in (
        lambda: editing.add_table(config, "peers", "NEW 1", VALUES),
        lambda: editing.remove_table(config, "peers", "A"),
    ):
        with pytest.raises(ConfigError, match="form that only a person can change, with an editor"):
            change()
    assert config.read_text() == "peers = {A = {}} # in a line\n"


WRONG: list[tuple[str, str, dict[str, Any], str]] = [
    # what there is, AE title and values, what is said
    ("[peers.A]\n", "A", {}, "[peers.A]: there is such a table already"),
    ("[peers.' A ']\n", "A", {}, '[peers." A "]: there is such a table already'),
    ("", "A\\B", {}, '[peers."A\\\\B"]: takes an AE title: 1 to 16 printable ASCII characters'),
    ("", " ", {}, '[peers.""]: takes an AE title'),
    ("", "A" * 17, {}, "takes an AE title"),
    ("", "Ä", {}, "takes an AE title"),
    ("", "A\n[node]", {}, "takes an AE title"),
    ("", "A", {"host": "a", "port": 0}, "[peers.A] port: takes an integer from 1 to 65535, not 0"),
    ("", "A", {"host": "", "port": 1}, "[peers.A] host: takes a host name or IP address"),
    ("", "A", {"host": "\udce4", "port": 1}, "[peers.A] host: takes a host name or IP address"),
    ("", "A", {"allow": ["all"]}, "[peers.A] allow: takes a list of echo, store, find"),
    ("", "A", {"tls_name": "a"}, "[peers.A] tls_name: is checked only with tls = true"),
    ("[node]\nport = -1\n", "A", {}, "[node] port: takes an integer from 0 to 65535, not -1"),
    ("peers = 1\n", "A", {}, "[peers]: takes a table, not 1"),
    ("[node\n", "A", {}, "not TOML: "),
]


@pytest.mark.parametrize(("was", "title", "values", "words"), WRONG)
def test_what_will_not_do_is_told_and_changes_nothing(
    config: Path, was: str, title: str, values: dict[str, Any], words: str
) -> None:
    config.write_text(was)
    before = config.stat()
    with pytest.raises(ConfigError, match=re.escape(words)) as raised:
        editing.add_table(config, "peers", title, values)
    assert str(raised.value).startswith(f"{config}: ")
    assert (config.read_text(), config.stat().st_ino) == (was, before.st_ino)
    assert [one.name for one in config.parent.iterdir()] == ["config.toml"]


def test_a_peer_that_a_rule_names_stays(config: Path) -> None:
    was = f"[peers.A]\n{ADDRESS}\n{FORWARD}"
    config.write_text(was)
    with pytest.raises(ConfigError) as raised:
        editing.remove_table(config, "peers", "A")
    assert str(raised.value).splitlines() == [
        f"{config}: [[forward]] 1 to: [peers.A] there is no such table",
        f"{config}: would be wrong with that; nothing is changed",
    ]
    assert config.read_text() == was


def test_there_must_be_such_a_peer(config: Path) -> None:
    config.write_text("[peers.A]\n")
    with pytest.raises(ConfigError, match=re.escape("[peers.a]: there is no such table")):
        editing.remove_table(config, "peers", "a")


# ---- the file


def test_link_owner_mode_and_attributes_stay(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "real.toml").write_text("[log]\n")
    config.symlink_to("etc/real.toml")
    os.chmod(config, 0o640)
    if os.geteuid() == 0:
        os.chown(config, 12345, 54321)
    os.setxattr(config, "user.note", b"mine")
    before = config.stat()
    editing.add_table(config, "peers", "A", {})
    now = config.stat()
    assert os.readlink(config) == "etc/real.toml"
    assert (now.st_uid, now.st_gid) == (before.st_uid, before.st_gid)
    assert stat.S_IMODE(now.st_mode) == 0o640
    assert os.getxattr(config, "user.note") == b"mine"
    assert (folder / "real.toml").read_text() == "[log]\n\n[peers.A]\n"
    # In the place of the file, not into it: who reads has the old one or the new one.
    assert now.st_ino != before.st_ino


FAILING = {"write": "fsync", "rename": "replace", "make": "fchmod"}


@pytest.mark.parametrize("step", FAILING)
def test_a_step_that_fails_leaves_the_file_and_nothing_beside(
    config: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    config.write_text("[log]\n")
    monkeypatch.setattr(os, FAILING[step], full)
    with pytest.raises(ConfigError, match="cannot be written: No space left on device"):
        editing.add_table(config, "peers", "A", {})
    assert config.read_text() == "[log]\n"
    assert [one.name for one in config.parent.iterdir()] == ["config.toml"]


def test_what_an_editor_saved_meanwhile_stays(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("[log]\n")
    edited = editing._edited

    def saved_meanwhile(*given: Any) -> bytes:
        config.write_text("[audit]\n")
        return edited(*given)

    monkeypatch.setattr(editing, "_edited", saved_meanwhile)
    with pytest.raises(ConfigError, match="was changed meanwhile; nothing is changed: try again"):
        editing.add_table(config, "peers", "A", {})
    assert config.read_text() == "[audit]\n"


def test_commands_at_once_lose_none(config: Path) -> None:
    """Who waited for the file finds another one in its place."""
    config.write_text("[log]\n")
    titles = [f"A{number}" for number in range(8)]
    with ThreadPoolExecutor(len(titles)) as threads, config.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        adding = [threads.submit(editing.add_table, config, "peers", title, {}) for title in titles]
        fcntl.flock(file, fcntl.LOCK_UN)
        for one in adding:
            one.result()
    assert sorted(load(config).peers) == titles


_AS_NOBODY = """
import os, sys
from pathlib import Path
import storage.files, tomlkit.items
from scp.config import ConfigError, editing
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
try:
    editing.add_table(Path(sys.argv[1]), "peers", "A", {})
except ConfigError as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="takes another user")
def test_who_may_not_write_it_is_told_why() -> None:
    with TemporaryDirectory() as name:  # that of pytest is closed to others
        config = Path(name, "config.toml")
        config.write_text("[log]\n")

        def said(folder: int, file: int) -> str:
            os.chmod(name, folder)
            config.chmod(file)
            return subprocess.run(
                [sys.executable, "-c", _AS_NOBODY, str(config)], cwd=ROOT, text=True,
                stdout=subprocess.PIPE, check=True, timeout=START_SECONDS,
            ).stdout.strip()  # fmt: skip

        words = f"{config}: cannot be written:"
        assert said(0o755, 0o644) == f"{words} Permission denied"
        assert said(0o755, 0o666) == f"{words} Permission denied ({name})"
        belongs = "it is root's, and could not stay that: run it as that user"
        assert said(0o777, 0o666) == f"{words} {belongs}"
        assert config.read_text() == "[log]\n"
        assert os.listdir(name) == ["config.toml"]

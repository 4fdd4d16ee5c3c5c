"""What a command loads before it does anything, which is most of what a short one takes."""

import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT, START_SECONDS

from scp.cli.app import COMMANDS, loaded
from storage import prepare

_TELLING = """
import gc, os, sys
from scp.cli import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
    print(len(os.listdir("/proc/self/task")), gc.isenabled(), file=sys.stderr)
"""
_PIXELS = {"numpy", "gdcm", "_gdcm", "openjpeg", "PIL"}
_NETWORK = {"pynetdicom", "cryptography", "prometheus_client", "scp.network", "scp.forwarding"}
_EDITING = {"tomlkit"}
_ARCHIVE = {"pydicom", "peewee", "storage.files", "storage.index", "storage.archive"}
_SCREEN = {"rich", "markdown_it", "pygments"}
# What a command has no use for.
UNUSED = {
    ("--help",): {
        *_PIXELS,
        *_NETWORK,
        *_ARCHIVE,
        *_EDITING,
        *_SCREEN,
        "pydantic",
        "scp.cli.commands",
    },
    ("config",): {*_PIXELS, *_NETWORK, *_ARCHIVE, *_EDITING, *_SCREEN},
    ("peers",): {*_EDITING, "cryptography"},
    ("stats",): {*_NETWORK, *_EDITING, "pygments", "scp.node.supervisor"},
    ("find",): {*_NETWORK, "pygments", "scp.node.supervisor"},
}


def python(code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Code in a process of its own, in which nothing is imported yet."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, text=True, capture_output=True,
        check=False, timeout=START_SECONDS,
    )  # fmt: skip


@pytest.mark.parametrize("command", UNUSED, ids=" ".join)
def test_a_command_loads_nothing_that_it_has_no_use_for(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    # Names of DICOM are checked, which takes no more.
    config.write_text(
        f'[storage]\npath = "{tmp_path / "data"}"\ncharset = "ISO_IR 192"\n'
        '[peers.WS]\ntransfer_syntaxes = ["JPEG2000Lossless"]\n'
    )
    prepare(tmp_path / "data", sync=False, charset="")
    options = () if command == ("--help",) else ("-c", str(config))
    done = python(_TELLING, *command, *options)
    nothing_held = 1 if command == ("find",) else 0
    assert done.returncode == nothing_held, done.stderr
    *modules, threads, has_collector = done.stderr.split()
    assert threads == "1"  # none of a library's own
    # Off while modules are loaded, on for what a command makes.
    assert has_collector == str(command != ("--help",))
    assert "typer" in modules
    assert not set(modules) & UNUSED[command]


def test_what_help_says_of_a_command_is_what_the_command_says_of_itself() -> None:
    said = {
        name: " ".join((loaded(name).help or "").partition("\n\n")[0].split()) for name in COMMANDS
    }
    assert said == {name: words for name, (_, words) in COMMANDS.items()}


_ALIKE = """
import sys
import storage.dicom.values
from pydicom._uid_dict import UID_dictionary
assert "pynetdicom" not in sys.modules
before = dict(UID_dictionary)
import pynetdicom
assert UID_dictionary == before
"""


def test_the_same_uids_are_known_with_a_network_and_without() -> None:
    done = python(_ALIKE)
    assert (done.returncode, done.stderr) == (0, "")


_BEFORE_TLS = """
import sys
import scp.cli.commands.node.serve, scp.node.supervisor, scp.web
assert "cryptography" not in sys.modules
from scp.network.tls.certificates import read
"""


def test_a_node_loads_what_reads_certificates_for_tls_alone() -> None:
    done = python(_BEFORE_TLS)
    assert (done.returncode, done.stderr) == (0, "")

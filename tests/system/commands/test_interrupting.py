"""Ctrl-C: at whatever moment it comes, a command ends by it, in a word and without a traceback.

And by itself where nobody reads what it prints any more.

The moment is not waited for: the process sends itself the signal when a module is being loaded, or
it has opened a pipe that nobody writes to.
"""

import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT, START_SECONDS, RunningNode

from storage import prepare

# Python runs it before anything else. A shell has what it runs in the background ignore SIGINT,
# and tests may be run so.
_SITE = """
import os, signal, sys
signal.signal(signal.SIGINT, {handler})


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == os.environ.get("INTERRUPTED_AT"):
            sys.meta_path.remove(Finder)
            os.kill(os.getpid(), signal.SIGINT)


sys.meta_path.insert(0, Finder)
"""


def started(
    folder: Path, *given: object, at: str = "", handler: str = "signal.default_int_handler"
) -> "subprocess.Popen[str]":
    """A command as a process of its own, which gets SIGINT when it loads the module `at`."""
    (folder / "sitecustomize.py").write_text(_SITE.format(handler=handler))
    return subprocess.Popen(
        [sys.executable, "-m", "scp", *map(str, given)], cwd=ROOT, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(folder), "INTERRUPTED_AT": at},
    )  # fmt: skip


def told(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Its exit code and what it says, once it has ended."""
    with process:
        out, errors = process.communicate(timeout=START_SECONDS)
        return process.returncode, out, errors


INTERRUPTED = (130, "", "minipacs: interrupted\n")
# While what loads them expects an ImportError, in a data class, in a compiled module, at the end.
MODULES = (
    "typer", "pydantic", "scp.config", "scp.cli.commands.transfer.export", "pydicom",
    "pydicom.config", "numpy", "numpy._core._multiarray_umath", "peewee", "storage.archive",
)  # fmt: skip


@pytest.mark.parametrize("module", MODULES)
def test_it_ends_while_modules_are_loaded(tmp_path: Path, module: str) -> None:
    assert told(started(tmp_path, "export", "--help", at=module)) == INTERRUPTED


@pytest.mark.parametrize("module", ["scp.runtime", "pythonjsonlogger.json", "storage.files"])
def test_it_ends_while_a_command_loads_what_it_needs_now(tmp_path: Path, module: str) -> None:
    node = RunningNode(tmp_path)
    assert told(started(tmp_path, "config", "-c", node.config, at="scp.config")) == INTERRUPTED
    code = "rebuild" if module == "storage.files" else "peers"
    assert told(started(tmp_path, code, "-c", node.config, at=module)) == INTERRUPTED


def test_it_ends_while_the_configuration_is_read(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    os.mkfifo(config)
    process = started(tmp_path, "config", "-c", config)
    # Opened once the command has opened it; what it reads never comes.
    with config.open("w"):
        process.send_signal(signal.SIGINT)
        assert told(process) == INTERRUPTED


def test_it_is_ignored_where_it_was_ignored_before(tmp_path: Path) -> None:
    """As of what a shell runs in the background."""
    process = started(tmp_path, "config", "--help", at="typer", handler="signal.SIG_IGN")
    code, out, errors = told(process)
    assert (code, errors) == (0, "")
    assert "Print what is in force" in out


def test_a_question_is_ended_by_it(tmp_path: Path) -> None:
    """On a terminal, which sends the signal to who has it."""
    ours, theirs = pty.openpty()
    (tmp_path / "sitecustomize.py").write_text(_SITE.format(handler="signal.default_int_handler"))
    process = subprocess.Popen(
        [sys.executable, "-c", _WITH_TERMINAL, "init", "-c", str(tmp_path / "new.toml")],
        cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    os.close(theirs)
    said = b""
    with os.fdopen(ours, "r+b", buffering=0) as terminal, process:
        while b"AE title of the node" not in said:
            said += terminal.read(4096)
        terminal.write(b"\x03")
        try:
            while True:
                # Python does not see one that comes as it begins to wait (its `readline.c`): a
                # person would press it again.
                if not select.select([terminal], [], [], _AGAIN_SECONDS)[0]:
                    terminal.write(b"\x03")
                elif not (piece := terminal.read(4096)):
                    break
                else:
                    said += piece
        except OSError:  # it is closed by who had it
            pass
        assert process.wait(START_SECONDS) == 130
    assert said.endswith(b"\r\nminipacs: interrupted\r\n")
    assert b"Traceback" not in said
    assert b"Aborted" not in said
    assert not (tmp_path / "new.toml").exists()


_AGAIN_SECONDS = 5.0
_WITH_TERMINAL = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from scp.cli import main
main()
"""


@pytest.mark.parametrize("given", [
    ("--help",), ("find", "--help"), ("config",), ("stats",), ("find", "Modality=CT"), ("history",),
    ("check", "--json"), ("conformance",),
], ids=" ".join)  # fmt: skip
def test_a_command_whose_reader_is_gone_says_nothing_of_it(
    tmp_path: Path, given: tuple[str, ...]
) -> None:
    """As with `| head`."""
    node = RunningNode(tmp_path)
    prepare(node.data, sync=False, charset="")
    ours, theirs = os.pipe()
    os.close(ours)
    options = () if "--help" in given else ("-c", str(node.config))
    done = subprocess.run(
        [sys.executable, "-m", "scp", *given, *options], cwd=ROOT, text=True, check=False,
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE, timeout=START_SECONDS,
    )  # fmt: skip
    os.close(theirs)
    assert (done.returncode, done.stderr.replace("studies=0\n", "")) == (1, "")

"""Tables of commands: no wider than the terminal, and whole where there is none."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator

import pytest
from rich.cells import cell_len
from support import CT, EXPLICIT, ROOT, START_SECONDS, RunningNode, ct, encoded, running_node, send

from scp.cli.output import rows

NAME = "Doe^Archibald Alexander Bartholomew^Maximilian"
PEER = "A" * 16
_STYLES = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node with a study, and with peers that do not answer."""
    settings = {
        "peers": {PEER: {"host": "127.0.0.1", "port": 4}, "CT1": {"from": ["10.0.0.0/8"]}},
        "forward": [{"to": [PEER], "from": ["CT1"]}],
    }
    with running_node(tmp_path_factory.mktemp("tables"), settings) as started:
        data = encoded(ct("1.1", "1.2", "1.3", PatientName=NAME, PatientID="P" * 64))
        with started.association((CT, EXPLICIT), ae_title="S" * 16) as association:
            assert send(association, CT, "1.3", data).Status == 0
        yield started


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    return {**kept, "TZ": "Asia/Tokyo", "TERM": "xterm", "LANG": "C.UTF-8"}


def on_terminal(columns: int, *given: str) -> list[str]:
    """The lines of what a command prints on a terminal of that width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "scp", *given], cwd=ROOT, env=environment(),
        stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal, process:
        try:
            while piece := terminal.read(65536):
                said += piece
        except OSError:  # it is closed by who had it
            pass
        assert process.wait(START_SECONDS) in (0, 1)
    return _STYLES.sub("", said.decode()).replace("\r", "").splitlines()


def into_file(*given: str) -> str:
    """What a command prints where there is no terminal."""
    return subprocess.run(
        [sys.executable, "-m", "scp", *given], cwd=ROOT, env=environment(), text=True,
        stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=START_SECONDS,
    ).stdout  # fmt: skip


@pytest.mark.parametrize("command", ["stats", "find", "peers", "config"])
def test_a_table_is_as_wide_as_the_terminal(node: RunningNode, command: str) -> None:
    lines = on_terminal(80, command, "-c", str(node.config))
    assert len(lines) > 1
    assert max(map(cell_len, lines)) <= 80


def test_without_a_terminal_nothing_is_cut_or_folded(node: RunningNode) -> None:
    config = str(node.config)
    assert NAME in into_file("find", "-c", config)
    assert "P" * 64 in into_file("find", "-c", config)
    (peer,) = [line for line in into_file("peers", "-c", config).splitlines() if PEER in line]
    assert "Connection refused" in peer
    (allow, _) = [line for line in into_file("config", "-c", config).splitlines()
                  if "allow" in line]  # fmt: skip
    assert "['commit', 'echo', 'find', 'get', 'move', 'step', 'store', 'worklist']" in allow


def test_times_have_the_zone_that_they_are_told_in(node: RunningNode) -> None:
    told = into_file("stats", "-c", str(node.config))
    assert re.search(r"S{16} +1 .* \d{4}-\d\d-\d\d \d\d:\d\d\+09:00 *$", told, re.MULTILINE)


def test_rows_that_come_later_are_whole_too(capsys: pytest.CaptureFixture[str]) -> None:
    """How wide columns are is told by the first rows."""
    with rows.Columns() as table:
        for number in range(500):
            table.add({"PatientName": "x" * number})
    assert "x" * 499 in capsys.readouterr().out.splitlines()

"""The program as a process, forked from one that has imported it already.

To start Python and to import pydicom takes 0.7 s of CPU time, and the tests start the program more
than a thousand times. So each process of pytest has one process beside it that has imported
everything (`fork_server.py`), and what is started is a fork of that: it has its own arguments,
environment, session and descriptors, runs `scp` as `python -m scp` does and ends as Python ends.
What depends on how the program comes up (limits, memory, another user, a terminal) is started by
`subprocess` in the tests that are about it.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import IO, Any

from support.names import CLIENT_SECONDS, ROOT


class Program:
    """`python -m scp ARGUMENTS`, or `code` in its place: what `subprocess.Popen` gives of it.

    `stdin`, `stdout` and `stderr` are descriptors. As with Popen, the process id stays its own
    until somebody has waited for its end.
    """

    def __init__(
        self,
        *arguments: str,
        code: str = "",
        cwd: Path = ROOT,
        env: Mapping[str, str] | None = None,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        new_session: bool = False,
    ) -> None:
        self.args = list(arguments)
        self.returncode: int | None = None
        self._waiting = threading.Lock()
        request = {
            "arguments": self.args,
            "code": code,
            "cwd": str(cwd),
            "env": dict(os.environ if env is None else env),
            "new_session": new_session,
        }
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        null = os.open(os.devnull, os.O_RDWR)
        try:
            given = [null if one is None else one for one in (stdin, stdout, stderr)]
            message = [json.dumps(request).encode()]
            socket.send_fds(_fork_server(), message, [theirs.fileno(), *given])
        finally:
            theirs.close()
            os.close(null)
        self._ends = ours
        self.pid = int(ours.recv(64))

    def poll(self) -> int | None:
        """Its exit code, the signal that ended it as a negative number, or None while it runs."""
        with self._waiting:
            if self.returncode is None:
                ended = select.poll()  # not select(2), which takes no descriptor above 1,023
                ended.register(self._ends, select.POLLIN)
                if ended.poll(0):
                    self._reap()
            return self.returncode

    def wait(self, timeout: float = CLIENT_SECONDS) -> int:
        """Wait for its end; returns what `poll` does. Raises `subprocess.TimeoutExpired`."""
        with self._waiting:
            if self.returncode is None:
                waits = select.poll()
                waits.register(self._ends, select.POLLIN)
                if not waits.poll(timeout * 1000):
                    raise subprocess.TimeoutExpired(self.args, timeout)
                self._reap()
            assert self.returncode is not None
            return self.returncode

    def _reap(self) -> None:
        self.returncode = int(self._ends.recv(64))
        self._ends.send(b"reap")
        self._ends.recv(64)  # once it is gone
        self._ends.close()

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def run(
    *arguments: object,
    answer: str = "",
    code: str = "",
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    seconds: float = CLIENT_SECONDS,
) -> "subprocess.CompletedProcess[str]":
    """`minipacs ARGUMENTS` until its end, with `answer` to what it asks, and what it prints.

    Raises `subprocess.TimeoutExpired` where it does not end in time; it is killed then.
    """
    given = [str(one) for one in arguments]
    with (
        tempfile.TemporaryFile() as asked,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as errors,
    ):
        asked.write(answer.encode())
        asked.seek(0)
        program = Program(
            *given, code=code, cwd=cwd, env=env,
            stdin=asked.fileno(), stdout=out.fileno(), stderr=errors.fileno(),
        )  # fmt: skip
        try:
            status = program.wait(seconds)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()
            raise
        return subprocess.CompletedProcess(given, status, _text(out), _text(errors))


def _text(file: "IO[Any]") -> str:
    file.seek(0)
    return str(file.read().decode())


@cache
def _fork_server() -> socket.socket:
    """Where requests are sent to; it ends with this process, which is who holds the other end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        server = Path(__file__).with_name("fork_server.py")
        subprocess.Popen(
            [sys.executable, str(server), str(theirs.fileno())],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return ours


def said(lines: Iterable[str]) -> Iterator[str]:
    """Lines of an output, but for the warning of a folder that lies in memory, as in tests."""
    return (line for line in lines if "a power cut takes all" not in line)

"""Frames decoded by a process of their own, which starts when there is one to decode."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

from scp.conversion.errors import TranscodeError
from scp.conversion.image import Decoded, Image

# The process has less of CPU time; this is for one that waits.
_SECONDS = 180
_COMMAND = "import sys; sys.path[:] = {path!r}; from {module} import serve; serve({descriptor})"
_MODULE = "scp.conversion.decoding"


class _Process:
    """The decoder process of this process; one frame at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._popen: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def decode(self, image: Image, frame: bytes) -> tuple[Decoded, bytes]:
        """See `decode` below."""
        with self._lock:
            for _ in range(2):  # it may have ended since the last time, having had nothing to do
                try:
                    answer, samples = self._ask(image, frame)
                    break
                except (EOFError, OSError):
                    ended = self._end()
                except BaseException:  # its answer would be taken for that of the next frame
                    self._end()
                    raise
            else:
                raise TranscodeError(f"the decoder ended over it ({ended})")
        if "error" in answer:
            raise TranscodeError(answer["error"])
        return Decoded(**answer), samples

    def _ask(self, image: Image, frame: bytes) -> tuple[dict[str, Any], bytes]:
        connection = self._connection or self._start()
        connection.send_bytes(json.dumps(asdict(image)).encode())
        connection.send_bytes(frame)
        if not connection.poll(_SECONDS):
            raise TranscodeError(f"it takes more than {_SECONDS} seconds")
        return json.loads(connection.recv_bytes()), connection.recv_bytes()

    def _start(self) -> Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            command = _COMMAND.format(path=sys.path, module=_MODULE, descriptor=theirs.fileno())
            self._popen = subprocess.Popen(
                [sys.executable, "-c", command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # It decodes on one thread; idle ones would take memory.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )
        self._connection = Connection(ours.detach())
        return self._connection

    def _end(self) -> str:
        """Forget the process; how it ended."""
        popen, connection = self._popen, self._connection
        self._popen = self._connection = None
        if connection:
            connection.close()
        if popen is None:
            return "it did not start"
        with contextlib.suppress(subprocess.TimeoutExpired):
            popen.wait(1)
        popen.kill()
        code = popen.wait()
        return f"signal {-code}" if code < 0 else f"exit code {code}"


_process = _Process()


def _forget() -> None:
    """A forked child has a process of its own, and leaves this one to the parent."""
    global _process
    _process = _Process()


os.register_at_fork(after_in_child=_forget)


def decode(image: Image, frame: bytes) -> tuple[Decoded, bytes]:
    """One frame as native samples, Little Endian and color-by-pixel, and what they are.

    Raises TranscodeError where the frame is damaged.
    """
    return _process.decode(image, frame)

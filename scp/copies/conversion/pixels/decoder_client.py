"""Frames decoded by processes of their own, which start when there is one to decode."""

import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

from scp.copies.conversion.codecs import Decoded, Image
from scp.copies.conversion.data_set import LimitError, TranscodeError
from scp.copies.conversion.limits import Conversion, Turns

# The process has less of CPU time; this is for one that waits.
_SECONDS = 180
_LOOK_SECONDS = 0.1
_IDLE_SECONDS = 60
_COMMAND = (
    "import sys; sys.path[:] = {path!r}; from {module} import serve; serve({descriptor}, {idle})"
)
_MODULE = "scp.copies.conversion.codecs.decoder_process"


class Frame(Protocol):
    """The bytes of a frame, where they lie."""

    @property
    def length(self) -> int:
        """How many there are."""

    def chunks(self) -> Iterable[bytes]:
        """Them, in pieces; each time from the first. Raises TranscodeError."""


@dataclass(frozen=True)
class Decoding:
    """A frame that is decoded: what it is, and its samples, which are read once."""

    decoded: Decoded
    length: int
    samples: Iterator[bytes]


class EndedError(Exception):
    """The process ended over a frame, by a signal (negative) or with an exit code."""

    def __init__(self, code: int | None) -> None:
        self.code = code
        words = "it did not start" if code is None else f"exit code {code}"
        super().__init__(f"signal {-code}" if code is not None and code < 0 else words)


class _Process:
    """A decoder process of this process; one frame at a time."""

    def __init__(self, idle_seconds: int = _IDLE_SECONDS) -> None:
        self.turns = Turns()
        self._idle_seconds = idle_seconds
        self._popen: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    @contextlib.contextmanager
    def decoding(
        self, bounds: dict[str, int], image: Image, frame: Frame, conversion: Conversion
    ) -> Iterator[Decoding]:
        """A frame decoded, for who has the turn. Raises TranscodeError and EndedError."""
        try:
            answer = self._ask(bounds, image, frame, conversion)
            if "error" in answer:
                kind = LimitError if answer.get("limit") else TranscodeError
                raise kind(answer["error"])
            length = answer.pop("length")
            yield Decoding(Decoded(**answer), length, self._samples(length))
        finally:
            if self._is_amid:  # what is still to come would be taken for that of the next frame
                self._end()

    def _ask(
        self, bounds: dict[str, int], image: Image, frame: Frame, conversion: Conversion
    ) -> dict[str, Any]:
        for attempt in range(2):
            try:
                return self._answer(bounds, image, frame, conversion)
            except (EOFError, OSError):
                ended = EndedError(self._end(kill=False))
                # It had nothing to do and left as we came, or somebody else killed it.
                if attempt or ended.code not in (0, -signal.SIGKILL):
                    raise ended from None
        raise AssertionError("not reached")

    def _answer(
        self, bounds: dict[str, int], image: Image, frame: Frame, conversion: Conversion
    ) -> dict[str, Any]:
        if self._popen and self._popen.poll() is not None:
            self._end()
        connection = self._connection or self._start()
        self._is_amid = True
        asked = {"image": _fields(image), "length": frame.length, **bounds}
        chunks = iter(frame.chunks())
        # In one message where there is but one chunk: each wakes the other side.
        connection.send_bytes(json.dumps(asked).encode() + b"\0" + next(chunks, b""))
        for chunk in chunks:
            connection.send_bytes(chunk)
            conversion.check()
        deadline = time.monotonic() + _SECONDS
        while not connection.poll(_LOOK_SECONDS):
            conversion.check()
            if time.monotonic() > deadline:
                raise TranscodeError(f"it takes more than {_SECONDS} seconds")
        text, _, self._first = connection.recv_bytes().partition(b"\0")
        answer: dict[str, Any] = json.loads(text)
        self._is_amid = len(self._first) < answer.get("length", 0)
        return answer

    def _samples(self, length: int) -> Iterator[bytes]:
        """The samples, as the process sends them. Raises TranscodeError."""
        assert self._connection
        chunk, self._first = self._first, b""
        while True:
            length -= len(chunk)
            self._is_amid = bool(length)
            yield chunk
            if not length:
                return
            try:
                chunk = self._connection.recv_bytes()
            except (EOFError, OSError) as error:
                raise TranscodeError(f"the decoder ended over it ({error})") from error

    def _start(self) -> Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            command = _COMMAND.format(
                path=sys.path, module=_MODULE, descriptor=theirs.fileno(), idle=self._idle_seconds
            )
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

    def _end(self, kill: bool = True) -> int | None:
        """Forget the process; how it ended, None where it did not start."""
        popen, connection = self._popen, self._connection
        self._popen, self._connection, self._is_amid = None, None, False
        if connection:
            connection.close()
        if popen is None:
            return None
        if not kill:  # it ends by itself, and how is to be known
            with contextlib.suppress(subprocess.TimeoutExpired):
                popen.wait(1)
        popen.kill()
        return popen.wait()

    _is_amid = False  # whether there is more to come of a frame
    _first = b""  # chunk of its samples, which comes with the answer


@functools.lru_cache
def _fields(image: Image) -> dict[str, Any]:
    return asdict(image)


# Two, so that small frames do not wait for large ones.
_process, _of_large = _Process(), _Process(idle_seconds=5)


def _forget() -> None:
    """A forked child has processes of its own, and leaves these to the parent."""
    global _process, _of_large
    _process, _of_large = _Process(), _Process(idle_seconds=5)


os.register_at_fork(after_in_child=_forget)


def of(small: bool) -> _Process:
    """The process for small frames, or for those that are not."""
    return _process if small else _of_large

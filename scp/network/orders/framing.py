"""MLLP (HL7 2.5.1 C.4.3): messages between a vertical tab and a file separator with a return."""

import time
from collections.abc import Callable, Iterator
from socket import socket

_BEGIN, _END = b"\x0b", b"\x1c\r"
_BETWEEN = b"\r\n"  # as some senders have it
_READ_BYTES = 64 * 1024


class FrameError(Exception):
    """What a client sends is no frame, or too much, or takes too long."""


def framed(message: bytes) -> bytes:
    """A message as it is sent."""
    return _BEGIN + message + _END


def frames(
    connection: socket, most: int, seconds: float, idle: float, stopped: Callable[[], bool]
) -> Iterator[bytes]:
    """The messages that a client sends, as long as it sends any.

    One has `most` bytes, and has come `seconds` after its first byte; between two of them it may
    be `idle` so long. The socket's timeout is how often it is looked whether all is to stop.
    Raises FrameError, OSError.
    """
    held = bytearray()
    since = time.monotonic()
    while True:
        while _begins(held) and (end := held.find(_END)) >= 0:
            yield bytes(held[len(_BEGIN) : end])
            del held[: end + len(_END)]
            since = time.monotonic()
        if len(held) > most:
            raise FrameError(f"a frame of more than {most} bytes")
        is_amid = bool(held)
        if time.monotonic() - since > (seconds if is_amid else idle):
            words = f"a frame has not ended within {seconds:g} s" if is_amid else "idle"
            raise FrameError(words)
        if stopped():
            return
        try:
            more = connection.recv(_READ_BYTES)
        except TimeoutError:
            continue
        if not more:
            if is_amid:
                raise FrameError("the connection was ended amid a frame")
            return
        if not is_amid:
            since = time.monotonic()
        held += more


def _begins(held: bytearray) -> bool:
    """Whether a frame begins, behind line ends, which are dropped. Raises FrameError."""
    del held[: len(held) - len(held.lstrip(_BETWEEN))]
    if held and not held.startswith(_BEGIN):
        raise FrameError("no frame begins where one should")
    return bool(held)

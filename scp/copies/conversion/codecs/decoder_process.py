"""The decoder process: takes frames from the process that started it, and decodes them.

A process of its own, because decoders in C crash, hang and take memory over damaged frames, hold
the GIL for as long as they run, and write what they find wrong to standard error.
"""

import contextlib
import functools
import json
import os
import resource
import signal
import sys
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

from scp.copies.conversion.codecs.codestream import DamagedError
from scp.copies.conversion.codecs.image import Image
from scp.copies.conversion.codecs.syntaxes import Codec

# What decoders map and do not use, beyond what they were given; and libraries loaded first.
_SPARE_MEMORY_OF_BYTE, _SPARE_MEMORY_BYTES = 1, 192 * 1024 * 1024
# Of messages; a decoder that writes on and on is not read on.
_MESSAGE_BYTES = 65536
_CHUNK = 1 << 20
# libjpeg decodes on with these, and the image is wrong.
_COMPLAINTS = ("Corrupt JPEG data", "Premature end of JPEG")


def serve(descriptor: int, idle_seconds: int) -> None:
    """Answer requests until the other side is gone, or has been quiet for so long."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)  # a worker that drains still decodes
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MESSAGE_BYTES, _MESSAGE_BYTES))
    connection = Connection(descriptor)
    messages = os.memfd_create("messages")
    os.dup2(messages, sys.stderr.fileno())
    with contextlib.suppress(EOFError, ConnectionError):
        while connection.poll(idle_seconds):
            answer, samples = _answer(connection, messages)
            connection.send_bytes(json.dumps(answer).encode() + b"\0" + samples[:_CHUNK])
            for start in range(_CHUNK, len(samples), _CHUNK):
                connection.send_bytes(samples[start : start + _CHUNK])
            del samples


def _answer(connection: Connection, messages: int) -> tuple[dict[str, Any], memoryview]:
    """Attributes and samples, or an error without samples."""
    text, _, first = connection.recv_bytes().partition(b"\0")
    asked = json.loads(text)
    _limit_time(asked["seconds"])
    _limit_memory(asked["memory"])
    os.ftruncate(messages, 0)
    os.lseek(messages, 0, os.SEEK_SET)
    frame = _frame(connection, first, asked["length"])
    try:
        fields = asked["image"]
        image = Image(**{**fields, "codec": Codec(fields["codec"])})
        from scp.copies.conversion.codecs import codecs  # what they lack is said, too

        decoded, words = codecs.decode(image, frame)
        _check_messages(messages)
    except DamagedError as error:
        return {"error": str(error)}, memoryview(b"")
    except MemoryError:
        words_ = f"[limits] conversion_memory: its decoder needs more than {asked['memory']} bytes"
        return {"error": words_, "limit": True}, memoryview(b"")
    except Exception as error:  # whatever a decoder makes of a damaged frame
        return {"error": f"{type(error).__name__}: {error}"}, memoryview(b"")
    samples = words.data.cast("B")
    return {**asdict(decoded), "length": len(samples)}, samples


def _frame(connection: Connection, first: bytes, length: int) -> bytes:
    pieces, left = [first], length - len(first)
    while left:
        pieces.append(connection.recv_bytes())
        left -= len(pieces[-1])
    return b"".join(pieces)


def _check_messages(messages: int) -> None:
    """Raise where a decoder has said that it went on over damage."""
    for line in os.pread(messages, _MESSAGE_BYTES, 0).decode("latin-1").splitlines():
        if line.startswith(_COMPLAINTS):
            raise DamagedError(line)


def _limit_time(seconds: int) -> None:
    """The kernel ends this process when a frame takes too long."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(usage.ru_utime + usage.ru_stime)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (spent + seconds, hard))


@functools.lru_cache(maxsize=1)  # for most frames are like the one before
def _limit_memory(memory: int) -> None:
    """The kernel gives this process no more memory than that, and what it has anyway."""
    with open("/proc/self/statm") as file:
        held = int(file.read().split()[0]) * resource.getpagesize()
    most = held + memory * (1 + _SPARE_MEMORY_OF_BYTE) + _SPARE_MEMORY_BYTES
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))

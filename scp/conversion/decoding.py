"""The decoder process: takes frames from the process that started it, and decodes them.

A process of its own, because decoders in C crash, hang and take memory over damaged frames, hold
the GIL for as long as they run, and write what they find wrong to standard error.
"""

import contextlib
import json
import os
import resource
import signal
import sys
import tempfile
from dataclasses import asdict
from multiprocessing.connection import Connection

from scp.conversion.image import Image
from scp.conversion.stream import DamagedError
from scp.conversion.syntaxes import Codec

_IDLE_SECONDS = 60
_CPU_SECONDS = 60
_MEMORY_BYTES = 6 * 1024**3
# libjpeg decodes on with these, and the image is wrong.
_COMPLAINTS = ("Corrupt JPEG data", "Premature end of JPEG")


def serve(descriptor: int) -> None:
    """Answer requests until the other side is gone, or has been quiet for a minute."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a worker that drains still decodes
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection = Connection(descriptor)
    with tempfile.TemporaryFile() as file, contextlib.suppress(EOFError, ConnectionError):
        messages = file.fileno()
        os.dup2(messages, sys.stderr.fileno())
        while connection.poll(_IDLE_SECONDS):
            fields = json.loads(connection.recv_bytes())
            frame = connection.recv_bytes()
            answer, samples = _answer(fields, frame, messages)
            connection.send_bytes(json.dumps(answer).encode())
            connection.send_bytes(samples)


def _answer(
    fields: dict[str, str | int], frame: bytes, messages: int
) -> tuple[dict[str, str | int | bool | None], bytes]:
    """Attributes and samples, or an error without samples."""
    _limit_time()
    os.ftruncate(messages, 0)
    os.lseek(messages, 0, os.SEEK_SET)
    try:
        image = Image(**{**fields, "codec": Codec(fields["codec"])})  # type: ignore[arg-type]
        from scp.conversion import codecs  # what they lack is said, too

        decoded, samples = codecs.decode(image, frame)
        _check_messages(messages)
    except DamagedError as error:
        return {"error": str(error)}, b""
    except Exception as error:  # whatever a decoder makes of a damaged frame
        return {"error": f"{type(error).__name__}: {error}"}, b""
    return asdict(decoded), samples


def _check_messages(messages: int) -> None:
    """Raise where a decoder has said that it went on over damage."""
    for line in os.pread(messages, 65536, 0).decode("latin-1").splitlines():
        if line.startswith(_COMPLAINTS):
            raise DamagedError(line)


def _limit_time() -> None:
    """The kernel ends this process when a frame takes too long."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(usage.ru_utime + usage.ru_stime)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (spent + _CPU_SECONDS, hard))

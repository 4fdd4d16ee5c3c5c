"""Real associations as streams of bytes: what pynetdicom's and DCMTK's clients send to a node."""

import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from types import TracebackType

from support import (
    Sample,
    samples,
)
from support.network.wire import Held, messages, split

COMMIT = "1.2.840.10008.1.20.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
# Small ones, of as many transfer syntaxes, character sets and IODs as there are.
FILES = (
    "CT_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "MR_small_RLE.dcm",
    "MR_small_jpeg_ls_lossless.dcm", "JPEG2000.dcm", "JPGExtended.dcm", "SC_rgb_jpeg_gdcm.dcm",
    "SC_rgb_rle_2frame.dcm", "image_dfl.dcm", "test-SR.dcm", "rtplan.dcm", "reportsi.dcm",
    "SC_rgb_small_odd.dcm", "rtdose_rle_1frame.dcm", "UN_sequence.dcm",
)  # fmt: skip
_STEP_SECONDS = 30.0


@cache
def held_samples() -> list[Sample]:
    """The instances of `FILES` that a node can hold."""
    return [sample for sample in samples() if sample.name in FILES and all(sample.uids)]


@dataclass(frozen=True)
class Recording:
    """What one client sent over one association."""

    name: str
    stream: bytes

    @cached_property
    def pdus(self) -> list[bytes]:
        """Its PDUs; the first asks for the association."""
        return split(self.stream)

    @cached_property
    def messages(self) -> list[tuple[str, Held]]:
        """Its messages, each with the abstract syntax of its presentation context."""
        proposed = abstract_syntaxes(self.pdus[0])
        return [(proposed[held.context], held) for held in messages(self.pdus[1:])]


def abstract_syntaxes(request: bytes) -> dict[int, str]:
    """The contexts that an A-ASSOCIATE-RQ proposes: ID -> abstract syntax."""
    found, position = {}, 74
    while position + 4 <= len(request):
        kind, length = struct.unpack_from(">BxH", request, position)
        body = request[position + 4 : position + 4 + length]
        if kind == 0x20:
            size = struct.unpack_from(">H", body, 6)[0]
            found[body[0]] = body[8 : 8 + size].decode()
        position += 4 + length
    return found


class Tap:
    """Passes connections on to a port, and keeps what the callers send."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.streams: list[bytearray] = []
        self._pumps: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> "Tap":
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._accepting.join(_STEP_SECONDS)
        self._listening.close()
        for pump in self._pumps:
            pump.join(_STEP_SECONDS)

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listening.accept()
            except OSError:  # shut down
                return
            node = socket.create_connection(("127.0.0.1", self._to), _STEP_SECONDS)
            stream = bytearray()
            self.streams.append(stream)
            for source, target, kept in ((caller, node, stream), (node, caller, bytearray())):
                pump = threading.Thread(target=_pump, args=(source, target, kept), daemon=True)
                pump.start()
                self._pumps.append(pump)


def _pump(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
    with suppress(OSError):
        while block := source.recv(1 << 16):
            kept += block
            target.sendall(block)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)

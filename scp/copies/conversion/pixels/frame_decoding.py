"""Frames decoded in turns, each within what it may have of memory and time."""

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass

from scp.copies.conversion.codecs import Codec, Decoded, Image
from scp.copies.conversion.data_set import TranscodeError
from scp.copies.conversion.limits import BUDGET, Conversion
from scp.copies.conversion.pixels import decoder_client
from scp.copies.conversion.pixels.decoder_client import Decoding, EndedError, Frame

_MIB = 1024 * 1024
# Of CPU time a frame may have so much, and more for what it becomes.
_LEAST_CPU_SECONDS, _CPU_SECONDS_OF_MIB, _MOST_CPU_SECONDS = 10, 1, 60
# A frame that becomes as much at most, which takes no time to speak of, does not wait for others.
_SMALL_BYTES = 4 * _MIB
_SMALL_CPU_SECONDS = 2
# What is not worth to be counted: there is one such frame at a time in a process.
_UNCOUNTED_BYTES = 8 * _MIB
# What decoders need for a byte that the frame becomes, measured; and for a coded one.
_MEMORY_OF_BYTE = {Codec.JPEG: 6.0, Codec.JPEG_LS: 5.5, Codec.JPEG_2000: 5.5, Codec.RLE: 2.6}
_MEMORY_OF_CODED_BYTE = 2


@contextlib.contextmanager
def decoding(image: Image, frame: Frame, conversion: Conversion) -> Iterator[Decoding]:
    """One frame as native samples, Little Endian and color-by-pixel, and what they are.

    For as long as this lasts nobody else has the decoder. Raises TranscodeError where the frame is
    damaged, LimitError where it needs more than it may have.
    """
    if image.frame_bytes <= _SMALL_BYTES >= frame.length:
        try:
            with _turn(True, image, frame, conversion) as found:
                yield found
            return
        except EndedError as ended:
            if ended.code != -signal.SIGXCPU:
                raise _damaged(ended) from None
        # It takes as long as a large one does.
    try:
        with _turn(False, image, frame, conversion) as found:
            yield found
    except EndedError as ended:
        raise _damaged(ended) from None


@contextlib.contextmanager
def _turn(small: bool, image: Image, frame: Frame, conversion: Conversion) -> Iterator[Decoding]:
    """Wait for a turn and for memory, and decode."""
    process, needed = decoder_client.of(small), _memory(image, frame)
    seconds = _LEAST_CPU_SECONDS + image.frame_bytes // _MIB * _CPU_SECONDS_OF_MIB
    bounds = {
        "memory": needed,
        "seconds": _SMALL_CPU_SECONDS if small else min(seconds, _MOST_CPU_SECONDS),
    }
    with (
        conversion.turn(process.turns),
        _taken(needed, small, conversion),
        process.decoding(bounds, image, frame, conversion) as found,
    ):
        yield found


@contextlib.contextmanager
def _taken(needed: int, small: bool, conversion: Conversion) -> Iterator[None]:
    if needed <= _UNCOUNTED_BYTES:
        yield
        return
    conversion.take_memory(needed, small)
    try:
        yield
    finally:
        BUDGET.memory.give_back(needed)


def _memory(image: Image, frame: Frame) -> int:
    """What a decoder is going to need, beyond what it has anyway."""
    of_samples = int(image.frame_bytes * _MEMORY_OF_BYTE[image.codec])
    return of_samples + frame.length * _MEMORY_OF_CODED_BYTE


def _damaged(ended: EndedError) -> TranscodeError:
    return TranscodeError(f"the decoder ended over it ({ended})")


@dataclass(frozen=True)
class Held:
    """A frame in memory."""

    data: bytes

    @property
    def length(self) -> int:
        """How many bytes there are."""
        return len(self.data)

    def chunks(self) -> Iterator[bytes]:
        """Them, in pieces."""
        for start in range(0, len(self.data), _MIB):
            yield self.data[start : start + _MIB]


def decode(image: Image, frame: bytes) -> tuple[Decoded, bytes]:
    """A frame that is in memory, whole. Raises as `decoding` does."""
    with decoding(image, Held(frame), Conversion()) as found:
        return found.decoded, b"".join(found.samples)

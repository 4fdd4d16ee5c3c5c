"""A stored instance in another transfer syntax than its own: for a receiver that lacks that."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from scp.copies.conversion.codecs import COMPRESSED, SYNTAXES, UNCOMPRESSED, Syntax
from scp.copies.conversion.data_set import (
    DataSetSource,
    GoneError,
    LimitError,
    TranscodeError,
    Writer,
)
from scp.copies.conversion.limits import IN_MEMORY_BYTES, Conversion, Receiver, Spool
from scp.copies.conversion.pixels import Decompressor
from storage.dicom import part10
from storage.dicom.data_sets import Inflater

__all__ = [
    "GoneError",
    "LimitError",
    "Receiver",
    "TranscodeError",
    "deflated",
    "inflated",
    "reachable",
    "transcode",
    "transcode_file",
]

_CHUNK = 1 << 20
# What a deflated data set may become: a few bytes can stand for any number.
_MAX_INFLATED_BYTES = 1 << 32


def reachable(transfer_syntax_uid: str) -> tuple[str, ...]:
    """The transfer syntaxes that an instance stored in this one can be had in, best first.

    Nothing for video, for references (JPIP), and for whatever else has no decoder here.
    """
    if transfer_syntax_uid not in SYNTAXES:
        return ()
    return tuple(uid for uid in UNCOMPRESSED if uid != transfer_syntax_uid)


def transcode(path: Path, target: str, folder: Path | None = None) -> BinaryIO:
    """`transcode_file` of the Part 10 file at `path`."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise TranscodeError(f"it cannot be converted: {error}") from error
    with file:
        return transcode_file(file, target, folder)


def transcode_file(
    file: BinaryIO, target: str, folder: Path | None = None, receiver: Receiver | None = None
) -> BinaryIO:
    """The data set of a Part 10 file in the transfer syntax `target`, without the header.

    Values stay byte for byte where the encoding allows; compressed Pixel Data is decompressed,
    under the same SOP Instance UID (PS3.3 C.7.6.1.1.5). `file` stands at its start and stays
    open. So does the file returned, for the caller to close: it lies in memory or, from 8 MiB on,
    in `folder` (default: that of the budget). Raises TranscodeError where it cannot be had, of
    that LimitError where it would take more than the budget lets it, or `receiver` is gone.
    """
    try:
        with Conversion(receiver, folder) as conversion:
            return _transcoded(file, target, conversion)
    except TranscodeError:
        raise
    except Exception as error:  # a damaged file, or a full disk: one instance fails, no more
        raise TranscodeError(f"it cannot be converted: {error}") from error


def _transcoded(file: BinaryIO, target: str, conversion: Conversion) -> BinaryIO:
    syntax_uid = part10.read(file).transfer_syntax_uid
    if target not in reachable(syntax_uid):
        raise TranscodeError(f"there is no way from {syntax_uid} to {target}")
    if not SYNTAXES[syntax_uid].deflated:
        return _converted(file, syntax_uid, UNCOMPRESSED[target], conversion)
    with inflated(file, conversion, copies=2) as data:
        return _converted(data, syntax_uid, UNCOMPRESSED[target], conversion)


def _converted(data: BinaryIO, syntax_uid: str, target: Syntax, conversion: Conversion) -> BinaryIO:
    """The data set from where `data` stands to its end."""
    stored = SYNTAXES[syntax_uid]
    start = data.tell()
    end = data.seek(0, 2)
    source = DataSetSource(data, start, end, stored.implicit_vr, stored.little_endian)
    same = (stored.implicit_vr, stored.little_endian) == (target.implicit_vr, target.little_endian)
    if target.deflated and end - start > IN_MEMORY_BYTES:
        conversion.reserve_space(2 * (end - start))
    out = Spool(conversion, end - start)
    file = cast(BinaryIO, out)
    try:
        adapt = Decompressor(syntax_uid, stored, conversion, out).adapt
        Writer(file, target, adapt, same and syntax_uid not in COMPRESSED).write(source)
        out.seek(0)
        return deflated(file, conversion) if target.deflated else file
    except BaseException:
        out.close()
        raise


def inflated(file: BinaryIO, conversion: Conversion | None = None, copies: int = 1) -> BinaryIO:
    """The deflated data set where `file` stands (PS3.5 A.5), readable.

    `copies` of it there will be, this one counted. Raises TranscodeError where it is damaged, or
    becomes more than it may.
    """
    conversion = conversion or Conversion()
    start, size = file.tell(), 0
    held: list[bytes] = []
    for chunk in _inflate(file, conversion):
        size += len(chunk)
        # Of more than fits it must be known how much it is, before space is taken.
        held = [*held, chunk] if size <= IN_MEMORY_BYTES else []
    if size > IN_MEMORY_BYTES:
        conversion.reserve_space(size * copies)
    out = Spool(conversion, size)
    try:
        if size > IN_MEMORY_BYTES:
            file.seek(start)
        for chunk in held or _inflate(file, conversion):
            out.write(chunk)
        out.seek(0)
    except BaseException:
        out.close()
        raise
    return cast(BinaryIO, out)


def _inflate(file: BinaryIO, conversion: Conversion) -> Iterator[bytes]:
    inflater = Inflater()
    size = 0
    while not inflater.eof:
        conversion.check()
        data = inflater.unconsumed_tail or file.read(_CHUNK)
        if not data:
            raise TranscodeError("the deflated data set ends early")
        chunk = inflater.decompress(data, _CHUNK)
        size += len(chunk)
        if size > _MAX_INFLATED_BYTES:
            raise TranscodeError("the deflated data set becomes more than 4 GiB")
        yield chunk


def deflated(data: BinaryIO, conversion: Conversion | None = None) -> BinaryIO:
    """The same, deflated; closes `data`. Raises LimitError where that takes more than it may."""
    conversion = conversion or Conversion()
    with data:
        out = Spool(conversion)
        try:
            deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
            while chunk := data.read(_CHUNK):
                conversion.check()
                out.write(deflater.compress(chunk))
            out.write(deflater.flush())
            out.write(b"\0" * (out.tell() % 2))
            out.seek(0)
        except BaseException:
            out.close()
            raise
    return cast(BinaryIO, out)

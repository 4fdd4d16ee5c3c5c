"""A stored instance in another transfer syntax than its own: for a receiver that lacks that."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from scp.conversion.errors import TranscodeError
from scp.conversion.layout import Source
from scp.conversion.pixels import Decompressor
from scp.conversion.rewrite import Writer
from scp.conversion.syntaxes import COMPRESSED, SYNTAXES, UNCOMPRESSED, Syntax
from storage import part10

__all__ = ["TranscodeError", "deflated", "inflated", "reachable", "transcode", "transcode_file"]

_IN_MEMORY_BYTES = 8 * 1024 * 1024
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


def transcode_file(file: BinaryIO, target: str, folder: Path | None = None) -> BinaryIO:
    """The data set of a Part 10 file in the transfer syntax `target`, without the header.

    Values stay byte for byte where the encoding allows; compressed Pixel Data is decompressed,
    under the same SOP Instance UID (PS3.3 C.7.6.1.1.5). `file` stands at its start and stays
    open. So does the file returned, for the caller to close: it lies in memory or, from 8 MiB on,
    in `folder` (default: where temporary files lie). Raises TranscodeError where it cannot be had.
    """
    try:
        syntax_uid = part10.read(file).transfer_syntax_uid
        if target not in reachable(syntax_uid):
            raise TranscodeError(f"there is no way from {syntax_uid} to {target}")
        if not SYNTAXES[syntax_uid].deflated:
            return _converted(file, syntax_uid, UNCOMPRESSED[target], folder)
        with inflated(file, folder) as data:
            return _converted(data, syntax_uid, UNCOMPRESSED[target], folder)
    except TranscodeError:
        raise
    except Exception as error:  # a damaged file, or a full disk: one instance fails, no more
        raise TranscodeError(f"it cannot be converted: {error}") from error


def _converted(data: BinaryIO, syntax_uid: str, target: Syntax, folder: Path | None) -> BinaryIO:
    """The data set from where `data` stands to its end."""
    stored = SYNTAXES[syntax_uid]
    start = data.tell()
    end = data.seek(0, 2)
    source = Source(data, start, end, stored.implicit_vr, stored.little_endian)
    same = (stored.implicit_vr, stored.little_endian) == (target.implicit_vr, target.little_endian)
    out = _spool(folder)
    try:
        adapt = Decompressor(syntax_uid, stored).adapt
        Writer(out, target, adapt, same and syntax_uid not in COMPRESSED).write(source)
        out.seek(0)
        return deflated(out, folder) if target.deflated else out
    except BaseException:
        out.close()
        raise


def _spool(folder: Path | None) -> BinaryIO:
    spool = SpooledTemporaryFile(_IN_MEMORY_BYTES, dir=str(folder) if folder else None)  # noqa: SIM115
    return cast(BinaryIO, spool)


def inflated(file: BinaryIO, folder: Path | None = None) -> BinaryIO:
    """The deflated data set where `file` stands (PS3.5 A.5), readable."""
    out = _spool(folder)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    while not inflater.eof:
        data = inflater.unconsumed_tail or file.read(_CHUNK)
        if not data:
            out.close()
            raise TranscodeError("the deflated data set ends early")
        out.write(inflater.decompress(data, _CHUNK))
        if out.tell() > _MAX_INFLATED_BYTES:
            out.close()
            raise TranscodeError("the deflated data set becomes more than 4 GiB")
    out.seek(0)
    return out


def deflated(data: BinaryIO, folder: Path | None = None) -> BinaryIO:
    """The same, deflated; closes `data`."""
    out = _spool(folder)
    with data:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        for chunk in _chunks(data):
            out.write(deflater.compress(chunk))
        out.write(deflater.flush())
    out.write(b"\0" * (out.tell() % 2))
    out.seek(0)
    return out


def _chunks(data: BinaryIO) -> Iterator[bytes]:
    while chunk := data.read(_CHUNK):
        yield chunk

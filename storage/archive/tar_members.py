"""The members of a tar archive, read in one pass: none is unpacked to the disk on its way."""

import bz2
import gzip
import io
import lzma
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from storage.diagnostics import DataSetError
from storage.files import words_of

# What can be wrong with one.
DAMAGES = (tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error)
# Of a file that is read in one pass so much can be read again: a header, or a block of bzip2.
_AGAIN_BYTES = 2 << 20
# What stands in front of a member: long names and pax records, which tarfile holds in memory.
_HEADER_BYTES = 4 << 20
# What may follow the last member: the padding, with the checksum of a compressed one behind it.
_PADDING_BYTES = 64 << 20
_BLOCK_BYTES = 1 << 20
# xz -9 takes 65 MiB; a header may ask for 4 GiB.
_XZ_BYTES = 256 << 20


class OnePass(io.RawIOBase):
    """A file that cannot seek, of which the beginning can be read again."""

    def __init__(self, file: Any) -> None:
        super().__init__()
        self._file = file
        self._head = bytearray()  # of what was read; whole as long as no more was
        self._at = self._read = 0

    def readable(self) -> bool:
        """It is read."""
        return True

    def tell(self) -> int:
        """Where the next byte comes from."""
        return self._at

    def read(self, count: int = -1) -> bytes:
        """The next bytes, fewer only at the end."""
        wanted = sys.maxsize if count is None or count < 0 else count
        parts = [bytes(self._head[self._at : self._at + wanted])] if self._at < self._read else []
        got = sum(map(len, parts))
        while got < wanted:
            block = self._file.read(min(wanted - got, _BLOCK_BYTES))
            if not block:
                break
            parts.append(block)
            got += len(block)
            self._note(block)
        self._at += got
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readinto(self, buffer: Any) -> int:
        """The next bytes, into a buffer."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, to: int, whence: int = io.SEEK_SET) -> int:
        """Go on to, or back to, a byte. Raises DataSetError where that one is lost."""
        if whence == io.SEEK_CUR:
            to += self._at
        elif whence == io.SEEK_END:
            raise DataSetError("Its end is not known: it is read in one pass")
        if to < self._at:
            if self._read > len(self._head):
                raise DataSetError("Its header is too long to be read in one pass")
            self._at = to
        while self._at < to and self.read(min(to - self._at, _BLOCK_BYTES)):
            pass
        return self._at

    def _note(self, block: bytes) -> None:
        if self._read == len(self._head) and self._read + len(block) <= _AGAIN_BYTES:
            self._head += block
        self._read += len(block)


class _Xz(io.RawIOBase):
    """What an xz file holds, by a bounded amount of memory."""

    def __init__(self, file: OnePass) -> None:
        super().__init__()
        self._file, self._packed = file, b""
        self._made = self._decompressor()

    def read(self, count: int = -1) -> bytes:
        """Some of the next bytes."""
        while True:
            if self._made.eof:
                self._packed = (self._made.unused_data or self._file.read(_BLOCK_BYTES)).lstrip(
                    b"\0"
                )
                if not self._packed:
                    return b""
                self._made = self._decompressor()
            elif self._made.needs_input and not self._packed:
                self._packed = self._file.read(_BLOCK_BYTES)
                if not self._packed:
                    raise EOFError("Compressed file ended before the end-of-stream marker")
            data = self._made.decompress(self._packed, count)
            self._packed = b""
            if data:
                return data

    def _decompressor(self) -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_BYTES)


_COMPRESSIONS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": _Xz,
}  # fmt: skip


def unpacked(file: OnePass) -> OnePass | None:
    """The bytes of a tar archive, uncompressed; None where the file is none, and at its start."""
    start = file.read(tarfile.BLOCKSIZE)
    file.seek(0)
    for mark, opening in _COMPRESSIONS.items():
        if start.startswith(mark):
            inner = OnePass(opening(file))
            if _is_tar(inner):
                return inner
            file.seek(0)
    return file if _is_tar(file) else None


def _is_tar(file: OnePass) -> bool:
    try:
        tarfile.TarInfo.frombuf(file.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
    except (*DAMAGES, DataSetError):
        return False
    finally:
        file.seek(0)
    return True


def members(file: OnePass) -> Iterator[tuple[str, int, OnePass | None]]:
    """Name, size and content of each member that is a file; no content: it cannot be read.

    A content is to be read before the next is asked for. Links, devices and folders are passed
    over; a name is told and never made a path. Raises DataSetError where the archive is damaged.
    """
    bounded: Any = _Bounded(file)
    try:
        with tarfile.open(fileobj=bounded, mode="r|", tarinfo=_Member) as archive:
            while True:
                at = archive.fileobj.tell() if archive.fileobj else 0
                bounded.allow(_HEADER_BYTES + max(0, archive.offset - at))
                member = archive.next()
                if member is None:
                    break
                archive.members.clear()  # type: ignore[attr-defined]  # it would keep them all
                bounded.allow(sys.maxsize)
                if member.issparse():
                    yield member.name, 0, None
                elif member.isreg():
                    yield member.name, member.size, OnePass(archive.extractfile(member))
        bounded.allow(_PADDING_BYTES)
        while bounded.read(_BLOCK_BYTES):
            pass
    except DAMAGES as error:
        words = words_of(error) if isinstance(error, OSError) and error.strerror else error
        raise DataSetError(f"Cannot be unpacked: {words}") from error


class _Member(tarfile.TarInfo):
    """A member; a damaged header is an error, where tarfile takes it for the end."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: Any, errors: Any) -> "_Member":
        """Of the bytes of its header. Raises DataSetError."""
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if not any(buf):  # nothing more, or the block of zeros that ends an archive
                raise
            raise DataSetError(f"Cannot be unpacked: {error}") from error


class _Bounded:
    """The archive's bytes, of which so many may be read as are allowed."""

    def __init__(self, file: BinaryIO | OnePass) -> None:
        self._file, self._left = file, _HEADER_BYTES

    def allow(self, count: int) -> None:
        """Let so many be read from now on."""
        self._left = count

    def read(self, count: int) -> bytes:
        """The next bytes. Raises DataSetError where they are too many."""
        data = self._file.read(count)
        self._left -= len(data)
        if self._left < 0:
            raise DataSetError("Cannot be unpacked: the header of a member has no end")
        return data

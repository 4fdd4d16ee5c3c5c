"""Data sets that are deflated as a whole (PS3.5 A.5), inflated no further than they are read."""

import zlib
from io import BytesIO
from typing import BinaryIO

from storage.diagnostics import BudgetError, DataSetError
from storage.dicom.data_sets.budget import ReadBudget

_BLOCK_BYTES = 256 * 1024
# RFC 1950 2.2: compression method, largest window, a flag; and how long the header is.
_DEFLATE, _LARGEST_WINDOW, _PRESET_DICTIONARY, _ZLIB_HEADER_BYTES = 8, 7, 0x20, 2


class Inflater:
    """What inflates a data set, as `zlib.decompressobj` does, piece by piece.

    Some writers put the header of a zlib stream in front of the deflated data (RFC 1950 2.2), which
    PS3.5 A.5 has without: it is gone past. Data without it never look so: they would begin with a
    stored block whose padding is not zero (RFC 1951 3.2.4).
    """

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._first = b""
        self._has_begun = False

    @property
    def eof(self) -> bool:
        """Whether the end of the deflated data was reached."""
        return self._inflater.eof

    @property
    def unconsumed_tail(self) -> bytes:
        """What was given and is still to be inflated."""
        return self._inflater.unconsumed_tail

    def decompress(self, data: bytes, most: int) -> bytes:
        """Inflate more, `most` bytes of it. Raises zlib.error."""
        if not self._has_begun:
            data = self._first + data
            if len(data) < _ZLIB_HEADER_BYTES:
                self._first = data
                return b""
            self._has_begun = True
            if _is_zlib_header(data[0], data[1]):
                data = data[_ZLIB_HEADER_BYTES:]
        return self._inflater.decompress(data, most)


def _is_zlib_header(method: int, flags: int) -> bool:
    return (
        method & 0x0F == _DEFLATE
        and method >> 4 <= _LARGEST_WINDOW
        and not ((method << 8 | flags) % 31 or flags & _PRESET_DICTIONARY)
    )


def inflated(data: bytes, most: int) -> bytes:
    """All of a deflated data set. Raises BudgetError where that is more than `most` bytes."""
    inflater = Inflater()
    try:
        found = inflater.decompress(data, most + 1)
    except zlib.error as error:
        raise DataSetError("The deflated data set is damaged") from error
    if len(found) > most:
        raise BudgetError(f"More than {most} bytes when it is inflated")
    if not inflater.eof:
        # What lacks its end may lack a key: it would ask for more than was meant.
        raise DataSetError("The deflated data set ends early")
    return found


class Blocks:
    """A file, inflated or as it is, of which `data` is held from `at` to `end`.

    Looks at the `budget` with each block: of what is deflated one takes longer than its bytes say.
    """

    def __init__(self, source: BinaryIO, is_deflated: bool, budget: ReadBudget) -> None:
        self.data = b""
        self.at = self.end = 0
        self._source = source
        self._budget = budget
        self._came = 0
        self._inflater = Inflater() if is_deflated else None
        self._record: bytearray | None = None
        self._recorded_from = self._most = 0

    def has(self, count: int) -> bool:
        """Whether so many bytes are left; they are held then."""
        while self.end - self.at < count:
            self._keep()
            more = self._next()
            if not more:
                return False
            self.data = self.data[self.at :] + more
            self.at = self._recorded_from = 0
            self.end = len(self.data)
        return True

    def require(self, count: int) -> None:
        """The same, and raise DataSetError where they are not left."""
        if not self.has(count):
            raise DataSetError("The data set ends early")

    def skip(self, count: int) -> None:
        """Go past bytes; behind the end nothing is left."""
        self.at += count
        missing = self.at - self.end
        if missing <= 0:
            return
        self.at = self.end
        self._keep()
        if self._inflater is None and self._record is None:
            self._drop()
            self._source.seek(missing, 1)
            return
        while missing > 0:
            self._drop()
            if not (block := self._next()):
                raise DataSetError("The data set ends early")
            self.data, self.end = block, len(block)
            self.at = min(missing, self.end)
            missing -= self.at
            self._keep()

    def record(self, most: int) -> None:
        """Keep the bytes that are gone past from here on, `most` of them."""
        self._record, self._recorded_from, self._most = bytearray(), self.at, most

    def recorded(self) -> bytes | None:
        """Those that were gone past; None where there are more."""
        self._keep()
        found, self._record = self._record, None
        return bytes(found) if found is not None and len(found) <= self._most else None

    def _keep(self) -> None:
        if self._record is not None and len(self._record) <= self._most:
            self._record += self.data[self._recorded_from : self.at]
            self._recorded_from = self.at

    def _drop(self) -> None:
        self.data, self.at, self.end, self._recorded_from = b"", 0, 0, 0

    def _next(self) -> bytes:
        """The next bytes, none at the end."""
        self._budget.look(self._came)
        if self._inflater is None:
            return self._read()
        while not self._inflater.eof:
            data = self._inflater.unconsumed_tail or self._read()
            if not data:
                raise DataSetError("The deflated data set ends early")
            try:
                if found := self._inflater.decompress(data, _BLOCK_BYTES):
                    return found
            except zlib.error as error:
                raise DataSetError("The deflated data set is damaged") from error
        return b""

    def _read(self) -> bytes:
        block = self._source.read(_BLOCK_BYTES)
        self._came += len(block)
        return block


def beginning(source: BinaryIO, most: int, budget: ReadBudget) -> BytesIO:
    """The first `most` bytes of a deflated data set."""
    blocks, found = Blocks(source, True, budget), bytearray()
    while len(found) <= most and blocks.has(1):
        found += blocks.data
        blocks.skip(blocks.end)
    return BytesIO(bytes(found[:most]))

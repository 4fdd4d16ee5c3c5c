"""A data set read once from front to back, its bytes digested as they go by: flat memory."""

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple, Protocol

from pydicom.valuerep import STANDARD_VR

from storage.dicom.data_sets.inflating import Inflater
from storage.dicom.values import LONG_FORM_VRS

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF

_LONG_FORM = frozenset(vr.encode() for vr in LONG_FORM_VRS)
_VRS = frozenset(str(vr).encode() for vr in STANDARD_VR)
# The first group of a data set, and 0002 in the other byte order.
_FIRST_GROUP, _META_SWAPPED = 0x0008, 0x0200
_BLOCK_BYTES = 256 * 1024
_MAX_DEPTH = 64
# Elements and items of one data set that are looked at; of one with more nothing more is said.
_MAX_HEADS = 3_000_000
_MAX_INFLATED_BYTES = 1 << 32


class EndError(Exception):
    """The data set ends before what it announces."""


class OddError(Exception):
    """The data set is built in a way that nothing can be said about the rest of it."""


class Passage(Protocol):
    """Bytes that go by once; `position` is where it stands."""

    position: int

    def read(self, count: int) -> bytes:
        """The next bytes; fewer at the end."""

    def skip(self, count: int) -> None:
        """Go past the next bytes. Raises EndError."""


class Digested:
    """What is left of a file, digested; `passed` is told how many bytes went by."""

    def __init__(self, file: BinaryIO, passed: Callable[[int], None]) -> None:
        self.position = 0
        self._file = file
        self._passed = passed
        self._hash = hashlib.sha256()
        self._block = b""
        self._at = 0

    def read(self, count: int) -> bytes:
        """The next bytes; fewer at the end."""
        part = self._block[self._at : self._at + count]
        self._at += len(part)
        parts = [part]
        missing = count - len(part)
        while missing and self._fill():
            parts.append(self._block[:missing])
            self._at = len(parts[-1])
            missing -= self._at
        whole = b"".join(parts) if len(parts) > 1 else part
        self.position += len(whole)
        return whole

    def skip(self, count: int) -> None:
        """Go past the next bytes. Raises EndError."""
        while count:
            step = min(count, len(self._block) - self._at)
            self._at += step
            self.position += step
            count -= step
            if count and not self._fill():
                raise EndError

    def digest(self) -> str:
        """The digest of all, to the file's end."""
        self.position += len(self._block) - self._at
        while self._fill():
            self.position += len(self._block)
        return self._hash.hexdigest()

    def _fill(self) -> bool:
        self._block, self._at = self._file.read(_BLOCK_BYTES), 0
        self._hash.update(self._block)
        self._passed(len(self._block))
        return bool(self._block)


class Inflated:
    """The same of a data set that is deflated as a whole (PS3.5 A.5)."""

    def __init__(self, source: Passage) -> None:
        self.position = 0
        self._source = source
        self._inflater = Inflater()

    def read(self, count: int) -> bytes:
        """The next bytes; fewer at the end. Raises EndError, OddError."""
        found = bytearray()
        while len(found) < count and not self._inflater.eof:
            data = self._inflater.unconsumed_tail or self._source.read(_BLOCK_BYTES)
            try:
                part = self._inflater.decompress(data, count - len(found))
            except zlib.error as error:
                raise OddError(f"cannot be inflated: {error}") from error
            if not data and not part:
                raise EndError
            found += part
        self.position += len(found)
        if self.position > _MAX_INFLATED_BYTES:
            raise OddError("more than 4 GiB when it is inflated")
        return bytes(found)

    def skip(self, count: int) -> None:
        """Go past the next bytes. Raises EndError, OddError."""
        while count:
            part = self.read(min(count, _BLOCK_BYTES))
            if not part:
                raise EndError
            count -= len(part)


class Head(NamedTuple):
    """An element whose value comes next."""

    tag: int
    vr: bytes  # empty where it is implicit
    length: int


class ElementStream:
    """The elements of a data set in the order of their going by."""

    def __init__(self, passage: Passage, implicit_vr: bool, little_endian: bool) -> None:
        self.passage = passage
        self.order = "<" if little_endian else ">"
        self._implicit_vr = implicit_vr
        self._heads = 0
        self._tag = struct.Struct(f"{self.order}HH")
        self._long = struct.Struct(f"{self.order}I")
        self._short = struct.Struct(f"{self.order}H")

    def __iter__(self) -> Iterator[Head]:
        """Those of the data set itself; who asks for the next one has gone past the value."""
        while head := self.passage.read(8):
            if len(head) < 8:
                if any(head):
                    raise EndError
                return  # padding
            yield self._head(head)

    def item(self) -> tuple[int, int]:
        """The tag and the length of the next item or delimiter. Raises EndError."""
        self._count()
        head = self.passage.read(8)
        if len(head) < 8:
            raise EndError
        group, number = self._tag.unpack_from(head)
        return group << 16 | number, int(self._long.unpack_from(head, 4)[0])

    def skip(self, head: Head, depth: int = 0) -> None:
        """Go past the value of an element. Raises EndError, OddError."""
        if head.length != UNDEFINED:
            self.passage.skip(head.length)
            return
        if depth > _MAX_DEPTH:
            raise OddError("sequences nested too deep")
        implicit = self._implicit_vr
        self._implicit_vr = implicit or head.vr == b"UN"  # PS3.5 6.2.2
        try:
            while (item := self.item())[0] != SEQUENCE_END:
                tag, length = item
                if tag != ITEM:
                    raise OddError("a sequence of what are no items")
                if length != UNDEFINED:
                    self.passage.skip(length)
                else:
                    self._skip_item(depth)
        finally:
            self._implicit_vr = implicit

    def _skip_item(self, depth: int) -> None:
        for head in self:
            if head.tag == ITEM_END:
                return
            self.skip(head, depth + 1)
        raise EndError

    def _count(self) -> None:
        self._heads += 1
        if self._heads > _MAX_HEADS:
            raise OddError("too many elements and items")

    def _head(self, head: bytes) -> Head:
        self._count()
        group, number = self._tag.unpack_from(head)
        tag = group << 16 | number
        if group == 0xFFFE:
            if tag == ITEM_END:
                return Head(tag, b"", 0)
            raise OddError("an item outside of a sequence")
        vr = head[4:6]
        is_foreign = group < _FIRST_GROUP  # of a command, or of File Meta Information left there
        if self.order == ">" and ((is_foreign and not vr.isalpha()) or group == _META_SWAPPED):
            raise OddError("Little Endian within Big Endian")
        if self._implicit_vr and self.passage.position == 8 and vr.isalpha() and vr.isupper():
            raise OddError("explicit VR where it should be implicit")
        # Some writers change to implicit VR inside of a sequence; pydicom reads that, too.
        is_implicit = self._implicit_vr and not (is_foreign and vr in _VRS)
        if is_implicit or not b"AA" <= vr <= b"ZZ" or not vr.isalpha():
            return Head(tag, b"", self._long.unpack_from(head, 4)[0])
        if vr not in _LONG_FORM:
            return Head(tag, vr, self._short.unpack_from(head, 6)[0])
        length = self.passage.read(4)
        if len(length) < 4:
            raise EndError
        return Head(tag, vr, self._long.unpack(length)[0])

"""An A-ASSOCIATE-RJ as it came, with whatever values (PS3.8 9.3.4).

Its type alone says that there is no association. pynetdicom raises at values that table 9-21
reserves or does not know, which would be an A-ABORT to a peer that has answered.
"""

from dataclasses import dataclass
from itertools import zip_longest

_PERMANENT, _TRANSIENT = 1, 2
_RESULTS = (bytes([_PERMANENT]), bytes([_TRANSIENT]))
_VALUES = slice(7, 10)  # result, source, reason
_HEAD = b"\x03\0\0\0\0\x04\0"
_NO_REASON = (1, 1)
# By source and reason (PS3.8 table 9-21); all others are reserved, or none.
_REASONS: dict[tuple[int, ...], str] = {
    _NO_REASON: "No reason given",
    (1, 2): "Application context name not supported",
    (1, 3): "Calling AE title not recognised",
    (1, 7): "Called AE title not recognised",
    (2, 1): "No reason given",
    (2, 2): "Protocol version not supported",
    (3, 1): "Temporary congestion",
    (3, 2): "Local limit exceeded",
}


@dataclass(frozen=True)
class RejectionPDU:
    """An A-ASSOCIATE-RJ: result, source and reason, fewer where it ends before them."""

    values: bytes

    @property
    def is_transient(self) -> bool:
        """Whether it may be otherwise in a while; a result that is unknown says nothing of it."""
        return self.values[:1] == bytes([_TRANSIENT])

    @property
    def words(self) -> str:
        """What its sender does: why it rejects, or by which numbers where they mean nothing."""
        if self._is_known:
            return f"rejects the association: {_REASONS[self._why]}"
        named = zip_longest(("result", "source", "reason"), self.values)
        told = (f"no {name}" if value is None else f"{name} {value}" for name, value in named)
        return f"rejects it: {', '.join(told)}"

    @property
    def data(self) -> bytes:
        """The same as pynetdicom takes it: "no reason given" in the place of what is unknown."""
        result = _TRANSIENT if self.is_transient else _PERMANENT
        return _HEAD + bytes([result, *(self._why if self._is_known else _NO_REASON)])

    @property
    def _why(self) -> tuple[int, ...]:
        return tuple(self.values[1:])

    @property
    def _is_known(self) -> bool:
        return self.values[:1] in _RESULTS and self._why in _REASONS


def read_rejection(pdu: memoryview) -> RejectionPDU:
    """What an A-ASSOCIATE-RJ says, of any length."""
    return RejectionPDU(bytes(pdu[_VALUES]))

"""What the upper layer asks of its service user, an association (PS3.8 7)."""

from collections import deque
from typing import Any, Protocol


class MessageError(Exception):
    """P-DATA that is no message, or no part of one; says why."""


class PDataConsumer(Protocol):
    """What the P-DATA of an association goes to, and what becomes of it."""

    messages: deque[Any]  # that are whole and wait to be served

    @property
    def is_receiving(self) -> bool:
        """Whether part of a message has come."""

    def take_pdu(self, pdu: memoryview) -> None:
        """Take a P-DATA-TF PDU. Raises MessageError."""


class Accepting(Protocol):
    """An association that a caller asks for."""

    def recall(self, request: memoryview) -> bytes | None:
        """Be established as one with the same A-ASSOCIATE-RQ was before; the A-ASSOCIATE-AC.

        None: it has to be negotiated.
        """

    def refused(self, words: str) -> None:
        """Be told that its connection is refused, and why: "it ..."."""

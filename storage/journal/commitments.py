"""Requests of storage commitment, as they were written down, and which are still to be answered.

They lie in the journal: a request is written down before it is answered, and its end when the
requestor has taken the report.
"""

import hashlib
import logging
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from storage.diagnostics import Event
from storage.journal.catalogue import Unavailable, brought_up
from storage.journal.clock import time_of
from storage.journal.journal import COMMITMENTS, Journal, Subject
from storage.journal.segments import Line, record_of

logger = logging.getLogger(__name__)

_TABLES = ("commitment", "unfinished")
_KEY_BYTES = 16
# For as long a Transaction UID that was used is known to be a duplicate, at the least.
_KEEP_SECONDS = 365 * 86400.0
_REQUESTED = re.compile(
    rb'\{"at":"[^"\\]*","kind":"requested","transaction":"([^"\\]*)","peer":"([^"\\]*)","references":'
)
_REQUESTED_END = re.compile(rb'\],"worker":(\d+),"duplicate":(true|false)\}\Z')

# SOP Class UID, SOP Instance UID.
Reference = tuple[str, str]


@dataclass(frozen=True)
class Commitment:
    """A request for commitment, and who is to be told."""

    transaction_uid: str
    peer: str
    references: tuple[Reference, ...]
    worker: int
    duplicate: bool = False


def request(journal: Journal, commitment: Commitment) -> Commitment:
    """Write a request down; marked as duplicate where the peer has used its transaction UID.

    Raises ResourceError.
    """
    key = _key(commitment.peer, commitment.transaction_uid)
    # One at a time: of two that come at once with one transaction UID the second is a duplicate.
    with journal.turn(), entered(journal) as db:
        known = db.execute("SELECT 1 FROM commitment WHERE key = ?", (key,)).fetchone()
        asked = replace(commitment, duplicate=known is not None)
        journal.append(
            COMMITMENTS, kind="requested", transaction=asked.transaction_uid, peer=asked.peer,
            references=asked.references, worker=asked.worker, duplicate=asked.duplicate,
        )  # fmt: skip
    return asked


def reported(journal: Journal, commitment: Commitment, end: str) -> None:
    """Write down that a request has ended, and how. Raises ResourceError."""
    journal.append(
        COMMITMENTS, kind="ended", transaction=commitment.transaction_uid,
        peer=commitment.peer, duplicate=commitment.duplicate, end=end,
    )  # fmt: skip


def unfinished(journal: Journal, is_own: Callable[[int], bool]) -> list[Commitment]:
    """The requests that have not ended, of workers by their numbers. Raises ResourceError."""
    try:
        with entered(journal) as db:
            rows = db.execute("SELECT start, end FROM unfinished ORDER BY start").fetchall()
        lines = [record for start, end in rows for record in journal.read(COMMITMENTS, start, end)]
    except Unavailable as error:
        logger.warning("all of journal/%s is read: %s", COMMITMENTS, error)
        lines = list(journal.read(COMMITMENTS))
    found: dict[tuple[str, str, bool], Commitment] = {}
    for record in lines:
        try:
            key = str(record["transaction"]), str(record["peer"]), bool(record["duplicate"])
            if record["kind"] == "ended":
                found.pop(key, None)
            elif record["kind"] == "requested":
                one = _requested(key, record)
                if is_own(one.worker):
                    found[key] = one
        except (KeyError, TypeError, ValueError):
            words = "a line of the journal is damaged, and passed over"
            logger.error(Event(words, f"{record!s:.200}"))
    return list(found.values())


def has_ended(journal: Journal, commitment: Commitment) -> bool:
    """Whether the end of a request is written down, by whomever. Raises ResourceError."""
    key = _key(commitment.peer, commitment.transaction_uid), commitment.duplicate
    statement = "SELECT 1 FROM unfinished WHERE key = ? AND duplicate = ?"
    try:
        with entered(journal) as db:
            return db.execute(statement, key).fetchone() is None
    except Unavailable:
        return commitment not in unfinished(journal, lambda worker: worker == commitment.worker)


def entered(journal: Journal) -> AbstractContextManager[sqlite3.Connection]:
    """Have the catalogue hold all of them, and nobody read more meanwhile. Raises Unavailable."""
    return brought_up(journal, COMMITMENTS, _TABLES, _enter)


def subject_of(text: bytes) -> Subject | None:
    """Of what request a line is; it is over a year behind its end. None of no request."""
    told = _told(text)
    if told is None or told[0] not in ("requested", "ended"):
        return None
    kind, peer, transaction_uid, duplicate, _ = told
    key = _key(peer, transaction_uid) + bytes([duplicate])
    if kind == "requested":
        return Subject(key, True)
    try:
        is_over = time_of(record_of(text) or {}) < time.time() - _KEEP_SECONDS
    except ValueError:
        is_over = False
    return Subject(key, False, is_over)


def _key(peer: str, transaction_uid: str) -> bytes:
    return hashlib.sha256(f"{peer}\0{transaction_uid}".encode()).digest()[:_KEY_BYTES]


def _enter(db: sqlite3.Connection, lines: Iterator[Line]) -> None:
    """Enter lines into the catalogue."""
    for line in lines:
        _enter_one(db, line)


def _enter_one(db: sqlite3.Connection, line: Line) -> None:
    told = _told(line.text)
    if told is None:
        return
    kind, peer, transaction_uid, duplicate, worker = told
    key = _key(peer, transaction_uid)
    db.execute("INSERT OR IGNORE INTO commitment VALUES (?)", (key,))
    if kind == "requested":
        row = (key, duplicate, line.start, line.end, worker)
        db.execute("INSERT OR REPLACE INTO unfinished VALUES (?, ?, ?, ?, ?)", row)
    elif kind == "ended":
        db.execute("DELETE FROM unfinished WHERE key = ? AND duplicate = ?", (key, duplicate))


def _told(text: bytes) -> tuple[str, str, str, bool, int] | None:
    """Kind, peer, transaction, whether it is a duplicate, and worker, as a line tells them."""
    begin, end = _REQUESTED.match(text), _REQUESTED_END.search(text, max(len(text) - 80, 0))
    if begin and end:  # the references between them are most of it, and not looked at
        transaction, peer = begin[1].decode(), begin[2].decode()
        return "requested", peer, transaction, end[2] == b"true", int(end[1])
    record = record_of(text)
    if record is None or "transaction" not in record or "peer" not in record:
        return None
    peer, transaction = str(record["peer"]), str(record["transaction"])
    worker = record.get("worker", 0)
    duplicate = bool(record.get("duplicate"))
    is_number = isinstance(worker, int)
    return str(record.get("kind")), peer, transaction, duplicate, worker if is_number else 0


def _requested(key: tuple[str, str, bool], record: Mapping[str, Any]) -> Commitment:
    references = tuple((str(c), str(i)) for c, i in record["references"])
    return Commitment(key[0], key[1], references, int(record["worker"]), key[2])

"""The queue, open: what waits, what was sent, what failed."""

import hashlib
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from storage.diagnostics import ResourceError
from storage.dicom.values import Uids
from storage.index import Location
from storage.outbox import database
from storage.outbox.contract import Statements
from storage.sharing.nodes import Lease

# What was sent last of an instance, and to whom: a few bytes each, kept while it can come back.
_KEY_BYTES = 16
_FORGOTTEN = 1_000  # in one transaction
_AT_ONCE = 100  # asked for with one statement
_COLUMNS = "id, study, series, instance, sop_class, syntax, bytes, digest, charset"
_NOTE_DONE = (
    "INSERT INTO done VALUES (?, ?, ?) "
    "ON CONFLICT (destination, uids) DO UPDATE SET digest = excluded.digest"
)
_NOTE_STUDY = "INSERT INTO study VALUES (?, ?) ON CONFLICT (uid) DO UPDATE SET last = excluded.last"
_INSERT = (
    "INSERT INTO item (destination, study, series, instance, sop_class, syntax, bytes, digest, "
    "charset, since, quiet) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SAME = "destination = ? AND study = ? AND series = ? AND instance = ?"


@dataclass(frozen=True)
class QueuedInstance:
    """An instance that is to go to a destination, and how often it was tried."""

    number: int
    location: Location
    attempts: int


@dataclass(frozen=True)
class Wanted:
    """An instance that arrived, and where it is to go: destination -> seconds of quiet."""

    location: Location
    to: dict[str, float | None]


class Outbox:
    """The queue, open; safe to use from many threads. Every method raises ResourceError."""

    def __init__(self, data: Path, sync: bool = True, lease: Lease | None = None) -> None:
        """`lease`: with what the job to forward is held, where nodes share the queue."""
        self.database = database.opened(data, sync, lease)

    def close(self) -> None:
        """Close it."""
        self.database.close()

    def writing(self) -> AbstractContextManager[Statements]:
        """A transaction, which no power cut takes back behind the block."""
        return self.database.writing()

    def select(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a statement that reads."""
        return self.database.select(statement, *values)

    @property
    def position(self) -> int:
        """The byte of the journal's receipts up to which it was followed."""
        rows = self.select("SELECT journal FROM position")
        if not rows:
            raise ResourceError(f"{self.database.name}: follows no journal")
        return int(str(rows[0][0]))

    def take(
        self, arrived: Sequence[Wanted], studies: set[str], position: int, tail: str
    ) -> dict[str, int]:
        """Put in what arrived up to `position`; `studies` are those that anything arrived of.

        `tail` is the journal's digest of what lies before the position. What a destination has in
        just this content is left out. Returns how many, by destination.
        """
        now = time.time()
        wanted: dict[str, dict[Uids, tuple[Location, float | None]]] = {}
        for one in arrived:  # of several that came of an instance the last is held
            for destination, quiet in one.to.items():
                wanted.setdefault(destination, {})[one.location.uids] = one.location, quiet
        added: dict[str, int] = {}
        with self.writing() as db:
            db.executemany("UPDATE study SET last = ? WHERE uid = ?",
                           [(now, study) for study in studies])  # fmt: skip
            for destination, instances in wanted.items():
                every = [*instances.values()]
                for at in range(0, len(every), _AT_ONCE):
                    if count := _put(db, destination, every[at : at + _AT_ONCE], now):
                        added[destination] = added.get(destination, 0) + count
            db.execute("UPDATE position SET journal = ?, tail = ?", (position, tail))
        return added

    def due(self, destination: str, most: int) -> list[QueuedInstance]:
        """What is to be sent now, what failed before last."""
        now = time.time()
        rows = self.select(
            f"SELECT {_COLUMNS}, attempts FROM item LEFT JOIN study ON study.uid = item.study "
            "WHERE destination = ? AND state = 'waiting' AND due <= ? "
            "AND (quiet IS NULL OR last IS NULL OR last + quiet <= ?) "
            "ORDER BY attempts > 0, id LIMIT ?",
            destination, now, now, most,
        )  # fmt: skip
        return [QueuedInstance(int(str(row[0])), _location(row), int(str(row[-1]))) for row in rows]

    def drop(self, item: QueuedInstance) -> None:
        """Forget what is held no more, or in other content."""
        with self.writing() as db:
            db.execute("DELETE FROM item WHERE id = ? AND digest = ?", _key(item))

    def drop_notices(self, told: Collection[str]) -> list[str]:
        """Forget notices to others than who is told now; returns to whom there were any."""
        rows = self.select("SELECT DISTINCT destination FROM item WHERE instance = ''")
        gone = [str(name) for (name,) in rows if name not in told]
        with self.writing() as db:
            for name in gone:
                db.execute("DELETE FROM item WHERE destination = ? AND instance = ''", (name,))
                db.execute("DELETE FROM destination WHERE name = ?", (name,))
        return gone

    def sent(self, destination: str, item: QueuedInstance, to_be_committed: bool) -> None:
        """Note that a destination has acknowledged it."""
        with self.writing() as db:
            if to_be_committed:
                db.execute("UPDATE item SET state = 'sent', request = NULL, words = '', due = 0, "
                           "attempts = 0 WHERE id = ? AND digest = ?", _key(item))  # fmt: skip
            else:
                db.execute("DELETE FROM item WHERE id = ? AND digest = ?", _key(item))
            if not _is_notice(item.location):  # of which each is another one
                marks = _marks(item.location)
                db.execute(_NOTE_DONE, (destination, *marks))
            count(db, destination, "sent", 1)
            db.execute("UPDATE destination SET sent_at = ? WHERE name = ? "
                       "AND sent_at IS NULL AND error_at IS NOT NULL",
                       (time.time(), destination))  # fmt: skip

    def failed(self, item: QueuedInstance, words: str, delay: float | None) -> None:
        """Note that it was not taken; it is due again after `delay`, or None: never by itself."""
        state, due = ("failed", 0.0) if delay is None else ("waiting", time.time() + delay)
        with self.writing() as db:
            db.execute(
                "UPDATE item SET state = ?, due = ?, words = ?, attempts = attempts + 1 "
                "WHERE id = ? AND digest = ?", (state, due, words, *_key(item)),
            )  # fmt: skip

    def blame(self, destination: str, words: str) -> None:
        """Note what went wrong last in sending to a destination."""
        with self.writing() as db:
            count(db, destination, "sent", 0)
            db.execute("UPDATE destination SET error = ?, error_at = ?, sent_at = NULL "
                       "WHERE name = ?", (words, time.time(), destination))  # fmt: skip

    def is_blamed(self, destination: str) -> bool:
        """Whether sending to a destination went wrong, and nobody has asked for more since."""
        return bool(self.select("SELECT 1 FROM destination WHERE name = ? AND error_at IS NOT NULL",
                                destination))  # fmt: skip

    def forget_studies(self) -> None:
        """Forget when studies came of which nothing waits."""
        with self.writing() as db:
            db.execute("DELETE FROM study WHERE NOT EXISTS "
                       "(SELECT 1 FROM item WHERE item.study = study.uid)")  # fmt: skip


def forget_done(data: Path, instances: Collection[Uids]) -> None:
    """Forget to whom instances were sent that are no more. Raises ResourceError."""
    with opened(data) as outbox:
        if outbox is None:
            return
        names = [name for (name,) in outbox.select("SELECT name FROM destination")]
        left = iter(instances)
        while some := list(islice(left, _FORGOTTEN)):
            rows = [(name, uids_mark(uids)) for name in names for uids in some]
            with outbox.writing() as db:
                db.executemany("DELETE FROM done WHERE destination = ? AND uids = ?", rows)


@contextmanager
def opened(data: Path, sync: bool = True) -> Iterator[Outbox | None]:
    """The queue, or None where there is none. Raises ResourceError."""
    if not database.is_any(data):
        yield None
        return
    outbox = Outbox(data, sync)
    try:
        yield outbox
    finally:
        outbox.close()


def _location(row: Sequence[object]) -> Location:
    _, study, series, instance, sop_class, syntax, size, digest, charset = (
        str(one) for one in row[:9]
    )
    return Location((study, series, instance), sop_class, syntax, int(size), digest, charset)


def _key(item: QueuedInstance) -> tuple[int, str]:
    # With other content it is another one, which came meanwhile.
    return item.number, item.location.digest


def notice(study: str, mark: str) -> Location:
    """What is to be told of a study, in the place of an instance; `mark` tells it from others.

    `mark` is hexadecimal, as a digest is.
    """
    return Location((study, "", ""), "", "", 0, mark, "")


def _is_notice(location: Location) -> bool:
    return not location.uids[2]


def _marks(location: Location) -> tuple[bytes, bytes]:
    return uids_mark(location.uids), bytes.fromhex(location.digest)[:_KEY_BYTES]


def uids_mark(uids: Uids) -> bytes:
    """By which an instance is known again in what was sent."""
    return hashlib.sha256("/".join(uids).encode()).digest()[:_KEY_BYTES]


def _put(
    db: Statements, destination: str, wanted: Sequence[tuple[Location, float | None]], now: float
) -> int:
    """Put instances in, but for those that a destination has in just this content; how many."""
    asked = ", ".join("?" * len(wanted))
    marks = [_marks(one) for one, _ in wanted]
    rows = db.execute(f"SELECT uids, digest FROM done WHERE destination = ? AND uids IN ({asked})",
                      (destination, *(uids for uids, _ in marks))).fetchall()  # fmt: skip
    done = {(bytes(uids), bytes(digest)) for uids, digest in rows}
    new = [one for one, mark in zip(wanted, marks, strict=True) if mark not in done]
    if not new:
        return 0
    held = _digests(db, destination, [one.uids for one, _ in new])
    # What is the same there waits, or has failed.
    coming = [one for one in new if held.get(one[0].uids) != one[0].digest]
    db.executemany(f"DELETE FROM item WHERE {_SAME}",
                   [(destination, *one.uids) for one, _ in coming if one.uids in held])  # fmt: skip
    db.executemany(_INSERT, [
        (destination, *one.uids, one.sop_class_uid, one.transfer_syntax_uid, one.file_bytes,
         one.digest, one.charset, now, quiet) for one, quiet in coming
    ])  # fmt: skip
    quiet_studies = sorted({one.uids[0] for one, quiet in coming if quiet is not None})
    db.executemany(_NOTE_STUDY, [(study, now) for study in quiet_studies])
    return len(new)


def _digests(db: Statements, destination: str, instances: Sequence[Uids]) -> dict[Uids, str]:
    """Of those that are in the queue already, which content is."""
    by_series: dict[tuple[str, str], list[str]] = {}
    for study, series, instance in instances:
        by_series.setdefault((study, series), []).append(instance)
    found: dict[Uids, str] = {}
    for (study, series), some in by_series.items():
        rows = db.execute(
            "SELECT instance, digest FROM item WHERE destination = ? AND study = ? AND series = ? "
            f"AND instance IN ({', '.join('?' * len(some))})", (destination, study, series, *some),
        ).fetchall()  # fmt: skip
        found |= {(study, series, instance): digest for instance, digest in rows}
    return found


def count(db: Statements, destination: str, column: str, more: int) -> None:
    """Add to a figure of a destination."""
    db.execute(f"INSERT INTO destination (name, {column}) VALUES (?, ?) ON CONFLICT (name) "
               f"DO UPDATE SET {column} = destination.{column} + excluded.{column}",
               (destination, more))  # fmt: skip

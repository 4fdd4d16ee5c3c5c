"""What destinations were asked to commit to, and what they say of it (PS3.4 J.3)."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

from storage.outbox.contract import Statements
from storage.outbox.queue import Outbox, count

logger = logging.getLogger(__name__)

# How often what is not committed to is sent again, and after how long.
MOST = 3
AGAIN_SECONDS = 30.0
# Not the instance is at fault, but the Transaction UID (PS3.3 C.14.1.1).
_DUPLICATE_TRANSACTION = 0x0131
# How long a request that has ended is remembered: its report may come again.
_KEEP_SECONDS = 7 * 86400.0


@dataclass(frozen=True)
class Asked:
    """A request to commit, and its instances: SOP Class UID and SOP Instance UID."""

    uid: str
    references: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class CommitmentReport:
    """A report on a request: SOP Instance UIDs, and Failure Reasons (0008,1197) by them."""

    uid: str
    committed: frozenset[str]
    failures: Mapping[str, int]


def is_any(outbox: Outbox, destination: str) -> bool:
    """Whether there is something to ask a destination for."""
    return bool(
        outbox.select(
            "SELECT 1 FROM item WHERE destination = ? AND state = 'sent' AND request IS NULL "
            "LIMIT 1", destination,
        )
    )  # fmt: skip


def ask(outbox: Outbox, destination: str, uid: str, most: int) -> Asked | None:
    """Note that a destination will be asked for what it took; None where there is nothing."""
    with outbox.writing() as db:
        rows = db.execute(
            "SELECT id, sop_class, instance FROM item "
            "WHERE destination = ? AND state = 'sent' AND request IS NULL ORDER BY id LIMIT ?",
            (destination, most),
        ).fetchall()
        if not rows:
            return None
        db.execute("INSERT INTO request (uid, destination, at) VALUES (?, ?, ?)",
                   (uid, destination, time.time()))  # fmt: skip
        for number, _, _ in rows:
            db.execute("UPDATE item SET request = ? WHERE id = ?", (uid, number))
        db.execute("DELETE FROM request WHERE ended = 1 AND at < ?", (time.time() - _KEEP_SECONDS,))
    return Asked(uid, tuple((sop_class, instance) for _, sop_class, instance in rows))


def take_back(outbox: Outbox, uid: str) -> None:
    """Note that a request was not taken: it is made again, another time."""
    with outbox.writing() as db:
        db.execute("UPDATE item SET request = NULL WHERE request = ?", (uid,))
        db.execute("DELETE FROM request WHERE uid = ?", (uid,))


def not_granted(outbox: Outbox, destination: str, words: str) -> None:
    """Note what went wrong last in asking a destination."""
    with outbox.writing() as db:
        count(db, destination, "sent", 0)
        db.execute("UPDATE destination SET ask_error = ?, ask_error_at = ?, asked_at = NULL "
                   "WHERE name = ?", (words, time.time(), destination))  # fmt: skip


def granted(outbox: Outbox, destination: str) -> None:
    """Note that a destination was asked as it should be: what went wrong before is over."""
    unsettled = "name = ? AND ask_error_at IS NOT NULL AND asked_at IS NULL"
    if outbox.select(f"SELECT 1 FROM destination WHERE {unsettled}", destination):
        with outbox.writing() as db:
            db.execute(f"UPDATE destination SET asked_at = ? WHERE {unsettled}",
                       (time.time(), destination))  # fmt: skip


def ask_again(outbox: Outbox, destination: str, seconds: float, most: int) -> tuple[int, int]:
    """Have what no report came of for so long asked for again, but `most` times.

    Returns how many instances will be, and of how many nothing is expected any more.
    """
    before = time.time() - seconds
    late = "request IN (SELECT uid FROM request WHERE destination = ? AND ended = 0 AND at < ?)"
    with outbox.writing() as db:
        given_up = db.execute(
            f"DELETE FROM item WHERE {late} AND refused >= ?", (destination, before, most)
        ).rowcount
        again = db.execute(
            f"UPDATE item SET request = NULL, refused = refused + 1 WHERE {late}",
            (destination, before),
        ).rowcount
        db.execute("UPDATE request SET ended = 1 WHERE destination = ? AND ended = 0 AND at < ?",
                   (destination, before))  # fmt: skip
    return again, given_up


def not_asked(outbox: Outbox, destination: str) -> None:
    """Expect nothing more of what a destination took: it commits to nothing."""
    with outbox.writing() as db:
        db.execute("DELETE FROM item WHERE destination = ? AND state = 'sent' AND request IS NULL",
                   (destination,))  # fmt: skip


def note_report(outbox: Outbox, destination: str, said: CommitmentReport) -> bool:
    """Note what a destination reports; what it does not commit to is sent again, a few times.

    False where it was not asked. Raises ResourceError.
    """
    with outbox.writing() as db:
        known = db.execute("SELECT ended FROM request WHERE uid = ? AND destination = ?",
                           (said.uid, destination)).fetchone()  # fmt: skip
        if known is None:
            return False
        counts = [0, 0]
        rows = db.execute(
            "SELECT id, instance, refused FROM item WHERE request = ? AND destination = ?",
            (said.uid, destination),
        ).fetchall()
        for number, instance, refused in rows:
            is_held = instance in said.committed and instance not in said.failures
            counts[not is_held] += 1
            if is_held:
                db.execute("DELETE FROM item WHERE id = ?", (number,))
            else:
                _refuse(db, number, said.failures.get(instance), refused >= MOST, AGAIN_SECONDS)
        count(db, destination, "committed", counts[0])
        db.execute("UPDATE request SET ended = 1 WHERE uid = ?", (said.uid,))
    log = logger.warning if counts[1] else logger.info
    log("commitment reported destination=%s transaction=%s committed=%d failed=%d",
        destination, said.uid, *counts)  # fmt: skip
    return True


def _refuse(db: Statements, number: int, reason: int | None, for_good: bool, delay: float) -> None:
    words = "not committed to: " + (
        "not in the report" if reason is None else f"failure reason {reason:04X}"
    )
    state = "sent" if reason == _DUPLICATE_TRANSACTION else "waiting"
    db.execute(
        "UPDATE item SET state = ?, request = NULL, refused = refused + 1, words = ?, due = ? "
        "WHERE id = ?",
        ("failed" if for_good else state, words, time.time() + delay, number),
    )

"""Where the queue of a data folder lies, and from where on it follows the journal."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from storage.journal import RECEIPTS, Journal, journal_of
from storage.outbox import queue_file
from storage.outbox.contract import QueueDatabase, Statements
from storage.outbox.queue_schema import QueueSchema
from storage.sharing.nodes import Lease, schema_of

logger = logging.getLogger(__name__)

_BUSY_SECONDS = 30


def is_any(data: Path) -> bool:
    """Whether there is a queue. Raises ResourceError."""
    if elsewhere := _elsewhere(data):
        return elsewhere.is_made
    return queue_file.path_of(data).exists()


def opened(data: Path, sync: bool, lease: Lease | None = None) -> QueueDatabase:
    """The database of the queue, with its tables; what is written is held to a lease.

    Raises ResourceError.
    """
    if elsewhere := _elsewhere(data):
        elsewhere.make()
        return elsewhere.held_to(lease)
    return queue_file.QueueFile(data, sync)


def prepare(data: Path, sync: bool) -> None:
    """See that there is a queue that is whole; else begin one, with what arrives from now on.

    Raises ResourceError. Nobody else may have it open where it is a file.
    """
    if not _elsewhere(data):
        with queue_file.errors():
            queue_file.put_aside_damaged(data)
    with closing(opened(data, sync)) as queue, queue.writing() as db:
        _take_position(db, journal_of(data, sync))


def _take_position(db: Statements, journal: Journal) -> None:
    rows = db.execute("SELECT journal, identity, tail FROM position").fetchall()
    fault = _fault_of_position(journal, *rows[0]) if rows else ""
    position = rows[0][0] if rows and not fault else journal.size(RECEIPTS)
    if fault:
        words = f"the forwarding queue is of a journal that {fault}"
        logger.error("%s: what arrived since then goes on by `minipacs send`", words)
    if fault or not rows:
        logger.warning("forwarding begins: what arrived before now is not sent on")
    journal.sync_lines(RECEIPTS)
    put_position(db, journal, position)


def put_position(db: Statements, journal: Journal, position: int | None) -> None:
    """Have the queue follow a journal from a position of its receipts on; None: follow none.

    Of a transaction.
    """
    db.execute("DELETE FROM position")
    if position is not None:
        held = position, journal.make_identity(), journal.tail(RECEIPTS, position)
        db.execute("INSERT INTO position VALUES (?, ?, ?)", held)


def _fault_of_position(journal: Journal, position: int, identity: str, tail: str) -> str:
    """Why a position is not one of this journal; empty where it is. Raises OSError."""
    if position > journal.size(RECEIPTS):
        return "was longer"
    if identity and identity != journal.make_identity():
        return "is another one"
    return "held other lines" if identity and tail != journal.tail(RECEIPTS, position) else ""


def position_beside(data: Path) -> int | None:
    """The position in the receipts up to which the queue has followed; None: it follows none.

    Nothing is written or made. Raises ResourceError.
    """
    with beside(data, _BUSY_SECONDS) as db:
        rows = db.execute("SELECT journal FROM position").fetchall() if db else []
    return int(rows[0][0]) if rows else None


def leave(data: Path) -> None:
    """Follow the journal no more: another `prepare` begins at its end. Raises ResourceError."""
    if not is_any(data):
        return
    if not _elsewhere(data) and queue_file.fault_of(queue_file.path_of(data)):
        return
    with closing(opened(data, sync=True)) as queue, queue.writing() as db:
        db.execute("DELETE FROM position")


@contextmanager
def beside(data: Path, seconds: float) -> Iterator[Statements | None]:
    """What reads the queue and has so long for it, or None where none is made yet.

    Nothing is written or made, and nobody held up. Raises ResourceError, and where it takes longer.
    """
    if elsewhere := _elsewhere(data):
        with elsewhere.reading(seconds) as db:
            yield db
        return
    with queue_file.errors(), queue_file.reading(queue_file.path_of(data), seconds) as file:
        yield file


def _elsewhere(data: Path) -> QueueSchema | None:
    """Where it lies of an archive that several nodes have; None: in its file."""
    schema = schema_of(data, "The forwarding queue")
    return QueueSchema(schema) if schema else None

"""What the journal tells of each instance: its receipts, and what withdrew them."""

import json
import logging
import re
import sqlite3
from collections.abc import Callable, Container, Iterator, Mapping, Set
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from storage.diagnostics import Event
from storage.dicom.values import Uids
from storage.files import Files
from storage.journal.journal import RECEIPTS, Journal
from storage.journal.segments import milliseconds

logger = logging.getLogger(__name__)

# Read at a time by who goes through all: some thousand receipts.
_PIECE_BYTES = 1 << 20
# The SOP Instance UID of a line, as it is usually written; inside a text its quotes are escaped.
_INSTANCE = re.compile(rb'"uids":\["[^"]*","[^"]*","([0-9.]*)"\]')
_OPEN, _CLOSED = "INSERT OR IGNORE INTO open VALUES (?)", "DELETE FROM open WHERE uids = ?"


@dataclass(frozen=True)
class Receipt:
    """How an instance was received: bytes and digest of its data set, assumed charset.

    `received`: when, in milliseconds since 1970; of one that was restored, when it had come.
    """

    uids: Uids
    file_bytes: int
    digest: str
    charset: str
    transfer_syntax_uid: str
    sender: str = ""
    received: int = 0


@dataclass(frozen=True)
class Withdrawn:
    """A line that withdraws the last receipt of a digest, or without one all before it.

    `deleted`: it was written before the file was to go, which may have stayed after all.
    """

    digest: str | None
    deleted: bool = False


@dataclass
class Receipts:
    """Those of one instance, the last one last; any may be of the file that lies there.

    A receipt is written before its file is put in its place, and that may have failed: then it
    is withdrawn, and there may be none of the file that stayed.
    """

    uids: Uids
    of_digest: dict[str, Receipt] = field(default_factory=dict)
    withdrawn: bool = False
    is_open: bool = False  # nothing came after the last one, as where a store was cut off
    is_deleted: bool = False  # nothing came after a deletion, as also where that was cut off

    @property
    def last(self) -> Receipt:
        """The one that came last, also where it was withdrawn."""
        return next(reversed(self.of_digest.values()))

    def add(self, receipt: Receipt) -> None:
        """Add the next one."""
        self.of_digest.pop(receipt.digest, None)
        self.of_digest[receipt.digest] = receipt
        self.is_open, self.is_deleted = True, False

    def of(self, files: Files) -> Receipt | None:
        """The one that is of the instance's file, which is read where there is a choice.

        Raises OSError, DataSetError.
        """
        if len(self.of_digest) == 1 and not self.withdrawn:
            return self.last  # a file that was damaged since is held to it
        return self.of_digest.get(files.digest(self.uids))


def last_receipts(journal: Journal, start: int = 0, end: int | None = None) -> dict[Uids, Receipts]:
    """The receipts of each instance, of those from byte `start` of the journal to `end`."""
    found: dict[Uids, Receipts] = {}
    for uids, receipt in in_journal(journal, start, end):
        of_instance = found.setdefault(uids, Receipts(uids))
        if isinstance(receipt, Receipt):
            of_instance.add(receipt)
            continue
        of_instance.withdrawn, of_instance.is_open = True, False
        of_instance.is_deleted = receipt.deleted
        # Of what was to be deleted they stay: a kill may have left the file where it was.
        if receipt.digest is None and not receipt.deleted:
            of_instance.of_digest.clear()
    return found


def left_open(journal: Journal, start: int, is_held: Callable[[Uids], bool]) -> Iterator[Uids]:
    """The instances that are not held, and whose last line from byte `start` on is a receipt.

    Any number of them takes the same memory. Raises ResourceError, sqlite3.Error.
    """
    with closing(sqlite3.connect("")) as found:  # a temporary file
        found.execute("CREATE TABLE open (uids TEXT PRIMARY KEY) WITHOUT ROWID")
        for piece in journal.pieces(RECEIPTS, start, journal.size(RECEIPTS), _PIECE_BYTES):
            for uids, receipts in last_receipts(journal, *piece).items():
                if not is_held(uids):
                    statement = _OPEN if receipts.is_open else _CLOSED
                    found.execute(statement, (json.dumps(uids),))
        for (text,) in found.execute("SELECT uids FROM open"):
            study, series, instance = json.loads(text)
            yield study, series, instance


def receipts_of(
    journal: Journal, wanted: Container[Uids], start: int = 0, end: int | None = None
) -> dict[Uids, list[Receipt]]:
    """All receipts of the instances in `wanted` that were not withdrawn, the last one last."""
    found: dict[Uids, list[Receipt]] = {}
    add_receipts(found, journal, wanted, start, end)
    return found


def add_receipts(
    found: dict[Uids, list[Receipt]],
    journal: Journal,
    wanted: Container[Uids],
    start: int,
    end: int | None = None,
) -> None:
    """Go on with `receipts_of` from where the journal ended then."""
    for uids, receipt in in_journal(journal, start, end):
        if uids not in wanted:
            continue
        held = found.setdefault(uids, [])
        if isinstance(receipt, Receipt):
            held.append(receipt)
        elif receipt.digest is None:
            held.clear()
        else:
            of_digest = [number for number, one in enumerate(held) if one.digest == receipt.digest]
            if of_digest:
                del held[of_digest[-1]]


def in_journal(
    journal: Journal, start: int = 0, end: int | None = None, wanted: Set[str] | None = None
) -> Iterator[tuple[Uids, Receipt | Withdrawn]]:
    """What the journal tells of instances, in its order.

    `wanted`: the SOP Instance UIDs of some, of others hardly any: they are not decoded.
    """
    may_be = _any if wanted is None else partial(_may_be, wanted)
    for line in journal.read(RECEIPTS, start, end, may_be):
        try:
            study, series, instance = line["uids"]
            uids = (study, series, instance)
            yield uids, _withdrawn(line) if line.get("withdrawn") else _receipt(uids, line)
        except (KeyError, TypeError, ValueError):
            words = "a line of the journal is damaged, and passed over"
            logger.error(Event(words, f"{line!s:.200}"))


def _any(text: bytes) -> bool:
    return True


def _may_be(wanted: Set[str], text: bytes) -> bool:
    found = _INSTANCE.search(text)
    return found is None or found[1].decode() in wanted


def _receipt(uids: Uids, line: Mapping[str, Any]) -> Receipt:
    digest, charset, syntax = (str(line[key]) for key in ("digest", "charset", "syntax"))
    sender, received = str(line.get("sender", "")), line.get("received") or line.get("at", "")
    return Receipt(
        uids, int(line["bytes"]), digest, charset, syntax, sender, milliseconds(str(received))
    )


def _withdrawn(line: Mapping[str, Any]) -> Withdrawn:
    return Withdrawn(line.get("digest"), bool(line.get("deleted")))


def withdraw(journal: Journal, uids: Uids, digest: str) -> None:
    """Have the journal say that a file was not put in its place. Raises ResourceError."""
    journal.append(RECEIPTS, uids=uids, digest=digest, withdrawn=True)


def withdraw_all(journal: Journal, uids: Uids) -> None:
    """Have the journal say that there is no file of an instance. Raises ResourceError."""
    journal.append(RECEIPTS, uids=uids, withdrawn=True)


def record_deletion(journal: Journal, uids: Uids) -> None:
    """The same of a file that is to be taken away next. Raises ResourceError."""
    journal.append(RECEIPTS, uids=uids, withdrawn=True, deleted=True)

"""Faults that a person has accepted as known: they stay, and a check does not hold them against it.

They are lines of the journal, so that they outlast the index and are in a backup. A fault is the
same one where its kind, path, UIDs and detail are, and its instance was not received again since.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from storage.archive import Archive
from storage.diagnostics import ResourceError
from storage.journal import ACCEPTED, RECEIPTS, Receipt, in_journal
from storage.maintenance.check.faults import Fault

# Lines that are synced together.
_BATCH = 1_000
_KEY_BYTES = 16


class _What(NamedTuple):
    """What makes a fault the one that it is; paths are told from the data folder on."""

    kind: str
    path: str
    uids: tuple[str, ...]
    detail: str


class _Accepted(NamedTuple):
    at: str
    receipts: int  # how far the receipts went before the check that found it


class Acceptances:
    """Those in force. Raises ResourceError where they cannot be read."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._in_force: dict[bytes, _Accepted] = {}
        instances = set[bytes]()
        for line in archive.journal.read(ACCEPTED):
            if line.get("accepted") is False:
                self._in_force.clear()
            elif told := _told(line):
                what, accepted = told
                self._in_force[_key(what)] = accepted
                instances.add(_key(what.uids))
        self._end = archive.journal.size(RECEIPTS)
        self._received = self._received_again(instances)

    def __len__(self) -> int:
        return len(self._in_force)

    def marked(self, fault: Fault) -> Fault:
        """The fault, with when it was accepted where it was."""
        known = self._in_force.get(_key(_what(fault, self._archive.tree.data)))
        if not known or self._received.get(_key(fault.uids), -1) >= known.receipts:
            return fault
        return replace(fault, accepted=known.at)

    def accept(self, faults: Iterable[Fault]) -> Iterator[int]:
        """Have faults be known that were found since this was read; of how many that is written.

        Raises ResourceError: what was written until then is in force.
        """
        try:
            self._archive.journal.sync_lines(RECEIPTS)  # lines tell how far these went
        except OSError as error:
            raise ResourceError(f"The journal cannot be written: {error.strerror}") from error
        lines = (self._line(fault) for fault in faults)
        while batch := list(islice(lines, _BATCH)):
            self._archive.journal.append_all(ACCEPTED, batch)
            yield len(batch)

    def forget(self) -> None:
        """Have all of them be told of again. Raises ResourceError."""
        self._archive.journal.append(ACCEPTED, accepted=False)

    def _line(self, fault: Fault) -> dict[str, Any]:
        what = _what(fault, self._archive.tree.data)
        return {"accepted": True, **what._asdict(), "receipts": self._end}

    def _received_again(self, instances: set[bytes]) -> dict[bytes, int]:
        """By instance, the last position of an acceptance behind which it was received."""
        starts = sorted({accepted.receipts for accepted in self._in_force.values()})
        found: dict[bytes, int] = {}
        for start, end in pairwise([*starts, self._end]):
            for uids, receipt in in_journal(self._archive.journal, start, end):
                if isinstance(receipt, Receipt) and (key := _key(uids)) in instances:
                    found[key] = start
        return found


def _what(fault: Fault, data: Path) -> _What:
    prefix = f"{data}/"
    path, detail = (text.removeprefix(prefix) for text in (fault.path, fault.detail))
    return _What(fault.kind.code, path, fault.uids, detail)


def _key(what: _What | tuple[str, ...]) -> bytes:
    text = json.dumps(what)  # ASCII alone, whatever the name of a file is
    return hashlib.blake2b(text.encode(), digest_size=_KEY_BYTES).digest()


def _told(line: Mapping[str, Any]) -> tuple[_What, _Accepted] | None:
    """What was accepted, and when; None of another version, or of a damaged line."""
    uids, texts = line.get("uids"), [line.get(name) for name in ("kind", "path", "detail", "at")]
    receipts = line.get("receipts")
    if line.get("accepted") is not True or not isinstance(receipts, int) or receipts < 0:
        return None
    if not isinstance(uids, list) or not all(isinstance(text, str) for text in (*uids, *texts)):
        return None
    kind, path, detail, at = map(str, texts)
    return _What(kind, path, tuple(uids), detail), _Accepted(at, receipts)

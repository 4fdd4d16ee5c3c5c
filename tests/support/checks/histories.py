"""Histories of an archive by chance, and all that is told of it."""

import json
import random
import shutil
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from storage import Archive, Level, Received, prepare, settle_index
from storage.archive import statistics
from storage.archive.finding.origins import Origins
from storage.diagnostics import ResourceError
from storage.index import counts, index_path
from storage.journal import Commitment, Journal, commitments, pinned, pins
from storage.journal.catalogue import remove
from storage.journal.receipt_catalogue import arrivals, receipts_by_digest
from storage.journal.segments import Segments
from storage.maintenance.changes import deletion
from storage.maintenance.changes.retention import _times
from storage.maintenance.changes.selections import Selection, selected
from storage.maintenance.check.checking import check
from storage.maintenance.recovery.rebuilding import rebuild
from support.data.samples import ct, encoded
from support.names import CT, EXPLICIT

CHARSET = "ISO_IR 100"
STUDIES, INSTANCES, CONTENTS = 6, 4, 3
_DAY = 86400.0


class History:
    """An archive to which something is done by chance, by a clock that is not always right."""

    def __init__(self, data: Path, seed: int) -> None:
        self.data, self.chance = data, random.Random(seed)
        self.at = time.time() - 900 * _DAY
        prepare(data, sync=False, charset=CHARSET)
        self.archive = Archive(data, sync=False)
        self.asked: list[Commitment] = []

    def now(self) -> str:
        steps = (1.0, 600.0, 0.4 * _DAY, 3 * _DAY, -0.001, -2 * _DAY)
        self.at += self.chance.choices(steps, (60, 20, 10, 4, 5, 1))[0]
        return datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds")

    def step(self) -> None:
        todo = (self.store, self.fail, self.delete, self.restore, self.purge, self.pin, self.commit)
        self.chance.choices(todo, (20, 2, 4, 2, 3, 2, 2))[0]()

    def store(self) -> None:
        self.archive.store(self.instance())

    def instance(self) -> Received:
        number = self.chance.randrange(INSTANCES)
        uids = f"1.{self._study()}", "2.1", f"3.{number}"
        said = {"StudyDescription": f"{self.chance.randrange(CONTENTS)}"}
        sender = self.chance.choice(("CT1", "MR2"))
        return Received(CT, uids[2], EXPLICIT, encoded(ct(*uids, **said)), CHARSET, sender)

    def _study(self) -> int:
        """One of few; most of what comes is of those that come now."""
        return int(self.at // (200 * _DAY)) % 3 + self.chance.randrange(STUDIES - 3)

    def fail(self) -> None:
        """A file that could not be put in its place."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("storage.archive.archive.Archive._place", _refused)
            with suppress(ResourceError):
                self.store()

    def delete(self) -> None:
        list(deletion.delete(self.archive, selected(self.archive, self._selection())))

    def restore(self) -> None:
        found = deletion.restorable(self.archive, self._selection(), CHARSET)
        list(deletion.restore(self.archive, found, CHARSET))

    def purge(self) -> None:
        list(deletion.purge(list(deletion.all_superseded(self.archive)), self.archive))

    def retire(self) -> None:
        """Let some studies go for good."""
        for study in ("1.0", "1.1", "1.3"):
            selection = Selection(Level.STUDY, study)
            list(deletion.delete(self.archive, selected(self.archive, selection)))
        self.purge()

    def pin(self) -> None:
        do = self.chance.choice((pins.pin, pins.unpin))
        do(self.archive.journal, f"1.{self._study()}")

    def commit(self) -> None:
        peer, number = self.chance.choice("AB"), self.chance.randrange(60)
        made = Commitment(f"9.{number}", peer, ((CT, "3.1"),), 0)
        self.asked.append(commitments.request(self.archive.journal, made))
        if self.chance.random() < 0.9:
            one = self.asked.pop(self.chance.randrange(len(self.asked)))
            commitments.reported(self.archive.journal, one, "reported")

    def _selection(self) -> Selection:
        return Selection(Level.STUDY, f"1.{self._study()}")


def _refused(*given: Any) -> None:
    raise ResourceError("refused here")


def made(data: Path, seed: int, steps: int, opened: list[Archive]) -> Archive:
    """An archive with a history, settled some lines before its end."""
    with pytest.MonkeyPatch.context() as patch:
        history = History(data, seed)
        patch.setattr("storage.journal.segments.lines.now", history.now)
        for number in range(steps):
            history.step()
            if number == steps - 25:
                history.retire()
                settle_index(data)
    opened.append(history.archive)
    return history.archive


def told(archive: Archive, folder: Path, opened: list[Archive]) -> dict[str, Any]:
    """All that is told of a copy of an archive, in which nothing was read yet."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(archive.tree.data, folder)
    remove(folder / "journal/catalogue.sqlite")
    copy = Archive(folder, sync=False)
    opened.append(copy)
    held = {study for study, *_ in counts.by_study(copy.index)}
    clock, last = arrivals(copy.journal)
    times, wrong = _times(copy.journal)
    kept = sorted(deletion.all_superseded(copy), key=lambda one: one.path)
    digests = {one: deletion._receipt_of(copy, one, CHARSET).digest for one in kept}
    known = receipts_by_digest(copy.journal, {one.uids for one in kept})
    origins = Origins(copy.index, copy.journal)
    rows = copy.index.database.execute_sql("SELECT id FROM instance ORDER BY id").fetchall()
    found = {
        "statistics": statistics(copy).as_json() | {"held": None},
        "runs": [(run.first, run.last, run.lines) for run in clock.runs],
        "arrivals": {study: last[study] for study in sorted(held)},
        "times": {study: times[study] for study in sorted(held)},
        "wrong": sorted(text for text in wrong if text.split(":")[0].split()[1] in held),
        "restored": {str(one.path.relative_to(folder)): known[one.uids][digest]
                     for one, digest in digests.items()},
        "senders": {number: origins.senders(Level.IMAGE, number) for (number,) in rows},
        "check": list(check(copy, CHARSET)),
        "pinned": sorted(pinned(copy.journal)),
        "unfinished": commitments.unfinished(copy.journal, lambda worker: True),
    }  # fmt: skip
    index_path(folder).unlink()
    rebuild(folder, CHARSET)
    fresh = Archive(folder, sync=False)
    opened.append(fresh)
    found["rebuilt"] = held_by(fresh)
    assert found["rebuilt"] == held_by(copy)
    return found


def held_by(archive: Archive) -> list[tuple[Any, ...]]:
    """What an index says of instances."""
    return sorted(
        archive.index.database.execute_sql(
            "SELECT StudyInstanceUID, SOPInstanceUID, instance.digest, instance.charset, "
            "instance.file_bytes, instance.arrived, sender, received FROM instance "
            "JOIN series ON series.id = instance.parent_id "
            "JOIN study ON study.id = series.parent_id"
        ).fetchall()
    )


def as_before(journal: Journal, name: str) -> list[dict[str, Any]]:
    """The records as versions before compaction read them."""
    ours = Segments(journal.folder, name)
    found = []
    for path in (*(path for _, path in ours.closed()), ours.path):
        for text in path.read_bytes().split(b"\n"):
            try:
                record = json.loads(text.decode())
            except ValueError:
                continue
            if isinstance(record, dict):
                found.append(record)
    return found

"""The same done to an archive in a folder and to one that nodes share: both tell the same."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import CT, EXPLICIT, ct, encoded
from support.data.shared_archives import CHARSET, names_found

from storage import Archive, Level, Received, prepare
from storage.archive import fault_of, statistics
from storage.diagnostics import ArchiveError
from storage.index import pages
from storage.journal import Commitment, commitments, pinned, pins
from storage.journal.corrections import in_force
from storage.maintenance.changes import (
    Selection,
    UncorrectableError,
    correction,
    deletion,
    selected,
)
from storage.maintenance.check import check

NewNode = Callable[..., Archive]
STUDIES, SERIES, INSTANCES, CONTENTS = 4, 2, 3, 3


@pytest.fixture
def in_folder(tmp_path: Path) -> Iterator[Archive]:
    data = tmp_path / "alone"
    prepare(data, sync=False, charset=CHARSET)
    archive = Archive(data, sync=False)
    yield archive
    archive.close_thread()


class Doer:
    """Does by chance what may be done to an archive; shared, each step on another node."""

    def __init__(self, archives: list[Archive], seed: int) -> None:
        self.archives, self.chance, self.number = archives, random.Random(seed), 0

    @property
    def archive(self) -> Archive:
        return self.archives[self.number % len(self.archives)]

    def step(self) -> str:
        self.number += 1
        todo = (self.store, self.delete, self.restore, self.purge, self.pin, self.commit,
                self.correct, self.undo)  # fmt: skip
        do = self.chance.choices(todo, (20, 4, 3, 1, 2, 2, 4, 2))[0]
        try:
            return f"{do.__name__}: {do()}"
        except (ArchiveError, UncorrectableError) as error:
            return f"{do.__name__}: {type(error).__name__}"

    def store(self) -> Any:
        study, series = self._study(), self.chance.randrange(SERIES)
        uids = study, f"{study}.{series}", f"{study}.{series}.{self.chance.randrange(INSTANCES)}"
        content = self.chance.randrange(CONTENTS)
        held = ct(*uids, PatientName=f"Name{content}", PatientID=study, Modality="CT",
                  InstanceNumber=str(content))  # fmt: skip
        sender = self.chance.choice(("CT1", "MR2"))
        one = Received(CT, uids[2], EXPLICIT, encoded(held), CHARSET, sender)
        stored = self.archive.store(one)
        return stored.outcome, stored.disagreements

    def delete(self) -> Any:
        found = selected(self.archive, self._selection())
        return sorted(deletion.delete(self.archive, found))

    def restore(self) -> Any:
        found = deletion.restorable(self.archive, self._selection(), CHARSET)
        return sorted(deletion.restore(self.archive, found, CHARSET))

    def purge(self) -> Any:
        kept = list(deletion.all_superseded(self.archive))
        return len(list(deletion.purge(kept, self.archive)))

    def pin(self) -> Any:
        do = self.chance.choice((pins.pin, pins.unpin))
        do(self.archive.journal, self._study())

    def commit(self) -> Any:
        asked = Commitment(f"9.{self.chance.randrange(5)}", "A", ((CT, "3.1"),), 0)
        made = commitments.request(self.archive.journal, asked)
        if self.chance.random() < 0.5:
            commitments.reported(self.archive.journal, made, "reported")
        return made.duplicate

    def correct(self) -> Any:
        study, text = self._study(), f"{self.chance.randrange(9)}"
        level = self.chance.choice((Level.PATIENT, Level.STUDY, Level.IMAGE))
        key = f"{study}.0.0" if level is Level.IMAGE else study
        values = {"InstanceNumber": text} if level is Level.IMAGE else {"PatientName": text}
        files = self.archive.tree
        return correction.correct(files, (level, key), values, user="u", before={}).number

    def undo(self) -> Any:
        last = in_force(self.archive.tree.data).last_number
        number = self.chance.randrange(1, last + 2)
        correction.undo(self.archive.tree, number, "u")

    def _study(self) -> str:
        return f"1.{self.chance.randrange(1, STUDIES + 1)}"

    def _selection(self) -> Selection:
        return Selection(Level.STUDY, self._study())


def told(archive: Archive) -> dict[str, Any]:
    """What an archive tells of all, but for times and keys."""
    instances, faults = [], []
    for study in range(1, STUDIES + 1):
        for one in archive.locate_below(f"1.{study}"):
            chain = pages.chain(archive.index, one.uids)
            assert chain
            instances.append((one.uids, one.digest, one.file_bytes, one.charset,
                              chain[0].values["PatientName"],
                              chain[-1].values["InstanceNumber"]))  # fmt: skip
            faults += filter(None, [fault_of(archive.tree, one)])
    counted = statistics(archive)
    return {
        "instances": sorted(instances), "faults": faults, "names": names_found(archive),
        "pinned": sorted(pinned(archive.journal)),
        "kept": sorted((one.uids, one.bytes > 0) for one in deletion.all_superseded(archive)),
        "unfinished": sorted(one.transaction_uid
                             for one in commitments.unfinished(archive.journal, lambda _: True)),
        "statistics": (counted.entities, counted.bytes, counted.by_modality, {
            name: (share.instances, share.bytes) for name, share in counted.by_sender.items()
        }),
        "check": [fault.kind.code for fault in check(archive, CHARSET)],
    }  # fmt: skip


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(n, marks=pytest.mark.long) for n in range(2, 6))]
)
def test_what_is_done_by_chance_has_the_same_outcome(
    in_folder: Archive, new_node: NewNode, seed: int
) -> None:
    alone = Doer([in_folder], seed)
    shared = Doer([new_node(), new_node()], seed)
    for number in range(1, 41):
        assert alone.step() == shared.step()
        if number % 20 == 0:
            expected = told(in_folder)
            assert [told(one) for one in shared.archives] == [expected, expected]

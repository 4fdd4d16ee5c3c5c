"""Whatever was done, the index is the one that a rebuild would make, and each answer is the same.

Sequences of operations by chance, on few patients, studies and series that contradict each other
as much as they can.
"""

import os
import random
import shutil
import threading
import traceback
from collections.abc import Callable
from contextlib import closing, suppress
from copy import copy
from pathlib import Path
from typing import Any

import pytest
from support import CT, EXPLICIT, ct, encoded, identifier

from storage import Archive, Level, Query, Received, Root
from storage.archive import archive as archive_module
from storage.archive.batch import store_all
from storage.archive.finding import added_keys, key_filling
from storage.archive.finding.key_values import KeyValues
from storage.diagnostics.errors import ArchiveError, ResourceError
from storage.index import corrected_rows
from storage.index.engines.sqlite.database import connect, index_path
from storage.index.tables import SHARED, TABLES, Index, build, column_names, signature
from storage.journal import FolderJournal
from storage.journal.corrections.in_effect import in_force
from storage.maintenance.changes import deletion, retention
from storage.maintenance.changes.correctable import UncorrectableError
from storage.maintenance.changes.correction import correct, undo
from storage.maintenance.changes.retention import Rules
from storage.maintenance.changes.selections import Selection, selected
from storage.maintenance.check.checking import check
from storage.maintenance.check.faults import FaultKind
from storage.maintenance.recovery import filling
from storage.maintenance.recovery.filling import Filling
from storage.maintenance.recovery.headers import Readers
from storage.maintenance.recovery.replay import catch_up
from storage.maintenance.recovery.startup import new_index

CHARSET = "ISO_IR 100"
STUDIES, SERIES, INSTANCES = ("1.1", "1.2", "1.3"), ("2.1", "2.2"), ("3.1", "3.2", "3.3")
# What instances say: each value is one of few, the empty one among them.
SAID: dict[str, tuple[str, ...]] = {
    "PatientID": ("P1", "P1", "P2", ""),
    "IssuerOfPatientID": ("", "", "HOSPITAL"),
    "PatientName": ("Right^Name", "Wrong^Person", "Émile^Zola=Z", ""),
    "PatientSex": ("F", "M", ""),
    "PatientBirthDate": ("19700101", "19700101\\19710101", ""),
    "StudyDescription": ("HEAD", "THORAX", ""),
    "StudyDate": ("20240101", "20250202", ""),
    "AccessionNumber": ("A1", "A2", ""),
    "Modality": ("CT", "MR"),
    "SeriesDescription": ("axial", "coronal", ""),
    "StationName": ("ONE", "TWO", ""),
    "InstitutionAddress": ("Here", "There", ""),  # no column of the index: from a header
}
# What a correction of each level may give another value.
CORRECTED = {
    Level.PATIENT: {
        "PatientName": "Corrected^Patient", "PatientSex": "O", "PatientComments": "c",
        "PatientID": "P2", "IssuerOfPatientID": "CLINIC", "InstanceNumber": "78",
    },
    Level.STUDY: {
        "PatientName": "Corrected^Study", "PatientID": "P2", "PatientSex": "",
        "StudyDescription": "CORRECTED", "StationName": "ALL", "InstanceNumber": "79",
    },
    Level.SERIES: {"SeriesDescription": "corrected", "Modality": "PT"},
    Level.IMAGE: {"InstanceNumber": "77"},
}  # fmt: skip
KEYS = {
    "PATIENT": ("NumberOfPatientRelatedStudies", "NumberOfPatientRelatedInstances"),
    "STUDY": ("StudyInstanceUID", "ModalitiesInStudy", "NumberOfStudyRelatedInstances"),
    "SERIES": ("StudyInstanceUID", "SeriesInstanceUID", "NumberOfSeriesRelatedInstances"),
    "IMAGE": ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "InstanceNumber"),
}
# Both say that people disagree, which the sequences make them do.
TRUE_FAULTS = {FaultKind.UIDS_DISAGREE, FaultKind.PATIENTS_DISAGREE}


class Operations:
    """One archive, and what may be done to it; each operation picks its objects by chance."""

    def __init__(self, data: Path, chance: random.Random) -> None:
        self.data, self.chance = data, chance
        if not data.exists():
            # As `prepare` does it, but for the claim, which would last as long as this process.
            for folder in ("tree", "incoming", "superseded"):
                (data / folder).mkdir(parents=True)
            FolderJournal(data, sync=False).prepare()
            new_index(index_path(data), is_whole=True)
        self.archive = Archive(data, sync=False)
        self.done: list[str] = []
        # Instances of one series mostly say the same.
        choose = chance.choice
        self.said = [{keyword: choose(texts) for keyword, texts in SAID.items()} for _ in range(3)]

    def step(self) -> None:
        """One operation."""
        operation = self.chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        self.done.append(operation.__name__)
        operation(self)

    def instance(self) -> Received:
        choose = self.chance.choice
        said = dict(choose(self.said))
        if self.chance.random() < 0.5:
            keyword = choose(list(SAID))
            said[keyword] = choose(SAID[keyword])
        uids = choose(STUDIES), choose(SERIES), choose(INSTANCES)
        data_set = encoded(ct(*uids, **said, SpecificCharacterSet="ISO_IR 192"))
        return Received(CT, uids[2], EXPLICIT, data_set, CHARSET, "SCANNER")

    def store(self) -> None:
        self.archive.store(self.instance())

    def store_again(self) -> None:
        """The same content once more, of one that is held."""
        if path := self._file():
            data_set = path.read_bytes().partition(b"DICM")[2]
            length = int.from_bytes(data_set[8:12], "little") + 12
            given = Received(CT, path.stem, EXPLICIT, data_set[length:], CHARSET)
            self.archive.store(given)

    def store_some(self) -> None:
        """Many at once, as `import` does."""
        given = []
        for one in (self.instance() for _ in range(self.chance.randint(2, 5))):
            intake = self.archive.receive(CT, one.sop_instance_uid, EXPLICIT)
            intake.write(one.data_set)
            given.append((Received(CT, one.sop_instance_uid, EXPLICIT, intake, CHARSET), intake))
        store_all(self.archive, given)
        for _, intake in given:
            intake.discard()

    def store_without_row(self) -> None:
        """A kill between the file and its row; then a start, or the sender comes again."""
        given = self.instance()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(archive_module, "record", _killed)
            patch.setattr(self.archive.tree, "withdraw", lambda *given: None)
            patch.setattr(self.archive.withdrawals, "defer", lambda *given: None)
            with suppress(ResourceError):
                self.archive.store(given)
        if self.chance.random() < 0.5:
            self.archive.store(given)
        else:
            catch_up(self.data, CHARSET)

    def delete(self) -> None:
        list(deletion.delete(self.archive, selected(self.archive, self._selection())))

    def delete_without_row(self) -> None:
        """A kill between the file's way to superseded/ and the end of its row."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(deletion, "forget", _killed)
            with suppress(ResourceError):
                self.delete()
        catch_up(self.data, CHARSET)

    def restore(self) -> None:
        found = deletion.restorable(self.archive, self._selection(), CHARSET)
        list(deletion.restore(self.archive, found, CHARSET))

    def purge(self) -> None:
        list(deletion.purge(list(deletion.all_superseded(self.archive)), self.archive))

    def retain(self) -> None:
        rules = Rules(studies=self.chance.randint(1, 2))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(retention, "_ARRIVING_SECONDS", -1.0)
            found = retention.plan(self.archive, rules)
        for one in found.studies:
            list(retention.retain(self.archive, one, found.end, CHARSET))

    def correct(self) -> None:
        selection = self._selection()
        keyword = self.chance.choice(list(CORRECTED[selection.level]))
        entity = selection.level, selection.uid
        values = {keyword: CORRECTED[selection.level][keyword]}
        if selection.uid:
            self._take_small_steps()
            correct(self.archive.tree, entity, values, user="me", before={})

    def _take_small_steps(self) -> None:
        """Or one that does it all."""
        corrected_rows._MANY = self.chance.choice((1, 2, 200))
        corrected_rows._STEP_SECONDS = self.chance.choice((0.0, 60.0))

    def merge(self) -> None:
        self._take_small_steps()
        into = {"PatientID": "P2", "IssuerOfPatientID": "", "PatientName": "Merged^Person"}
        entity = Level.PATIENT, "P1"
        correct(self.archive.tree, entity, into, user="me", before={}, merge=True)

    def undo(self) -> None:
        made = [one.number for one in in_force(self.data).all.values() if not one.undone]
        if made:
            self._take_small_steps()
            undo(self.archive.tree, self.chance.choice(made), "me")

    def choose_key(self) -> None:
        """Have the index hold what it has no column for, or no more; filled in now, or later."""
        keys, journal = added_keys.decided(self.archive.journal), self.archive.journal
        (added_keys.remove if keys else added_keys.add)(journal, "InstitutionAddress")
        added_keys.bring_up(self.archive.index, journal)
        if self.chance.random() < 0.5:
            added_keys._known.clear()  # else stores learn of it in a second
        if self.chance.random() < 0.5:
            key_filling.fill(self.data, lambda done, of: None)

    def _selection(self) -> Selection:
        choose = self.chance.choice
        return Selection(*choose((
            (Level.PATIENT, choose(("P1", "P2"))), (Level.STUDY, choose(STUDIES)),
            (Level.SERIES, choose(SERIES)), (Level.IMAGE, choose(INSTANCES)),
        )))  # fmt: skip

    def _file(self) -> Path | None:
        found = sorted(self.archive.tree.walk())
        return self.chance.choice(found) if found else None


_WEIGHTS: dict[Callable[[Operations], None], int] = {
    Operations.store: 12, Operations.store_again: 2, Operations.store_some: 2,
    Operations.store_without_row: 1, Operations.delete: 3, Operations.delete_without_row: 1,
    Operations.restore: 2, Operations.purge: 1, Operations.retain: 1, Operations.correct: 3,
    Operations.merge: 1, Operations.undo: 2, Operations.choose_key: 2,
}  # fmt: skip


def _killed(*given: Any) -> None:
    raise ResourceError("killed here")


def rebuilt(operations: Operations, path: Path, by_lines: bool) -> Index:
    """The index that a rebuild makes, at `path`: of the whole journal at once, or line by line."""
    index = build(connect(path, sync=False))
    with (
        pytest.MonkeyPatch.context() as patch,
        index.database.connection_context(),
        index.database.atomic(),
    ):
        if by_lines:
            patch.setattr(filling, "_PIECE_BYTES", 1)
        index.create()
        tree, told = operations.archive.tree, lambda done, of: None
        index.engine.making.begin(signature(), CHARSET)
        Filling(tree, index, CHARSET, Readers(None), told).fill()
    return index


def rows(index: Index) -> dict[str, list[tuple[Any, ...]]]:
    """All that an index holds; rows are named by the UIDs and identities above them."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    place: list[str] = []
    for level in Level:
        table = TABLES[level]
        names = [name for name in column_names(level) if name != "shared_id"]
        place += {
            Level.PATIENT: ["patient.PatientID", "patient.IssuerOfPatientID", "patient.of_study"],
            Level.STUDY: ["study.StudyInstanceUID"],
            Level.SERIES: ["series.SeriesInstanceUID"],
            Level.IMAGE: [],
        }[level]
        joins = " ".join(
            f"JOIN {above} ON {TABLES[Level(n)]}.parent_id = {above}.id"
            for n in range(level, 0, -1)
            for above in (TABLES[Level(n - 1)],)
        )
        columns = ", ".join([*place, *(f"{table}.{name}" for name in names)])
        found[table] = _sorted(index, f"SELECT {columns} FROM {table} {joins}")
        if level in (Level.PATIENT, Level.STUDY):
            parts = f"SELECT {', '.join(place)}, part FROM {table} {joins} JOIN name_part "
            parts += f"ON name_part.level = {int(level)} AND name_part.entity = {table}.id"
            found[f"parts of {table}"] = _sorted(index, parts)
    shared = ", ".join(f"shared_header.{name}" for name in (*SHARED.values(), "corrected", "came"))
    found["shared"] = _sorted(
        index, f"SELECT SeriesInstanceUID, SOPInstanceUID, {shared} FROM shared_header "
        "LEFT JOIN instance ON instance.shared_id = shared_header.id "
        "LEFT JOIN series ON series.id = instance.parent_id",
    )  # fmt: skip
    found["parts"] = _sorted(index, "SELECT COUNT(*) FROM name_part")
    last = _sorted(index, "SELECT study, arrived FROM study_arrival")
    assert last == _sorted(
        index, "SELECT series.parent_id, MAX(arrived) FROM instance "
        "JOIN series ON series.id = instance.parent_id GROUP BY series.parent_id",
    )  # fmt: skip
    found["arrivals"] = _sorted(
        index, "SELECT StudyInstanceUID, PatientID, IssuerOfPatientID, of_study, arrived FROM "
        "study_arrival LEFT JOIN study ON study.id = study LEFT JOIN patient "
        "ON patient.id = study.parent_id",
    )  # fmt: skip
    return found


def _sorted(index: Index, statement: str) -> list[tuple[Any, ...]]:
    return sorted(index.database.execute_sql(statement).fetchall(), key=repr)


def answers(archive: Archive, address: str = "") -> dict[str, list[str]]:
    """Every answer at every level, with all that is known of the entities."""
    found = {}
    for level, keys in KEYS.items():
        asked = identifier(level, **dict.fromkeys([*keys, *SAID, "PatientComments"], ""))
        asked.InstitutionAddress = address
        query = Query.read(Root.PATIENT, encoded(asked), EXPLICIT, CHARSET)
        found[level] = sorted(repr(one) for one in archive.find(query, CHARSET))
    return found


def run_sequence(folder: Path, seed: int, steps: int = 14) -> None:
    """Do something by chance, and hold what comes of it to a rebuild."""
    operations = Operations(folder / "data", random.Random(seed))
    archive = operations.archive
    with closing(archive.journal):
        try:
            for _ in range(steps):
                operations.step()
            _compare(operations, folder, seed)
            _compare_with_headers(operations, seed)
            _check(operations, seed)
        finally:
            archive.index.database.close_all()
    shutil.rmtree(folder)


def _compare(operations: Operations, folder: Path, seed: int) -> None:
    archive, told = operations.archive, f"seed {seed}: {operations.done}"
    fresh = rebuilt(operations, folder / "rebuilt.sqlite", by_lines=seed % 2 == 0)
    with fresh.database.connection_context():
        held, wanted = rows(archive.index), rows(fresh)
        for name in wanted:
            assert held[name] == wanted[name], f"{name}, {told}"
        before = answers(archive)
        live, archive.index = archive.index, fresh
        try:
            fresh.database.pragma("user_version", 1)
            assert before == answers(archive), told
        finally:
            archive.index = live


def _compare_with_headers(operations: Operations, seed: int) -> None:
    """Of the key that the index may hold; of one that is removed nothing is left in the end."""
    addresses = ("Here", "?here")
    held = [answers(operations.archive, address) for address in addresses]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KeyValues, "tags", frozenset())
        wanted = [answers(operations.archive, address) for address in addresses]
    assert held == wanted, f"seed {seed}: {operations.done}"
    key_filling.fill(operations.data, lambda done, of: None)
    assert held[0] == answers(operations.archive, addresses[0])
    assert not key_filling.is_due(operations.data)


def _check(operations: Operations, seed: int) -> None:
    found = [one for one in check(operations.archive, CHARSET) if one.kind not in TRUE_FAULTS]
    assert found == [], f"seed {seed}: {operations.done}"


_AT_A_TIME = 10
# More of the same: one that fails is tried alone by its seed.
_LATER = [pytest.param(first, marks=pytest.mark.long) for first in range(20, 300, _AT_A_TIME)]


@pytest.mark.parametrize("first", [*range(0, 20, _AT_A_TIME), *_LATER])
def test_the_index_is_as_rebuilt_after_any_sequence(first: int, tmp_path: Path) -> None:
    for seed in range(first, first + _AT_A_TIME):
        run_sequence(tmp_path / str(seed), seed)


# Those that change nothing but the archive: the others change this module for a moment.
_AT_ONCE = (*[Operations.store] * 6, Operations.store_some, Operations.delete, Operations.correct,
            Operations.merge, Operations.undo)  # fmt: skip


def _run_at_once(data: Path, seed: int) -> None:
    """Some threads, each with a sequence of its own, on one archive."""
    shared, failed = Operations(data, random.Random(seed)), []

    def run(thread: int) -> None:
        operations = copy(shared)
        operations.chance = random.Random(seed * 10 + thread)
        try:
            for _ in range(8):
                # What another has deleted or corrected meanwhile, and the like.
                with suppress(ArchiveError, UncorrectableError):
                    operations.chance.choice(_AT_ONCE)(operations)
        except BaseException as error:
            failed.append(error)
        finally:
            shared.archive.close_thread()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not failed, failed


def test_the_index_is_as_rebuilt_after_processes_and_threads_at_once(tmp_path: Path) -> None:
    for seed in range(3):
        folder = tmp_path / str(seed)
        operations = Operations(folder / "data", random.Random(seed))
        operations.archive.index.database.close_all()
        children = []
        for number in range(2):
            children.append(os.fork())
            if not children[-1]:
                try:
                    _run_at_once(folder / "data", 2 * seed + number)
                    os._exit(0)
                finally:
                    traceback.print_exc()
                    os._exit(1)
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
        with closing(operations.archive.journal):
            _compare(operations, folder, seed)
            _check(operations, seed)
            operations.archive.index.database.close_all()


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 11000, 500))
def test_the_index_is_as_rebuilt_after_thousands_of_sequences(first: int, tmp_path: Path) -> None:
    for seed in range(first, first + 500):
        run_sequence(tmp_path / str(seed), seed, steps=21)

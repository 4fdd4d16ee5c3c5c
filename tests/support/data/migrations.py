"""An archive that has all that may be in one, and is brought elsewhere."""

from pathlib import Path

from storage import Archive, Level
from storage.journal import Commitment, commitments, pins
from storage.maintenance.changes import Selection, correction, deletion, selected
from storage.maintenance.migration import Migrated, migrate, prepared_target
from support.data.shared_archives import CHARSET, received


class Silent:
    """Is told, and does nothing of it."""

    def begin(self, what: str, total: int, unit: str) -> None:
        pass

    def advance(self, count: int) -> None:
        pass


def brought(source: Archive, to: Path, *servers: str) -> Migrated:
    with prepared_target(to, sync=False) as target:
        return migrate(source, target, CHARSET, Silent(), lambda: list(servers))


def begun(data: Path) -> Archive:
    """An archive in a folder, which no node has."""
    with prepared_target(data, sync=False):
        return Archive(data, sync=False)


def uids(study: int, instance: int = 1) -> tuple[str, str, str]:
    return f"1.{study}", f"1.{study}.1", f"1.{study}.1.{instance}"


def live(archive: Archive) -> None:
    """Have in an archive all that may be in one."""
    for study in (1, 2, 3, 4):
        for instance in (1, 2):
            archive.store(received(f"Name^{study}", uids(study, instance), PatientID=f"P{study}"))
    archive.store(received("Again^1", uids(1), PatientID="P1"))
    delete(archive, 2)
    delete(archive, 3)
    restore(archive, 3)
    for values in ({"PatientName": "Right^1"}, {"PatientName": "Wrong^1"}):
        correction.correct(archive.tree, (Level.STUDY, "1.1"), values, user="u", before={})
    correction.undo(archive.tree, 2, "u")
    pins.pin(archive.journal, "1.4")
    commitments.request(archive.journal, Commitment("9.1", "A", (("1.2", "3.4"),), 0))
    archive.journal.append("deidentification", secret="00" * 32)


def delete(archive: Archive, study: int) -> None:
    found = selected(archive, Selection(Level.STUDY, f"1.{study}"))
    assert list(deletion.delete(archive, found))


def restore(archive: Archive, study: int) -> None:
    found = deletion.restorable(archive, Selection(Level.STUDY, f"1.{study}"), CHARSET)
    assert list(deletion.restore(archive, found, CHARSET))

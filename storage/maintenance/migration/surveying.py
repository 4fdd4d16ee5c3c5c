"""What a migration would bring, told without a look into a file; nothing is made or written."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from storage.archive import Archive
from storage.index import facts_of_study, index_path, studies
from storage.maintenance.migration.carried_entries import entries_that_differ
from storage.maintenance.migration.carried_lines import CarriedLines, sizes
from storage.maintenance.migration.migrating import Brought, MigrationProgress, displaced
from storage.outbox import copying, database
from storage.sharing.own_folder import require_own
from storage.sharing.place import shared_place
from storage.sharing.preparing import is_made

_QUEUE_SECONDS = 600.0


@dataclass
class Survey(Brought):
    """What would be done, as of this moment; `lines` are those to come."""

    notes: list[str] = field(default_factory=list)
    served: list[str] = field(default_factory=list)


def survey(
    source: Archive, data: Path, charset: str, progress: MigrationProgress, served: list[str],
    worklist: Path | None = None,
) -> Survey:  # fmt: skip
    """What `migrate` would bring to the archive of the folder `data`, which need not be there.

    `served`: who serves the source. Raises FolderError where it may not be filled from this one,
    ResourceError.
    """
    there = _archive_at(data)
    done = Survey(served=served)
    ends = sizes(source)
    # Where there is none it lacks all that the source has.
    lines = CarriedLines(source, there or source, _nothing)
    if there:
        lines.begin(ends)
    done.lines = lines.to_come(ends)
    progress.begin("comparing instances", 0, "instances")
    for study in sorted({*studies(source.index), *(studies(there.index) if there else ())}):
        _compare(source, there, study, done)
        progress.advance(1)
    held = displaced(source)
    kept = displaced(there) if there else {}
    done.superseded = sum(
        len(files) for key, files in held.items() if len(files) != len(kept.get(key, ()))
    )
    journal = there.journal if there else None
    told, done.notes = entries_that_differ(source, worklist, charset, journal)
    done.entries = len(told)
    with database.beside(source.tree.data, _QUEUE_SECONDS) as queue:
        done.queued = copying.items_in(queue) if queue else 0
    return done


def _archive_at(data: Path) -> Archive | None:
    """An archive that is there, or None. Raises FolderError, ResourceError."""
    if shared_place(data):
        return Archive(data) if is_made(data) else None
    require_own(data)
    return Archive(data) if index_path(data).exists() else None


def _compare(source: Archive, there: Archive | None, study: str, done: Survey) -> None:
    held = facts_of_study(source.index, study)
    other = facts_of_study(there.index, study) if there else {}
    for uids, facts in held.items():
        is_same = other.get(uids) == facts
        done.unchanged += is_same
        done.copied += not is_same
        done.bytes += 0 if is_same else facts.file_bytes
    done.removed += sum(uids not in held for uids in other)


def _nothing(name: str, texts: Sequence[bytes]) -> None:
    """What is to come is counted alone."""

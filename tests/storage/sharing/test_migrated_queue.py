"""What goes along beside the archive: the forwarding queue, and entries of the worklist."""

import json
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest
from support.data.migrations import Silent, brought, live, uids
from support.data.shared_archives import CHARSET, received

from storage import Archive
from storage.diagnostics import FolderError
from storage.index import Location
from storage.journal import ENTRIES, RECEIPTS, in_journal
from storage.maintenance.migration import Migrated, migrate, prepared_target, survey
from storage.outbox import Outbox, Wanted, copying, database, position_beside
from storage.sharing.preparing import is_made
from storage.worklist import EVER, Rules, Worklist, line_put
from storage.worklist.entries import completed, from_values

ORDER = {
    "PatientName": "DOE^JANE", "PatientID": "4711", "Modality": "CT",
    "ScheduledStationAETitle": "CT01", "ScheduledProcedureStepStartDate": "20261129",
}  # fmt: skip


def forward(archive: Archive, followed: int = 2) -> None:
    """Have a queue that has followed all but the last receipts, with all that may be in one."""
    data, journal = archive.tree.data, archive.journal
    database.prepare(data, sync=False)
    ends = [line.end for line in journal.lines(RECEIPTS)]
    end = ends[-1 - followed]
    with closing(Outbox(data, sync=False)) as outbox:
        located = [
            Location(uids(study), "1.2.840", "1.2.840.10008.1.2.1", 10, "00ff", "", "")
            for study in (1, 3, 4)
        ]
        outbox.take([Wanted(one, {"WARD": None, "PACS": 30.5}) for one in located],
                    {"1.1"}, end, journal.tail(RECEIPTS, end))  # fmt: skip
        with outbox.writing() as db:
            db.execute("INSERT INTO done VALUES ('PACS', ?, ?)", (b"\x00\x01", b"\xff"))
            db.execute("INSERT INTO request VALUES ('2.25.1', 'PACS', 1795.25, 0)")
            db.execute("UPDATE item SET state = 'failed', words = 'Müll', attempts = 5 "
                       "WHERE destination = 'WARD' AND study = '1.3'")  # fmt: skip


def queue_of(archive: Archive) -> str:
    with database.beside(archive.tree.data, 60) as db:
        return copying.digest_of(db) if db else ""


def to_follow(archive: Archive) -> list[object]:
    """The receipts that its queue has not followed yet."""
    position = position_beside(archive.tree.data)
    assert position is not None
    end = archive.journal.size(RECEIPTS)
    return [uids for uids, _ in in_journal(archive.journal, position, end)]


def at(data: Path) -> Archive:
    return Archive(data, sync=False)


@pytest.mark.parametrize("followed", [0, 2])
def test_the_queue_goes_along_there_and_back(
    source: Archive, shared: Path, folder: Path, followed: int
) -> None:
    live(source)
    forward(source, followed)
    left = to_follow(source)
    assert len(left) == followed
    first = brought(source, shared)
    assert (first.is_complete, first.queued) == (True, 6), first
    assert queue_of(at(shared)) == queue_of(source)
    assert to_follow(at(shared)) == left
    back = brought(at(shared), folder)
    assert (back.is_complete, back.queued) == (True, 6), back
    assert queue_of(at(folder)) == queue_of(source)
    assert to_follow(at(folder)) == left


def test_while_a_node_serves_the_queue_stays_and_the_last_run_brings_it(
    source: Archive, to: Path
) -> None:
    live(source)
    forward(source)
    assert brought(source, to, "the node").queued == 0
    assert queue_of(at(to)) == ""
    with closing(Outbox(source.tree.data, sync=False)) as outbox:
        (item, *_) = outbox.due("WARD", 1)
        outbox.sent("WARD", item, to_be_committed=True)
    assert brought(source, to).is_complete
    assert queue_of(at(to)) == queue_of(source)


def test_a_queue_that_nodes_have_used_is_not_put_back(source: Archive, to: Path) -> None:
    live(source)
    forward(source)
    assert brought(source, to).is_complete
    with closing(Outbox(to, sync=False)) as outbox:
        (item, *_) = outbox.due("WARD", 1)
        outbox.sent("WARD", item, to_be_committed=False)
    used = queue_of(at(to))
    with pytest.raises(FolderError, match="queue of its archive was used by itself"):
        brought(source, to)
    assert queue_of(at(to)) == used


class CutOffError(Exception):
    """A run ends here."""


def test_a_run_that_was_cut_off_at_the_queue_is_gone_on_with(
    source: Archive, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(source)
    forward(source)

    def cut_off(*_: object) -> None:
        raise CutOffError

    at_commit = "storage.maintenance.migration.carried_lines.CarriedLines.tell_queues"
    behind = "storage.maintenance.migration.migrating.differences"
    for place in (at_commit, behind):
        with monkeypatch.context() as patched:
            patched.setattr(place, cut_off)
            with pytest.raises(CutOffError):
                brought(source, to)
        with closing(Outbox(source.tree.data, sync=False)) as outbox:
            (item, *_) = outbox.due("WARD", 1)
            outbox.drop(item)
    assert brought(source, to).is_complete
    assert queue_of(at(to)) == queue_of(source)


def test_a_dry_run_tells_what_a_run_does_and_makes_nothing(
    source: Archive, shared: Path, folder: Path
) -> None:
    live(source)
    forward(source)
    entry_file(source, "A1")
    before = lying(source)
    for data in (shared, folder):
        told = looked(source, data)
        assert not data.exists()
        done = run(source, data)
        names = ("copied", "removed", "superseded", "lines", "entries", "queued", "bytes")
        assert {name: told[name] for name in names} == {name: done[name] for name in names}
        again = looked(source, data)
        assert [again[name] for name in names if name != "queued"] == [0] * 6
        assert again["unchanged"] == told["copied"]
    assert lying(source) == before
    assert is_made(shared)
    source.store(received("More", uids(9)))
    assert [looked(source, data)["copied"] for data in (shared, folder)] == [1, 1]


def lying(archive: Archive) -> list[Path]:
    """The files of an archive, but for those that SQLite has while it reads."""
    return sorted(
        path for path in archive.tree.data.rglob("*") if not path.name.endswith(("-shm", "-wal"))
    )


def looked(source: Archive, data: Path) -> dict[str, object]:
    worklist = source.tree.data / "worklist"
    return asdict(survey(source, data, CHARSET, Silent(), [], worklist))


def run(source: Archive, data: Path) -> dict[str, object]:
    return asdict(with_entries(source, data))


def with_entries(source: Archive, data: Path) -> Migrated:
    with prepared_target(data, sync=False) as target:
        worklist = source.tree.data / "worklist"
        return migrate(source, target, CHARSET, Silent(), list, worklist)


def entry_file(archive: Archive, accession: str, **values: str) -> Path:
    path = archive.tree.data / "worklist" / f"{accession}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(ORDER | {"AccessionNumber": accession} | values))
    return path


def entries(data: Path, scratch: Path) -> list[tuple[str, str]]:
    """Accession Number and station of each entry that an archive tells of, without a folder."""
    worklist = Worklist(scratch, at(data).journal, None)
    try:
        known = worklist.known(EVER, Rules())
        return sorted((one.entry.accession, "\\".join(one.entry.stations)) for one in known)
    finally:
        worklist.close()


def test_entries_of_a_folder_are_lines_there_and_back(
    source: Archive, shared: Path, folder: Path, tmp_path: Path
) -> None:
    live(source)
    gone = entry_file(source, "A1")
    entry_file(source, "A2")
    entry_file(source, "A3", PatientID="")
    (scratch := tmp_path / "scratch").mkdir()
    first = with_entries(source, shared)
    assert first.is_complete, first
    assert "worklist: A3.json is not taken" in first.notes[0]
    assert entries(shared, scratch) == [("A1", "CT01"), ("A2", "CT01")]
    gone.unlink()
    entry_file(source, "A2", ScheduledStationAETitle="CT02")
    assert with_entries(source, shared).entries == 2
    assert entries(shared, scratch) == [("A2", "CT02")]
    assert with_entries(at(shared), folder).is_complete
    (other := tmp_path / "other").mkdir()
    assert entries(folder, other) == [("A2", "CT02")]


def test_a_worklist_that_nodes_have_used_is_not_put_back(source: Archive, to: Path) -> None:
    live(source)
    entry_file(source, "A1")
    assert with_entries(source, to).is_complete
    journal = at(to).journal
    (entry,) = completed(
        from_values(ORDER | {"AccessionNumber": "B1"}), journal.make_identity(), ""
    )
    journal.append(ENTRIES, **line_put(entry))
    with pytest.raises(FolderError, match="worklist of its archive was used by itself"):
        with_entries(source, to)

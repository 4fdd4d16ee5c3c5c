"""The catalogue of the journal: what it tells is what the lines tell, whatever became of it."""

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from storage import Archive, prepare
from storage.archive import commitments
from storage.diagnostics.errors import ResourceError
from storage.journal import COMMITMENTS, PINS, RECEIPTS, FolderJournal, pins, receipt_catalogue
from storage.journal import commitments as commitment_lines
from storage.journal.commitments import Commitment
from storage.journal.receipts import in_journal

CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture
def archive(tmp_path: Path, place_archive: Callable[[Path], None]) -> Iterator[Archive]:
    place_archive(tmp_path / "data")
    prepare(tmp_path / "data", sync=False, charset="")
    made = Archive(tmp_path / "data", sync=False)
    yield made
    made.close_thread()


def asked(number: int, worker: int = 0, peer: str = "CT1") -> Commitment:
    return Commitment(f"1.2.{number}", peer, ((CT, f"1.3.{number}"),), worker)


def test_a_transaction_that_comes_twice_is_a_duplicate_for_its_peer_alone(
    archive: Archive,
) -> None:
    for number in range(3):
        assert not commitments.request(archive, asked(number)).duplicate
    assert commitments.request(archive, asked(1)).duplicate
    assert not commitments.request(archive, asked(1, peer="CT2")).duplicate


def test_what_has_not_ended_is_found_by_worker(archive: Archive) -> None:
    made = [commitments.request(archive, asked(number, worker=number % 3)) for number in range(9)]
    for one in made[:6]:
        commitment_lines.reported(archive.journal, one, "told")
    assert commitment_lines.unfinished(archive.journal, lambda worker: worker == 1) == [made[7]]
    assert [commitment_lines.has_ended(archive.journal, one) for one in made] == [
        True, True, True, True, True, True, False, False, False,
    ]  # fmt: skip


@pytest.mark.of_folder
def test_no_request_reads_what_was_read_before(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    commitments.request(archive, asked(0))
    commitments.request(archive, asked(1))
    read: list[int] = []
    lines = FolderJournal.lines
    monkeypatch.setattr(
        FolderJournal, "lines", lambda self, *given: read.append(given[1]) or lines(self, *given)
    )
    monkeypatch.delattr(FolderJournal, "read")
    size = archive.journal.size(COMMITMENTS)
    commitments.request(archive, asked(2))
    assert 0 < min(read) < size


def removed(path: Path) -> None:
    for one in path.parent.glob("catalogue*"):
        one.unlink()


def damaged(path: Path) -> None:
    removed(path)
    path.write_bytes(b"garbage" * 1000)


def of_later(path: Path) -> None:
    import sqlite3

    removed(path)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize("harm", [removed, damaged, of_later])
def test_it_is_made_anew(archive: Archive, harm: Callable[[Path], None]) -> None:
    made = [commitments.request(archive, asked(number)) for number in range(3)]
    pins.pin(archive.journal, "1.1")
    assert list(pins.pinned(archive.journal)) == ["1.1"]
    harm(archive.journal.folder / "catalogue.sqlite")
    assert list(pins.pinned(archive.journal)) == ["1.1"]
    assert commitment_lines.unfinished(archive.journal, lambda worker: True) == made
    assert commitments.request(archive, asked(1)).duplicate


@pytest.mark.of_folder
def test_lines_of_another_journal_are_forgotten(archive: Archive) -> None:
    for study in ("1.1", "1.2"):
        pins.pin(archive.journal, study)
    assert list(pins.pinned(archive.journal)) == ["1.1", "1.2"]
    path = archive.journal.folder / "pins.jsonl"
    path.write_text(path.read_text().replace('"1.1"', '"1.7"'))
    assert list(pins.pinned(archive.journal)) == ["1.7", "1.2"]


def test_pins_are_told_also_where_it_cannot_be_written(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room is made by rules that ask for them."""
    for study in ("1.1", "1.2", "1.3"):
        pins.pin(archive.journal, study)
    pins.unpin(archive.journal, "1.2")
    pins.pin(archive.journal, "1.1")
    expected = pins.pinned(archive.journal)
    assert list(expected) == ["1.1", "1.3"]
    (archive.journal.folder / "catalogue.sqlite").unlink()
    (archive.journal.folder / "catalogue.sqlite").mkdir()
    assert pins.pinned(archive.journal) == expected


@pytest.mark.of_folder
def test_a_line_in_another_form_tells_the_same(archive: Archive) -> None:
    one = {"worker": 1, "duplicate": False, "references": [[CT, "1.3"]], "peer": "CT1",
           "transaction": "1.2.1", "kind": "requested", "at": ""}  # fmt: skip
    (archive.journal.folder / "commitments.jsonl").write_text(json.dumps(one) + "\n")
    (found,) = commitment_lines.unfinished(archive.journal, lambda worker: worker == 1)
    assert found == Commitment("1.2.1", "CT1", ((CT, "1.3"),), 1)
    assert commitments.request(archive, asked(1)).duplicate


def test_a_request_is_refused_before_the_disk_is_full(archive: Archive) -> None:
    archive.free_bytes = 1 << 62
    with pytest.raises(ResourceError, match="Disk full"):
        commitments.request(archive, asked(1))
    assert archive.journal.size(COMMITMENTS) == archive.journal.size(PINS) == 0


def receive(journal: FolderJournal, study: int, instances: int, at: str = "2026-01-01") -> None:
    """Lines of receipts as a store writes them, all of one time."""
    for number in range(instances):
        uids = (f"1.{study}", f"2.{study}", f"3.{study}.{number}")
        journal.write(
            RECEIPTS, at=f"{at}T00:00:00.000+00:00", uids=uids, syntax=CT, bytes=1, digest="d",
            sender="CT1", charset="",
        )  # fmt: skip


def of_study(journal: FolderJournal, *studies: int) -> set[tuple[str, ...]]:
    """The instances of whose receipts the catalogue knows where they lie."""
    wanted = {f"1.{study}" for study in studies}
    found = receipt_catalogue.stretches(journal, wanted)
    assert all(end <= start for (_, end), (start, _) in pairwise(found))  # none is read twice
    told = [uids for start, end in found for uids, _ in in_journal(journal, start, end)]
    return {uids for uids in told if uids[0] in wanted}


@pytest.mark.of_folder
def test_receipts_of_a_study_are_found_without_a_look_at_all_others(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipt_catalogue, "_BLOCK_BYTES", 4096)
    monkeypatch.setattr("storage.journal.segments.reader.SEGMENT_BYTES", 20_000)
    journal = archive.journal
    for study in range(50):
        receive(journal, study, 5)
    receive(journal, 7, 3)  # again, much later
    journal.append(RECEIPTS, uids=("1.7", "2.7", "3.7.0"), withdrawn=True)
    assert of_study(journal, 7) == {("1.7", "2.7", f"3.7.{number}") for number in range(5)}
    assert len(of_study(journal, 7, 8, 30)) == 15
    read = sum(end - start for start, end in receipt_catalogue.stretches(journal, ["1.30"]))
    assert read < journal.size(RECEIPTS) / 10


@pytest.mark.of_folder
def test_times_of_arrival_are_those_of_all_lines_however_they_were_read(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = archive.journal
    for study, at in enumerate(["2026-01-01", "2026-01-02", "2000-01-01", "2026-01-03"]):
        receive(journal, study, 4, at)
        while receipt_catalogue.keep_near(journal):
            pass
    receive(journal, 0, 1, "2026-01-03")
    clock, found = receipt_catalogue.arrivals(journal)
    monkeypatch.setattr("storage.journal.catalogue._opened", _unable)
    again, wanted = receipt_catalogue.arrivals(journal)
    assert (clock.runs, found) == (again.runs, wanted)
    assert [run.lines for run in clock.runs] == [8, 4, 5]
    assert set(found["1.0"]) == {0, 2}


def _unable(path: Path) -> None:
    raise OSError(28, "No space left on device", str(path))


@pytest.mark.of_folder
def test_where_it_cannot_be_written_all_receipts_are_read(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(archive.journal, 1, 2)
    monkeypatch.setattr("storage.journal.catalogue._opened", _unable)
    assert receipt_catalogue.stretches(archive.journal, ["1.1"]) == [(0, None)]
    assert len(of_study(archive.journal, 1)) == 2


@pytest.mark.of_folder
def test_the_keeper_reads_a_little_at_a_time_and_then_no_more(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipt_catalogue, "_LITTLE_BYTES", 1000)
    receive(archive.journal, 1, 20)
    size = archive.journal.size(RECEIPTS)
    turns = 0
    while receipt_catalogue.keep_near(archive.journal):
        turns += 1
    assert turns > 1
    read: list[int] = []
    lines = FolderJournal.lines
    monkeypatch.setattr(
        FolderJournal, "lines", lambda self, *given: read.append(given[1]) or lines(self, *given)
    )
    receipt_catalogue.stretches(archive.journal, ["1.1"])
    assert all(start >= size - 1 for start in read)

"""What came from whom and when: sums, which say what a reading of all rows and receipts says."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support import CT, EXPLICIT, ct, encoded
from support.checks.histories import CHARSET, History

from storage import Archive, Level, Received, prepare
from storage.archive import statistics
from storage.archive.batch import store_all
from storage.diagnostics import ResourceError
from storage.journal import RECEIPTS, FolderJournal
from storage.maintenance.changes import deletion
from storage.maintenance.changes.correction import correct, undo
from storage.maintenance.changes.selections import Selection, selected
from storage.maintenance.check import check
from storage.maintenance.recovery import rebuild

_ROWS = (
    "SELECT StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID, instance.digest, file_bytes, "
    "Modality FROM instance JOIN series ON series.id = instance.parent_id "
    "JOIN study ON study.id = series.parent_id"
)


def read_all(archive: Archive) -> dict[str, Any]:
    """The same as `sums`, by all rows and all lines of the journal."""
    last: dict[tuple[str, ...], tuple[str, str]] = {}
    for line in archive.journal.read(RECEIPTS):
        if not line.get("withdrawn"):
            at = line.get("received", line["at"])
            last[*line["uids"], line["digest"]] = line["sender"], at
    found: dict[str, Any] = {"senders": {}, "months": {}, "modalities": {}}
    for *key, size, modality in archive.index.engine.execute(_ROWS, ()):
        sender, at = last.get(tuple(key), ("", ""))
        share = found["senders"].setdefault(sender, [0, 0, ""])
        share[2] = max(share[2], at)
        shares = share, found["months"].setdefault(at[:7], [0, 0])
        for one in (*shares, found["modalities"].setdefault(modality, [0, 0])):
            one[0] += 1
            one[1] += size
    return found


def sums(archive: Archive) -> dict[str, Any]:
    told = statistics(archive)
    assert told.entities["instances"] == sum(one.instances for one in told.by_month.values())
    assert told.bytes == sum(one.bytes for one in told.by_sender.values())
    return {
        "senders": {name: list(astuple(one)) for name, one in told.by_sender.items()},
        "months": {name: [one.instances, one.bytes] for name, one in told.by_month.items()},
        "modalities": {
            name: [one["instances"], one["bytes"]] for name, one in told.by_modality.items()
        },
    }


@pytest.mark.parametrize("seed", range(8))
def test_sums_are_what_a_reading_of_all_gives(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was stored, replaced, deleted, restored, withdrawn; and in an index made anew."""
    history = History(tmp_path / "data", seed)
    monkeypatch.setattr("storage.journal.segments.lines.now", history.now)
    archive = history.archive
    months: set[str] = set()
    for number in range(90):
        history.step()
        if number % 5 == 0:
            assert sums(archive) == read_all(archive)
            history.at += 5 * 86400
            months |= sums(archive)["months"].keys()
    assert len(months) > 2
    told = sums(archive)
    rebuild(history.data, CHARSET)
    assert sums(archive) == read_all(archive) == told
    archive.index.database.close_all()
    archive.journal.close()


@pytest.fixture
def archive(tmp_path: Path, place_archive: Callable[[Path], None]) -> Iterator[Archive]:
    """One that holds two studies of two senders, some of it by `import`."""
    place_archive(tmp_path)
    prepare(tmp_path, sync=False, charset=CHARSET)
    made = Archive(tmp_path, sync=False)
    made.store(received("1.1", "3.1", "CT1"))
    made.store(received("1.2", "3.2", "MR2"))
    intake = made.receive(CT, "3.3", EXPLICIT)
    one = received("1.1", "3.3", "DISC")
    intake.write(one.data_set)
    store_all(made, [(Received(CT, "3.3", EXPLICIT, intake, CHARSET, "DISC"), intake)])
    intake.discard()
    yield made
    made.close_thread()
    made.journal.close()


def received(study: str, instance: str, sender: str, words: str = "") -> Received:
    data_set = encoded(ct(study, f"{study}.1", instance, StudyDescription=words))
    return Received(CT, instance, EXPLICIT, data_set, CHARSET, sender)


def held(archive: Archive) -> dict[str, int]:
    assert sums(archive) == read_all(archive)
    return {name: one.instances for name, one in statistics(archive).by_sender.items()}


def test_no_receipt_is_read_for_them(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("read", "lines", "pieces"):
        monkeypatch.setattr(FolderJournal, name, refused)
    told = statistics(archive)
    assert {name: one.instances for name, one in told.by_sender.items()} == {
        "CT1": 1, "MR2": 1, "DISC": 1,
    }  # fmt: skip


def refused(*given: Any, **named: Any) -> Any:
    raise AssertionError("the journal is read")


def test_what_is_restored_counts_in_the_month_in_which_it_came(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, later = sums(archive), datetime.now(UTC) + timedelta(days=70)
    text = later.isoformat(timespec="milliseconds")
    monkeypatch.setattr("storage.journal.segments.lines.now", lambda: text)
    study = Selection(Level.STUDY, "1.1")
    for _ in range(2):
        list(deletion.delete(archive, selected(archive, study)))
        assert held(archive) == {"MR2": 1}
        list(deletion.restore(archive, deletion.restorable(archive, study, CHARSET), CHARSET))
        assert sums(archive) == before
    rebuild(archive.tree.data, CHARSET)
    assert sums(archive) == before


def test_what_is_replaced_counts_for_who_sent_it_last(archive: Archive) -> None:
    archive.store(received("1.1", "3.1", "CT9", "other content"))
    assert held(archive) == {"CT9": 1, "MR2": 1, "DISC": 1}
    archive.store(received("1.1", "3.1", "CT1"))
    assert held(archive) == {"CT1": 1, "MR2": 1, "DISC": 1}


def test_a_correction_changes_no_sum(archive: Archive) -> None:
    before = sums(archive)
    for entity, values in {
        (Level.IMAGE, "3.1"): {"InstanceNumber": "9"},
        (Level.STUDY, "1.2"): {"PatientID": "OTHER"},
        (Level.SERIES, "1.2.1"): {"Modality": "CT"},
    }.items():
        correct(archive.tree, entity, values, user="me", before={})
        told = sums(archive)
        assert (told["senders"], told["months"]) == (before["senders"], before["months"])
    undo(archive.tree, 1, "me")
    assert held(archive) == {"CT1": 1, "MR2": 1, "DISC": 1}


def test_a_store_that_fails_adds_nothing(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Any) -> None:
        raise ResourceError("no space")

    before = sums(archive)
    with monkeypatch.context() as patch:
        patch.setattr("storage.index.writer.entities.leave", full)
        with pytest.raises(ResourceError):
            archive.store(received("1.1", "3.1", "CT9", "other content"))
    assert sums(archive) == before


@pytest.mark.of_folder
def test_what_is_lost_or_of_nobody_is_seen_by_a_repair(archive: Archive) -> None:
    """A file that was removed behind the node's back, and one that was put there."""
    files = archive.tree
    path = next(path for path in files.walk() if path.stem == "3.2")
    shutil.move(path, path.parent / "gone")
    assert list(check(archive, CHARSET, repair=True))
    assert held(archive) == {"CT1": 1, "DISC": 1}
    other = path.with_name("3.9.dcm")
    archive.store(received("1.2", "3.9", "MR2"))
    data = other.read_bytes()
    list(deletion.delete(archive, selected(archive, Selection(Level.IMAGE, "3.9"))))
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_bytes(data.replace(b"DOE^J", b"DOE^K"))
    assert list(check(archive, CHARSET, repair=True))
    assert held(archive) == {"CT1": 1, "DISC": 1, "": 1}

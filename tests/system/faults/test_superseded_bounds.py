"""What is kept of replaced versions: within bounds, and never at the cost of what is the last."""

import logging
import os
from collections import namedtuple
from pathlib import Path

import pytest
from support import CT, EXPLICIT, StartNode, ct, encoded, send

from storage import Archive, Level, OnConflict, Received, StoreOutcome, prepare
from storage.diagnostics.errors import ResourceError
from storage.files.superseded_bounds import Bounds
from storage.journal import pins
from storage.maintenance.changes import deletion
from storage.maintenance.changes.selections import Selection, selected
from storage.maintenance.check import checking

DAY = 86400
Disk = namedtuple("Disk", "f_blocks f_bfree f_bavail f_frsize")


def version(number: int, instance: str = "1.3", size: int = 1000) -> Received:
    held = ct(f"{instance}.1", f"{instance}.2", instance, InstanceNumber=str(number))
    held.PixelData = bytes([number % 256]) * size
    return Received(CT, instance, EXPLICIT, encoded(held), "")


def archive_of(folder: Path, copies: int = 0, percent: int = 0) -> Archive:
    prepare(folder, sync=False, charset="")
    return Archive(folder, False, OnConflict.REPLACE, 0, Bounds(copies, percent))


def copies(archive: Archive, instance: str = "1.3") -> list[Path]:
    """What is kept of an instance, the oldest first."""
    found = archive.tree.superseded.walk(f"{instance}.1")
    return sorted(found, key=lambda path: int(path.stem.rpartition(".")[2]))


def age(archive: Archive, days: float = 2, instance: str = "1.3") -> None:
    """Have what is kept have been displaced so long ago."""
    for path in copies(archive, instance):
        stem, _, since = path.stem.rpartition(".")
        path.rename(path.with_name(f"{stem}.{int(since) - int(days * DAY * 1e9)}.dcm"))


def numbers(archive: Archive, instance: str = "1.3") -> list[int]:
    return [path.read_bytes()[-1] for path in copies(archive, instance)]


def test_of_old_versions_the_first_and_the_last_ones_are_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    archive = archive_of(tmp_path, copies=4)
    with caplog.at_level(logging.WARNING):
        for number in range(12):
            archive.store(version(number))
            age(archive)
    assert numbers(archive) == [0, 8, 9, 10]
    told = [one for one in caplog.messages if "superseded" in one]
    assert told == ["superseded copies deleted files=1: the oldest: instance=1.3"]


def test_two_senders_who_take_turns_keep_one_of_each(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, copies=8)
    for number in range(50):
        assert archive.store(version(number % 2)).outcome in (
            StoreOutcome.STORED,
            StoreOutcome.REPLACED,
        )
        assert len(copies(archive)) <= 8
    assert set(numbers(archive)) == {0, 1}


def test_one_that_is_cut_off_while_it_makes_room_leaves_all_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = archive_of(tmp_path)
    for number in range(6):
        archive.store(version(number))
    age(archive)
    archive.set_policy(OnConflict.REPLACE, 0, Bounds(2))
    remove, removed = archive.tree.superseded.remove, []

    def interrupted(kept: Path) -> None:
        if removed:
            raise KeyboardInterrupt
        removed.append(kept)
        remove(kept)

    monkeypatch.setattr(archive.tree.superseded, "remove", interrupted)
    with pytest.raises(KeyboardInterrupt):
        archive.store(version(6))
    monkeypatch.undo()
    assert numbers(archive) == [0, 2, 3, 4]
    assert archive.tree.path(("1.3.1", "1.3.2", "1.3")).read_bytes()[-1] == 5
    assert list(checking.check(archive, "", repair=False)) == []
    assert archive.store(version(6)).outcome is StoreOutcome.REPLACED
    assert numbers(archive) == [0, 5]


def test_what_was_replaced_within_a_day_stays_and_more_is_refused(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, copies=3)
    for number in range(4):
        archive.store(version(number))
    before = [path.read_bytes() for path in copies(archive)]
    journal = archive.journal.size("receipts")
    for number in (4, 5):
        with pytest.raises(ResourceError, match="3 replaced versions of it are kept, and none may"):
            archive.store(version(number))
    assert archive.journal.size("receipts") == journal
    assert [path.read_bytes() for path in copies(archive)] == before
    assert archive.tree.path(("1.3.1", "1.3.2", "1.3")).read_bytes()[-1] == 3
    assert archive.store(version(3)).outcome is StoreOutcome.UNCHANGED
    age(archive)
    assert archive.store(version(4)).outcome is StoreOutcome.REPLACED
    assert numbers(archive) == [0, 2, 3]


def test_a_bound_that_is_lowered_takes_what_may_go(tmp_path: Path) -> None:
    archive = archive_of(tmp_path)
    for number in range(8):
        archive.store(version(number))
    age(archive)
    archive.set_policy(OnConflict.REPLACE, 0, Bounds(3))
    archive.store(version(8))
    assert numbers(archive) == [0, 6, 7]


def test_of_a_pinned_study_none_goes(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, copies=3)
    for number in range(4):
        archive.store(version(number))
    age(archive)
    pins.pin(archive.journal, "1.3.1")
    with pytest.raises(ResourceError, match="none may go yet"):
        archive.store(version(4))
    assert numbers(archive) == [0, 1, 2]


@pytest.fixture
def small_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk of 100,000 bytes that is half full."""
    monkeypatch.setattr(os, "statvfs", lambda _: Disk(100_000, 50_000, 50_000, 1))
    # Looked at each time.
    monkeypatch.setattr("storage.files.superseded_bounds._MEASURE_SECONDS", 0.0)
    monkeypatch.setattr("storage.files.superseded_bounds._FREE_SECONDS", 0.0)
    monkeypatch.setattr("storage.files.superseded_bounds._MEASURE_RATIO", 0)


def delete(archive: Archive, instance: str) -> None:
    held = selected(archive, Selection(Level.IMAGE, instance))
    assert len(list(deletion.delete(archive, held))) == 1


@pytest.mark.usefixtures("small_disk")
def test_all_together_keep_to_their_share_of_the_disk(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    archive = archive_of(tmp_path, percent=10)
    archive.store(version(1, "1.9"))
    delete(archive, "1.9")
    age(archive, 900, "1.9")
    with caplog.at_level(logging.WARNING):
        for number in range(40):
            for instance in ("1.3", "1.4"):
                archive.store(version(number, instance))
                age(archive, 2, instance)
    kept = [*copies(archive), *copies(archive, "1.4")]
    assert 6_000 < sum(path.stat().st_size for path in kept) <= 10_000
    assert numbers(archive)[0] == numbers(archive, "1.4")[0] == 0
    assert numbers(archive, "1.9") == [1]  # deleted: the last of its kind
    assert len([one for one in caplog.messages if "more than 10 % of the disk" in one]) == 1


@pytest.mark.usefixtures("small_disk")
def test_a_flood_within_a_day_is_refused_and_displaces_nothing(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, percent=10)
    refused: list[str] = []
    for number in range(30):
        try:
            archive.store(version(number))
        except ResourceError as error:
            refused.append(str(error))
    kept = [path.stat().st_size for path in copies(archive)]
    assert sum(kept) <= 10_000
    assert len(refused) == 30 - 1 - len(kept)
    assert set(refused) == {"superseded/ has its share of the disk, and none may go yet"}
    assert (
        archive.store(version(9, "1.5")).outcome is StoreOutcome.STORED
    )  # what is new displaces nothing


def test_a_measurement_is_not_made_for_each_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: Disk(100_000, 50_000, 50_000, 1))
    archive = archive_of(tmp_path, percent=10)
    walk, walked = archive.tree.superseded.walk, []
    monkeypatch.setattr(
        archive.tree.superseded, "walk", lambda *given: walked.append(1) or walk(*given)
    )
    for number in range(30):
        try:
            archive.store(version(number))
        except ResourceError:
            continue
    assert len(walked) == 1
    assert sum(path.stat().st_size for path in copies(archive)) <= 10_000


def test_the_peer_is_told_why_and_a_new_bound_is_taken_at_once(start_node: StartNode) -> None:
    node = start_node(storage={"superseded_copies": 2})
    with node.association((CT, EXPLICIT)) as association:
        answers = [
            send(association, CT, "1.3", bytes(version(number).data_set))  # type: ignore[arg-type]
            for number in range(4)
        ]
    assert [answer.Status for answer in answers] == [0, 0, 0, 0xA700]
    assert "2 replaced versions of it are kept" in answers[-1].ErrorComment
    node.configure({"storage": {"superseded_copies": 0}})
    node.reload()
    with node.association((CT, EXPLICIT)) as association:
        data = bytes(version(3).data_set)  # type: ignore[arg-type]
        assert send(association, CT, "1.3", data).Status == 0x0000

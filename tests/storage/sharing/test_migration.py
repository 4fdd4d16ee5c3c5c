"""An archive brought from a folder to where several nodes have it, and back."""

import os
import shutil
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from support.data.migrations import Silent, begun, brought, delete, live, restore, uids
from support.data.shared_archives import CHARSET, faults, names_found, received, states

from storage import Archive, Level, prepare
from storage.archive import statistics
from storage.diagnostics import FolderError, ResourceError
from storage.index import facts_of_study, studies
from storage.journal import (
    ACCEPTED,
    MIGRATED,
    RECEIPTS,
    Receipt,
    in_journal,
    pinned,
    pins,
)
from storage.journal.corrections import in_force
from storage.maintenance.changes import correction, deletion
from storage.maintenance.check import check
from storage.maintenance.migration import migrate, prepared_target
from storage.maintenance.migration.targets import Target
from storage.sharing.ledger import State
from storage.sharing.opened import shared_of

SERVED = "the node"


def told(archive: Archive) -> dict[str, Any]:
    """All that an archive tells, with times, but for where it lies."""
    journal, counted = archive.journal, statistics(archive)
    return {
        "facts": [facts_of_study(archive.index, one) for one in studies(archive.index)],
        "faults": [line for one in studies(archive.index) for line in faults(archive, one) if line],
        "names": names_found(archive), "pinned": pinned(journal),
        "corrections": dict(in_force(archive.tree.data).all),
        "lines": {name: list(journal.read(name)) for name in journal.names() if name != MIGRATED},
        "kept": Counter((one.uids, round(one.since * 1000)) for one in kept(archive)),
        "contents": sorted(content_of(archive, one) for one in kept(archive)),
        "statistics": (counted.entities, counted.bytes, counted.by_modality, counted.by_sender,
                       counted.by_month),
        "check": [fault.kind.code for fault in check(archive, CHARSET)],
    }  # fmt: skip


def kept(archive: Archive) -> list[Any]:
    return list(deletion.all_superseded(archive))


def content_of(archive: Archive, one: Any) -> bytes:
    with archive.tree.superseded.open(one) as file:
        return file.read()


def test_all_is_the_same_there_and_back(source: Archive, shared: Path, folder: Path) -> None:
    live(source)
    expected = told(source)
    assert expected["kept"]
    assert not expected["faults"]
    done = brought(source, shared)
    assert (done.faults, done.to_do, done.copied) == ([], [], 6)
    assert prepare(shared, sync=True, charset=CHARSET)
    there = Archive(shared)
    assert told(there) == expected
    done = brought(there, folder)
    assert (done.faults, done.to_do, done.copied) == ([], [], 6)
    assert prepare(folder, sync=False, charset=CHARSET)
    assert told(Archive(folder, sync=False)) == expected
    assert told(source) == expected, "it is only read"


def test_what_was_done_can_be_undone_there(source: Archive, to: Path) -> None:
    live(source)
    assert brought(source, to).is_complete
    prepare(to, sync=False, charset=CHARSET)
    there = Archive(to, sync=False)
    for archive in (source, there):
        correction.undo(archive.tree, 1, "u")
        restore(archive, 2)
    assert names_found(there) == names_found(source)
    assert in_force(to).last_number == in_force(source.tree.data).last_number
    ours, theirs = (
        [(one.uids, one.received, one.sender) for one in _received(archive)]
        for archive in (source, there)
    )
    assert ours == theirs


def _received(archive: Archive) -> list[Any]:
    return [one for _, one in in_journal(archive.journal) if isinstance(one, Receipt)]


def test_a_second_run_brings_what_was_done_meanwhile_alone(source: Archive, to: Path) -> None:
    live(source)
    first = brought(source, to, SERVED)
    assert not first.is_complete
    assert not first.faults
    with pytest.raises(FolderError, match="run that once more"):
        prepare(to, sync=False, charset=CHARSET)
    source.store(received("New^5", uids(5)))
    source.store(received("Other^4", uids(4, 2), PatientID="P4"))  # replaces
    delete(source, 3)
    restore(source, 2)
    correction.correct(
        source.tree, (Level.STUDY, "1.4"), {"PatientName": "Late^4"}, user="u", before={}
    )
    pins.unpin(source.journal, "1.4")
    done = brought(source, to)
    assert done.is_complete
    assert (done.copied, done.removed, done.unchanged) == (4, 2, 3)
    assert brought(source, to).copied == 0
    prepare(to, sync=False, charset=CHARSET)
    assert told(Archive(to, sync=False)) == told(source)


class Cut(Exception):
    """The end of a process, as far as those go that it leaves things to."""


@pytest.mark.parametrize(
    ("step", "number", "when"),
    [
        ("hold", 1, "behind"), ("keep", 0, "before"), ("add_lines", 2, "behind"),
        *(
            pytest.param(*one, marks=pytest.mark.long)
            for one in product(("hold", "keep", "add_lines", "finish"), (0, 1, 2),
                               ("before", "behind"))
        ),
    ],
)  # fmt: skip
def test_a_run_that_was_cut_off_is_gone_on_with(
    source: Archive, to: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int, when: str
) -> None:
    live(source)
    monkeypatch.setattr("storage.maintenance.migration.migrating._BATCH", 2)
    try:
        with prepared_target(to, sync=False) as target:
            _cut(target, step, number, when, monkeypatch)
            migrate(source, target, CHARSET, Silent(), list)
    except Cut:
        with pytest.raises(FolderError, match="run that once more"):
            prepare(to, sync=False, charset=CHARSET)
    else:
        assert (step, number > 0) == ("finish", True), "it is called once"
    assert brought(source, to).is_complete
    prepare(to, sync=False, charset=CHARSET)
    assert told(Archive(to, sync=False)) == told(source)


def _cut(
    target: Target, step: str, number: int, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Have a target cut off at the call of that number."""
    does: Callable[..., None] = getattr(target, step)
    calls = iter(range(100))

    def cut_off(*given: object) -> None:
        is_now = next(calls) == number
        if is_now and when == "before":
            raise Cut
        does(*given)
        if is_now:
            raise Cut

    monkeypatch.setattr(target, step, cut_off)


def test_what_is_stored_meanwhile_is_brought_too(
    source: Archive, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(source)
    monkeypatch.setattr("storage.maintenance.migration.migrating._FEW", 0)
    number = iter(range(10, 14))
    with prepared_target(to, sync=False) as target:
        hold = target.hold

        def stores(changes: Any) -> None:
            hold(changes)
            if study := next(number, 0):
                source.store(received(f"Name^{study}", uids(study)))
                source.store(received(f"Replaced^{study}", uids(1)))

        monkeypatch.setattr(target, "hold", stores)
        assert migrate(source, target, CHARSET, Silent(), list).is_complete
    prepare(to, sync=False, charset=CHARSET)
    assert told(Archive(to, sync=False)) == told(source)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-2] + b"??"),
                     "not the bytes that were received", id="damaged"),
        pytest.param(lambda path: path.unlink(), "in the index, and has no file", id="lost"),
        pytest.param(lambda path: path.write_bytes(b""), "", id="emptied"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_what_was_received_is_named_and_the_rest_brought(
    source: Archive, to: Path, spoil: Callable[[Path], None], words: str
) -> None:
    live(source)
    path = Path(source.tree.name(uids(4)))
    before = path.read_bytes()
    times = path.stat()
    spoil(path)
    done = brought(source, to)
    assert not done.is_complete
    assert done.copied == 5
    assert any(line.startswith(str(path)) and words in line for line in done.faults)
    with pytest.raises(FolderError, match="run that once more"):
        prepare(to, sync=False, charset=CHARSET)
    path.write_bytes(before)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert brought(source, to).is_complete


def test_a_file_without_a_row_is_told_of(source: Archive, to: Path) -> None:
    live(source)
    stray = Path(source.tree.name(uids(9)))
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"no one knows")
    done = brought(source, to)
    assert [line for line in done.faults if line.startswith(str(stray))]
    assert not done.is_complete


def test_an_archive_that_was_used_by_itself_is_not_filled(source: Archive, to: Path) -> None:
    live(source)
    assert brought(source, to).is_complete
    Archive(to, sync=False).store(received("Own^7", uids(7)))
    with pytest.raises(FolderError, match="used by itself"):
        brought(source, to)


def test_an_archive_of_its_own_or_of_another_is_not_filled(
    source: Archive, to: Path, tmp_path: Path
) -> None:
    live(source)
    another = begun(tmp_path / "other")
    another.store(received("Name^8", uids(8)))
    with pytest.raises(FolderError, match="holds an archive of its own"):
        brought(source, another.tree.data)
    assert brought(another, to).is_complete
    with pytest.raises(FolderError, match="filled from another archive"):
        brought(source, to)


def test_what_is_replaced_there_leaves_no_object_behind(source: Archive, shared: Path) -> None:
    source.store(received("A^1", uids(1)))
    brought(source, shared, SERVED)
    source.store(received("B^1", uids(1)))
    assert brought(source, shared).is_complete
    assert Counter(states(Archive(shared))) == Counter(
        [State.HELD, State.SUPERSEDED, State.TO_DELETE]
    )


def test_an_accepted_fault_is_accepted_there_as_long_as_it_is_not_received_again(
    source: Archive, to: Path
) -> None:
    live(source)
    at = source.journal.size(RECEIPTS)
    source.journal.append(ACCEPTED, accepted=True, kind="k", path="p", uids=list(uids(1)),
                          detail="d", receipts=at)  # fmt: skip
    source.store(received("After^6", uids(6)))
    assert brought(source, to).is_complete
    journal = Archive(to, sync=False).journal
    (line,) = journal.read(ACCEPTED)
    left = list(journal.read(RECEIPTS, line["receipts"]))
    assert [one["uids"] for one in left] == [list(uids(6))]


def test_a_store_that_fails_is_told_and_the_next_run_goes_on(
    source: Archive, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(source)

    def fails(*_: object) -> None:
        raise ResourceError("the store does not answer")

    with monkeypatch.context() as failing:
        failing.setattr(shared_of(shared).store(), "put", fails)
        with pytest.raises(ResourceError, match="does not answer"):
            brought(source, shared)
    assert brought(source, shared).is_complete


def test_an_archive_that_was_put_back_does_not_go_on_where_it_was_further(
    source: Archive, to: Path, tmp_path: Path
) -> None:
    live(source)
    shutil.copytree(source.tree.data, tmp_path / "older")
    source.store(received("Later^9", uids(9)))
    assert brought(source, to).is_complete
    with pytest.raises(FolderError, match="go less far"):
        brought(Archive(tmp_path / "older", sync=False), to)

"""The index of a shared archive made anew: of its ledger, or of nothing but the objects."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.data.shared_archives import CHARSET, UIDS, faults, names_found, received, states

from storage import Archive, Level, Received, StoreOutcome, prepare
from storage.diagnostics import FolderError, ResourceError
from storage.dicom.values import Uids
from storage.index.engines.postgres import engine
from storage.maintenance.changes import correction, deletion
from storage.maintenance.check import check
from storage.maintenance.recovery import rebuild
from storage.maintenance.recovery.shared_rebuilding import _Filling
from storage.maintenance.recovery.startup import begin_anew
from storage.sharing.ledger import State
from storage.sharing.opened import share, shared_of
from storage.sharing.place import SharedPlace

NewNode = Callable[..., Archive]
SECOND: Uids = ("2.1", "2.2", "2.3")
THIRD: Uids = ("3.1", "3.2", "3.3")


def instance(name: str, uids: Uids) -> Received:
    """Of another patient for each study."""
    return received(name, uids, PatientID=uids[0])


def checked(archive: Archive) -> list[str]:
    return [str(fault) for fault in check(archive, CHARSET)]


def test_an_index_that_is_made_anew_is_as_before_for_all_nodes(new_node: NewNode) -> None:
    archive, other = new_node(), new_node()
    for number, uids in enumerate((UIDS, SECOND, THIRD)):
        archive.store(instance(f"N^{number}", uids))
    list(deletion.delete(archive, archive.locate_below(THIRD[0])))
    entity = Level.STUDY, SECOND[0]
    correction.correct(archive.tree, entity, {"PatientName": "X^Y"}, user="u", before={})
    assert rebuild(archive.tree.data, CHARSET) == 2
    for one in (archive, other):
        assert names_found(one) == ["N^0", "X^Y"]
        assert not checked(one)
    assert other.store(instance("N^2", THIRD)).outcome is StoreOutcome.STORED
    assert names_found(archive) == ["N^0", "N^2", "X^Y"]


def test_what_others_do_meanwhile_is_in_it(
    new_node: NewNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, other = new_node(), new_node()
    archive.store(instance("N^0", UIDS))
    archive.store(instance("N^1", SECOND))
    steps: list[Callable[[], Any]] = [
        lambda: other.store(instance("R^0", UIDS)),
        lambda: other.store(instance("N^2", THIRD)),
        lambda: list(deletion.delete(other, other.locate_below(SECOND[0]))),
        lambda: correction.correct(
            other.tree, (Level.STUDY, THIRD[0]), {"PatientName": "X^Y"}, user="u", before={}
        ),
    ]
    enter = _Filling._enter

    def enter_late(self: _Filling, found: Any) -> None:
        """Each row is entered once something has happened since it was read."""
        if steps and not self._fresh.engine._thread.is_writing:
            steps.pop(0)()
        enter(self, found)

    monkeypatch.setattr(_Filling, "_enter", enter_late)
    rebuild(archive.tree.data, CHARSET)
    while steps:
        steps.pop(0)()
    assert names_found(archive) == names_found(other) == ["R^0", "X^Y"]
    assert not checked(archive)


def test_one_that_was_cut_off_leaves_the_index_in_use_and_is_begun_anew(
    new_node: NewNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = new_node()
    archive.store(received())

    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_Filling, "_follow", fail)
        with pytest.raises(KeyboardInterrupt):
            rebuild(archive.tree.data, CHARSET)
    assert names_found(archive) == ["A^B"]
    assert rebuild(archive.tree.data, CHARSET) == 1
    assert names_found(archive) == ["A^B"]


def test_a_second_one_at_the_same_time_is_told_so(
    new_node: NewNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(engine._SETTINGS, "lock_timeout", "100ms")
    archive, other = new_node(), new_node()
    with (
        shared_of(archive.tree.data).engine.alone("rebuild"),
        pytest.raises(ResourceError, match="rebuild: another process"),
    ):
        rebuild(other.tree.data, CHARSET)


def test_an_archive_whose_database_is_lost_is_made_of_its_objects(
    new_node: NewNode, place: SharedPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.sharing.sweeping._BATCH", 1)
    archive = new_node()
    archive.store(received("A^B"))
    archive.store(received("C^D"))  # in place of the first
    archive.store(instance("N^1", SECOND))
    before = [one.digest for one in archive.locate_below(UIDS[0])]
    shared = shared_of(archive.tree.data)
    identity = shared.journal.identity()
    with shared.engine.writing():
        for schema in (place.schema, f"{place.schema}_index"):
            shared.engine.execute(f"DROP SCHEMA {schema} CASCADE", ())
    again = archive.tree.data.with_name("again")
    share(again, place)
    with pytest.raises(FolderError, match="rebuild"):
        prepare(again, sync=True, charset=CHARSET)
    begin_anew(again, takes_store=True)
    assert shared_of(again).journal.identity() == identity
    assert rebuild(again, CHARSET) == 2
    found = Archive(again)
    assert names_found(found) == ["C^D", "N^1"]
    assert [one.digest for one in found.locate_below(UIDS[0])] == before
    assert sorted(states(found)) == [State.HELD, State.HELD, State.SUPERSEDED]
    assert faults(found) == [""]
    assert not checked(found)
    assert found.store(instance("N^1", SECOND)).outcome is StoreOutcome.UNCHANGED


def test_a_store_of_another_archive_is_not_taken(
    new_node: NewNode, place: SharedPlace, tmp_path: Path
) -> None:
    new_node()
    """Nor is it by an archive that has something of its own."""
    other = replace(place, schema=f"{place.schema}_b")
    with pytest.raises(FolderError, match="another archive's"):
        new_node(other)
    data = tmp_path / "other"
    share(data, other)
    shared_of(data).journal.append("pins", study="1", pinned=True)
    with pytest.raises(FolderError, match="another archive's"):
        begin_anew(data, takes_store=True)

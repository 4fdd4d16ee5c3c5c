"""An archive that several nodes have: stored, found, given back and deleted by each of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from support import CT, EXPLICIT, ct, encoded, identifier
from support.machine.postgres import ScratchPostgres

from storage import Archive, OnConflict, Query, Received, Root, StoreOutcome, prepare
from storage.archive import fault_of
from storage.diagnostics import DuplicateError
from storage.dicom.values import Level, Uids
from storage.journal import RECEIPTS
from storage.maintenance.changes import Selection, deletion
from storage.sharing.ledger import State
from storage.sharing.opened import share, shared_of
from storage.sharing.place import SharedPlace, StorePlace

CHARSET = "ISO_IR 100"
UIDS: Uids = ("1.1", "1.2", "1.3")
OF_STUDY = Selection(Level.STUDY, UIDS[0])

NewNode = Callable[..., Archive]


@pytest.fixture
def place(postgres: ScratchPostgres, tmp_path: Path) -> SharedPlace:
    folder = tmp_path / "objects"
    folder.mkdir()
    schema = f"archive_{uuid4().hex[:12]}"
    return SharedPlace(postgres.url, StorePlace(f"file://{folder}"), schema)


@pytest.fixture
def new_node(place: SharedPlace, tmp_path: Path) -> Iterator[NewNode]:
    """Nodes of one archive, each with a folder of its own."""
    made: list[Archive] = []

    def make(**options: object) -> Archive:
        data = tmp_path / f"node{len(made)}"
        share(data, place)
        assert prepare(data, sync=True, charset=CHARSET)
        made.append(Archive(data, **options))
        return made[-1]

    yield make
    for archive in made:
        shared_of(archive.tree.data).engine.close()


def received(name: str = "A^B", uids: Uids = UIDS, **values: str) -> Received:
    held = ct(*uids, PatientName=name, **values)
    return Received(CT, uids[2], EXPLICIT, encoded(held), CHARSET, "SENDER")


def names_found(archive: Archive) -> list[str]:
    asked = encoded(identifier("STUDY", PatientName=""))
    query = Query.read(Root.STUDY, asked, EXPLICIT, CHARSET)
    names = [attribute.keyword for attribute in query.returned]
    answers = [dict(zip(names, one.texts, strict=True)) for one in archive.find(query, CHARSET)]
    return sorted(one["PatientName"] for one in answers)


def faults(archive: Archive) -> list[str]:
    """What of each instance of the study is not as its row says."""
    found = archive.locate_below(UIDS[0])
    return [fault_of(archive.tree, one) for one in found]


def states(archive: Archive) -> list[State]:
    shared = shared_of(archive.tree.data)
    with shared.engine.reading():
        rows = shared.engine.execute("SELECT state FROM object ORDER BY key", ())
    return [State(state) for (state,) in rows]


def receipts(archive: Archive) -> list[dict[str, object]]:
    return list(archive.journal.read(RECEIPTS))


def test_what_one_stores_the_others_find_and_give_back(new_node: NewNode) -> None:
    first, second = new_node(), new_node()
    assert first.store(received()).outcome is StoreOutcome.STORED
    assert names_found(second) == ["A^B"]
    assert faults(second) == [""]
    (line,) = receipts(second)
    assert (line["uids"], line["sender"]) == (list(UIDS), "SENDER")


def test_a_large_instance_goes_by_the_spool_and_leaves_nothing_there(new_node: NewNode) -> None:
    archive = new_node()
    archive.store(received(PixelData=bytes(3 << 20)))
    assert faults(archive) == [""]
    assert not list((archive.tree.data / "incoming").iterdir())


@pytest.mark.parametrize(
    ("policy", "outcome", "name", "held"),
    [
        (OnConflict.REPLACE, StoreOutcome.REPLACED, "C^D", [State.SUPERSEDED, State.HELD]),
        (OnConflict.KEEP, StoreOutcome.KEPT, "A^B", [State.HELD]),
        (OnConflict.REFUSE, None, "A^B", [State.HELD]),
    ],
)
def test_other_content_is_dealt_with_as_is_set(
    new_node: NewNode, policy: OnConflict, outcome: StoreOutcome | None, name: str,
    held: list[State],
) -> None:  # fmt: skip
    first, second = new_node(on_conflict=policy), new_node(on_conflict=policy)
    first.store(received())
    if outcome:
        assert second.store(received("C^D")).outcome is outcome
    else:
        with pytest.raises(DuplicateError):
            second.store(received("C^D"))
    assert names_found(first) == [name]
    assert states(first) == held


def test_the_same_again_changes_nothing_and_puts_nothing(new_node: NewNode) -> None:
    first, second = new_node(), new_node()
    first.store(received())
    assert second.store(received()).outcome is StoreOutcome.UNCHANGED
    assert states(first) == [State.HELD]
    assert len(receipts(first)) == 1


def test_what_is_lost_from_the_store_is_stored_again(new_node: NewNode) -> None:
    first, second = new_node(), new_node()
    first.store(received())
    shared = shared_of(first.tree.data)
    held = shared.objects.held(UIDS)
    assert held
    shared.store().remove(held.key)
    assert faults(first) != [""]
    assert second.store(received()).outcome is StoreOutcome.REPLACED
    assert faults(first) == [""]


def test_what_is_deleted_by_one_is_restored_by_another(new_node: NewNode) -> None:
    first, second = new_node(), new_node()
    first.store(received())
    found = first.locate_below(UIDS[0])
    assert list(deletion.delete(first, found)) == [UIDS]
    assert (names_found(second), states(second)) == ([], [State.SUPERSEDED])
    kept = deletion.restorable(second, OF_STUDY, CHARSET)
    assert list(deletion.restore(second, kept, CHARSET)) == [UIDS]
    assert (names_found(first), faults(first)) == (["A^B"], [""])


def test_what_is_stored_again_after_a_deletion_outlasts_the_purge(new_node: NewNode) -> None:
    """As the same instance twice under one name would not."""
    first, second = new_node(), new_node()
    first.store(received())
    list(deletion.delete(first, first.locate_below(UIDS[0])))
    second.store(received())
    assert len(list(deletion.purge(list(deletion.all_superseded(first)), first))) == 1
    assert states(first) == [State.TO_DELETE, State.HELD]
    assert faults(first) == [""]

"""An archive that several nodes have: stored, found, given back and deleted by each of them."""

from collections.abc import Callable

import pytest
from support.data.shared_archives import (
    CHARSET,
    UIDS,
    faults,
    names_found,
    receipts,
    received,
    states,
)

from storage import Archive, OnConflict, StoreOutcome
from storage.diagnostics import DuplicateError
from storage.dicom.values import Level
from storage.maintenance.changes import Selection, deletion
from storage.sharing.ledger import State
from storage.sharing.opened import shared_of

OF_STUDY = Selection(Level.STUDY, UIDS[0])

NewNode = Callable[..., Archive]


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

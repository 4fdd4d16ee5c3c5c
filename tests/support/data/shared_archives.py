"""What is looked at of an archive that several nodes have."""

import multiprocessing
from collections.abc import Callable
from typing import Any

from storage import Archive, Query, Received, Root
from storage.archive import fault_of
from storage.archive.receiving.received import facts_of
from storage.dicom.values import Uids
from storage.journal import RECEIPTS
from storage.sharing.ledger import State
from storage.sharing.opened import shared_of
from storage.sharing.sweeping import look_through, remove_due
from support import CT, EXPLICIT, ct, encoded, identifier

CHARSET = "ISO_IR 100"
UIDS: Uids = ("1.1", "1.2", "1.3")
SECONDS = 60
FORK = multiprocessing.get_context("fork")


def received(name: str = "A^B", uids: Uids = UIDS, **values: object) -> Received:
    """An instance of a patient as it comes."""
    held = ct(*uids, PatientName=name, **values)
    return Received(CT, uids[2], EXPLICIT, encoded(held), CHARSET, "SENDER")


def names_found(archive: Archive) -> list[str]:
    """The patients' names of all studies."""
    asked = encoded(identifier("STUDY", PatientName=""))
    query = Query.read(Root.STUDY, asked, EXPLICIT, CHARSET)
    names = [attribute.keyword for attribute in query.returned]
    answers = [dict(zip(names, one.texts, strict=True)) for one in archive.find(query, CHARSET)]
    return sorted(one["PatientName"] for one in answers)


def faults(archive: Archive, study: str = UIDS[0]) -> list[str]:
    """What of each instance of a study is not as its row says."""
    return [fault_of(archive.tree, one) for one in archive.locate_below(study)]


def states(archive: Archive) -> list[State]:
    """Those of all objects, in the order of their keys: the oldest of an instance first."""
    shared = shared_of(archive.tree.data)
    with shared.engine.reading():
        rows = shared.engine.execute("SELECT state FROM object ORDER BY place, number", ())
    return [State(state) for (state,) in rows]


def receipts(archive: Archive) -> list[dict[str, object]]:
    """All receipts, the first one first."""
    return list(archive.journal.read(RECEIPTS))


def objects_without_row(archive: Archive) -> list[str]:
    """The keys of objects that no row names."""
    shared = shared_of(archive.tree.data)
    keys = [one.key for one in shared.store().list()]
    known = shared.objects.known(keys)
    return [key for key in keys if key not in known]


def put_alone(archive: Archive, name: str = "A^B", uids: Uids = UIDS) -> None:
    """Put an object of which nobody writes a row, as a killed process does."""
    shared = shared_of(archive.tree.data)
    one: Received = received(name, uids)
    intake = archive.receive(one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid)
    assert isinstance(one.data_set, bytes)
    intake.write(one.data_set)
    held = intake.in_memory
    assert held
    shared.tree.put(uids, held, facts_of(one, intake, shared.journal.now()))


def in_process(work: Callable[[], Any]) -> Any:
    """A process that does something, begun."""
    process = FORK.Process(target=work)
    process.start()
    return process


def ended(process: Any) -> int:
    """How a process has ended, once it has."""
    process.join(SECONDS)
    code: int = process.exitcode
    return code


def swept(archive: Archive) -> tuple[int, int, int]:
    """How many objects have gone, were entered, and were kept, of which none is too young."""
    shared = shared_of(archive.tree.data)
    done = look_through(shared, young=0)
    return remove_due(shared), done.entered, done.kept


def whole(archive: Archive) -> None:
    """Everything is as its rows say, and no object is left over."""
    swept(archive)
    assert not [fault for fault in faults(archive) if fault]
    assert not objects_without_row(archive)

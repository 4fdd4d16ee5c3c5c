"""What is looked at of an archive that several nodes have."""

import multiprocessing
from collections.abc import Callable
from typing import Any

from storage import Archive, Query, Received, Root
from storage.archive import fault_of
from storage.archive.receiving.received import facts_of
from storage.dicom.values import Level, Uids
from storage.index import TABLES
from storage.index.tables import SHARED, column_names
from storage.journal import RECEIPTS
from storage.query import POSTGRESQL
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


_IDENTITY = "PatientID, IssuerOfPatientID, of_study"
_CHAIN = f"{_IDENTITY}, StudyInstanceUID, SeriesInstanceUID"
_OF_STUDY = "patient JOIN study ON study.parent_id = patient.id"
_OF_SERIES = f"{_OF_STUDY} JOIN series ON series.parent_id = study.id"
_SHARED = ", ".join(("corrected", "came", *(f"shared_header.{one}" for one in SHARED.values())))
# What lies beside the rows of the four levels, by what it is of, and how much there is of it.
_BESIDE = {
    "shared": f"SELECT {_CHAIN}, digest, {_SHARED} FROM {_OF_SERIES} "
    "JOIN shared_header ON shared_header.parent_id = series.id ORDER BY 1, 2, 3, 4, 5, 6",
    "sums": f"SELECT {_CHAIN}, sender, month, instances, bytes FROM {_OF_SERIES} "
    "JOIN received_sum ON received_sum.series = series.id ORDER BY 1, 2, 3, 4, 5, 6, 7",
    "arrivals": f"SELECT {_IDENTITY}, StudyInstanceUID, arrived FROM {_OF_STUDY} "
    "JOIN study_arrival ON study_arrival.study = study.id ORDER BY 1, 2, 3, 4",
    "parts of patients": f"SELECT {_IDENTITY}, part FROM patient "
    "JOIN name_part ON level = 0 AND entity = patient.id ORDER BY 1, 2, 3, 4",
    "parts of studies": f"SELECT {_IDENTITY}, StudyInstanceUID, part FROM {_OF_STUDY} "
    "JOIN name_part ON level = 1 AND entity = study.id ORDER BY 1, 2, 3, 4, 5",
    "objects": "SELECT study, series, instance, state, digest, bytes, syntax, charset, sender, "
    "arrived, received FROM object ORDER BY 1, 2, 3, 4, 5, 10, 11",
    "lines": "SELECT name, token IS NULL, line FROM line ORDER BY position",
    **{f"all of {table}": f"SELECT COUNT(*) FROM {table}" for table in (
        *TABLES.values(), "name_part", "shared_header", "received_sum", "study_arrival",
    )},
}  # fmt: skip


def all_rows(archive: Archive) -> dict[str, list[tuple[Any, ...]]]:
    """All that the tables hold, the lines in their order: ids told by what they are of."""
    engine = shared_of(archive.tree.data).engine
    with engine.reading(), engine.at_one_time():
        found = {table: engine.execute(_of_level(level), ()) for level, table in TABLES.items()}
        return found | {name: engine.execute(asked, ()) for name, asked in _BESIDE.items()}


def _of_level(level: Level) -> str:
    """What asks for its rows, with what stands above each, and the shared header that it names."""
    table, named = TABLES[level], [*_CHAIN.split(", ")[: 3 + min(level, 2)]]
    names = [f"{table}.{name}" for name in column_names(level, POSTGRESQL)]
    shared = f"shared_header.id = {table}.speaker"
    if level is Level.IMAGE:
        names.remove("instance.shared_id")
        shared = "shared_header.id = instance.shared_id AND shared_header.parent_id = series.id"
    joined = "patient"
    for below in list(Level)[1 : level + 1]:
        above = TABLES[Level(below - 1)]
        joined += f" JOIN {TABLES[below]} ON {TABLES[below]}.parent_id = {above}.id"
    told = ", ".join([*named, *names, "of_shared"])
    headers = "(SELECT id, parent_id, digest AS of_shared FROM shared_header) AS shared_header"
    return f"SELECT {told} FROM {joined} LEFT JOIN {headers} ON {shared} ORDER BY {told}"


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

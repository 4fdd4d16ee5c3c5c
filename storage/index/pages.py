"""The rows of the index one by one, in reads so short that nobody who writes waits for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from peewee import SQL

from storage.dicom.values import UNIQUE, Level, Uids, stored_at
from storage.index.rows import Location, holds_several, name_parts, said_of
from storage.index.search import (
    INSTANCES,
    LOCATION_COLUMNS,
    Conditions,
    came_from,
    location,
    of_instances,
    rows,
)
from storage.index.tables import IDENTITY, NAMED_LEVELS, SHARED, TABLES, Index, column_names
from storage.query import (
    Dialect,
    Query,
    folded,
    kept_columns,
    kept_forms,
    match_columns,
)

_PAGE = 256


@dataclass(frozen=True)
class Row:
    """A row, and its columns by name."""

    level: Level
    number: int
    values: dict[str, Any]
    shared: str = ""  # of an instance: what its shared header holds, as JSON

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes it the entity that it is, beside its parent."""
        return tuple(self.values[name] for name in IDENTITY[self.level])

    @property
    def uid(self) -> str:
        """The unique key of its level."""
        return str(self.values[UNIQUE[self.level].column])


# The rows of an instance, from its patient's down.
Chain = tuple[Row, ...]


def patients(index: Index) -> Iterator[Row]:
    """Every patient that is there when this is called."""
    with index.engine.reading():
        (last,) = index.engine.execute("SELECT COALESCE(MAX(id), 0) FROM patient", ())[0]
    at = 0
    while found := _read(index, Level.PATIENT, "id > ? AND id <= ? ORDER BY id", (at, last)):
        yield from found
        at = found[-1].number


def children(index: Index, row: Row) -> Iterator[Row]:
    """The rows below a row, by their UIDs."""
    level, at = Level(row.level + 1), ""
    unique = UNIQUE[level].column
    where = f"parent_id = ? AND {unique} > ? ORDER BY {unique}"
    while found := _read(index, level, where, (row.number, at)):
        yield from found
        at = found[-1].uid


def chains(index: Index, row: Row) -> Iterator[Chain]:
    """The instances of an entity, each with what lies between."""
    for child in children(index, row):
        if child.level is Level.IMAGE:
            yield (child,)
        else:
            yield from ((child, *below) for below in chains(index, child))


def chain(index: Index, uids: Uids) -> Chain | None:
    """The rows of an instance, or None where it has none."""
    joins = " ".join(
        f"JOIN {TABLES[level]} ON {TABLES[Level(level + 1)]}.parent_id = {TABLES[level]}.id"
        for level in (Level.SERIES, Level.STUDY, Level.PATIENT)
    )
    numbers = ", ".join(f"{TABLES[level]}.id" for level in Level)
    statement = (
        f"SELECT {numbers} FROM instance {joins} WHERE study.StudyInstanceUID = ? "
        "AND series.SeriesInstanceUID = ? AND instance.SOPInstanceUID = ?"
    )
    # Four reads of one state: else a store between them would make of them what never was.
    with index.engine.reading(), index.engine.at_one_time():
        found = index.engine.execute(statement, uids)
        if not found:
            return None
        rows = [by_number(index, level, n) for level, n in zip(Level, found[0], strict=True)]
    return tuple(row for row in rows if row)


def by_number(index: Index, level: Level, number: int) -> Row | None:
    """The row of that id."""
    found = _read(index, level, "id = ?", (number,))
    return found[0] if found else None


def inconsistencies(index: Index, row: Row) -> dict[str, str]:
    """The columns of a row above the instances that do not follow from these; what is wrong."""
    with index.engine.reading():
        said, speaker = said_of(index, row.level, row.number)
    wrong = {
        column: f"{column} {shortened(row.values[column])}, {shortened(text)} by its instances"
        for column, text in said.items()
        if row.values[column] != text and speaker  # else there are none, which is told elsewhere
    }
    for column in _unfounded(index, row):
        wrong.setdefault(column, f"{column} does not follow from the rest")
    return wrong


def _unfounded(index: Index, row: Row) -> list[str]:
    """The columns that do not follow from the row's other ones."""
    wrong = []
    for attribute in stored_at(row.level):
        names, forms = match_columns(attribute), folded(attribute, row.values[attribute.column])
        if not index.engine.dialect.calls_python:
            names += kept_columns(attribute)
            forms += kept_forms(attribute, row.values[attribute.column])
        wrong += [n for n, form in zip(names, forms, strict=True) if row.values[n] != form]
    if bool(row.values["several"]) != bool(holds_several(row.level, row.values)):
        wrong.append("several")
    if row.level in NAMED_LEVELS:
        with index.engine.reading():
            statement = "SELECT part FROM name_part WHERE level = ? AND entity = ?"
            parts = index.engine.execute(statement, (int(row.level), row.number))
        if {part for (part,) in parts} != name_parts(row.level, row.values):
            wrong.append("name_part")
    return wrong


def settled_inconsistencies(index: Index, row: Row) -> dict[str, str]:
    """The same, while nobody writes."""
    with index.engine.writing():
        again = by_number(index, row.level, row.number)
        return inconsistencies(index, again) if again else {}


def _read(index: Index, level: Level, where: str, values: tuple[Any, ...]) -> list[Row]:
    with index.engine.reading():
        found = index.engine.execute(
            f"{_select(level, index.engine.dialect)} WHERE {where} LIMIT {_PAGE}", values
        )
    names = index.column_names(level)
    return [
        Row(level, number, dict(zip(names, values, strict=True)), shared or "")
        for number, shared, *values in found
    ]


@lru_cache
def _select(level: Level, dialect: Dialect) -> str:
    shared = _shared(dialect) if level is Level.IMAGE else "NULL"
    return f"SELECT id, {shared}, {', '.join(column_names(level, dialect))} FROM {TABLES[level]}"


def _shared(dialect: Dialect) -> str:
    told = dialect.json_array.format(
        ", ".join(("shared_header.parent_id", "corrected", "came", *SHARED.values()))
    )
    return f"(SELECT {told} FROM shared_header WHERE shared_header.id = instance.shared_id)"


# Of a value in a fault.
_MAX_TEXT = 40


def shortened(value: object) -> str:
    """A value as a fault tells it."""
    text = repr(value)
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}..."


def told_of_patient(index: Index, patient: Row) -> list[str]:
    """What instances of a patient say of the patient, each once: JSON objects."""
    with index.engine.reading():
        return [text for (text,) in index.engine.execute(_TOLD, (patient.number,))]


_TOLD = (
    "SELECT DISTINCT shared_header.patient FROM shared_header "
    "JOIN series ON shared_header.parent_id = series.id JOIN study ON series.parent_id = study.id "
    "WHERE study.parent_id = ? ORDER BY 1"
)


def below(uids: Sequence[str]) -> Conditions:
    """What is asked of the instances of a study, series or instance, by UIDs from the study's on.

    As `search.named` for the same unique keys, at the cost of no query that is built.
    """
    return [SQL(_BELOW[len(uids)], uids)]


_BELOW = {
    count: " AND ".join(f"{TABLES[level]}.{UNIQUE[level].column} = ?" for level in levels)
    for count in (1, 2, 3)
    for levels in [list(Level)[1 : count + 1]]
}


def numbers(index: Index, conditions: Conditions, most: int | None = None) -> Iterator[int]:
    """The ids of the rows of instances as they arrived; or of `most` of them, in any order."""
    statement, values = of_instances(index, "instance.id", conditions)
    statement += f" LIMIT {most}" if most else " ORDER BY instance.arrived, instance.id"
    return (number for (number,) in index.engine.stream(statement, values))


# What came of a study, and which row it is: by that they stand, the last one first.
Arrival = tuple[int, int]


def latest(
    index: Index,
    query: Query,
    before: Arrival | None = None,
    contained: Sequence[tuple[str, str]] = (),
    sender: str = "",
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """`search.rows` of a query for studies, those first of which an instance arrived last.

    `before`: those alone that stand behind this one. `contained`: columns and what is in each, in
    capitals or not; `sender`: of whom any instance of it came, with wildcards. In this order rows
    are read as they are asked for: whoever wants some waits for no others.
    """
    table = index[query.level]
    others: list[Any] = [] if before is None else [SQL(_BEHIND, before)]
    others += [getattr(table, column).contains(text) for column, text in contained]
    if sender:
        others.append(came_from(sender))
    return rows(index, query, others, joins=_ARRIVALS, order=_LAST_FIRST)


_ARRIVALS = " JOIN study_arrival ON study_arrival.study = study.id"
_LAST_FIRST = " ORDER BY study_arrival.arrived DESC, study_arrival.study DESC"
_BEHIND = "(study_arrival.arrived, study_arrival.study) < (?, ?)"


def arrival(index: Index, row_id: int) -> Arrival:
    """Where a study stands among all, by the id of its row."""
    statement = "SELECT arrived, study FROM study_arrival WHERE study = ?"
    ((arrived, study),) = index.engine.execute(statement, (row_id,))
    return int(arrived), int(study)


def state(index: Index) -> tuple[int, ...]:
    """Other numbers whenever an instance has arrived, or a row above instances is another one.

    Raises ResourceError.
    """
    with index.engine.reading():
        ((epoch, *first),) = index.engine.execute(_STATE, ())
    return (*(number or 0 for number in first), epoch)


_STATE = (
    "SELECT number, arrived, study FROM epoch LEFT JOIN (SELECT arrived, study FROM study_arrival "
    "ORDER BY arrived DESC, study DESC LIMIT 1) AS latest ON 1 = 1"
)


def arrived_last(index: Index, most: int) -> list[tuple[str, str, int, str]]:
    """Of the instances that arrived last: study, series, when, from whom; the last one first."""
    with index.engine.reading():
        return index.engine.execute(_ARRIVED, (most,))


# First the few, then what is above them.
_ARRIVED = (
    "SELECT StudyInstanceUID, SeriesInstanceUID, at, sender FROM (SELECT parent_id AS number, "
    "arrived AS at, sender FROM instance ORDER BY arrived DESC LIMIT ?) AS latest "
    "JOIN series ON series.id = number JOIN study ON series.parent_id = study.id ORDER BY at DESC"
)


def kinds(index: Index, conditions: Conditions) -> list[tuple[str, str, str]]:
    """Study Instance UID, SOP Class UID, Transfer Syntax UID of instances, each three once."""
    columns = "DISTINCT StudyInstanceUID, SOPClassUID, TransferSyntaxUID"
    return index.engine.execute(*of_instances(index, columns, conditions))


def locations(index: Index, rows: Sequence[int]) -> list[Location]:
    """The instances whose rows have these ids, in this order."""
    dialect = index.engine.dialect
    found = index.engine.execute(_locations(dialect), (dialect.listed(rows),))
    return [location(row) for row in found]


@lru_cache
def _locations(dialect: Dialect) -> str:
    then = dialect.then_join
    return (
        f"SELECT {LOCATION_COLUMNS} FROM {dialect.numbers.format('wanted')} "
        f"{then} instance ON instance.id = wanted.value "
        f"{then} series ON instance.parent_id = series.id "
        f"{then} study ON series.parent_id = study.id ORDER BY wanted.key"
    )


def newest(index: Index, level: Level, row_ids: Sequence[int]) -> dict[int, Location]:
    """Of each entity the instance that was received last, whose header speaks for it.

    For a patient what was corrected of one study alone speaks last.
    """
    # In this order: to look for each that is asked for, and not for each that there is.
    dialect = index.engine.dialect
    statement = (
        f"SELECT asked.value, {LOCATION_COLUMNS} FROM {dialect.numbers.format('asked')} "
        f"CROSS JOIN {INSTANCES} WHERE instance.id = {NEWEST[level]}"
    )
    found = index.engine.execute(statement, (dialect.listed(row_ids),))
    return {row[0]: location(row[1:]) for row in found}


# Its row. Of all that say the same the last one, and of these the last: no list of an entity's
# instances.
NEWEST = {Level.IMAGE: "asked.value"} | {
    level: "(SELECT one.id FROM shared_header AS shared "
    f"{joins} JOIN instance AS one ON one.id = (SELECT id FROM instance WHERE shared_id = "
    "shared.id ORDER BY arrived DESC, SOPInstanceUID DESC LIMIT 1) "
    f"WHERE {key} = asked.value "
    f"ORDER BY {order} one.arrived DESC, one.SOPInstanceUID DESC, one.id LIMIT 1)"
    for level, joins, key, order in (
        (Level.SERIES, "", "shared.parent_id", ""),
        (Level.STUDY, "JOIN series ON shared.parent_id = series.id", "series.parent_id", ""),
        (
            Level.PATIENT,
            "JOIN series ON shared.parent_id = series.id JOIN study ON series.parent_id = study.id",
            "study.parent_id",
            "shared.corrected,",
        ),
    )
}

"""The rows above the instances: each follows from what the instances that are held say of it.

Of an attribute on which these disagree the value received last answers; an empty one never
displaces another. At PATIENT level what was corrected of one study alone answers only where
nothing else does: such a correction shows in its study.

What instances of a series say alike lies once, in `shared_header`, and an instance's row names
it. So a row can be made anew when one of its instances goes, without a look into their files,
and is the same in whatever order they came and went.

A row names its `speaker`, where that is known: the shared header that was the last one when the
row was made of it. All that has come since says nothing else; so whatever other goes, and says of
no attribute more than the speaker does, changes nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

from storage.dicom import Header
from storage.dicom.values import Level, stored_at
from storage.index.engines import Part, Sought, SoughtRow
from storage.index.rows import (
    ABOVE,
    INSERT_PARTS,
    SharedHeader,
    forget_name,
    held_row,
    insert_row,
    name_parts,
    parent_column,
    row_of,
    said_of,
    shared_header,
    told_columns,
    update_row,
    values_in,
)
from storage.index.tables import IDENTITY, NAMED_LEVELS, SHARED, TABLES, Index, column_names
from storage.query import Dialect

# Rows that a process remembers: each who sends has one patient, study and series at a time.
_MAX_ENTERED = 256
# By which a person is told from another.
OF_PERSON = ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex")


@dataclass(frozen=True)
class Entered:
    """Where an instance's row goes: its series, its shared header; and the rows that say else."""

    series: int
    shared: int
    differing: tuple[tuple[Level, int], ...] = ()


def enter(index: Index, header: Header) -> Entered:
    """The rows above an instance, made where they are not there; of a transaction that writes.

    `adjust` then brings those up to date that differ from what it says.
    """
    entered = index.engine.entered
    if known := known_among(entered, header):
        return known
    series, differing = series_of(index, header)
    shared = shared_of(index, series, shared_header(header))
    if not differing:
        remember(entered, key_of(header), (series, shared))
    return Entered(series, shared, tuple(differing))


def known_among(entered: Mapping[Any, Any], header: Header) -> Entered | None:
    """Where an instance's row goes, if rows above it that say the same were entered before."""
    known = entered.get(key_of(header))
    return Entered(*known) if known else None


def key_of(header: Header) -> tuple[object, ...]:
    """What instances say alike that go below the same rows, and change nothing of these."""
    key: tuple[object, ...] = header.corrected, _above(header.values)
    return (*key, _above(header.came)) if header.came else key


def remember(entered: dict[Any, Any], key: object, value: object) -> None:
    """For the next instance; the oldest goes."""
    if len(entered) >= _MAX_ENTERED:
        del entered[next(iter(entered))]
    entered[key] = value


def series_of(index: Index, header: Header) -> tuple[int, list[tuple[Level, int]]]:
    """The series that an instance is in, and the rows above it that say else than it does.

    They are made where they are not there.
    """
    entered, said, differing = index.engine.entered, _above_series(header.values), []
    parent = entered.get(said, 0)  # the study, and both rows say the same
    for level in (Level.SERIES,) if parent else SHARED:
        row = row_of(level, header)
        if level is not Level.PATIENT:
            row["parent_id"] = parent
        parent, differs = entity(index, level, row)
        differing += [(level, parent)] if differs else []
        if level is Level.STUDY and not differing:
            remember(entered, said, parent)
    return parent, differing


def sought(dialect: Dialect, header: Header) -> Sought:
    """The rows above an instance, looked for and made where they are not there, as by `enter`.

    Where none of them says else than it does: then nothing is to be adjusted.
    """
    looked: list[Any] = []
    made: list[Any] = []
    for level in SHARED:
        row = row_of(level, header)
        looked += [row[name] for name in (*told_columns(level), *IDENTITY[level])]
        made += values_in(column_names(level, dialect), dialect, level, row)
        if level in NAMED_LEVELS:
            made.append(dialect.listed(sorted(name_parts(level, row))))
    said = shared_header(header)
    held, agree, behind = _sought(dialect)
    return Sought(
        Part(held, [*looked, said.came, *said.texts, said.digest]),
        Part(agree),
        Part(behind, [*made, *_values(said)]),
    )


@lru_cache
def _sought(dialect: Dialect) -> tuple[str, str, str]:
    """The texts of the same."""
    rows, made = [], []
    for level, table in SHARED.items():
        above = TABLES[Level(level - 1)] if level else ""
        agrees = " AND ".join(f"(? = '' OR {name} = ?^)" for name in told_columns(level))
        names = column_names(level, dialect)
        rows.append(SoughtRow(table, above, _is_same(level, dialect), agrees, names))
        made.append(rows[-1].made)
        if level in NAMED_LEVELS:
            source = f"{rows[-1].new}, {dialect.texts.format('parts')}"
            insert = f"{INSERT_PARTS} SELECT {level:d}, parts.value, id FROM {source}"
            made.append(f"{table}_parts AS ({insert} ON CONFLICT DO NOTHING)")
    same = " AND ".join(f"{name} = ?" for name in ("came", *SHARED.values()))
    rows.append(SoughtRow("shared_header", TABLES[Level.SERIES], "digest = ?", same, _OF_SHARED))
    made.append(rows[-1].made)
    held = ", ".join(row.held for row in rows)
    return held, " AND ".join(row.agree for row in rows), ", ".join(made)


def adjust(index: Index, entered: Entered, header: Header, arrived: int, is_newest: bool) -> None:
    """Bring the rows up to date that an instance, whose row is there now, differs from.

    `is_newest`: no other instance of the index arrived as late as this one.
    """
    for level, number in entered.differing:
        said = {c: header[c] for c in told_columns(level) if header[c]}
        if is_newest and not (level is Level.PATIENT and header.corrected):
            update_row(index, level, number, held_row(index, level, number) | said, entered.shared)
        elif not _is_outspoken(index, level, number, set(said), header.corrected, arrived):
            refresh(index, level, number)


def leave(index: Index, shared: int, series: int, arrived: int) -> None:
    """Bring the rows up to date above an instance whose row, of these values, is deleted.

    Those that hold nothing else go.
    """
    above = parents(index, series)
    prune(index, [series])
    told = index.engine.execute(f"SELECT {_TEXTS} FROM shared_header WHERE id = ?", (shared,))
    ((last,),) = index.engine.execute(_LAST, (shared,))
    if last is not None and last >= arrived:
        return
    if last is None:
        index.engine.execute("DELETE FROM shared_header WHERE id = ?", (shared,))
    for level, number in above.items():
        speaker = _speaker(index, level, number)
        if (
            told
            and speaker
            and speaker.shared != shared
            and _names(level, told[0]) <= speaker.names
        ):
            continue  # the speaker's text answers for each of its attributes
        refresh(index, level, number)


def prune(index: Index, ids: list[int], lowest: Level = Level.SERIES) -> None:
    """Delete the rows of `ids`, of `lowest`, that have nothing below them, and so on upwards."""
    for level in reversed(list(Level)[: lowest + 1]):
        table, child = TABLES[level], TABLES[Level(level + 1)]
        parents: list[int] = []
        for number in ids:
            below = f"SELECT 1 FROM {child} WHERE parent_id = ? LIMIT 1"
            if index.engine.execute(below, (number,)):
                continue
            if level is Level.SERIES:
                statement = "DELETE FROM shared_header WHERE parent_id = ?"
                index.engine.execute(statement, (number,))
            if level is not Level.PATIENT:
                above = f"SELECT parent_id FROM {table} WHERE id = ?"
                parents += [row[0] for row in index.engine.execute(above, (number,))]
            if level in NAMED_LEVELS:
                forget_name(index, level, number, held_row(index, level, number))
            index.engine.execute(f"DELETE FROM {table} WHERE id = ?", (number,))
        ids = parents


def refresh(index: Index, level: Level, number: int) -> bool:
    """Make a row above the instances anew; whether it is there. Of a transaction that writes."""
    held = held_row(index, level, number)
    if not held:
        return False
    texts, speaker = said_of(index, level, number)
    update_row(index, level, number, held | texts, speaker)
    return True


def entity(index: Index, level: Level, row: Mapping[str, Any]) -> tuple[int, bool]:
    """The id of the row of the same identity, or of a new one; whether it says anything else."""
    identity = [row[name] for name in (*parent_column(level), *IDENTITY[level])]
    found = index.engine.execute(_select(level, index.engine.dialect), identity)
    if not found:
        return insert_row(index, level, row), False
    number, *texts = found[0]
    held = zip(told_columns(level), texts, strict=True)
    return number, any(row[name] and row[name] != text for name, text in held)


def shared_of(index: Index, series: int, said: SharedHeader) -> int:
    """The id of the shared header of a series that says just this; made where it is not there."""
    same = f"SELECT id, came, {_TEXTS} FROM shared_header WHERE parent_id = ? AND digest = ?"
    found = index.engine.execute(same, (series, said.digest))
    if not found:
        found = index.engine.execute(_INSERT_SHARED, (series, *_values(said)))
    elif found[0][1:] != (said.came, *said.texts):
        update_shared(index, found[0][0], said)  # damaged; who repairs the index comes by here
    return int(found[0][0])


def update_shared(index: Index, number: int, said: SharedHeader) -> None:
    """Have a shared header say something else."""
    index.engine.execute(_UPDATE_SHARED, (*_values(said), number))


def _values(said: SharedHeader) -> tuple[object, ...]:
    return said.digest, int(said.corrected), said.came, *said.texts


@dataclass(frozen=True)
class _Speaker:
    """The shared header that a row names, the last of its instances, and for what it has a text."""

    shared: int
    corrected: bool
    arrived: int
    names: set[str]


def _speaker(index: Index, level: Level, number: int) -> _Speaker | None:
    """A row's speaker, where one is known that still has instances."""
    statement = (
        f"SELECT id, corrected, ({_LAST.replace('?', 'shared_header.id')}), {_TEXTS} "
        f"FROM shared_header WHERE id = (SELECT speaker FROM {TABLES[level]} WHERE id = ?)"
    )
    for shared, corrected, arrived, *told in index.engine.execute(statement, (number,)):
        if arrived is not None:
            return _Speaker(shared, bool(corrected), arrived, _names(level, told))
    return None


def _is_outspoken(
    index: Index, level: Level, number: int, names: set[str], corrected: bool, arrived: int
) -> bool:
    """Whether what an instance says, of the columns `names`, the row's speaker says later."""
    speaker = _speaker(index, level, number)
    if speaker is None or not names <= speaker.names:
        return False
    if level is Level.PATIENT and speaker.corrected != corrected:
        return corrected
    return arrived < speaker.arrived


def _names(level: Level, told: Sequence[str]) -> set[str]:
    """The columns of a level that a shared header has a text for."""
    return {name for text in told for name in json.loads(text)} & set(told_columns(level))


def parents(index: Index, series: int) -> dict[Level, int]:
    """The rows of a series, its study and its patient, as far as they are there."""
    found = {Level.SERIES: series}
    for level, above in ((Level.SERIES, Level.STUDY), (Level.STUDY, Level.PATIENT)):
        statement = f"SELECT parent_id FROM {TABLES[level]} WHERE id = ?"
        rows = index.engine.execute(statement, (found[level],)) if level in found else []
        if rows:
            found[above] = rows[0][0]
    return found


def patients(index: Index, patient_id: str) -> list[tuple[str, ...]]:
    """What is known, in the order of `OF_PERSON`, of each that has a Patient ID."""
    asked = index.engine.dialect.is_text.format("PatientID")
    statement = f"SELECT {', '.join(OF_PERSON)} FROM patient WHERE {asked}"
    with index.engine.reading():
        return [tuple(row) for row in index.engine.execute(statement, (patient_id,))]


@lru_cache
def _select(level: Level, dialect: Dialect) -> str:
    names = ", ".join(("id", *told_columns(level)))
    below = (f"{name} = ?" for name in parent_column(level))
    same = " AND ".join((*below, _is_same(level, dialect)))
    return f"SELECT {names} FROM {TABLES[level]} WHERE {same}"


def _is_same(level: Level, dialect: Dialect) -> str:
    """The condition that a row is of that identity, among those of its parent."""
    is_first = dialect.is_text if level is Level.PATIENT else "{} = ?"  # of any length
    first, *others = IDENTITY[level]
    return " AND ".join((is_first.format(first), *(f"{name} = ?" for name in others)))


_above = itemgetter(*ABOVE)
# What the rows of a patient and a study are made of.
_above_series = itemgetter(
    *(a.column for level in (Level.PATIENT, Level.STUDY) for a in stored_at(level))
)
_TEXTS = ", ".join(SHARED.values())
_OF_SHARED = ("digest", "corrected", "came", *SHARED.values())
_INSERT_SHARED = (
    f"INSERT INTO shared_header (parent_id, {', '.join(_OF_SHARED)}) "
    f"VALUES (?{', ?' * len(_OF_SHARED)}) RETURNING id"
)
_UPDATE_SHARED = f"UPDATE shared_header SET {' = ?, '.join(_OF_SHARED)} = ? WHERE id = ?"
_LAST = "SELECT MAX(arrived) FROM instance WHERE shared_id = ?"

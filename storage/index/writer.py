"""Rows of the index: record an instance, forget one, ask for one.

Statements are prepared once: built by the query builder for every row they took two thirds of
the time that a store takes.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import groupby
from typing import Any, NamedTuple

from storage.dicom import Header
from storage.dicom.values import Level, Uids
from storage.files import FileFacts
from storage.index import entities
from storage.index.engines import Part, Sought
from storage.index.opening import PostgresIndex
from storage.index.rows import insert_instance, insert_row, renew_name, row_of, values_in
from storage.index.tables import Index, column_names
from storage.query import Dialect

_OF_INSTANCE = (
    "FROM instance JOIN series ON instance.parent_id = series.id "
    "JOIN study ON series.parent_id = study.id "
    "WHERE study.StudyInstanceUID = ? AND series.SeriesInstanceUID = ? "
    "AND instance.SOPInstanceUID = ?"
)

_FACT_COLUMNS = (
    "instance.TransferSyntaxUID, file_bytes, instance.digest, charset, arrived, sender, received"
)
_FACTS = f"SELECT {_FACT_COLUMNS} {_OF_INSTANCE}"
_FACTS_OF_STUDY = (
    f"SELECT series.SeriesInstanceUID, instance.SOPInstanceUID, {_FACT_COLUMNS} "
    "FROM study JOIN series ON series.parent_id = study.id "
    "JOIN instance ON instance.parent_id = series.id WHERE study.StudyInstanceUID = ?"
)


@lru_cache
def _of_instances(columns: str, dialect: Dialect) -> str:
    """The same of some instances of a series."""
    asked = dialect.is_in_texts.format("instance.SOPInstanceUID")
    return f"SELECT {columns} {_OF_INSTANCE}".replace("instance.SOPInstanceUID = ?", asked)


@dataclass(frozen=True)
class _Deleted:
    """An instance's row that was deleted."""

    series: int
    shared: int
    arrived: int


def record(
    index: Index, header: Header, facts: FileFacts, then: Callable[[], None] = lambda: None
) -> None:
    """Enter an instance, in place of any row under the same UIDs. Raises ResourceError.

    `then` is called behind it, in the same transaction, which may be tried twice.
    """
    row = instance_row(header, facts)
    index.engine.write(partial(enter, index, header, row, then))


def instance_row(header: Header, facts: FileFacts) -> dict[str, Any]:
    """The row that an instance and its file make: column -> value, without parents."""
    row = row_of(Level.IMAGE, header)
    row["TransferSyntaxUID"] = facts.transfer_syntax_uid
    row["file_bytes"] = facts.file_bytes
    row["digest"] = facts.digest
    row["charset"] = facts.charset
    row["arrived"] = facts.arrived
    row["sender"] = facts.sender
    row["received"] = facts.received
    return row


def enter(index: Index, header: Header, row: dict[str, Any], then: Callable[[], None]) -> None:
    """Enter an instance's row, without its parents; of a transaction that writes."""
    deleted = _delete(index, header.uids)
    above = entities.enter(index, header)
    is_newest = bool(above.differing) and _is_newest(index, row["arrived"])
    row["parent_id"], row["shared_id"] = above.series, above.shared
    if header.added and index.engine.added_keys.are_there:
        number = insert_row(index, Level.IMAGE, row)
        index.engine.added_values.enter(number, header.added)
    else:
        insert_instance(index, row)
    if above.differing:
        entities.adjust(index, above, header, row["arrived"], is_newest)
    _leave(index, deleted)
    then()


_IS_NEW = f"NOT EXISTS (SELECT 1 {_OF_INSTANCE})"


class PlannedRow(NamedTuple):
    """The row of an instance that is new, and what is above it, in parts of one statement.

    `held` stands in front of its `plan`, whose condition is `agrees`; `made` and `insert` enter
    all of it for a row of that. `is_remembered`: what is above it was not looked for.
    """

    held: Part
    agrees: Part
    made: Part
    insert: Part
    is_remembered: bool
    key: Hashable  # by which is remembered what is above it

    def learn(self, index: PostgresIndex, told: Sequence[Any]) -> None:
        """Remember what is above it, by what `insert` told once it is committed."""
        series, shared, epoch = told
        before, known = index.engine.remembered
        known = dict(known) if before == epoch else {}
        entities.remember(known, self.key, (series, shared))
        index.engine.remembered = epoch, known


def planned_row(
    index: PostgresIndex, header: Header, row: dict[str, Any], seeks: bool
) -> PlannedRow | None:
    """What `enter` would do of a row, where nothing else is to be changed; None where it may be.

    `seeks`: what is above it is looked for, whatever is remembered of it.
    """
    if header.added:
        return None
    dialect, found = index.engine.dialect, None
    if not seeks:
        found = _remembered(*index.engine.remembered, header)
    held, agrees, made = found or entities.sought(dialect, header)
    is_new = Part(f"{agrees.text} AND {_IS_NEW}", (*agrees.values, *header.uids))
    own, text = _insert_planned(dialect)
    insert = Part(text, values_in(own, dialect, Level.IMAGE, row))
    return PlannedRow(held, is_new, made, insert, found is not None, entities.key_of(header))


def _remembered(epoch: int, known: Mapping[Any, Any], header: Header) -> Sought | None:
    """`the_series` and `the_shared_header` that an instance goes below, as these were entered.

    If they were; as long as the epoch is the same they are what they were.
    """
    if (above := entities.known_among(known, header)) is None:
        return None
    held = Part(_REMEMBERED, (above.shared, above.series))
    return Sought(held, Part(_IS_REMEMBERED, (epoch,)))


_REMEMBERED = (
    "the_shared_header AS (SELECT id, parent_id FROM shared_header WHERE id = ? AND parent_id = ?)"
    ", the_series AS (SELECT parent_id AS id FROM the_shared_header)"
)
_IS_REMEMBERED = "(SELECT number FROM epoch) = ? AND EXISTS (SELECT 1 FROM the_shared_header)"


@lru_cache
def _insert_planned(dialect: Dialect) -> tuple[tuple[str, ...], str]:
    """The columns whose values it takes, and what tells `PlannedRow.learn` what was entered."""
    own = tuple(name for name in column_names(Level.IMAGE, dialect) if name != "shared_id")
    return own, (
        f"INSERT INTO instance (parent_id, shared_id, {', '.join(own)}) "
        f"SELECT the_series.id, the_shared_header.id{', ?' * len(own)} "
        "FROM plan, the_series, the_shared_header "
        "RETURNING parent_id, shared_id, (SELECT number FROM epoch)"
    )


def forget(index: Index, uids: Uids) -> None:
    """Delete an instance's row; what is above it is then as if it had never been there.

    Raises ResourceError.
    """
    with index.engine.writing():
        _leave(index, _delete(index, uids))


def refresh(index: Index, level: Level, number: int) -> bool:
    """Make a row above the instances anew from what these say; whether there was such a row.

    Raises ResourceError.
    """
    with index.engine.writing():
        is_there = entities.refresh(index, level, number)
        if is_there:
            renew_name(index, level, number)
    return is_there


def prune(index: Index, level: Level, number: int) -> None:
    """Delete a row above the instances that holds nothing, and so on upwards.

    Raises ResourceError.
    """
    with index.engine.writing():
        entities.prune(index, [number], level)


def digest_in(index: Index, uids: Uids) -> str | None:
    """The digest in the instance's row, which may be empty; None where there is no row.

    Raises ResourceError.
    """
    with index.engine.reading():
        found = index.engine.execute(f"SELECT instance.digest {_OF_INSTANCE}", uids)
    return str(found[0][0]) if found else None


def facts_in(index: Index, uids: Uids) -> FileFacts | None:
    """What the instance's row holds of its file; None where there is no row.

    Raises ResourceError.
    """
    with index.engine.reading():
        found = index.engine.execute(_FACTS, uids)
    return FileFacts(*found[0]) if found else None


def studies(index: Index) -> list[str]:
    """The Study Instance UIDs of all that is held, sorted. Raises ResourceError."""
    with index.engine.reading():
        found = index.engine.execute("SELECT DISTINCT StudyInstanceUID FROM study", ())
    return sorted(str(study) for (study,) in found)


def facts_of_study(index: Index, study: str) -> dict[Uids, FileFacts]:
    """What the rows of a study's instances hold of their files. Raises ResourceError."""
    with index.engine.reading():
        found = index.engine.execute(_FACTS_OF_STUDY, (study,))
    return {(study, str(row[0]), str(row[1])): FileFacts(*row[2:]) for row in found}


def without_row(index: Index, instances: Sequence[Uids]) -> list[Uids]:
    """Those of the instances that have no row; asked together where they are of one series.

    Raises ResourceError.
    """
    found: list[Uids] = []
    for (study, series), of_series in groupby(instances, lambda uids: uids[:2]):
        wanted = [instance for _, _, instance in of_series]
        rows = _asked_of_series(index, "instance.SOPInstanceUID", study, series, wanted)
        held = {instance for (instance,) in rows}
        found += [(study, series, instance) for instance in wanted if instance not in held]
    return found


def digests_in(index: Index, instances: Sequence[Uids]) -> dict[Uids, str]:
    """The digests in the rows of instances, of those that have one; asked as in `without_row`.

    Raises ResourceError.
    """
    found: dict[Uids, str] = {}
    for (study, series), of_series in groupby(instances, lambda uids: uids[:2]):
        wanted = [instance for _, _, instance in of_series]
        columns = "instance.SOPInstanceUID, instance.digest"
        rows = _asked_of_series(index, columns, study, series, wanted)
        found |= {(study, series, instance): str(digest) for instance, digest in rows}
    return found


def _asked_of_series(
    index: Index, columns: str, study: str, series: str, instances: Sequence[str]
) -> list[Any]:
    dialect = index.engine.dialect
    with index.engine.reading():
        values = study, series, dialect.listed(instances)
        return index.engine.execute(_of_instances(columns, dialect), values)


def _delete(index: Index, uids: Uids) -> list[_Deleted]:
    """Delete the instance's rows: of one study or, where that is under two patients, of both."""
    columns = "instance.id, instance.parent_id, instance.shared_id, instance.arrived"
    held = index.engine.execute(f"SELECT {columns} {_OF_INSTANCE}", uids)
    for number, *_ in held:
        index.engine.execute("DELETE FROM instance WHERE id = ?", (number,))
    return [_Deleted(*rest) for _, *rest in held]


def _leave(index: Index, deleted: list[_Deleted]) -> None:
    for one in deleted:
        entities.leave(index, one.shared, one.series, one.arrived)


def _is_newest(index: Index, arrived: int) -> bool:
    last = index.engine.execute("SELECT MAX(arrived) FROM instance", ())[0][0]
    return last is None or arrived > last

"""The values of keys that were added to an index, by instances: written, read and looked up."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from peewee import Table

from storage.dicom import HeaderValue
from storage.dicom.values import Uids, vr_of_tag
from storage.index.engines.added_keys import AddedKey
from storage.index.engines.statements import Statements
from storage.query import are_alike, form_condition, forms

_NUL = "\0"
_OF_ONE = "WHERE instance = ? AND tag = ?"
_SET = f"UPDATE added_value SET vr = ?, text = ?, form = ? {_OF_ONE} AND number = 0 RETURNING 1"
_SET_MORE = "INSERT INTO added_value (instance, tag, number, vr, form) VALUES (?, ?, ?, ?, ?)"
_MAKE = (
    "INSERT INTO added_value (instance, tag, number) "
    "SELECT id, ?, 0 FROM instance WHERE id = ? ON CONFLICT DO NOTHING"
)
_IS_HELD = "SELECT 1 FROM instance WHERE id = ? AND arrived = ? AND digest = ?"
_REACHED = (
    "UPDATE added_key SET reached = ? WHERE tag = ? AND decided = ? AND removed = 0 AND reached < ?"
)
_BEHIND = "SELECT id FROM instance WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
_DUE = (
    "SELECT DISTINCT instance FROM added_value WHERE vr IS NULL AND instance > ? "
    "ORDER BY instance LIMIT ?"
)
# What an instance said before any correction lies with what it is shown with: see `rows`.
_CAME = (
    "SELECT instance.id, StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID, came, PatientID "
    "FROM {} {} instance ON instance.id = asked.value "
    "JOIN shared_header ON shared_header.id = instance.shared_id "
    "JOIN series ON instance.parent_id = series.id JOIN study ON series.parent_id = study.id "
    "JOIN patient ON study.parent_id = patient.id"
)
_PATIENT_ID = "PatientID"
_ADDED_VALUE: Any = Table("added_value", ("instance", "tag", "number", "vr", "text", "form"))


class Filled(NamedTuple):
    """The values that the header of an instance has, whose row has these facts of its file."""

    number: int
    arrived: int
    digest: str
    values: Mapping[int, HeaderValue]


class AddedValues:
    """Those of one index."""

    def __init__(self, engine: Statements) -> None:
        self._engine = engine

    def enter(self, number: int, values: Mapping[int, HeaderValue]) -> None:
        """Write the values of an instance, of the keys for which it has a row.

        Of a transaction that writes, in an index that has such keys.
        """
        for tag, value in values.items():
            first, *more = _forms_of(tag, value)
            if self._engine.execute(_SET, (value.vr, value.text, first, number, tag)) and more:
                for at, form in enumerate(more, 1):
                    self._engine.execute(_SET_MORE, (number, tag, at, value.vr, form))

    def fill(self, page: Iterable[Filled], keys: Iterable[AddedKey], reached: int) -> None:
        """Write the values of a page of instances, and how far the keys are with it.

        What was replaced or deleted since it was read is left out. Raises ResourceError.
        """
        with self._engine.writing():
            for one in page:
                if not self._engine.execute(_IS_HELD, one[:3]):
                    continue
                for tag in one.values:
                    more = f"DELETE FROM added_value {_OF_ONE} AND number > 0"
                    self._engine.execute(more, (one.number, tag))
                    self._engine.execute(_MAKE, (tag, one.number))
                self.enter(one.number, one.values)
            for key in keys:
                to = min(reached, key.last)
                self._engine.execute(_REACHED, (to, key.tag, key.decided, to))

    def behind(self, after: int, last: int, most: int) -> list[int]:
        """The instances behind a row, up to another one; some at most."""
        return [number for (number,) in self._engine.execute(_BEHIND, (after, last, most))]

    def due(self, after: int, most: int) -> list[int]:
        """Those behind a row whose values are due; some at most."""
        return [number for (number,) in self._engine.execute(_DUE, (after, most))]

    def of(
        self, speaker: str, entities: Sequence[int], tags: Collection[int]
    ) -> dict[int, tuple[int, dict[int, HeaderValue]]]:
        """Of each entity the instance that speaks for it, and which of the values are there.

        `speaker` is the SQL expression for that instance's row, of `asked.value`.
        """
        dialect = self._engine.dialect
        statement = (
            f"WITH spoken AS MATERIALIZED (SELECT asked.value AS entity, {speaker} AS instance "
            f"FROM {dialect.numbers.format('asked')}) "
            "SELECT entity, spoken.instance, tag, vr, text FROM spoken "
            f"{dialect.then_join} added_value ON added_value.instance = spoken.instance "
            f"AND {_is_one(tags)} AND number = 0 WHERE text IS NOT NULL"
        )
        given = (dialect.listed(entities),)
        found: dict[int, tuple[int, dict[int, HeaderValue]]] = {}
        for entity, instance, tag, vr, text in self._engine.execute(statement, given):
            found.setdefault(entity, (instance, {}))[1][tag] = HeaderValue(vr, text)
        return found

    def came_as(self, instances: Sequence[int]) -> dict[int, tuple[Uids, str]]:
        """Of each instance its UIDs, and the Patient ID that it came with."""
        dialect = self._engine.dialect
        statement = _CAME.format(dialect.numbers.format("asked"), dialect.then_join)
        found = self._engine.execute(statement, (dialect.listed(instances),))
        return {
            number: ((study, series, uid), json.loads(came).get(_PATIENT_ID, "") if came else shown)
            for number, study, series, uid, came, shown in found
        }

    def are_few(self, selected: Any, most: int) -> bool:
        """Whether a SELECT of `candidates` gives so many at most."""
        limited = selected.limit(most + 1)
        context: Any = self._engine.database.get_sql_context()
        statement, values = context.sql(limited).query()
        return len(self._engine.execute(statement, values)) <= most

    def count_unread(self, tags: Iterable[int], most: int) -> int:
        """Of how many values the header has to be asked; of more than `most` one more.

        0: all are counted.
        """
        limit = f" LIMIT {most + 1}" if most else ""
        statement = (
            f"SELECT COUNT(*) FROM (SELECT 1 FROM added_value WHERE {_is_one(tags)} "
            f"AND form IS NULL AND number = 0 AND text IS NULL{limit}) AS unread"
        )
        return int(self._engine.execute(statement, ())[0][0])


def _is_one(tags: Iterable[int]) -> str:
    """The condition that a value is of any of some keys."""
    return f"tag IN ({', '.join(str(int(tag)) for tag in tags)})"


def candidates(tag: int, key: str, instance: Any = None) -> Any:
    """The SELECT of the instances that may match a key: of all, or whether `instance` does."""
    value = _ADDED_VALUE.alias("candidate")
    vr = vr_of_tag(tag)
    of_tag = value.tag == tag
    if instance is not None:
        of_tag = (value.instance == instance) & of_tag
    asked = value.form == "" if key == "" else form_condition(vr, value.form, key)
    matching = value.select(value.instance).where(of_tag & asked)
    return matching.union_all(value.select(value.instance).where(of_tag & value.form.is_null()))


def _forms_of(tag: int, value: HeaderValue) -> tuple[str | None, ...]:
    """The forms that are looked up; None where these would not tell."""
    if value.text is None or (value.vr and not are_alike(value.vr, vr_of_tag(tag))):
        return (None,)
    found = forms(value.vr, value.text)
    return (None,) if any(_NUL in form for form in found) else found

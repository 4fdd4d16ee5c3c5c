"""What the index holds, counted; and what is counted and listed for a query (PS3.4 C.3.4)."""

from collections.abc import Sequence
from operator import and_
from typing import Any, NamedTuple

from peewee import SQL, fn

from storage.dicom.values import BY_KEYWORD, VIDEO_CLASSES, Attribute, Level, Uids
from storage.index.tables import TABLES, Index, columns_of
from storage.query import (
    ByDialect,
    Decided,
    Query,
    condition,
    equals_any,
    is_universal,
    joined,
    matches,
    put_together,
    single_keys,
)

_BY_MODALITY = """
SELECT series.Modality, COUNT(DISTINCT series.parent_id), COUNT(*), SUM(instances), SUM(bytes)
FROM (
    SELECT series AS number, SUM(instances) AS instances, SUM(bytes) AS bytes
    FROM received_sum GROUP BY series
) AS held JOIN series ON series.id = held.number
GROUP BY series.Modality ORDER BY SUM(bytes) DESC, series.Modality
"""
_BY_STUDY = (
    "SELECT study.StudyInstanceUID, SUM(instances), SUM(bytes), "
    "SUM(CASE WHEN month = '' THEN instances ELSE 0 END) "
    "FROM received_sum JOIN series ON received_sum.series = series.id "
    "JOIN study ON series.parent_id = study.id GROUP BY study.StudyInstanceUID"
)
_BY_RECEIPT = (
    "SELECT sender, month, SUM(instances), SUM(bytes) FROM received_sum GROUP BY sender, month"
)
_LAST = "SELECT MAX(received) FROM instance WHERE sender = ?"


# The instances of the entity whose row has an id.
_SERIES = "JOIN series ON series.id = instance.parent_id"
_STUDY = f"{_SERIES} JOIN study ON study.id = series.parent_id"
_INSTANCES = {
    Level.PATIENT: f"FROM instance {_STUDY} WHERE study.parent_id = ?",
    Level.STUDY: f"FROM instance {_STUDY} WHERE study.id = ?",
    Level.SERIES: f"FROM instance {_STUDY} WHERE series.id = ?",
    Level.IMAGE: f"FROM instance {_STUDY} WHERE instance.id = ?",
}


class ReceivedShare(NamedTuple):
    """Of the instances of an entity: how many bytes, and when the first and the last came.

    Times are in nanoseconds since 1970; all are 0 where nothing is held any more.
    """

    bytes: int
    first: int
    last: int


def received(index: Index, level: Level, row_id: int) -> ReceivedShare:
    """What came of the entity whose row it is. Raises ResourceError."""
    statement = "SELECT SUM(instance.file_bytes), MIN(instance.arrived), MAX(instance.arrived) "
    with index.engine.reading():
        ((size, first, last),) = index.engine.execute(statement + _INSTANCES[level], (row_id,))
    return ReceivedShare(size or 0, first or 0, last or 0)


def instances(index: Index, level: Level, row_id: int) -> list[Uids]:
    """The UIDs of the instances of the entity whose row it is. Raises ResourceError."""
    statement = "SELECT study.StudyInstanceUID, series.SeriesInstanceUID, instance.SOPInstanceUID "
    with index.engine.reading():
        rows = index.engine.execute(statement + _INSTANCES[level], (row_id,))
    return [(study, series, instance) for study, series, instance in rows]


def entities(index: Index, level: Level) -> int:
    """How many entities of a level are held."""
    if level is Level.IMAGE:
        return _one(index, "SELECT SUM(instances) FROM received_sum")
    if level is Level.STUDY:  # of the same rows, in a hundredth of the pages
        return _one(index, "SELECT COUNT(*) FROM study_arrival")
    return _one(index, f"SELECT COUNT(*) FROM {TABLES[level]}")


def data_set_bytes(index: Index) -> int:
    """The bytes of all data sets."""
    return _one(index, "SELECT SUM(bytes) FROM received_sum")


def by_receipt(index: Index) -> list[tuple[str, str, int, int]]:
    """Sender, month of arrival, instances and bytes; both are empty where no receipt tells them."""
    with index.engine.reading():
        return index.engine.execute(_BY_RECEIPT, ())


def last_from(index: Index, sender: str) -> int:
    """When the last instance came that is held of a sender, in milliseconds; 0: nobody knows."""
    return _one(index, _LAST, sender)


def _one(index: Index, statement: str, *values: str) -> int:
    with index.engine.reading():
        return int(index.engine.execute(statement, values)[0][0] or 0)


def by_modality(index: Index) -> list[tuple[str, int, int, int, int]]:
    """Modality, studies, series, instances and bytes, the most bytes first."""
    with index.engine.reading():
        return [(str(first), *rest) for first, *rest in index.engine.execute(_BY_MODALITY, ())]


def by_study(index: Index) -> list[tuple[str, int, int, int]]:
    """UID, instances and bytes of each study, and of how many instances no receipt is known."""
    with index.engine.reading():
        return index.engine.execute(_BY_STUDY, ())


def holds_study(index: Index, uid: str) -> bool:
    """Whether anything is held of a study."""
    return bool(_one(index, "SELECT EXISTS (SELECT 1 FROM study WHERE StudyInstanceUID = ?)", uid))


class SenderShare(NamedTuple):
    """What is held of a study from one sender; `with_digest`: so many instances have theirs.

    Times are those of the first and the last receipt, in milliseconds since 1970; 0: nobody knows.
    """

    sender: str
    instances: int
    bytes: int
    with_digest: int
    first: int
    last: int


def of_study(index: Index, study: str) -> list[SenderShare]:
    """What is held of a study, by sender. Raises ResourceError."""
    with index.engine.reading():
        return [SenderShare(*row) for row in index.engine.execute(_OF_STUDY, (study,))]


_OF_STUDY = (
    "SELECT sender, COUNT(*), SUM(file_bytes), "
    "SUM(CASE WHEN instance.digest <> '' THEN 1 ELSE 0 END), "
    f"MIN(received), MAX(received) FROM instance {_STUDY} WHERE StudyInstanceUID = ? "
    "GROUP BY sender ORDER BY MIN(received), sender"
)


class StudyArrivals(NamedTuple):
    """Whose a study is, and what is held of it of one modality.

    Times are those of the first and the last instance, in milliseconds since 1970.
    """

    study: str
    modality: str
    accession: str
    patient_id: str
    patient_name: str
    first: int
    last: int
    instances: int


def arrivals_of(index: Index, studies: Sequence[str]) -> list[StudyArrivals]:
    """What is held of studies, by their UIDs. Raises ResourceError."""
    return _arrivals(index, "StudyInstanceUID", studies)


def arrivals_for(index: Index, accessions: Sequence[str]) -> list[StudyArrivals]:
    """What is held of the studies of these Accession Numbers. Raises ResourceError."""
    return _arrivals(index, "AccessionNumber", accessions)


def _arrivals(index: Index, column: str, texts: Sequence[str]) -> list[StudyArrivals]:
    if not texts:
        return []
    dialect = index.engine.dialect
    statement = f"{_ARRIVALS} WHERE {dialect.is_in_texts.format(f'study.{column}')} {_EACH}"
    with index.engine.reading():
        found = index.engine.execute(statement, (dialect.listed(texts),))
    return [StudyArrivals(*row) for row in found]


# Of a file without a receipt its own time is all that is known.
_CAME = "(CASE received WHEN 0 THEN arrived / 1000000 ELSE received END)"
_ARRIVALS = (
    "SELECT StudyInstanceUID, Modality, AccessionNumber, PatientID, study.PatientName, "
    f"MIN({_CAME}), MAX({_CAME}), COUNT(*) FROM study JOIN patient ON patient.id = study.parent_id "
    "JOIN series ON series.parent_id = study.id JOIN instance ON instance.parent_id = series.id"
)
_EACH = "GROUP BY study.id, patient.id, Modality ORDER BY study.id, Modality"


def senders(index: Index, instances: Sequence[Uids]) -> dict[Uids, str]:
    """The AE title that each of some instances came from. Raises ResourceError."""
    dialect = index.engine.dialect
    statement = (
        "SELECT StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID, sender "
        f"FROM {dialect.texts.format('asked')} "
        f"{dialect.then_join} instance ON SOPInstanceUID = asked.value {_STUDY}"
    )
    with index.engine.reading():
        asked = dialect.listed([uids[2] for uids in instances])
        found = index.engine.execute(statement, (asked,))
    return {(study, series, instance): sender for study, series, instance, sender in found}


def series_with_pictures(index: Index, study: str) -> set[str]:
    """The UIDs of a study's series in which an instance has Rows."""
    with index.engine.reading():
        return {uid for (uid,) in index.engine.execute(_PICTURED, (study,))}


_PICTURED = (
    "SELECT SeriesInstanceUID FROM study JOIN series ON series.parent_id = study.id WHERE "
    "StudyInstanceUID = ? AND EXISTS (SELECT 1 FROM instance WHERE instance.parent_id = series.id "
    "AND \"Rows\" <> '')"
)


def video_syntaxes(index: Index, sop_class_uid: str) -> list[str]:
    """The transfer syntaxes that instances of a class of video are in, that of the most first."""
    with index.engine.reading():
        return [row[0] for row in index.engine.execute(_VIDEO_SYNTAXES, (sop_class_uid,))]


# The first condition is that of an index which holds video alone.
_VIDEO_SYNTAXES = (
    f"SELECT TransferSyntaxUID FROM instance WHERE SOPClassUID IN {VIDEO_CLASSES} AND "
    "SOPClassUID = ? GROUP BY TransferSyntaxUID ORDER BY COUNT(*) DESC, TransferSyntaxUID"
)


# ---- what a query asks of the entities below another

# Computed attributes, PS3.4 C.3.4: keyword -> what is counted, below which level.
_COUNTS = {
    "NumberOfPatientRelatedStudies": (Level.STUDY, Level.PATIENT),
    "NumberOfPatientRelatedSeries": (Level.SERIES, Level.PATIENT),
    "NumberOfPatientRelatedInstances": (Level.IMAGE, Level.PATIENT),
    "NumberOfStudyRelatedSeries": (Level.SERIES, Level.STUDY),
    "NumberOfStudyRelatedInstances": (Level.IMAGE, Level.STUDY),
    "NumberOfSeriesRelatedInstances": (Level.IMAGE, Level.SERIES),
}
# More keys for what is listed of a study are matched with its different values at once.
_FEW = 4
# keyword -> the attribute of the study's series or instances whose values it lists.
_IN_STUDY = {
    "ModalitiesInStudy": (Level.SERIES, "Modality"),
    "SOPClassesInStudy": (Level.IMAGE, "SOPClassUID"),
}


def computed(index: Index, attribute: Attribute) -> Any:
    """What is answered for such an attribute of an entity of its level."""
    if attribute.keyword in _COUNTS:
        below, above = _COUNTS[attribute.keyword]
        return _below(index, index.models[below].alias(), below, above, fn.COUNT(SQL("*")))
    level, keyword = _IN_STUDY[attribute.keyword]
    rows_below = index.models[level].alias()
    value = getattr(rows_below, keyword)
    distinct = _below(index, rows_below, level, Level.STUDY, value.alias("value"))
    listed = distinct.where(value != "").distinct().order_by(value)
    return listed.alias("listed").select_from(put_together(SQL("value")))


def listed_condition(
    index: Index, study: Any, attribute: Attribute, query: Query, empty: bool
) -> Any:
    """The condition on what is listed of a study; None where everything matches.

    `empty`: that it is nothing.
    """
    if empty:
        return ~_any_in_study(index, study, attribute, "?*")
    key = query.text(attribute)
    keys = single_keys(attribute.vr, key) if query.options.multiple_values else [key]
    found = [_any_in_study(index, study, attribute, one) for one in keys or [key]]
    if any(one is None for one in found):
        return None
    every = joined(and_, found)
    # PostgreSQL would look for the best order in which to join all that they are about.
    return ByDialect(
        every,
        lambda: every if len(keys) <= _FEW else _every_in_study(index, study, attribute, keys),
    )


def _any_in_study(index: Index, study: Any, attribute: Attribute, key: str) -> Any:
    if is_universal(attribute.vr, key):
        return None
    level, keyword = _IN_STUDY[attribute.keyword]
    below = index.models[level].alias()
    listed = BY_KEYWORD[keyword]
    found = condition(listed, columns_of(below, listed), below, key)
    return fn.EXISTS(_below(index, below, level, Level.STUDY, SQL("1"), study).where(found))


def _every_in_study(index: Index, study: Any, attribute: Attribute, keys: Sequence[str]) -> Any:
    """Whether each of many keys matches any of a study: by the different values that there are."""
    level, keyword = _IN_STUDY[attribute.keyword]
    table, below = index.models[level], index.models[level].alias()

    def made(texts: Sequence[str]) -> Any:
        matched = {frozenset(t for t in texts if matches(attribute.vr, t, key)) for key in keys}
        return joined(and_, [
            fn.EXISTS(
                _below(index, below, level, Level.STUDY, SQL("1"), study)
                .where(equals_any(getattr(below, keyword), sorted(one)))
            )
            for one in matched
        ])  # fmt: skip

    return Decided(table.select(getattr(table, keyword)).distinct(), made)


def _below(
    index: Index, alias: Any, level: Level, above: Level, selected: Any, outer: Any = None
) -> Any:
    """A subquery on the rows of `level` below the row of `above` of the outer query.

    `outer` is that query's table where it is not the level's own.
    """
    found, child = alias.select(selected), alias
    for between in range(level - 1, above, -1):
        parent = index.models[Level(between)].alias()
        found = found.join_from(child, parent, on=(child.parent == parent.id))
        child = parent
    top = index[above] if outer is None else outer
    return found.where(child.parent == top.id)

"""What the index holds, counted."""

from collections.abc import Iterator

from storage.dicom.values import Level
from storage.index.tables import TABLES, Index

_BY_MODALITY = """
SELECT series.Modality, COUNT(DISTINCT series.parent_id), COUNT(DISTINCT series.id), COUNT(*),
       SUM(instance.file_bytes) AS held
FROM instance JOIN series ON series.id = instance.parent_id
GROUP BY series.Modality ORDER BY held DESC, series.Modality
"""
_BY_STUDY = (
    "SELECT study.StudyInstanceUID, count(*), sum(instance.file_bytes), sum(instance.digest = '') "
    "FROM instance JOIN series ON instance.parent_id = series.id "
    "JOIN study ON series.parent_id = study.id GROUP BY study.StudyInstanceUID"
)


def entities(index: Index, level: Level) -> int:
    """How many entities of a level are held."""
    return _one(index, f"SELECT COUNT(*) FROM {TABLES[level]}")


def data_set_bytes(index: Index) -> int:
    """The bytes of all data sets."""
    return _one(index, "SELECT COALESCE(SUM(file_bytes), 0) FROM instance")


def _one(index: Index, statement: str) -> int:
    with index.engine.reading():
        return int(index.engine.execute(statement, ())[0][0])


def by_modality(index: Index) -> list[tuple[str, int, int, int, int]]:
    """Modality, studies, series, instances and bytes, the most bytes first."""
    with index.engine.reading():
        return [(str(first), *rest) for first, *rest in index.engine.execute(_BY_MODALITY, ())]


def by_study(index: Index) -> list[tuple[str, int, int, int]]:
    """UID, instances and bytes of each study, and how many of the instances have no digest."""
    with index.engine.reading():
        return index.engine.execute(_BY_STUDY, ())


def digests(index: Index) -> Iterator[tuple[str, int]]:
    """Digest and bytes of each instance, by digest; to be read within `reading`."""
    statement = "SELECT digest, file_bytes FROM instance ORDER BY digest"
    yield from index.engine.stream(statement, ())

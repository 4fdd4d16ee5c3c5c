"""Look-ups in PostgreSQL find their rows by an index, of however many there are."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from storage import Level, Options, Query, Root
from storage.dicom.data_sets import Element
from storage.dicom.values import BY_KEYWORD
from storage.index import search
from storage.index.opening import PostgresIndex

# With these a table is read from the first row to the last only where no index can be asked for a
# part of it, at a cost that tells of it.
SETTINGS = (
    "enable_seqscan", "enable_indexscan", "enable_indexonlyscan", "enable_hashjoin",
    "enable_mergejoin",
)  # fmt: skip
WHOLE = re.compile(r"Scan .*\bon (patient|study|series|instance)\b.*\(cost=\d{11,}")


@contextmanager
def explained(index: PostgresIndex, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The plans of what is streamed within the block."""
    plans: list[str] = []

    def tell(statement: str, values: Any) -> Iterator[Any]:
        with index.engine.writing():
            for setting in SETTINGS:
                index.engine.execute(f"SET LOCAL {setting} = off", ())
            plans.extend(line for (line,) in index.engine.execute(f"EXPLAIN {statement}", values))
        return iter(())

    with monkeypatch.context() as patch:
        patch.setattr(index.engine, "stream", tell)
        yield plans


@pytest.mark.parametrize("relational", [False, True], ids=["hierarchical", "relational"])
@pytest.mark.parametrize(
    "key", ["WEISS^ANNA", "Weiß^A*", "*eiß^Ann*", "?eiß*", "MUELLER^A*", "ﾔﾏﾀﾞ^*", "A^B=山田^*"]
)
def test_a_name_is_looked_up(
    index: PostgresIndex, monkeypatch: pytest.MonkeyPatch, key: str, relational: bool
) -> None:
    asked_for(index, monkeypatch, Level.STUDY, relational, PatientName=key)


@pytest.mark.parametrize(("level", "keys"), [
    (Level.STUDY, {"StudyInstanceUID": "1.2"}),
    (Level.STUDY, {"StudyInstanceUID": "1.2\\1.3"}),
    (Level.STUDY, {"StudyInstanceUID": "\\".join(f"1.{n}" for n in range(400))}),
    (Level.STUDY, {"AccessionNumber": "A1"}),
    (Level.STUDY, {"AccessionNumber": "A1*"}),
    (Level.STUDY, {"PatientID": "P1"}),
    (Level.STUDY, {"StudyDate": "20240101-20240102"}),
    (Level.STUDY, {"StudyDate": "20240101", "PatientName": "*eiß*"}),
    (Level.SERIES, {"StudyInstanceUID": "1.2"}),
    (Level.IMAGE, {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.3"}),
    (Level.IMAGE, {"SOPInstanceUID": "1.2.3.4"}),
])  # fmt: skip
def test_what_is_asked_for_by_a_key_of_few_is_looked_up(
    index: PostgresIndex, monkeypatch: pytest.MonkeyPatch, level: Level, keys: dict[str, str]
) -> None:
    asked_for(index, monkeypatch, level, True, **keys)


def test_what_is_in_no_index_is_told_from_what_is(
    index: PostgresIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AssertionError, match="on study"):
        asked_for(index, monkeypatch, Level.STUDY, False, StudyDescription="*CHEST*")


def asked_for(
    index: PostgresIndex, monkeypatch: pytest.MonkeyPatch, level: Level, relational: bool,
    **keys: str,
) -> None:  # fmt: skip
    """Ask for some, and see that no table of a level is read as a whole."""
    elements = {
        BY_KEYWORD[name].tag: Element(BY_KEYWORD[name].vr, text) for name, text in keys.items()
    }
    options = Options(relational=relational)
    with explained(index, monkeypatch) as plans:
        assert list(search.rows(index, Query(Root.STUDY, level, elements, options=options))) == []
    assert plans
    assert not [line.strip() for line in plans if WHOLE.search(line)], "\n".join(plans)

"""What a process remembers of rows above instances holds until one of them changes, by whomever."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from support import ct, encoded

from storage.dicom import Header, instance_header
from storage.dicom.values import Level
from storage.index import FileFacts, SqliteIndex, forget, open_index, pages, prune, record, refresh
from storage.index.consistency import orphans

ABOVE = ("patient", "study", "series", "shared_header")
EXPLICIT = "1.2.840.10008.1.2.1"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], SqliteIndex]]:
    """Each is to the others as one of another process."""
    held: list[SqliteIndex] = []

    def opened() -> SqliteIndex:
        held.append(open_index(tmp_path / "index.sqlite", sync=False, pooled=True))
        return held[-1]

    opened().create()
    yield opened
    for one in held:
        one.database.close_all()


def header(instance: str, series: str = "1.2", **values: str) -> Header:
    held = encoded(ct("1.1", series, instance, **values))
    return instance_header.header(BytesIO(held), EXPLICIT, "ISO_IR 100")


def facts(arrived: int) -> FileFacts:
    return FileFacts(EXPLICIT, 1, "d", "", arrived)


def remembered(index: SqliteIndex) -> bool:
    """Whether a next instance has to ask nothing of what is above it."""
    with index.engine.writing():
        return bool(index.engine.entered)


@pytest.mark.parametrize("table", ABOVE)
@pytest.mark.parametrize("statement", ["UPDATE {} SET id = id", "DELETE FROM {}"])
def test_every_statement_on_a_row_above_is_noticed(
    opened: Callable[[], SqliteIndex], table: str, statement: str
) -> None:
    index, other = opened(), opened()
    record(index, header("1.3"), facts(1))
    assert remembered(index)
    other.engine.execute("PRAGMA foreign_keys = OFF", ())
    with other.engine.writing():
        other.engine.execute(statement.format(table), ())
    assert not remembered(index)


@pytest.mark.parametrize("change", [
    lambda index: forget(index, ("1.1", "1.2", "1.3")),
    lambda index: refresh(index, Level.STUDY, 1),
    lambda index: record(index, header("1.9", StudyDescription="another"), facts(9)),
    lambda index: orphans.cut(index, Level.STUDY, 1),
    lambda index: (forget(index, ("1.1", "1.2", "1.3")), prune(index, Level.SERIES, 1)),
])  # fmt: skip
def test_what_others_change_is_noticed_and_the_next_row_is_right(
    opened: Callable[[], SqliteIndex], change: Callable[[SqliteIndex], object]
) -> None:
    index, other = opened(), opened()
    record(index, header("1.3"), facts(1))
    change(other)
    assert not remembered(index)
    record(index, header("1.4"), facts(20))
    assert index.engine.execute("PRAGMA foreign_key_check", ()) == []
    above = pages.chain(index, ("1.1", "1.2", "1.4"))
    assert above
    assert [pages.inconsistencies(index, row) for row in above[:-1]] == [{}, {}, {}]


def test_what_others_add_is_no_reason_to_forget(opened: Callable[[], SqliteIndex]) -> None:
    index, other = opened(), opened()
    record(index, header("1.3"), facts(1))
    record(other, header("1.4"), facts(2))
    record(other, header("1.5", "1.6"), facts(3))
    assert remembered(index)


def test_what_is_taken_back_is_not_remembered(opened: Callable[[], SqliteIndex]) -> None:
    index = opened()
    for transaction, uid in ((index.engine.writing, "1.3"), (index.engine.at_one_time, "1.5")):
        with suppress(ZeroDivisionError), transaction():
            record(index, header(uid), facts(1))
            raise ZeroDivisionError
        record(index, header(f"{uid}.4"), facts(2))
    assert index.engine.execute("PRAGMA foreign_key_check", ()) == []
    assert index.engine.execute("SELECT COUNT(*) FROM instance", ()) == [(2,)]


def test_threads_remember_in_common(opened: Callable[[], SqliteIndex]) -> None:
    index = opened()
    record(index, header("1.3"), facts(1))
    index.engine.close_thread()
    assert remembered(index)


def test_an_index_of_before_is_given_its_epoch(opened: Callable[[], SqliteIndex]) -> None:
    record(opened(), header("1.3"), facts(1))
    old = opened()
    for table in ABOVE:
        for event in ("UPDATE", "DELETE"):
            old.engine.execute(f"DROP TRIGGER epoch_{table}_{event}", ())
    old.engine.execute("DROP TABLE epoch", ())
    index, other = opened(), opened()
    record(index, header("1.4"), facts(2))
    assert remembered(index)
    refresh(other, Level.SERIES, 1)
    assert not remembered(index)

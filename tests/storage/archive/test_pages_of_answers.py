"""Pages of answers, while others store: nothing is left out, and nothing comes twice."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import CT, EXPLICIT, ct, encoded

from storage import Archive, Level, Received, prepare
from storage.archive import HeaderLimits, asked
from storage.index import Page

CHARSET = "ISO_IR 100"
FIRST, PAGE = 10, 3


def store(archive: Archive, study: str, number: int) -> None:
    """A CT of a study; the patient and the day come before others as the study's UID does."""
    uid = f"1.2.{study}.{number}"
    made = ct(
        f"1.2.{study}", f"1.2.{study}.0", uid, KVP="120", PatientID=f"P{study}",
        StudyDate=f"2026{int(study) % 12 + 1:02}{int(study) % 28 + 1:02}",
    )  # fmt: skip
    archive.store(Received(CT, uid, EXPLICIT, encoded(made), CHARSET))


@pytest.fixture
def archive(tmp_path: Path, place_archive: Callable[[Path], None]) -> Iterator[Archive]:
    place_archive(tmp_path)
    prepare(tmp_path, sync=False, charset=CHARSET)
    archive = Archive(tmp_path, sync=False)
    for number in range(FIRST):
        store(archive, f"5{number}", number)
    yield archive
    archive.close_thread()


@pytest.mark.parametrize(
    "level", [Level.STUDY, pytest.param(Level.SERIES, marks=pytest.mark.long), Level.IMAGE]
)
@pytest.mark.parametrize(
    "keys",
    [
        {}, {"PatientID": "P*"}, {"StudyDate": "20260101-20261231"}, {"ModalitiesInStudy": "CT"},
        {"KVP": "120"}, {"PatientID": "P*", "KVP": "120"},
    ],
)  # fmt: skip
def test_what_was_there_at_the_first_page_comes_once(
    archive: Archive, level: Level, keys: dict[str, str]
) -> None:
    unique = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")[:level]
    query = asked(level, list(keys.items()), (*unique, "StudyDate")).query
    place = [attribute.keyword for attribute in query.returned].index(unique[-1])

    def page(offset: int, most: int | None) -> list[str]:
        answers = archive.find(query, CHARSET, limits=HeaderLimits(), page=Page(offset, most))
        return [answer.texts[place] for answer in answers]

    there = page(0, None)
    assert len(set(there)) == len(there) == FIRST
    paged: list[str] = []
    while held := page(len(paged), PAGE):
        assert len(held) <= PAGE
        paged += held
        if len(paged) < 2 * FIRST:  # a study that comes first by UID, and one more of the first
            store(archive, f"1{len(paged)}", 10 + len(paged) % 7)
            store(archive, "50", 10 + len(paged))
    assert paged[:FIRST] == there
    assert len(set(paged)) == len(paged) > FIRST
    assert page(0, None) == paged


def test_a_page_of_none_has_none(archive: Archive) -> None:
    query = asked(Level.STUDY, [], ["StudyInstanceUID"]).query
    assert list(archive.find(query, CHARSET, page=Page(0, 0))) == []
    assert list(archive.find(query, CHARSET, page=Page(FIRST, 5))) == []

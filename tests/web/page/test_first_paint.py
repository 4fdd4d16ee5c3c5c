"""What is done before a view is painted: the same whatever is held, and nothing waits for it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support import ct
from support.data.web_page import Page

import scp.web.page.surface as surface
from storage.index.engines.sqlite import SqliteEngine

TEMPLATES = Path(surface.__file__).parent / "templates"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many statements were put to the index since this was last called."""
    count = 0
    for name in ("execute", "stream"):
        whole = getattr(SqliteEngine, name)

        def counted(
            self: SqliteEngine, *given: object, whole: Callable[..., object] = whole
        ) -> object:
            nonlocal count
            count += 1
            return whole(self, *given)

        monkeypatch.setattr(SqliteEngine, name, counted)

    def since() -> int:
        nonlocal count
        found, count = count, 0
        return found

    return since


def held(page: Page, studies: int, instances: int) -> None:
    for number in range(studies):
        page.store(ct(f"1.{number}", f"1.{number}.1", f"1.{number}.1.1", PatientID=f"P{number}"))
    page.store(*(ct("2.1", "2.1.1", f"2.1.1.{n}", InstanceNumber=str(n)) for n in range(instances)))


@pytest.mark.parametrize("path", ["/page", "/page/studies/2.1", "/page/studies/2.1/series/2.1.1"])
def test_a_view_asks_the_index_a_few_times_however_much_is_held(
    page: Page, asked: Callable[[], int], path: str
) -> None:
    held(page, 52, 2)
    page.get(path)
    asked()
    page.get(path)
    few = asked()
    held(page, 120, 200)
    asked()
    page.get(path)
    assert asked() == few <= 12


def test_of_the_list_no_more_is_sent_than_one_page(page: Page) -> None:
    held(page, 120, 1)
    view = page.get("/page")
    assert view.count("<tr data-study") == 50
    assert len(view) < 100_000


def test_a_search_for_one_patient_does_not_go_through_all_studies(page: Page) -> None:
    """By the plan of SQLite: the index of what is asked for, not that of arrivals, leads."""
    held(page, 3, 1)
    statement = (
        "EXPLAIN QUERY PLAN SELECT study.id FROM study "
        "JOIN patient ON study.parent_id = patient.id "
        "JOIN study_arrival ON study_arrival.study = study.id WHERE {} "
        "ORDER BY study_arrival.arrived DESC, study_arrival.study DESC"
    )
    execute = page.archive.index.engine.execute
    one = [row[3] for row in execute(statement.format("patient.PatientID = 'P1'"), ())]
    assert one[0].startswith("SEARCH patient"), one
    of_all = [row[3] for row in execute(statement.format("1"), ())]
    assert of_all[0].startswith("SCAN study_arrival USING COVERING INDEX"), of_all
    assert not [each for each in of_all if "TEMP B-TREE" in each]


def test_nothing_but_the_one_style_sheet_holds_a_view_up() -> None:
    for path in TEMPLATES.rglob("*.html"):
        text = path.read_text()
        assert all(" defer" in one for one in re.findall(r"<script[^>]*>", text)), path
        assert len(re.findall(r'<link rel="stylesheet"', text)) == (path.name == "base.html"), path

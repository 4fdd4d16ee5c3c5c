"""The studies: looked for as C-FIND looks, the last to come first, and never by a name in a URL."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import ct
from support.data.web_page import SECRET, Page, opened_page, studies

from scp.web.page import studies as view
from scp.web.page.surface import sealed, unsealed
from storage.dicom.values import Level
from storage.maintenance.changes import Selection, deletion, selected

NAME = "Lindqvist^Astrid"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page with three studies, which came in this order; nothing is changed in it."""
    with opened_page(tmp_path_factory.mktemp("three")) as page:
        filled(page)
        yield page


def filled(page: Page) -> Page:
    """The same page with those."""
    page.store(ct("1.1", "1.1.1", "1.1.1.1", PatientName=NAME, PatientID="P1"))
    page.store(
        ct("1.2", "1.2.1", "1.2.1.1", PatientName="Müller^Jörg", PatientID="P2", Modality="MR",
           StudyDescription="Knee left", AccessionNumber="A2", StudyDate="20260301",
           SpecificCharacterSet="ISO_IR 100"), sender="MR2",
    )  # fmt: skip
    page.store(
        ct("1.3", "1.3.1", "1.3.1.1", PatientName="Lindgren^Astrid", PatientID="P3",
           StudyDescription="Head", AccessionNumber="A3", StudyDate="20260302"), sender="CT2",
    )  # fmt: skip
    return page


def test_what_came_last_comes_first(three: Page) -> None:
    assert studies(three.get("/page")) == ["1.3", "1.2", "1.1"]


def test_what_gets_more_comes_first_again(page: Page) -> None:
    filled(page)
    page.store(ct("1.2", "1.2.1", "1.2.1.2", PatientID="P2"))
    assert studies(page.get("/page")) == ["1.2", "1.3", "1.1"]
    page.store(ct("1.1", "1.1.1", "1.1.1.1", PatientName=NAME, PatientID="P1"))  # it is there
    assert studies(page.get("/page")) == ["1.2", "1.3", "1.1"]
    held = list(selected(page.archive, Selection(Level.IMAGE, "1.2.1.2")))
    assert list(deletion.delete(page.archive, held))
    assert studies(page.get("/page")) == ["1.3", "1.2", "1.1"]


def test_the_address_alone_leads_to_the_page(three: Page) -> None:
    answer = three.answer("/")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/page")


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        ({"PatientName": "lind"}, ["1.3", "1.1"]),
        ({"PatientName": "muller jorg"}, ["1.2"]),
        ({"PatientName": "Lindqvist, Astrid"}, ["1.1"]),
        ({"PatientName": "astrid"}, ["1.3", "1.1"]),
        ({"PatientName": "LINDGREN*"}, ["1.3"]),
        ({"PatientName": "nobody"}, []),
        ({"PatientID": "P2"}, ["1.2"]),
        ({"PatientID": "P*"}, ["1.3", "1.2", "1.1"]),
        ({"AccessionNumber": "A3"}, ["1.3"]),
        ({"StudyDescription": "LEFT kn"}, ["1.2"]),
        ({"StudyDescription": "%"}, []),
        ({"StudyDescription": "Knee*"}, ["1.2"]),
        ({"Modality": "mr"}, ["1.2"]),
        ({"Modality": "MR, CT"}, ["1.3", "1.2", "1.1"]),
        ({"From": "2026-03-02"}, ["1.3"]),
        ({"From": "2026-03-01", "To": "2026-03-01"}, ["1.2"]),
        ({"To": "2026-03-01"}, ["1.2", "1.1"]),
        ({"Sender": "MR2"}, ["1.2"]),
        ({"Sender": "CT?"}, ["1.3", "1.1"]),
        ({"Sender": "ct*"}, ["1.3", "1.1"]),
        ({"Sender": "[C]T1"}, []),
        ({"Sender": "CT?", "PatientName": "lindg"}, ["1.3"]),
    ],
)
def test_a_search_finds_as_c_find_does(
    three: Page, form: dict[str, str], wanted: list[str]
) -> None:
    assert three.found(**form) == wanted


def test_a_button_asks_for_the_last_days(three: Page) -> None:
    assert three.found(days="7") == []
    assert three.found(days="36500") == ["1.3", "1.2", "1.1"]


def test_what_was_asked_stands_in_the_form_again(three: Page) -> None:
    shown = three.get(three.post("/page/search", PatientName='lind"<', Sender="CT1"))
    assert 'value="lind&#34;&lt;"' in shown
    assert 'value="CT1"' in shown


def test_a_name_stands_in_no_url_and_no_line_of_the_audit_trail(page: Page) -> None:
    three = filled(page)
    where = three.post("/page/search", PatientName="Lindqvist")
    shown = three.get(where)
    assert studies(shown) == ["1.1"]
    assert "lindqvist" not in where.lower()
    addresses = [part.split('"')[0].lower() for part in shown.split('href="')[1:]]
    assert not [one for one in addresses if "lindqvist" in one]
    trail = next(Path(three.archive.tree.data, "audit").iterdir()).read_text()
    assert trail.count('"event":"page"') == 1
    assert "lindqvist" not in trail.lower()


@pytest.mark.parametrize(
    "token", ["nonsense", "", "é", "%00%FF", sealed(b"o" * 32, {"PatientID": "P1"})]
)
def test_a_search_of_another_node_or_of_long_ago_is_said_to_have_ended(
    three: Page, token: str
) -> None:
    shown = three.get(f"/page?q={token}")
    assert studies(shown) == ["1.3", "1.2", "1.1"]
    assert ("has ended" in shown) == bool(token)


def test_what_is_sealed_comes_back_as_it_was() -> None:
    told = {"PatientName": "山田^太郎 <&>", "From": "2026-01-01"}
    assert unsealed(SECRET, sealed(SECRET, told)) == told
    assert json.dumps(told)[16:20] not in sealed(SECRET, told)


def test_pages_are_gone_through_by_links(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "_MOST", 2)
    page.store(*(ct(f"1.{n}", f"1.{n}.1", f"1.{n}.1.1", PatientID=f"P{n}") for n in range(1, 6)))
    path, pages = page.post("/page/search", PatientID="P*"), []
    while path:
        shown = page.get(path)
        pages.append(studies(shown))
        _, is_more, behind = shown.partition('rel="next" href="')
        path = behind.partition('"')[0].replace("&amp;", "&") if is_more else ""
    assert pages == [["1.5", "1.4"], ["1.3", "1.2"], ["1.1"]]


def test_what_arrives_meanwhile_moves_no_page(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "_MOST", 2)
    page.store(*(ct(f"1.{n}", f"1.{n}.1", f"1.{n}.1.1") for n in range(1, 5)))
    rest = page.get("/page").partition('rel="next" href="')[2].partition('"')[0]
    page.store(ct("1.9", "1.9.1", "1.9.1.1"))
    held = list(selected(page.archive, Selection(Level.STUDY, "1.2")))
    assert list(deletion.delete(page.archive, held))
    assert studies(page.get(rest)) == ["1.1"]


@pytest.mark.parametrize("form", [{"From": "yesterday"}, {"From": "2026-13-77"}])
def test_a_date_that_is_none_is_said_to_be_so(three: Page, form: dict[str, str]) -> None:
    shown = three.get(three.post("/page/search", **form), 400)
    assert 'role="alert"' in shown
    assert studies(shown) == []


@pytest.mark.parametrize("before", ["x", "-1", "1", "1" * 30 + "-1", "1-", "²-1"])
def test_a_page_that_is_none_is_refused(three: Page, before: str) -> None:
    assert "takes two numbers" in three.get(f"/page?before={before}", 400)


def test_who_asks_whether_anything_arrived_is_told_so_once(page: Page) -> None:
    three = filled(page)
    known = three.answer("/page/latest")
    assert f'data-latest="{known.text}"' in three.get("/page")
    assert three.answer("/page/latest", If_None_Match=known.headers["ETag"]).status_code == 304
    three.store(ct("1.2", "1.2.1", "1.2.1.2"))
    assert three.answer("/page/latest", If_None_Match=known.headers["ETag"]).text != known.text


def test_the_sender_of_the_last_instance_is_shown(page: Page) -> None:
    three = filled(page)
    three.store(ct("1.1", "1.1.1", "1.1.1.2"), sender="LATER")
    three.store(ct("1.1", "1.1.1", "1.1.1.1", PatientName=NAME), sender="SAME")
    row = three.get("/page").partition('data-study="1.1"')[2].partition("</tr>")[0]
    assert "LATER" in row


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/page/search", "/page/language"])
def test_a_form_of_another_origin_is_refused(
    three: Page, path: str, headers: dict[str, str]
) -> None:
    three.post(path, 403, headers, PatientID="P1", language="de", back="/page")


def test_a_form_of_our_own_is_taken(three: Page) -> None:
    own = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert three.post("/page/search", 303, own, PatientID="P1").startswith("/page?q=")


def test_without_page_there_is_none(tmp_path: Path) -> None:
    with opened_page(tmp_path, web={"port": 0, "page": False}) as page:
        assert page.answer("/page").status_code == 404
        assert page.answer("/").status_code == 404

"""What all views have: their strings, their headers, and texts of strangers that stay texts."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from support import ct
from support.data.web_page import Page, opened_page

import scp.web.page.acting as acting
import scp.web.page.surface as surface
from scp.config import Right, Web
from scp.node.acts.board import FAILED, INTERRUPTED, UNDER_WAY
from scp.web.page import ROUTES
from scp.web.page.acting.correcting import FIELDS
from scp.web.page.study.series import PRESETS
from scp.web.page.surface.formats import clean, date, person, size
from scp.web.page.surface.strings import ERRORS_TOLD, LANGUAGES, STRINGS

FOLDER = Path(surface.__file__).parent
TEMPLATES = {one.name: one.read_text() for one in (FOLDER / "templates").rglob("*.html")}
ACTING = [one.read_text() for one in Path(acting.__file__).parent.glob("*.py")]
# What peers have sent elsewhere, or could.
MARKUP = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
TURNED = "\u202eevil\u202c \u2067x"
CONTROLS = "a\x00b\x1b[31mc\x07\x85"
LONG = "x" * 10240
HARMFUL = "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]"
# Of four bytes in UTF-8; joined, beyond what a font has; halves of pairs, as UTF-8 has none.
WIDE = "\U0001fa7b\U00020bb7 \u0301\u200d\u200f\ufeff\uffff"
HALVES = b"\xed\xa0\x80\xed\xb0\x80 \xff\xfe"
HOSTILE: list[Any] = [
    MARKUP,
    TURNED,
    CONTROLS,
    LONG,
    "{{ 7 * 7 }}",
    "&amp;<b>",
    "' onclick='x",
    WIDE,
    HALVES,
]


class Reader(HTMLParser):
    """The elements of a view, and its texts."""

    def __init__(self, view: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(view)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A study for each of the texts, which is wherever one can be."""
    with opened_page(tmp_path_factory.mktemp("hostile")) as page:
        for number, text in enumerate(HOSTILE, 1):
            study = f"1.{number}"
            raw, text = text, text if isinstance(text, str) else text.decode(errors="replace")
            plain = text[:16].encode("ascii", "replace").decode()
            page.store(
                ct(
                    study, f"{study}.1", f"{study}.1.1", SpecificCharacterSet="ISO_IR 192",
                    PatientName=raw, PatientID=text, StudyDescription=text,
                    SeriesDescription=text, AccessionNumber=text, PatientSex=plain,
                    BodyPartExamined=plain, StationName=text, Modality=plain,
                    ReferringPhysicianName=text, StudyDate="2024", PatientBirthDate="garbage",
                    StudyTime="\x1b", SeriesNumber="1", ImageComments=text,
                ), sender=text[:16],
            )  # fmt: skip
        yield page


def views(page: Page) -> dict[str, str]:
    """Every kind of view of each study."""
    found = {path: page.get(path) for path in ("/page", "/page/arrivals", "/page/node")}
    for number in range(1, len(HOSTILE) + 1):
        study = f"/page/studies/1.{number}"
        series = f"{study}/series/1.{number}.1"
        for path in (study, f"{study}/way", series, f"{series}/instances/1.{number}.1.1"):
            found[path] = page.get(path)
    return found


def test_what_a_peer_sent_is_shown_as_text_and_breaks_nothing(hostile: Page) -> None:
    for path, view in views(hostile).items():
        read = Reader(view)
        scripts = [named for tag, named in read.elements if tag == "script"]
        assert all((one["src"] or "").startswith("/page/files/") for one in scripts), path
        for tag, named in read.elements:
            assert not [name for name in named if name.startswith("on") or name == "style"], path
            assert tag not in ("b", "style", "object", "embed", "base"), path
            assert tag != "img" or (named["src"] or "").startswith(("/page/files/", "/dicom-web/"))
        assert not re.search(HARMFUL, view), path


def test_the_whole_of_a_long_text_can_be_reached(hostile: Page) -> None:
    number = HOSTILE.index(LONG) + 1
    path = f"/page/studies/1.{number}/series/1.{number}.1/instances/1.{number}.1.1"
    assert LONG in hostile.get(path)


@pytest.mark.parametrize("text", [MARKUP, TURNED, CONTROLS, "{{ 7 * 7 }}"])
def test_the_whole_text_of_a_peer_is_read_in_a_view(hostile: Page, text: str) -> None:
    number = HOSTILE.index(text) + 1
    view = Reader(hostile.get(f"/page/studies/1.{number}"))
    assert clean(text.replace("\x1b", "")) in view.text  # which begins a code extension


@pytest.mark.parametrize("text", [one for one in HOSTILE if isinstance(one, str)])
def test_a_search_for_what_a_peer_sent_is_a_search(hostile: Page, text: str) -> None:
    for name in ("PatientName", "PatientID", "StudyDescription", "Sender", "Modality", "From"):
        where = hostile.post("/page/search", **{name: text})
        if where != "/page":
            answer = hostile.answer(where)
            assert answer.status_code in (200, 400)
            assert not re.search(HARMFUL, answer.text)
            assert "<img src=x" not in answer.text


@pytest.mark.parametrize("path", ["/page", "/page/node", "/page/studies/9.9", "/page/nothing"])
def test_no_view_may_be_framed_or_run_what_is_not_ours(hostile: Page, path: str) -> None:
    headers = hostile.answer(path).headers
    policy = dict(one.strip().partition(" ")[::2] for one in
                  headers["Content-Security-Policy"].split(";"))  # fmt: skip
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "private" in headers["Cache-Control"]


@pytest.mark.parametrize("name", ["page.css", "viewer.js", "list.js", "elements.js", "icon.svg"])
def test_files_are_kept_by_browsers_until_they_are_others(hostile: Page, name: str) -> None:
    answer = hostile.answer(f"/page/files/{name}")
    assert "immutable" in answer.headers["Cache-Control"]
    again = hostile.answer(f"/page/files/{name}", If_None_Match=answer.headers["ETag"])
    assert again.status_code == 304


def test_every_file_and_template_is_in_a_wheel() -> None:
    project = (FOLDER.parents[3] / "pyproject.toml").read_text()
    assert '"scp.web.page.surface" = ["static/*", "templates/*", "templates/*/*"]' in project
    assert not [one for one in FOLDER.rglob("*/*/*/*") if "__pycache__" not in one.parts]


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [("de", "de"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("fr, de;q=0.5", "de"), ("fr", "en"),
     ("", "en")],
)  # fmt: skip
def test_a_view_speaks_the_language_that_is_asked_for(
    hostile: Page, asked: str, wanted: str
) -> None:
    shown = hostile.get("/page", Accept_Language=asked)
    assert f'<html lang="{wanted}">' in shown
    assert STRINGS["arrivals"][list(LANGUAGES).index(wanted)] in shown


def test_a_language_is_chosen_and_leads_back(tmp_path: Path) -> None:
    with opened_page(tmp_path) as page:
        assert page.post("/page/language", language="de", back="/page/node") == "/page/node"
        assert '<html lang="de">' in page.get("/page", Accept_Language="zh")
        for away in ("https://elsewhere.example", "//elsewhere.example", "/pages", "/page\\@x"):
            assert page.post("/page/language", language="en", back=away) == "/page"
        page.post("/page/language", 400, language="xx", back="/page")


def test_every_string_is_there_in_each_language_and_used() -> None:
    used = set(re.findall(r"\bt\('([a-z_]+)'", "".join(TEMPLATES.values())))
    used |= {name for name, _, _ in PRESETS} | {"search_ended"}
    used = {name for name in used if not name.endswith("_")}
    used |= {f"state_{one}" for one in ("waiting", "failed", "sent", "done")}
    used |= {f"act_{one}" for one in (UNDER_WAY, FAILED, INTERRUPTED)}
    used |= {f"{word}_{status}" for word in ("error", "next") for status in ERRORS_TOLD}
    used |= {f"value_{keyword}" for keyword in FIELDS} | {"pin_means", "unpin_means"}
    # What a view or an outcome of an act is to say, it names.
    used |= {name for text in ACTING for name in re.findall(r'"([a-z_]+)"', text)} & STRINGS.keys()
    assert used == STRINGS.keys()
    for key, texts in STRINGS.items():
        assert len(texts) == len(LANGUAGES), key
        assert all(texts), key
        fields = [sorted(re.findall(r"\{\d\}", text)) for text in texts]
        assert fields == [fields[0]] * len(texts), key


def test_no_template_has_a_script_or_style_of_its_own() -> None:
    for name, text in TEMPLATES.items():
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|\|safe", text), name
        assert re.findall(r"<script(?! src=)", text) == [], name


def test_the_title_of_a_view_names_no_patient(hostile: Page) -> None:
    for name, text in TEMPLATES.items():
        title = re.findall(r"\{% block title %\}.*?\{% endblock %\}", text)
        assert "Patient" not in "".join(title), name


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Doe^Jane", "Doe, Jane"),
        ("Doe^Jane^Mary^Dr.^MD", "Doe, Jane Mary, Dr., MD"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou · 山田, 太郎 · やまだ, たろう"),
        ("Doe", "Doe"),
        ("^Jane", "Jane"),
        ("", ""),
    ],
)
def test_names_are_shown_as_they_are_said(text: str, shown: str) -> None:
    assert person(text) == shown


def test_values_that_are_none_are_shown_as_they_are() -> None:
    assert (date("20260102"), date("2026"), date("\x1b")) == ("2026-01-02", "2026", "\u241b")
    assert [size(one) for one in (0, 999, 1500, 132000, 10**12)] == [
        "0 B", "999 B", "1.5 KB", "132 KB", "1.0 TB",
    ]  # fmt: skip
    assert clean("\ud800") == "\ufffd"
    assert json.loads(json.dumps(clean("a\nb\tc"))) == "a\nb\tc"


def test_who_may_not_see_the_page_gets_nothing_of_it_but_files_and_words() -> None:
    open_to_all = {route.rule(Web(port=0)) for route in ROUTES if route.right is None}
    assert open_to_all == {
        "/page/language", "/page/login", "/page/logout", "/page/files/<name>", "/page/<path:rest>",
    }  # fmt: skip
    looks = {route.right for route in ROUTES if "GET" in route.methods} - {None}
    acts = {Right.SEND, Right.CORRECT, Right.DELETE}
    assert looks == {Right.PAGE, Right.RETRIEVE, *acts}
    posts = {route.rule(Web(port=0)): route.right for route in ROUTES if "POST" in route.methods}
    assert {path for path, right in posts.items() if right not in acts} == {
        "/page/search", "/page/language", "/page/login", "/page/logout",
    }  # fmt: skip


def test_while_the_index_is_made_anew_a_view_says_so(tmp_path: Path) -> None:
    with opened_page(tmp_path) as page:
        page.archive.index.engine.set_version(0)
        answer = page.answer("/page")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert "being made anew" in answer.text
    assert answer.text.startswith("<!doctype html>")

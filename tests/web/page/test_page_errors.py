"""What goes wrong, told to a person: in the page's languages and layout, with what to do next."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import ct
from support.data.web_page import HOST, Page, opened_page
from werkzeug.test import TestResponse

from scp.web.page.surface.strings import LANGUAGES, STRINGS
from scp.web.request.access import TooManyError
from scp.web.request.access.failures import Failures


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with opened_page(tmp_path_factory.mktemp("errors")) as page:
        page.store(ct("1.1", "1.1.1", "1.1.1.1"))
        yield page


ASKED: list[tuple[str, str, dict[str, Any], int]] = [
    ("GET", "/page/studies/9.9", {}, 404), ("GET", "/page/nothing", {}, 404),
    ("GET", "/page?before=x", {}, 400), ("GET", "/page/studies/x", {}, 400),
    ("GET", "/page/studies/1.1/zip?media=7", {}, 400), ("POST", "/page/node", {}, 405),
    ("DELETE", "/page/studies/1.1", {}, 405),
    ("GET", "/page/studies/1.1/delete", {}, 403), ("GET", "/page/deleted", {}, 403),
    ("POST", "/page/studies/1.1/correct/check", {}, 403),
    ("POST", "/page/search", {"headers": {"Origin": "https://evil.example"}}, 403),
    ("POST", "/page/search", {"data": {"PatientName": "x" * (2 << 20)}}, 413),
    ("GET", "/page", {"headers": {"Host": "evil.example"}}, 400),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "more", "status"), ASKED)
@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_told_in_words_with_what_to_do_next(
    page: Page, method: str, path: str, more: dict[str, Any], status: int, language: str
) -> None:
    headers = {**HOST, "Accept-Language": language, **more.get("headers", {})}
    answer = page.client.open(path, method=method, data=more.get("data"), headers=headers)
    assert answer.status_code == status
    assert answer.text.startswith("<!doctype html>")
    assert f'<html lang="{language}">' in answer.text
    place = list(LANGUAGES).index(language)
    for key in (f"error_{status}", f"next_{status}", "to_studies"):
        assert STRINGS[key][place] in answer.text
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "MINIPACS" in answer.text  # the bar, and the way back
    if status == 405:
        assert answer.headers["Allow"]


def test_who_tries_in_vain_or_has_to_wait_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = {"port": 0, "auth": "token"}
    with opened_page(tmp_path, web=web, users={"anna": {"allow": ["page"]}}) as page:

        def ask() -> TestResponse:
            here = {"REMOTE_ADDR": "127.0.0.1"}
            headers = {**HOST, "Authorization": "Bearer guess"}
            return page.client.get("/page", headers=headers, environ_base=here)

        assert (answer := ask()).status_code == 401
        assert STRINGS["next_401"][0] in answer.text
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")

        def refuse(failures: Failures, address: str, name: str) -> None:
            raise TooManyError("it was tried too often in vain; try again later", 60)

        monkeypatch.setattr(Failures, "begin", refuse)
        assert (answer := ask()).status_code == 429
        assert STRINGS["next_429"][0] in answer.text
        assert answer.headers["Retry-After"] == "60"


def test_who_begins_too_much_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    web = {"port": 0, "allow": ["page", "delete"]}
    with opened_page(tmp_path, web=web) as page:
        page.store(ct("1.1", "1.1.1", "1.1.1.1"))
        undertakings = page.client.application._context.undertakings
        ended = threading.Event()
        for _ in range(8):
            undertakings.begin(ended.wait, 0)
        action, ticket = page.form("/page/studies/1.1/pin")
        answer = page.client.post(action, data=ticket, headers=HOST)
        assert (answer.status_code, STRINGS["next_503"][0] in answer.text) == (503, True)
        ended.set()
        undertakings.end(10)
        page.post(action, **ticket)


@pytest.mark.parametrize("path", ["/dicom-web/studies/9.9", "/dicom-web/nothing", "/elsewhere"])
def test_programs_are_told_in_json(page: Page, path: str) -> None:
    answer = page.answer(path, Accept_Language="de")
    assert answer.status_code == 404
    assert answer.json
    assert answer.json["status"] == 404


def test_what_a_stranger_asks_for_is_told_as_text(page: Page) -> None:
    answer = page.answer("/page/%3Cscript%3Ealert(1)%3C/script%3E")
    assert answer.status_code == 404
    assert "<script>" not in answer.text

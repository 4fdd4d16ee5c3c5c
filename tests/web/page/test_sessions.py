"""Logging in by a browser where tokens say who asks: for how long, for what, and for whom not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from support import ct
from support.data.web_page import HOST, Page, opened_page
from werkzeug.test import Client

from scp.config import credentials
from scp.web.page.surface import sealed
from scp.web.request.access import sessions
from scp.web.request.access.sessions import Sessions

TOKEN, OTHER = credentials.new_token(), credentials.new_token()
KEPT, OTHERS = credentials.digest_of_token(TOKEN), credentials.digest_of_token(OTHER)
USERS = {
    "anna": {"tokens": [KEPT], "allow": ["find", "retrieve", "page", "store"]},
    "robot": {"tokens": [OTHERS], "allow": ["find"]},
}
COOKIE = "minipacs-session-80"


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Page]:
    """Who looks at a page that tokens open, from this machine."""
    with opened(tmp_path) as page:
        yield page


def opened(folder: Path, **web: Any) -> Any:
    """The page of a folder, asked from this machine."""
    return _Local(folder, {"port": 0, "auth": "token", **web})


class _Local:
    def __init__(self, folder: Path, web: dict[str, Any]) -> None:
        self._opened = opened_page(folder, web=web, users=USERS)

    def __enter__(self) -> Page:
        page = self._opened.__enter__()
        service = page.client.application
        from_here = {"REMOTE_ADDR": "127.0.0.1"}
        page.client = Client(lambda environ, start: service({**environ, **from_here}, start))
        page.store(ct("1.1", "1.1.1", "1.1.1.1"))
        return page

    def __exit__(self, *given: Any) -> None:
        self._opened.__exit__(*given)


def logged_in(page: Page, token: str = TOKEN, code: int = 303, back: str = "/page/node") -> str:
    return page.post("/page/login", code, {"Origin": "http://localhost"}, token=token, back=back)


def test_who_is_not_known_is_asked_to_log_in_and_led_back(asked: Page) -> None:
    shown = asked.get("/page/studies/1.1?x=1", 401)
    assert 'name="token" type="password"' in shown
    assert 'name="back" value="/page/studies/1.1?x=1"' in shown
    assert "Doe" not in shown
    assert logged_in(asked, back="/page/studies/1.1?x=1") == "/page/studies/1.1?x=1"
    assert "Doe, Jane" in asked.get("/page/studies/1.1")
    assert "<bdi>anna</bdi>" in asked.get("/page")


def test_pictures_and_searches_are_open_to_the_session_but_nothing_is_stored_by_it(
    asked: Page,
) -> None:
    assert asked.answer("/dicom-web/studies").status_code == 401
    logged_in(asked)
    assert asked.answer("/dicom-web/studies").status_code == 200
    kind = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}
    own = {"Origin": "http://localhost"}
    answer = asked.client.post("/dicom-web/studies", data=b"--b--", headers=HOST | kind | own)
    assert answer.status_code == 401
    assert asked.post("/page/search", 303, own, PatientID="P1").startswith("/page?q=")


def test_the_cookie_is_for_nobody_else(asked: Page) -> None:
    form = {"token": TOKEN, "back": "/page"}
    answer = asked.client.post("/page/login", data=form, headers=HOST)
    (cookie,) = answer.headers.getlist("Set-Cookie")
    assert cookie.startswith(f"{COOKIE}=")
    told = {one.strip() for one in cookie.split(";")[1:]}
    assert {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"} <= told
    assert TOKEN not in cookie
    assert KEPT not in cookie


def test_who_logs_out_has_to_log_in_again(asked: Page) -> None:
    logged_in(asked)
    assert 'action="/page/logout"' in asked.get("/page")
    assert asked.post("/page/logout") == "/page"
    asked.get("/page", 401)


@pytest.mark.parametrize(
    "token", ["", "nonsense", TOKEN[:-1], KEPT, "x" * 5000],
    ids=["empty", "nonsense", "cut", "as it is kept", "long"],
)  # fmt: skip
def test_what_is_no_token_opens_nothing(asked: Page, token: str) -> None:
    assert (
        "no token of a user"
        in asked.client.post(
            "/page/login", data={"token": token, "back": "/page"}, headers=HOST
        ).text
    )
    asked.get("/page", 401)


def test_who_may_not_see_the_page_gets_no_session(asked: Page) -> None:
    logged_in(asked, OTHER, 403)
    asked.get("/page", 401)


def test_it_cannot_be_tried_without_end(asked: Page) -> None:
    codes = [
        asked.client.post("/page/login", data={"token": f"t{n}", "back": ""}, headers=HOST)
        for n in range(12)
    ]
    assert codes[0].status_code == 401
    assert codes[-1].status_code == 429
    assert int(codes[-1].headers["Retry-After"]) >= 1


def test_a_page_of_a_stranger_logs_nobody_in(asked: Page) -> None:
    foreign = {"Origin": "https://elsewhere.example"}
    asked.post("/page/login", 403, foreign, token=TOKEN, back="/page")
    assert logged_in(asked, back="https://elsewhere.example") == "/page"


@pytest.mark.parametrize("auth", ["none", "basic", "proxy"])
def test_elsewhere_nobody_logs_in(tmp_path: Path, auth: str) -> None:
    more = {"trusted_proxies": ["10.0.0.1"]} if auth == "proxy" else {}
    with opened(tmp_path, auth=auth, **more) as page:
        logged_in(page, code=404)


def test_log_ins_are_told_of_without_the_token(asked: Page) -> None:
    for token in (TOKEN, "wrong-one"):
        asked.client.post("/page/login", data={"token": token}, headers=HOST).close()
    trail = Path(asked.archive.tree.data, "audit/audit.jsonl").read_text()
    assert trail.count('"event":"login"') == 2
    assert '"user":"anna"' in trail
    assert '"status":401' in trail
    assert TOKEN not in trail
    assert "wrong-one" not in trail


def test_who_comes_from_another_site_is_asked_once_more_with_its_cookie(asked: Page) -> None:
    assert 'http-equiv="refresh"' in asked.get("/page", 401, Sec_Fetch_Site="cross-site")
    assert 'http-equiv="refresh"' not in asked.get("/page", 401, Sec_Fetch_Site="same-origin")


SECRET = b"k" * 32


def test_a_session_is_of_a_token_that_is_kept_still(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Sessions(SECRET, {KEPT: "anna"}).begin(KEPT)
    for tokens, name in (
        ({KEPT: "anna"}, "anna"), ({KEPT: "anna", OTHERS: "robot"}, "anna"), ({}, None),
        ({KEPT: "other"}, None), ({OTHERS: "anna"}, None),
    ):  # fmt: skip
        assert Sessions(SECRET, tokens).user_of(held) == name
    assert Sessions(b"l" * 32, {KEPT: "anna"}).user_of(held) is None
    monkeypatch.setattr(sessions, "SESSION_SECONDS", -1)
    assert Sessions(SECRET, {KEPT: "anna"}).user_of(held) is None


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "é" * 100, "x" * 100_000,
        sealed(SECRET, {"name": "anna", "token": KEPT}),
        Fernet(Fernet.generate_key()).encrypt(b"{}").decode(),
    ],
    ids=["empty", "short", "no ASCII", "long", "of another purpose", "of another key"],
)  # fmt: skip
def test_what_we_have_not_made_is_no_session(text: str) -> None:
    assert Sessions(SECRET, {KEPT: "anna"}).user_of(text) is None

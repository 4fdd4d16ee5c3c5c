"""Who may have something done on the page, and whose form is taken: nobody's but a reader's own."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import ct
from support.data.web_page import HOST, Page, opened_page
from support.program import run

from scp.config import ConfigError, Right, Web
from scp.config.loader import checked
from scp.node.acts.board import KEPT_SECONDS
from scp.web.page import ROUTES
from scp.web.page.surface import VISIT_COOKIE

LOOKING = ["find", "retrieve", "store", "page"]
ACTS = {
    Right.SEND: ["send", "send?to=BIG", "series/1.1.1/send"],
    Right.CORRECT: ["correct", "merge", "undo/1"],
    Right.DELETE: ["pin", "delete", "restore", "series/1.1.1/delete"],
}
OF_NODE = {
    Right.SEND: ["/page/node/retry?to=BIG"], Right.CORRECT: [], Right.DELETE: ["/page/deleted"],
}  # fmt: skip
VIEWS = ["", "/way", "/series/1.1.1", "/series/1.1.1/instances/1.1.1.1"]


def opened(folder: Path, *rights: str, **web: Any) -> Any:
    peers = {"BIG": {"host": "127.0.0.1", "port": 104}}
    allow = {"allow": [*LOOKING, *rights]} if rights else {}
    return opened_page(folder, web={"port": 0, **allow, **web}, peers=peers)


def filled(page: Page) -> Page:
    page.store(ct("1.1", "1.1.1", "1.1.1.1", PatientName="Doe^Jane", PatientID="P1"))
    line = {"number": 1, "user": "me", "level": "STUDY", "key": "1.1", "reason": "",
            "values": {"PatientSex": "F"}, "before": {}}  # fmt: skip
    page.archive.journal.append("corrections", **line)
    return page


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with opened(tmp_path, "send", "correct", "delete") as page:
        yield filled(page)


def test_where_nobody_is_asked_who_it_is_nobody_changes_anything_unless_it_is_allowed(
    tmp_path: Path,
) -> None:
    with opened(tmp_path) as page:
        filled(page)
        for path in VIEWS:
            shown = page.get(f"/page/studies/1.1{path}")
            for names in ACTS.values():
                assert not [one for one in names if f'/{one}"' in shown], path
        assert "Echo now" not in page.get("/page/node")
        assert "[web] allow says what anybody may do" in page.get("/page/node")
        for right, names in ACTS.items():
            for name in names:
                said = page.get(f"/page/studies/1.1/{name}", 403)
                assert f"[web] has no &#34;{right}&#34; in allow" in said


@pytest.mark.parametrize("right", ACTS)
def test_each_right_is_for_its_own_acts_alone(tmp_path: Path, right: Right) -> None:
    with opened(tmp_path, right) as page:
        filled(page)
        shown = "".join(page.get(f"/page/studies/1.1{path}") for path in VIEWS)
        for one, names in ACTS.items():
            buttons = [name for name in names if f'/studies/1.1/{name}"' in shown]
            assert bool(buttons) == (one is right), buttons
            for path in [*(f"/page/studies/1.1/{name}" for name in names), *OF_NODE[one]]:
                got = page.answer(path).status_code
                assert (got != 403) == (one is right), path
                # And a form by nobody's view, whatever its ticket.
                sent = page.client.post(path, data={"ticket": "x"}, headers=HOST)
                assert sent.status_code == (405 if path == "/page/deleted" else 403), path


def test_who_may_not_see_the_page_has_nothing_done_on_it(tmp_path: Path) -> None:
    acts = {one.right for one in ROUTES if one.right in ACTS}
    assert acts == set(ACTS)
    with opened_page(tmp_path, web={"port": 0, "allow": ["send", "correct", "delete"]}) as page:
        filled(page)
        for names in ACTS.values():
            for name in names:
                assert "see the pages" in page.get(f"/page/studies/1.1/{name}", 403)
    rules = [one.rule(Web(port=0)) for one in ROUTES if one.right in ACTS]
    assert len(rules) > 20


def test_what_anybody_may_is_for_where_nobody_is_asked(tmp_path: Path) -> None:
    document = {"web": {"port": 0, "auth": "basic", "allow": ["page"]}}
    with pytest.raises(ConfigError, match=r'\[web\] allow: is for auth = "none"'):
        checked(document, tmp_path / "config.toml")
    for wrong in ("everything", ["everything"]):
        with pytest.raises(ConfigError, match=r"\[web\] allow: takes a list of find, "):
            checked({"web": {"port": 0, "allow": wrong}}, tmp_path / "config.toml")


def test_a_user_is_given_the_rights_by_the_command(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[web]\nport = 0\nauth = 'basic'\n")
    allow = "find,retrieve,page,send,correct,delete"
    run("user", "add", "anna", "--allow", allow, "--no-password", "-c", config)
    (listed,) = json.loads(run("user", "list", "--json", "-c", config).stdout)
    assert listed["allow"] == allow.split(",")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": ""},
        {"Origin": "http://localhost:1"}, {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://viewer.example.org"}, {"Host": "evil.example"},
    ],
)  # fmt: skip
def test_a_page_of_a_stranger_has_nothing_done(tmp_path: Path, headers: dict[str, str]) -> None:
    """Not one of [web] origins either, and not even by a ticket."""
    viewer = "https://viewer.example.org"
    with opened(tmp_path, "delete", origins=[viewer]) as page:
        filled(page)
        action, ticket = page.form("/page/studies/1.1/delete")
        sent = page.client.post(action, data=ticket, headers=HOST | headers)
        assert sent.status_code == (400 if "Host" in headers else 403)
        assert len(page.archive.locate_below("1.1")) == 1
        answer = page.answer("/page/studies/1.1/delete", Origin=viewer)
        assert "Access-Control-Allow-Origin" not in answer.headers  # nor reads one there
        assert "Access-Control-Allow-Origin" in page.answer(
            "/dicom-web/studies", Origin=viewer
        ).headers  # fmt: skip
        page.post(action, **ticket, headers={"Origin": "http://localhost"})
        assert len(page.archive.locate_below("1.1")) == 0


def test_a_form_without_a_ticket_of_this_browser_and_this_view_is_refused(page: Page) -> None:
    action, ticket = page.form("/page/studies/1.1/delete")
    for wrong in ({}, {"ticket": ""}, {"ticket": "x" * 20000}, {"ticket": ticket["ticket"][:-4]}):
        assert "of no page of this node" in page.client.post(
            action, data=wrong, headers=HOST
        ).text  # fmt: skip
    page.post("/page/studies/1.1/pin", 403, **ticket)
    page.post("/page/studies/1.1/series/1.1.1/delete", 403, **ticket)
    cookie = page.client.get_cookie(VISIT_COOKIE, path="/page")
    assert cookie
    page.client.set_cookie(VISIT_COOKIE, "another", path="/page")
    page.post(action, 403, **ticket)
    page.client.set_cookie(VISIT_COOKIE, cookie.value, path="/page")
    page.post(action, **ticket)


def test_a_ticket_ends_before_it_would_be_forgotten_that_it_was_used(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    action, ticket = page.form("/page/studies/1.1/delete")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + KEPT_SECONDS + 2)
    page.post(action, 403, **ticket)


def test_the_cookie_goes_nowhere_else_and_no_script_reads_it(page: Page) -> None:
    (set_cookie,) = page.answer("/page/studies/1.1/delete").headers.getlist("Set-Cookie")
    for said in ("HttpOnly", "SameSite=Strict", "Path=/page"):
        assert said in set_cookie
    assert "Secure" not in set_cookie  # over plain HTTP it would not be kept


def test_nothing_is_done_by_looking(page: Page) -> None:
    for names in ACTS.values():
        for name in names:
            page.answer(f"/page/studies/1.1/{name}")
            page.client.head(f"/page/studies/1.1/{name}", headers=HOST)
    assert len(page.archive.locate_below("1.1")) == 1
    text = (page.archive.tree.data / "audit/audit.jsonl").read_text()
    assert {json.loads(line)["event"] for line in text.splitlines()} == {"page"}


def test_no_name_is_in_a_url_or_in_the_log(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    action, fields = page.form("/page/studies/1.1/correct")
    where = page.post(action, **fields | {"PatientName": "Secretive^Sybil"})
    done = page.act(where)
    text = (page.archive.tree.data / "audit/audit.jsonl").read_text()
    page.get(done)
    for told in (where, done, caplog.text, text):
        assert told
        assert "Secretive" not in told
        assert "Doe^Jane" not in told

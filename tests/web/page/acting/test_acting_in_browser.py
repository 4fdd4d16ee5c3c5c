"""What a person has done on the page, in Chromium, on a node with users and with peers."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests
from support import (
    CT,
    ECHO,
    EXPLICIT,
    FIND,
    Inbox,
    RunningNode,
    ct,
    destination,
    find,
    running_node,
)
from support.checks.browser import PAGE_SECONDS, chromium, faults
from support.checks.web_access import PASSWORD, basic, kept
from support.data.web_page import form_of

EVERYTHING = ["find", "retrieve", "page", "send", "correct", "delete"]


class Site:
    """A node with two users and a peer, and what arrived at that."""

    def __init__(self, node: RunningNode, inbox: Inbox) -> None:
        self.node, self.inbox = node, inbox
        line = next(one for one in node.log if "page at " in one)
        self.page = line.partition("page at ")[2]

    def as_user(self, name: str, path: str = "") -> str:
        """A view's URL, for a browser that proves who it is."""
        proof = f"{name}:{PASSWORD.replace(' ', '%20')}"
        return self.page.replace("://", f"://{proof}@") + path

    def store(self, study: str, name: str = "Lindqvist^Astrid", slices: int = 2) -> None:
        with self.node.association((CT, EXPLICIT), ae_title="CT1") as association:
            for number in range(1, slices + 1):
                one = ct(study, f"{study}.1", f"{study}.1.{number}", PatientName=name,
                         PatientID=f"P{study}", StudyDescription="Chest")  # fmt: skip
                one.ensure_file_meta()
                one.file_meta.TransferSyntaxUID = EXPLICIT
                assert association.send_c_store(one).Status == 0x0000

    def found(self, **keys: str) -> list[str]:
        """The studies that C-FIND finds."""
        with self.node.association((FIND["STUDY"], EXPLICIT)) as association:
            rows, _ = find(association, FIND["STUDY"], "STUDY", **{"StudyInstanceUID": ""} | keys)
        return [str(row.StudyInstanceUID) for row in rows]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ExitStack() as opened:
        inbox, port = opened.enter_context(destination("BIG", ECHO))
        gone = opened.enter_context(destination("DOWN"))[1]
        tables = {
            "web": {"port": 0, "auth": "basic", "workers": 2},
            "peers": {"BIG": {"host": "127.0.0.1", "port": port},
                      "LATER": {"host": "127.0.0.1", "port": gone}},
            "users": {"anna": {"password": kept(), "allow": EVERYTHING},
                      "bert": {"password": kept()}},
        }  # fmt: skip
        node = opened.enter_context(running_node(tmp_path_factory.mktemp("node"), tables))
        yield Site(node, inbox)


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile"), 1400, 900) as browser:
        yield browser


@pytest.fixture
def browser(chrome: Any, site: Site) -> Iterator[Any]:
    """A browser of anna's; behind the test nothing in it complained."""
    chrome.get(site.as_user("anna"))
    faults(chrome)
    yield chrome
    # What is stored here are no pictures, and what was deleted is not there.
    told = [one for one in faults(chrome) if "/thumbnail" not in one and "404" not in one]
    assert not [one for one in told if "favicon" not in one]


def one(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def until(browser: Any, condition: Callable[[], Any]) -> Any:
    from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait

    ignored = (StaleElementReferenceException, NoSuchElementException)
    return WebDriverWait(browser, PAGE_SECONDS, 0.05, ignored).until(lambda _: condition())


def chosen(browser: Any, site: Site, study: str, action: str) -> None:
    """Open the menu of a study, and choose."""
    browser.get(f"{site.page}/studies/{study}")
    until(browser, lambda: one(browser, f"a[href$='/{action}']"))
    one(browser, f"details:has(a[href$='/{action}']) summary").click()
    one(browser, f"a[href$='/{study}/{action}']").click()


def confirmed(browser: Any, said: str) -> None:
    """Confirm, and wait until it is told as done."""
    until(browser, lambda: one(browser, "input[name=ticket]"))
    one(browser, ".confirm form button").click()
    until(browser, lambda: said in one(browser, "#act.done").text)


def test_a_name_is_corrected_and_found(browser: Any, site: Site) -> None:
    site.store("1.1")
    chosen(browser, site, "1.1", "correct")
    field = until(browser, lambda: one(browser, "input[name=PatientName]"))
    field.clear()
    field.send_keys("Berg^Astrid\n")
    until(browser, lambda: "Lindqvist^Astrid" in one(browser, "table del").text)
    assert "Berg" not in browser.current_url
    confirmed(browser, "Corrected")
    assert one(browser, "h1").text == "Berg, Astrid"
    browser.get(site.page)
    one(browser, "input[name=PatientName]").send_keys("berg\n")
    until(browser, lambda: "?q=" in browser.current_url)
    assert one(browser, "#studies tbody .name").text == "Berg, Astrid"
    assert site.found(PatientName="Berg*") == ["1.1"]


def test_a_study_is_sent_and_arrives(browser: Any, site: Site) -> None:
    site.store("1.2", slices=3)
    site.inbox.take_all()
    chosen(browser, site, "1.2", "send")
    until(browser, lambda: one(browser, "input[value=BIG]")).click()
    one(browser, ".confirm form button").click()
    confirmed(browser, "3 of 3 instances arrived at BIG")
    assert sorted(site.inbox.take_all()) == ["1.2.1.1", "1.2.1.2", "1.2.1.3"]
    browser.get(f"{site.page}/studies/1.2/way")
    told = one(browser, "main").text
    assert re.search(r"send\s+anna\s+127\.0\.0\.1\s+by=page, destination=BIG, sent=3", told)


def test_what_was_deleted_is_gone_and_comes_back(browser: Any, site: Site) -> None:
    site.store("1.3")
    chosen(browser, site, "1.3", "delete")
    confirmed(browser, "Deleted: 2 instances")
    assert site.found(StudyInstanceUID="1.3") == []
    one(browser, "#act a").click()  # undo
    confirmed(browser, "Restored: 2 instances")
    assert site.found(StudyInstanceUID="1.3") == ["1.3"]


def test_who_has_no_right_is_shown_nothing_and_refused(site: Site) -> None:
    """Over two processes of [web], which both know what either was asked for."""
    site.store("1.4")
    anna, bert = requests.Session(), requests.Session()
    anna.headers["Authorization"], bert.headers["Authorization"] = basic("anna"), basic("bert")
    path = f"{site.page}/studies/1.4"
    assert "Actions" not in bert.get(path, timeout=60).text
    assert bert.get(f"{path}/delete", timeout=60).status_code == 403
    action, ticket = form_of(anna.get(f"{path}/delete", timeout=60).text)
    url = site.page.removesuffix("/page") + action
    # By another user, by a page of a stranger, and by a form that a stranger made.
    assert bert.post(url, data=ticket, timeout=60).status_code == 403
    foreign = {"Origin": "https://evil.example"}
    assert anna.post(url, data=ticket, headers=foreign, timeout=60).status_code == 403
    assert anna.post(url, data={"ticket": "x"}, timeout=60).status_code == 403
    assert site.found(StudyInstanceUID="1.4") == ["1.4"]
    cookies, headers = anna.cookies, {"Authorization": basic("anna")}
    answers = [
        requests.post(
            url, data=ticket, cookies=cookies, headers=headers, allow_redirects=False, timeout=60
        )
        for _ in range(8)  # each over a connection of its own
    ]
    assert {one.status_code for one in answers} == {303}
    assert len({one.headers["Location"] for one in answers}) == 1
    assert site.found(StudyInstanceUID="1.4") == []
    trail = (site.node.data / "audit/audit.jsonl").read_text().splitlines()
    lines = [one for one in map(json.loads, trail) if one.get("studies") == ["1.4"]]
    assert [(one["event"], one["user"]) for one in lines] == [("delete", "anna")]


@pytest.mark.long
def test_a_page_of_a_stranger_cannot_have_anything_done(browser: Any, site: Site) -> None:
    """A form that sends itself, in a page of another site, in the browser of who may."""
    site.store("1.5")
    browser.get(f"{site.page}/studies/1.5/delete")
    ticket = one(browser, "input[name=ticket]").get_attribute("value")
    target = f"{site.page}/studies/1.5/delete"
    # Even if it had the ticket: another site is no page of ours.
    forged = (
        f"<form method=post action='{target}'><input name=ticket value='{ticket}'></form>"
        "<script>document.forms[0].submit()</script>"
    )
    browser.get(f"data:text/html,{forged}")
    until(browser, lambda: "403" in one(browser, "main").text)
    faults(browser)
    assert site.found(StudyInstanceUID="1.5") == ["1.5"]


@pytest.mark.long
def test_a_peer_is_asked_for_an_echo(browser: Any, site: Site) -> None:
    browser.get(f"{site.page}/node")
    one(browser, "button[value=BIG]").click()
    until(browser, lambda: "BIG answered in" in one(browser, "#act.done").text)


@pytest.mark.long
def test_what_takes_long_tells_how_far_it_is_and_its_end(browser: Any, site: Site) -> None:
    site.store("1.6", slices=1500)
    chosen(browser, site, "1.6", "delete")
    until(browser, lambda: one(browser, "input[name=ticket]"))
    one(browser, ".confirm form button").click()
    until(browser, lambda: "Deleted: 1" in one(browser, "#act.done").text)
    assert site.found(StudyInstanceUID="1.6") == []


@pytest.mark.long
@pytest.mark.parametrize("language", ["de", "zh"])
def test_views_of_acts_fit_a_phone_in_each_language(
    browser: Any, site: Site, language: str
) -> None:
    site.store("1.7", name="Wölfeschlegelsteinhausenbergerdorff^Hubert Blaine")
    browser.get(site.page)
    one(browser, f".languages button[value={language}]").click()
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True},
    )
    try:
        for path in ("send", "send?to=BIG", "correct", "merge", "pin", "delete"):
            browser.get(f"{site.page}/studies/1.7/{path}")
            wide = browser.execute_script("return document.documentElement.scrollWidth")
            assert wide <= 390, path
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.get(site.page)
        one(browser, ".languages button[value=en]").click()

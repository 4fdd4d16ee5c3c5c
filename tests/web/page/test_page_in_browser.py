"""What a person does with the page, in Chromium: searches, opens, goes through a CT, windows it."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import CT, EXPLICIT, RunningNode, ct, running_node
from support.checks.browser import PAGE_SECONDS, chromium, faults, picture
from support.checks.dicomweb import TABLES

STUDY, SERIES = "1.1", "1.1.1"
SLICES, SIDE = 6, 64
# In Hounsfield units: around, and in the middle of the first slice; a slice further it is more.
AIR, TISSUE, STEP = -1000, 0, 100


def ct_slice(number: int) -> Any:
    """A slice with a square in the middle, which is brighter in each."""
    values = np.full((SIDE, SIDE), AIR + 1024, np.uint16)
    values[16:48, 16:48] = TISSUE + 1024 + STEP * (number - 1)
    return ct(
        STUDY, SERIES, f"{SERIES}.{number}", PatientName="Lindqvist^Astrid", PatientID="P1",
        StudyDescription="Chest", SeriesDescription="Thorax", InstanceNumber=str(number),
        Rows=SIDE, Columns=SIDE, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2",
        BitsAllocated=16, BitsStored=12, HighBit=11, PixelRepresentation=0, RescaleSlope="1",
        RescaleIntercept="-1024", WindowCenter="250", WindowWidth="1000",
        PixelData=values.tobytes(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node with a CT and with another patient's study."""
    with running_node(tmp_path_factory.mktemp("node"), TABLES) as node:
        store(node, *(ct_slice(number) for number in range(1, SLICES + 1)))
        store(node, ct("1.2", "1.2.1", "1.2.1.1", PatientName="Roe^Richard", PatientID="P2"))
        yield node


def store(node: RunningNode, *held: Any) -> None:
    with node.association((CT, EXPLICIT), ae_title="CT1") as association:
        for one in held:
            assert association.send_c_store(_filed(one)).Status == 0x0000


def _filed(one: Any) -> Any:
    one.ensure_file_meta()
    one.file_meta.TransferSyntaxUID = EXPLICIT
    return one


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile"), 1400, 900) as browser:
        yield browser


@pytest.fixture
def browser(chrome: Any, node: RunningNode) -> Iterator[Any]:
    """A browser at the page; behind the test nothing in it complained."""
    line = next(one for one in node.log if "page at " in one)
    chrome.get(line.partition("page at ")[2])
    yield chrome
    assert not [one for one in faults(chrome) if "favicon" not in one]


def one(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def until(browser: Any, condition: Callable[[], Any]) -> Any:
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait

    ignored = (StaleElementReferenceException,)
    waiting = WebDriverWait(browser, PAGE_SECONDS, 0.05, ignored)
    return waiting.until(lambda _: condition())


def press(browser: Any, keys: str) -> None:
    one(browser, "body").send_keys(keys)


def opened(browser: Any) -> None:
    """Search for the patient, and open the series, as a person does."""
    one(browser, "input[name=PatientName]").send_keys("lindq\n")
    until(browser, lambda: "?q=" in browser.current_url)
    one(browser, "#studies tbody a").click()
    until(browser, lambda: "/studies/" in browser.current_url)
    one(browser, "a.card").click()
    until(browser, lambda: one(browser, "#slider").is_displayed())


def middle(browser: Any) -> int:
    """How bright it is in the middle of the picture."""
    shown: Image.Image = picture(one(browser, "#stage"))
    value = shown.getpixel((shown.width // 2, shown.height // 2))
    assert isinstance(value, int)
    return value


def shows(browser: Any, value: float) -> None:
    """Wait until it is about as bright there."""
    until(browser, lambda: abs(middle(browser) - value) <= 6)


def shade(value: float, center: float = 250, width: float = 1000) -> float:
    """What a window makes of a value (PS3.3 C.11.2.1.2.1), from 0 to 255."""
    return float(np.clip(((value - (center - 0.5)) / (width - 1) + 0.5) * 255, 0, 255))


def test_a_search_finds_a_patient_and_names_nobody_in_the_url(browser: Any) -> None:
    assert "Roe, Richard" in browser.page_source
    opened(browser)
    assert f"/page/studies/{STUDY}/series/{SERIES}" in browser.current_url
    browser.back()
    browser.back()
    until(browser, lambda: "?q=" in browser.current_url)
    assert "lindq" not in browser.current_url.lower()
    names = [each.text for each in browser.find_elements("css selector", "#studies .name")]
    assert names == ["Lindqvist, Astrid"]


def test_a_wheel_goes_through_the_slices(browser: Any) -> None:
    opened(browser)
    shows(browser, shade(TISSUE))
    wheel = "document.getElementById('stage').dispatchEvent(new WheelEvent('wheel', {deltaY: 100, "
    for number in range(1, 4):
        browser.execute_script(wheel + "bubbles: true, cancelable: true}))")
        shows(browser, shade(TISSUE + STEP * number))
    assert one(browser, "#step-shown").text == "4"
    press(browser, "\ue013")  # the arrow up
    shows(browser, shade(TISSUE + STEP * 2))
    press(browser, "\ue010")  # the end
    shows(browser, shade(TISSUE + STEP * (SLICES - 1)))
    assert one(browser, "#elements").get_attribute("href").endswith(f"{SERIES}.{SLICES}")


def test_a_drag_changes_the_window_and_so_the_pixels(browser: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    opened(browser)
    shows(browser, shade(TISSUE))
    stage = one(browser, "#stage")
    drag = ActionChains(browser).click_and_hold(stage).move_by_offset(0, 90).release()
    drag.perform()
    _, center, _, width = until(browser, lambda: one(browser, "#window-shown").text).split()
    assert (float(center) > 250, float(width)) == (True, 1000)
    shows(browser, shade(TISSUE, float(center), float(width)))
    one(browser, "[data-do=reset]").click()
    shows(browser, shade(TISSUE))


def test_presets_invert_and_cine_do_what_they_say(browser: Any) -> None:
    opened(browser)
    press(browser, "3")  # bone: 400, 1800
    shows(browser, shade(TISSUE, 400, 1800))
    press(browser, "i")
    shows(browser, 255 - shade(TISSUE, 400, 1800))
    press(browser, "r")
    shows(browser, shade(TISSUE))
    press(browser, " ")
    until(browser, lambda: one(browser, "#step-shown").text == str(SLICES))
    press(browser, " ")
    assert one(browser, "[data-do=cine]").get_attribute("aria-pressed") == "false"


def test_zoom_and_pan_move_the_picture(browser: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    opened(browser)
    shows(browser, shade(TISSUE))
    width = "return document.getElementById('picture').getBoundingClientRect().width"
    before = browser.execute_script(width)
    press(browser, "+")
    until(browser, lambda: browser.execute_script(width) > before * 1.1)
    press(browser, "p")
    assert one(browser, "[data-tool=pan]").get_attribute("aria-pressed") == "true"
    ActionChains(browser).click_and_hold(one(browser, "#stage")).move_by_offset(
        60, 0
    ).release().perform()
    until(
        browser, lambda: "translate(60px, 0px)" in one(browser, "#picture").get_attribute("style")
    )


def test_what_arrives_appears_by_itself(browser: Any, node: RunningNode) -> None:
    known = len(browser.find_elements("css selector", "#studies tbody tr"))
    store(node, ct("1.3", "1.3.1", "1.3.1.1", PatientName="New^One", PatientID="P3"))
    rows = until(
        browser,
        lambda: [row for row in browser.find_elements("css selector", "#studies tbody tr")
                 if row.get_attribute("data-study") == "1.3"],
    )  # fmt: skip
    assert "fresh" in rows[0].get_attribute("class")
    assert len(browser.find_elements("css selector", "#studies tbody tr")) == known + 1


def test_what_arrives_respects_the_search_the_focus_and_who_listens(
    browser: Any, node: RunningNode
) -> None:
    one(browser, "input[name=PatientID]").send_keys("S*\n")
    until(browser, lambda: "?q=" in browser.current_url)
    assert one(browser, "#studies .empty").is_displayed()
    store(node, ct("1.41", "1.41.1", "1.41.1.1", PatientName="In^Search", PatientID="S1"))
    link = until(browser, lambda: one(browser, "#studies tbody a"))
    assert one(browser, "#news").text or one(browser, "#news").get_attribute("textContent")
    browser.execute_script("arguments[0].focus()", link)
    store(node, ct("1.42", "1.42.1", "1.42.1.1", PatientName="Not^Found", PatientID="P9"))
    store(node, ct("1.43", "1.43.1", "1.43.1.1", PatientName="Found^Too", PatientID="S2"))
    names = "return [...document.querySelectorAll('#studies .name')].map((one) => one.textContent)"
    until(browser, lambda: browser.execute_script(names) == ["Found, Too", "In, Search"])
    focused = "return document.activeElement.closest('tr').dataset.study"
    assert browser.execute_script(focused) == "1.41"
    # More of the first: it comes to the front, and is told of as changed.
    store(node, ct("1.41", "1.41.1", "1.41.1.2", PatientName="In^Search", PatientID="S1"))
    until(browser, lambda: browser.execute_script(names) == ["In, Search", "Found, Too"])
    assert browser.execute_script(focused) == "1.41"
    said = one(browser, "#news").get_attribute("textContent")
    assert said == "Changed: 1."


def test_all_windows_of_a_browser_listen_by_one(browser: Any, node: RunningNode) -> None:
    """A browser opens few connections to a server: streams would take them all."""
    first, url = browser.current_window_handle, browser.current_url
    taken = "return navigator.locks.query().then((all) => [all.held.length, all.pending.length])"
    until(browser, lambda: browser.execute_script(taken) == [1, 0])
    browser.switch_to.new_window("window")
    try:
        browser.get(url)
        held, pending = until(browser, lambda: browser.execute_script(taken))
        assert held == 1
        assert pending <= 1
    finally:
        browser.close()
        browser.switch_to.window(first)


def test_a_keyboard_is_enough(browser: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    def focused() -> Any:
        return browser.switch_to.active_element

    browser.execute_script("document.activeElement.blur()")
    press(browser, Keys.TAB)
    assert focused().get_attribute("class") == "skip"
    focused().send_keys(Keys.ENTER)
    for _ in range(40):  # through the form to the list
        focused().send_keys(Keys.TAB)
        if "/studies/" in (focused().get_attribute("href") or ""):
            break
    focused().send_keys(Keys.ENTER)
    until(browser, lambda: "/page/studies/" in browser.current_url)
    for _ in range(40):
        focused().send_keys(Keys.TAB)
        if focused().get_attribute("class") == "card":
            break
    focused().send_keys(Keys.ENTER)
    until(browser, lambda: "/series/" in browser.current_url)


def test_elements_are_found_by_what_is_in_them(browser: Any) -> None:
    opened(browser)
    one(browser, "#elements").click()
    field = until(browser, lambda: one(browser, "#filter"))
    field.send_keys("lindqvist")
    rows = browser.find_elements("css selector", "#tree tbody tr")
    until(browser, lambda: len([row for row in rows if row.is_displayed()]) == 1)


@pytest.mark.parametrize("width", [390, 700])  # of a phone, and of 1400 at 200 %
def test_nothing_has_to_be_scrolled_aside(browser: Any, width: int) -> None:
    opened(browser)
    paths = [browser.current_url, browser.current_url.partition("/series/")[0]]
    base = paths[1].partition("/page/")[0] + "/page"
    for path in (*paths, base, f"{base}/node", f"{base}/arrivals", f"{paths[1]}/way"):
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": True},
        )
        try:
            browser.get(path)
            wide = "return document.documentElement.scrollWidth"
            assert browser.execute_script(wide) <= width, path
        finally:
            browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

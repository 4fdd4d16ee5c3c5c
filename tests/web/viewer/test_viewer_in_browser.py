"""OHIF in Chromium, from a node: a CT study is opened, and its pictures are seen."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless
from support import CT, EXPLICIT, minipacs, running_node
from support.checks.browser import PAGE_SECONDS, chromium, faults, ohif, picture, requests
from support.checks.dicomweb import Web
from support.data.images import coded
from support.data.samples import ct, encoded

from storage.dicom import part10

STUDY, SERIES, SIZE = "1.2.3.1", "1.2.3.1.1", 256
# Shades of the quarters of the first picture; in each of the next they are one quarter on.
SHADES = (30, 90, 150, 210)
ERRORS = 12  # of a shade that is seen: it was resampled
# What was told once is not told again, and hides no picture.
SEEN_BEFORE = "localStorage.shownTours = '[\"basicViewerTour\"]'"


def pictures(folder: Path) -> Path:
    """Four slices of a CT, half of them in JPEG 2000; with its window a stored value is a shade."""
    folder.mkdir()
    for number in range(len(SHADES)):
        pixels = np.kron(np.roll(SHADES, number).reshape(2, 2), np.ones((SIZE // 2, SIZE // 2)))
        uid = f"{SERIES}.{number + 1}"
        instance = ct(
            STUDY, SERIES, uid, Rows=SIZE, Columns=SIZE, InstanceNumber=str(number + 1),
            SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", BitsAllocated=16,
            BitsStored=16, HighBit=15, PixelRepresentation=0, RescaleSlope="1",
            RescaleIntercept="0", WindowCenter="128", WindowWidth="256", StudyTime="101112",
            SeriesNumber="1", FrameOfReferenceUID=f"{STUDY}.9",
            ImagePositionPatient=[0, 0, number], ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            PixelSpacing=[1, 1], SliceThickness="1", PixelData=pixels.astype("<u2").tobytes(),
        )  # fmt: skip
        syntax = EXPLICIT
        if number % 2:
            syntax = str(JPEG2000Lossless)
            instance.add_new("PixelData", "OB", encapsulate([coded(pixels, 16)]))
            instance["PixelData"].is_undefined_length = True
        (folder / f"{number}.dcm").write_bytes(part10.header(CT, uid, syntax) + encoded(instance))
    return folder


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A node with the study and OHIF."""
    folder = tmp_path_factory.mktemp("served")
    tables = {"web": {"port": 0, "viewer": str(ohif())}}
    with running_node(folder / "node", tables) as node:
        assert minipacs("import", node, str(pictures(folder / "ct"))).returncode == 0
        yield Web(node)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        source = {"source": SEEN_BEFORE}
        started.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", source)
        yield started


def shades_of(canvas: Any) -> list[int]:
    """The shades in the middle of the quarters of what a viewport shows."""
    seen = picture(canvas)
    middle, quarter = (seen.width // 2, seen.height // 2), min(seen.size) // 4
    at = [(middle[0] + x * quarter, middle[1] + y * quarter) for y in (-1, 1) for x in (-1, 1)]
    return [int(seen.getpixel(where)) for where in at]


def slice_of(shades: list[int]) -> int | None:
    """The number of the slice that has these shades; None where none has."""
    for number in range(len(SHADES)):
        expected = np.roll(SHADES, number)
        if max(abs(expected - shades)) <= ERRORS:
            return number + 1
    return None


def test_a_study_is_opened_and_scrolled_through(served: Web, browser: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.wait import WebDriverWait

    wait = WebDriverWait(browser, PAGE_SECONDS, poll_frequency=0.25)
    requests(browser)  # the browser's own
    browser.get(f"{served.origin}/ohif/viewer?StudyInstanceUIDs={STUDY}")
    where = (By.CSS_SELECTOR, "canvas.cornerstone-canvas")
    canvas = wait.until(lambda _: next(iter(browser.find_elements(*where)), None))
    shown = [wait.until(lambda _: slice_of(shades_of(canvas)))]
    canvas.click()
    for _ in SHADES[1:]:
        ActionChains(browser).send_keys(Keys.ARROW_DOWN).perform()
        before = shown[-1]
        wait.until(lambda _, before=before: slice_of(shades_of(canvas)) not in (None, before))
        shown.append(slice_of(shades_of(canvas)))
    assert shown in ([1, 2, 3, 4], [4, 3, 2, 1])
    assert faults(browser) == []
    asked = [url for url in requests(browser) if not url.startswith(("data:", "blob:", "chrome:"))]
    assert {url.startswith(f"{served.origin}/") for url in asked} == {True}
    assert sum("/frames/" in url for url in asked) >= len(SHADES)
    thumbnails = browser.find_elements(By.CSS_SELECTOR, "img[src^='blob:']")
    assert [picture(one).getextrema()[1] > 100 for one in thumbnails] == [True]


def test_the_list_of_studies_shows_those_that_match(served: Web, browser: Any) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    wait = WebDriverWait(browser, PAGE_SECONDS, poll_frequency=0.25)
    browser.get(f"{served.origin}/ohif/?patientName=doe&modalities=CT,MR")
    wait.until(lambda _: "Doe, Jane" in browser.find_element(By.TAG_NAME, "body").text)
    assert faults(browser) == []


def test_files_are_uploaded(served: Web, browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    wait = WebDriverWait(browser, PAGE_SECONDS, poll_frequency=0.25)
    (tmp_path / "one.dcm").write_bytes(part10.header(CT, "1.2.4.1.1", EXPLICIT) + encoded(
        ct("1.2.4", "1.2.4.1", "1.2.4.1.1")
    ))  # fmt: skip
    browser.get(f"{served.origin}/ohif/")
    where = (By.XPATH, "//button[contains(., 'Upload')]")
    # Before a list is shown it lies beneath what says that there will be one.
    wait.until(lambda _: "Doe, Jane" in browser.find_element(By.TAG_NAME, "body").text)
    browser.execute_script("arguments[0].click()", browser.find_element(*where))
    where = (By.CSS_SELECTOR, "input[type=file]")
    chosen = wait.until(lambda _: next(iter(browser.find_elements(*where)), None))
    chosen.send_keys(str(tmp_path / "one.dcm"))
    wait.until(lambda _: "1.2.4.1.1" in {path.stem for path in served.node.files()})

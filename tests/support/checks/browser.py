"""A browser without a window, and the viewer that it shows; without them tests are skipped."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from support.names import ROOT
from support.network.installed import program

# Longer than any page takes, on a machine that has much else to do.
PAGE_SECONDS = 90
_HOW = "./scripts/test installs it, or on Debian apt-get install chromium chromium-driver"
_DOWNLOAD_SECONDS = 600
# It calls nobody: every name is this machine, and it fetches nothing for itself.
_ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader",
    "--disable-dev-shm-usage", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
    "--host-resolver-rules=MAP * 127.0.0.1",
)  # fmt: skip


@contextmanager
def chromium(profile: Path, width: int = 800, height: int = 600) -> Iterator[Any]:
    """Chromium as a WebDriver of selenium, with an empty profile in a new folder."""
    binary, driver = program("chromium", _HOW), program("chromedriver", _HOW)
    webdriver = pytest.importorskip("selenium.webdriver", reason=f"selenium is missing: {_HOW}")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in (*_ARGUMENTS, f"--window-size={width},{height}", f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    browser = webdriver.Chrome(options=options, service=service)
    browser.set_page_load_timeout(PAGE_SECONDS)
    try:
        yield browser
    finally:
        browser.quit()


def faults(browser: Any) -> list[str]:
    """What pages complained of since this was last asked for."""
    return [str(one["message"]) for one in browser.get_log("browser") if one["level"] == "SEVERE"]


def requests(browser: Any) -> list[str]:
    """The URLs that pages asked for since this was last asked for."""
    messages = [json.loads(one["message"])["message"] for one in browser.get_log("performance")]
    asked = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return [str(one["request"]["url"]) for one in asked]


def picture(element: Any) -> Image.Image:
    """What is to be seen of an element of a page, in shades of grey."""
    return Image.open(BytesIO(element.screenshot_as_png)).convert("L")


def ohif() -> Path:
    """The folder of OHIF, fetched by scripts/get-viewer where that was not done yet."""
    command = [str(ROOT / "scripts" / "get-viewer")]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=_DOWNLOAD_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        pytest.skip(f"scripts/get-viewer has not ended in {_DOWNLOAD_SECONDS} seconds")
    if done.returncode:
        pytest.skip(f"scripts/get-viewer cannot fetch OHIF: {done.stderr.strip()}")
    (line,) = (one for one in done.stdout.splitlines() if one.startswith("viewer = "))
    return Path(json.loads(line.partition(" = ")[2]))

"""What axe-core, of npm, finds in the views, in each language: nothing that is serious."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import CT, EXPLICIT, RunningNode, ct, running_node
from support.checks.browser import chromium
from support.network.installed import node_with

from scp.config import Right, credentials
from scp.web.page.surface import LANGUAGES

pytestmark = pytest.mark.long
_PATHS = (
    "", "/arrivals", "/node", "/studies/1.1", "/studies/1.1/way", "/studies/1.1/series/1.1.1",
    "/studies/1.1/series/1.1.1/instances/1.1.1.1", "/studies/9.9",
    "/studies/1.1/send", "/studies/1.1/send?to=BIG", "/studies/1.1/correct", "/studies/1.1/merge",
    "/studies/1.1/pin", "/studies/1.1/delete", "/deleted", "/node/retry",
)  # fmt: skip
PEERS = {"BIG": {"host": "127.0.0.1", "port": 104}}
_RUN = """
const done = arguments[0];
axe.run(document).then((found) => done(found.violations.map(
  (one) => [one.impact, one.id, one.nodes[0].html.slice(0, 200)])));
"""


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its source."""
    found = node_with(tmp_path_factory.mktemp("axe") / "npm", "axe-core")
    return Path(found["NODE_PATH"], "axe-core", "axe.min.js").read_text()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    tables = {"web": {"port": 0, "allow": [*Right]}, "peers": PEERS}
    with running_node(tmp_path_factory.mktemp("node"), tables) as node:
        with node.association((CT, EXPLICIT)) as association:
            one = ct("1.1", "1.1.1", "1.1.1.1", StudyDescription="Chest")
            one.ensure_file_meta()
            one.file_meta.TransferSyntaxUID = EXPLICIT
            assert association.send_c_store(one).Status == 0x0000
        yield node


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_serious_is_found(
    node: RunningNode, axe: str, tmp_path: Path, scheme: str, width: int
) -> None:
    line = next(one for one in node.log if "page at " in one)
    page = line.partition("page at ")[2]
    found: dict[str, Any] = {}
    with chromium(tmp_path / "profile", width, 900) as browser:
        browser.set_script_timeout(60)
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        for language in LANGUAGES:
            headers = {"headers": {"Accept-Language": language}}
            browser.execute_cdp_cmd("Network.setExtraHTTPHeaders", headers)
            for path in _PATHS:
                browser.get(page + path)
                spoken = "return document.documentElement.lang"
                assert browser.execute_script(spoken) == language
                found[language + path] = serious(browser, axe)
    assert not {path: all_of for path, all_of in found.items() if all_of}


def serious(browser: Any, axe: str) -> list[Any]:
    """What is found in the page that is shown."""
    browser.execute_script(axe)
    found = browser.execute_async_script(_RUN)
    return [one for one in found if one[0] in ("serious", "critical")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_is_found_where_one_logs_in(axe: str, tmp_path: Path, scheme: str) -> None:
    kept = credentials.digest_of_token(credentials.new_token())
    tables = {"web": {"port": 0, "auth": "token"}, "users": {"anna": {"tokens": [kept]}}}
    with running_node(tmp_path / "node", tables) as node:
        line = next(one for one in node.log if "page at " in one)
        with chromium(tmp_path / "profile", 390, 900) as browser:
            browser.set_script_timeout(60)
            media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
            browser.get(line.partition("page at ")[2])
            assert browser.find_element("css selector", "input[name=token]").is_displayed()
            assert not serious(browser, axe)

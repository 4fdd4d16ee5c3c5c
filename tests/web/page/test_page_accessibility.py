"""What axe-core, of npm, finds in the views: nothing that is serious."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import CT, EXPLICIT, RunningNode, ct, running_node
from support.checks.browser import chromium
from support.network.installed import node_with

from scp.config import Right

pytestmark = pytest.mark.long
_PATHS = (
    "", "/arrivals", "/node", "/studies/1.1", "/studies/1.1/way", "/studies/1.1/series/1.1.1",
    "/studies/1.1/series/1.1.1/instances/1.1.1.1", "/studies/9.9",
    "/studies/1.1/send", "/studies/1.1/send?to=BIG", "/studies/1.1/correct", "/studies/1.1/merge",
    "/studies/1.1/pin", "/studies/1.1/delete", "/deleted",
)  # fmt: skip
PEERS = {"BIG": {"host": "127.0.0.1", "port": 104}}
_RUN = """
const done = arguments[0];
axe.run(document).then((found) => done(found.violations.map((one) => [one.impact, one.id])));
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
        for path in _PATHS:
            browser.get(page + path)
            browser.execute_script(axe)
            found[path] = [
                one for one in browser.execute_async_script(_RUN)
                if one[0] in ("serious", "critical")
            ]  # fmt: skip
    assert not {path: all_of for path, all_of in found.items() if all_of}

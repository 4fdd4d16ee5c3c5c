"""A process of [web] that is killed amid an act leaves what the kill of a command leaves."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from support import CT, EXPLICIT, RunningNode, ct, minipacs, running_node
from support.data.web_page import form_of

pytestmark = pytest.mark.long
STUDY, INSTANCES = "1.1", 1500
SECONDS = 120


def web_processes(node: RunningNode) -> list[int]:
    """The processes of [web] of a node."""
    pid = node.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in children if Path(f"/proc/{one}/comm").read_text() == "web\n"]


def until(ask: Any) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (found := ask()):
        assert time.monotonic() < deadline
        time.sleep(0.02)  # nobody tells of it
    return found


def test_a_deletion_that_is_killed_is_told_and_can_be_gone_on_with(tmp_path: Path) -> None:
    allow = ["page", "delete"]
    with running_node(tmp_path / "node", {"web": {"port": 0, "allow": allow}}) as node:
        with node.association((CT, EXPLICIT)) as association:
            for number in range(INSTANCES):
                one = ct(STUDY, "1.1.1", f"1.1.1.{number}")
                one.ensure_file_meta()
                one.file_meta.TransferSyntaxUID = EXPLICIT
                assert association.send_c_store(one).Status == 0x0000
        line = next(one for one in node.log if "page at " in one)
        page = line.partition("page at ")[2]
        session = requests.Session()
        action, ticket = form_of(session.get(f"{page}/studies/{STUDY}/delete", timeout=60).text)
        url = page.removesuffix("/page") + action
        led = session.post(url, data=ticket, allow_redirects=False, timeout=60)
        key = led.headers["Location"].partition("done=")[2]
        state, done, total = session.get(f"{page}/acts/{key}", timeout=60).text.split()
        assert (state, int(total)) == ("under_way", INSTANCES)
        assert int(done) < INSTANCES
        for process in web_processes(node):
            os.kill(process, signal.SIGKILL)

        def is_told() -> bool:
            try:
                told = session.get(f"{page}/acts/{key}", timeout=60).text
            except requests.ConnectionError:  # another comes in its place
                return False
            return told.startswith("interrupted")

        until(is_told)
        assert "look again" in session.get(f"{page}?done={key}", timeout=60).text
        until(lambda: minipacs("check", node).returncode == 0)
        left = session.get(f"{page}/studies/{STUDY}/delete", timeout=60)
        action, ticket = form_of(left.text)
        session.post(page.removesuffix("/page") + action, data=ticket, timeout=60)
        until(lambda: session.get(f"{page}/studies/{STUDY}", timeout=60).status_code == 404)
        assert minipacs("check", node).returncode == 0
        restored = minipacs("restore", node, "--study", STUDY).stdout
        assert restored == f"restored instances={INSTANCES}\n"

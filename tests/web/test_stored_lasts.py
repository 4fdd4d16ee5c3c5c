"""What STOW-RS answered with success is in the log: it outlasts kills and power cuts."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import CT, EXPLICIT, RunningNode, minipacs
from support.checks.dicomweb import Web
from support.data.samples import ct, encoded

from storage.dicom import part10

STUDY, COUNT = "1.2.9", 3
AS_STORED = "application/dicom; transfer-syntax=*"


def file_of(number: int, study: str = STUDY) -> bytes:
    uid = f"{study}.1.{number}"
    return part10.header(CT, uid, EXPLICIT) + encoded(ct(study, f"{study}.1", uid))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    """Its tree is synced by nothing while the test runs."""
    node = RunningNode(tmp_path, {"web": {"port": 0, "workers": 1}})
    node.constants = {"storage.log.log.CHECKPOINT_SECONDS": 600.0}
    node.start()
    yield node
    if node.is_running:
        node.kill()


def stored_and_lost(node: RunningNode) -> list[bytes]:
    """Files that were stored, and whose bytes in the tree are gone as with the power."""
    web, number = Web(node), 0
    while not list(node.data.glob("log/*.log")):  # which the first instances go past
        number += 1
        assert web.store([file_of(number, "1.2.8")]).status_code == 200
    files = [file_of(number) for number in range(COUNT)]
    assert web.store(files).status_code == 200
    lost = list(node.data.glob(f"tree/{STUDY}/*/*"))
    assert len(lost) == COUNT
    for path in lost:
        os.truncate(path, 0)
    return files


def held(node: RunningNode) -> list[bytes]:
    web = Web(node)
    where = f"studies/{STUDY}/series/{STUDY}.1/instances/{STUDY}.1."
    return [web.get(f"{where}{number}", AS_STORED).content for number in range(COUNT)]


def web_processes(node: RunningNode) -> list[int]:
    supervisor = node.process.pid
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return [int(one) for one in children
            if b"web" in Path(f"/proc/{one}/comm").read_bytes()]  # fmt: skip


def test_it_is_there_after_the_node_was_killed(node: RunningNode) -> None:
    files = stored_and_lost(node)
    node.kill()
    node.start()
    node.wait_for_log("log brought in")
    assert held(node) == files
    assert node.stop() == 0
    assert minipacs("check", node).returncode == 0


def test_it_is_there_after_the_process_that_took_it_was_killed(node: RunningNode) -> None:
    files = stored_and_lost(node)
    (process,) = web_processes(node)
    os.kill(process, signal.SIGKILL)
    node.wait_for_log("log brought in")
    assert held(node) == files


def test_a_stop_leaves_nothing_to_be_brought_in(node: RunningNode) -> None:
    assert Web(node).store([file_of(number) for number in range(COUNT)]).status_code == 200
    assert node.stop() == 0
    before = node.mark()
    node.start()
    assert len(held(node)) == COUNT
    assert node.logged("log brought in", after=before) == []

"""Fixtures: the node, started as a user starts it."""

import gc
import os
import signal
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support import RunningNode, StartNode, running_node
from support.names import Run

_MANY_DESCRIPTORS = 128
_most_descriptors = [_MANY_DESCRIPTORS]  # before it is looked for what nobody has any more
# Begun first, so that none is left to run alone when all others are done.
_LONGEST = {
    "test_node_queries.py", "test_node_fuzz.py", "test_import.py", "test_other_user.py",
    "test_node_rebuild.py", "test_forward.py", "test_node_hangs.py", "test_node_kills.py",
    "test_housekeeping_kills.py", "test_backup.py", "test_metrics.py", "test_node_start.py",
    "test_node_tls.py", "test_reactor.py", "test_retrieve_responses.py", "test_added_keys.py",
    "test_correct.py", "test_index_as_rebuilt.py", "test_conformance.py", "test_retention.py",
    "test_check.py", "test_setting_up.py", "test_node_upgrade.py", "test_fetch.py",
    "test_forward_commitment.py", "test_deidentify.py", "test_models.py", "test_amend.py",
    "test_rebuilding.py", "test_compaction.py", "test_every_resource.py", "test_page_in_browser.py",
    "test_acting_in_browser.py", "test_viewer_in_browser.py", "test_object_store_faults.py",
    "test_mounts.py", "test_transcode_pixels.py", "test_power_stand_in.py",
}  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--long`: what takes minutes too."""
    parser.addoption("--long", action="store_true", help="run the long tests too")
    parser.addoption("--fuzz-seed", default="1", help="the seed of mutated input")


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker of the long tests, and have Ctrl-C be what it is in a terminal."""
    config.addinivalue_line("markers", "long: takes minutes; run with --long")
    Run.is_long = config.getoption("--long")
    # A shell has what it runs in the background ignore Ctrl-C, and so all that is started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Spare the collector the tests, which stay: half a second each time that it looks at all.

    That is ten of the seconds that it takes to compile and collect them, and two behind that.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the files that take longest first, and leave the long tests out unless asked for."""
    items.sort(key=lambda item: item.path.name not in _LONGEST)  # a stable sort
    if config.getoption("--long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if not item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=long)


@pytest.fixture(autouse=True)
def give_back_descriptors() -> Iterator[None]:
    """Let go of the folders that a test has claimed for as long as its process lasts.

    pynetdicom's requestor waits by select(2), which takes no descriptor above 1,023. An archive
    that a test leaves open is closed with its last reference, which may be one of a circle.
    """
    before = _claims()
    yield
    for descriptor in _claims() - before:
        os.close(descriptor)
    if len(os.listdir("/proc/self/fd")) > _most_descriptors[0]:
        gc.collect()  # of a large heap that takes longer than most tests: not for what stays
        _most_descriptors[0] = len(os.listdir("/proc/self/fd")) + _MANY_DESCRIPTORS


def _claims() -> set[int]:
    """The descriptors of this process that are of folders, or of the lock of one."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        is_lock = target.removesuffix(" (deleted)").endswith("/node.lock")
        is_list = target.startswith("/proc/")  # of descriptors, by another thread
        is_folder = target.startswith("/") and os.path.isdir(f"/proc/self/fd/{name}")
        if is_lock or (is_folder and not is_list):
            found.add(int(name))
    return found


@pytest.fixture
def start_node(tmp_path: Path) -> Iterator[StartNode]:
    """Start nodes that end with the test, each in a folder of its own: start_node(node={...})."""
    with ExitStack() as stack:
        folders = (tmp_path / f"node{number}" for number in range(100))

        def start(**tables: Mapping[str, Any]) -> RunningNode:
            return stack.enter_context(running_node(next(folders), tables))

        yield start


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node with default settings, one for all tests of a module."""
    with running_node(tmp_path_factory.mktemp("node")) as running:
        yield running

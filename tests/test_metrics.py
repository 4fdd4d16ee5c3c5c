"""[metrics]: scraped by Prometheus' own parser while the node works, and held to what was sent."""

import json
import os
import re
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support import (
    CT,
    ECHO,
    EXPLICIT,
    FIND,
    MOVE,
    RunningNode,
    StartNode,
    ct,
    destination,
    encoded,
    find,
    identifier,
    minipacs,
    send,
)

ROOT = Path(__file__).parent.parent
SECONDS = 30
_ADDRESS = re.compile(r"metrics at (http://\S+)/metrics")
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def address(node: RunningNode) -> str:
    found = _ADDRESS.search(node.logged("metrics at")[0])
    assert found
    return found[1]


def ask(node: RunningNode, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(address(node) + path, timeout=SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def scrape(node: RunningNode) -> Samples:
    code, text = ask(node, "/metrics")
    assert code == 200
    return {
        (sample.name.removeprefix("minipacs_"), tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text) for sample in family.samples
    }  # fmt: skip


def of(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def store(node: RunningNode, title: str, *numbers: int) -> int:
    total = 0
    with node.association((CT, EXPLICIT), ae_title=title) as association:
        for number in numbers:
            data = encoded(ct("1.1", "1.2", f"1.3.{number}"))
            assert send(association, CT, f"1.3.{number}", data).Status == 0
            total += len(data)
    return total


@pytest.fixture
def node(start_node: StartNode) -> RunningNode:
    return start_node(metrics={"port": 0}, peers={"CT1": {}}, node={"workers": 2})


def test_figures_are_those_of_what_was_done(start_node: StartNode) -> None:
    with destination("DEST", CT) as (_, port):
        node = start_node(
            metrics={"port": 0}, node={"workers": 2},
            peers={"CT1": {}, "DEST": {"host": "127.0.0.1", "port": port}},
        )  # fmt: skip
        done, texts = threading.Event(), []

        def keep_asking() -> None:
            while not done.is_set():
                texts.append(scrape(node))

        asking = threading.Thread(target=keep_asking)
        asking.start()
        sizes = [store(node, "CT1", *range(0, 20)), store(node, "MR 1", *range(20, 30))]
        with node.association((FIND["STUDY"], EXPLICIT), (MOVE["STUDY"], EXPLICIT)) as association:
            find(association, FIND["STUDY"], "STUDY", StudyInstanceUID="")
            find(association, FIND["STUDY"], "STUDY", StudyInstanceUID="")
            asked = identifier("STUDY", StudyInstanceUID="1.1")
            list(association.send_c_move(asked, "DEST", MOVE["STUDY"]))
        refused = node.associate((ECHO, EXPLICIT), called="OTHER")
        assert refused.is_rejected
        done.set()
        asking.join()
    until(lambda: of(scrape(node), "associations_open") == 0)
    found = scrape(node)
    assert of(found, "associations_total", peer="CT1", outcome="release") == 1
    assert of(found, "associations_total", peer="other", outcome="release") == 2
    assert of(found, "associations_total", peer="other", outcome="rejected") == 1
    assert of(found, "requests_total", service="store", status="Success") == 30
    assert of(found, "requests_total", service="find", status="Success") == 2
    assert of(found, "requests_total", service="move", status="Success") == 1
    assert of(found, "instances_total", direction="in") == 30
    assert of(found, "instances_total", direction="out") == 30
    assert of(found, "bytes_total", direction="in") == sum(sizes)
    assert of(found, "bytes_total", direction="out") > sum(sizes)
    assert of(found, "request_seconds_count", service="store") == 30
    assert of(found, "request_seconds_bucket", service="store", le="+Inf") == 30
    assert 0 < of(found, "request_seconds_sum", service="store") < SECONDS
    assert (of(found, "workers"), of(found, "ready"), of(found, "restarts_total")) == (2, 1, 0)
    assert of(found, "disk_free_bytes") > 0
    assert of(found, "index_bytes") > 0
    assert len(texts) > 2
    for earlier, later in pairwise(texts):
        assert all(later[key] >= earlier[key] for key in earlier if key[0].endswith("_total"))


def test_what_a_worker_counted_outlasts_it(node: RunningNode) -> None:
    store(node, "CT1", 1, 2, 3)
    for worker in node.workers:
        os.kill(worker, signal.SIGKILL)
    until(lambda: of(scrape(node), "restarts_total") == 2)
    until(lambda: len(node.workers) == 2)
    store(node, "CT1", 4)
    found = scrape(node)
    assert of(found, "instances_total", direction="in") == 4
    assert of(found, "request_seconds_count", service="store") == 4


def test_titles_that_are_invented_do_not_make_it_grow(node: RunningNode) -> None:
    before = len(scrape(node))
    for number in range(50):
        with node.association((ECHO, EXPLICIT), ae_title=f"T{number}"):
            pass
    until(lambda: of(scrape(node), "associations_total", peer="other", outcome="release") == 50)
    assert len(scrape(node)) == before


def test_health_says_what_is_wrong(start_node: StartNode) -> None:
    node = start_node(metrics={"port": 0})
    assert ask(node, "/healthz") == ask(node, "/readyz") == (200, "ok\n")
    code, text = ask(node, "/else")
    assert (code, text) == (404, "takes /metrics, /healthz and /readyz\n")
    full = start_node(metrics={"port": 0}, limits={"free_bytes": 1 << 62})
    code, text = ask(full, "/readyz")
    assert (code, text.split(":")[0]) == (503, "the disk is full")
    assert ask(full, "/healthz")[0] == 200
    assert of(scrape(full), "ready") == 0


def test_a_stopped_worker_shows_no_sign_of_life(tmp_path: Path) -> None:
    node = RunningNode(tmp_path, {"metrics": {"port": 0}})
    node.constants = {"scp.watch.BEAT_SECONDS": 0.2}
    node.start()
    try:
        until(lambda: len(node.workers) == 1)  # the one beside it has its name by then
        (worker,) = node.workers
        os.kill(worker, signal.SIGSTOP)
        until(lambda: ask(node, "/healthz") == (503, "no worker shows a sign of life\n"))
        until(lambda: ask(node, "/healthz")[0] == 200)  # another has taken its place
    finally:
        node.kill()


def test_who_stalls_holds_up_nobody(node: RunningNode) -> None:
    host, port = address(node).removeprefix("http://").split(":")
    stalled = [socket.create_connection((host, int(port))) for _ in range(10)]
    try:
        assert ask(node, "/healthz")[0] == 200
        store(node, "CT1", 1)
    finally:
        for one in stalled:
            one.close()


def test_without_the_table_no_port_is_opened(start_node: StartNode) -> None:
    assert start_node().logged("metrics at") == []


@pytest.mark.parametrize(("table", "words"), [
    ("[metrics]\n", "[metrics] port: missing; takes an integer from 0 to 65535"),
    ("[metrics]\nport = 70000\n", "[metrics] port: takes an integer from 0 to 65535, not 70000"),
    ("[metrics]\nport = 1\npath = 2\n", "[metrics] path: unknown key"),
])  # fmt: skip
def test_a_mistake_names_file_and_key(tmp_path: Path, table: str, words: str) -> None:
    node = RunningNode(tmp_path)
    node.config.write_text(table)
    done = minipacs("serve", node)
    assert done.returncode == 2
    assert f"minipacs: {node.config}: {words}" in done.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        node = RunningNode(tmp_path, {"metrics": {"port": taken.getsockname()[1]}})
        done = minipacs("serve", node)
    assert done.returncode == 2
    assert "[metrics] host, port: cannot listen on" in done.stderr


def test_the_dashboard_asks_for_what_there_is(node: RunningNode) -> None:
    board = json.loads((ROOT / "scripts" / "grafana.json").read_text())
    asked = {
        name
        for panel in board["panels"] for target in panel["targets"]
        for name in re.findall(r"minipacs_\w+", target["expr"])
    }  # fmt: skip
    there = {f"minipacs_{name}" for name, _ in scrape(node)} | {
        "minipacs_certificate_expiry_seconds"  # with [tls] alone
    }
    assert asked <= there
    assert len(asked) >= 12

"""[metrics]: scraped by Prometheus' own parser while the node works, and held to what was sent."""

import http.client
import json
import os
import re
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509 import load_pem_x509_certificate
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families
from pydicom.dataset import Dataset
from pynetdicom.association import Association
from support import (
    CLIENT_SECONDS,
    CT,
    ECHO,
    EXPLICIT,
    FIND,
    GET,
    IMPLICIT,
    MOVE,
    ROOT,
    TEST_FILES,
    Inbox,
    RunningNode,
    StartNode,
    ct,
    destination,
    encoded,
    find,
    free_port,
    getting,
    identifier,
    minipacs,
    retrieved,
    running_node,
    send,
)
from support.checks.rebuilding import held_up, lose_index
from support.network.certificates import Authority
from support.network.destinations import Destination, Gate, at, hold
from support.network.receivers import Receiver, call, report_on
from support.network.requestor import HELD, Requestor
from support.network.wire import request_of

from scp.config import Service

SECONDS = 30
OUTCOMES = ("accepted", "release", "abort", "rejected", "refused", "lost")
_ADDRESS = re.compile(r"metrics at (http://\S+)/metrics")
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def address(node: RunningNode) -> str:
    found = _ADDRESS.search(node.wait_for_log("metrics at"))
    assert found
    return found[1]


def door(node: RunningNode) -> tuple[str, int]:
    host, port = address(node).removeprefix("http://").split(":")
    return host, int(port)


def ask(node: RunningNode, path: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(address(node) + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def scrape(node: RunningNode) -> Samples:
    code, text = ask(node, "/metrics")
    assert code == 200, text
    samples = [
        (sample.name.removeprefix("minipacs_"), tuple(sorted(sample.labels.items())), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]
    found = {(name, labels): value for name, labels, value in samples}
    assert len(found) == len(samples), "a series is there twice"
    return found


def of(samples: Samples, name: str, **labels: str) -> float:
    """The sum of the series of a metric with these labels, and any others."""
    wanted = set(labels.items())
    found = [value for (one, has), value in samples.items() if one == name and wanted <= set(has)]
    assert found, f"no {name} {labels}"
    return sum(found)


def outcomes(samples: Samples, peer: str) -> dict[str, int]:
    """What became of a peer's associations, but for what is 0."""
    counts = {one: of(samples, "associations_total", peer=peer, outcome=one) for one in OUTCOMES}
    return {outcome: int(count) for outcome, count in counts.items() if count}


def requests(samples: Samples) -> dict[tuple[str, str], int]:
    """Service and status of what was asked, and how often."""
    return {
        (dict(labels)["service"], dict(labels)["status"]): int(value)
        for (name, labels), value in samples.items()
        if name == "requests_total" and value
    }


def check_consistent(samples: Samples) -> None:
    """Histograms by the rules of their format, and one request in each of two tellings."""
    buckets: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for (name, labels), value in samples.items():
        if name == "request_seconds_bucket":
            buckets[dict(labels)["service"]].append((float(dict(labels)["le"]), value))
    assert buckets.keys() == set(Service)
    for service, counts in buckets.items():
        bounds, heights = zip(*counts, strict=True)
        assert list(bounds) == sorted(set(bounds))
        assert bounds[-1] == float("inf")
        assert list(heights) == sorted(heights)
        count = of(samples, "request_seconds_count", service=service)
        assert heights[-1] == count == of(samples, "requests_total", service=service)
        least = sum(
            (high - low) * bound
            for (bound, low), (_, high) in pairwise([(0.0, 0.0), *counts])
        )  # fmt: skip
        assert least <= of(samples, "request_seconds_sum", service=service) + 1e-6


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def quiet(node: RunningNode) -> Samples:
    """The figures once no association is open, and each has its end."""

    def is_quiet() -> bool:
        samples = scrape(node)
        ended = (of(samples, "associations_total", outcome=o) for o in ("release", "abort", "lost"))
        accepted = of(samples, "associations_total", outcome="accepted")
        return of(samples, "associations_open") == 0 and accepted == sum(ended)

    until(is_quiet)
    samples = scrape(node)
    check_consistent(samples)
    return samples


def store(node: RunningNode, title: str, *numbers: int) -> int:
    total = 0
    with node.association((CT, EXPLICIT), ae_title=title) as association:
        for number in numbers:
            data = encoded(ct("1.1", "1.2", f"1.3.{number}"))
            assert send(association, CT, f"1.3.{number}", data).Status == 0
            total += len(data)
    return total


def send_as(node: RunningNode, title: str, uid: str, said: str = "") -> tuple[int, int]:
    """Store an instance that `said` names, if it is not itself: status and bytes."""
    data = encoded(ct("1.1", "1.2", uid))
    with node.association((CT, EXPLICIT), ae_title=title) as association:
        return send(association, CT, said or uid, data).Status, len(data)


def ask_and_retrieve(node: RunningNode, inbox: Inbox) -> None:
    """Queries of all ends, on associations of CT1."""
    with node.association((ECHO, IMPLICIT), ae_title="CT1") as association:
        assert [association.send_c_echo().Status for _ in range(3)] == [0, 0, 0]
    study = identifier("STUDY", StudyInstanceUID="1.1")
    contexts = [(FIND["STUDY"], EXPLICIT), (MOVE["STUDY"], EXPLICIT)]
    with node.association(*contexts, ae_title="CT1") as association:
        for _ in range(2):
            assert len(find(association, FIND["STUDY"], "STUDY", StudyInstanceUID="")[0]) == 1
        assert find(association, FIND["STUDY"], "IMAGE", SOPInstanceUID="")[1].Status == 0xA900
        for title, status in (("DEST", 0x0000), ("NOBODY", 0xA801)):
            moved = retrieved(association.send_c_move(study, title, MOVE["STUDY"]))
            assert moved.status == status
    contexts = [(GET["STUDY"], EXPLICIT), (CT, EXPLICIT)]
    options = getting(inbox, contexts)
    with node.association(*contexts, ae_title="CT1", **options) as association:
        assert retrieved(association.send_c_get(study, GET["STUDY"])).status == 0x0000


@pytest.fixture
def node(start_node: StartNode) -> RunningNode:
    return start_node(metrics={"port": 0}, peers={"CT1": {}}, node={"workers": 2})


def test_figures_are_those_of_what_was_done(start_node: StartNode) -> None:
    seen, done = [], threading.Event()
    with destination("DEST", CT) as (inbox, port), ThreadPoolExecutor() as pool:
        peers = {"CT1": {}, "DEST": {"host": "127.0.0.1", "port": port}}
        node = start_node(metrics={"port": 0}, node={"workers": 2}, peers=peers)

        def keep_asking() -> None:
            while not done.is_set():
                seen.append(scrape(node))

        asking = pool.submit(keep_asking)
        try:
            jobs = [
                pool.submit(store, node, title, *numbers)
                for title, numbers in (("CT1", range(20)), ("MR 1", range(20, 30)))
            ]
            held = sum(job.result(SECONDS) for job in jobs)
            again, mismatched = send_as(node, "MR 1", "1.3.0"), send_as(node, "MR 1", "1.3.0", "9")
            assert (again[0], mismatched[0]) == (0x0000, 0xA900)
            before = quiet(node)
            ask_and_retrieve(node, inbox)
            assert node.associate((ECHO, EXPLICIT), called="OTHER").is_rejected
            assert node.associate((ECHO, EXPLICIT), called="OTHER", ae_title="CT1").is_rejected
            node.associate((ECHO, EXPLICIT), ae_title="DEST").abort()
            found = quiet(node)
        finally:
            done.set()
        asking.result(SECONDS)
    assert outcomes(found, "CT1") == {"accepted": 4, "release": 4, "rejected": 1}
    assert outcomes(found, "DEST") == {"accepted": 1, "abort": 1}
    assert outcomes(found, "other") == {"accepted": 3, "release": 3, "rejected": 1}
    assert requests(found) == {
        ("store", "0000"): 31, ("store", "A900"): 1, ("echo", "0000"): 3, ("find", "0000"): 2,
        ("find", "A900"): 1, ("move", "0000"): 1, ("move", "A801"): 1, ("get", "0000"): 1,
    }  # fmt: skip
    kinds = {kind: of(found, "requests_total", kind=kind) for kind in ("Success", "Failure")}
    assert kinds == {"Success": 38, "Failure": 3}
    assert of(found, "instances_total", direction="in") == 31
    assert of(found, "bytes_total", direction="in") == held + again[1] + mismatched[1]
    assert len(inbox.arrived) == of(found, "instances_total", direction="out") == 60
    assert of(before, "bytes_total", direction="out") == 0
    answers = of(found, "bytes_total", direction="out") - 2 * held
    assert 0 < answers < 1000
    assert (of(found, "workers"), of(found, "ready"), of(found, "restarts_total")) == (2, 1, 0)
    assert of(found, "index_bytes") >= (node.data / "index.sqlite").stat().st_size
    assert len(seen) > 2
    for earlier, later in pairwise(seen):
        assert all(later[key] >= earlier[key] for key in earlier if key[0].endswith("_total"))


def test_what_dead_workers_counted_outlasts_them(node: RunningNode) -> None:
    store(node, "CT1", 1, 2, 3)
    before = quiet(node)
    assert outcomes(before, "CT1") == {"accepted": 1, "release": 1}
    left = [node.associate((ECHO, IMPLICIT), ae_title=title) for title in ("CT1", "CT1", "MR")]
    until(lambda: of(scrape(node), "associations_open") == 3)
    for worker in node.workers:
        os.kill(worker, signal.SIGKILL)
    node.wait_for_log("died, starting another", count=2)
    until(lambda: of(scrape(node), "workers") == 2 and of(scrape(node), "restarts_total") == 2)
    found = quiet(node)
    assert outcomes(found, "CT1") == {"accepted": 3, "release": 1, "lost": 2}
    assert outcomes(found, "other") == {"accepted": 1, "lost": 1}
    counted = ("instances_total", "bytes_total", "requests_total", "request_seconds_bucket")
    assert [found[k] for k in found if k[0] in counted] == [
        before[k] for k in before if k[0] in counted
    ]
    store(node, "CT1", 4)
    found = quiet(node)
    assert of(found, "instances_total", direction="in") == 4
    assert of(found, "request_seconds_count", service="store") == 4
    for association in left:
        association.abort()


def test_figures_never_fall_while_workers_are_killed_under_load(node: RunningNode) -> None:
    done, stored, seen = threading.Event(), [0, 0, 0], []

    def keep_storing(number: int) -> None:
        while not done.is_set():
            uid = f"1.3.{number}.{stored[number]}"
            with suppress(AssertionError, AttributeError, RuntimeError):
                if send_as(node, "CT1", uid)[0] == 0x0000:
                    stored[number] += 1

    with ThreadPoolExecutor() as pool:
        jobs = [pool.submit(keep_storing, number) for number in range(3)]
        try:
            for kills in (1, 2, 3):
                most = sum(stored) + 20
                while sum(stored) < most:
                    seen.append(scrape(node))
                os.kill(node.workers[0], signal.SIGKILL)
                node.wait_for_log("died, starting another", count=kills)
        finally:
            done.set()
        for job in jobs:  # what a killed worker has accepted is waited for as long as that
            job.result(2 * CLIENT_SECONDS)
    found = quiet(node)
    for earlier, later in pairwise([*seen, found]):
        assert all(later[key] >= earlier[key] for key in earlier if key[0].endswith("_total"))
    assert of(found, "restarts_total") == 3
    # A worker may die between answer and count, or the answer between worker and peer.
    assert abs(of(found, "instances_total", direction="in") - sum(stored)) <= 3 * len(stored)


def test_invented_titles_do_not_make_it_grow(node: RunningNode) -> None:
    before = ask(node, "/metrics")[1]
    for number in range(1000):
        with socket.create_connection(("127.0.0.1", node.port)) as caller:
            caller.sendall(request_of([], called="NOBODY", calling=f"T{number}"))
            assert caller.recv(1)[0] == 3  # A-ASSOCIATE-RJ (PS3.8 9.3.4)
    for number in range(50):
        with node.association((ECHO, EXPLICIT), ae_title=f"U{number}"):
            pass
    found = quiet(node)
    assert outcomes(found, "other") == {"accepted": 50, "release": 50, "rejected": 1000}
    after = ask(node, "/metrics")[1]
    assert len(after.splitlines()) == len(before.splitlines())
    assert len(after) < 40_000


def test_what_a_retrieve_sends_is_counted_while_it_goes_on_and_though_it_is_left(
    start_node: StartNode,
) -> None:
    gate, study = Gate(), identifier("STUDY", StudyInstanceUID="1.1")
    with Destination().serving([(CT, [EXPLICIT])]) as peer, peer.does(at(6, do=hold(gate))):
        peers = {"DEST": {"host": "127.0.0.1", "port": peer.port}}
        node = start_node(metrics={"port": 0}, peers=peers)
        size = store(node, "CT1", *range(30)) / 30
        association = node.associate((MOVE["STUDY"], EXPLICIT))
        next(association.send_c_move(study, "DEST", MOVE["STUDY"]))
        gate.wait_until_reached()
        until(lambda: of(scrape(node), "instances_total", direction="out") == 5)
        assert of(scrape(node), "requests_total", service="move") == 0
        association.abort()
        until(lambda: of(scrape(node), "requests_total", service="move", status="none") == 1)
        gate.open()
        found = quiet(node)
    assert of(found, "instances_total", direction="out") == 5
    assert of(found, "bytes_total", direction="out") == pytest.approx(5 * size, abs=30)
    trail = (node.data / "audit" / "audit.jsonl").read_text().splitlines()
    (line,) = (one for one in map(json.loads, trail) if one["event"] == "move")
    assert (line["sent"], line["failed"], line["status"]) == (5, 0, None)


def test_open_commitments_are_counted_past_the_death_of_a_worker(start_node: StartNode) -> None:
    requestor, silent = Requestor(), free_port()
    try:
        peers = {"MODALITY": {"host": "127.0.0.1", "port": silent}}
        node = start_node(metrics={"port": 0}, peers=peers)
        send_as(node, "CT1", HELD)
        requestor.ask(node, "1.9.1", [(CT, HELD)], keep=True)
        until(lambda: of(scrape(node), "requests_total", service="commit", status="0000") == 1)
        assert of(scrape(node), "commitments_open") == 0
        requestor.refuses = True
        for number in (2, 3):
            requestor.ask(node, f"1.9.{number}", [(CT, HELD)])
        until(lambda: of(scrape(node), "commitments_open") == 2)
        os.kill(node.workers[0], signal.SIGKILL)
        node.wait_for_log("commitment resumed", count=2)
        until(lambda: of(scrape(node), "workers") == 1)
        assert of(scrape(node), "commitments_open") == 2
    finally:
        requestor.server.shutdown()


def nowhere() -> dict[str, Any]:
    """A peer that does not answer."""
    return {"host": "127.0.0.1", "port": free_port()}


def forwarded(node: RunningNode, destination: str) -> dict[str, float]:
    """What is told of a destination of [[forward]]."""
    return {
        name.removeprefix("forward_").removesuffix("_total"): value
        for (name, labels), value in scrape(node).items()
        if name.startswith("forward_") and ("destination", destination) in labels
    }


def test_forwarding_is_told_by_destination(tmp_path: Path) -> None:
    late, picky = Receiver("LATE").start(), Receiver("PICKY")
    late.stop()
    picky.answer = lambda uid: 0xA900 if uid == "1.3.2" else 0x0000
    with picky.up():
        node = RunningNode(tmp_path, {
            "metrics": {"port": 0},
            "peers": {"LATE": late.peer, "PICKY": picky.peer, "IDLE": nowhere()},
            "forward": [{"to": ["LATE", "PICKY"]}, {"to": ["IDLE"], "modality": ["US"]}],
        })  # fmt: skip
        node.constants = {
            "scp.forwarding.destination.RETRY_SECONDS": (0.3, 0.3),
            "scp.forwarding.destination.ASK_SECONDS": 0.3,
        }

        def commit(_: Association, request: Dataset) -> None:
            association = call("LATE", node.port)
            report_on(association, request, {})
            association.release()

        late.commit = commit
        node.start()
        try:
            store(node, "CT1", 1, 2, 3)
            until(lambda: forwarded(node, "PICKY") | {"oldest_seconds": 0} == {
                "waiting": 0, "failed": 1, "sent": 2, "committed": 0, "oldest_seconds": 0,
            })  # fmt: skip
            found = forwarded(node, "LATE")
            waited = found.pop("oldest_seconds")
            assert found == {"waiting": 3, "failed": 0, "sent": 0, "committed": 0}
            until(lambda: forwarded(node, "LATE")["oldest_seconds"] > waited)
            assert set(forwarded(node, "IDLE").values()) == {0}
            with late.up():
                late.wait_for(3)
                until(lambda: forwarded(node, "LATE") == {
                    "waiting": 0, "failed": 0, "sent": 3, "committed": 3,
                    "oldest_seconds": 0,
                })  # fmt: skip
            assert node.stop() == 0
        finally:
            if node.is_running:
                node.kill()


def test_a_queue_that_cannot_be_read_takes_no_other_figure_along(node: RunningNode) -> None:
    path = node.data / "forward.sqlite"
    path.write_bytes(b"no database" * 100)
    found = scrape(node)
    assert of(found, "ready") == 1
    assert not [name for name, _ in found if name.startswith("forward_")]
    node.wait_for_log("metrics without forwarding")
    path.unlink()


def test_readiness_is_by_the_limits_that_are_in_force(start_node: StartNode) -> None:
    node = start_node(metrics={"port": 0})
    assert ask(node, "/healthz") == ask(node, "/readyz") == (200, "ok\n")
    node.configure({"metrics": {"port": 0}, "limits": {"free_bytes": 1 << 62}})
    node.reload()
    code, text = ask(node, "/readyz")
    assert code == 503
    assert re.fullmatch(rf"the disk is full: \d+ bytes free, free_bytes = {1 << 62}\n", text)
    assert send_as(node, "CT1", "1.3.1")[0] == 0xA700
    assert ask(node, "/healthz")[0] == 200
    found = scrape(node)
    assert of(found, "ready") == 0
    assert requests(found) == {("store", "A700"): 1}
    node.configure({"metrics": {"port": 0}})
    node.reload()
    assert ask(node, "/readyz") == (200, "ok\n")


def test_a_node_is_not_ready_while_its_index_is_made_anew(tmp_path: Path) -> None:
    with running_node(tmp_path / "node", {"metrics": {"port": 0}}) as node:
        store(node, "CT1", 1, 2)
        node.kill()
        lose_index(node)
        with held_up(node):
            node.start()
            assert ask(node, "/readyz") == (503, "the index is not finished\n")
            assert ask(node, "/healthz") == (200, "ok\n")
            assert of(scrape(node), "ready") == 0
        node.wait_for_log("index rebuilt instances=2")
        assert ask(node, "/readyz") == (200, "ok\n")


def test_a_node_that_is_about_to_end_is_not_ready(node: RunningNode) -> None:
    assert ask(node, "/readyz")[0] == 200  # so that who answers has its name by now
    workers = node.workers
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    node.process.send_signal(signal.SIGTERM)
    node.wait_for_log("stopping: SIGTERM")
    until(lambda: ask(node, "/readyz") == (503, "the node is stopping\n"))
    assert ask(node, "/healthz")[0] == 200
    for worker in workers:
        os.kill(worker, signal.SIGCONT)
    assert node.process.wait(SECONDS) == 0
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(door(node))


def test_who_shows_no_sign_of_life_is_named(tmp_path: Path) -> None:
    node = RunningNode(tmp_path, {"metrics": {"port": 0}})
    node.constants = {"scp.runtime.heartbeat.BEAT_SECONDS": 0.2}
    node.start()
    try:
        until(lambda: len(node.workers) == 1)  # the one beside it has its name by then
        (worker,) = node.workers
        os.kill(worker, signal.SIGSTOP)
        until(lambda: ask(node, "/healthz") == (503, "no worker shows a sign of life\n"))
        assert ask(node, "/readyz") == (503, "no worker shows a sign of life\n")
        until(lambda: ask(node, "/healthz")[0] == 200)  # another has taken its place
        node.process.send_signal(signal.SIGSTOP)
        until(lambda: ask(node, "/healthz") == (503, "the supervisor shows no sign of life\n"))
        node.process.send_signal(signal.SIGCONT)
        until(lambda: ask(node, "/healthz")[0] == 200)
    finally:
        node.kill()


@pytest.mark.parametrize("sent", [b"", b"GET /metr", b"GET /metrics HTTP/1.1\r\nHost: x\r\n"])
def test_who_stalls_holds_up_nobody(tmp_path: Path, sent: bytes) -> None:
    node = RunningNode(tmp_path, {"metrics": {"port": 0}, "peers": {"CT1": {}}})
    # Whom it waits for, it waits for that long.
    node.constants = {"scp.web.monitoring.metrics._SECONDS": 600.0}
    node.start()
    with ExitStack() as stack:
        stack.callback(lambda: node.is_running and node.kill())
        for _ in range(100):
            stalled = stack.enter_context(socket.create_connection(door(node)))
            with suppress(ConnectionError):  # it was the oldest meanwhile
                stalled.sendall(sent)
        for path in ("/healthz", "/readyz", "/metrics"):
            assert ask(node, path)[0] == 200
        store(node, "CT1", 1)
        assert node.stop() == 0


def test_who_trickles_is_cut(tmp_path: Path) -> None:
    node = RunningNode(tmp_path, {"metrics": {"port": 0}})
    node.constants = {"scp.web.monitoring.metrics._SECONDS": 1.0}
    node.start()
    try:
        with socket.create_connection(door(node)) as slow:
            slow.settimeout(0.1)
            deadline, heard = time.monotonic() + SECONDS, None
            while heard is None:
                assert time.monotonic() < deadline
                with suppress(TimeoutError):
                    try:
                        slow.sendall(b"x")
                        heard = slow.recv(1)
                    except ConnectionError:
                        heard = b""
            assert heard == b""
        assert ask(node, "/healthz")[0] == 200
    finally:
        node.kill()


def web_status(node: RunningNode, path: str, method: str = "GET") -> int:
    """The status of an answer of [web]."""
    line = node.logged("DICOMweb at")[-1]
    host, port = line.rpartition("http://")[2].partition("/")[0].split(":")
    client = http.client.HTTPConnection(host, int(port), timeout=SECONDS)
    client.request(method, path)
    answer = client.getresponse()
    answer.read()
    client.close()
    return answer.status


def test_requests_over_http_are_counted_by_route_method_and_status(start_node: StartNode) -> None:
    node = start_node(metrics={"port": 0}, web={"port": 0, "workers": 2})
    for _ in range(5):
        assert web_status(node, "/dicom-web/studies") == 200
    assert web_status(node, "/dicom-web/studies?limit=x") == 400
    assert web_status(node, "/dicom-web/studies/1.2.3/metadata") == 404
    assert web_status(node, "/nothing/that/is/there") == 404
    assert web_status(node, "/dicom-web/studies", "BREW") == 405
    wanted = {
        ("SearchForStudies", "GET", "2xx"): 5, ("SearchForStudies", "GET", "4xx"): 1,
        ("RetrieveMetadata", "GET", "4xx"): 1, ("other", "GET", "4xx"): 1,
        ("other", "other", "4xx"): 1,
    }  # fmt: skip
    until(lambda: by_route(node) == wanted)
    found = scrape(node)
    assert of(found, "web_bytes_total", direction="in") > 0
    assert of(found, "web_bytes_total", direction="out") > 1000
    assert of(found, "web_rejected_total") == 0
    # Nothing is lost with a process, nor by a reload, which has others take their place.
    for process in map(int, children(node)):
        if Path(f"/proc/{process}/comm").read_text() == "web\n":
            os.kill(process, signal.SIGKILL)
    node.wait_for_log("a process of DICOMweb died", count=2)
    node.reload()
    until(lambda: by_route(node) == wanted)
    assert web_status(node, "/dicom-web/studies") == 200
    until(lambda: by_route(node)["SearchForStudies", "GET", "2xx"] == 6)


def by_route(node: RunningNode) -> dict[tuple[str, ...], float]:
    return {
        tuple(dict(labels)[name] for name in ("route", "method", "status")): value
        for (metric, labels), value in scrape(node).items()
        if metric == "web_request_seconds_count"
    }


@pytest.mark.parametrize("path", ["/", "/else", "/metrics/", "/healthz/x", "/../metrics"])
def test_any_other_path_is_not_found(node: RunningNode, path: str) -> None:
    assert ask(node, path) == (404, "takes /metrics, /healthz and /readyz\n")


@pytest.mark.parametrize(
    ("line", "code"),
    [("POST /metrics HTTP/1.1", 501), ("HEAD /metrics HTTP/1.1", 501), ("nonsense", 400),
     ("GET /metrics?x=1 HTTP/1.0", 200), (f"GET /{'x' * 70_000} HTTP/1.0", 414)],
)  # fmt: skip
def test_what_is_no_request_of_ours_gets_an_answer(node: RunningNode, line: str, code: int) -> None:
    with socket.create_connection(door(node)) as caller:
        caller.settimeout(SECONDS)
        caller.sendall(f"{line}\r\n\r\n".encode())
        caller.shutdown(socket.SHUT_WR)  # else the connection would stay, for another request
        with caller.makefile("rb") as answer:
            assert f" {code} ".encode() in answer.read() or code == 400
    assert ask(node, "/healthz")[0] == 200


def test_openmetrics_are_given_to_who_asks_for_them(node: RunningNode) -> None:
    kind = "application/openmetrics-text; version=1.0.0"
    code, text = ask(node, "/metrics", Accept=kind)
    families = {family.name for family in openmetrics_families(text)}
    assert code == 200
    assert {"minipacs_associations", "minipacs_request_seconds", "minipacs_ready"} <= families


def test_who_answers_is_replaced_and_the_figures_stay(node: RunningNode) -> None:
    store(node, "CT1", 1, 2)
    quiet(node)
    (process,) = {int(p) for p in children(node)} - set(node.workers)
    os.kill(process, signal.SIGKILL)
    node.wait_for_log("metrics ended, starting again")
    assert of(scrape(node), "instances_total", direction="in") == 2
    assert of(scrape(node), "restarts_total") == 0
    store(node, "CT1", 3)
    assert of(quiet(node), "instances_total", direction="in") == 3


def children(node: RunningNode) -> list[str]:
    pid = node.process.pid
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_peers_that_a_reload_brings_are_counted_by_name(node: RunningNode) -> None:
    store(node, "CT1", 1)
    store(node, "CT2", 2)
    quiet(node)
    port = door(node)[1]
    for number in (1, 2):  # said each time, as of what else has to wait
        node.configure(
            {"metrics": {"port": 1}, "peers": {"CT2": {}, "other": {}}, "node": {"workers": 2}}
        )
        node.reload("[metrics]: takes effect at the next start")
        # By both workers: who is told twice before it looks reads it once.
        node.wait_for_log("configuration reloaded", count=2 * number)
    store(node, "CT2", 3)
    store(node, "other", 4)
    store(node, "CT1", 5)  # it has been counted by name, and goes on to be
    found = quiet(node)
    assert outcomes(found, "CT1") == {"accepted": 2, "release": 2}
    assert outcomes(found, "CT2") == {"accepted": 1, "release": 1}
    assert outcomes(found, "other") == {"accepted": 2, "release": 2}
    assert door(node)[1] == port


def test_a_certificate_is_told_of_and_so_are_those_that_tls_refuses(
    tmp_path: Path, start_node: StartNode
) -> None:
    authority = Authority(tmp_path, "authority", 1)
    first, second = authority.sign("first", until=100), authority.sign("second", until=200)
    tables = {"metrics": {"port": 0}, "tls": authority.table(first, port=0)}
    node = start_node(**tables)
    port = int(re.findall(r"TLS on port=(\d+)", "\n".join(node.log))[0])
    ends = [
        load_pem_x509_certificate(one.certificate.read_bytes()).not_valid_after_utc.timestamp()
        for one in (first, second)
    ]
    assert of(scrape(node), "certificate_expiry_seconds") == ends[0]
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", port)) as caller:
            caller.sendall(b"GET / HTTP/1.0\r\n\r\n")
            caller.settimeout(SECONDS)
            with suppress(ConnectionError):
                assert caller.recv(1) == b""
    until(lambda: outcomes(scrape(node), "other") == {"refused": 2})
    node.configure({**tables, "tls": authority.table(second, port=0)})
    node.reload()
    assert of(scrape(node), "certificate_expiry_seconds") == ends[1]


def listening(node: RunningNode) -> int:
    """How many TCP ports the supervisor has."""
    rows = [
        row.split()
        for name in ("tcp", "tcp6")
        for row in Path(f"/proc/{node.process.pid}/net/{name}").read_text().splitlines()[1:]
    ]
    listens = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A"}  # proc(5), TCP_LISTEN
    held = {os.readlink(one) for one in Path(f"/proc/{node.process.pid}/fd").iterdir()}
    return len(held & listens)


def test_without_the_table_no_port_is_opened(start_node: StartNode, node: RunningNode) -> None:
    off = start_node()
    assert off.logged("metrics at") == []
    assert len(children(off)) == 1
    assert (listening(off), listening(node)) == (1, 2)


def test_an_interrupt_from_the_terminal_ends_all_of_it_quietly(node: RunningNode) -> None:
    os.killpg(node.process.pid, signal.SIGINT)
    assert node.process.wait(SECONDS) == 0
    until(lambda: not node._reader.is_alive())
    assert not node.logged("ERROR")
    assert not node.logged("KeyboardInterrupt")
    assert not node.logged("Traceback")


def test_an_address_of_ipv6_is_one_that_can_be_asked(start_node: StartNode) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    node = start_node(metrics={"host": "::1", "port": 0})
    assert address(node).startswith("http://[::1]:")
    assert ask(node, "/readyz") == (200, "ok\n")


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


BOARD = ROOT / "scp" / "cli" / "commands" / "node" / "service" / "grafana.json"


def panels() -> list[dict[str, Any]]:
    board = json.loads((BOARD).read_text())
    found: list[dict[str, Any]] = board["panels"]
    return found


def expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def test_the_dashboard_asks_for_what_there_is_and_shows_all_of_it(
    tmp_path: Path, start_node: StartNode
) -> None:
    authority = Authority(tmp_path, "authority", 1)
    shown = authority.sign("shown")
    node = start_node(
        metrics={"port": 0}, web={"port": 0}, tls=authority.table(shown),
        forward=[{"to": ["DOWN"]}],
        peers={"DOWN": {"host": "127.0.0.1", "port": free_port()}},
    )  # fmt: skip
    assert minipacs("import", node, str(TEST_FILES / "CT_small.dcm")).returncode == 0
    node.wait_for_log("forwarding waits destination=DOWN")
    assert web_status(node, "/dicom-web/studies") == 200
    until(lambda: any(name == "web_request_seconds_count" for name, _ in scrape(node)))
    found = scrape(node)
    to = (("destination", "DOWN"),)
    assert (found["forward_waiting", to], found["forward_failed", to]) == (1, 0)
    assert found["forward_oldest_seconds", to] >= 0
    assert (found["forward_sent_total", to], found["forward_committed_total", to]) == (0, 0)
    labels: dict[str, set[str]] = defaultdict(set)
    for name, has in found:
        labels[f"minipacs_{name}"] |= {label for label, _ in has}
    asked: set[str] = set()
    for expression in expressions():
        (name,) = re.findall(r"minipacs_\w+", expression)
        asked.add(name)
        grouped = re.findall(r"by \(([\w, ]+)\)", expression)
        matched = re.findall(r"(\w+)(?:=|!=|=~|!~)\"", expression)
        wanted = {label for group in grouped for label in group.split(", ")} | set(matched)
        assert wanted <= labels[name], expression
    parts = {f"minipacs_request_seconds_{part}" for part in ("count", "sum", "bucket")}
    assert asked <= set(labels)
    assert labels.keys() - asked <= parts


def test_every_panel_takes_the_data_source_that_is_chosen() -> None:
    board = json.loads((BOARD).read_text())
    (variable,) = board["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    chosen = {"type": "prometheus", "uid": f"${{{variable['name']}}}"}
    for panel in panels():
        assert panel["datasource"] == chosen
        assert panel["title"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)

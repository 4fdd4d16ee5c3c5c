"""Peers that are told of studies, once each is quiet: whatever they do, and until they took it."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from fhir.resources.imagingstudy import ImagingStudy
from fhir.resources.R4B.imagingstudy import ImagingStudy as ImagingStudyR4
from pydicom.dataset import Dataset
from support import CT, EXPLICIT, RunningNode, ct, encoded, minipacs, send
from support.network.destinations import Gate
from system.forwarding.notified import FhirServer, Request, Ward

STUDY, SERIES = "1.2.9", "1.2.9.1"
QUICK = {
    "scp.forwarding.destination.RETRY_SECONDS": (0.3, 0.3),
    "scp.forwarding.destination.ATTEMPTS": 2,
    "scp.forwarding.destination.LOOK_SECONDS": 0.05,
    "scp.forwarding.process._RETRY_SECONDS": 0.3,
}
Start = Callable[..., RunningNode]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def starting(**peers: dict[str, Any]) -> RunningNode:
            node = RunningNode(tmp_path, {"peers": peers, "metrics": {"port": 0}})
            node.constants = dict(QUICK)
            stack.callback(_end, node)
            return node.start()

        yield starting


def _end(node: RunningNode) -> None:
    try:
        if node.is_running:
            assert node.stop() == 0, "\n".join(node.log[-50:])
        assert not node.bugs(), "\n".join(node.bugs())
    finally:
        if node.is_running:
            node.kill()


@pytest.fixture
def ward() -> Iterator[Ward]:
    with Ward().up() as ward:
        yield ward


@pytest.fixture
def server() -> Iterator[FhirServer]:
    with FhirServer().up() as server:
        yield server


def store(node: RunningNode, *numbers: int, study: str = STUDY) -> None:
    with node.association((CT, EXPLICIT)) as association:
        for number in numbers:
            uid = f"{study}.1.{number}"
            data = encoded(ct(study, f"{study}.1", uid, PatientID="P1", PatientName="Doe^Jane"))
            assert send(association, CT, uid, data).Status == 0x0000


def named(notice: Dataset) -> list[str]:
    """The instances that a notification tells of."""
    series = notice.ReferencedSeriesSequence
    return [one.ReferencedSOPInstanceUID for item in series for one in item.ReferencedSOPSequence]


def of_fhir(server: FhirServer, **more: object) -> dict[str, Any]:
    return {"fhir": server.url, "notify_quiet": 0.3, **more}


def shown(node: RunningNode, kind: str, title: str = "WARD") -> dict[str, Any]:
    found = json.loads(minipacs("forward", node, title, "--json").stdout)
    return dict(found["forwarding"][f"notices to {title} ({kind})"])


def test_a_peer_is_told_of_all_that_is_held_once_it_is_quiet(start: Start, ward: Ward) -> None:
    """PS3.4 table R.3.2-1."""
    node = start(WARD=ward.peer)
    store(node, 1, 2, 3)
    ((uid, notice),) = ward.wait_for(1)
    assert re.fullmatch(r"2\.25\.\d+", uid)
    assert notice.StudyInstanceUID == STUDY
    assert list(notice.ReferencedPerformedProcedureStepSequence) == []
    (series,) = notice.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == SERIES
    assert named(notice) == [f"{SERIES}.{number}" for number in (1, 2, 3)]
    for one in series.ReferencedSOPSequence:
        assert one.ReferencedSOPClassUID == CT
        assert (one.InstanceAvailability, one.RetrieveAETitle) == ("ONLINE", node.title)
    store(node, 4)
    _, (_, notice) = ward.wait_for(2)
    assert len(named(notice)) == 4
    node.wait_for_log('told to="notices to WARD (ian)"', count=2)
    assert shown(node, "ian")["sent"] == 2
    trail = (node.data / "audit/audit.jsonl").read_text().splitlines()
    told = [one for one in map(json.loads, trail) if one["event"] == "notify"]
    assert [(one["studies"], one["instances"]) for one in told] == [([STUDY], 3), ([STUDY], 4)]
    at = re.search(r"metrics at (http\S+/metrics)", "\n".join(node.log))
    assert at
    metrics = requests.get(at[1], timeout=10).text
    assert 'minipacs_forward_sent_total{destination="notices to WARD (ian)"} 2.0' in metrics


def test_what_is_gone_before_it_is_told_of_is_not_told(start: Start, ward: Ward) -> None:
    node = start(WARD={**ward.peer, "notify_quiet": 3600})
    store(node, 1)
    store(node, 1, study="1.2.8")
    minipacs("delete", node, "--study", STUDY, "--yes")
    node.configure({"peers": {"WARD": ward.peer}, "metrics": {"port": 0}})
    node.reload()
    store(node, 2, study="1.2.8")  # with it the quiet begins anew
    ((_, notice),) = ward.wait_for(1)
    assert notice.StudyInstanceUID == "1.2.8"
    store(node, 1, study="1.2.7")
    assert [one.StudyInstanceUID for _, one in ward.wait_for(2)] == ["1.2.8", "1.2.7"]


def test_what_a_peer_refuses_is_given_up_shown_and_told_again(start: Start, ward: Ward) -> None:
    ward.status = 0x0117
    node = start(WARD=ward.peer)
    store(node, 1)
    ward.wait_for(2)
    node.wait_for_log("not told", "given up")
    told = minipacs("forward", node, "WARD")
    assert told.returncode == 1
    words = f"notices to WARD (ian): study {STUDY}: answers status 0117 (attempts=2)"
    assert words in told.stdout
    ward.status = 0x0000
    assert minipacs("forward", node, "WARD", "--retry").stdout == "sent again instances=1\n"
    ward.wait_for(3)
    node.wait_for_log('told to="notices to WARD (ian)"')
    assert minipacs("forward", node, "WARD").returncode == 0


def test_notices_outlast_a_kill_and_a_peer_that_is_not_there(start: Start) -> None:
    ward = Ward()
    with ward.up():
        pass  # for a port
    node = start(WARD=ward.peer)
    store(node, 1, 2)
    node.wait_for_log("notices wait")
    node.kill()
    with ward.up():
        node.start()
        ((_, notice),) = ward.wait_for(1)
    assert len(named(notice)) == 2


def test_who_never_answers_holds_up_nobody_else(
    start: Start, ward: Ward, server: FhirServer
) -> None:
    gate = Gate()

    def hold(_: Request) -> tuple[int, dict[str, str], Any]:
        gate.hold()
        return 201, {}, {}

    server.answer = hold
    node = start(WARD=ward.peer, EPR=of_fhir(server))
    try:
        store(node, 1)
        gate.wait_until_reached()
        for number in range(1, 4):
            store(node, 1, study=f"1.2.{number}")
            ward.wait_for(number + 1)
        assert len(server.came) == 1
    finally:
        gate.open()
    server.wait_for(4)


@pytest.mark.parametrize("version", ["R4", "R5"])
def test_a_fhir_server_gets_each_study_and_then_what_came_to_it(
    start: Start, server: FhirServer, tmp_path: Path, version: str
) -> None:
    held: dict[str, Any] = {}

    def answer(request: Request) -> tuple[int, dict[str, str], Any]:
        """As FHIR 3.2.0.8.1 has it: a conditional create, and an update by id."""
        if request.method == "POST" and held:
            return 200, {"Location": f"{server.url}/ImagingStudy/7/_history/1"}, None
        is_new = not held
        held.update(request.resource)
        return 201 if is_new else 200, {}, {}

    server.answer = answer
    (tmp_path / "fhir.token").write_text("geheim\n")
    more = {"fhir_version": version, "fhir_token": "fhir.token"}
    node = start(EPR=of_fhir(server, **more))
    store(node, 1)
    (created,) = server.wait_for(1)
    assert (created.method, created.path) == ("POST", "/fhir/ImagingStudy")
    assert created.headers["Content-Type"] == "application/fhir+json; charset=utf-8"
    assert created.headers["If-None-Exist"] == f"identifier=urn:dicom:uid%7Curn:oid:{STUDY}"
    assert created.headers["Authorization"] == "Bearer geheim"
    (ImagingStudyR4 if version == "R4" else ImagingStudy)(**created.resource)
    node.wait_for_log('told to="notices to EPR (fhir)"')
    store(node, 2)
    _, again, updated = server.wait_for(3)
    assert (again.method, updated.method) == ("POST", "PUT")
    assert (updated.path, updated.resource["id"]) == ("/fhir/ImagingStudy/7", "7")
    assert updated.resource["numberOfInstances"] == 2
    node.wait_for_log('told to="notices to EPR (fhir)"', count=2)
    assert "geheim" not in "\n".join(node.log)


def test_why_a_fhir_server_refuses_is_told(start: Start, server: FhirServer) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"diagnostics": "no such\npatient"}]}
    server.answer = lambda _: (422, {}, outcome)
    node = start(EPR=of_fhir(server))
    store(node, 1)
    node.wait_for_log("not told", "given up")
    words = f"POST {server.url}/ImagingStudy: answers 422: no such patient"
    assert words in minipacs("forward", node).stdout
    server.answer = lambda _: (503, {}, None)
    minipacs("forward", node, "--retry")
    node.wait_for_log("notices wait", "answers 503")  # that is no refusal
    assert shown(node, "fhir", "EPR")["waiting"] == 1


def test_notices_to_who_is_told_no_more_are_dropped(start: Start) -> None:
    ward = Ward()
    with ward.up():
        pass
    node = start(WARD=ward.peer)
    store(node, 1)
    node.wait_for_log("notices wait")
    other = {"OTHER": {"host": "127.0.0.1", "port": ward.port, "notify": ["ian"]}}
    node.configure({"peers": other, "metrics": {"port": 0}})
    node.reload()
    node.wait_for_log("notices dropped", "notices to WARD (ian)")
    told = json.loads(minipacs("forward", node, "--json").stdout)
    assert list(told["forwarding"]) == ["notices to OTHER (ian)"]

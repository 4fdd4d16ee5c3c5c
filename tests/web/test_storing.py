"""STOW-RS (PS3.18 10.5): stored by the door of C-STORE, with a reason for each refusal."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from support import CT, EXPLICIT, RunningNode, find, minipacs
from support.checks.dicomweb import TABLES, Web, parts
from support.data.samples import ct, encoded

from storage.dicom import part10

STORED, FAILED, OTHERS = "00081199", "00081198", "0008119A"


def file_of(uid: str, study: str = "1.2.9", **values: object) -> bytes:
    """A small CT as a Part 10 file."""
    data_set = ct(study, "1.2.9.1", uid, **values)
    return part10.header(CT, uid, EXPLICIT) + encoded(data_set)


def test_what_was_stored_is_held_byte_for_byte_and_found(empty: Web) -> None:
    files = [file_of(f"1.2.9.1.{number}") for number in range(1, 4)]
    answer = empty.store(files)
    assert answer.status_code == 200
    report = answer.json()
    assert [one["00081155"]["Value"][0] for one in report[STORED]["Value"]] == [
        "1.2.9.1.1", "1.2.9.1.2", "1.2.9.1.3",
    ]  # fmt: skip
    for item, file in zip(report[STORED]["Value"], files, strict=True):
        url = item["00081190"]["Value"][0]
        assert empty.get(url, "application/dicom; transfer-syntax=*").content == file
    assert report["00081190"]["Value"] == [f"{empty.url}/studies/1.2.9"]
    assert len(empty.node.files()) == 3
    assert minipacs("check", empty.node).returncode == 0


def test_of_another_study_than_the_path_names_nothing_is_stored(empty: Web) -> None:
    answer = empty.store([file_of("1.2.9.1.1")], study="1.2.10")
    assert answer.status_code == 409
    (item,) = answer.json()[FAILED]["Value"]
    assert item["00081197"]["Value"] == [0xA900]
    assert item["00081155"]["Value"] == ["1.2.9.1.1"]
    assert empty.node.files() == []
    assert empty.store([file_of("1.2.9.1.1")], study="1.2.9").status_code == 200


def test_some_are_stored_and_the_others_refused_with_reasons(empty: Web) -> None:
    without_study = ct("", "1.2.9.1", "1.2.9.1.2")
    answer = empty.store([
        file_of("1.2.9.1.1"),
        b"no DICOM at all" * 20,
        part10.header(CT, "1.2.9.1.2", EXPLICIT) + encoded(without_study),
        part10.header(CT, "1.2.9.1.9", EXPLICIT) + encoded(ct("1.2.9", "1.2.9.1", "1.2.9.1.3")),
    ])  # fmt: skip
    assert answer.status_code == 202
    report = answer.json()
    assert len(report[STORED]["Value"]) == 1
    assert len(report[FAILED]["Value"]) == 2
    assert report[OTHERS]["Value"][0]["00081197"]["Value"] == [0xC000]
    assert len(empty.node.files()) == 1
    assert "Warning" in answer.headers


def test_a_body_that_is_cut_short_is_never_success(empty: Web) -> None:
    file = file_of("1.2.9.1.1")
    for cut in (3, 4, 12, 14, 40, len(file) // 2, len(file) + 20):
        answer = empty.store([file], cut=cut)
        assert answer.status_code == 400, cut
    # What is whole before the end is missing may stay: it was not acknowledged.
    assert len(empty.node.files()) <= 1


def test_a_client_that_goes_away_amid_it_leaves_nothing(empty: Web) -> None:
    host, port = empty.origin.removeprefix("http://").split(":")
    file = file_of("1.2.9.1.1")
    head = ("POST /dicom-web/studies HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999999\r\n"
            'Content-Type: multipart/related; type="application/dicom"; boundary=b\r\n\r\n'
            "--b\r\nContent-Type: application/dicom\r\n\r\n")  # fmt: skip
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + file)
    answer = empty.store([file_of("1.2.9.1.2")])
    assert answer.status_code == 200
    assert [path.stem for path in empty.node.files()] == ["1.2.9.1.2"]


def test_the_boundary_s_bytes_in_pixels_are_pixels(empty: Web) -> None:
    pixels = b"\r\n--b0undar" * 300 + b"\r\n--b0undary2"[:11] + b"y"
    pixels = pixels.replace(b"\r\n--b0undary", b"\r\n--b0undarX")
    file = file_of("1.2.9.1.1", PixelData=pixels + b"\0" * (len(pixels) % 2))
    assert empty.store([file]).status_code == 200
    held = dcmread(BytesIO(empty.node.files()[0].read_bytes()))
    assert held.PixelData.startswith(pixels)


def test_a_large_one_is_written_as_it_comes(empty: Web) -> None:
    pixels = os.urandom(1 << 20) * 24
    file = file_of("1.2.9.1.1", PixelData=pixels)
    assert empty.store([file]).status_code == 200
    assert empty.node.files()[0].read_bytes() == file
    assert empty.node.incoming() == []


@pytest.mark.parametrize(
    "kind",
    ["text/plain", 'multipart/form-data; boundary="b"',
     "multipart/related", ""],
)  # fmt: skip
def test_another_media_type_is_not_taken(empty: Web, kind: str) -> None:
    answer = empty.session.post(
        f"{empty.url}/studies", data=b"--b\r\n\r\nx\r\n--b--", headers={"Content-Type": kind}
    )
    assert answer.status_code == 415


def test_where_nothing_is_to_be_stored_nothing_is(start_node) -> None:
    node = start_node(web={**TABLES["web"], "store": False})
    answer = Web(node).store([file_of("1.2.9.1.1")])
    assert answer.status_code == 403
    assert node.files() == []


def test_who_stored_is_in_the_journal_and_the_audit_trail(empty: Web) -> None:
    empty.store([file_of("1.2.9.1.1")])
    empty.get("studies")
    assert '"sender":"STOW-RS"' in (empty.node.data / "journal/receipts.jsonl").read_text()
    trail = Path(empty.node.data / "audit/audit.jsonl").read_text()
    assert '"event":"dicomweb"' in trail
    assert '"stored":1' in trail


def test_what_is_stored_over_http_is_found_over_dimse(empty: Web) -> None:
    from support import FIND

    empty.store([file_of("1.2.9.1.1")])
    with empty.node.association((FIND["STUDY"], EXPLICIT)) as association:
        answers, _ = find(association, FIND["STUDY"], "STUDY", StudyInstanceUID="1.2.9")
    assert len(answers) == 1


def stored_as_documents(web: Web, kind: str, documents: list[bytes], bulk: dict[str, bytes]):
    """Send metadata, and the bulk data that they name."""
    parts = [f"--b\r\nContent-Type: {kind}\r\n\r\n".encode() + one for one in documents]
    parts += [
        f"--b\r\nContent-Type: application/octet-stream\r\nContent-Location: {uri}\r\n\r\n".encode()
        + data
        for uri, data in bulk.items()
    ]
    return web.session.post(
        f"{web.url}/studies", data=b"\r\n".join([*parts, b"--b--\r\n"]),
        headers={"Content-Type": f'multipart/related; type="{kind}"; boundary=b',
                 "Accept": "application/dicom+json"}, timeout=60,
    )  # fmt: skip


def test_metadata_and_bulk_data_make_an_instance(empty: Web) -> None:
    pixels = bytes(range(256)) * 8
    made = ct("1.2.9", "1.2.9.1", "1.2.9.1.1", PatientName="Yamada^Tarou=山田^太郎")
    made.SpecificCharacterSet = "ISO_IR 192"
    del made.PixelData
    held = made.to_json_dict()
    held["7FE00010"] = {"vr": "OW", "BulkDataURI": "pixels-1"}
    answer = stored_as_documents(
        empty, "application/dicom+json", [json.dumps([held]).encode()], {"pixels-1": pixels}
    )
    assert answer.status_code == 200, answer.text
    found = dcmread(empty.node.files()[0])
    assert found.PixelData == pixels
    assert found.PatientName == "Yamada^Tarou=山田^太郎"
    assert found.file_meta.TransferSyntaxUID == EXPLICIT


def test_what_a_node_gives_as_metadata_it_takes_as_such(empty: Web) -> None:
    empty.store([file_of("1.2.9.1.1", PixelData=b"\1\2" * 800)])
    url = f"{empty.url}/studies/1.2.9/series/1.2.9.1/instances/1.2.9.1.1"
    for kind in ("application/dicom+json", "application/dicom+xml"):
        accept = kind if "json" in kind else f'multipart/related; type="{kind}"'
        answer = empty.get(f"{url}/metadata", accept)
        document = answer.content if "json" in kind else parts(answer)[0][1]
        document = document.replace(b"1.2.9.1.1<", b"1.2.9.1.7<").replace(
            b'"1.2.9.1.1"', b'"1.2.9.1.8"'
        )
        bulk = f"{url}/bulkdata/7FE00010"
        pixels = empty.get(bulk, "application/octet-stream").content
        stored = stored_as_documents(empty, kind, [document], {bulk: pixels})
        assert stored.status_code == 200, stored.text
    held = [dcmread(path) for path in empty.node.files()]
    assert {one.SOPInstanceUID for one in held} == {"1.2.9.1.1", "1.2.9.1.7", "1.2.9.1.8"}
    assert len({one.PixelData for one in held}) == 1


@pytest.mark.parametrize(
    ("document", "status"),
    [(b"{", 400), (b"[]", 400), (b'{"00080018": 5}', 400), (b"[" * 100_000, 400),
     (b'[{"7FE00010": {"vr": "OW", "BulkDataURI": "none"}}]', 409)],
)  # fmt: skip
def test_metadata_that_tell_of_no_instance_are_refused(
    empty: Web, document: bytes, status: int
) -> None:
    answer = stored_as_documents(empty, "application/dicom+json", [document], {})
    assert answer.status_code == status, answer.text
    assert empty.node.files() == []


# ---- what was answered with success is in the write-ahead log: it outlasts kills and power cuts

LASTING, COUNT = "1.2.9", 3


@pytest.fixture
def logging_node(tmp_path: Path) -> Iterator[RunningNode]:
    """Its tree is synced by nothing while the test runs."""
    node = RunningNode(tmp_path, {"web": {"port": 0, "workers": 1}})
    node.constants = {"storage.archive.receiving.log.log.CHECKPOINT_SECONDS": 600.0}
    node.start()
    yield node
    if node.is_running:
        node.kill()


def stored_and_lost(node: RunningNode) -> list[bytes]:
    """Files that were stored, and whose bytes in the tree are gone as with the power."""
    web, number = Web(node), 0
    while not list(node.data.glob("log/*.log")):  # which the first instances go past
        number += 1
        assert web.store([file_of(f"{LASTING}.1.10{number}")]).status_code == 200
    files = [file_of(f"{LASTING}.1.{number}") for number in range(COUNT)]
    assert web.store(files).status_code == 200
    lost = list(node.data.glob(f"tree/{LASTING}/*/{LASTING}.1.[0-9].dcm"))
    assert len(lost) == COUNT
    for path in lost:
        os.truncate(path, 0)
    return files


def held(node: RunningNode) -> list[bytes]:
    web = Web(node)
    series = f"studies/{LASTING}/series/{LASTING}.1"
    uids = [f"{LASTING}.1.{number}" for number in range(COUNT)]
    accept = "application/dicom; transfer-syntax=*"
    return [web.get(f"{series}/instances/{uid}", accept).content for uid in uids]


def web_processes(node: RunningNode) -> list[int]:
    supervisor = node.process.pid
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return [int(one) for one in children
            if b"web" in Path(f"/proc/{one}/comm").read_bytes()]  # fmt: skip


def test_it_is_there_after_the_node_was_killed(logging_node: RunningNode) -> None:
    files = stored_and_lost(logging_node)
    logging_node.kill()
    logging_node.start()
    logging_node.wait_for_log("log brought in")
    assert held(logging_node) == files
    assert logging_node.stop() == 0
    assert minipacs("check", logging_node).returncode == 0


def test_it_is_there_after_the_process_that_took_it_was_killed(logging_node: RunningNode) -> None:
    files = stored_and_lost(logging_node)
    (process,) = web_processes(logging_node)
    os.kill(process, signal.SIGKILL)
    logging_node.wait_for_log("log brought in")
    assert held(logging_node) == files


def test_a_stop_leaves_nothing_to_be_brought_in(logging_node: RunningNode) -> None:
    files = [file_of(f"{LASTING}.1.{number}") for number in range(COUNT)]
    assert Web(logging_node).store(files).status_code == 200
    assert logging_node.stop() == 0
    before = logging_node.mark()
    logging_node.start()
    assert len(held(logging_node)) == COUNT
    assert logging_node.logged("log brought in", after=before) == []

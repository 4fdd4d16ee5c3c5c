"""What DICOMweb gives of a study of objects: the next ones are read beside the first."""

import threading
import time
from collections.abc import Iterator

import pytest
import requests
from support import CLIENT_SECONDS, CT, EXPLICIT, RunningNode, ct, encoded, send
from support.checks.dicomweb import Web
from support.machine.cluster import Engines, new_archive
from support.machine.store_proxy import StoreProxy
from support.node import running_node

LOOK = threading.Event()  # never set: nobody tells that it has changed
COUNT = 8
PIXELS = {"Rows": 4, "Columns": 4, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7,
          "SamplesPerPixel": 1, "PixelRepresentation": 0, "PixelData": bytes(16),
          "PhotometricInterpretation": "MONOCHROME2"}  # fmt: skip


@pytest.fixture(scope="module")
def held(
    engines: Engines, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningNode, StoreProxy]]:
    """A node that has a study, and what lies between it and its store."""
    proxy = StoreProxy(engines.store.endpoint)
    tables = engines.tables(new_archive(), endpoint=proxy.endpoint)
    tables |= {"web": {"port": 0}, "node": {"workers": 1}}
    with running_node(tmp_path_factory.mktemp("ahead") / "node", tables) as node:
        with node.association((CT, EXPLICIT)) as association:
            for number in range(COUNT):
                made = encoded(ct("1.1", "1.2", f"1.3.{number}", **PIXELS))
                assert send(association, CT, f"1.3.{number}", made).Status == 0x0000
        yield node, proxy
    proxy.close()


def asked_for(proxy: StoreProxy, since: int) -> set[str]:
    """The objects that were asked for."""
    return {path for method, path, _ in proxy.seen[since:] if method == "GET" and ".dcm" in path}


@pytest.mark.parametrize(("path", "accept"), [
    ("", 'multipart/related; type="application/dicom"; transfer-syntax=*'),
    ("/metadata", "application/dicom+json"),
    ("/metadata", 'multipart/related; type="application/dicom+xml"'),
    ("/pixeldata", 'multipart/related; type="application/octet-stream"'),
    ("/bulkdata", 'multipart/related; type="application/octet-stream"'),
    ("/rendered", 'multipart/related; type="image/png"'),
])  # fmt: skip
def test_the_next_instances_are_read_while_the_first_is(
    held: tuple[RunningNode, StoreProxy], path: str, accept: str
) -> None:
    node, proxy = held
    answers: list[requests.Response] = []

    def ask() -> None:
        answers.append(Web(node).get(f"studies/1.1{path}", accept))

    since, asking = len(proxy.seen), threading.Thread(target=ask)
    with proxy.happening(method="GET", stall=True):
        asking.start()
        deadline = time.monotonic() + CLIENT_SECONDS
        while len(asked_for(proxy, since)) < 4:  # of which none was answered yet
            assert time.monotonic() < deadline, proxy.seen[since:]
            LOOK.wait(0.05)
    asking.join()
    (answer,) = answers
    assert answer.status_code == 200, answer.text
    assert len(asked_for(proxy, since)) == COUNT
    told = answer.content.count(b"1.3.") if "json" in accept else answer.content.count(b"\r\n\r\n")
    assert told >= COUNT

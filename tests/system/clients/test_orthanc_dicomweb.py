"""Orthanc's plugin for DICOMweb as a client: it asks the node, fetches from it, and stores."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import minipacs, running_node, samples
from support.checks.dicomweb import TABLES, Web
from support.network.orthanc import Orthanc

pytestmark = pytest.mark.long

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
NAMES = ("CT_small.dcm", "MR_small_RLE.dcm", "SC_rgb_jpeg_dcmtk.dcm", "rtstruct.dcm")
SAMPLES = {s.name: s for s in samples() if s.name in NAMES}
PLAIN = SAMPLES["CT_small.dcm"]


@dataclass(frozen=True)
class Pair:
    """Orthanc, and a node by the name `node`."""

    orthanc: Orthanc
    web: Web

    def ask(self, what: str, body: Any) -> Any:
        """POST to the node's part of the plugin's API."""
        return self.orthanc.call("POST", f"/dicom-web/servers/node/{what}", body)

    def find(self, uri: str, **keys: str) -> list[dict[str, Any]]:
        """What a search finds; elements by tag."""
        found: list[dict[str, Any]] = self.ask("qido", {"Uri": uri, "Arguments": keys})
        return found


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    if not PLUGIN.exists():
        pytest.skip(f"{PLUGIN} is not there: on Debian, apt-get install orthanc-dicomweb")
    with Orthanc(tmp_path_factory.mktemp("orthanc"), PLUGIN).running() as running:
        yield running


@pytest.fixture
def pair(orthanc: Orthanc, tmp_path: Path) -> Iterator[Pair]:
    """Both without anything."""
    with running_node(tmp_path / "node", TABLES) as node:
        web = Web(node)
        orthanc.call("PUT", "/dicom-web/servers/node", {"Url": web.url})
        orthanc.forget()
        yield Pair(orthanc, web)


@pytest.fixture
def filled(pair: Pair) -> Pair:
    """The node with the samples."""
    minipacs("import", pair.web.node, *(str(one.path) for one in SAMPLES.values()))
    return pair


def test_it_searches(filled: Pair) -> None:
    studies = filled.find("/studies")
    assert {one["0020000D"]["Value"] for one in studies} == {s.uids[0] for s in SAMPLES.values()}
    (study,) = filled.find("/studies", PatientName="*samples^ct*")
    assert study["0020000D"]["Value"] == PLAIN.uids[0]
    (series,) = filled.find(f"/studies/{PLAIN.uids[0]}/series", Modality="CT")
    assert series["0020000E"]["Value"] == PLAIN.uids[1]
    (instance,) = filled.find("/instances", SOPInstanceUID=PLAIN.uids[2], includefield="all")
    assert instance["00080060"]["Value"] == "CT"


@pytest.mark.parametrize("resource", [
    dict(zip(("Study", "Series", "Instance"), PLAIN.uids[:depth], strict=False))
    for depth in (1, 2, 3)
])  # fmt: skip
def test_it_retrieves_at_each_level(filled: Pair, resource: dict[str, str]) -> None:
    asked = {"Resources": [resource], "Synchronous": True}
    assert filled.ask("retrieve", asked)["ReceivedInstancesCount"] == "1"
    (file,) = filled.orthanc.files().values()
    assert file.endswith(PLAIN.data_set)


def test_it_retrieves_several_studies(filled: Pair) -> None:
    resources = [{"Study": one.uids[0]} for one in SAMPLES.values()]
    filled.ask("retrieve", {"Resources": resources, "Synchronous": True})
    assert filled.orthanc.files().keys() == {one.uids[2] for one in SAMPLES.values()}


def test_it_stores(pair: Pair) -> None:
    for one in SAMPLES.values():
        pair.orthanc.call("POST", "/instances", one.path.read_bytes())
    studies = pair.orthanc.call("GET", "/studies")
    pair.ask("stow", {"Resources": studies, "Synchronous": True})
    assert held(pair.web) == {one.uids[2] for one in SAMPLES.values()}
    for path in pair.web.node.files():
        sent = next(one for one in SAMPLES.values() if one.uids[2] == path.stem)
        assert pixels(path.read_bytes()) == pixels(sent.path.read_bytes())


def held(web: Web) -> set[str]:
    return {path.stem for path in web.node.files()}


def pixels(file: bytes) -> bytes:
    """All behind the tag of Pixel Data, where there is any."""
    return file.partition(b"\xe0\x7f\x10\x00")[2]

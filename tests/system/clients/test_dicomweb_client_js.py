"""npm's dicomweb-client, by which OHIF and others in browsers ask: here over Node.js."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydicom import dcmread
from support import EXPLICIT, Sample, minipacs, running_node, samples
from support.checks.dicomweb import TABLES, Web
from support.network.installed import node_with, output

pytestmark = pytest.mark.long

PACKAGES = ("dicomweb-client@0.11.3", "xhr2@0.2.1")
PROGRAM = Path(__file__).parent / "programs" / "dicomweb.js"
SAMPLES = {s.name: s for s in samples() if s.name in ("CT_small.dcm", "MR_small_RLE.dcm")}
PLAIN, PACKED = SAMPLES["CT_small.dcm"], SAMPLES["MR_small_RLE.dcm"]
OCTETS, DICOM = "application/octet-stream", "application/dicom"

# The name of a method and what it is given -> what came back of it.
Call = Callable[..., Any]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_node(tmp_path_factory.mktemp("node"), TABLES) as node:
        minipacs("import", node, *(str(one.path) for one in SAMPLES.values()))
        yield Web(node)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return node_with(tmp_path_factory.mktemp("dicomweb") / "packages", *PACKAGES)


@pytest.fixture(scope="module")
def call(web: Web, packages: dict[str, str]) -> Call:
    return lambda method, **more: called(web, packages, method, **more)


def called(
    web: Web, packages: dict[str, str], method: str, files: list[str] | None = None,
    client: dict[str, Any] | None = None, **options: Any,
) -> Any:  # fmt: skip
    one = {"method": method, "options": options, "files": files, "client": client or {}}
    asked = json.dumps({"url": web.url, "calls": [one]})
    (answer,) = json.loads(output(["node", PROGRAM, asked], env=packages).strip().split("\n")[-1])
    assert "error" not in answer, answer
    return answer["came"]


def of(sample: Sample) -> dict[str, str]:
    """An instance, as the client has it named."""
    return dict(zip(("studyInstanceUID", "seriesInstanceUID", "sopInstanceUID"), sample.uids,
                    strict=True))  # fmt: skip


def bytes_of(came: Any) -> list[bytes]:
    return [b64decode(one["bytes"]) for one in (came if isinstance(came, list) else [came])]


@pytest.mark.parametrize(("method", "options", "found"), [
    ("searchForStudies", {}, 2), ("searchForSeries", {}, 2), ("searchForInstances", {}, 2),
    ("searchForStudies", {"queryParams": {"ModalitiesInStudy": "CT", "limit": 9}}, 1),
    ("searchForStudies", {"queryParams": {"PatientName": "nobody"}}, 0),
    ("searchForSeries", of(PLAIN), 1), ("searchForInstances", of(PLAIN), 1),
])  # fmt: skip
def test_it_searches(call: Call, method: str, options: dict[str, Any], found: int) -> None:
    assert len(call(method, **options)) == found


@pytest.mark.parametrize("what", ["Study", "Series", "Instance"])
def test_it_retrieves_metadata(call: Call, what: str) -> None:
    (found,) = call(f"retrieve{what}Metadata", **of(PLAIN))
    assert found["00080018"]["Value"] == [PLAIN.uids[2]]


@pytest.mark.parametrize("what", ["Study", "Series", "Instance"])
def test_it_retrieves_instances(call: Call, what: str) -> None:
    (found,) = bytes_of(call(f"retrieve{what}", **of(PLAIN)))
    assert found.endswith(PLAIN.data_set)
    (found,) = bytes_of(call(f"retrieve{what}", **of(PACKED)))
    assert dcmread(BytesIO(found)).file_meta.TransferSyntaxUID == EXPLICIT


@pytest.mark.parametrize("media_types", [
    None, [{"mediaType": OCTETS}], [{"mediaType": OCTETS, "transferSyntaxUID": EXPLICIT}],
    [{"mediaType": "image/jpeg", "transferSyntaxUID": "*"}, {"mediaType": OCTETS}],
])  # fmt: skip
@pytest.mark.parametrize("sample", [PLAIN, PACKED], ids=["plain", "packed"])
def test_it_retrieves_frames(call: Call, sample: Sample, media_types: Any) -> None:
    more = {"mediaTypes": media_types} if media_types else {}
    (frame,) = bytes_of(call("retrieveInstanceFrames", frameNumbers=[1], **of(sample), **more))
    plain = sample.path.with_name(sample.name.replace("_RLE", ""))
    assert frame == dcmread(plain).PixelData


@pytest.mark.parametrize(("method", "more", "form", "size"), [
    ("retrieveInstanceRendered", {}, "JPEG", (128, 128)),
    ("retrieveInstanceRendered", {"queryParams": {"viewport": "64,64"}}, "JPEG", (64, 64)),
    ("retrieveInstanceRendered", {"mediaTypes": [{"mediaType": "image/png"}]}, "PNG", (128, 128)),
    ("retrieveInstanceFramesRendered",
     {"frameNumbers": [1], "mediaTypes": [{"mediaType": "image/png"}]}, "PNG", (128, 128)),
    ("retrieveInstanceThumbnail", {}, "JPEG", (128, 128)),
    ("retrieveInstanceFramesThumbnail", {"frameNumbers": [1]}, "JPEG", (128, 128)),
])  # fmt: skip
def test_it_retrieves_pictures(
    call: Call, method: str, more: dict[str, Any], form: str, size: tuple[int, int]
) -> None:
    (found,) = bytes_of(call(method, **of(PLAIN), **more))
    picture = Image.open(BytesIO(found))
    assert (picture.format, picture.size) == (form, size)


@pytest.mark.parametrize("more", [
    {}, {"mediaTypes": [{"mediaType": OCTETS}]}, {"client": {"singlepart": "bulkdata"}},
])  # fmt: skip
def test_it_retrieves_bulk_data(call: Call, more: dict[str, Any]) -> None:
    (metadata,) = call("retrieveInstanceMetadata", **of(PLAIN))
    url = metadata["7FE00010"]["BulkDataURI"]
    (found,) = bytes_of(call("retrieveBulkData", BulkDataURI=url, **more))
    assert found == PLAIN.dataset.PixelData


def test_it_stores(packages: dict[str, str], tmp_path: Path) -> None:
    with running_node(tmp_path / "node", TABLES) as node:
        web, files = Web(node), [str(one.path) for one in SAMPLES.values()]
        report = json.loads(called(web, packages, "storeInstances", files=files))
        assert len(report["00081199"]["Value"]) == 2
        assert {path.stem for path in node.files()} == {s.uids[2] for s in SAMPLES.values()}

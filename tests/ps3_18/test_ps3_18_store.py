"""PS3.18 10.5 and annex I, asked from outside: what is stored, and what is said of it."""

import json
import shutil
import socket
import subprocess
import zlib
from collections.abc import Iterable
from io import BytesIO
from itertools import count
from pathlib import Path
from xml.etree import ElementTree

import pytest
import requests
from PIL import Image
from pydicom import dcmread
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from support import TEST_FILES
from support.checks.dicomweb import parts
from support.data.web_kit import Kit, file_of, image, under_another_uid

from storage.dicom import part10

DICOM, JSON, XML = "application/dicom", "application/dicom+json", "application/dicom+xml"
EXPLICIT = "1.2.840.10008.1.2.1"
FAILED, STORED, OTHERS, REASON, WARNED = "00081198", "00081199", "0008119A", "00081197", "00081196"
_numbers = count(1)


def fresh(**values: object) -> tuple[str, bytes]:
    """A study of one instance that nobody has stored yet, and its file."""
    study = f"1.2.826.0.1.3680043.9.8.{next(_numbers)}"
    made = image(f"{study}.1", 1, StudyInstanceUID=study, PatientID=study[-16:], **values)
    return study, file_of(made)


def body_of(
    held: Iterable[tuple[dict[str, str], bytes]], boundary: str = "b", end: str = "--\r\n"
) -> bytes:
    """A body of parts with these headers."""
    found = b""
    for headers, data in held:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        found += f"--{boundary}\r\n{lines}\r\n".encode() + data + b"\r\n"
    return found + f"--{boundary}{end}".encode()


def post(
    kit: Kit,
    body: bytes | Iterable[bytes],
    kind: str,
    study: str = "",
    accept: str = JSON,
    **headers: str,
) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"{kit.web.url}/studies" + f"/{study}" * bool(study)
    head = {"Content-Type": kind, "Accept": accept, **named}
    return kit.web.session.post(url, data=body, headers=head, timeout=60)


def related(kind: str = DICOM) -> str:
    return f'multipart/related; type="{kind}"; boundary=b'


def is_held(kit: Kit, study: str) -> bool:
    return kit.ask(f"studies/{study}").status_code == 200


@pytest.mark.parametrize(
    ("kind", "headers"),
    [
        (related(), {"Content-Type": DICOM}), (related(), {}),
        ("multipart/related; type=application/dicom; boundary=b", {"Content-Type": DICOM}),
        ('multipart/related;boundary="b";type="application/dicom"', {"content-type": DICOM}),
        ('Multipart/Related; TYPE="Application/DICOM"; Boundary=b', {"Content-Type": DICOM}),
        ("multipart/related; boundary=b", {"Content-Type": DICOM}),
        (related(), {"Content-Type": f"{DICOM}; transfer-syntax={EXPLICIT}"}),
        (related(), {"Content-Type": DICOM, "Content-Length": "1", "Content-Location": "x"}),
        (related(), {"Content-Type": DICOM, "Content-Transfer-Encoding": "binary"}),
        (related() + "; start=\"<1>\"", {"Content-Type": DICOM, "Content-ID": "<1>"}),
        (DICOM, None), (f"{DICOM}; transfer-syntax={EXPLICIT}", None),
    ],
)  # fmt: skip
def test_an_instance_is_stored_whatever_the_form_of_the_request(
    kit: Kit, kind: str, headers: dict[str, str] | None
) -> None:
    study, file = fresh()
    answer = post(kit, file if headers is None else body_of([(headers, file)]), kind)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == JSON
    report = answer.json()
    where = f"{kit.web.url}/studies/{study}"
    assert report["00081190"] == {"vr": "UR", "Value": [where]}
    assert FAILED not in report
    (item,) = report[STORED]["Value"]
    assert item["00081150"] == {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]}
    assert item["00081155"] == {"vr": "UI", "Value": [f"{study}.1.1"]}
    assert item["00081190"]["Value"] == [f"{where}/series/{study}.1/instances/{study}.1.1"]
    assert answer.headers["Location"] == answer.headers["Content-Location"] == where
    assert kit.ask(f"studies/{study}/series/{study}.1/instances/{study}.1.1", DICOM).content == file


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (JSON, JSON), ("*/*", JSON), ("application/json", JSON), (XML, XML),
        ("application/xml", XML),
        ("application/*", JSON), (f"text/html, {XML};q=0.1", XML),
        ('multipart/related; type="application/dicom+xml"', "multipart/related"),
        ("text/html", ""), ("image/jpeg", ""), (f"{JSON};q=0", ""),
    ],
)  # fmt: skip
def test_the_answer_is_in_a_form_that_is_accepted(kit: Kit, accept: str, kind: str) -> None:
    study, file = fresh()
    answer = post(kit, body_of([({}, file)]), related(), accept=accept)
    assert is_held(kit, study) == bool(kind)
    if not kind:
        assert answer.status_code == 406
        return
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].partition(";")[0] == kind
    if kind == JSON:
        assert STORED in answer.json()
        return
    data = answer.content if kind == XML else parts(answer)[0][1]
    root = ElementTree.fromstring(data)
    assert root.tag == "{http://dicom.nema.org/PS3.19/models/NativeDICOM}NativeDicomModel"
    assert {"ReferencedSOPSequence", "RetrieveURL"} <= {one.get("keyword") for one in root}


@pytest.mark.parametrize(
    ("kind", "headers"),
    [
        ("text/plain", {}), ("application/json", {}), ("image/jpeg", {}), ("application/zip", {}),
        ("", {}), ("multipart/form-data; boundary=b", {}), ("multipart/mixed; boundary=b", {}),
        ('multipart/related; type="application/dicom"', {}), ("multipart/related", {}),
        (related("text/plain"), {}), (related("image/png"), {}),
        (related("application/octet-stream"), {}), ("application/octet-stream", {}),
        (related(), {"Content-Encoding": "gzip"}), (related(), {"Content-Encoding": "br"}),
    ],
)  # fmt: skip
def test_another_media_type_is_415_and_names_those_that_are_taken(
    kit: Kit, kind: str, headers: dict[str, str]
) -> None:
    study, file = fresh()
    answer = post(kit, body_of([({}, file)]), kind, **headers)
    expected = (400, 415) if "json" in kind else (415,)
    assert answer.status_code in expected, answer.text
    assert len(answer.json()["message"]) > 10
    assert not is_held(kit, study)


def test_several_instances_of_several_studies_are_stored(kit: Kit) -> None:
    held = [fresh() for _ in range(3)]
    answer = post(kit, body_of([({"Content-Type": DICOM}, file) for _, file in held]), related())
    assert answer.status_code == 200
    assert len(answer.json()[STORED]["Value"]) == 3
    assert answer.json()["00081190"].keys() == {"vr"}  # there is no one study
    assert all(is_held(kit, study) for study, _ in held)


def test_of_the_study_that_the_path_names_others_are_refused(kit: Kit) -> None:
    (one, file), (other, second) = fresh(), fresh()
    answer = post(kit, body_of([({}, file), ({}, second)]), related(), one)
    assert answer.status_code == 202
    report = answer.json()
    assert [item["00081155"]["Value"][0] for item in report[STORED]["Value"]] == [f"{one}.1.1"]
    (item,) = report[FAILED]["Value"]
    assert item["00081155"]["Value"] == [f"{other}.1.1"]
    assert 0xA900 <= item[REASON]["Value"][0] <= 0xA9FF
    assert item[REASON]["vr"] == "US"
    assert answer.headers["Warning"].startswith("299 ")
    assert is_held(kit, one)
    assert not is_held(kit, other)
    alone = post(kit, body_of([({}, second)]), related(), one)
    assert alone.status_code == 409
    assert STORED not in alone.json()
    assert post(kit, body_of([({}, second)]), related(), "not.a.uid").status_code == 400


def with_meta(sop_class: str, syntax: str) -> bytes:
    """A file of an instance that says these of itself."""
    study, file = fresh(SOPClassUID=sop_class)
    with BytesIO(file) as held:
        part10.read(held)
        return part10.header(sop_class, f"{study}.1.1", syntax) + held.read()


@pytest.mark.parametrize(
    ("file", "reason", "is_named"),
    [
        (with_meta("1.2.840.10008.1.1", EXPLICIT), 0x0122, True),
        (with_meta("1.2.840.10008.5.1.4.31", EXPLICIT), 0x0122, True),
        (with_meta("1.2.840.10008.5.1.4.1.1.2", "1.2.3.4"), 0xC122, True),
        (b"", 0xC000, False), (b"nothing of DICOM", 0xC000, False), (bytes(4096), 0xC000, False),
        (bytes(128) + b"DICM", 0xC000, False), (b"\xff\xd8\xff\xe0" + bytes(500), 0xC000, False),
    ],
    ids=["verification", "worklist", "syntax", "empty", "text", "zeros", "head", "jpeg"],
)  # fmt: skip
def test_what_cannot_be_stored_is_409_with_a_reason(
    kit: Kit, file: bytes, reason: int, is_named: bool
) -> None:
    answer = post(kit, body_of([({"Content-Type": DICOM}, file)]), related())
    assert answer.status_code == 409, answer.text
    (item,) = answer.json()[FAILED if is_named else OTHERS]["Value"]
    assert item[REASON] == {"vr": "US", "Value": [reason]}
    assert STORED not in answer.json()
    assert "Location" not in answer.headers


def test_the_same_again_is_stored_already(kit: Kit) -> None:
    study, file = fresh()
    for _ in range(2):
        answer = post(kit, body_of([({}, file), ({}, file)]), related())
        assert answer.status_code == 200
        assert len(answer.json()[STORED]["Value"]) == 2
    assert len(parts(kit.ask(f"studies/{study}"))) == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"--b--\r\n", b"no boundary", b"--b\r\n", b"--b\r\n\r\n", b"--c\r\n\r\nx\r\n--c--\r\n",
     b"--b\r\nno header\r\n\r\nx\r\n--b--\r\n", b"--b\r\n" + b"a" * 20_000, b"\r\n" * 50_000],
)  # fmt: skip
def test_a_body_that_is_none_is_400(kit: Kit, body: bytes) -> None:
    answer = post(kit, body, related())
    assert answer.status_code == 400, answer.text
    assert len(answer.json()["message"]) > 10


def test_a_body_in_chunks_is_stored(kit: Kit) -> None:
    study, file = fresh()
    body = body_of([({"Content-Type": DICOM}, file)])
    pieces = (body[at : at + 100] for at in range(0, len(body), 100))
    assert post(kit, pieces, related()).status_code == 200
    assert is_held(kit, study)


def said(kit: Kit, head: str, body: bytes) -> bytes:
    """What is answered to a request whose body ends early."""
    host = kit.web.origin.removeprefix("http://")
    name, port = host.split(":")
    with socket.create_connection((name, int(port)), timeout=60) as connection:
        connection.sendall(
            f"POST /dicom-web/studies HTTP/1.1\r\nHost: {host}\r\n{head}\r\n".encode()
        )
        connection.sendall(body)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("kind", [related(), DICOM, related(JSON), JSON])
def test_a_body_that_is_cut_short_is_never_a_success(kit: Kit, kind: str) -> None:
    study, file = fresh()
    made = dcmread(BytesIO(file))
    del made.PixelData
    document = json.dumps([made.to_json_dict()]).encode()
    whole = document if "json" in kind else file
    whole = body_of([({}, whole)]) if "multipart" in kind else whole
    for cut in (1, 2, 3, 5, 10, 100, len(whole) // 2, len(whole) - 200, len(whole) - 1):
        size = len(whole)
        for head, body in (
            (f"Content-Length: {size}", whole[:-cut]),
            ("Transfer-Encoding: chunked", f"{size:x}\r\n".encode() + whole[:-cut]),
            ("Transfer-Encoding: chunked",
             f"{size - cut:x}\r\n".encode() + whole[:-cut] + b"\r\n"),
        ):  # fmt: skip
            answer = said(kit, f"Content-Type: {kind}\r\nAccept: */*\r\n{head}\r\n", body)
            # The last boundary's line end, and what is behind it, are nobody's loss.
            is_whole = "multipart" in kind and cut <= 2
            assert not answer or answer[9:12] == b"400" or is_whole, (head, cut, answer)
    if "multipart" not in kind:
        assert not is_held(kit, study)


def as_documents(
    kit: Kit,
    kind: str,
    document: bytes,
    bulk: list[tuple[dict[str, str], bytes]],
    single: bool = False,
) -> requests.Response:
    if single:
        return post(kit, document, kind)
    return post(kit, body_of([({"Content-Type": kind}, document), *bulk]), related(kind))


@pytest.mark.parametrize(
    ("location", "uri"),
    [("bulk1", "bulk1"), ("http://example.org/a/b", "http://example.org/a/b"),
     ("/studies/1/bulk", "/studies/1/bulk")],
)  # fmt: skip
@pytest.mark.parametrize("syntax", ["", f"; transfer-syntax={EXPLICIT}"])
def test_metadata_and_bulk_data_are_an_instance(
    kit: Kit, location: str, uri: str, syntax: str
) -> None:
    study, file = fresh(PatientName="Yamada^Tarou=山田^太郎")
    made = dcmread(BytesIO(file))
    pixels = made.PixelData
    del made.PixelData
    held = made.to_json_dict() | {"7FE00010": {"vr": "OW", "BulkDataURI": uri}}
    head = {"Content-Type": f"application/octet-stream{syntax}", "Content-Location": location}
    answer = as_documents(kit, JSON, json.dumps([held]).encode(), [(head, pixels)])
    assert answer.status_code == 200, answer.text
    (data,) = [data for _, data in parts(kit.ask(f"studies/{study}"))]
    again = dcmread(BytesIO(data))
    assert again.PixelData == pixels
    assert again.PatientName == "Yamada^Tarou=山田^太郎"
    assert again.WindowCenter == [40, 300]


def test_a_part_may_be_named_by_its_content_id(kit: Kit) -> None:
    study, file = fresh()
    made = dcmread(BytesIO(file))
    held = made.to_json_dict() | {"7FE00010": {"vr": "OW", "BulkDataURI": "cid:pixels@x"}}
    head = {"Content-Type": "application/octet-stream", "Content-ID": "<pixels@x>"}
    assert as_documents(kit, JSON, json.dumps([held]).encode(), [(head, made.PixelData)]).ok
    assert is_held(kit, study)


@pytest.mark.parametrize("kind", [JSON, XML])
@pytest.mark.parametrize("is_alone", [True, False])
def test_what_is_given_as_metadata_can_be_stored_as_such(
    kit: Kit, kind: str, is_alone: bool
) -> None:
    study, file = fresh()
    assert post(kit, body_of([({}, file)]), related()).ok
    path = f"studies/{study}/series/{study}.1/instances/{study}.1.1"
    answer = kit.ask(f"{path}/metadata", f'multipart/related; type="{kind}", {kind}')
    document = parts(answer)[0][1] if kind == XML else answer.content
    document = document.replace(b"1.1.1", b"1.1.2") if study.endswith("1.1") else document
    for form in (b'"%s.1.1"', b">%s.1.1<"):
        old = form % study.encode()
        document = document.replace(old, old.replace(b".1.1", b".1.2", 1))
    pixels = dcmread(BytesIO(file)).PixelData
    if is_alone:  # with nothing beside it: its pixels inline
        import base64

        inline = base64.b64encode(pixels)
        uri = f"{kit.web.url}/{path}/bulkdata/7FE00010".encode()
        document = document.replace(b'"BulkDataURI":"%s"' % uri, b'"InlineBinary":"%s"' % inline)
        document = document.replace(b'<BulkData uri="%s"/>' % uri,
                                    b"<InlineBinary>%s</InlineBinary>" % inline)  # fmt: skip
    head = {"Content-Type": "application/octet-stream",
            "Content-Location": f"{kit.web.url}/{path}/bulkdata/7FE00010"}  # fmt: skip
    stored = as_documents(kit, kind, document, [(head, pixels)], is_alone)
    assert stored.status_code == 200, stored.text
    assert len(parts(kit.ask(f"studies/{study}"))) == 2
    assert {dcmread(BytesIO(data)).PixelData for _, data in parts(kit.ask(f"studies/{study}"))} == {
        pixels
    }


@pytest.mark.parametrize(
    ("kind", "document", "status"),
    [
        (JSON, b"{", 400), (JSON, b"[]", 400), (JSON, b"null", 400), (JSON, b"[1]", 400),
        (JSON, b'[{"x": {"vr": "CS"}}]', 400), (JSON, b"\xff\xfe", 400), (JSON, b"[" * 9999, 400),
        (JSON, b'[{"00080018": {"vr": "UI", "Value": ["1.2.3"]}}]', 409),
        (JSON, b"[{}]", 409), (JSON, b'[{"00080018": {"vr": "ZZ"}}]', 400),
        (XML, b"<a/>", 400), (XML, b"<", 400), (XML, b"", 400), (XML, b"{}", 400),
        (XML, b'<!DOCTYPE a [<!ENTITY b "c">]><NativeDicomModel/>', 400),
        (XML, b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><NativeDicomModel/>', 400),
        (XML, b"<NativeDicomModel/>", 409),
    ],
)  # fmt: skip
def test_metadata_that_are_none_are_refused(
    kit: Kit, kind: str, document: bytes, status: int
) -> None:
    for is_alone in (True, False):
        answer = as_documents(kit, kind, document, [], is_alone)
        assert answer.status_code == status, answer.text


def test_bulk_data_that_did_not_come_is_a_failure(kit: Kit) -> None:
    study, file = fresh()
    held = dcmread(BytesIO(file)).to_json_dict()
    held["7FE00010"] = {"vr": "OW", "BulkDataURI": "elsewhere"}
    answer = as_documents(kit, JSON, json.dumps([held]).encode(), [])
    assert answer.status_code == 409
    assert answer.json()[FAILED]["Value"][0]["00081155"]["Value"] == [f"{study}.1.1"]
    assert not is_held(kit, study)


JPEG = "1.2.840.10008.1.2.4.50"


def picture(kind: str, mode: str) -> bytes:
    out = BytesIO()
    Image.new(mode, (32, 24), 90 if mode == "L" else (250, 10, 20)).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "mode", "syntax"),
    [("image/jpeg", "L", JPEG), ("image/jpeg", "RGB", JPEG), ("image/png", "L", EXPLICIT),
     ("image/png", "RGB", EXPLICIT), ("image/gif", "RGB", EXPLICIT)],
)  # fmt: skip
def test_pictures_of_other_kinds_become_pixel_data(
    kit: Kit, kind: str, mode: str, syntax: str
) -> None:
    """PS3.18 10.5.2: with the attributes of their pixels, which need not be told."""
    study, file = fresh(SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    made = dcmread(BytesIO(file))
    for keyword in ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation",
                    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
                    "RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth"):  # fmt: skip
        delattr(made, keyword)
    held = made.to_json_dict() | {"7FE00010": {"vr": "OB", "BulkDataURI": "p"}}
    data = picture(kind.rpartition("/")[2].upper(), mode)
    head = {"Content-Type": kind, "Content-Location": "p"}
    answer = as_documents(kit, JSON, json.dumps([held]).encode(), [(head, data)])
    assert answer.status_code == 200, answer.text
    path = f"studies/{study}/series/{study}.1/instances/{study}.1.1"
    given = kit.ask(path, f"{DICOM}; transfer-syntax=*")
    again = dcmread(BytesIO(given.content))
    assert again.file_meta.TransferSyntaxUID == syntax
    assert (again.Rows, again.Columns) == (24, 32)
    shown = Image.open(BytesIO(kit.ask(f"{path}/rendered", "image/png").content)).convert("RGB")
    wanted = (90, 90, 90) if mode == "L" else (250, 10, 20)
    # Of one shade there is nothing to be stretched between.
    assert mode == "L" or all(
        abs(a - b) < 9 for a, b in zip(shown.getpixel((5, 5)), wanted, strict=True)
    )


@pytest.mark.skipif(not shutil.which("dcm2json"), reason="DCMTK's dcm2json is not here")
@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_implicit.dcm", "rtplan.dcm",
                                  "reportsi.dcm", "MR_small_bigendian.dcm",
                                  "test-SR.dcm"])  # fmt: skip
@pytest.mark.parametrize("kind", [JSON, XML])
def test_what_dcmtk_writes_is_stored_as_it_was(
    kit: Kit, name: str, kind: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    number = next(_numbers) + 400
    path.write_bytes(under_another_uid((TEST_FILES / name).read_bytes(), number))
    command = {JSON: ["dcm2json", "-ee"], XML: ["dcm2xml", "-nat", "+Eb", "+M", "+U8"]}[kind]
    document = subprocess.run([*command, str(path)], capture_output=True, check=True).stdout
    answer = post(kit, document, kind)
    assert answer.status_code == 200, answer.text
    url = answer.json()[STORED]["Value"][0]["00081190"]["Value"][0]
    got = kit.web.session.get(url, headers={"Accept": DICOM}, timeout=60)
    given, made = dcmread(BytesIO(got.content)), dcmread(path)
    for one in made:
        if one.tag.element == 0 or one.VR == "UN" or one.tag == 0x00080005:
            continue
        # It is Little Endian now, which DCMTK's XML is not (PS3.19 A.1.5).
        if one.VR == "OW" and ("bigendian" in name or kind == XML):
            continue
        assert _plain(given[one.tag].value) == _plain(one.value), one


def _plain(value: object) -> object:
    """A value as two who write it differently would both have it."""
    if isinstance(value, bytes):
        return value.rstrip(b"\0")
    if isinstance(value, Sequence):
        return [[(one.tag, _plain(one.value)) for one in item if one.tag.element] for item in value]
    if isinstance(value, MultiValue):
        return [_plain(one) for one in value]
    if isinstance(value, float):  # decimal strings too
        return float(value)
    return value


def test_very_many_parts_of_nothing_are_refused_in_few_lines(kit: Kit) -> None:
    before = len(kit.web.node.log)
    answer = post(kit, b"--b\r\n\r\n\r\n" * 2000 + b"--b--", related())
    assert answer.status_code == 409
    assert len(answer.json()[OTHERS]["Value"]) == 2000
    assert len(kit.web.node.log) - before < 150


@pytest.mark.parametrize(("width", "height"), [(65535, 65535), (12000, 12000), (0, 5)])
def test_a_picture_that_is_a_bomb_is_a_failure(kit: Kit, width: int, height: int) -> None:
    study, file = fresh()
    held = dcmread(BytesIO(file)).to_json_dict()
    held["7FE00010"] = {"vr": "OB", "BulkDataURI": "p"}
    head = {"Content-Type": "image/png", "Content-Location": "p"}
    data = bytearray(picture("PNG", "RGB"))
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    answer = as_documents(kit, JSON, json.dumps([held]).encode(), [(head, bytes(data))])
    assert answer.status_code == 409, answer.text
    assert not is_held(kit, study)


def test_the_boundary_in_the_pixels_is_pixels(kit: Kit) -> None:
    study, file = fresh(PixelData=b"\r\n--bx\r\n--b -\r\n--b-\r\n" * 50)
    body = body_of([({"Content-Type": DICOM}, file)])
    assert post(kit, body, related()).status_code == 200
    path = f"studies/{study}/series/{study}.1/instances/{study}.1.1"
    assert kit.ask(path, DICOM).content == file


@pytest.mark.long
@pytest.mark.parametrize("kind", [related(), DICOM])
def test_a_body_that_is_cut_anywhere_is_never_a_success(kit: Kit, kind: str) -> None:
    study, file = fresh()
    whole = body_of([({}, file)]) if "multipart" in kind else file
    lines = f"Content-Type: {kind}\r\nAccept: */*\r\nContent-Length: {len(whole)}\r\n"
    for size in range(0, len(whole) - 2, 5):
        answer = said(kit, lines, whole[:size])
        assert not answer or answer[9:12] == b"400", (size, answer)
    assert "multipart" in kind or not is_held(kit, study)

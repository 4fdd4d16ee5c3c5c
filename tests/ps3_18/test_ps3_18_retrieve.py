"""PS3.18 10.4 and 8.7, asked from outside: instances, metadata, bulk data and frames."""

import json
from io import BytesIO
from xml.etree import ElementTree

import pytest
from pydicom import dcmread
from support.checks.dicomweb import parts
from support.data.samples import encoded
from support.data.web_kit import COLUMNS, FRAMES, ROWS, STORED, A, Kit, file_of, image

from storage.dicom import part10

DICOM, OCTETS = "application/dicom", "application/octet-stream"
EXPLICIT, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"
IMPLICIT = "1.2.840.10008.1.2"
J2K, JPEG, JLS = (f"1.2.840.10008.1.2.4.{end}" for end in ("90", "50", "80"))
XML = 'multipart/related; type="application/dicom+xml"'


def many(kind: str, syntax: str = "") -> str:
    """A media type of parts."""
    return f'multipart/related; type="{kind}"' + f"; transfer-syntax={syntax}" * bool(syntax)


def syntax_of(data: bytes) -> str:
    return str(dcmread(BytesIO(data)).file_meta.TransferSyntaxUID)


@pytest.mark.parametrize(
    ("path", "accept", "count"),
    [
        ("studies/{A}", many(DICOM), 4), ("studies/{A}/series/{A}.1", many(DICOM), 3),
        ("{ct}", many(DICOM), 1), ("studies/{A}", "*/*", 4), ("{ct}", "*/*", 1),
        ("studies/{A}", "multipart/related; type=application/dicom", 4),
        ("studies/{A}", "multipart/related", 4), ("studies/{A}", "multipart/*", 4),
        ("studies/{A}", 'MULTIPART/RELATED; TYPE="APPLICATION/DICOM"', 4),
        ("studies/{A}", 'multipart/related;type="application/dicom";boundary=abc', 4),
        ("studies/{A}", many(DICOM, "*"), 4), ("studies/{A}", many(DICOM, EXPLICIT), 4),
        ("studies/{A}/", many(DICOM), 4), ("{ct}/", many(DICOM), 1),
        ("studies/{A}", f"text/html, {many(DICOM)};q=0.1", 4),
        ("studies/{A}", f"image/jpeg;q=0.9, {many(DICOM)}", 4),
        ("studies/{A}?accept=multipart/related;type=%22application/dicom%22", "*/*", 4),
        ("studies/{A}?accept=multipart/related;type=application/dicom;transfer-syntax=*", "*/*", 4),
        ("studies/{A}", f"{many(DICOM)}, {many(OCTETS)};q=0.1", 4),
    ],
)  # fmt: skip
def test_instances_come_in_parts(kit: Kit, path: str, accept: str, count: int) -> None:
    answer = kit.ask(path, accept)
    assert answer.status_code == 200, answer.text
    kind = answer.headers["Content-Type"]
    assert kind.startswith('multipart/related; type="application/dicom"; boundary=')
    found = parts(answer)
    assert len(found) == count
    for head, data in found:
        made = dcmread(BytesIO(data))
        assert head["Content-Type"] == f"application/dicom; transfer-syntax={EXPLICIT}"
        assert head["Content-Location"].endswith(str(made.SOPInstanceUID))
        assert len(data) == int(head["Content-Length"])


@pytest.mark.parametrize(
    "accept",
    [
        "application/dicom", "application/dicom; transfer-syntax=*", "Application/DICOM",
        f"application/dicom; transfer-syntax={EXPLICIT}", "application/dicom;q=0.5",
        f'application/dicom; transfer-syntax="{EXPLICIT}"',
        f"application/dicom;transfer-syntax={JPEG}, application/dicom;q=0.5",
        "application/dicom, multipart/related; type=application/dicom;q=0.1",
    ],
)  # fmt: skip
def test_one_instance_comes_alone_where_that_is_asked(kit: Kit, accept: str) -> None:
    answer = kit.ask("{ct}", accept)
    assert answer.headers["Content-Type"] == f"application/dicom; transfer-syntax={EXPLICIT}"
    assert answer.content == file_of(kit.instances["ct"])
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert answer.headers["Content-Location"] == f"{kit.web.url}/{kit.path('ct')}"


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("{ct}", "text/html"), ("{ct}", "image/jpeg"), ("{ct}", "application/dicom;q=0"),
        ("{ct}", many(DICOM, JPEG)), ("{ct}", f"application/dicom; transfer-syntax={J2K}"),
        ("{ct}", many(DICOM, "1.2.3")), ("{ct}", many(DICOM, "1.2.840.10008.1.2")),
        ("{ct}", many(DICOM, "1.2.840.10008.1.2.2")), ("studies/{A}", "application/dicom"),
        ("studies/{A}", "application/dicom+json"), ("studies/{A}", "*/*;q=0"), ("{ct}", OCTETS),
        ("{implicit}", many(DICOM, "1.2.840.10008.1.2")),
        ("{ct}/metadata", "application/dicom"), ("{ct}/metadata", "text/xml"),
        ("{ct}/metadata", "image/*"), ("{ct}/frames/1", "application/dicom"),
        ("{ct}/frames/1", "image/jp2"), ("{ct}/frames/1", many(OCTETS, J2K)),
        ("{ct}/rendered", "application/dicom"), ("{ct}/rendered", "text/html"),
        ("{ct}/rendered", "video/mp4"), ("{ct}/thumbnail", "application/json"),
        ("{ct}/bulkdata/7FE00010", "text/plain"), ("{ct}/pixeldata", "text/plain"),
        ("{report}/rendered", "image/jpeg"), ("{report}/thumbnail", "image/png"),
    ],
)  # fmt: skip
def test_what_cannot_be_given_is_406_and_names_what_there_is(
    kit: Kit, path: str, accept: str
) -> None:
    answer = kit.ask(path, accept)
    assert answer.status_code == 406, answer.text[:200]
    assert answer.headers["Content-Type"] == "application/json"
    assert len(answer.json()["message"]) > 10


@pytest.mark.parametrize(
    ("name", "asked", "given"),
    [
        ("rle", "", EXPLICIT), ("rle", EXPLICIT, EXPLICIT), ("rle", RLE, RLE), ("rle", "*", RLE),
        ("j2k", "", EXPLICIT), ("j2k", "*", J2K), ("j2k", J2K, J2K), ("jls", "*", JLS),
        ("jls", "", EXPLICIT), ("jpeg", "*", JPEG), ("jpeg", JPEG, JPEG), ("rle2", "", EXPLICIT),
        # These two are not used with Web Services (8.7.3), whatever will do.
        ("implicit", "", EXPLICIT), ("implicit", "*", EXPLICIT), ("big", "", EXPLICIT),
        ("big", "*", EXPLICIT), ("report", "*", EXPLICIT), ("palette", "", EXPLICIT),
    ],
)  # fmt: skip
def test_the_transfer_syntax_is_that_which_is_asked(
    kit: Kit, name: str, asked: str, given: str
) -> None:
    ((head, data),) = parts(kit.ask(f"{{{name}}}", many(DICOM, asked)))
    assert syntax_of(data) == given
    assert head["Content-Type"] == f"application/dicom; transfer-syntax={given}"
    alone = kit.ask(f"{{{name}}}", DICOM + f"; transfer-syntax={asked}" * bool(asked))
    assert syntax_of(alone.content) == given
    assert dcmread(BytesIO(data)).SOPInstanceUID == kit.instances[name].SOPInstanceUID


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("studies/1.2.3", 404), ("studies/1.2.3/metadata", 404), ("studies/{A}/series/1.2.3", 404),
        ("studies/{A}/series/{A}.1/instances/1.2.3", 404), ("studies/1.2.3/rendered", 404),
        ("studies/{A}/series/{A}.1/instances/1.2.3/frames/1", 404),
        ("studies/1.2.3/thumbnail", 404),
        ("studies/1.2.3/bulkdata", 404), ("studies/1.2.3/pixeldata", 404),
        # An instance that is held, below a series or a study that it is not of.
        ("studies/{A}/series/{A}.2/instances/{A}.1.1", 404),
        ("studies/{B}/series/{A}.1/instances/{A}.1.1", 404), ("studies/{B}/series/{A}.1", 404),
        ("studies/abc", 400), ("studies/1.2.x/metadata", 400), ("studies/{A}/series/a", 400),
        ("studies/..%2f", 400), ("studies/%2e%2e%2f%2e%2e%2fetc", 400), ("nothing", 404),
        ("studies/{A}/nothing", 404), ("{ct}/nothing", 404), ("{ct}/frames", 404), ("", 404),
        ("{ct}/frames/0", 400), ("{ct}/frames/2", 404), ("{ct}/frames/-1", 400),
        ("{ct}/frames/a", 400), ("{ct}/frames/1.0", 400), ("{ct}/frames/1,", 400),
        ("{ct}/frames/1%2C1", 200), ("{rgb}/frames/1,2,9", 404), ("{rgb}/frames/1000000000", 400),
        ("{rgb}/frames/100000000000000000000", 400), ("{report}/frames/1", 404),
        ("{ct}/bulkdata/00420011", 404), ("{ct}/bulkdata/zzz", 400),
        ("{ct}/bulkdata/7FE00010/1", 400),
        ("{ct}/frames/0/rendered", 400), ("{ct}/frames/5/rendered", 404),
        ("{ct}/frames/5/thumbnail", 404), ("{rgb}/frames/4/rendered", 200),
    ],
)  # fmt: skip
def test_what_is_not_there_is_404_and_what_cannot_be_is_400(
    kit: Kit, path: str, status: int
) -> None:
    answer = kit.ask(path)
    assert answer.status_code == status, answer.text[:200]
    if status != 200:
        assert len(answer.json()["message"]) > 5


@pytest.mark.parametrize(
    ("path", "count"),
    [("studies/{A}/metadata", 4), ("studies/{A}/series/{A}.1/metadata", 3), ("{ct}/metadata", 1),
     ("{ct}/metadata/", 1), ("{report}/metadata", 1), ("{j2k}/metadata", 1)],
)  # fmt: skip
def test_metadata_are_an_array_or_documents(kit: Kit, path: str, count: int) -> None:
    answer = kit.ask(path, "application/dicom+json")
    assert answer.headers["Content-Type"] == "application/dicom+json"
    held = answer.json()
    assert len(held) == count
    for one in held:
        assert list(one) == sorted(one)
        assert not any(tag.endswith("0000") or tag.startswith("0002") for tag in one)
        assert {"00080016", "00080018", "0020000D", "0020000E"} <= one.keys()
        assert all(len(attribute.keys() - {"vr"}) <= 1 for attribute in one.values())
    documents = parts(kit.ask(path, XML))
    assert [_uid(data) for _, data in documents] == [one["00080018"]["Value"][0] for one in held]
    assert all(h["Content-Type"].startswith("application/dicom+xml") for h, _ in documents)


def _uid(document: bytes) -> str:
    root = ElementTree.fromstring(document)
    assert root.tag == "{http://dicom.nema.org/PS3.19/models/NativeDICOM}NativeDicomModel"
    return next(one[0].text or "" for one in root if one.get("tag") == "00080018")


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "application/dicom+json", "application/*"]
)
def test_metadata_are_json_by_default(kit: Kit, accept: str) -> None:
    answer = kit.ask("{ct}/metadata", accept)
    assert answer.headers["Content-Type"] == "application/dicom+json"
    assert answer.encoding is None or answer.encoding.lower() == "utf-8"


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("00080005", {"vr": "CS", "Value": ["ISO_IR 192"]}),
        ("00080008", {"vr": "CS", "Value": ["ORIGINAL", "PRIMARY", None, "AXIAL"]}),
        ("00080020", {"vr": "DA", "Value": ["20240115"]}),
        ("00080070", {"vr": "LO", "Value": ["ACME & <Sons>"]}),
        ("00100010", {"vr": "PN", "Value": [{"Alphabetic": "DOE^JOHN"}]}),
        ("00104000", {"vr": "LT"}), ("00180050", {"vr": "DS", "Value": [2.5]}),
        ("00180060", {"vr": "DS", "Value": [120]}), ("00200013", {"vr": "IS", "Value": [1]}),
        ("00200032", {"vr": "DS", "Value": [-1.5, 0, 12.25]}),
        ("00280009", {"vr": "AT", "Value": ["00181063"]}),
        ("00280010", {"vr": "US", "Value": [24]}), ("00281050", {"vr": "DS", "Value": [40, 300]}),
        ("00101002", {"vr": "SQ", "Value": [{"00100020": {"vr": "LO", "Value": ["11235813"]}},
        {}]}),
        ("00230010", {"vr": "LO", "Value": ["AcmeCompany"]}),
        ("00231001", {"vr": "LO", "Value": ["001239"]}), ("00231002", {"vr": "FD", "Value": [0.1]}),
        ("00231003", {"vr": "UN", "InlineBinary": "AQIDBA=="}),
    ],
)  # fmt: skip
def test_an_attribute_is_as_annex_f_has_it(kit: Kit, tag: str, expected: dict) -> None:
    (one,) = kit.ask("{ct}/metadata").json()
    assert one[tag] == expected


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("00080008", '<DicomAttribute tag="00080008" vr="CS" keyword="ImageType">'
         '<Value number="1">ORIGINAL</Value><Value number="2">PRIMARY</Value>'),
        ("00080070", '<Value number="1">ACME &amp; &lt;Sons&gt;</Value>'),
        ("00100010", '<PersonName number="1"><Alphabetic><FamilyName>DOE</FamilyName>'
         "<GivenName>JOHN</GivenName></Alphabetic></PersonName>"),
        ("00101002", '<Item number="1"><DicomAttribute tag="00100020"'),
        ("00231001", 'privateCreator="AcmeCompany"'),
        ("00231003", "<InlineBinary>AQIDBA==</InlineBinary>"),
        ("7FE00010", '<BulkData uri="http'),
    ],
)  # fmt: skip
def test_an_attribute_is_as_ps3_19_has_it(kit: Kit, tag: str, expected: str) -> None:
    ((_, data),) = parts(kit.ask("{ct}/metadata", XML))
    assert expected in data.decode()


def test_names_are_utf_8_whatever_they_were(kit: Kit) -> None:
    for name, groups in (("rgb", ["Müller^Jürgen"]),
                         ("names", ["Yamada^Tarou", "山田^太郎", "やまだ^たろう"])):  # fmt: skip
        answer = kit.ask(f"{{{name}}}/metadata")
        (one,) = json.loads(answer.content.decode("utf-8"))
        assert list(one["00100010"]["Value"][0].values()) == groups


@pytest.mark.parametrize(
    ("name", "accept", "kind"),
    [
        ("ct", "*/*", OCTETS), ("ct", OCTETS, OCTETS), ("ct", many(OCTETS), OCTETS),
        ("ct", 'multipart/related; type="*/*"', OCTETS), ("rgb", OCTETS, OCTETS),
        ("ct", "multipart/related; type=application/octet-stream", OCTETS),
    ],
)  # fmt: skip
def test_bulk_data_are_to_be_had_where_the_metadata_say(
    kit: Kit, name: str, accept: str, kind: str
) -> None:
    (one,) = kit.ask(f"{{{name}}}/metadata").json()
    uri = one["7FE00010"]["BulkDataURI"]
    assert uri.startswith(kit.web.url)
    answer = kit.web.session.get(uri, headers={"Accept": accept}, timeout=60)
    assert answer.status_code == 200
    held = parts(answer) if "multipart" in answer.headers["Content-Type"] else [
        (answer.headers, answer.content)
    ]  # fmt: skip
    assert b"".join(data for _, data in held) == kit.instances[name].PixelData
    assert all(head["Content-Type"].startswith(kind) for head, _ in held)


@pytest.mark.parametrize(
    ("path", "accept"),
    [("studies/{A}", many(OCTETS)), ("studies/{A}/series/{A}.1", many(OCTETS)),
     ("{ct}", many(OCTETS)), ("studies/{A}/bulkdata", many(OCTETS)), ("{ct}/bulkdata",
     many(OCTETS)),
     ("{ct}/bulkdata", "*/*"), ("studies/{A}/pixeldata", many(OCTETS)), ("{ct}/pixeldata", "*/*"),
     ("studies/{A}/series/{A}.1/pixeldata", "*/*")],
)  # fmt: skip
def test_all_bulk_data_of_a_resource_are_parts(kit: Kit, path: str, accept: str) -> None:
    answer = kit.ask(path, accept)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith(f'multipart/related; type="{OCTETS}"')
    found = parts(answer)
    assert found
    for head, data in found:
        assert head["Content-Type"].startswith(OCTETS)
        assert head["Content-Location"].startswith(kit.web.url)
        assert len(data) == ROWS * COLUMNS * 2


@pytest.mark.parametrize(
    ("path", "accept", "kind", "count"),
    [
        ("{ct}/frames/1", "*/*", OCTETS, 1), ("{ct}/frames/1", OCTETS, OCTETS, 1),
        ("{ct}/frames/1", many(OCTETS), OCTETS, 1), ("{ct}/frames/1",
        many(OCTETS, EXPLICIT), OCTETS, 1),
        ("{ct}/frames/1",
        "multipart/related; type=application/octet-stream; transfer-syntax=*", OCTETS, 1),
        ("{ct}/frames/1", 'multipart/related; type="*/*"', OCTETS, 1),
        ("{ct}/frames/1?accept=multipart/related;type=application/octet-stream", "*/*", OCTETS, 1),
        ("{rgb}/frames/1", many(OCTETS), OCTETS, 1), ("{rgb}/frames/1,2,3,4",
        many(OCTETS), OCTETS, 4),
        ("{rgb}/frames/1%2C2", many(OCTETS), OCTETS, 2), ("{rgb}/frames/4,2", "*/*", OCTETS, 2),
        ("{rgb}/frames/3,3", "*/*", OCTETS, 2), ("{rle2}/frames/1,2", many(OCTETS), OCTETS, 2),
        ("{rle}/frames/1", many(OCTETS), OCTETS, 1), ("{rle}/frames/1", many("image/dicom-rle"),
        "image/dicom-rle", 1),
        ("{rle}/frames/1", many("image/x-dicom-rle"), "image/dicom-rle", 1),
        ("{rle}/frames/1", "image/dicom-rle", "image/dicom-rle", 1),
        ("{rle}/frames/1", many("image/dicom-rle", RLE), "image/dicom-rle", 1),
        ("{j2k}/frames/1", many("image/jp2"), "image/jp2", 1), ("{j2k}/frames/1",
        many("image/jp2", J2K), "image/jp2", 1),
        ("{j2k}/frames/1", "image/jp2", "image/jp2", 1), ("{j2k}/frames/1", many("image/jp2", "*"),
        "image/jp2", 1),
        ("{jls}/frames/1", many("image/jls"), "image/jls", 1), ("{jls}/frames/1",
        many("image/x-jls"), "image/jls", 1),
        ("{jpeg}/frames/1", many("image/jpeg", JPEG), "image/jpeg", 1),
        ("{jpeg}/frames/1", many("image/jpeg"), "image/jpeg", 1),
        ("{jpeg}/frames/1", many("image/jpeg", "*"), "image/jpeg", 1),
        ("{j2k}/frames/1", f"{many('image/jls')}, {many('image/jp2')};q=0.5", "image/jp2", 1),
        ("{j2k}/frames/1", f"{many('image/jp2')};q=0.1, {many(OCTETS)};q=0.9", OCTETS, 1),
        ("{j2k}/frames/1", many(OCTETS, "*"), OCTETS, 1),
    ],
)  # fmt: skip
def test_frames_are_given_by_their_numbers(
    kit: Kit, path: str, accept: str, kind: str, count: int
) -> None:
    answer = kit.ask(path, accept)
    assert answer.status_code == 200, answer.text
    is_multipart = answer.headers["Content-Type"].startswith("multipart/related")
    held = parts(answer) if is_multipart else [(answer.headers, answer.content)]
    assert len(held) == count
    for head, data in held:
        assert head["Content-Type"].partition(";")[0] == kind
        assert "transfer-syntax=" in head["Content-Type"]
        assert data
        assert "/frames/" in head["Content-Location"]


def test_a_frame_has_the_bytes_of_that_frame(kit: Kit) -> None:
    size = ROWS * COLUMNS * 3
    whole = kit.instances["rgb"].PixelData
    found = parts(kit.ask("{rgb}/frames/4,1", many(OCTETS)))
    assert [data for _, data in found] == [whole[3 * size : 4 * size], whole[:size]]
    assert [head["Content-Location"].rpartition("/")[2] for head, _ in found] == ["4", "1"]
    assert len(parts(kit.ask("{rgb}/pixeldata", many(OCTETS)))) == FRAMES


@pytest.mark.parametrize("name", ["rle", "j2k", "jls"])
def test_an_uncompressed_frame_is_what_was_compressed(kit: Kit, name: str) -> None:
    data = kit.ask(f"{{{name}}}/frames/1", OCTETS).content
    (pixels,) = [dcmread(BytesIO(kit.ask(f"{{{name}}}", DICOM).content)).PixelData]
    assert data == pixels
    assert len(data) == kit.instances[name].Rows * kit.instances[name].Columns * 2


@pytest.mark.parametrize("path", [
    "{ct}", "{ct}/metadata", "{ct}/frames/1", "{ct}/rendered", "{ct}/thumbnail",
    "{ct}/bulkdata/7FE00010", "studies/{A}/metadata",
])  # fmt: skip
def test_what_has_not_changed_is_not_sent_again(kit: Kit, path: str) -> None:
    accept = {"{ct}": DICOM, "{ct}/frames/1": OCTETS}.get(path, "*/*")
    first = kit.ask(path, accept)
    tag = first.headers["ETag"]
    assert kit.ask(path, accept).headers["ETag"] == tag
    for asked in (tag, f'"x", {tag}', "*"):
        again = kit.ask(path, accept, If_None_Match=asked)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == tag
    assert kit.ask(path, accept, If_None_Match='"other"').status_code == 200


@pytest.mark.parametrize(
    ("asked", "status"),
    [("bytes=0-0", 206), ("bytes=5-14", 206), ("bytes=-8", 206), ("bytes=100-", 206),
     ("bytes=0-99999999", 206), ("bytes=99999999-", 416), ("items=0-1", 200), ("bytes=x", 200)],
)  # fmt: skip
@pytest.mark.parametrize(("path", "accept"), [("{ct}", DICOM), ("{ct}/bulkdata/7FE00010", OCTETS)])
def test_a_range_of_bytes_is_given(
    kit: Kit, path: str, accept: str, asked: str, status: int
) -> None:
    whole = kit.ask(path, accept)
    assert whole.headers["Accept-Ranges"] == "bytes"
    answer = kit.ask(path, accept, Range=asked)
    assert answer.status_code == status
    if status == 206:
        begin, _, rest = answer.headers["Content-Range"].removeprefix("bytes ").partition("-")
        end = rest.partition("/")[0]
        assert answer.content == whole.content[int(begin) : int(end) + 1]
        assert rest.endswith(f"/{len(whole.content)}")
    elif status == 416:
        assert answer.headers["Content-Range"] == f"bytes */{len(whole.content)}"


@pytest.mark.parametrize("path", [
    "studies?StudyInstanceUID={A}", "studies/{A}/series", "studies/{A}/instances", "studies/{A}",
    "{ct}", "{ct}/metadata", "{ct}/frames/1", "{ct}/rendered", "{ct}/thumbnail", "{ct}/bulkdata",
    "{ct}/bulkdata/7FE00010", "{ct}/pixeldata",
])  # fmt: skip
def test_head_is_get_without_a_body(kit: Kit, path: str) -> None:
    whole, head = kit.ask(path), kit.ask(path, method="HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert (
        head.headers["Content-Type"].partition(";")[0]
        == (whole.headers["Content-Type"].partition(";")[0])
    )
    if "Content-Length" in whole.headers:
        assert head.headers["Content-Length"] == whole.headers["Content-Length"]


@pytest.mark.parametrize(
    "path", ["studies", "studies/{A}", "{ct}", "{ct}/metadata", "{ct}/frames/1"]
)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_another_method_is_405_and_is_told_which_there_are(
    kit: Kit, path: str, method: str
) -> None:
    answer = kit.ask(path, method=method)
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["{ct}/metadata", "studies/{A}/metadata", "studies"])
@pytest.mark.parametrize(
    ("encoding", "is_zipped"),
    [("gzip", True), ("gzip, deflate, br", True), ("identity", False), ("gzip;q=0", False),
     ("*", True), ("deflate", False), ("", False)],
)  # fmt: skip
def test_text_is_zipped_for_who_takes_that(
    kit: Kit, path: str, encoding: str, is_zipped: bool
) -> None:
    answer = kit.ask(path, "application/dicom+json", Accept_Encoding=encoding)
    assert (answer.headers.get("Content-Encoding") == "gzip") is is_zipped
    plain = kit.ask(path, "application/dicom+json", Accept_Encoding="identity")
    assert answer.json() == plain.json()


@pytest.mark.parametrize(
    ("path", "where"),
    [("{ct}/metadata", "{ct}/metadata"), ("studies/{A}/metadata", "studies/{A}/metadata"),
     ("{ct}/rendered", "{ct}/rendered"), ("{ct}/thumbnail", "{ct}/thumbnail"),
     ("{ct}/frames/1", "{ct}/frames/1"), ("{ct}/bulkdata/7FE00010", "{ct}/bulkdata/7FE00010")],
)  # fmt: skip
def test_an_answer_says_of_what_it_is(kit: Kit, path: str, where: str) -> None:
    accept = OCTETS if "frames" in path else "*/*"
    answer = kit.ask(path, accept)
    assert answer.headers["Content-Location"] == kit.web.url + "/" + where.format(
        ct=kit.path("ct"), A=A
    )


@pytest.mark.parametrize(("accept", "kind"), [
    ("application/vnd.sun.wadl+xml", "application/vnd.sun.wadl+xml"),
    ("application/json", "application/json"), ("*/*", "application/vnd.sun.wadl+xml"),
    ("application/xml", "application/vnd.sun.wadl+xml"), ("text/html", ""),
])  # fmt: skip
@pytest.mark.parametrize("path", ["", "/", "studies"])
def test_what_may_be_asked_can_be_asked(kit: Kit, path: str, accept: str, kind: str) -> None:
    url = kit.web.url + ("/" + path if path not in ("", "/") else path)
    answer = kit.web.session.options(url, headers={"Accept": accept}, timeout=60)
    if not kind:
        assert answer.status_code == 406
        return
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].partition(";")[0] == kind
    for name in ("studies/{study}/series/{series}/instances/{instance}", "/rendered",
                 "/thumbnail", "/metadata", "/studies"):  # fmt: skip
        assert name in answer.text
    if "json" in kind:
        assert json.loads(answer.text)
    else:
        root = ElementTree.fromstring(answer.content)
        assert root.tag == "{http://wadl.dev.java.net/2009/02}application"
        names = [one.get("name") for one in root.iter("{http://wadl.dev.java.net/2009/02}param")]
        assert {"fuzzymatching", "limit", "offset", "includefield"} <= set(names)


def test_what_is_damaged_is_given_as_it_is_where_anything_will_do(kit: Kit) -> None:
    study = "1.2.826.0.1.3680043.9.10"
    # Of another patient than those that searches of the same node look for.
    made = image(f"{study}.1", 1, StudyInstanceUID=study, PatientID="DAMAGED", PatientName="Bad")
    head = part10.header(made.SOPClassUID, made.SOPInstanceUID, IMPLICIT)
    file = head + encoded(made, implicit=True)[:-900]  # in its pixels
    assert kit.web.store([file]).status_code == 200
    path = f"studies/{study}/series/{study}.1/instances/{study}.1.1"
    for accept in (f"{DICOM}; transfer-syntax=*", DICOM):
        answer = kit.ask(path, accept)
        assert answer.content == file
        assert answer.headers["Content-Type"] == f"{DICOM}; transfer-syntax={IMPLICIT}"
    assert kit.ask(path, f"{DICOM}; transfer-syntax={EXPLICIT}").status_code == 406


def test_each_sample_that_was_stored_is_there(kit: Kit) -> None:
    for name in STORED:
        assert kit.ask(f"{{{name}}}", many(DICOM, "*")).status_code == 200

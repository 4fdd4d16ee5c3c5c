"""Each resource in each form, of each kind of object: a row says what is asked, an oracle what is
right. The oracle is pydicom and what this file says of PS3.18, nothing of the node's."""

import io
import itertools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
import requests
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import generate_fragments, generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID
from support import EXPLICIT, IMPLICIT, Sample
from support.checks.dicomweb import Web, parts
from support.data.kinds import MADE, samples_made

BIG_ENDIAN, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
JPEG, RLE = "1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.5"
UNCOMPRESSED = (EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED)
# Not used by PS3.18 (8.7.3): what is stored in these comes in another.
NOT_OF_THE_WEB = (IMPLICIT, BIG_ENDIAN)
# PS3.18 tables 8.7.3-4, 8.7.3-5.
TYPES = {
    **dict.fromkeys((JPEG + end for end in ("50", "51", "57", "70")), "image/jpeg"),
    **dict.fromkeys((JPEG + end for end in ("80", "81")), "image/jls"),
    **dict.fromkeys((JPEG + end for end in ("90", "91")), "image/jp2"),
    **dict.fromkeys((JPEG + end for end in ("201", "202", "203")), "image/jphc"),
    RLE: "image/dicom-rle",
    JPEG + "100": "video/mpeg",
    JPEG + "102": "video/mp4",
}
OCTETS, DICOM = "application/octet-stream", "application/dicom"
# Whose pixels nothing decodes: the codestream is damaged, or there is no image in it.
UNDECODABLE, TRUNCATED = "JPEG2000-embedded-sequence-delimiter.dcm", "MR_truncated.dcm"
DAMAGED = {UNDECODABLE, TRUNCATED, "badVR.dcm"}
# One of each kind; with --long all of them, and each row of all.
REPRESENTATIVE = {
    "CT_small.dcm", "ExplVR_BigEnd.dcm", "JPEG2000.dcm", "JPGExtended.dcm", "MR_small_RLE.dcm",
    "MR_small_implicit.dcm", "MR_small_jpeg_ls_lossless.dcm",
    "SC_rgb_dcmtk_+eb+cy+np.dcm", "SC_rgb_gdcm_KY.dcm", "SC_rgb_jpeg_gdcm.dcm",
    "SC_rgb_rle_16bit_2frame.dcm", "SC_rgb_small_odd.dcm", "SC_ybr_full_422_uncompressed.dcm",
    "dicomdirtests/77654033/CR1/6154", "examples_palette.dcm", "image_dfl.dcm",
    "liver_1frame.dcm", "reportsi.dcm", "rtdose_rle.dcm", "waveform_ecg.dcm",
    "JPEG2000-embedded-sequence-delimiter.dcm",
}  # fmt: skip


@dataclass(frozen=True)
class Held:
    """What is right for an instance that is held, by pydicom."""

    sample: Sample

    @property
    def name(self) -> str:
        return self.sample.name

    @property
    def stored(self) -> str:
        return self.sample.transfer_syntax_uid

    @cached_property
    def data_set(self) -> Any:
        return dcmread(self.sample.path)

    @property
    def path(self) -> str:
        study, series, instance = self.sample.uids
        return f"studies/{study}/series/{series}/instances/{instance}"

    @property
    def is_compressed(self) -> bool:
        return self.stored not in UNCOMPRESSED

    @property
    def is_video(self) -> bool:
        return TYPES.get(self.stored, "").startswith("video/")

    @property
    def has_pixels(self) -> bool:
        return any(one in self.data_set for one in ("PixelData", *FLOATS))

    @property
    def is_decodable(self) -> bool:
        return not self.is_video and self.name not in DAMAGED

    @property
    def count(self) -> int:
        return int(self.data_set.get("NumberOfFrames") or 1)

    @property
    def syntaxes(self) -> tuple[str, ...]:
        """Those that the instance can be had in."""
        others = () if self.is_video or self.name == TRUNCATED else (EXPLICIT, DEFLATED)
        there = dict.fromkeys((self.stored, *others))
        return tuple(one for one in there if one not in NOT_OF_THE_WEB)

    @property
    def usual(self) -> str:
        """That which `*` gives."""
        return self.stored if self.stored not in NOT_OF_THE_WEB else EXPLICIT

    @cached_property
    def frames(self) -> list[bytes]:
        """As they are stored: in fragments, or Little Endian."""
        held = self.data_set
        if self.is_video:
            return [b"".join(generate_fragments(held.PixelData))]
        if self.is_compressed:
            tables = [held.get(one) for one in EXTENDED]
            extended = (tables[0], tables[1]) if tables[0] else None
            return list(generate_frames(
                held.PixelData, number_of_frames=self.count, extended_offsets=extended
            ))  # fmt: skip
        return list(self._native())

    def _native(self) -> Iterator[bytes]:
        held = self.data_set
        name = next(one for one in ("PixelData", *FLOATS) if one in held)
        bits = held.BitsAllocated
        data = held[name].value
        if self.stored == BIG_ENDIAN and (bits > 8 or held[name].VR == "OW"):
            size = bits // 8 if bits > 8 else 2
            data = np.frombuffer(data, f">u{size}").astype(f"<u{size}").tobytes()
        halved = "422" in held.PhotometricInterpretation
        each = held.Rows * held.Columns * (2 if halved else held.SamplesPerPixel) * bits
        if each % 8:
            raise AssertionError("no sample has frames of odd bits")
        for number in range(self.count):
            yield data[number * each // 8 : (number + 1) * each // 8]

    @lru_cache  # noqa: B019 - for as long as the tests last
    def decoded(self, is_raw: bool) -> list[np.ndarray]:
        """The frames as pydicom decodes them; raw: without change of colours."""
        decoder = get_decoder(UID(self.stored))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array, _ = decoder.as_array(self.data_set, raw=is_raw)
        return [array] if self.count == 1 else list(array)


FLOATS = ("FloatPixelData", "DoubleFloatPixelData")
EXTENDED = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")


@dataclass(frozen=True)
class Given:
    """What was answered."""

    status: int
    kind: str
    found: list[tuple[str, bytes]]  # Content-Type and bytes of each part, or of the whole
    text: str

    @classmethod
    def of(cls, answer: requests.Response) -> "Given":
        kind = answer.headers.get("Content-Type", "")
        found = [(kind, answer.content)]
        if kind.startswith("multipart/") and answer.status_code < 300:
            found = [(head["Content-Type"], data) for head, data in parts(answer)]
        return cls(
            answer.status_code, kind, found, answer.text if answer.status_code >= 300 else ""
        )


# What is wrong with an answer, in words; nothing where it is right.
Oracle = Callable[[Held, Given], str]


def refused(status: int, *words: str) -> Oracle:
    """An error of this status, whose text says these words."""

    def wrong(held: Held, given: Given) -> str:
        if given.status != status:
            return f"{given.status} instead of {status}: {given.text[:160]}"
        return "" if all(one in given.text for one in words) else f"says {given.text[:160]}"

    return wrong


def _files(held: Held, given: Given, syntax: str, is_multipart: bool) -> str:
    if syntax not in held.syntaxes:
        return refused(406)(held, given)
    if held.name == UNDECODABLE and syntax != held.stored:
        return refused(406, "cannot be decoded")(held, given)
    if given.status != 200:
        return f"{given.status}: {given.text[:160]}"
    if given.kind.startswith("multipart/") != is_multipart:
        return f"is {given.kind}"
    ((kind, data),) = given.found
    if kind != f"{DICOM}; transfer-syntax={syntax}":
        return f"a part is {kind}"
    if syntax == held.stored:  # what C-GET gives, behind a header
        return "" if data.endswith(held.sample.data_set) else "other bytes than are stored"
    made = dcmread(io.BytesIO(data))
    if made.file_meta.TransferSyntaxUID != syntax:
        return f"in it is {made.file_meta.TransferSyntaxUID}"
    return "" if made.SOPInstanceUID == held.sample.uids[2] else "another instance"


def file_in(syntax: str, is_multipart: bool = False) -> Oracle:
    """The instance in a transfer syntax: `*` as it is stored, empty the default."""

    def wrong(held: Held, given: Given) -> str:
        default = EXPLICIT if EXPLICIT in held.syntaxes else held.stored
        wanted = {"*": held.usual, "": default}.get(syntax, syntax)
        return _files(held, given, wanted, is_multipart)

    return wrong


def document(kind: str) -> Oracle:
    """Metadata of a kind."""

    def wrong(held: Held, given: Given) -> str:
        if given.status != 200 or not given.found[0][0].startswith(kind):
            return f"{given.status} {given.found[0][0]}"
        return (
            "" if held.sample.uids[2].encode() in b"".join(d for _, d in given.found) else "empty"
        )

    return wrong


def _octets(held: Held, given: Given, numbers: list[int], is_stored: bool, kind: str) -> str:
    if len(given.found) != len(numbers):
        return f"{len(given.found)} parts instead of {len(numbers)}"
    syntax = held.stored if is_stored and held.is_compressed else EXPLICIT
    for number, (said, data) in zip(numbers, given.found, strict=True):
        if said != f"{kind}; transfer-syntax={syntax}":
            return f"a part is {said}"
        if is_stored or not held.is_compressed:
            if data.rstrip(b"\0") != held.frames[number].rstrip(b"\0"):
                return f"frame {number}: other bytes than are stored"
        elif words := _unlike(held, data, number):
            return f"frame {number}: {words}"
    return ""


def _unlike(held: Held, data: bytes, number: int) -> str:
    """How far decoded samples are from pydicom's, as RGB or as they are coded."""
    if held.name in NOT_BY_PYDICOM:
        return ""
    least = 256
    for is_raw in (True, False):
        frame = held.decoded(is_raw)[number]
        if len(data) < frame.nbytes:
            return f"{len(data)} bytes instead of {frame.nbytes}"
        own = np.frombuffer(data[: frame.nbytes], frame.dtype.newbyteorder("<"))
        least = min(least, int(np.abs(own.astype("f8") - frame.ravel().astype("f8")).max()))
    is_lossy = held.stored in LOSSY
    return "" if least <= (3 if is_lossy else 0) else f"differs by {least}"


# JPEG of 12 bits: the tests of the decoders have it.
NOT_BY_PYDICOM = {"JPGExtended.dcm", "JPEG-lossy.dcm"}
LOSSY = {JPEG + end for end in ("50", "51", "81", "91")}


def frames_in(
    syntax: str, numbers: str = "all", is_multipart: bool = True, kind: str = OCTETS
) -> Oracle:
    """Frames as octets: `*` as they are stored, else uncompressed."""

    def wrong(held: Held, given: Given) -> str:
        if not held.has_pixels:
            return refused(404)(held, given)
        if held.name == TRUNCATED:
            return refused(406, "ends beyond")(held, given)
        is_stored = syntax == "*" or not held.is_compressed
        if held.is_video:
            wanted = [0]
            if numbers not in ("all", "1"):
                return refused(404)(held, given)
        else:
            wanted = list(range(held.count)) if numbers == "all" else _listed(numbers, held)
            if not wanted:
                return refused(404)(held, given)
        if held.name in DAMAGED and (not is_stored or not held.is_compressed):
            return "" if given.status in (200, 406) else f"{given.status}: {given.text[:160]}"
        can = held.is_decodable or is_stored
        if syntax not in ("", "*", EXPLICIT) or not can:  # native is Little Endian alone: 8.7.3.5.2
            return refused(406)(held, given) if syntax else ""
        if given.status != 200:
            return f"{given.status}: {given.text[:160]}"
        if given.kind.startswith("multipart/") != is_multipart:
            return f"is {given.kind}"
        return _octets(held, given, wanted, is_stored, kind)

    return wrong


def _listed(numbers: str, held: Held) -> list[int]:
    found = [int(one) - 1 for one in numbers.split(",")]
    return found if max(found) < held.count else []


def frames_as(media_type: str, numbers: str = "all", is_multipart: bool = True) -> Oracle:
    """Compressed frames under their own media type; 406 of all that are of another."""

    def wrong(held: Held, given: Given) -> str:
        if not held.has_pixels or (numbers != "all" and not held.is_video
                                   and not _listed(numbers, held)):  # fmt: skip
            return refused(404)(held, given)
        if TYPES.get(held.stored) != media_type:
            return refused(406)(held, given)
        if given.status != 200:
            return f"{given.status}: {given.text[:160]}"
        wanted = list(range(len(held.frames))) if numbers == "all" else _listed(numbers, held)
        return _octets(held, given, wanted, True, media_type)

    return wrong


def pictured(kind: str, most: int = 0) -> Oracle:
    """A picture that opens, of the right size; 406 of what is none."""

    def wrong(held: Held, given: Given) -> str:
        if not held.has_pixels or held.is_video or held.name in DAMAGED:
            if held.name in DAMAGED and given.status == 200:
                return ""
            return refused(406)(held, given)
        if given.status != 200 or given.found[0][0] != kind:
            return f"{given.status} {given.kind} {given.text[:160]}"
        with Image.open(io.BytesIO(given.found[0][1])) as made:
            made.load()
            if made.format != FORMATS[kind]:
                return f"is {made.format}"
            if most:
                return "" if max(made.size) == most else f"is of {made.size}"
            return "" if made.width == held.data_set.Columns else f"is of {made.size}"

    return wrong


def rendered_as(media_type: str, *names: str) -> Oracle:
    """What is of this media type for those named; 406 of all else."""

    def wrong(held: Held, given: Given) -> str:
        if held.name.partition(" ")[2] not in names and held.name not in names:
            return refused(406)(held, given)
        if given.status != 200 or not given.found[0][0].startswith(media_type):
            return f"{given.status} {given.kind} {given.text[:160]}"
        return "" if given.found[0][1] else "empty"

    return wrong


def of_level(path: str, end: str) -> str:
    """The same of the series or study above."""
    return path.partition(end)[0]


@dataclass(frozen=True)
class Row:
    """What is asked, below an instance or above it, with which Accept; and what is right."""

    resource: str
    accept: str
    wrong: Oracle
    by: str = "header"  # or "query", or "uri": by WADO-URI

    def __str__(self) -> str:
        return f"{self.resource or 'instance'} {self.by[0]}:{self.accept}"[:90]

    def path(self, held: Held) -> str:
        resource = self.resource
        for level, end in (("study", "/series/"), ("series", "/instances/")):
            if resource.startswith(level):
                return of_level(held.path, end) + resource.removeprefix(level)
        return held.path + resource


def related(kind: str, syntax: str = "", quote: str = '"') -> str:
    """An Accept for several parts."""
    ending = f"; transfer-syntax={syntax}" if syntax else ""
    return f"multipart/related; type={quote}{kind}{quote}{ending}"


def _rows() -> Iterator[Row]:
    yield from _of_instances()
    yield from _of_documents()
    yield from _of_pixels()
    yield from _of_pictures()
    yield from _by_uri()


def _of_instances() -> Iterator[Row]:
    for syntax in ("", "*", *UNCOMPRESSED, JPEG + "50", JPEG + "90", RLE, "1.2.3"):
        ending = f"; transfer-syntax={syntax}" if syntax else ""
        yield Row("", DICOM + ending, file_in(syntax))
        yield Row("", related(DICOM, syntax), file_in(syntax, True))
    yield Row("", related(DICOM, "*", ""), file_in("*", True))
    yield Row("", "*/*", file_in("", True))
    yield Row("", "", file_in("", True))
    yield Row("", f'{DICOM}; transfer-syntax="*"', file_in("*"))
    yield Row("", f"text/html, {DICOM}; transfer-syntax=*; q=0.2", file_in("*"))
    yield Row("", f"{DICOM}; transfer-syntax=1.2.3, {related(DICOM, '*')}; q=0.1",
              file_in("*", True))  # fmt: skip
    yield Row("", f"{DICOM}; transfer-syntax=*", file_in("*"), "query")
    for kind in ("image/jpeg", "text/html", "application/dicom+json", f"{DICOM};q=0"):
        yield Row("", kind, refused(406, DICOM))


def _of_documents() -> Iterator[Row]:
    json, xml = "application/dicom+json", "application/dicom+xml"
    for accept in ("", "*/*", json, "application/json", f"{xml};q=0.1, {json}"):
        yield Row("/metadata", accept, document(json))
    for accept in (related(xml), related(xml, quote=""), f"{json};q=0.1, {related(xml)}"):
        yield Row("/metadata", accept, document(xml))
    for accept in ("image/jpeg", "text/html", DICOM):
        yield Row("/metadata", accept, refused(406, json))
    yield Row("/bulkdata", "image/jpeg", refused(406))


def _of_pixels() -> Iterator[Row]:
    for syntax, quote in itertools.product(("", "*", EXPLICIT), ('"', "")):
        if syntax:
            yield Row("/pixeldata", related(OCTETS, syntax, quote), frames_in(syntax))
        yield Row("/frames/1", related(OCTETS, syntax, quote),
                  frames_in(syntax or EXPLICIT if syntax else "", "1"))  # fmt: skip
    for syntax in ("1.2.3", IMPLICIT, BIG_ENDIAN):
        yield Row("/frames/1", related(OCTETS, syntax), frames_in(syntax, "1"))
    yield Row("/frames/1", f"{OCTETS}; transfer-syntax=*", frames_in("*", "1", False))
    yield Row("/frames/1", f"{OCTETS}; transfer-syntax={EXPLICIT}",
              frames_in(EXPLICIT, "1", False))  # fmt: skip
    for numbers in ("2", "1,2", "2,1,2", "5", "99999"):
        yield Row(f"/frames/{numbers}", related(OCTETS, "*"), frames_in("*", numbers))
        yield Row(f"/frames/{numbers}", related(OCTETS, EXPLICIT), frames_in(EXPLICIT, numbers))
    for kind in sorted({*TYPES.values(), "image/jpx", "image/jxl"}):
        yield Row("/frames/1", related(kind), frames_as(kind, "1"))
        yield Row("/frames/1", f"{kind}; transfer-syntax=*", frames_as(kind, "1", False))
        yield Row("/pixeldata", related(kind, "*"), frames_as(kind))
        yield Row("/bulkdata/7FE00010", related(kind, "*"), of_bulk(frames_as(kind)))
    for kind in ("text/html", "application/dicom+json", f"{OCTETS};q=0"):
        yield Row("/frames/1", kind, none_here)
    for numbers in ("0", "-1", "x", "1,", "1,,2", "9" * 20):
        yield Row(f"/frames/{numbers}", "*/*", refused(400))


def none_here(held: Held, given: Given) -> str:
    """406, or 404 where there is no frame."""
    return refused(406 if held.has_pixels else 404)(held, given)


def of_bulk(oracle: Oracle) -> Oracle:
    """Of encapsulated Pixel Data alone: native is a value as others are."""

    def wrong(held: Held, given: Given) -> str:
        if "PixelData" not in held.data_set:
            return refused(404)(held, given)
        return oracle(held, given)

    return wrong


FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF", "image/jp2": "JPEG2000"}
_SR = ("reportsi.dcm", "reportsi_with_empty_number_tags.dcm", "test-SR.dcm")


def _of_pictures() -> Iterator[Row]:
    for kind in FORMATS:
        yield Row("/rendered", kind, pictured(kind))
        yield Row("/frames/1/rendered", related(kind), pictured(kind))
        yield Row("/thumbnail", kind, pictured(kind, 128))
        yield Row("/rendered", kind, pictured(kind), "query")
    yield Row("/frames/1/thumbnail", "image/*", pictured("image/jpeg", 128))
    yield Row("/rendered", "image/*", pictured("image/jpeg"))
    yield Row("/rendered", "application/pdf", rendered_as("application/pdf", "PDF"))
    yield Row("/rendered", "text/html", rendered_as("text/html", *_SR))
    yield Row("/rendered", "text/plain", rendered_as("text/plain", *_SR))
    yield Row("/rendered", "text/xml", rendered_as("text/xml", "CDA"))
    yield Row("/rendered", "video/mp4", rendered_as("video/mp4", "MP4"))
    yield Row("/rendered", "video/mpeg", rendered_as("video/mpeg", "MPEG-2"))
    for kind in (DICOM, "application/dicom+json", "image/webp"):
        yield Row("/rendered", kind, refused(406))
        yield Row("/thumbnail", kind, refused(406))
    yield Row("series/thumbnail", "image/png", standing("image/png"))
    yield Row("study/thumbnail", "*/*", standing("image/jpeg"))


def standing(kind: str) -> Oracle:
    """A thumbnail of what is around an instance: it may be of another that has pixels."""

    def wrong(held: Held, given: Given) -> str:
        if given.status == 406 and not (held.has_pixels and held.is_decodable):
            return ""
        if given.status != 200 or given.kind != kind:
            return f"{given.status} {given.kind} {given.text[:160]}"
        with Image.open(io.BytesIO(given.found[0][1])) as made:
            return "" if max(made.size) == 128 else f"is of {made.size}"

    return wrong


def _by_uri() -> Iterator[Row]:
    yield Row("uri", DICOM, file_by_uri, "uri")
    yield Row("uri", f"text/x, {DICOM}", file_by_uri, "uri")
    yield Row("uri", "", picture_or_file, "uri")
    for kind in FORMATS:
        yield Row("uri", kind, pictured(kind), "uri")
    yield Row("uri", "application/pdf", rendered_as("application/pdf", "PDF"), "uri")
    yield Row("uri", "text/html", rendered_as("text/html", *_SR), "uri")
    yield Row("uri", "video/mp4", rendered_as("video/mp4", "MP4"), "uri")
    yield Row("uri", "image/webp", refused(406), "uri")


def file_by_uri(held: Held, given: Given) -> str:
    """The file in Explicit VR Little Endian, or as it is stored where it cannot be (PS3.18 9)."""
    if held.name == UNDECODABLE:
        return refused(406, "cannot be decoded")(held, given)
    if given.status != 200 or given.kind != DICOM:
        return f"{given.status} {given.kind} {given.text[:160]}"
    made = dcmread(io.BytesIO(given.found[0][1]))
    wanted = EXPLICIT if EXPLICIT in held.syntaxes else held.stored
    if made.file_meta.TransferSyntaxUID != wanted:
        return f"in it is {made.file_meta.TransferSyntaxUID}"
    return "" if made.SOPInstanceUID == held.sample.uids[2] else "another instance"


def picture_or_file(held: Held, given: Given) -> str:
    """JPEG of an image, video of that which lies as such, the file of all else (PS3.18 9)."""
    if held.name in DAMAGED:
        return "" if given.status in (200, 406) else f"is {given.status}"
    is_picture = held.has_pixels and not held.is_video
    if held.is_video and given.kind.startswith("video/"):
        return "" if given.found[0][1].startswith(held.frames[0][:100]) else "another stream"
    oracle = pictured("image/jpeg") if is_picture else file_by_uri
    return oracle(held, given)


ROWS = list(_rows())


@pytest.fixture(scope="module")
def made(web: Web, tmp_path_factory: pytest.TempPathFactory) -> list[Held]:
    """What pydicom has no sample of, held by the node."""
    answer = web.store(list(MADE.values()))
    assert answer.status_code == 200, answer.text
    return [Held(one) for one in samples_made(tmp_path_factory.mktemp("made"))]


@pytest.fixture(scope="module")
def representative(held_samples: list[Sample], made: list[Held]) -> list[Held]:
    """An object of each kind."""
    found = [Held(one) for one in held_samples if one.name in REPRESENTATIVE]
    assert {one.name for one in found} == REPRESENTATIVE
    return found + made


@pytest.fixture(scope="module")
def all_held(held_samples: list[Sample], made: list[Held]) -> list[Held]:
    """All objects."""
    return [Held(one) for one in held_samples] + made


def check(web: Web, row: Row, objects: list[Held]) -> None:
    """Fail with each object whose answer is wrong, and how."""
    found = []
    for held in objects:
        path = row.path(held)
        accept = row.accept
        if row.by == "uri":
            uids = zip(("studyUID", "seriesUID", "objectUID"), held.sample.uids, strict=True)
            asked = {"requestType": "WADO", **dict(uids), "contentType": row.accept}
            path, accept = f"{web.origin}/wado?{urlencode(asked)}", ""
        if row.by == "query":
            path, accept = f"{path}?{urlencode({'accept': row.accept})}", "text/nothing"
        given = Given.of(web.get(path, accept))
        if words := row.wrong(held, given):
            found.append(f"{held.name}: {words}")
    if found:
        pytest.fail("\n".join(found), pytrace=False)


@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda number: str(ROWS[number]))
def test_kinds_of_object_have_their_answer(
    web: Web, representative: list[Held], number: int
) -> None:
    # A third of them, each row another one: of all thirds each object is asked for all resources.
    check(web, ROWS[number], representative[number % 3 :: 3])


@pytest.mark.long
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_each_object_has_its_answer(web: Web, all_held: list[Held], row: Row) -> None:
    check(web, row, all_held)

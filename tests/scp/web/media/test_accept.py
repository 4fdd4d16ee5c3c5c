"""What is given for an Accept header (PS3.18 8.7)."""

import pytest

from scp.web.media.accept import (
    Choice,
    NotAcceptableError,
    Offer,
    choose,
    choose_bulk,
    choose_capabilities,
    choose_dicom,
    choose_metadata,
    choose_pixels,
    choose_rendered,
    choose_report,
)
from scp.web.media.media_ranges import media_ranges

NATIVE, JPEG, JPEG_LOSSLESS = (
    "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70",
)  # fmt: skip
JPEG_LS, JPEG_2000 = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"
JSON, XML = "application/dicom+json", "application/dicom+xml"
DICOM, OCTETS = "application/dicom", "application/octet-stream"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("a/b", [("a/b", False, "", 1.0)]),
        ("A/B ; Q=0.5", [("a/b", False, "", 0.5)]),
        ("*/*", [("*/*", None, "", 1.0)]),
        ("*", [("*/*", None, "", 1.0)]),
        ("text/html, *; q=.2, */*; q=.3",
         [("text/html", False, "", 1.0), ("*/*", None, "", 0.2), ("*/*", None, "", 0.3)]),
        ('multipart/related; type="a/b"', [("a/b", True, "", 1.0)]),
        ("multipart/related; type=a/b", [("a/b", True, "", 1.0)]),
        ("multipart/related;type=a/b;transfer-syntax=*", [("a/b", True, "*", 1.0)]),
        ('multipart/related; type="a/b"; transfer-syntax="1.2"; boundary=**',
         [("a/b", True, "1.2", 1.0)]),
        ('multipart/related; type="*/*"', [("*/*", True, "", 1.0)]),
        ("multipart/related", [("*/*", True, "", 1.0)]),
        ("multipart/*", [("*/*", True, "", 1.0)]),
        ('a/b; x="c, d/e; q=0"; q=0.1', [("a/b", False, "", 0.1)]),
        ('a/b; x="\\"c", d/e', [("a/b", False, "", 1.0), ("d/e", False, "", 1.0)]),
        ('a/b; x="never closed, d/e', [("a/b", False, "", 1.0)]),
        ("image/x-dicom-rle", [("image/dicom-rle", False, "", 1.0)]),
        ("application/dicom json", [("application/dicom+json", False, "", 1.0)]),
        (", ;, none, /, a/, a/b;;q=high", [("a/b", False, "", 1.0)]),
        ("a/b;q=nan, a/c;q=7, a/d;q=-1",
         [("a/b", False, "", 1.0), ("a/c", False, "", 1.0), ("a/d", False, "", 1.0)]),
        ("", []),
    ],
)  # fmt: skip
def test_media_ranges(header: str, expected: list[tuple[str, bool | None, str, float]]) -> None:
    found = media_ranges(header)
    assert [(r.media_type, r.is_multipart, r.transfer_syntax, r.quality) for r in found] == expected


def test_a_header_without_end_is_read_to_a_limit() -> None:
    assert len(media_ranges("a/b," * 100_000)) == 64
    assert len(media_ranges('a/b;x="' + '\\"' * 1_000_000)) == 1


OFFERS = (Offer("image/jpeg"), Offer("image/png"), Offer("text/html"))


@pytest.mark.parametrize(
    ("header", "parameter", "expected"),
    [
        ("", "", "image/jpeg"),
        ("*/*", "", "image/jpeg"),
        ("image/*", "", "image/jpeg"),
        ("text/*", "", "text/html"),
        ("image/png, image/jpeg", "", "image/png"),
        ("*/*, image/png", "", "image/png"),
        ("*/*, image/png;q=0.9", "", "image/jpeg"),
        ("image/png;q=0.5, image/jpeg;q=0.6", "", "image/jpeg"),
        ("image/*;q=0.5, text/html;q=0.4", "", "image/jpeg"),
        # A range that is more precise counts (RFC 9110 12.5.1).
        ("*/*, image/jpeg;q=0", "", "image/png"),
        ("*/*;q=0.1, image/jpeg;q=0", "", "image/png"),
        ("image/*;q=1, image/jpeg;q=0.2", "", "image/png"),
        ("image/tiff, image/png;q=0.1", "", "image/png"),
        # The query parameter goes before the header (8.7.8.1).
        ("image/jpeg", "image/png", "image/png"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "image/png", "image/png"),
        ("image/png", "image/tiff", "image/png"),
        ("image/png", " ", "image/png"),
        # What is wrong is passed over (8.7.7).
        ("image/png; transfer-syntax=1.2.3; level=9", "", "image/png"),
    ],
)
def test_the_media_type_that_is_given(header: str, parameter: str, expected: str) -> None:
    assert choose(header, parameter, OFFERS).media_type == expected


@pytest.mark.parametrize(
    "header",
    ["image/tiff", "image/jpeg;q=0", "*/*;q=0", "image", 'multipart/related; type="image/jpeg"'],
)
def test_what_is_not_there_is_not_given(header: str) -> None:
    with pytest.raises(NotAcceptableError, match=r"there is image/jpeg; image/png; text/html"):
        choose(header, "", OFFERS)


def test_a_refusal_names_what_there_is() -> None:
    with pytest.raises(NotAcceptableError) as refusal:
        choose_dicom("text/html\n\x1b", "", [JPEG, NATIVE])
    text = str(refusal.value)
    assert f'{DICOM}"; transfer-syntax={JPEG}, multipart/related; type="{DICOM}"' in text
    assert "text/html\\n\\x1b" in text


def multipart(kind: str, syntax: str = "") -> str:
    """A range of a body of parts."""
    return f'multipart/related; type="{kind}"' + (f"; transfer-syntax={syntax}" if syntax else "")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("*/*", (True, NATIVE, "")),
        (multipart(DICOM), (True, NATIVE, "")),
        (multipart(DICOM, "*"), (True, JPEG_2000, "*")),
        (multipart(DICOM, JPEG_2000), (True, JPEG_2000, JPEG_2000)),
        (multipart(DICOM, f'"{NATIVE}"'), (True, NATIVE, NATIVE)),
        (multipart("*/*"), (True, NATIVE, "")),
        ("multipart/related; type=application/dicom", (True, NATIVE, "")),
        ("multipart/related; type=application/dicom; transfer-syntax=*", (True, JPEG_2000, "*")),
        (DICOM, (False, NATIVE, "")),
        (f"{DICOM}; transfer-syntax=*", (False, JPEG_2000, "*")),
        (f"{multipart(DICOM, JPEG_LS)}, {multipart(DICOM, JPEG_2000)};q=0.5",
         (True, JPEG_2000, JPEG_2000)),
        (f"{multipart(DICOM, NATIVE)};q=0.3, {multipart(DICOM, JPEG_2000)};q=0.5",
         (True, JPEG_2000, JPEG_2000)),
        (f"{multipart(DICOM, '*')}, {multipart(DICOM, JPEG_2000)};q=0", None),
        (multipart(DICOM, JPEG_LS), None),
        (multipart(OCTETS), None),
        ("application/zip", None),
    ],
)  # fmt: skip
def test_instances(header: str, expected: tuple[bool, str, str] | None) -> None:
    if expected is None:
        with pytest.raises(NotAcceptableError):
            choose_dicom(header, "", [JPEG_2000, NATIVE], is_one=True)
        return
    found = choose_dicom(header, "", [JPEG_2000, NATIVE], is_one=True)
    assert found == Choice(DICOM, *expected)
    if expected[0]:
        assert choose_dicom(header, "", [JPEG_2000, NATIVE]) == found


def test_many_instances_go_in_parts_alone() -> None:
    with pytest.raises(NotAcceptableError):
        choose_dicom(DICOM, "", [NATIVE])


def test_what_is_had_in_one_transfer_syntax_alone_is_given_in_that() -> None:
    """PS3.18 8.7.3: where the default one is not to be had."""
    assert choose_dicom(multipart(DICOM), "", [JPEG]).transfer_syntax == JPEG


def test_a_choice_stands_for_parts_that_are_stored_otherwise() -> None:
    whatever = choose_dicom(multipart(DICOM, "*"), "", [JPEG, NATIVE])
    assert whatever.syntax_of([JPEG_LS, NATIVE]) == JPEG_LS
    default = choose_dicom("*/*", "", [JPEG, NATIVE])
    assert default.syntax_of([JPEG_LS, NATIVE]) == NATIVE
    assert default.syntax_of([JPEG_LS]) == JPEG_LS
    one = choose_dicom(multipart(DICOM, JPEG), "", [JPEG, NATIVE])
    assert one.syntax_of([JPEG_LS, NATIVE]) is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", JSON),
        ("*/*", JSON),
        (JSON, JSON),
        ("application/json", JSON),
        (f"{JSON}; charset=utf-8", JSON),
        (multipart(XML), XML),
        ("multipart/related; type=application/dicom+xml", XML),
        (multipart("*/*"), XML),
        (f"{multipart(XML)}; q=0.1, {JSON}; q=0.2", JSON),
        # OHIF's, and dicomweb-client's of PyPI and npm.
        ("application/dicom+json, application/json", JSON),
        (f"{JSON}, {multipart(XML)}; q=0.9", JSON),
    ],
)
def test_metadata(header: str, expected: str) -> None:
    assert choose_metadata(header, "") == expected


def test_xml_of_metadata_is_a_part() -> None:
    with pytest.raises(NotAcceptableError):
        choose_metadata(XML, "")
    assert choose_report(XML, "") == choose_report("application/xml", "") == Choice(XML)
    assert choose_report("*/*", "") == choose_report("", "application/dicom json") == Choice(JSON)
    assert choose_report(f'multipart/related; type="{XML}"', "") == Choice(XML, True)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        # As OHIF asks for each frame: what is stored, whatever it is.
        ("multipart/related; type=application/octet-stream; transfer-syntax=*",
         (OCTETS, True, JPEG_2000)),
        # As dicomweb-client does.
        ('multipart/related; type="*/*"', (OCTETS, True, NATIVE)),
        (multipart(OCTETS), (OCTETS, True, NATIVE)),
        (multipart(OCTETS, NATIVE), (OCTETS, True, NATIVE)),
        (OCTETS, (OCTETS, False, NATIVE)),
        ("*/*", (OCTETS, True, NATIVE)),
        (multipart("image/jp2"), ("image/jp2", True, JPEG_2000)),
        (multipart("image/jp2", JPEG_2000), ("image/jp2", True, JPEG_2000)),
        (multipart("image/*"), ("image/jp2", True, JPEG_2000)),
        ("image/jp2", ("image/jp2", False, JPEG_2000)),
        # As it tells of several at once.
        (", ".join(multipart(kind, syntax) for kind, syntax in (
            ("image/jpeg", JPEG), ("image/jls", JPEG_LS), ("image/jp2", JPEG_2000))),
         ("image/jp2", True, JPEG_2000)),
        (multipart("image/jpeg"), None),
        (multipart("image/jp2", JPEG), None),
    ],
)  # fmt: skip
def test_frames(header: str, expected: tuple[str, bool, str] | None) -> None:
    if expected is None:
        with pytest.raises(NotAcceptableError):
            choose_pixels(header, "", JPEG_2000, can_be_native=True, is_one=True)
        return
    found = choose_pixels(header, "", JPEG_2000, can_be_native=True, is_one=True)
    assert (found.media_type, found.is_multipart, found.transfer_syntax) == expected


def test_frames_of_no_decoder_are_given_as_they_are_stored() -> None:
    video = "1.2.840.10008.1.2.4.102"
    found = choose_pixels("*/*", "", video, can_be_native=False)
    assert found.content_type == f"video/mp4; transfer-syntax={video}"
    assert choose_pixels(multipart("video/*"), "", video, False).media_type == "video/mp4"


def test_the_default_of_image_jpeg_gives_way_to_what_is_stored() -> None:
    """Table 8.7.3-5 has JPEG Lossless; nothing is transcoded to that."""
    for stored in (JPEG, JPEG_LOSSLESS):
        assert choose_pixels(multipart("image/jpeg"), "", stored, True).transfer_syntax == stored


def test_native_frames() -> None:
    for header in ("*/*", multipart(OCTETS, "*"), multipart(OCTETS), multipart("*/*")):
        assert choose_pixels(header, "", NATIVE, True).transfer_syntax == NATIVE


def test_bulk_data() -> None:
    assert not choose_bulk("", "").is_multipart
    assert choose_bulk('multipart/related; type="*/*"', "").is_multipart
    assert choose_bulk(OCTETS, "").content_type == f"{OCTETS}; transfer-syntax={NATIVE}"
    with pytest.raises(NotAcceptableError):
        choose_bulk("image/jpeg", "")


def test_rendered() -> None:
    kinds = "image/jpeg", "image/png", "image/gif"
    assert choose_rendered("*/*", "", kinds) == Choice("image/jpeg")
    assert choose_rendered("", "", kinds) == Choice("image/jpeg")
    assert choose_rendered("*/*", "image/png", kinds) == Choice("image/png")
    assert choose_rendered("image/png", "", kinds, is_several=True) == Choice("image/png", True)
    assert choose_rendered(multipart("image/gif"), "", kinds) == Choice("image/gif", True)
    with pytest.raises(NotAcceptableError, match="image/gif"):
        choose_rendered("image/tiff", "", kinds)


def test_capabilities() -> None:
    wadl, json = "application/vnd.sun.wadl+xml", "application/json"
    assert choose_capabilities("*/*", "") == wadl
    assert choose_capabilities(json, "") == choose_capabilities(JSON, "") == json
    assert choose_capabilities("application/xml", "") == wadl

"""Identifiers that ask for very much: answered like any other, or refused with the key named."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.tag import Tag
from support import EXPLICIT, IMPLICIT, ct, encoded

from storage import Archive, Options, Query, Received, Root, prepare
from storage.diagnostics.errors import IdentifierError
from storage.dicom.values.attributes import TABLE, Level
from storage.dicom.values.conversion import element
from storage.dicom.values.memo import LONG_CHARACTERS
from storage.query.folding import fold
from storage.query.rules import MAX_VALUES

CHARSET = "ISO_IR 100"
PLAIN, NEGOTIATED = Options(), Options(relational=True, multiple_values=True)


@pytest.fixture(scope="module")
def archive(
    tmp_path_factory: pytest.TempPathFactory, place_index: Callable[[Path], None]
) -> Archive:
    data = tmp_path_factory.mktemp("limits")
    prepare(data, sync=False, charset=CHARSET)
    place_index(data)
    archive = Archive(data, sync=False)
    instance = ct("1.1", "1.1.1", "1.1.1.1", PatientName="Doe^Jane", StudyID="S7")
    archive.store(Received(instance.SOPClassUID, "1.1.1.1", EXPLICIT, encoded(instance), CHARSET))
    return archive


def found(archive: Archive, options: Options, keys: dict[str, tuple[str, str]]) -> int:
    """How many studies answer; `keys` by keyword, with VR and value, in implicit VR."""
    held = {Tag("QueryRetrieveLevel"): b"STUDY "} | {
        Tag(keyword): text.encode() + b" " * (len(text) % 2) for keyword, (_, text) in keys.items()
    }
    data = b"".join(element(tag, "", held[tag], implicit_vr=True) for tag in sorted(held))
    query = Query.read(Root.STUDY, data, IMPLICIT, CHARSET, options)
    return len(list(archive.find(query, CHARSET)))


def listed(prefix: str, count: int, *more: str) -> str:
    return "\\".join([*(f"{prefix}{number}" for number in range(count)), *more])


@pytest.mark.parametrize("count", [1, 99, 100, 101, 1000])
@pytest.mark.parametrize(("keyword", "vr", "value"), [
    ("StudyID", "SH", "S7"), ("PatientName", "PN", "*jane*"), ("ModalitiesInStudy", "CS", "CT"),
])  # fmt: skip
def test_any_value_of_a_long_list_matches_and_every_one_only_where_that_was_agreed(
    archive: Archive, keyword: str, vr: str, value: str, count: int
) -> None:
    keys = {keyword: (vr, listed("X", count, value))}
    assert found(archive, PLAIN, keys) == 1
    assert found(archive, NEGOTIATED, keys) == 0
    assert found(archive, NEGOTIATED, {keyword: (vr, "\\".join([value] * count))}) == 1


@pytest.mark.parametrize("options", [PLAIN, NEGOTIATED])
def test_a_list_of_more_values_than_are_looked_for_is_refused(
    archive: Archive, options: Options
) -> None:
    with pytest.raises(IdentifierError, match=f"More than {MAX_VALUES} values in StudyID") as told:
        found(archive, options, {"StudyID": ("SH", listed("X", MAX_VALUES + 1))})
    assert told.value.offending == (Tag("StudyID"),)


def test_a_list_of_uids_may_be_longer(archive: Archive) -> None:
    assert found(archive, PLAIN, {"StudyInstanceUID": ("UI", listed("1.9.", 5000, "1.1"))}) == 1


def test_every_key_there_is_with_a_long_list_each_is_answered(archive: Archive) -> None:
    keys = {
        attribute.keyword: (attribute.vr, listed("*X", 100, "*"))
        for attribute in TABLE
        if attribute.vr not in ("UI", "DA", "TM", "DT", "IS", "DS", "US", "LT", "ST", "UT")
    }
    assert found(archive, NEGOTIATED, keys) == 1
    narrow = {keyword: (vr, listed("*X", 100)) for keyword, (vr, _) in keys.items()}
    assert found(archive, NEGOTIATED, narrow) == 0
    assert {attribute.level for attribute in TABLE if attribute.keyword in keys} == set(Level)


def test_what_is_kept_for_the_next_time_is_never_long() -> None:
    """A cache of texts that peers choose would hold as much memory as they care to send."""
    long = "É" * (LONG_CHARACTERS + 1)
    assert fold("PN", long) == "e" * len(long)
    assert fold("PN", long) is not fold("PN", long)
    assert fold("PN", long[1:]) is fold("PN", long[1:])


@pytest.mark.parametrize("value", [b"", b"S7"])
@pytest.mark.parametrize("vr", [b"T\xfe", b"L\x97"])
def test_a_key_of_no_known_vr_is_read_by_its_tag(archive: Archive, vr: bytes, value: bytes) -> None:
    """What pydicom cannot convert is not converted."""
    wanted = element(Tag("QueryRetrieveLevel"), "CS", b"STUDY ")
    wanted += element(Tag("StudyID"), "SH", value).replace(b"SH", vr)
    query = Query.read(Root.STUDY, wanted, EXPLICIT, CHARSET)
    assert [answer.texts for answer in archive.find(query, CHARSET)] == [("S7",)]


def test_a_key_of_pixel_data_is_told_as_unsupported_whatever_its_length(archive: Archive) -> None:
    level = element(Tag("QueryRetrieveLevel"), "", b"STUDY ", implicit_vr=True)
    pixels = element(Tag("PixelData"), "", b"\1\2", implicit_vr=True)
    query = Query.read(Root.STUDY, level + pixels, IMPLICIT, CHARSET)
    assert query.unsupported == [Tag("PixelData")]

"""Headers whose structure is not as PS3.5 7 has it: its own values are read, and no others.

Writers in the field put ends where there is none, leave them out, and write VRs that are none. A
sequence that seems to end early must not give the instance the name of whom its items tell.
"""

import struct
import zlib
from io import BytesIO

import pytest
from support import EXPLICIT, IMPLICIT, ct, encoded
from support.network.raw import ITEM, ITEM_END, SEQUENCE_END, UNDEFINED, ex, im

from storage.diagnostics import BudgetError, DataSetError, MismatchError
from storage.dicom import instance_header
from storage.dicom.data_sets import ReadBudget, read, reader
from storage.dicom.data_sets.budget import MESSAGE
from storage.dicom.data_sets.reader import DEFLATED as DEFLATING
from storage.dicom.data_sets.reader import read_whole
from storage.dicom.instance_header import Header

(DEFLATED, *_) = sorted(DEFLATING)
# In front of the patient's own elements, and behind all that the index holds.
IN_FRONT, BEHIND = 0x00081140, 0x04000561
NAME, PATIENT_ID, STUDY, INSTANCE = 0x00100010, 0x00100020, 0x0020000D, 0x00081155
CLASS, INSTANCE_UID, SERIES, LEVEL = 0x00080016, 0x00080018, 0x0020000E, 0x00080052


def header(data: bytes, syntax: str = EXPLICIT) -> Header:
    return instance_header.header(BytesIO(data), syntax, "ISO_IR 100")


def element(tag: int, vr: str, value: bytes, syntax: str, length: int | None = None) -> bytes:
    return im(tag, value, length) if syntax == IMPLICIT else ex(tag, vr, value, length)


def instance(syntax: str, odd: dict[int, bytes], without: int = 0) -> bytes:
    """A header in the order of its tags; `odd`: what is added, by the tag that it begins with."""
    own = {
        CLASS: ("UI", b"1.2.840.10008.5.1.4.1.1.2\0"), INSTANCE_UID: ("UI", b"1.3\0"),
        0x00080060: ("CS", b"CT"), NAME: ("PN", b"Case^One"), PATIENT_ID: ("LO", b"P1"),
        STUDY: ("UI", b"1.1\0"), SERIES: ("UI", b"1.2\0"),
    }  # fmt: skip
    parts = {tag: element(tag, *made, syntax) for tag, made in own.items() if tag != without}
    return b"".join(part for _, part in sorted((odd | parts).items()))


def another_patient(syntax: str) -> bytes:
    named = ((NAME, "PN", b"Other^Person"), (PATIENT_ID, "LO", b"OTHER1"), (STUDY, "UI", b"9.9\0"))
    return b"".join(element(*one, syntax) for one in named)


STRAY_ENDS = {
    "no end": b"",
    "an item's": ITEM_END,
    "a sequence's": SEQUENCE_END,
    "both": ITEM_END + SEQUENCE_END,
    "both, turned round": SEQUENCE_END + ITEM_END,
    "two of items": ITEM_END * 2,
    "two of sequences": SEQUENCE_END * 2,
}


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("tag", [IN_FRONT, BEHIND])
@pytest.mark.parametrize("item_length", [UNDEFINED, None], ids=["open", "of length"])
@pytest.mark.parametrize("stray", STRAY_ENDS)
@pytest.mark.parametrize("without", [0, NAME, PATIENT_ID])
def test_nobody_gets_the_name_of_whom_an_item_tells(
    syntax: str, tag: int, item_length: int | None, stray: str, without: int
) -> None:
    reference = element(INSTANCE, "UI", b"1.2.", syntax)
    item = im(ITEM, reference + STRAY_ENDS[stray] + another_patient(syntax), item_length)
    ends = (ITEM_END if item_length else b"") + SEQUENCE_END
    odd = {tag: element(tag, "SQ", item + ends, syntax, UNDEFINED)}
    found = header(instance(syntax, odd, without), syntax)
    assert found.uids == ("1.1", "1.2", "1.3")
    assert found["PatientName"] == ("" if without == NAME else "Case^One")
    assert found["PatientID"] == ("" if without == PATIENT_ID else "P1")


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("front", [b"", ITEM_END, ITEM_END + SEQUENCE_END])
def test_of_an_element_that_comes_again_it_is_the_first(syntax: str, front: bytes) -> None:
    data = instance(syntax, {}) + front + another_patient(syntax)
    found = header(data, syntax)
    assert found.uids == ("1.1", "1.2", "1.3")
    assert (found["PatientName"], found["PatientID"]) == ("Case^One", "P1")


def test_a_sequence_that_the_index_reads_lifts_nothing_out_of_its_items() -> None:
    """Request Attributes Sequence, of which Requested Procedure ID is held."""
    requests = 0x00400275
    item = im(ITEM, ITEM_END + SEQUENCE_END + another_patient(EXPLICIT))
    odd = {requests: ex(requests, "SQ", item + SEQUENCE_END, UNDEFINED)}
    found = header(instance(EXPLICIT, odd))
    assert (found["PatientName"], found.uids) == ("Case^One", ("1.1", "1.2", "1.3"))


REFERENCE = ex(INSTANCE, "UI", b"1.2.")
ODD_PARTS = {
    "the end of an item": ITEM_END,
    "the end of a sequence": SEQUENCE_END,
    "several ends": ITEM_END + SEQUENCE_END + ITEM_END,
    "an end of undefined length": im(0xFFFEE00D, b"", UNDEFINED),
    "an item": im(ITEM, REFERENCE),
    "an open item": im(ITEM, REFERENCE, UNDEFINED) + ITEM_END,
    "an item without its end": ex(
        IN_FRONT, "SQ", im(ITEM, REFERENCE, UNDEFINED) + SEQUENCE_END, UNDEFINED
    ),
    "an item without its end, and another": ex(
        IN_FRONT, "SQ", im(ITEM, REFERENCE, UNDEFINED) * 2 + ITEM_END + SEQUENCE_END, UNDEFINED
    ),
    "an end in front of an item": ex(
        IN_FRONT, "SQ", ITEM_END + im(ITEM, REFERENCE, UNDEFINED) + ITEM_END + SEQUENCE_END,
        UNDEFINED,
    ),
    "ends behind a sequence of told length": (
        ex(IN_FRONT, "SQ", im(ITEM, REFERENCE)) + ITEM_END + SEQUENCE_END
    ),
}  # fmt: skip


def own_values(data: bytes, syntax: str = EXPLICIT) -> None:
    found = header(data, syntax)
    assert (found.uids, found["PatientID"]) == (("1.1", "1.2", "1.3"), "P1")
    assert (found["PatientName"], found["Modality"]) == ("Case^One", "CT")


@pytest.mark.parametrize("what", ODD_PARTS)
@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED])
def test_values_are_read_behind_structure_that_is_none(what: str, syntax: str) -> None:
    odd = instance(EXPLICIT, {IN_FRONT: ODD_PARTS[what]})
    assert len(odd) > len(instance(EXPLICIT, {}))
    own_values(zlib.compress(odd)[2:] if syntax == DEFLATED else odd, syntax)


def of_vr(tag: int, vr: bytes, value: bytes, is_long: bool) -> bytes:
    form = "<HH2s2xI" if is_long else "<HH2sH"
    return struct.pack(form, tag >> 16, tag & 0xFFFF, vr, len(value)) + value


@pytest.mark.parametrize("vr", [b"\0\0", b"  ", b"??", b"--", b"pn", b"ZZ"])
@pytest.mark.parametrize("is_long", [False, True], ids=["16 bits", "32 bits"])
@pytest.mark.parametrize("tag", [NAME, PATIENT_ID, 0x0008103E, 0x00091003])
def test_an_element_of_no_vr_is_read_by_its_tag(vr: bytes, is_long: bool, tag: int) -> None:
    values = {NAME: b"Case^One", PATIENT_ID: b"P1"}
    odd = of_vr(tag, vr, values.get(tag, b"abcd"), is_long)
    own_values(instance(EXPLICIT, {tag: odd}, without=tag))


@pytest.mark.parametrize("vr", [b"\0\0", b"  ", b"??", b"--", b"pn", b"ZZ"])
def test_a_first_element_of_no_vr_does_not_make_the_others_implicit(vr: bytes) -> None:
    odd = of_vr(CLASS, vr, b"1.2.840.10008.5.1.4.1.1.2\0", False)
    own_values(instance(EXPLICIT, {CLASS: odd}, without=CLASS))


@pytest.mark.parametrize("front", [
    bytes(128) + b"DICM", b"DICM", ITEM_END, SEQUENCE_END,
], ids=["a file", "a file without preamble", "an item's end", "a sequence's end"])  # fmt: skip
def test_what_begins_as_something_else_is_not_searched(front: bytes) -> None:
    data = encoded(ct("1.1", "1.2", "1.3"))
    with pytest.raises((DataSetError, MismatchError)):
        header(front + data + ITEM_END)


# ---- identifiers

ASKED = {
    LEVEL: ex(LEVEL, "CS", b"STUDY "),
    NAME: ex(NAME, "PN", b"Doe*"),
    STUDY: ex(STUDY, "UI", b""),
}


def tags_of(data: bytes) -> list[int]:
    return sorted(map(int, read_whole(data, EXPLICIT, ReadBudget(MESSAGE)).keys()))


@pytest.mark.parametrize("end", [ITEM_END, SEQUENCE_END, ITEM_END + SEQUENCE_END])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_stray_end_in_an_identifier_is_of_nothing(end: bytes, at: int) -> None:
    parts = list(ASKED.values())
    assert tags_of(b"".join([*parts[:at], end, *parts[at:]])) == [*ASKED]


@pytest.mark.parametrize("vr", [b"\0\0", b"  ", b"??", b"ZZ"])
@pytest.mark.parametrize("tag", [LEVEL, NAME])
def test_a_key_of_no_vr_is_read_by_its_tag(vr: bytes, tag: int) -> None:
    value = {LEVEL: b"STUDY ", NAME: b"Doe*"}[tag]
    data = b"".join((ASKED | {tag: of_vr(tag, vr, value, False)}).values())
    found = read(read_whole(data, EXPLICIT, ReadBudget(MESSAGE)), None, "")
    assert {int(tag): key.text for tag, key in found.items()} == {
        LEVEL: "STUDY", NAME: "Doe*", STUDY: "",
    }  # fmt: skip


def test_an_identifier_that_is_cut_short_asks_nothing() -> None:
    """Without its last key it would be another question."""
    data = b"".join(ASKED.values())
    whole = {len(b"".join([*ASKED.values()][:count])) for count in range(len(ASKED) + 1)}
    for size in set(range(len(ASKED[LEVEL]), len(data))) - whole:
        for odd in (b"", ITEM_END):
            with pytest.raises(DataSetError):
                tags_of(ASKED[LEVEL] + odd + data[len(ASKED[LEVEL]) : size])


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("ends", [True, False], ids=["whole", "cut"])
@pytest.mark.parametrize("depth", [65, 150, 5000])
def test_what_nests_too_deeply_is_refused_before_who_recurses_reads_it(
    syntax: str, ends: bool, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def recursing(*given: object, **named: object) -> None:
        raise AssertionError("it was read")

    monkeypatch.setattr(reader, "read_dataset", recursing)
    opened = element(0x00400275, "SQ", im(ITEM, b"", UNDEFINED), syntax, UNDEFINED)
    data = element(LEVEL, "CS", b"STUDY ", syntax) + opened * depth
    data += (ITEM_END + SEQUENCE_END) * depth * ends
    with pytest.raises(BudgetError, match="nested too deep: 64 levels"):
        read_whole(data, syntax, ReadBudget(MESSAGE))


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_what_nests_as_deeply_as_is_read_is_read(syntax: str) -> None:
    opened = element(0x00400275, "SQ", im(ITEM, b"", UNDEFINED), syntax, UNDEFINED)
    data = element(LEVEL, "CS", b"STUDY ", syntax) + opened * 64 + (ITEM_END + SEQUENCE_END) * 64
    beside = element(0x00400275, "SQ", im(ITEM, b"") * 200, syntax)
    for whole in (data, data[:14] + beside):
        assert read_whole(whole, syntax, ReadBudget(MESSAGE)).QueryRetrieveLevel == "STUDY"

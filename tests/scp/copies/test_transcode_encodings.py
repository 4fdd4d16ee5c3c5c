"""Every rule of encoding a data set anew, on bytes made by hand."""

import struct
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.tag import BaseTag
from support.data.images import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    SYNTAXES,
    Store,
    converted,
    parsed,
    store_in,
)
from support.names import examples
from support.network.raw import ITEM, ITEM_END, SEQUENCE_END, UNDEFINED, ex, im

from scp.copies.corrected import transcode as module
from scp.copies.corrected.transcode import (
    TranscodeError,
    reachable,
    transcode,
    transcode_file,
)
from storage.dicom import part10


@pytest.fixture
def stored(tmp_path: Path) -> Store:
    return store_in(tmp_path)


# ---- data sets made by hand


SEQUENCE, NAME, COMMENT = 0x00081140, 0x00100010, 0x00104000
JAPANESE = "Yamada^Tarou=山田^太郎".encode("iso2022_jp")
# Values of odd length, padded as PS3.5 6.2 has it.
ODD = [
    (NAME, "PN", b"odd", b"odd "),
    (0x00100030, "DA", b"2026102", b"2026102 "),
    (0x00080018, "UI", b"1.2", b"1.2\0"),
    (0x00280010, "US", b"\1\2\3", b"\1\2\3\0"),
    (0x00420011, "OB", b"%PDF-", b"%PDF-\0"),
    (0x0040A160, "UT", b"odd", b"odd "),
    (0x00080119, "UC", b"odd", b"odd "),
    (0x00080120, "UR", b"urn:a", b"urn:a "),
]

# (what, explicit Little Endian, the same in implicit VR, and back); None: as it was before.
ENCODED: list[tuple[str, bytes, bytes, bytes | None]] = [
    ("nothing", b"", b"", None),
    ("text in any character set", ex(NAME, "PN", JAPANESE), im(NAME, JAPANESE), None),
    ("bytes of no character set", ex(NAME, "PN", b"\xff\xfe"), im(NAME, b"\xff\xfe"), None),
    *(
        (f"{vr} of odd length", ex(tag, vr, value), im(tag, padded), ex(tag, vr, padded))
        for tag, vr, value, padded in ODD
    ),
    (
        "odd lengths in a sequence with lengths",
        ex(SEQUENCE, "SQ", im(ITEM, ex(COMMENT, "LT", b"odd"))),
        im(SEQUENCE, im(ITEM, im(COMMENT, b"odd "))),
        ex(SEQUENCE, "SQ", im(ITEM, ex(COMMENT, "LT", b"odd "))),
    ),
    ("an empty value", ex(NAME, "PN", b""), im(NAME, b""), None),
    ("a VR not of the dictionary", ex(NAME, "LO", b"ab"), im(NAME, b"ab"), ex(NAME, "PN", b"ab")),
    ("UN of a known tag", ex(NAME, "UN", b"ab"), im(NAME, b"ab"), ex(NAME, "PN", b"ab")),
    (
        "private elements",
        ex(0x00090010, "LO", b"ACME") + ex(0x00091001, "DS", b"1.5 "),
        im(0x00090010, b"ACME") + im(0x00091001, b"1.5 "),
        ex(0x00090010, "LO", b"ACME") + ex(0x00091001, "UN", b"1.5 "),
    ),
    (
        "an unknown tag",
        ex(0x00080FFF, "US", b"\1\2"),
        im(0x00080FFF, b"\1\2"),
        ex(0x00080FFF, "UN", b"\1\2"),
    ),
    (
        "a group length",
        ex(0x00080000, "UL", b"\0\0\0\0") + ex(NAME, "PN", b"ab"),
        im(NAME, b"ab"),
        ex(NAME, "PN", b"ab"),
    ),
    (
        "a sequence with lengths",
        ex(SEQUENCE, "SQ", im(ITEM, ex(COMMENT, "LT", b"ab")) + im(ITEM, b"")),
        im(SEQUENCE, im(ITEM, im(COMMENT, b"ab")) + im(ITEM, b"")),
        None,
    ),
    (
        "a long VR in a sequence with lengths",
        ex(SEQUENCE, "SQ", im(ITEM, ex(0x0040A160, "UT", b"ab"))),
        im(SEQUENCE, im(ITEM, im(0x0040A160, b"ab"))),
        None,
    ),
    (
        "undefined lengths in one another",
        ex(SEQUENCE, "SQ", im(ITEM, ex(SEQUENCE, "SQ", im(ITEM, ex(NAME, "PN", b"ab")))
           + ex(COMMENT, "LT", b""), UNDEFINED) + ITEM_END + SEQUENCE_END, UNDEFINED),
        im(SEQUENCE, im(ITEM, im(SEQUENCE, im(ITEM, im(NAME, b"ab")))
           + im(COMMENT, b""), UNDEFINED) + ITEM_END + SEQUENCE_END, UNDEFINED),
        None,
    ),
    (
        "an undefined length in one that is told",
        ex(SEQUENCE, "SQ", im(ITEM, ex(SEQUENCE, "SQ", SEQUENCE_END, UNDEFINED))),
        im(SEQUENCE, im(ITEM, im(SEQUENCE, SEQUENCE_END, UNDEFINED))),
        None,
    ),
    (
        "UN of undefined length",  # Implicit VR inside (PS3.5 6.2.2)
        ex(0x00091002, "UN", im(ITEM, im(NAME, b"ab")) + SEQUENCE_END, UNDEFINED),
        im(0x00091002, im(ITEM, im(NAME, b"ab")) + SEQUENCE_END, UNDEFINED),
        ex(0x00091002, "SQ", im(ITEM, ex(NAME, "PN", b"ab")) + SEQUENCE_END, UNDEFINED),
    ),
    (
        "UN of undefined length with explicit VR in it",
        ex(0x00091002, "UN", im(ITEM, ex(NAME, "PN", b"ab")) + SEQUENCE_END, UNDEFINED),
        im(0x00091002, im(ITEM, im(NAME, b"ab")) + SEQUENCE_END, UNDEFINED),
        ex(0x00091002, "SQ", im(ITEM, ex(NAME, "PN", b"ab")) + SEQUENCE_END, UNDEFINED),
    ),
    (
        "a private sequence",
        ex(0x00091003, "SQ", im(ITEM, ex(NAME, "PN", b"ab"))),
        im(0x00091003, im(ITEM, im(NAME, b"ab"))),
        ex(0x00091003, "UN", im(ITEM, im(NAME, b"ab"))),
    ),
    (
        "a change to implicit VR inside of a sequence",
        ex(SEQUENCE, "SQ", im(ITEM, im(NAME, b"ab"))),
        im(SEQUENCE, im(ITEM, im(NAME, b"ab"))),
        ex(SEQUENCE, "SQ", im(ITEM, ex(NAME, "PN", b"ab"))),
    ),
    (
        "a value too long for its VR's length",  # PS3.5 6.2.2
        ex(0x30060050, "UN", b"1" * 65536),
        im(0x30060050, b"1" * 65536),
        None,
    ),
    ("the longest that fits", ex(COMMENT, "LT", b"1" * 65534), im(COMMENT, b"1" * 65534), None),
    (
        "overlays and curves",
        ex(0x60000010, "US", b"\1\0") + ex(0x60023000, "OW", b"\1\2"),
        im(0x60000010, b"\1\0") + im(0x60023000, b"\1\2"),
        None,
    ),
]  # fmt: skip


# These are put right on the way.
IRREGULAR = {
    *(f"{vr} of odd length" for _, vr, *_ in ODD),
    "odd lengths in a sequence with lengths",
    "UN of undefined length with explicit VR in it",
    "a change to implicit VR inside of a sequence",
}


@pytest.mark.parametrize(
    ("what", "explicit", "implicit", "back"), ENCODED, ids=[case[0] for case in ENCODED]
)
def test_an_encoding_becomes_another(
    what: str,
    explicit: bytes,
    implicit: bytes,
    back: bytes | None,
    stored: Store,
) -> None:
    assert converted(stored(explicit, EXPLICIT), IMPLICIT) == implicit
    assert converted(stored(implicit, IMPLICIT), EXPLICIT) == (explicit if back is None else back)
    regular = back if back is not None and what in IRREGULAR else explicit
    deflated = converted(stored(explicit, EXPLICIT), DEFLATED)
    assert len(deflated) % 2 == 0
    assert converted(stored(deflated, DEFLATED), EXPLICIT) == regular
    wrapped = zlib.compress(explicit)  # as some writers have it, with the header of a zlib stream
    assert converted(stored(wrapped, DEFLATED), EXPLICIT) == regular
    assert converted(stored(deflated, DEFLATED), IMPLICIT) == implicit
    big = converted(stored(explicit, EXPLICIT), BIG_ENDIAN)
    assert converted(stored(big, BIG_ENDIAN), IMPLICIT) == implicit
    if what != "a group length":
        assert converted(stored(big, BIG_ENDIAN), EXPLICIT) == regular


# VR, value in Little Endian, the same in Big Endian.
SWAPPED = [
    ("US", "0102", "0201"),
    ("SS", "01020304", "02010403"),
    ("AT", "0800 1000", "0008 0010"),
    ("UL", "01020304", "04030201"),
    ("SL", "01020304", "04030201"),
    ("FL", "01020304", "04030201"),
    ("FD", "0102030405060708", "0807060504030201"),
    ("OW", "01020304", "02010403"),
    ("OF", "01020304", "04030201"),
    ("OL", "01020304", "04030201"),
    ("OD", "0102030405060708", "0807060504030201"),
    ("OV", "0102030405060708", "0807060504030201"),
    ("SV", "0102030405060708", "0807060504030201"),
    ("UV", "0102030405060708", "0807060504030201"),
    ("OB", "01020304", "01020304"),
    ("UN", "01020304", "01020304"),
    ("LO", "41422020", "41422020"),
    ("FL", "01020304 0506", "04030201 0506"),  # what is left over stays
]


@pytest.mark.parametrize(("vr", "little", "big"), SWAPPED)
def test_byte_order_changes_by_vr(vr: str, little: str, big: str, stored: Store) -> None:
    before = ex(0x00091001, vr, bytes.fromhex(little))
    after = ex(0x00091001, vr, bytes.fromhex(big), order=">")
    assert converted(stored(before, EXPLICIT), BIG_ENDIAN) == after
    assert converted(stored(after, BIG_ENDIAN), EXPLICIT) == before


def test_a_long_value_changes_its_byte_order(stored: Store) -> None:
    value = bytes(range(250)) * 12_000  # in several pieces
    big = converted(stored(ex(0x7FE00010, "OW", value), EXPLICIT), BIG_ENDIAN)
    assert big == ex(0x7FE00010, "OW", _pairs_reversed(value), order=">")


def _pairs_reversed(value: bytes) -> bytes:
    reversed_ = bytearray(value)
    reversed_[::2], reversed_[1::2] = value[1::2], value[::2]
    return bytes(reversed_)


def test_un_in_big_endian_is_little_endian(stored: Store) -> None:
    implicit = im(0x00091001, b"\1\2") + im(0x30060050, b"1" * 65536)
    big = converted(stored(implicit, IMPLICIT), BIG_ENDIAN)
    head = ex(0x00091001, "UN", b"\1\2", order=">")
    assert big == head + ex(0x30060050, "UN", b"1" * 65536, order=">")


# ---- VRs that depend on other elements: pydicom's rules

SMALLEST, DESCRIPTOR, LUT_DATA = 0x00280106, 0x00283002, 0x00283006
SIGNED, UNSIGNED = im(0x00280103, b"\1\0"), im(0x00280103, b"\0\0")
AMBIGUOUS = [
    im(SMALLEST, b"\1\0"),
    UNSIGNED + im(SMALLEST, b"\1\0"),
    SIGNED + im(SMALLEST, b"\1\0"),
    SIGNED + im(0x00281101, b"\1\0\0\0\x10\0"),
    SIGNED + im(DESCRIPTOR, b"\1\0\0\0\x10\0") + im(LUT_DATA, b"\1\0"),
    SIGNED + im(DESCRIPTOR, b"\2\0\0\0\x10\0") + im(LUT_DATA, b"\1\0\2\0"),
    SIGNED + im(0x00409096, im(ITEM, im(0x00409211, b"\1\0"))),
    UNSIGNED + im(0x00409096, im(ITEM, SIGNED + im(0x00409211, b"\1\0"))),
    im(0x60003000, b"\1\0"),
    im(0x00280100, b"\x10\0") + UNSIGNED + im(0x7FE00010, b"\1\0"),
]


@pytest.mark.parametrize("implicit", AMBIGUOUS, ids=range(len(AMBIGUOUS)))
def test_vrs_are_those_that_pydicom_finds(implicit: bytes, stored: Store) -> None:
    expected = correct_ambiguous_vr(parsed(implicit, IMPLICIT), True)
    found = parsed(converted(stored(implicit, IMPLICIT), EXPLICIT), EXPLICIT)
    assert _vrs(found) == _vrs(expected)


def _vrs(data_set: Dataset) -> list[tuple[BaseTag, str]]:
    return [(element.tag, element.VR) for element in data_set.iterall()]


@pytest.mark.parametrize(("bits", "vr"), [(1, "OB"), (8, "OB"), (16, "OW"), (32, "OW")])
def test_pixels_and_waveforms_are_words_from_nine_bits_on(
    bits: int, vr: str, stored: Store
) -> None:
    allocated = struct.pack("<H", bits)
    image = im(0x00280100, allocated) + im(0x7FE00010, b"\1\2")
    assert converted(stored(image, IMPLICIT), EXPLICIT).endswith(ex(0x7FE00010, vr, b"\1\2"))
    wave = im(0x54001004, allocated) + im(0x54001010, b"\1\2")
    assert converted(stored(wave, IMPLICIT), EXPLICIT).endswith(ex(0x54001010, vr, b"\1\2"))


# ---- what is damaged, or made to do harm

BY_NAME = {name: (explicit, implicit) for name, explicit, implicit, _ in ENCODED}
NESTED = dict(
    zip(("explicit", "implicit"), BY_NAME["undefined lengths in one another"], strict=True)
)
WITH_LENGTHS = BY_NAME["a sequence with lengths"][0]
DAMAGED = [
    ("an element cut in its head", ex(NAME, "PN", b"ab")[:5], EXPLICIT),
    ("an element cut in its value", ex(NAME, "PN", b"ab", 4), EXPLICIT),
    ("a long element cut in its length", ex(NAME, "UT", b"")[:10], EXPLICIT),
    ("a VR that is none, with a value that ends nowhere", ex(NAME, "ZZ", b"ab", 3), EXPLICIT),
    ("an item outside of a sequence", im(ITEM, b""), EXPLICIT),
    ("a delimiter outside of a sequence", SEQUENCE_END, IMPLICIT),
    ("a sequence of something else", ex(SEQUENCE, "SQ", ex(NAME, "PN", b"ab")), EXPLICIT),
    ("an item longer than its sequence", ex(SEQUENCE, "SQ", im(ITEM, b"", 8)), EXPLICIT),
    ("a value longer than its item",
     ex(SEQUENCE, "SQ", im(ITEM, ex(NAME, "PN", b"", 2))) + bytes(8), EXPLICIT),
    ("a sequence without its end", NESTED["explicit"][:-8], EXPLICIT),
    ("a sequence without its end, implicit", NESTED["implicit"][:-8], IMPLICIT),
    ("text of undefined length", ex(NAME, "UT", b"ab", UNDEFINED), EXPLICIT),
    ("encapsulated pixels in an uncompressed syntax",
     ex(0x7FE00010, "OB", im(ITEM, b"") + im(ITEM, b"ab") + SEQUENCE_END, UNDEFINED), EXPLICIT),
    ("encapsulated pixels in implicit VR",
     im(0x7FE00010, im(ITEM, b"") + im(ITEM, b"ab") + SEQUENCE_END, UNDEFINED), IMPLICIT),
    ("a private element that is encapsulated",
     ex(0x00091001, "OB", im(ITEM, b"") + SEQUENCE_END, UNDEFINED), EXPLICIT),
    ("sequences without bottom",
     (ex(SEQUENCE, "SQ", b"", UNDEFINED) + im(ITEM, b"", UNDEFINED)) * 1000, EXPLICIT),
    ("deflated data that are not", b"not deflated", DEFLATED),
    ("deflated data cut", zlib.compress(bytes(1000), wbits=-15)[:-4], DEFLATED),
    ("nothing deflated", b"", DEFLATED),
]  # fmt: skip


@pytest.mark.parametrize(("what", "data", "syntax"), DAMAGED, ids=[case[0] for case in DAMAGED])
def test_damage_is_an_error(what: str, data: bytes, syntax: str, stored: Store) -> None:
    path = stored(data, syntax)
    for target in reachable(syntax):
        with pytest.raises(TranscodeError):
            transcode(path, target)


def test_padding_behind_a_data_set_is_no_damage(stored: Store) -> None:
    path = stored(ex(NAME, "PN", b"ab") + bytes(6), EXPLICIT)
    assert converted(path, IMPLICIT) == im(NAME, b"ab")


def test_few_bytes_do_not_become_any_number(stored: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_INFLATED_BYTES", 1 << 22)
    bomb = zlib.compress(ex(COMMENT, "UT", bytes(1 << 24)), wbits=-15)
    with pytest.raises(TranscodeError, match="deflated data set becomes"):
        transcode(stored(bomb, DEFLATED), EXPLICIT)


def test_more_elements_than_any_object_has_are_refused(
    stored: Store,
) -> None:
    path = stored(im(0x00091001, b"") * 200_001, IMPLICIT)
    with pytest.raises(TranscodeError, match="more than 200000 elements"):
        transcode(path, EXPLICIT)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
def test_a_data_set_cut_anywhere_is_an_error_or_ends_with_an_element(
    syntax: str, stored: Store
) -> None:
    parts = [ex(0x00080018, "UI", b"1.2\0"), NESTED["explicit"], ex(0x00280010, "US", b"\1\0"),
             WITH_LENGTHS, ex(0x7FE00010, "OW", bytes(8))]  # fmt: skip
    if syntax != EXPLICIT:
        parts = [converted(stored(part, EXPLICIT), syntax) for part in parts]
    whole = b"".join(parts)
    ends = {sum(map(len, parts[:count])) for count in range(len(parts) + 1)}
    for end in range(len(whole)):
        path = stored(whole[:end], syntax)
        if end in ends:
            transcode(path, reachable(syntax)[0]).close()
            continue
        cut = whole[max(e for e in ends if e < end) : end]
        if len(cut) < 8 and not any(cut):
            continue  # as padding
        with pytest.raises(TranscodeError):
            transcode(path, reachable(syntax)[0])


@given(
    source=st.sampled_from([(NESTED["explicit"], EXPLICIT), (NESTED["implicit"], IMPLICIT),
                            (BY_NAME["UN of undefined length"][0], EXPLICIT),
                            (WITH_LENGTHS, EXPLICIT)]),
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6),
    target=st.sampled_from(SYNTAXES),
)  # fmt: skip
@settings(
    max_examples=examples(300),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_damage_is_never_another_error(
    source: tuple[bytes, str],
    changes: list[tuple[int, int]],
    target: str,
    stored: Store,
) -> None:
    data, syntax = bytearray(source[0]), source[1]
    for at, value in changes:
        data[at % len(data)] = value
    if target not in reachable(syntax):
        return
    if target == BIG_ENDIAN and b"UN" in data:
        return  # pydicom takes what is in UN for Big Endian, against PS3.5 6.2.2
    try:
        after = converted(stored(bytes(data), syntax), target)
    except TranscodeError:
        return
    parsed(after, target)


# ---- resources


def test_a_large_instance_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.dcm"
    size = 200 * 1024 * 1024
    with path.open("wb") as file:
        file.write(part10.header("1.2.3", "1.2.4", EXPLICIT) + ex(0x7FE00010, "OW", b"", size))
        file.truncate(file.tell() + size)
    tracemalloc.start()
    try:
        with transcode(path, BIG_ENDIAN, tmp_path) as file:
            assert file.seek(0, 2) == size + 12
        assert tracemalloc.get_traced_memory()[1] < 32 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_large_result_lies_where_it_should(tmp_path: Path) -> None:
    path, folder = tmp_path / "large.dcm", tmp_path / "nowhere"
    value = bytes(9 * 1024 * 1024)
    path.write_bytes(part10.header("1.2.3", "1.2.4", EXPLICIT) + ex(0x7FE00010, "OB", value))
    with pytest.raises(TranscodeError, match=r"cannot be converted: .*No such file"):
        transcode(path, IMPLICIT, folder)
    folder.mkdir()
    with transcode(path, IMPLICIT, folder) as file:
        assert file.read() == im(0x7FE00010, value)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED])
def test_a_file_that_is_converted_stays_open_for_another_attempt(
    syntax: str, stored: Store
) -> None:
    data = ex(NAME, "PN", b"ab")
    held = zlib.compress(data, wbits=-15) if syntax == DEFLATED else data
    with stored(held, syntax).open("rb") as file:
        for target in (IMPLICIT, BIG_ENDIAN):
            file.seek(0)
            with transcode_file(file, target) as made:
                assert made.read()

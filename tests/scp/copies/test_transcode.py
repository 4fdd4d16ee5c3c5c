"""Data sets in another transfer syntax: every value as it was, with pydicom as the judge."""

import subprocess
import sys
import zlib
from pathlib import Path

import pydicom.data
import pytest
from pydicom import dcmread
from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from support import ROOT
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

from scp.copies.corrected.transcode import TranscodeError, reachable, transcode
from storage.diagnostics.errors import DataSetError
from storage.dicom import part10

# What cannot be converted among pydicom's uncompressed files, to what, and what is said of it.
ALL = frozenset(SYNTAXES)
LITTLE = ALL - {BIG_ENDIAN}
DISAGREE = "programs disagree on Big Endian samples"
REFUSED: dict[str, tuple[frozenset[str], str]] = {
    "test_files/MR_truncated.dcm": (ALL, "value of (7FE0,0010) ends beyond"),
    "test_files/rtplan_truncated.dcm": (ALL, "value of (300A,00B0) ends beyond"),
    # 32 bits: OW in words of 16 bits (PS3.5 6.2), or as pydicom has it.
    "test_files/badVR.dcm": (frozenset({BIG_ENDIAN}), DISAGREE),
    "test_files/rtdose.dcm": (frozenset({BIG_ENDIAN}), DISAGREE),
    "test_files/rtdose_1frame.dcm": (frozenset({BIG_ENDIAN}), DISAGREE),
    "test_files/rtdose_expb.dcm": (LITTLE, DISAGREE),
    "test_files/rtdose_expb_1frame.dcm": (LITTLE, DISAGREE),
}


def _uncompressed() -> dict[str, Path]:
    """Every file of pydicom's with a Part 10 header in one of the four syntaxes, by name."""
    found = {}
    root = Path(pydicom.data.__file__).parent
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        try:
            syntax = _syntax(path)
        except DataSetError:
            continue
        if syntax in SYNTAXES:
            found[path.relative_to(root).as_posix()] = path
    return found


def _syntax(path: Path) -> str:
    with path.open("rb") as file:
        return part10.read(file).transfer_syntax_uid


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        part10.read(file)
        return file.read()


FILES = _uncompressed()


@pytest.fixture
def stored(tmp_path: Path) -> Store:
    return store_in(tmp_path)


# ---- what can be had


DECODED = {
    "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.53",
    "1.2.840.10008.1.2.4.55", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.4.203", "1.2.840.10008.1.2.5",
}  # fmt: skip


def test_every_transfer_syntax_of_the_standard_is_reachable_or_not() -> None:
    known = [uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax"]
    for uid in [*known, "1.2.826.0.1.3680043.2.1", ""]:
        targets = SYNTAXES if uid in DECODED | ALL else ()
        assert reachable(uid) == tuple(t for t in targets if t != uid), uid


def test_what_is_not_reachable_is_an_error(stored: Store) -> None:
    mpeg = stored(b"", "1.2.840.10008.1.2.4.100")
    with pytest.raises(TranscodeError, match="no way from"):
        transcode(mpeg, EXPLICIT)
    with pytest.raises(TranscodeError, match="no way from"):
        transcode(FILES["test_files/CT_small.dcm"], EXPLICIT)
    with pytest.raises(TranscodeError, match="no way from"):
        transcode(FILES["test_files/CT_small.dcm"], "1.2.840.10008.1.2.4.50")


def test_what_is_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TranscodeError, match="cannot be converted"):
        transcode(tmp_path / "nothing.dcm", EXPLICIT)
    (tmp_path / "text").write_bytes(b"text")
    with pytest.raises(TranscodeError, match="no DICM prefix"):
        transcode(tmp_path / "text", EXPLICIT)


def test_frames_are_not_decoded_in_the_node() -> None:
    codecs = "scp.copies.conversion.codecs.codecs"
    code = f"import sys; import scp.copies.corrected; assert {codecs!r} not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# ---- every uncompressed file of pydicom's, in every other syntax


@pytest.mark.parametrize("name", FILES)
def test_values_stay_byte_for_byte(name: str, stored: Store) -> None:
    path = FILES[name]
    syntax, before = _syntax(path), _bytes(path)
    refused, reason = REFUSED.get(name, (frozenset(), ""))
    for target in reachable(syntax):
        if target in refused:
            with pytest.raises(TranscodeError) as failure:
                transcode(path, target)
            assert reason in str(failure.value)
            continue
        data = converted(path, target)
        _compare(parsed(before, syntax), parsed(data, target), IMPLICIT in (syntax, target))
        back = converted(stored(data, target), syntax)
        _compare(parsed(before, syntax), parsed(back, syntax), target == IMPLICIT)
        if _has_strays(before, syntax):
            continue
        keeps_heads = {syntax, target} == {EXPLICIT, DEFLATED}
        if keeps_heads or (target != IMPLICIT and not _has_group_lengths(before, syntax)):
            assert _inflated(back, syntax) == _inflated(before, syntax)


def test_every_refusal_is_of_a_file() -> None:
    assert REFUSED.keys() <= FILES.keys()


def _inflated(data: bytes, syntax: str) -> bytes:
    return zlib.decompress(data, -zlib.MAX_WBITS) if syntax == DEFLATED else data


def _has_group_lengths(data: bytes, syntax: str) -> bool:
    return any(tag.element == 0 for tag in parsed(data, syntax).keys())  # noqa: SIM118


def _has_strays(data: bytes, syntax: str) -> bool:
    return any(tag.group < 8 for tag in parsed(data, syntax).keys())  # noqa: SIM118


def _compare(before: Dataset, after: Dataset, loses_vrs: bool) -> None:
    """Tags, VRs, values and nesting as pydicom reads them, but for group lengths.

    Groups below 0008 do not belong in a data set, and are left out.
    """
    kept = (tag for tag in before.keys() if tag.element and tag.group >= 8)  # noqa: SIM118
    old = {tag: before.get_item(tag) for tag in kept}
    new = {tag: after.get_item(tag) for tag in after.keys() if tag.element}  # noqa: SIM118
    assert list(new) == list(old)
    for tag in old:
        vr, new_vr = _vr(old[tag], tag), _vr(new[tag], tag)
        if loses_vrs:  # to what the dictionary knows, if it does
            assert new_vr in (vr, "UN", "", _dictionary(tag)) or not vr or tag == 0x7FE00010, tag
        else:
            assert new_vr == vr, tag
        if vr == new_vr == "SQ":
            for old_item, new_item in zip(before[tag].value, after[tag].value, strict=True):
                _compare(old_item, new_item, loses_vrs)
            continue
        assert _little(new[tag], new_vr or vr) == _little(old[tag], vr or new_vr), tag


def _little(element: RawDataElement, vr: str) -> bytes:
    """The value in Little Endian, as UN is in any case."""
    value, size = element.value or b"", _SIZES.get(vr, 1)
    if not value or vr == "UN" or element.is_little_endian:
        return bytes(value)
    return b"".join(value[at : at + size][::-1] for at in range(0, len(value), size))


_SIZES = {
    "AT": 2, "OW": 2, "SS": 2, "US": 2, "FL": 4, "OF": 4, "OL": 4, "SL": 4, "UL": 4, "FD": 8,
    "OD": 8, "OV": 8, "SV": 8, "UV": 8,
}  # fmt: skip


def _vr(element: RawDataElement, tag: BaseTag) -> str:
    """The VR as it lies, or the dictionary's."""
    return str(element.VR) if element.VR else _dictionary(tag)


def _dictionary(tag: BaseTag) -> str:
    """The VR of PS3.6; empty where that has several or none."""
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return ""
    return vr if len(vr) == 2 else ""


@pytest.mark.parametrize("name", [name for name in FILES if "DICOMDIR" not in name])
def test_pydicom_sees_the_same_pixels(name: str) -> None:
    path = FILES[name]
    before = dcmread(path)
    if (
        "PixelData" not in before
        or "Rows" not in before
        or REFUSED.get(name, ("",))[0] == ALL
        or name.endswith("badVR.dcm")
    ):
        return
    for target in set(reachable(_syntax(path))) - REFUSED.get(name, (frozenset(),))[0]:
        after = parsed(converted(path, target), target)
        after.file_meta = before.file_meta
        after.file_meta.TransferSyntaxUID = target
        before.file_meta = dcmread(path).file_meta
        assert (after.pixel_array == before.pixel_array).all(), target

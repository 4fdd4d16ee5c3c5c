"""Compressed images decompressed: attributes as the pixels are, frames from fragments."""

import base64
import struct
from pathlib import Path

import numpy as np
import pytest
from openjpeg.utils import decode_pixel_data
from pydicom.uid import (
    HTJ2K,
    HTJ2KLossless,
    JPEG2000Lossless,
)
from support.data.images import (
    BIG_ENDIAN,
    EXPLICIT,
    GRAY,
    GRAY_LOSSY,
    IMPLICIT,
    RLE,
    SIDES,
    Pixels,
    Store,
    coded,
    decompressed,
    image,
    picture,
    store_in,
    words,
)
from support.network.raw import ITEM, PIXEL_DATA, encapsulated, ex, im, rle, us

from scp.copies.corrected.transcode import TranscodeError, reachable, transcode


@pytest.fixture
def stored(tmp_path: Path) -> Store:
    return store_in(tmp_path)


# ---- what the attributes become

RED, GREEN, BLUE = bytes([1, 2]), bytes([3, 4]), bytes([5, 6])
COLOURS = bytes([1, 3, 5, 2, 4, 6])
PLANAR = {0x00280006: us(0x00280006, 1)}


@pytest.mark.parametrize(
    ("said", "becomes"),
    [("RGB ", "RGB"), ("YBR_FULL", "YBR_FULL"), ("YBR_FULL_422", "YBR_FULL"), ("HSV ", "HSV")],
)
def test_rle_keeps_colours_and_loses_planes(said: str, becomes: str, stored: Store) -> None:
    frame = rle(RED, GREEN, BLUE)
    data = image([frame], rows=1, columns=2, samples=3, photometric=said, more=PLANAR)
    found = decompressed(stored(data, RLE))
    assert found.PixelData == COLOURS
    assert (found.PhotometricInterpretation, found.PlanarConfiguration) == (becomes, 0)


@pytest.mark.parametrize("bytes_", [1, 2, 4, 8])
def test_rle_samples_of_any_size(bytes_: int, stored: Store) -> None:
    planes = [bytes([16 * number + byte for number in range(6)]) for byte in range(bytes_)]
    bits = (8 * bytes_, 8 * bytes_, 8 * bytes_ - 1)
    data = image([rle(*reversed(planes))], rows=2, columns=3, bits=bits)
    found = decompressed(stored(data, RLE))
    assert found.PixelData == bytes(
        16 * number + byte for number in range(6) for byte in range(bytes_)
    )


def test_odd_frames_are_padded_once(stored: Store) -> None:
    frames = [rle(bytes([number, 7, 8])) for number in range(3)]
    data = image(frames, rows=1, columns=3)
    assert decompressed(stored(data, RLE)).PixelData == bytes([0, 7, 8, 1, 7, 8, 2, 7, 8, 0])


def test_tables_of_fragments_and_group_lengths_go(stored: Store) -> None:
    tables = {
        0x00280000: ex(0x00280000, "UL", bytes(4)),
        0x7FE00001: ex(0x7FE00001, "OV", bytes(8)),
        0x7FE00002: ex(0x7FE00002, "OV", struct.pack("<Q", 68)),
        0x7FE00003: ex(0x7FE00003, "UV", struct.pack("<Q", 68)),
        0xFFFCFFFC: ex(0xFFFCFFFC, "OB", b"\0\0"),
    }
    data = image([rle(b"ab")], rows=1, columns=2, more=tables)
    with transcode(stored(data, RLE), EXPLICIT) as file:
        expected = image([], rows=1, columns=2, count=1, pixel_data=ex(PIXEL_DATA, "OB", b"ab"))
        assert file.read() == expected + tables[0xFFFCFFFC]


def test_words_of_a_target(stored: Store) -> None:
    data = image([rle(b"\1\2", b"\3\4")], rows=1, columns=2, bits=(16, 16, 15))
    path = stored(data, RLE)
    ends = {
        EXPLICIT: ex(PIXEL_DATA, "OW", b"\3\1\4\2"),
        IMPLICIT: im(PIXEL_DATA, b"\3\1\4\2"),
        BIG_ENDIAN: ex(PIXEL_DATA, "OW", b"\1\3\2\4", order=">"),
    }
    for target, end in ends.items():
        with transcode(path, target) as file:
            assert file.read().endswith(end)
    assert set(ends) < set(reachable(RLE))


def test_an_icon_is_decompressed_by_its_own_attributes(stored: Store) -> None:
    icon = image([rle(b"ab")], rows=1, columns=2)
    native_icon = image([], rows=1, columns=2, count=1, pixel_data=ex(PIXEL_DATA, "OB", b"ab"))
    for held, becomes in ((icon, native_icon), (native_icon, native_icon)):
        sequence = {0x00880200: ex(0x00880200, "SQ", im(ITEM, held))}
        frame = rle(b"abcd", b"efgh")
        data = image([frame], rows=2, columns=2, bits=(16, 16, 15), more=sequence)
        with transcode(stored(data, RLE), EXPLICIT) as file:
            assert ex(0x00880200, "SQ", im(ITEM, becomes)) in file.read()


def test_marks_of_loss_are_kept(stored: Store) -> None:
    frame = base64.b64decode(GRAY_LOSSY)
    marks = {
        0x00282110: ex(0x00282110, "CS", b"01"),
        0x00282112: ex(0x00282112, "DS", b"10\\5"),
        0x00282114: ex(0x00282114, "CS", b"ISO_10918_1\\X "),
    }
    data = image([frame], rows=12, columns=16, bits=(16, 16, 15), more=marks)
    with transcode(stored(data, str(HTJ2K)), EXPLICIT) as file:
        assert b"".join(marks.values()) in file.read()


# ---- frames and fragments (PS3.5 A.4)


A, B = coded(picture(12, shape=SIDES), 12), coded(picture(12, shape=SIDES)[::-1], 12)
HALVES = [A[:100], A[100:], B[:100], B[100:]]


def offsets(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


SECOND = len(A) + 16
# (fragments, offset table, Number of Frames, the frames or what is said)
FRAGMENTS: list[tuple[list[bytes], bytes, int, list[bytes] | str]] = [
    ([A], b"", 1, [A]),
    ([A, B], b"", 2, [A, B]),
    ([A, B], offsets(0, len(A) + 8), 2, [A, B]),
    ([A, B], offsets(0, 4711), 2, [A, B]),
    (HALVES[:2], b"", 1, [A]),
    (HALVES[:2], offsets(0), 1, [A]),
    (HALVES, b"", 2, [A, B]),
    (HALVES, offsets(0, SECOND), 2, [A, B]),
    (HALVES, offsets(0, 12), 2, [A, B]),
    ([A, *HALVES[2:]], b"", 2, [A, B]),
    ([A, b"", B], offsets(0, SECOND), 2, [A, B]),
    ([A, b""], b"", 1, [A]),
    ([A, B, b"", b""], b"", 2, [A, B]),
    ([A, b"", B], b"", 2, [A, B]),
    ([A, b"", B, b""], b"", 2, [A, B]),
    ([b"", A], b"", 1, [A]),
    ([A, B], b"", 1, "another image follows"),
    ([A, B], b"", 3, "has 2 fragments"),
    ([A], b"", 2, "has 1 fragments"),
    ([], b"", 1, "has 0 fragments"),
    (HALVES, b"", 3, "has 4 fragments"),
    ([A, B], b"", 0, "Number of Frames is '0'"),
    (HALVES[1:2], b"", 1, "does not start as JPEG 2000"),
    (HALVES[:1], b"", 1, "ends before"),
]


@pytest.mark.parametrize(("fragments", "table", "count", "expected"), FRAGMENTS)
def test_fragments_make_frames(
    fragments: list[bytes], table: bytes, count: int, expected: list[bytes] | str, stored: Store
) -> None:
    data = image([], rows=40, columns=36, bits=(16, 12, 11), count=count,
                 pixel_data=encapsulated(fragments, table))  # fmt: skip
    path = stored(data, str(JPEG2000Lossless))
    if isinstance(expected, str):
        with pytest.raises(TranscodeError, match=expected):
            transcode(path, EXPLICIT)
        return
    assert (words(decompressed(path)) == [words_of(frame) for frame in expected]).all()


# Fragments, Number of Frames, and the frames or what is said where no delimiter follows.
OPEN: list[tuple[list[bytes], int, list[bytes] | str]] = [
    ([A], 1, [A]),
    ([A, B], 2, [A, B]),
    ([A, B, b""], 2, [A, B]),
    (HALVES[:2], 1, "the data set ends early"),  # there may have been more of it
    (HALVES, 2, "the data set ends early"),
    ([A], 2, "the data set ends early"),
]


@pytest.mark.parametrize("end", [b"", bytes(8), bytes(17), bytes(1000)])
@pytest.mark.parametrize(("fragments", "count", "expected"), OPEN)
def test_fragments_without_a_delimiter_are_frames_where_each_is_one(
    fragments: list[bytes], count: int, expected: list[bytes] | str, end: bytes, stored: Store
) -> None:
    pixel_data = encapsulated(fragments)[:-8] + end
    data = image([], rows=40, columns=36, bits=(16, 12, 11), count=count, pixel_data=pixel_data)
    path = stored(data, str(JPEG2000Lossless))
    if isinstance(expected, str):
        with pytest.raises(TranscodeError, match=expected):
            transcode(path, EXPLICIT)
        return
    assert (words(decompressed(path)) == [words_of(frame) for frame in expected]).all()


@pytest.mark.parametrize("number", ["1", "+1", "01", "1.", "1.0", ""])
def test_a_number_of_frames_is_taken_as_it_is_written(number: str, stored: Store) -> None:
    more = {0x00280008: ex(0x00280008, "IS", f"{number:<4}".encode())}
    data = image([A], rows=40, columns=36, bits=(16, 12, 11), more=more)
    path = stored(data, str(JPEG2000Lossless))
    assert (words(decompressed(path)) == [words_of(A)]).all()


def test_frames_that_differ_in_kind_are_an_error(stored: Store) -> None:
    frames = [base64.b64decode(GRAY), base64.b64decode(GRAY_LOSSY)]
    data = image(frames, rows=12, columns=16, bits=(16, 16, 15))
    with pytest.raises(TranscodeError, match="frame 2 is not encoded as the first one is"):
        transcode(stored(data, str(HTJ2KLossless)), EXPLICIT)


def words_of(frame: bytes) -> Pixels:
    data = decode_pixel_data(frame, version=2)
    return np.frombuffer(data, "<u2").reshape(*SIDES, 1)

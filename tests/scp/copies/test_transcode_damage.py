"""Damaged images are errors, and the process that decodes them outlives them or is replaced."""

import base64
import os
import random
import signal
import struct
import subprocess
import sys
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import (
    JPEG2000,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from support import ROOT
from support.data.images import (
    COLOUR,
    EXPLICIT,
    RLE,
    SAMPLES,
    SIDES,
    Store,
    coded,
    decompressed,
    image,
    picture,
    store_in,
    words,
)
from support.names import examples
from support.network.raw import PIXEL_DATA, UNDEFINED, encapsulated, ex, rle

from scp.copies.conversion.codecs.image import Image
from scp.copies.conversion.data_set.layout import DataSetSource, Span
from scp.copies.conversion.limits.budget import Conversion
from scp.copies.conversion.pixels import decoder_client, fragments, frame_decoding
from scp.copies.conversion.pixels.decoder_client import Frame
from scp.copies.corrected.transcode import TranscodeError, transcode
from storage.dicom import part10


@pytest.fixture
def stored(tmp_path: Path) -> Store:
    return store_in(tmp_path)


# ---- damage

DAMAGED_FILES = {
    JPEGBaseline8Bit: "SC_rgb_dcmtk_+eb+cr.dcm",
    JPEGExtended12Bit: "JPGExtended.dcm",
    JPEGLosslessSV1: "SC_rgb_jpeg_gdcm.dcm",
    JPEGLSLossless: "MR_small_jpeg_ls_lossless.dcm",
    JPEGLSNearLossless: "SC_rgb_jls_lossy_line.dcm",
    JPEG2000Lossless: "MR_small_jp2klossless.dcm",
    JPEG2000: "GDCMJ2K_TextGBR.dcm",
    RLELossless: "MR_small_RLE.dcm",
}


def only_frame(name: str) -> tuple[bytes, bytes]:
    """What is before the Pixel Data of a file of one frame, and the frame."""
    data = SAMPLES[name].data_set
    start = max(data.find(ex(PIXEL_DATA, vr, b"", UNDEFINED)) for vr in ("OB", "OW"))
    table = struct.unpack_from("<I", data, start + 16)[0]
    length = struct.unpack_from("<I", data, start + 24 + table)[0]
    at = start + 28 + table
    return data[:start], data[at : at + length]


@pytest.mark.parametrize("name", DAMAGED_FILES.values())
def test_a_frame_cut_anywhere_is_an_error(name: str, stored: Store) -> None:
    head, frame = only_frame(name)
    syntax = SAMPLES[name].transfer_syntax_uid
    lengths = [*range(0, 60, 7), *range(60, len(frame) - 8, len(frame) // 25), len(frame) - 8]
    for length in lengths:
        path = stored(head + encapsulated([frame[:length]]), syntax)
        with pytest.raises(TranscodeError, match="frame 1 cannot be decoded"):
            transcode(path, EXPLICIT)


@pytest.mark.parametrize("tag", [0x00280002, 0x00280010, 0x00280011, 0x00280100, 0x00280101])
@pytest.mark.parametrize("name", DAMAGED_FILES.values())
def test_attributes_that_do_not_fit_are_an_error(name: str, tag: int, stored: Store) -> None:
    sample = SAMPLES[name]
    held = sample.data_set
    at = held.index(ex(tag, "US", b"", 2)) + 8
    number = struct.unpack_from("<H", held, at)[0]
    for wrong in {0, 4 if tag == 0x00280002 else number + 1, 65535}:
        path = stored(
            held[:at] + struct.pack("<H", wrong) + held[at + 2 :], str(sample.transfer_syntax_uid)
        )
        if tag == 0x00280101 and 1 <= wrong <= sample.dataset.BitsAllocated:
            continue
        with pytest.raises(TranscodeError):
            transcode(path, EXPLICIT)


def test_what_libjpeg_would_smooth_over_is_an_error(stored: Store) -> None:
    head, frame = only_frame("SC_rgb_dcmtk_+eb+cr.dcm")
    cut = frame.index(b"\xff\xda") + 300
    path = stored(head + encapsulated([frame[:cut] + frame[cut + 200 :]]), str(JPEGBaseline8Bit))
    with pytest.raises(TranscodeError, match="Corrupt JPEG data"):
        transcode(path, EXPLICIT)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (b"", "shorter than the header"),
        (rle(b"ab", b"cd"), "2 RLE segments where there should be 1"),
        (struct.pack("<16I", 1, 60, *[0] * 14) + b"\1ab", "RLE header is damaged"),
        (struct.pack("<16I", 1, 99, *[0] * 14) + b"\1ab", "RLE header is damaged"),
        (rle(b"a"), "does not fill"),
        (rle(b"abcd"), "overflows"),
        (rle(b"ab")[:-1] + b"more", "overflows"),
        (struct.pack("<16I", 1, 64, *[0] * 14) + b"\xff", "does not fill"),
    ],
)
def test_rle_that_does_not_fit_is_an_error(frame: bytes, said: str, stored: Store) -> None:
    with pytest.raises(TranscodeError, match=said):
        transcode(stored(image([frame], rows=1, columns=2), RLE), EXPLICIT)


def test_colours_that_nothing_is_known_of_are_an_error(stored: Store) -> None:
    data = SAMPLES["SC_rgb_dcmtk_+eb+cr.dcm"].data_set
    said = ex(0x00280004, "CS", b"RGB ")
    unknown = data.replace(said, ex(0x00280004, "CS", b"CMYK"))
    with pytest.raises(TranscodeError, match="nothing is known of CMYK"):
        transcode(stored(unknown, str(JPEGBaseline8Bit)), EXPLICIT)


def test_native_pixels_in_a_compressed_syntax_are_an_error(stored: Store) -> None:
    data = image([], rows=1, columns=2, count=1, pixel_data=ex(PIXEL_DATA, "OB", b"ab"))
    with pytest.raises(TranscodeError, match="not encapsulated as its syntax says"):
        transcode(stored(data, RLE), EXPLICIT)


def test_more_than_a_value_can_hold_is_an_error(stored: Store) -> None:
    frame = rle(bytes(2))
    data = image([frame] * 3, rows=1, columns=2).replace(b"3   ", b"3000")
    with pytest.raises(TranscodeError, match="Number of Frames is 3000"):
        transcode(stored(data, RLE), EXPLICIT)
    huge = image([frame], rows=65535, columns=65535)
    with pytest.raises(TranscodeError, match="take more than"):
        transcode(stored(huge, RLE), EXPLICIT)


@pytest.mark.parametrize(
    ("syntax", "attributes", "said"),
    [
        (RLE, {"samples": 0}, "0 samples per pixel"),
        (RLE, {"samples": 2}, "2 samples per pixel"),
        (RLE, {"samples": 65535}, "65535 samples per pixel"),
        (RLE, {"rows": 0}, "1 samples per pixel of 0 rows"),
        (RLE, {"bits": (1, 1, 0)}, "Bits Allocated is 1, which RLE cannot be"),
        (RLE, {"bits": (12, 8, 7)}, "Bits Allocated is 12, which RLE cannot be"),
        (RLE, {"bits": (65535, 8, 7)}, "Bits Allocated is 65535"),
        (JPEG2000Lossless, {"bits": (64, 8, 7)}, "Bits Allocated is 64, which JPEG 2000 cannot be"),
        (JPEGLSLossless, {"bits": (12, 12, 11)}, "Bits Allocated is 12, which JPEG-LS cannot be"),
        (JPEGLosslessSV1, {"bits": (24, 16, 15)}, "Bits Allocated is 24, which JPEG cannot be"),
        (RLE, {"rows": 65535, "columns": 65535}, "its frames take more than"),
    ],
)
def test_what_no_decoder_could_have_right_takes_no_turn_and_no_memory(
    syntax: str,
    attributes: dict[str, Any],
    said: str,
    stored: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frame_decoding, "decoding", None)
    path = stored(image([rle(bytes(64))], **{"rows": 8, "columns": 8, **attributes}), syntax)
    with pytest.raises(TranscodeError, match=f"^{said}"):
        transcode(path, EXPLICIT)


@pytest.mark.parametrize("sampling", [(2, 2), (2, 1), (1, 2), (255, 255)])
@pytest.mark.parametrize("components", [(0,), (1, 2), (0, 1, 2)])
def test_jpeg_2000_without_a_sample_of_each_pixel_is_an_error(
    sampling: tuple[int, int], components: tuple[int, ...], stored: Store
) -> None:
    """XRsiz and YRsiz (ISO 15444-1 table A.11): OpenJPEG makes up those that are missing."""
    gray = len(components) == 1
    frame = bytearray(coded(picture(8, shape=SIDES), 8) if gray else base64.b64decode(COLOUR))
    for component in components:
        at = 2 + 2 + 36 + 3 * component + 3
        frame[at : at + 2] = bytes(sampling)
    shape = {"rows": 40, "columns": 36} if gray else {"rows": 12, "columns": 16, "samples": 3}
    photometric = "MONOCHROME2" if gray else "YBR_RCT "
    path = stored(image([bytes(frame)], **shape, photometric=photometric), JPEG2000Lossless)
    with pytest.raises(TranscodeError, match="do not have a sample of each pixel"):
        transcode(path, EXPLICIT)


def test_an_offset_table_that_is_not_of_the_frames_is_not_read(
    stored: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 400 MB it took 2 GB to hold as numbers, and all other threads waited for 7 seconds."""
    most, read = list[int](), DataSetSource.read

    def counted(source: DataSetSource, span: Span) -> bytes:
        most.append(span.length)
        return read(source, span)

    monkeypatch.setattr(DataSetSource, "read", counted)
    pixel_data = encapsulated([b"ab"] * 3, bytes(1 << 20))
    path = stored(image([], rows=1, columns=2, count=2, pixel_data=pixel_data), RLE)
    with pytest.raises(TranscodeError, match="nothing tells which of them make a frame"):
        transcode(path, EXPLICIT)
    assert max(most) <= 64


@pytest.mark.parametrize("size", [1, 1000, 1 << 19, 1 << 20])
def test_fragments_come_to_the_decoder_in_pieces_that_are_worth_it(
    size: int, tmp_path: Path
) -> None:
    path = tmp_path / "fragments"
    data = random.Random(size).randbytes(min(4000 * size, 4 << 20))
    path.write_bytes(data)
    with path.open("rb") as file:
        source = DataSetSource(file, 0, len(data), False, True)
        spans = [Span(at, size) for at in range(0, len(data) - size + 1, size)]
        frame = fragments.FrameSpans(source, [Span(0, 0), *spans, Span(0, 0)])
        pieces = list(frame.chunks())
    assert b"".join(pieces) == data[: frame.length]
    assert all(pieces)
    assert len(pieces) == max(1, -(-frame.length // max(size, 1 << 20)))


def test_a_frame_in_many_fragments_is_put_together_before_it_takes_a_turn(
    stored: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames, decoding = list[object](), frame_decoding.decoding

    def seen(image: Image, frame: Frame, conversion: Conversion) -> Any:
        frames.append(frame)
        return decoding(image, frame, conversion)

    monkeypatch.setattr(frame_decoding, "decoding", seen)
    frame = rle(bytes(range(64)))
    fragments = [frame[at : at + 1] for at in range(len(frame))]
    data = image([], rows=8, columns=8, count=1, pixel_data=encapsulated(fragments))
    assert words(decompressed(stored(data, RLE))).tobytes() == bytes(range(64))
    assert frames == [frame_decoding.Held(frame)]


@given(
    name=st.sampled_from(list(DAMAGED_FILES.values())),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4),
)
@settings(
    max_examples=examples(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_damage_is_never_another_error(
    name: str, changes: list[tuple[int, int]], stored: Store
) -> None:
    head, frame = only_frame(name)
    data = bytearray(frame)
    for at, value in changes:
        data[at % len(data)] = value
    path = stored(head + encapsulated([bytes(data)]), str(SAMPLES[name].transfer_syntax_uid))
    try:
        found = decompressed(path)
    except TranscodeError:
        return
    assert words(found).shape[1:3] == (found.Rows, found.Columns)


# ---- the decoder process


def test_a_decoder_that_ended_is_started_again() -> None:
    path = SAMPLES["MR_small_RLE.dcm"].path
    decompressed(path)
    popen = decoder_client._process._popen
    assert popen
    os.kill(popen.pid, signal.SIGKILL)
    popen.wait()
    decompressed(path)
    assert decoder_client._process._popen is not popen


def test_a_frame_that_ends_the_decoder_is_an_error(stored: Store) -> None:
    """GDCM 3.2 aborts over this Adobe marker; what is next is decoded all the same."""
    head, frame = only_frame("SC_rgb_jpeg_gdcm.dcm")
    path = stored(head + encapsulated([frame[:17] + b"\x08" + frame[18:]]), str(JPEGLosslessSV1))
    with pytest.raises(TranscodeError, match="frame 1 cannot be decoded"):
        transcode(path, EXPLICIT)
    decompressed(SAMPLES["MR_small_RLE.dcm"].path)


def test_a_decoder_that_is_told_to_end_goes_on() -> None:
    """The node drains after SIGTERM, which a service manager sends to all of its processes."""
    path = SAMPLES["MR_small_RLE.dcm"].path
    decompressed(path)
    popen = decoder_client._process._popen
    assert popen
    os.kill(popen.pid, signal.SIGTERM)
    os.kill(popen.pid, signal.SIGINT)
    decompressed(path)
    assert decoder_client._process._popen is popen


def test_a_decoder_ends_with_its_node() -> None:
    code = (
        "from pathlib import Path; from scp.copies.corrected.transcode import transcode; "
        "from scp.copies.conversion.pixels import decoder_client as decoder; "
        f"transcode(Path({str(SAMPLES['MR_small_RLE.dcm'].path)!r}), {EXPLICIT!r}); "
        "print(decoder._process._popen.pid, flush=True); import os; os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
    pid = int(done.stdout)  # read to its end, which the decoder does not hold open
    for _ in range(1000):
        if not _is_running(pid):
            return
        time.sleep(0.01)
    raise AssertionError("the decoder still runs")


def _is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_a_decoder_that_cannot_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_client, "_process", decoder_client._Process())
    monkeypatch.setattr(decoder_client, "_MODULE", "scp.nothing")
    with pytest.raises(TranscodeError, match="the decoder ended over it"):
        transcode(SAMPLES["MR_small_RLE.dcm"].path, EXPLICIT)


def test_forked_processes_and_threads_each_get_their_own() -> None:
    names = ["MR_small_RLE.dcm", "SC_rgb_jpeg_gdcm.dcm", "examples_ybr_color.dcm"]
    before = {name: decompressed(SAMPLES[name].path).PixelData for name in names}
    child = os.fork()
    if not child:
        same = all(decompressed(SAMPLES[n].path).PixelData == before[n] for n in names)
        os._exit(0 if same else 1)
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda n: decompressed(SAMPLES[n].path).PixelData, names * 6))
    assert found == [before[name] for name in names * 6]
    assert os.waitpid(child, 0)[1] == 0


def test_frames_take_little_memory(tmp_path: Path) -> None:
    frame = rle(bytes(512 * 512), bytes(512 * 512))
    path = tmp_path / "large.dcm"
    with path.open("wb") as file:
        file.write(part10.header("1.2.3", "1.2.4", RLE))
        file.write(image([frame] * 80, rows=512, columns=512, bits=(16, 16, 15)))
    tracemalloc.start()
    try:
        with transcode(path, EXPLICIT, tmp_path) as converted:
            assert converted.seek(0, 2) > 80 * 512 * 512 * 2
        assert tracemalloc.get_traced_memory()[1] < 20 * 1024 * 1024
    finally:
        tracemalloc.stop()

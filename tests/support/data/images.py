"""Compressed images for the tests of transcoding: pydicom's, and made here."""

import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from openjpeg.utils import encode_buffer
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from scp.copies.conversion.codecs.syntaxes import COMPRESSED
from scp.copies.corrected.transcode import transcode
from storage.dicom import part10
from support import samples
from support.network.raw import PIXEL_DATA, encapsulated, ex, us

EXPLICIT, IMPLICIT = str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian)
BIG_ENDIAN, RLE = str(ExplicitVRBigEndian), str(RLELossless)
DEFLATED = str(DeflatedExplicitVRLittleEndian)
SYNTAXES = (EXPLICIT, DEFLATED, IMPLICIT, BIG_ENDIAN)
SAMPLES = {s.name: s for s in samples() if s.transfer_syntax_uid in COMPRESSED}

Store = Callable[[bytes, str], Path]
Pixels = np.ndarray[Any, np.dtype[Any]]


def store_in(folder: Path) -> Store:
    """Put data sets into a file, one after the other, as they lie in the tree."""

    def store(data: bytes, syntax: str) -> Path:
        path = folder / "stored.dcm"
        path.write_bytes(part10.header("1.2.3", "1.2.4", syntax) + data)
        return path

    return store


def decompressed(path: Path, target: str = EXPLICIT) -> Dataset:
    with transcode(path, target) as file:
        data = read_dataset(BytesIO(file.read()), target == IMPLICIT, target != BIG_ENDIAN)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = target
    return data


def words(image: Dataset) -> Pixels:
    """The samples as they lie in native Pixel Data, in Little Endian."""
    kind = f"<{'i' if image.PixelRepresentation else 'u'}{image.BitsAllocated // 8}"
    frames, samples = int(image.get("NumberOfFrames") or 1), image.SamplesPerPixel
    count = frames * image.Rows * image.Columns * samples
    size = count * image.BitsAllocated // 8
    assert len(image.PixelData) == size + size % 2
    pixels = np.frombuffer(image.PixelData, kind)[:count]
    if image.get("PlanarConfiguration") == 1:
        return np.moveaxis(pixels.reshape(frames, samples, image.Rows, image.Columns), 1, 3)
    return pixels.reshape(frames, image.Rows, image.Columns, samples)


def picture(bits: int, signed: bool = False, shape: tuple[int, ...] = (45, 67)) -> Pixels:
    """Something smooth with a little noise, in the whole range."""
    generator = np.random.default_rng(bits)
    grid = np.meshgrid(*map(np.arange, shape), indexing="ij")
    wave = sum(np.sin(axis / (5 + number)) for number, axis in enumerate(grid)) / (2 * len(grid))
    top = (1 << bits) - 1
    values = ((wave + 0.5) * top + generator.integers(0, 3, shape)).astype(np.int64)
    return np.clip(values, 0, top) - (1 << bits - 1 if signed else 0)


def image(
    frames: list[bytes],
    *,
    rows: int,
    columns: int,
    samples: int = 1,
    photometric: str = "MONOCHROME2",
    bits: tuple[int, int, int] = (8, 8, 7),
    signed: int = 0,
    count: int | None = None,
    pixel_data: bytes | None = None,
    more: dict[int, bytes] | None = None,
) -> bytes:
    """A compressed image as a data set; `bits` are allocated, stored and the high one."""
    photometric += " " * (len(photometric) % 2)
    elements = {
        0x00280002: us(0x00280002, samples),
        0x00280004: ex(0x00280004, "CS", photometric.encode()),
        0x00280008: ex(0x00280008, "IS", f"{len(frames) if count is None else count:<4}".encode()),
        0x00280010: us(0x00280010, rows),
        0x00280011: us(0x00280011, columns),
        0x00280100: us(0x00280100, bits[0]),
        0x00280101: us(0x00280101, bits[1]),
        0x00280102: us(0x00280102, bits[2]),
        0x00280103: us(0x00280103, signed),
        PIXEL_DATA: encapsulated(frames) if pixel_data is None else pixel_data,
        **(more or {}),
    }
    return b"".join(elements[tag] for tag in sorted(elements))


SIDES = (40, 36)


def coded(pixels: Pixels, bits: int, signed: int = 0, **options: Any) -> bytes:
    """A frame of JPEG 2000, padded to an even length."""
    size = 1 if bits <= 8 else 2 if bits <= 16 else 4
    data = pixels.astype(f"<{'i' if signed else 'u'}{size}").tobytes()
    rows, columns = pixels.shape
    frame = bytes(
        encode_buffer(data, columns, rows, 1, bits, signed, photometric_interpretation=2, **options)
    )
    return frame + b"\0" * (len(frame) % 2)


# Encoded by OpenJPH: 16 columns of 12 rows; (97 x + 31 y) modulo 4096.
GRAY = """
/0//UQApQAAAAAAQAAAADAAAAAAAAAAAAAAAEAAAAAwAAAAAAAAAAAABDwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB/1wA
EyCIkJCQkJCQkJCQkJCQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAHsAAf+TwAAmhfsFB3QAAMAAE0AA
EwDs/gKHdAAS/gIHdADAABPAABKAdOn+AgJ0ADH+MjMAwAAVMAAFULKysqBiMYJ2AIqKiorAIQG+tgDAACtgABXgQCAQCAT+
54p6cQJ3ADznnHPO+gAAe/YAAey6AP/Z
"""
# The same, by the irreversible transform.
GRAY_LOSSY = """
/0//UQApQAAAAAAQAAAADAAAAAAAAAAAAAAAEAAAAAwAAAAAAAAAAAABDwEB/1AACAACAAAAJf9SAAwAAgABAAUEBEAA/1wA
IyKPdI9Fj0WPF4dch1yHPX+qf6p/wmg1aDVoeGAaYBpvv/9kABcAAU9wZW5KUEggVmVyIDAuMjYuMy7/kAAKAAAAAABYAAH/
k8AAJgsEBYd0AADAAEsAASheAYd0ANwAh3QAwACeAARgQcBxAEK0AADjAMACqgATAJqhZNBefeabdgAk+dW+tADABODA55T0
8nYA/9k=
"""
# (16 x + y, 20 y + x, x y) modulo 256, with the reversible colour transform.
COLOUR = """
/0//UQAvQAAAAAAQAAAADAAAAAAAAAAAAAAAEAAAAAwAAAAAAAAAAAADBwEBBwEBBwEB/1AACAACAAAAA/9SAAwAAgABAQUE
BEAB/1wAEyBQWFhYWFhYWFhYWFhYUFBQ/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAWcAAf+TwBKA9QCHdADA
EoCFAQd0AMASgPEAx3QAAAAAwAlgBLACUOIAh3QAwgEHdADkAAd0AMAJYASwAlD2AAd0AAcBh3QAmgEHdADACWAEoBABh3QA
RQGHdADACaAEkAIwwcQAAFQA7QozAAAjAMAJ4ASwAjAAkBAAI5QA8gBBdAAFMwDACaAEgAjEAQJ0AKoSMwDACeAFTACUgvyZ
asJ1ACxM68AAAb62APzAI4QAwAqIAVUAJiMA/qCH0lUA1+L8/cAAgb62AAD+xN9UAMAKmAFUgiD8oCIwgnYA1Wq1+sAQgb62
AMAWlAFfAFcAAGAAAAgA8Ulv3pLbbaUttxsAACglM0T9fk9++T2r6RkAAAAAAdbbb6222223GwDAFRAFbAEoEQznlHSP5gDn
+L35/vsnv3BB7LgA/v0ARADAFVAFoMzMzOeAp6fCdwBlKaWUUv76AAB79gAB7LoA/9k=
"""
Y, X = np.mgrid[:12, :16]


def converted(path: Path, target: str) -> bytes:
    with transcode(path, target) as file:
        return file.read()


def parsed(data: bytes, syntax: str) -> Dataset:
    if syntax == DEFLATED:
        data = zlib.decompress(data, -zlib.MAX_WBITS)
    return read_dataset(BytesIO(data), syntax == IMPLICIT, syntax != BIG_ENDIAN)

"""Instances of kinds that pydicom's samples lack, each as a Part 10 file."""

import struct
from io import BytesIO
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import UID

from support.data.samples import Sample, sample_at
from support.names import EXPLICIT, TEST_FILES

JPEG_BASELINE, JPEG_LOSSLESS = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70"
MPEG2, MP4 = "1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.102"
_SC = "1.2.840.10008.5.1.4.1.1.7"
_ROOT = "1.2.826.0.1.3680043.8.498.77"
_GRAY = {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "PixelRepresentation": 0}
PDF, CDA = b"%PDF-1.4\n%%EOF\n", b'<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"/>'


def uids_of(name: str) -> tuple[str, str, str]:
    """The UIDs of a made instance; each is of a study of its own."""
    number = int.from_bytes(name.encode(), "big") % 10**15
    return f"{_ROOT}.{number}", f"{_ROOT}.{number}.1", f"{_ROOT}.{number}.1.1"


def data_set(name: str, sop_class: str = _SC, **values: Any) -> Dataset:
    """What all have, and `values` by keyword."""
    study, series, instance = uids_of(name)
    made = Dataset()
    for keyword, value in {
        "SOPClassUID": sop_class, "SOPInstanceUID": instance, "StudyInstanceUID": study,
        "SeriesInstanceUID": series, "PatientID": "KIND", "PatientName": f"Kind^{name}",
        "Modality": "OT", "StudyDate": "20250101", **values,
    }.items():  # fmt: skip
        setattr(made, keyword, value)
    return made


def file_of(made: Dataset, syntax: str = EXPLICIT) -> bytes:
    """A Part 10 file."""
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = UID(syntax)
    if "PixelData" in made:
        made["PixelData"].VR = "OB" if made.BitsAllocated <= 8 or syntax != EXPLICIT else "OW"
        made["PixelData"].is_undefined_length = UID(syntax).is_encapsulated
    out = BytesIO()
    made.save_as(out, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return out.getvalue()


def image(name: str, pixels: "np.ndarray[Any, Any]", **values: Any) -> Dataset:
    """A native image: rows and columns, of several frames with these before."""
    bits = pixels.dtype.itemsize * 8
    rows, columns = pixels.shape[-2:]
    frames = {"NumberOfFrames": str(len(pixels))} if pixels.ndim == 3 else {}
    held = {**_GRAY, "Rows": rows, "Columns": columns, "BitsAllocated": bits, "BitsStored": bits,
            "HighBit": bits - 1, **frames, **values}  # fmt: skip
    signed = pixels.dtype.kind == "i"
    data = pixels.tobytes()
    return data_set(name, **{**held, "PixelRepresentation": int(signed),
                             "PixelData": data + b"\0" * (len(data) % 2)})  # fmt: skip


def _encapsulated(name: str, frames: list[bytes], syntax: str, like: str, **values: Any) -> bytes:
    sample = sample_at(TEST_FILES / like)
    assert sample
    fields = (
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "Rows",
        "Columns",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "PlanarConfiguration",
    )
    held = {one: sample.dataset[one].value for one in fields if one in sample.dataset}
    made = data_set(name, **held, NumberOfFrames=str(len(frames)), PixelData=b"")
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return file_of(made, syntax)


def _jpeg(like: str) -> bytes:
    from pydicom.encaps import generate_frames

    sample = sample_at(TEST_FILES / like)
    assert sample
    return next(generate_frames(sample.dataset.PixelData, number_of_frames=1))


def _items(*fragments: bytes) -> bytes:
    return b"".join(
        struct.pack("<HHI", 0xFFFE, 0xE000, len(one) + len(one) % 2) + one + b"\0" * (len(one) % 2)
        for one in fragments
    )


def _in_pieces(frame: bytes) -> list[bytes]:
    third = len(frame) // 3 & ~1
    return [frame[:third], frame[third : 2 * third], frame[2 * third :]]


_COLOUR = "SC_rgb_jpeg_dcmtk.dcm"


def _fragmented(name: str, has_table: bool) -> bytes:
    frame = _jpeg(_COLOUR)
    pieces = _in_pieces(frame)
    second = sum(len(one) + len(one) % 2 + 8 for one in pieces)
    table = struct.pack("<2I", 0, second) if has_table else b""
    data = _items(table, *pieces, *pieces)
    return _encapsulated(name, [frame] * 2, JPEG_BASELINE, _COLOUR, PixelData=data)


def _extended(name: str) -> bytes:
    frame = _jpeg(_COLOUR)
    data, offsets, lengths = encapsulate_extended([frame, frame])
    tables = {"ExtendedOffsetTable": offsets, "ExtendedOffsetTableLengths": lengths}
    return _encapsulated(name, [frame] * 2, JPEG_BASELINE, _COLOUR, PixelData=data, **tables)


def _video(name: str, syntax: str, stream: bytes) -> bytes:
    data = _items(b"", stream[:100], stream[100:])
    values = {"SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_PARTIAL_420",
              "PlanarConfiguration": 0, "Rows": 64, "Columns": 64, "BitsAllocated": 8,
              "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0, "NumberOfFrames": "25",
              "FrameTime": "40", "PixelData": data}  # fmt: skip
    return file_of(data_set(name, "1.2.840.10008.5.1.4.1.1.77.1.1.1", **values), syntax)


MP4_STREAM = b"\0\0\0\x18ftypisom\0\0\2\0isomavc1" + bytes(range(256)) * 4
H264_STREAM = b"\0\0\0\x01\x67\x64\0\x29" + bytes(range(256)) * 4
MPEG2_STREAM = b"\0\0\x01\xba\x44\0\4\0\4\1\1\xc9\xc3\xf8" + bytes(range(256)) * 4


def _floats(name: str, kind: str) -> bytes:
    values = np.linspace(-1.5, 2.5, 12 * 10, dtype=f"<f{4 if kind == 'Float' else 8}")
    held = {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "Rows": 12,
            "Columns": 10, "BitsAllocated": values.dtype.itemsize * 8,
            f"{kind}PixelData": values.tobytes()}  # fmt: skip
    return file_of(data_set(name, "1.2.840.10008.5.1.4.1.1.30", **held))


def _document(name: str, sop_class: str, media_type: str, document: bytes) -> bytes:
    padded = document + b"\0" * (len(document) % 2)
    held = {"MIMETypeOfEncapsulatedDocument": media_type, "EncapsulatedDocument": padded,
            "EncapsulatedDocumentLength": len(document)}  # fmt: skip
    return file_of(data_set(name, sop_class, **held))


def _ramp(kind: str, *shape: int) -> "np.ndarray[Any, Any]":
    return (np.arange(np.prod(shape)) % 4096).astype(kind).reshape(shape)


MADE = {
    "JPEG-LS, near lossless": _encapsulated(
        "JPEG-LS, near lossless", [b""], "1.2.840.10008.1.2.4.81", "JPEGLSNearLossless_16.dcm",
        PixelData=encapsulate([_jpeg("JPEGLSNearLossless_16.dcm")]),
    ),
    "fragments, a table": _fragmented("fragments, a table", True),
    "fragments, no table": _fragmented("fragments, no table", False),
    "extended offset table": _extended("extended offset table"),
    "MPEG-2": _video("MPEG-2", MPEG2, MPEG2_STREAM),
    "MP4": _video("MP4", MP4, MP4_STREAM),
    "H.264 alone": _video("H.264 alone", MP4, H264_STREAM),
    "float": _floats("float", "Float"),
    "double": _floats("double", "DoubleFloat"),
    "PDF": _document("PDF", "1.2.840.10008.5.1.4.1.1.104.1", "application/pdf", PDF),
    "CDA": _document("CDA", "1.2.840.10008.5.1.4.1.1.104.2", "text/XML", CDA),
    "many frames": file_of(image("many frames", _ramp("<u2", 5, 8, 6))),
    "odd bytes": file_of(image("odd bytes", _ramp("u1", 3, 3, 5))),
    "signed": file_of(image("signed", _ramp("<i2", 8, 8) - 2048)),
}  # fmt: skip


def samples_made(folder: "Any") -> list[Sample]:
    """Them as samples, in a folder."""
    found = []
    for number, (name, data) in enumerate(MADE.items()):
        path = folder / f"{number:03d} {name}"
        path.write_bytes(data)
        sample = sample_at(path)
        assert sample, name
        found.append(sample)
    return found

"""Frames decoded: what runs in the decoder process alone, for it needs numpy, GDCM, OpenJPEG."""

from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from scp.copies.conversion.codecs import jpeg, jpeg2000, rle
from scp.copies.conversion.codecs.codestream import RGB, YBR, DamagedError, Stream
from scp.copies.conversion.codecs.image import Decoded, Image
from scp.copies.conversion.codecs.syntaxes import Codec

Samples = npt.NDArray[Any]

_FULL = ("YBR_FULL", "YBR_FULL_422")
_RGB_WHEN_DECODED = ("RGB", "YBR_ICT", "YBR_RCT")
# Rows converted at a time, times columns.
_CONVERT_PIXELS = 1 << 20


def decode(image: Image, frame: bytes) -> tuple[Decoded, Samples]:
    """One frame as native Pixel Data: Little Endian, color-by-pixel; and what it is.

    Raises DamagedError where the frame is not what `image` says it is.
    """
    if fault := image.fault:
        raise DamagedError(fault)
    if image.codec is Codec.RLE:
        return _rle(image, frame)
    if image.codec is Codec.JPEG_2000:
        stream, codestream = jpeg2000.inspect(frame)
        _check(image, stream)
        return _finish(image, stream, _openjpeg(codestream, stream))
    stream = jpeg.inspect(frame)
    _check(image, stream)
    return _finish(image, stream, _gdcm(image, stream, frame))


def _check(image: Image, stream: Stream) -> None:
    said = (image.rows, image.columns, image.samples)
    if said != (stream.rows, stream.columns, stream.samples):
        raise DamagedError(
            "rows, columns and samples are {}, {} and {} in the data set, ".format(*said)
            + f"and {stream.rows}, {stream.columns} and {stream.samples} in the frame"
        )
    if not 1 <= stream.precision <= 32:
        raise DamagedError(f"its samples have {stream.precision} bits")
    if stream.precision > image.bits_stored and image.high_bit != image.bits_stored - 1:
        raise DamagedError("High Bit is not Bits Stored - 1, and the frame has more bits")


# ---- decoders: the samples as words of 1, 2 or 4 bytes, rows by columns by samples


def _gdcm(image: Image, stream: Stream, frame: bytes) -> Samples:
    """Decode JPEG and JPEG-LS; GDCM converts no colours."""
    gdcm = import_module("gdcm")
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(frame)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    bits = 8 if stream.precision <= 8 else 16
    decoder = gdcm.Image()
    decoder.SetNumberOfDimensions(2)
    decoder.SetDimensions((image.columns, image.rows, 1))
    decoder.SetDataElement(element)
    interpretation = "RGB" if image.samples == 3 else "MONOCHROME2"
    decoder.SetPhotometricInterpretation(
        gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.GetPIType(interpretation))
    )
    if image.samples == 3:
        decoder.SetPlanarConfiguration(0)
    decoder.SetTransferSyntax(
        gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(_gdcm_syntax(image, stream)))
    )
    decoder.SetPixelFormat(
        gdcm.PixelFormat(image.samples, bits, stream.precision, stream.precision - 1, 0)
    )
    return _shaped(image, _buffer(decoder), bits // 8)


def _buffer(decoder: Any) -> bytes:
    text = decoder.GetBuffer()
    if text is None:
        raise DamagedError("GDCM cannot decode it")
    # GDCM gives a char* as str.
    encoded: bytes = text.encode("utf-8", "surrogateescape")
    return encoded


def _gdcm_syntax(image: Image, stream: Stream) -> str:
    """What the frame is in truth, which the data set's transfer syntax may not be."""
    if image.codec is Codec.JPEG_LS:
        return f"1.2.840.10008.1.2.4.8{int(stream.is_near_lossless)}"
    if not stream.is_discrete_cosine:
        return "1.2.840.10008.1.2.4.57"
    return "1.2.840.10008.1.2.4.50" if stream.precision <= 8 else "1.2.840.10008.1.2.4.51"


def _openjpeg(frame: bytes, stream: Stream) -> Samples:
    try:
        data = import_module("openjpeg").decode_pixel_data(frame, version=2)
    except RuntimeError as error:
        raise DamagedError(f"OpenJPEG cannot decode it: {error}") from error
    size = {1: 1, 2: 2}.get((stream.precision + 7) // 8, 4)
    words = np.frombuffer(data, f"<u{size}")
    return words.reshape(stream.rows, stream.columns, stream.samples)


def _shaped(image: Image, data: bytes, size: int) -> Samples:
    if len(data) != image.rows * image.columns * image.samples * size:
        raise DamagedError("its samples are not as many as they should be")
    return np.frombuffer(data, f"<u{size}").reshape(image.rows, image.columns, image.samples)


# ---- from samples to what the attributes say


def _finish(image: Image, stream: Stream, words: Samples) -> tuple[Decoded, Samples]:
    interpretation = _interpretation(image, stream)
    if interpretation == "RGB" and _is_ybr(image, stream):
        words = _to_rgb(words, stream.precision)
    allocated = max(image.bits_allocated, 8 * words.itemsize)
    # Lossy samples may go beyond Bits Stored; bits that a lossless frame has beyond them are
    # what the sender left in the unused ones.
    stored = image.bits_stored
    is_lossy = image.may_be_lossy if stream.is_lossy is None else stream.is_lossy
    if stream.precision > stored and (is_lossy or stream.precision > image.bits_allocated):
        stored = stream.precision
    decoded = Decoded(allocated, stored, stored - 1, interpretation, is_lossy)
    signed = image.pixel_representation == 1
    kind = np.dtype(f"<{'i' if signed else 'u'}{allocated // 8}")
    return decoded, _extended(image, stream, words).astype(kind, copy=False)


def _extended(image: Image, stream: Stream, words: Samples) -> Samples:
    """The words with the bits above the samples' set as Pixel Representation says.

    The sign a JPEG 2000 header tells does not count (as in pydicom): encoders get it wrong.
    """
    sign = stream.precision
    if image.codec is Codec.JPEG:  # has no signs; where it has less bits than stored, no negatives
        sign = max(stream.precision, image.bits_stored)
    unused = 8 * words.itemsize - sign
    if unused < 0:
        return words
    if image.pixel_representation == 1:
        words = words.view(f"<i{words.itemsize}")
    if not unused:
        return words
    shifted = np.left_shift(words, unused)
    return np.right_shift(shifted, unused, out=shifted)


def _is_ybr(image: Image, stream: Stream) -> bool:
    """Whether samples are YBR because of how JPEG works."""
    if image.samples != 3 or not stream.is_discrete_cosine:
        return False
    return stream.colour == YBR or (not stream.colour and image.photometric != "RGB")


def _interpretation(image: Image, stream: Stream) -> str:
    """The Photometric Interpretation of the decoded samples (PS3.3 C.7.6.3.1.2).

    The stream goes before the data set (PS3.5 8.2). JPEG's own YBR is converted, for IODs take
    RGB; YBR of a lossless image is left, for its conversion would lose.
    """
    said = image.photometric
    if image.samples == 1:
        return said
    if said not in (*_FULL, *_RGB_WHEN_DECODED):
        raise DamagedError(f"nothing is known of {said or 'no Photometric Interpretation'} decoded")
    if stream.is_discrete_cosine or said in _RGB_WHEN_DECODED or stream.colour == RGB:
        return "RGB"
    return "YBR_FULL"


def _to_rgb(words: Samples, precision: int) -> Samples:
    """YBR_FULL as RGB (PS3.3 C.7.6.3.1.2, ITU-T T.871), rounded to the nearest."""
    middle, most = 1 << precision - 1, (1 << precision) - 1
    matrix = np.array(
        [[1, 1, 1], [0, -0.114 * 1.772 / 0.587, 1.772], [1.402, -0.299 * 1.402 / 0.587, 0]],
        np.float32,
    )
    converted = np.empty_like(words)
    rows = max(1, _CONVERT_PIXELS // words.shape[1])
    for start in range(0, len(words), rows):
        part = words[start : start + rows].astype(np.float32)
        part -= np.array([0, middle, middle], np.float32)
        rounded = np.floor(part @ matrix + np.float32(0.5))
        converted[start : start + rows] = np.clip(rounded, 0, most)
    return converted


def _rle(image: Image, frame: bytes) -> tuple[Decoded, Samples]:
    size = image.bits_allocated // 8
    pixels = image.rows * image.columns
    segments = rle.decode(frame, image.samples * size, pixels)
    if image.samples * size == 1:
        words: Samples = np.frombuffer(next(segments), np.uint8)
    else:
        words = np.empty((pixels, image.samples, size), np.uint8)
        for number, segment in enumerate(segments):
            sample, byte = divmod(number, size)
            words[:, sample, size - 1 - byte] = np.frombuffer(segment, np.uint8)
    interpretation = image.photometric
    if interpretation in _FULL:
        interpretation = "YBR_FULL"  # a segment has a byte of every pixel
    decoded = Decoded(
        image.bits_allocated, image.bits_stored, image.high_bit, interpretation, is_lossy=False
    )
    return decoded, words

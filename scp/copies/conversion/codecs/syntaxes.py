"""The transfer syntaxes that can be read, and written (PS3.5 annex A)."""

from dataclasses import dataclass
from enum import StrEnum

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)


class Codec(StrEnum):
    """What a frame is compressed with."""

    JPEG = "JPEG"
    JPEG_LS = "JPEG-LS"
    JPEG_2000 = "JPEG 2000"
    RLE = "RLE"


@dataclass(frozen=True)
class Syntax:
    """How a data set is encoded, and its frames; `lossless` where they cannot be but that."""

    implicit_vr: bool = False
    little_endian: bool = True
    deflated: bool = False
    codec: Codec | None = None
    lossless: bool = True


# Best first: Implicit VR loses the VRs of private elements, Big Endian is retired.
UNCOMPRESSED: dict[str, Syntax] = {
    str(ExplicitVRLittleEndian): Syntax(),
    str(DeflatedExplicitVRLittleEndian): Syntax(deflated=True),
    str(ImplicitVRLittleEndian): Syntax(implicit_vr=True),
    str(ExplicitVRBigEndian): Syntax(little_endian=False),
}

# Those that have a decoder here. Spectral selection and full progression (retired) are the
# Huffman coded ones, whatever the sample's depth; nothing here reads arithmetic coding.
COMPRESSED: dict[str, Syntax] = {
    str(JPEGBaseline8Bit): Syntax(codec=Codec.JPEG, lossless=False),
    str(JPEGExtended12Bit): Syntax(codec=Codec.JPEG, lossless=False),
    "1.2.840.10008.1.2.4.53": Syntax(codec=Codec.JPEG, lossless=False),
    "1.2.840.10008.1.2.4.55": Syntax(codec=Codec.JPEG, lossless=False),
    str(JPEGLossless): Syntax(codec=Codec.JPEG),
    str(JPEGLosslessSV1): Syntax(codec=Codec.JPEG),
    str(JPEGLSLossless): Syntax(codec=Codec.JPEG_LS),
    str(JPEGLSNearLossless): Syntax(codec=Codec.JPEG_LS, lossless=False),
    str(JPEG2000Lossless): Syntax(codec=Codec.JPEG_2000),
    str(JPEG2000): Syntax(codec=Codec.JPEG_2000, lossless=False),
    str(HTJ2KLossless): Syntax(codec=Codec.JPEG_2000),
    str(HTJ2KLosslessRPCL): Syntax(codec=Codec.JPEG_2000),
    str(HTJ2K): Syntax(codec=Codec.JPEG_2000, lossless=False),
    str(RLELossless): Syntax(codec=Codec.RLE),
}

SYNTAXES: dict[str, Syntax] = UNCOMPRESSED | COMPRESSED

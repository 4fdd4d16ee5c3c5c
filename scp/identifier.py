"""Identifiers of responses, encoded straight from text values."""

import zlib
from collections.abc import Mapping

from pydicom.datadict import dictionary_VR
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from storage import charsets
from storage.extract import CHARACTER_SET
from storage.values import element, to_bytes

QUERY_RETRIEVE_LEVEL = Tag(0x0008, 0x0052)
RETRIEVE_AE_TITLE = Tag(0x0008, 0x0054)
INSTANCE_AVAILABILITY = Tag(0x0008, 0x0056)
FAILED_SOP_INSTANCE_UID_LIST = Tag(0x0008, 0x0058)


def encode(texts: Mapping[BaseTag, str], transfer_syntax: str, asked_charset: str = "") -> bytes:
    """A data set of `texts`, by tag, with the Specific Character Set that they need.

    That is none where all is ASCII, `asked_charset` where it will do, else UTF-8.
    """
    term = charsets.choose(texts.values(), asked_charset)
    named = charsets.charset(term)
    implicit = transfer_syntax == ImplicitVRLittleEndian
    little_endian = transfer_syntax != ExplicitVRBigEndian
    held = {CHARACTER_SET: term, **texts} if term else dict(texts)
    parts = []
    for tag in sorted(held):
        vr = dictionary_VR(tag).split(" ")[0]
        value = to_bytes(vr, held[tag], named, little_endian)
        parts.append(element(tag, vr, value, implicit, little_endian))
    data = b"".join(parts)
    if transfer_syntax == DeflatedExplicitVRLittleEndian:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data = deflater.compress(data) + deflater.flush()
        data += b"\0" * (len(data) % 2)  # PS3.5 A.5
    return data

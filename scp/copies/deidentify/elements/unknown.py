"""Sequences that lie as VR UN: in Implicit VR Little Endian, wherever they are (PS3.5 6.2.2)."""

import struct
from io import BytesIO

from scp.copies.conversion.codecs import Syntax
from scp.copies.conversion.data_set import (
    Adapt,
    DataSetSource,
    Made,
    Span,
    StoredElement,
    TranscodeError,
    Writer,
)

_MOST_BYTES = 16 * 1024 * 1024
_DELIMITER_BYTES = 8


def sequence(
    source: DataSetSource, element: StoredElement, target: Syntax, adapt: Adapt
) -> Made | None:
    """What `adapt` makes of it, as a sequence; None: it is none, or nothing is left of it."""
    end = element.end - (_DELIMITER_BYTES if element.is_undefined else 0)
    if end - element.start > _MOST_BYTES:
        return None
    value = source.read(Span(element.start, end - element.start))
    head = struct.pack("<HHI", element.tag >> 16, element.tag & 0xFFFF, len(value))
    inner = DataSetSource(BytesIO(head + value), 0, len(head) + len(value), True, True)
    out = BytesIO()
    try:
        Writer(out, target, adapt, False).write(inner)
    except TranscodeError:
        return None
    written = out.getvalue()[8 if target.implicit_vr else 12 :]
    return Made(element.tag, "SQ", len(written), [written]) if out.getvalue() else None

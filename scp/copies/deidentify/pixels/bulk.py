"""The elements from Pixel Data on: one of them is left, and what is in it."""

from scp.copies.conversion.codecs import COMPRESSED, SYNTAXES, Syntax
from scp.copies.conversion.data_set import (
    PIXEL_DATA,
    DataSetSource,
    Scope,
    StoredElement,
    TranscodeError,
)
from scp.copies.deidentify.elements import VIDEO
from scp.copies.deidentify.pixels import encapsulated, native
from scp.copies.deidentify.pixels.pixel_data import PIXELS, Bulk, Note, frame_count, image_of

_TABLES = (encapsulated.OFFSETS, encapsulated.LENGTHS, encapsulated.TOTAL)


def cleaned(
    source: DataSetSource, elements: list[StoredElement], scope: Scope, syntax_uid: str, note: Note
) -> Bulk:
    """What becomes of the elements from group 7FE0 on; `scope` has those in front.

    Raises TranscodeError where they are not as they should be, DataSetError.
    """
    pixels = [one for one in elements if one.tag in PIXELS]
    if len(pixels) > 1:
        raise TranscodeError("there is more than one Pixel Data")
    if any(one.tag not in PIXELS and one.tag not in _TABLES for one in elements):
        # Padding, signatures and private elements, or whatever does not belong there.
        note("elements behind the Pixel Data")
    if not pixels:
        return Bulk(b"", source.file, source.end, source.end)
    pixel_data, target = pixels[0], SYNTAXES.get(syntax_uid, Syntax())
    if not pixel_data.is_undefined:
        if syntax_uid in COMPRESSED and pixel_data.length:
            raise TranscodeError("the Pixel Data is not encapsulated as its syntax says")
        return native.cleaned(source, target, pixel_data, scope, note)
    if syntax_uid.startswith(VIDEO):
        return encapsulated.copied(source, target, pixel_data)
    syntax = COMPRESSED.get(syntax_uid)
    if syntax is None or syntax.codec is None or pixel_data.tag != PIXEL_DATA:
        raise TranscodeError("the Pixel Data is encapsulated in an uncompressed syntax")
    image = image_of(scope, pixel_data, syntax.codec, not syntax.lossless)
    has_table = any(one.tag == encapsulated.OFFSETS for one in elements)
    frames = frame_count(scope)
    return encapsulated.cleaned(source, target, pixel_data, image, frames, has_table, note)

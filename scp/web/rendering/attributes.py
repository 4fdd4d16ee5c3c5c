"""What a data set says of how it is shown: some attributes of it, read without the others."""

from collections.abc import Iterable, Iterator
from copy import copy
from functools import cached_property

from pydicom.charset import convert_encodings
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from scp.copies.conversion.data_set import (
    Scope,
    StoredElement,
    StoredItem,
    TranscodeError,
    find,
    swapped,
    unit,
)

# A value that is longer is passed over.
_MOST_VALUE_BYTES = 4 << 20
_MOST_ITEMS = 4096
_CHARSET = "SpecificCharacterSet"
# Tables may be US or OW (PS3.3 C.11.1.1); here they are bytes, Little Endian.
_TABLES = ("LUTData", "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData",
           "BluePaletteColorLookupTableData", "SegmentedRedPaletteColorLookupTableData",
           "SegmentedGreenPaletteColorLookupTableData",
           "SegmentedBluePaletteColorLookupTableData")  # fmt: skip
# Of the groups of a frame (PS3.3 C.7.6.16).
_GROUPS = ("FrameVOILUTSequence", "PixelValueTransformationSequence", "PixelMeasuresSequence")
_SHARED, _PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
_OF_PICTURES = (
    _CHARSET, *_TABLES, *_GROUPS, _SHARED,
    "LUTDescriptor", "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept",
    "WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence",
    "PresentationLUTShape", "PixelPresentation", "PixelPaddingValue", "PixelPaddingRangeLimit",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "PixelRepresentation",
    "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio",
    "FrameTime", "FrameTimeVector", "CineRate", "RecommendedDisplayFrameRate", "ICCProfile",
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex",
    "Modality", "StudyDate", "SeriesDescription", "SliceThickness", "KVP",
)  # fmt: skip


def tags_of(keywords: Iterable[str]) -> frozenset[int]:
    """The tags of some keywords."""
    return frozenset(tag for one in keywords if (tag := tag_for_keyword(one)) is not None)


_TABLE_TAGS = tags_of(_TABLES)
_PICTURE_TAGS = tags_of(_OF_PICTURES)
_PER_FRAME_TAG = tag_for_keyword(_PER_FRAME)


def attributes_of(scope: Scope, wanted: frozenset[int], charset: str = "") -> Dataset:
    """The attributes of these tags, in a data set and in what is nested in it.

    `charset` holds where no Specific Character Set is told. Raises TranscodeError.
    """
    named = scope.value(0x00080005, 256).decode("latin-1").strip(" \0")
    try:
        encodings = convert_encodings((named or charset or "ISO_IR 6").split("\\"))
    except (LookupError, ValueError):
        encodings = ["iso8859"]
    return _data_set(scope, wanted, encodings)


def _data_set(scope: Scope, wanted: frozenset[int], encodings: list[str]) -> Dataset:
    made = Dataset()
    made.set_original_encoding(False, True, encodings)
    for element in scope.elements:
        if element.tag not in wanted or not isinstance(element, StoredElement):
            continue
        vr = "OW" if element.tag in _TABLE_TAGS else element.vr or find(element.tag, scope)
        if vr == "SQ":
            items = [_data_set(one, wanted, encodings) for one in _scopes(scope, element)]
            made.add(DataElement(element.tag, "SQ", Sequence(items)))
        elif element.length <= _MOST_VALUE_BYTES and not element.is_undefined:
            value = b"".join(_little_endian(scope, element, vr))
            made[element.tag] = RawDataElement(
                Tag(element.tag), vr, len(value), value, 0, False, True
            )
    return made


def _scopes(scope: Scope, element: StoredElement) -> Iterator[Scope]:
    for number, item in enumerate(scope.source.items(element, scope.depth + 1)):
        if number >= _MOST_ITEMS:
            raise TranscodeError(f"a sequence has more than {_MOST_ITEMS} items")
        yield Scope(scope.source, list(item.elements), scope)


def _little_endian(scope: Scope, element: StoredElement, vr: str) -> Iterator[bytes]:
    chunks = scope.source.chunks(element.start, element.start + element.length)
    return chunks if scope.source.little_endian or unit(vr) <= 1 else swapped(vr, chunks)


class Shown:
    """What a data set says of how its frames are shown."""

    def __init__(self, scope: Scope, charset: str = "") -> None:
        """Raises TranscodeError."""
        self._scope = scope
        self._charset = charset
        self._items: list[StoredItem] = []

    @cached_property
    def whole(self) -> Dataset:
        """Of all frames, with what the functional groups that they share say at its top."""
        found = attributes_of(self._scope, _PICTURE_TAGS, self._charset)
        for group in found.get(_SHARED) or []:
            _lift(group, found)
        return found

    def of_frame(self, number: int) -> Dataset:
        """Of one, with what its functional groups say of it at its top (PS3.3 C.7.6.16)."""
        item = self._item(number)
        if item is None:
            return self.whole
        made = copy(self.whole)
        scope = Scope(self._scope.source, list(item.elements), self._scope)
        _lift(attributes_of(scope, _PICTURE_TAGS, self._charset), made)
        return made

    @cached_property
    def _per_frame(self) -> Iterator[StoredItem]:
        for element in self._scope.elements:
            if element.tag == _PER_FRAME_TAG and isinstance(element, StoredElement):
                return self._scope.source.items(element, 1)
        return iter(())

    def _item(self, number: int) -> StoredItem | None:
        while len(self._items) <= number:
            item = next(self._per_frame, None)
            if item is None:
                return None
            self._items.append(item)
        return self._items[number]


def _lift(group: Dataset, made: Dataset) -> None:
    for name in _GROUPS:
        for item in group.get(name) or []:
            made.update(item)

"""Softcopy presentation states: which image they show, and how (PS3.3 A.33, PS3.4 N.2)."""

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass, replace

from pydicom.dataset import Dataset

from scp.copies.conversion.data_set import Scope, TranscodeError
from scp.web.rendering.attributes import attributes_of, tags_of
from scp.web.rendering.viewing import Viewing

_OF_VALUES = (
    "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth",
    "VOILUTFunction", "VOILUTSequence", "PresentationLUTShape",
)  # fmt: skip
_WANTED = tags_of((
    *_OF_VALUES, "SpecificCharacterSet", "LUTDescriptor", "LUTData", "PixelRepresentation",
    "SoftcopyVOILUTSequence", "ReferencedSeriesSequence", "SeriesInstanceUID",
    "ReferencedImageSequence", "ReferencedSOPInstanceUID", "ReferencedFrameNumber",
    "DisplayedAreaSelectionSequence", "DisplayedAreaTopLeftHandCorner",
    "DisplayedAreaBottomRightHandCorner", "ImageRotation", "ImageHorizontalFlip",
    "GraphicAnnotationSequence", "PresentationLUTSequence", "ShutterShape",
))  # fmt: skip
# What a state may have that is told, and not drawn.
_NOT_DRAWN = {
    "GraphicAnnotationSequence": "annotations", "ShutterShape": "shutters",
    "PresentationLUTSequence": "its presentation LUT",
}  # fmt: skip
_Corner = tuple[int, int]


@dataclass(frozen=True)
class Reference:
    """An image, or a frame of it from 1 on, that a state is for."""

    series: str
    instance: str
    frame: int


@dataclass(frozen=True)
class Presentation:
    """A presentation state."""

    header: Dataset

    def references(self) -> Iterator[Reference]:
        """The images that it is for, in their order."""
        for series in self.header.get("ReferencedSeriesSequence") or []:
            for image in series.get("ReferencedImageSequence") or []:
                yield Reference(
                    str(series.get("SeriesInstanceUID", "")),
                    str(image.get("ReferencedSOPInstanceUID", "")), _frame(image) or 1,
                )  # fmt: skip

    def applied(self, image: Dataset, of: Reference) -> Dataset:
        """The header of an image with the state's values in place of its own (PS3.4 N.2.1).

        What the state does not say is not taken from the image: it has no modality LUT then.
        """
        made = copy(image)
        for name in _OF_VALUES:
            if name in made:
                del made[name]
        for source in (self.header, self._for("SoftcopyVOILUTSequence", of)):
            made.update({element.tag: element for element in source
                         if element.keyword in _OF_VALUES})  # fmt: skip
        made.PresentationLUTShape = made.get("PresentationLUTShape") or "IDENTITY"
        return made

    def viewing(self, asked: Viewing, of: Reference, size: tuple[int, int]) -> Viewing:
        """What is asked with the state's area, rotation and flip; `size`: columns and rows."""
        left_out = tuple(
            f"the presentation state has {words}, which are not drawn"
            for name, words in _NOT_DRAWN.items() if self.header.get(name)
        )  # fmt: skip
        return replace(
            asked, region=self._region(of, size) or asked.region,
            rotation=int(self.header.get("ImageRotation") or 0) % 360,
            is_flipped=self.header.get("ImageHorizontalFlip") == "Y",
            warnings=(*asked.warnings, *left_out),
        )  # fmt: skip

    def _region(
        self, of: Reference, size: tuple[int, int]
    ) -> tuple[float, float, float, float] | None:
        """The displayed area, as far as it lies in the image (PS3.3 C.10.4)."""
        item = self._for("DisplayedAreaSelectionSequence", of)
        try:
            left, upper = map(int, item.DisplayedAreaTopLeftHandCorner)
            right, lower = map(int, item.DisplayedAreaBottomRightHandCorner)
        except (AttributeError, TypeError, ValueError):
            return None
        columns, rows = size
        left, upper = max(left - 1, 0), max(upper - 1, 0)
        right, lower = min(right, columns), min(lower, rows)
        if left >= right or upper >= lower:
            raise TranscodeError("the area of the presentation state lies outside of the image")
        return left / columns, upper / rows, right / columns, lower / rows

    def _for(self, sequence: str, of: Reference) -> Dataset:
        """The item of a sequence that is for an image: one that names it, or that names none."""
        items: Iterable[Dataset] = self.header.get(sequence) or []
        for item in items:
            images = item.get("ReferencedImageSequence") or []
            named = [one for one in images if one.get("ReferencedSOPInstanceUID") == of.instance]
            if not images or any(_frame(one) in (None, of.frame) for one in named):
                return item
        return Dataset()


def _frame(image: Dataset) -> int | None:
    """The first of the frames that a reference names; None where it is for all."""
    value = image.get("ReferencedFrameNumber")
    found = value if isinstance(value, int) or not value else value[0]
    return int(found) if found else None


def presentation(scope: Scope) -> Presentation:
    """The presentation state in a data set. Raises TranscodeError."""
    return Presentation(attributes_of(scope, _WANTED))

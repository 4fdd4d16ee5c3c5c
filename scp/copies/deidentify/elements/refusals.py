"""Instances that are not given away de-identified, unless an option takes them, and why."""

from collections.abc import Callable
from dataclasses import dataclass

from pydicom._uid_dict import UID_dictionary

from scp.copies.conversion.codecs import SYNTAXES
from scp.copies.conversion.data_set import Scope
from scp.copies.deidentify.elements.encoding import text_of
from scp.copies.deidentify.rules import Profile, Take
from storage.diagnostics import DataSetError
from storage.dicom import FileMeta

_SOP_CLASS, _IMAGE_TYPE, _MODALITY, _CONVERSION = 0x00080016, 0x00080008, 0x00080060, 0x00080064
_BURNED_IN, _FEATURES, _LABEL = 0x00280301, 0x00280302, 0x00480010
_ROWS = 0x00280010
_STORAGE = "1.2.840.10008.5.1.4.1.1."
# Classes in whose images devices and people write: ultrasound, secondary capture, and visible
# light that is neither a slide nor an eye's scan.
_WRITTEN_CLASSES = tuple(
    _STORAGE + one
    for one in ("3.", "3.1", "6.", "6.1", "6.2", "7", "7.", "77.1.1", "77.1.2", "77.1.4",
                "77.1.5.1", "77.1.5.2")
)  # fmt: skip
_WRITTEN_MODALITIES = frozenset({
    "BDUS", "BMD", "DMS", "DOC", "ECG", "EPS", "ES", "GM", "HC", "HD", "IVOCT", "IVUS", "KER",
    "LEN", "LS", "OAM", "OP", "OPM", "OPV", "OT", "SC", "SM", "SMR", "SRF", "US", "VA", "XC",
})  # fmt: skip
# Conversion Type (PS3.3 C.8.6.1) of all but synthetic images.
_CONVERSIONS = frozenset({"DF", "DI", "DRW", "DV", "SD", "SI", "WSD"})
# Values of Image Type: what a screen shows, a report, a label.
_SHOWN = ("SCREEN", "CAPTURE", "REPORT", "PROT", "DOSE", "SNAPSHOT", "PHOTO")
_DOCUMENTS = (_STORAGE + "104.",)
_NO = ("", "NO")
# MPEG2, MPEG-4 and HEVC: 100 to 108, and fragmentable.
VIDEO = "1.2.840.10008.1.2.4.10"


@dataclass(frozen=True)
class _Instance:
    """What is asked of an instance."""

    scope: Scope
    meta: FileMeta

    @property
    def syntax(self) -> str:
        """The transfer syntax."""
        return self.meta.transfer_syntax_uid

    @property
    def sop_classes(self) -> set[str]:
        """What the header says, and the data set."""
        return {self.meta.sop_class_uid, text_of(self.scope, _SOP_CLASS)} - {""}

    def says(self, tag: int) -> str:
        """A value in capitals, without padding."""
        return text_of(self.scope, tag).upper()

    @property
    def suggests_text(self) -> bool:
        """Whether it does not say that there is none, and is of a kind that often has some."""
        return (
            bool(self.scope.number(_ROWS))
            and not self.says(_BURNED_IN)
            and (
                any(_is_of(one, _WRITTEN_CLASSES) for one in self.sop_classes)
                or self.says(_MODALITY) in _WRITTEN_MODALITIES
                or self.says(_CONVERSION) in _CONVERSIONS
                or any(one in self.says(_IMAGE_TYPE) for one in _SHOWN)
            )
        )

    @property
    def shows_label(self) -> bool:
        """Whether it is of a slide's label, or with it."""
        kinds = [one.strip() for one in self.says(_IMAGE_TYPE).split("\\")]
        return "LABEL" in kinds or self.says(_LABEL) not in _NO


@dataclass(frozen=True)
class _Refusal:
    """Of those that a rule finds; `take` is the option that has them, if there is one."""

    applies: Callable[[_Instance], bool]
    words: str
    take: Take | None = None


def _is_of(sop_class: str, roots: tuple[str, ...]) -> bool:
    return any(
        sop_class == one or (one.endswith(".") and sop_class.startswith(one)) for one in roots
    )


_REFUSALS = (
    _Refusal(
        lambda one: any(_is_of(uid, _DOCUMENTS) for uid in one.sop_classes),
        "is an encapsulated document, in which nothing can be found and removed",
    ),
    _Refusal(
        lambda one: not one.sop_classes <= UID_dictionary.keys(),
        "is of a SOP Class that is none of the standard's, so that it is not known what is in it",
    ),
    _Refusal(
        lambda one: one.syntax.startswith(VIDEO),
        "is video, whose stream may hold text",
        Take.VIDEO,
    ),
    _Refusal(
        lambda one: not one.syntax.startswith(VIDEO) and one.syntax not in SYNTAXES,
        "is compressed in a way that nothing here reads, so that metadata may be in its frames",
    ),
    _Refusal(
        lambda one: one.says(_BURNED_IN) not in _NO,
        "says that it has burned in annotation, which is not removed",
        Take.BURNED_IN,
    ),
    _Refusal(
        lambda one: one.shows_label,
        "shows the label of a slide, which is not removed",
        Take.BURNED_IN,
    ),
    _Refusal(
        lambda one: one.suggests_text,
        "does not say that it has no burned in annotation, and images of its kind often have some",
        Take.BURNED_IN,
    ),
    _Refusal(
        lambda one: one.says(_FEATURES) not in _NO,
        "says that it has features by which the patient can be recognized, which are not removed",
        Take.RECOGNIZABLE,
    ),
)


def check(scope: Scope, meta: FileMeta, profile: Profile) -> None:
    """Raise DataSetError, with the option that takes it, for what is refused."""
    instance = _Instance(scope, meta)
    found = [one for one in _REFUSALS if one.take not in profile.taken and one.applies(instance)]
    if not found:
        return
    for one in found:
        if not one.take:
            raise DataSetError(one.words)
    options = dict.fromkeys(f"--{one.take}" for one in found)
    verb = "takes" if len(options) == 1 else "take"
    words = " and ".join(one.words for one in found)
    raise DataSetError(f"{words}: {' '.join(options)} {verb} it as it is")

"""A data set without what identifies its patient: bulk data is not read."""

import re
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from pydicom.uid import UID

from scp.conversion.layout import PIXEL_DATA, Element, Source, belongs
from scp.conversion.rewrite import Writer
from scp.conversion.syntaxes import Syntax
from scp.conversion.vrs import Made, Scope, find
from scp.deidentify.content import Content
from scp.deidentify.encoding import code_item, dummy, encoded, made, text_of
from scp.deidentify.profile import Profile
from scp.deidentify.pseudonyms import Pseudonyms
from scp.deidentify.rules import Action, action_of
from storage.errors import DataSetError

_PATIENT_NAME, _PATIENT_ID, _STUDY = 0x00100010, 0x00100020, 0x0020000D
_BURNED_IN, _TEMPORAL = 0x00280301, 0x00280303
_REMOVED, _METHOD, _CODES = 0x00120062, 0x00120063, 0x00120064
# What is kept of a value has the form of one (PS3.5 6.2): nothing hides in it.
_FORMS = {
    "DA": re.compile(r"\d{8}|\d{4}\.\d\d\.\d\d"),
    "DT": re.compile(r"\d{4,14}(\.\d{1,6})?([+-]\d{4})?"),
    "TM": re.compile(r"\d{2,6}(\.\d{1,6})?|\d\d:\d\d(:\d\d(\.\d{1,6})?)?"),
    "UI": re.compile(r"[0-9.]*"),
}


@dataclass(frozen=True)
class Deidentification:
    """The encoded elements before Pixel Data, and where that lies in the file, as it is."""

    head: bytes
    start: int
    end: int


def deidentified(
    file: BinaryIO, start: int, syntax_uid: str, profile: Profile, pseudonyms: Pseudonyms
) -> Deidentification:
    """What the data set becomes that lies in `file` from `start` on, not deflated.

    Raises TranscodeError where it is not a whole data set, DataSetError where it is refused.
    """
    syntax = UID(syntax_uid)
    if not syntax.is_transfer_syntax or syntax.is_private:
        raise DataSetError(f"cannot be de-identified: {syntax_uid} is not known")
    end = file.seek(0, 2)
    source = Source(file, start, end, syntax.is_implicit_VR, syntax.is_little_endian)
    head = source.elements_before(PIXEL_DATA & 0xFFFF0000)
    if not any(
        one.vr for one in head if belongs(one.tag)
    ):  # Implicit VR, whatever its transfer syntax says
        source = Source(file, start, end, True, source.little_endian)
    bulk_start = head[-1].end if head else start
    # Behind the Pixel Data are padding, signatures and private elements: all of action X.
    rest = Source(file, bulk_start, end, source.implicit_vr, source.little_endian)
    bulk_end = bulk_start
    for element in rest.elements():
        if element.tag >> 16 == PIXEL_DATA >> 16:
            bulk_end = element.end
    held = Source(file, start, bulk_start, source.implicit_vr, source.little_endian)
    out = BytesIO()
    target = Syntax(source.implicit_vr, source.little_endian)
    removal = _Removal(Scope(held, [one for one in head if belongs(one.tag)]), profile, pseudonyms)
    Writer(out, target, removal.adapt, False).write(held)
    return Deidentification(out.getvalue(), bulk_start, bulk_end)


class _Removal:
    """Of one data set."""

    def __init__(self, scope: Scope, profile: Profile, pseudonyms: Pseudonyms) -> None:
        if text_of(scope, _BURNED_IN).upper() == "YES" and not profile.takes_burned_in:
            raise DataSetError(
                "says that it has burned in annotation, which is not removed: --burned-in "
                "takes it as it is"
            )
        self._profile, self._pseudonyms = profile, pseudonyms
        # Without an ID instances of one study are of one patient, and nobody else's.
        self._patient = text_of(scope, _PATIENT_ID) or f"study\0{text_of(scope, _STUDY)}"
        self._content = Content(scope.source)

    def adapt(self, scope: Scope) -> list[Element | Made]:
        """What a data set or an item becomes."""
        is_content = self._content.holds(scope)
        kept: dict[int, Element | Made] = {}
        for element in scope.elements:
            assert isinstance(element, Element)
            if (one := self._adapted(element, scope, is_content)) is not None:
                kept[element.tag] = one
        if not scope.outer:
            kept |= {one.tag: one for one in self._told(scope.source)}
        return [kept[tag] for tag in sorted(kept)]

    def _adapted(self, element: Element, scope: Scope, is_content: bool) -> Element | Made | None:
        known = find(element.tag, scope)
        # Nothing is seen of what is in it: not what the dictionary has for its tag.
        if "SQ" in (known, element.vr or known) and element.vr not in ("SQ", ""):
            return None
        if known != "SQ" and (element.vr == "SQ" or element.is_undefined):
            return None
        action = action_of(element.tag, known, self._profile.retained)
        if action is Action.KEEP and is_content:
            content = self._content.adapted(element, known, scope)
            if isinstance(content, Made):
                return content
        if action is Action.KEEP:
            return self._kept(element, known, scope)
        if action is Action.CONTENT:
            self._content.enter(element)
            return element
        if action is Action.REMOVE:
            return None
        if not element.length:
            return element  # what says nothing stays so
        if known == "SQ":
            is_dummy = action is Action.DUMMY
            return self._content.dummy(element) if is_dummy else made(element.tag, "SQ", b"")
        return self._replaced(element, known, action, scope)

    def _kept(self, element: Element, vr: str, scope: Scope) -> Element | Made:
        form = _FORMS.get(vr)
        if form is None:
            return element
        texts = text_of(scope, element.tag).split("\\")
        if all(not text or form.fullmatch(text) for text in texts):
            return element
        return made(element.tag, vr, b"" if vr == "UI" else dummy(vr))

    def _replaced(self, element: Element, vr: str, action: Action, scope: Scope) -> Element | Made:
        if action is Action.EMPTY:
            return made(element.tag, vr, b"")
        text = text_of(scope, element.tag)
        if action is Action.UID or vr == "UI":
            uids = [self._pseudonyms.uid(one) for one in text.split("\\")]
            return made(element.tag, "UI", encoded("UI", "\\".join(uids)))
        if action is Action.SHIFT:
            return self._shifted(element, vr, text, scope)
        if action is Action.PATIENT_ID and scope.outer:
            return made(element.tag, vr, encoded(vr, self._pseudonyms.patient_id(text)))
        if action is Action.PATIENT_NAME and scope.outer:
            return made(element.tag, vr, encoded(vr, self._pseudonyms.patient_name(text)))
        return made(element.tag, vr, dummy(vr))

    def _shifted(self, element: Element, vr: str, text: str, scope: Scope) -> Element | Made:
        if vr == "TM":  # whole days leave the time as it is
            return self._kept(element, vr, scope)
        moved = [self._pseudonyms.shifted(vr, one, self._patient) for one in text.split("\\")]
        value = encoded(vr, "\\".join(moved)) if all(moved) else dummy(vr)
        return made(element.tag, vr, value)

    def _told(self, source: Source) -> list[Made]:
        """The patient's pseudonyms, and that and how it was done (PS3.15 E.1.1)."""
        profile, pseudonyms = self._profile, self._pseudonyms
        items = b"".join(code_item(source, code, "DCM", words) for code, words in profile.codes)
        texts = (
            (_PATIENT_NAME, "PN", profile.patient_name or pseudonyms.patient_name(self._patient)),
            (_PATIENT_ID, "LO", profile.patient_id or pseudonyms.patient_id(self._patient)),
            (_REMOVED, "CS", "YES"),
            (_METHOD, "LO", "\\".join(words[:64] for _, words in profile.codes)),
            (_TEMPORAL, "CS", profile.temporal),
        )
        told = [made(tag, vr, encoded(vr, text)) for tag, vr, text in texts]
        return [*told, made(_CODES, "SQ", items)]

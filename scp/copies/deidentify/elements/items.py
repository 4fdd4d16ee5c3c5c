"""The elements of a data set, and of the items in it: kept, replaced or left out."""

from collections.abc import Callable, Iterable
from functools import partial

from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import keyword_for_tag

from scp.copies.conversion.codecs import Syntax
from scp.copies.conversion.data_set import Made, Scope, StoredElement, find
from scp.copies.deidentify.elements import binary, codes, icc, unknown
from scp.copies.deidentify.elements.content import Within
from scp.copies.deidentify.elements.encoding import (
    code_item,
    dummy,
    encoded,
    made,
    text_of,
    vr_of,
)
from scp.copies.deidentify.elements.report import name_of
from scp.copies.deidentify.rules import (
    Action,
    Judgement,
    Profile,
    Pseudonyms,
    Retain,
    action_of,
    forms,
    is_known,
    safe,
)

# Text of which nothing can be judged; names and terms are shorter.
_MOST_TEXT_BYTES = 1 << 16
# What stands for a code that is not known.
_NO_CODE = {"CodeValue": "0", "CodingSchemeDesignator": "99REMOVED", "CodeMeaning": "Removed"}

One = StoredElement | Made


class Items:
    """Of one data set that is written in the encoding of `target`.

    `note` takes the names of what goes without a rule of the profile.
    """

    def __init__(
        self, target: Syntax, profile: Profile, pseudonyms: Pseudonyms, patient: str,
        note: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._target, self._profile, self._pseudonyms = target, profile, pseudonyms
        self._patient, self._note = patient, note
        self._content, self._retained = Within(), Within()

    def adapted(self, scope: Scope) -> list[One]:
        """What a data set or an item becomes."""
        level = _Level(self, scope)
        found = {
            one.tag: level.adapted(one) for one in scope.elements if isinstance(one, StoredElement)
        }
        return [one for tag in sorted(found) if (one := found[tag]) is not None]


class _Level:
    """Of one data set or item."""

    def __init__(self, items: Items, scope: Scope) -> None:
        self._items, self._scope = items, scope
        self._is_content = items._content.holds(scope)
        self._is_retained = items._retained.holds(scope)
        self._meaning = "" if self._is_retained else codes.meaning_of(scope)

    def adapted(self, element: StoredElement) -> One | None:
        """What an element becomes; None: it is left out."""
        if not element.tag & 0xFFFF:
            return None  # a group length, retired, which would be wrong
        if element.vr == "UN" and find(element.tag, self._scope) == "SQ":
            return self._of_unknown(element)
        vr = vr_of(element, self._scope)
        if not vr or not is_known(element.tag):
            self._note(element)
            return None
        action = action_of(element.tag, vr, self._items._profile.retained)
        if action is Action.REMOVE:
            return None
        if not element.length:
            return element  # what says nothing stays so
        if action is Action.KEEP and vr == "SQ":
            self._items._retained.enter(element)
            return element
        if action is Action.JUDGE:
            return self._judged(element, vr)
        return _ACTIONS[action](self, element, vr)

    def _of_unknown(self, element: StoredElement) -> One | None:
        """A sequence of which the data set does not say that it is one; as if it stood alone."""
        one = self._items
        alone = Items(one._target, one._profile, one._pseudonyms, one._patient, one._note)
        found = None
        if not self._is_content and not self._is_retained:
            found = unknown.sequence(self._scope.source, element, one._target, alone.adapted)
        if not found:
            self._note(element)
        return found

    def _judged(self, element: StoredElement, vr: str) -> One | None:
        keyword = keyword_for_tag(element.tag)
        if keyword == "ICCProfile":
            return self._profile_of_colours(element, vr)
        if safe.is_never_safe(element.tag, vr):
            self._note(element)
            return None
        if self._is_content and keyword in ("MeasuredValueSequence", "ConceptCodeSequence"):
            return self._dummy(element, vr) if keyword[0] == "C" else made(element.tag, vr, b"")
        if vr == "SQ":
            return element
        if self._is_retained:
            return self._kept(element, vr)
        if keyword in codes.KEYWORDS:
            return self._code(element, vr, keyword)
        if vr == "UI":
            return self._known_uids(element, vr)
        if vr == "CS" or vr in forms.TEXT_VRS:
            return self._judged_text(element, vr)
        return self._kept(element, vr)

    def _code(self, element: StoredElement, vr: str, keyword: str) -> One | None:
        """A code of PS3.16 with its meaning there; else one that says nothing."""
        if self._meaning is None:
            self._note(element)
            text = _NO_CODE.get(keyword)
            return made(element.tag, vr, encoded(vr, text)) if text else None
        if not self._meaning:
            return self._judged_text(element, vr)
        if keyword == codes.MEANING:
            return self._as_in_standard(element, vr, self._meaning)
        return self._as_stored(element, vr)

    def _as_in_standard(self, element: StoredElement, vr: str, meaning: str) -> One:
        known = meaning.encode("ascii", "replace").decode("ascii")[:64].strip()
        if text_of(self._scope, element.tag) != known:
            self._note(element)
        return made(element.tag, vr, encoded(vr, known))

    def _known_uids(self, element: StoredElement, vr: str) -> One | None:
        if Retain.UIDS in self._items._profile.retained:
            return self._kept(element, vr)
        uids = text_of(self._scope, element.tag).split("\\")
        if all(uid in UID_dictionary for uid in uids):
            return self._as_stored(element, vr)
        return self._uid(element, vr)

    def _judged_text(self, element: StoredElement, vr: str) -> One | None:
        text = self._text(element)
        is_words = self._is_content and vr in forms.TEXT_VRS
        if text is not None and not is_words and safe.is_safe_text(element.tag, text):
            return self._as_stored(element, vr)
        self._note(element)
        judgement = safe.judgement_of(element.tag, vr)
        if judgement is Judgement.REMOVE:
            return None
        if judgement is Judgement.EMPTY or text is None:
            return made(element.tag, vr, b"")
        replaced = (self._replaced_text(element.tag, one, judgement) for one in text.split("\\"))
        return made(element.tag, vr, encoded(vr, "\\".join(replaced)))

    def _replaced_text(self, tag: int, text: str, judgement: Judgement) -> str:
        if safe.is_safe_text(tag, text) and not self._is_content:
            return text.strip(" \0")
        if judgement is Judgement.REFERENCE:
            return self._items._pseudonyms.label(text)
        return safe.DUMMIES.get(keyword_for_tag(tag), "REMOVED")

    def _kept(self, element: StoredElement, vr: str) -> One | None:
        """An element whose value has the form of one."""
        if shorter_value := binary.cut(element, vr, self._scope):
            self._note(element)
            return shorter_value
        chunks = partial(self._scope.source.chunks, element.start, element.end)
        if forms.fits(element.tag, vr, element.length, chunks):
            return self._as_stored(element, vr)
        text = self._text(element) if vr == "DS" else None
        if text is not None and (shorter := forms.shortened(element.tag, text)):
            return made(element.tag, vr, encoded(vr, shorter))
        self._note(element)
        return made(element.tag, vr, dummy(vr) if vr in ("DA", "DT", "TM") else b"")

    def _profile_of_colours(self, element: StoredElement, vr: str) -> One | None:
        end = min(element.end, element.start + icc.MOST_BYTES)
        kept = icc.cleaned(b"".join(self._scope.source.chunks(element.start, end)))
        if not kept:
            self._note(element)
        return made(element.tag, vr, kept + bytes(len(kept) % 2)) if kept else None

    def _dummy(self, element: StoredElement, vr: str) -> One:
        if vr == "SQ":
            item = code_item(self._items._target, "0", "99REMOVED", "Removed")
            return made(element.tag, vr, item)
        return made(element.tag, vr, dummy(vr))

    def _empty(self, element: StoredElement, vr: str) -> One:
        return made(element.tag, vr, b"")

    def _uid(self, element: StoredElement, vr: str) -> One:
        uids = text_of(self._scope, element.tag).split("\\")
        replaced = [self._items._pseudonyms.uid(one) for one in uids]
        return made(element.tag, "UI", encoded("UI", "\\".join(replaced)))

    def _dummy_or_uid(self, element: StoredElement, vr: str) -> One:
        return self._uid(element, vr) if vr == "UI" else self._dummy(element, vr)

    def _shift(self, element: StoredElement, vr: str) -> One | None:
        if vr == "TM":  # whole days leave the time as it is
            return self._kept(element, vr)
        texts = text_of(self._scope, element.tag).split("\\")
        shifted = self._items._pseudonyms.shifted
        moved = [shifted(vr, one.strip(" "), self._items._patient) for one in texts]
        all_known = all(moved) and forms.has_form(vr, "\\".join(moved))
        return made(element.tag, vr, encoded(vr, "\\".join(moved)) if all_known else dummy(vr))

    def _patient_id(self, element: StoredElement, vr: str) -> One:
        text = text_of(self._scope, element.tag)
        return made(element.tag, vr, encoded(vr, self._items._pseudonyms.patient_id(text)))

    def _patient_name(self, element: StoredElement, vr: str) -> One:
        text = text_of(self._scope, element.tag)
        return made(element.tag, vr, encoded(vr, self._items._pseudonyms.patient_name(text)))

    def _content(self, element: StoredElement, vr: str) -> One:
        self._items._content.enter(element)
        return element

    def _text(self, element: StoredElement) -> str | None:
        """A value each byte a character; None: it is too long to be judged."""
        if element.length > _MOST_TEXT_BYTES:
            return None
        return text_of(self._scope, element.tag)

    def _as_stored(self, element: StoredElement, vr: str) -> One:
        """The element, with a VR that it has not said, or said wrongly."""
        if element.vr in ("", vr):
            return element
        chunks: Iterable[bytes] = self._scope.source.chunks(element.start, element.end)
        return Made(element.tag, vr, element.length, chunks)

    def _note(self, element: StoredElement) -> None:
        self._items._note(name_of(element.tag))


_ACTIONS: dict[Action, Callable[[_Level, StoredElement, str], One | None]] = {
    Action.KEEP: _Level._kept,
    Action.EMPTY: _Level._empty,
    Action.DUMMY: _Level._dummy_or_uid,
    Action.UID: _Level._uid,
    Action.SHIFT: _Level._shift,
    Action.PATIENT_ID: _Level._patient_id,
    Action.PATIENT_NAME: _Level._patient_name,
    Action.CONTENT: _Level._content,
}

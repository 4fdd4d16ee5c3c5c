"""Content trees and their like: kept in form, with concept names and references; no value stays.

The profile has a dummy in place of Content Sequence. This is one: the IOD stays whole, and what
the document refers to can be found (PS3.15 E.1-1, action D).
"""

from pydicom.datadict import keyword_for_tag

from scp.conversion.layout import Element, Source
from scp.conversion.vrs import Made, Scope
from scp.deidentify.encoding import code_item, dummy, made, text_of

_SCHEME = 0x00080102
# Of PS3.16 table 8-1 those that documents name their concepts by; others may be a site's own.
_SCHEMES = frozenset({"DCM", "SCT", "SRT", "SNM3", "99SDM", "UCUM", "LN", "FMA", "RADLEX", "NCIt"})
_OF_CODE = frozenset(
    {"CodeValue", "LongCodeValue", "URNCodeValue", "CodeMeaning", "CodingSchemeDesignator",
     "CodingSchemeVersion"}
)  # fmt: skip
_TEXT_VRS = frozenset({"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})


class Content:
    """That of one data set."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._entered: list[Element] = []

    def enter(self, sequence: Element) -> None:
        """Have the items of a sequence, and all below, be content."""
        if not self._is_within(sequence.start - 1):
            self._entered.append(sequence)

    def holds(self, scope: Scope) -> bool:
        """Whether a data set or item is content."""
        first = next((one for one in scope.elements if isinstance(one, Element)), None)
        return first is not None and self._is_within(first.start)

    def adapted(self, element: Element, vr: str, scope: Scope) -> Element | Made:
        """What an element becomes that the profile would keep elsewhere."""
        keyword = keyword_for_tag(element.tag)
        if keyword == "MeasuredValueSequence":  # Type 2 (PS3.3 C.18.1)
            return made(element.tag, "SQ", b"")
        if keyword == "ConceptCodeSequence":
            return self.dummy(element)
        if keyword in _OF_CODE and text_of(scope, _SCHEME) in _SCHEMES:
            return element
        if vr in _TEXT_VRS and element.length:
            return made(element.tag, vr, dummy(vr))
        return element

    def dummy(self, sequence: Element) -> Made:
        """A sequence of one code that says nothing."""
        return made(sequence.tag, "SQ", code_item(self._source, "0", "99REMOVED", "Removed"))

    def _is_within(self, at: int) -> bool:
        return any(one.start <= at < one.end for one in self._entered)

"""The Native DICOM Model (PS3.19 A.1), written."""

import re
from base64 import b64encode
from collections.abc import Sequence
from functools import lru_cache

from pydicom.datadict import dictionary_keyword

from scp.web.models.fragments import Head, is_creator

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_BEGINNING = (
    f'<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xmlns="{NAMESPACE}" '
    'xml:space="preserve">'
)
# What means something in XML, what is changed where it is read (a carriage return is), and what
# cannot be in it at all (XML 1.0 2.2, 2.11): that stands as a character that says so.
_SPECIAL = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')
_SPECIAL_IN_ATTRIBUTE = re.compile(_SPECIAL.pattern[:-1] + "\t\n]")
_REFERENCES = {
    "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;",
    "\r": "&#13;", "\t": "&#9;", "\n": "&#10;",
}  # fmt: skip


class XmlForm:
    """Writes elements as elements of XML."""

    names_creators = True

    def values(self, head: Head, values: Sequence[str]) -> bytes:
        """An element with its values, each with its number."""
        is_name = head.vr == "PN"
        if not any(value.strip("^=") if is_name else value for value in values):
            return self._element(head, "")
        write = _person_name if is_name else _value
        return self._element(head, "".join(map(write, range(1, len(values) + 1), values)))

    def binary(self, head: Head, value: bytes) -> bytes:
        """An element with its bytes."""
        return self._element(head, f"<InlineBinary>{b64encode(value).decode()}</InlineBinary>")

    def bulk(self, head: Head, uri: str) -> bytes:
        """An element whose value is to be had elsewhere."""
        return self._element(head, f'<BulkData uri="{_attribute(uri)}"/>')

    def items(self, head: Head, items: Sequence[bytes]) -> bytes:
        """A sequence."""
        numbered = [b'<Item number="%d">%s</Item>' % one for one in enumerate(items, 1)]
        return _beginning(*head) + b"".join(numbered) + b"</DicomAttribute>"

    def item(self, elements: Sequence[bytes]) -> bytes:
        """What is in an item."""
        return b"".join(elements)

    def document(self, item: bytes) -> bytes:
        """The document."""
        return b"%s%s</NativeDicomModel>\n" % (_BEGINNING.encode(), item)

    def _element(self, head: Head, content: str) -> bytes:
        return _beginning(*head) + content.encode() + b"</DicomAttribute>"


@lru_cache(maxsize=4096)
def _beginning(tag: int, vr: str, creator: str) -> bytes:
    """The tag of a private element is told without its block, which its creator stands for."""
    if tag & 0x10000 and not is_creator(tag) and creator:
        named = f'tag="{tag & 0xFFFF00FF:08X}" vr="{vr}" privateCreator="{_attribute(creator)}"'
        return f"<DicomAttribute {named}>".encode()
    keyword = _keyword(tag)
    named = f' keyword="{keyword}"' if keyword else ""
    return f'<DicomAttribute tag="{tag:08X}" vr="{vr}"{named}>'.encode()


def _keyword(tag: int) -> str:
    try:
        return dictionary_keyword(tag)
    except KeyError:
        return ""


def _value(number: int, value: str) -> str:
    return f'<Value number="{number}">{_text(value)}</Value>'


def _person_name(number: int, value: str) -> str:
    groups = [
        f"<{name}>{_components(group)}</{name}>"
        for name, group in zip(GROUPS, value.split("=", 2), strict=False)
        if group.strip("^")
    ]
    return f'<PersonName number="{number}">{"".join(groups)}</PersonName>'


def _components(group: str) -> str:
    """The components that say something; more than there are stay with the last one."""
    return "".join(
        f"<{name}>{_text(component)}</{name}>"
        for name, component in zip(COMPONENTS, group.split("^", 4), strict=False)
        if component
    )


def _text(text: str) -> str:
    return _SPECIAL.sub(_escaped, text)


def _attribute(text: str) -> str:
    return _SPECIAL_IN_ATTRIBUTE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return _REFERENCES.get(match[0], "\ufffd")

"""The DICOM JSON Model (PS3.18 F.2), written."""

import math
import re
from base64 import b64encode
from collections.abc import Sequence
from functools import lru_cache
from json.encoder import encode_basestring

from scp.web.models.fragments import Head
from storage.dicom.values import is_number

_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
# Text that JSON can hold as the number that it is (RFC 8259 6), and any other decimal or integer
# string (PS3.5 6.2).
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DECIMAL = re.compile(r"([+-]?)0*([0-9]*)(?:\.([0-9]*))?((?:[eE][+-]?[0-9]+)?)")
# A text of more is no number of PS3.5, and more than some who read it take.
_MOST_DIGITS = 32
# What an IEEE 754 double holds exactly: beyond these a number is told as text (F.2.3).
_MOST_EXACT = 1 << 53
_TEXT_NUMBERS = frozenset({"DS", "IS"})
_NO_NUMBERS = {"nan": '"NaN"', "inf": '"inf"', "-inf": '"-inf"'}


class JsonForm:
    """Writes elements as members of an object."""

    names_creators = False

    def values(self, head: Head, values: Sequence[str]) -> bytes:
        """An element with its values, null where there is none (F.2.5)."""
        if not any(values):
            return self._member(head, "")
        vr = head.vr
        if vr == "PN":
            texts = [_person_name(value) for value in values]
        elif vr in _TEXT_NUMBERS:
            texts = [_decimal(value) for value in values]
        elif is_number(vr):
            texts = [_binary_number(value) for value in values]
        else:
            texts = [encode_basestring(value) if value else "null" for value in values]
        says_something = any(text != "null" for text in texts)
        return self._member(head, f',"Value":[{",".join(texts)}]' if says_something else "")

    def binary(self, head: Head, value: bytes) -> bytes:
        """An element with its bytes (F.2.7)."""
        return self._member(head, f',"InlineBinary":"{b64encode(value).decode()}"')

    def bulk(self, head: Head, uri: str) -> bytes:
        """An element whose value is to be had elsewhere (F.2.6)."""
        return self._member(head, f',"BulkDataURI":{encode_basestring(uri)}')

    def items(self, head: Head, items: Sequence[bytes]) -> bytes:
        """A sequence."""
        if not items:
            return self._member(head, "")
        return b'%s,"Value":[%s]}' % (_beginning(head.tag, "SQ"), b",".join(items))

    def item(self, elements: Sequence[bytes]) -> bytes:
        """An object."""
        return b"{%s}" % b",".join(elements)

    def document(self, item: bytes) -> bytes:
        """The same."""
        return item

    def _member(self, head: Head, rest: str) -> bytes:
        return _beginning(head.tag, head.vr) + rest.encode("utf-8", "replace") + b"}"


@lru_cache(maxsize=4096)
def _beginning(tag: int, vr: str) -> bytes:
    return f'"{tag:08X}":{{"vr":"{vr}"'.encode()


def _person_name(value: str) -> str:
    """The component groups that say something (F.2.2)."""
    groups = [
        f'"{name}":{encode_basestring(group)}'
        for name, group in zip(_GROUPS, value.split("=", 2), strict=False)
        if group
    ]
    return f"{{{','.join(groups)}}}" if groups else "null"


def _decimal(value: str) -> str:
    """A decimal or integer string as it was written where it is a number, else as text."""
    if not value:
        return "null"
    text = value
    if not _NUMBER.fullmatch(value):
        match = _DECIMAL.fullmatch(value)
        if not match or not (match[2] or match[3] or value.strip("+-").startswith("0")):
            return encode_basestring(value)
        sign, whole, fraction, exponent = match.groups()
        minus = "-" if sign == "-" else ""
        text = f"{minus}{whole or '0'}{'.' + fraction if fraction else ''}{exponent}"
    is_told = len(text) <= _MOST_DIGITS and math.isfinite(float(text))
    return text if is_told else encode_basestring(value)


def _binary_number(value: str) -> str:
    if len(value) > 15 and value.lstrip("-").isdigit() and abs(int(value)) > _MOST_EXACT:
        return f'"{value}"'
    return _NO_NUMBERS.get(value, value) if value else "null"

"""Data sets and answers as documents of a model."""

from bisect import bisect_left
from contextlib import suppress
from dataclasses import replace
from typing import BinaryIO

from scp.copies.conversion.codecs import SYNTAXES, Syntax
from scp.copies.conversion.data_set import DataSetSource, TranscodeError
from scp.copies.corrected import inflated
from scp.web.models.fragments import (
    CHARACTER_SET,
    BulkUri,
    Form,
    Head,
    block_of,
    character_set,
    is_creator,
    text_fragment,
)
from scp.web.models.json_form import JsonForm
from scp.web.models.memory import Memory
from scp.web.models.scan import Scan
from scp.web.models.walk import Walk
from scp.web.models.xml_form import XmlForm
from storage.diagnostics import DataSetError
from storage.dicom.data_sets import DEFLATED, WHOLE, Elements, ReadBudget, UnusualError

# Somebody waits for it, and others for the processor.
_LIMITS = replace(WHOLE, elements=1_000_000, seconds=5.0)


class Model:
    """Writes documents in one form; what it has written once of a series it need not write again.

    It may be kept, and shared by threads: its memory has an end.
    """

    def __init__(self, form: Form) -> None:
        self._form = form
        self._memory = Memory()

    def data_set(
        self, file: BinaryIO, start: int, transfer_syntax_uid: str, charset: str, bulk_uri: BulkUri
    ) -> bytes:
        """The document of the data set from byte `start` of a file to its end.

        `charset` is the Specific Character Set to assume for text that names none; `bulk_uri` is
        asked where bulk data is to be had: all pixel data, and values of bytes that are many. File
        Meta Information and Group Lengths are left out. Raises DataSetError where it cannot be
        read, of that BudgetError where it is too much.
        """
        members = self.members(file, start, transfer_syntax_uid, charset, bulk_uri)
        return self._form.document(self._form.item(members))

    def members(
        self, file: BinaryIO, start: int, transfer_syntax_uid: str, charset: str, bulk_uri: BulkUri
    ) -> list[bytes]:
        """What the same document is made of: its elements, in the order of their tags."""
        try:
            if transfer_syntax_uid in DEFLATED:
                file.seek(start)
                with inflated(file) as whole:
                    return self._members(whole, 0, transfer_syntax_uid, charset, bulk_uri)
            return self._members(file, start, transfer_syntax_uid, charset, bulk_uri)
        except TranscodeError as error:
            raise DataSetError(f"The data set cannot be read: {error}") from error

    def elements(self, elements: Elements) -> bytes:
        """The document of elements that were made, or found."""
        return self.document(self._made(elements))

    def text(self, head: Head, text: str) -> bytes:
        """An element of a value as text, for a document."""
        return text_fragment(self._form, head, text)

    def _members(
        self, file: BinaryIO, start: int, syntax_uid: str, charset: str, bulk_uri: BulkUri
    ) -> list[bytes]:
        end = file.seek(0, 2)
        syntax = SYNTAXES.get(syntax_uid, Syntax())
        if syntax.little_endian:
            with suppress(UnusualError):
                scan = Scan(self._form, self._memory, bulk_uri, syntax.implicit_vr, charset)
                return self._in_utf_8(scan.data_set(file, start, end))
        form = syntax.implicit_vr, syntax.little_endian
        source = DataSetSource(file, start, end, *form, ReadBudget(_LIMITS))
        return self._in_utf_8(Walk(self._form, bulk_uri).data_set(source, charset))

    def document(self, fragments: list[bytes]) -> bytes:
        """The document of elements that are written, in the order of their tags."""
        return self._form.document(self._form.item(self._in_utf_8(fragments)))

    def _in_utf_8(self, fragments: list[bytes]) -> list[bytes]:
        """The same elements; that all text is UTF-8 is said where it tells (PS3.3 C.12.1.1.2)."""
        if all(map(bytes.isascii, fragments)):
            return fragments
        own = character_set(self._form)
        at = bisect_left(fragments, own)
        if fragments[at : at + 1] == [own]:
            return fragments
        return [*fragments[:at], own, *fragments[at:]]

    def _made(self, elements: Elements) -> list[bytes]:
        creators = {int(tag): one.text for tag, one in elements.items() if is_creator(tag)}
        found = []
        for tag in sorted(elements):
            element = elements[tag]
            head = Head(int(tag), element.vr, creators.get(block_of(tag), ""))
            if element.items is not None:
                items = [self._form.item(self._made(item)) for item in element.items]
                found.append(self._form.items(head._replace(vr="SQ"), items))
            elif head.tag == CHARACTER_SET:
                found.append(character_set(self._form))
            elif head.tag & 0xFFFF:
                found.append(text_fragment(self._form, head, element.text))
        return found


def json_model() -> Model:
    """What writes the DICOM JSON Model (PS3.18 F.2): each data set an object."""
    return Model(JsonForm())


def xml_model() -> Model:
    """What writes the Native DICOM Model (PS3.19 A.1): each data set a document."""
    return Model(XmlForm())

"""The Native DICOM Model (PS3.19 A.1), read."""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from scp.copies.conversion.data_set import name
from scp.web.models.fragments import block_of, known_vr
from scp.web.models.reading import Limits, ReadDataSet, ReadElement
from scp.web.models.xml_form import COMPONENTS, GROUPS
from storage.diagnostics import BudgetError, DataSetError

_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_SPACE = "\x20\t\r\n"
# Deeper than a sequence nests of which each item is two elements, and a name's parts.
_MOST_DEPTH = 2 * 64 + 8
_FIRST_BLOCK, _LAST_BLOCK = 0x10, 0xFF


@dataclass(slots=True)
class _Node:
    """An element of XML."""

    kind: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: "list[_Node]" = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def each(self, kind: str) -> "Iterator[_Node]":
        """Its children of a kind."""
        return (one for one in self.children if one.kind == kind)


def read_xml(data: bytes, limits: Limits | None = None) -> ReadDataSet:
    """The data set of a document.

    Raises DataSetError where it is none, and says where; BudgetError where it is too much.
    """
    limits = limits or Limits()
    limits.check(data)
    root = _parsed(data, limits)
    if root.kind != "NativeDicomModel":
        raise DataSetError(f"The metadata are no Native DICOM Model, but {root.kind[:40]!a}")
    return ReadDataSet(_elements(root, limits))


def _parsed(data: bytes, limits: Limits) -> _Node:
    """The root. A document type declaration is refused: it is where entities come from."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    document = _Node("")
    around = [document]

    def begin(kind: str, attributes: dict[str, str]) -> None:
        limits.take()
        if len(around) > _MOST_DEPTH:
            raise BudgetError("Elements of XML nested too deep")
        node = _Node(kind.rpartition(" ")[2], attributes)
        around[-1].children.append(node)
        around.append(node)

    def refuse(*_: object) -> None:
        raise DataSetError("The metadata have a document type, which is not read")

    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda _: around.pop()
    parser.CharacterDataHandler = lambda text: around[-1].texts.append(text)
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise DataSetError(f"The metadata are no XML: {error}") from None
    return document.children[0]


def _elements(around: _Node, limits: Limits) -> dict[int, ReadElement]:
    found: dict[int, ReadElement] = {}
    private = []
    with limits:
        for node in around.each("DicomAttribute"):
            tag = _tag_of(node)
            if node.attributes.get("privateCreator") and tag & 0x10000 and not tag & 0xFF00:
                private.append((tag, node))
            else:
                found[tag] = _element(tag, node, limits)
        for tag, node in private:
            tag |= _block(found, tag >> 16, node.attributes["privateCreator"]) << 8
            found[tag] = _element(tag, node, limits)
    return found


def _tag_of(node: _Node) -> int:
    text = node.attributes.get("tag", "")
    if not _TAG.fullmatch(text):
        raise DataSetError(f"A DicomAttribute has tag {text[:40]!a}: 8 hexadecimal digits are one")
    return int(text, 16)


def _block(found: dict[int, ReadElement], group: int, creator: str) -> int:
    """The block of a private creator, which gets one where it has none (PS3.5 7.8.1)."""
    free = 0
    used = {block_of(tag) & 0xFF for tag in found if tag >> 16 == group and tag & 0xFF00}
    for block in range(_FIRST_BLOCK, _LAST_BLOCK + 1):
        held = found.get(group << 16 | block)
        if held and held.values[:1] == (creator,):
            return block
        if not held and not free and block not in used:
            free = block
    if not free:
        raise DataSetError(f"Group {group:04X} has no block left for {creator[:64]!a}")
    tag = group << 16 | free
    found[tag] = ReadElement(tag, "LO", (creator,))
    return free


def _element(tag: int, node: _Node, limits: Limits) -> ReadElement:
    vr = node.attributes.get("vr") or known_vr(tag, "").split(" ")[0]
    if vr == "SQ":
        items = sorted(node.each("Item"), key=lambda one: _number(tag, one))
        return ReadElement(tag, vr, items=tuple(_elements(one, limits) for one in items))
    for one in node.each("BulkData"):
        uri = one.attributes.get("uri") or one.attributes.get("uuid") or ""
        if not uri:
            raise DataSetError(f"{name(tag)} has BulkData without a uri")
        return ReadElement(tag, vr, uri=uri)
    for one in node.each("InlineBinary"):
        return ReadElement(tag, vr, binary=_bytes(tag, one.text))
    kind, text = ("PersonName", _person_name) if vr == "PN" else ("Value", lambda one: one.text)
    numbered = {_number(tag, one): text(one) for one in node.each(kind)}
    last = max(numbered, default=0)
    limits.take(last - len(numbered))
    return ReadElement(tag, vr, tuple(numbered.get(at, "") for at in range(1, last + 1)))


def _number(tag: int, node: _Node) -> int:
    text = node.attributes.get("number", "1")
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not int(text):
        raise DataSetError(f"{name(tag)} has a {node.kind} with number {text[:20]!a}")
    return int(text)


def _person_name(node: _Node) -> str:
    groups = []
    for kind in GROUPS:
        group = next(node.each(kind), _Node(kind))
        parts = ["".join(one.text for one in group.each(part)) for part in COMPONENTS]
        groups.append("^".join(parts).rstrip("^"))
    return "=".join(groups).rstrip("=")


def _bytes(tag: int, text: str) -> bytes:
    try:
        return b64decode(text.translate({ord(one): None for one in _SPACE}), validate=True)
    except (Base64Error, ValueError):
        raise DataSetError(f"{name(tag)} has an InlineBinary that is no base64") from None

"""An entry of the worklist: one requested procedure with one scheduled step (PS3.4 table K.6-1).

What an order leaves out is filled in, always with the same values: a modality that asks again is
to find what it found before. What cannot be filled in makes it no entry, and is said by keyword.
"""

import hashlib
import uuid
from base64 import b32encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_for_tag
from pydicom.tag import BaseTag, Tag

from storage.diagnostics import DataSetError, IdentifierError
from storage.dicom.data_sets import CHARACTER_SET, Element, Elements
from storage.dicom.values import WHOLE_TEXT_VRS, split
from storage.query import KeyPath, key_path
from storage.worklist.entries.attributes import CODES, OF_STEP, STEP_SEQUENCE
from storage.worklist.entries.values import fault_of, normal

_ABSENT = Element("UN")
_STUDY_UID, _ACCESSION = Tag("StudyInstanceUID"), Tag("AccessionNumber")
_PATIENT_ID, _PATIENT_NAME = Tag("PatientID"), Tag("PatientName")
_PROCEDURE_ID, _STEP_ID = Tag("RequestedProcedureID"), Tag("ScheduledProcedureStepID")
_STATION, _MODALITY = Tag("ScheduledStationAETitle"), Tag("Modality")
_DAY, _TIME = Tag("ScheduledProcedureStepStartDate"), Tag("ScheduledProcedureStepStartTime")
_STATUS = Tag("ScheduledProcedureStepStatus")
_PROCEDURE, _PROCEDURE_CODE = (
    Tag("RequestedProcedureDescription"), Tag("RequestedProcedureCodeSequence"),
)  # fmt: skip
_PROTOCOL, _PROTOCOL_CODE = (
    Tag("ScheduledProcedureStepDescription"), Tag("ScheduledProtocolCodeSequence"),
)  # fmt: skip
# Of type 1, and nobody but who orders knows them.
_NEEDED_OF_PATIENT = (_PATIENT_NAME, _PATIENT_ID)
_NEEDED_OF_STEP = (_STATION, _DAY, _MODALITY)
_ID_CHARACTERS = 16  # of an SH
_ANY_TIME = "000000"
_CODE_KEYWORDS = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")


class EntryError(DataSetError):
    """What is no entry; `faults` say why, one each."""

    def __init__(self, *faults: str) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class Entry:
    """One that is complete: all of type 1 is there, and the step's sequence has one item."""

    elements: Elements

    @cached_property
    def kept(self) -> dict[Any, Any]:
        """What others have made of it, for as long as it is held."""
        return {}

    @cached_property
    def step(self) -> Elements:
        """The item of the Scheduled Procedure Step Sequence."""
        items = self.elements[STEP_SEQUENCE].items
        assert items
        return items[0]

    def text(self, tag: BaseTag) -> str:
        """The value of an attribute, wherever it stands; empty where there is none."""
        return (self.step if tag in OF_STEP else self.elements).get(tag, _ABSENT).text

    def text_of(self, keyword: str) -> str:
        """The same by keyword."""
        return self.text(Tag(keyword))

    @property
    def study_uid(self) -> str:
        """Study Instance UID: what the images will carry."""
        return self.text(_STUDY_UID)

    @property
    def accession(self) -> str:
        """Accession Number, which may be empty."""
        return self.text(_ACCESSION)

    @property
    def patient_id(self) -> str:
        """Patient ID."""
        return self.text(_PATIENT_ID)

    @property
    def patient_name(self) -> str:
        """Patient's Name."""
        return self.text(_PATIENT_NAME)

    @property
    def procedure_id(self) -> str:
        """Requested Procedure ID."""
        return self.text(_PROCEDURE_ID)

    @property
    def step_id(self) -> str:
        """Scheduled Procedure Step ID."""
        return self.text(_STEP_ID)

    @property
    def stations(self) -> tuple[str, ...]:
        """Scheduled Station AE Titles."""
        return tuple(self.text(_STATION).split("\\"))

    @property
    def modality(self) -> str:
        """Modality."""
        return self.text(_MODALITY)

    @property
    def day(self) -> str:
        """Scheduled Procedure Step Start Date, YYYYMMDD."""
        return self.text(_DAY)

    @property
    def time(self) -> str:
        """Scheduled Procedure Step Start Time, HHMM or HHMMSS."""
        return self.text(_TIME)

    @property
    def status(self) -> str:
        """Scheduled Procedure Step Status, where who ordered gave one."""
        return self.text(_STATUS)

    @property
    def key(self) -> tuple[str, str]:
        """What makes two entries one: the later one is the earlier one's update.

        Accession Number and Scheduled Procedure Step ID, without the first the Study Instance UID.
        """
        return self.accession or self.study_uid, self.step_id


def from_values(values: Mapping[str, str]) -> Elements:
    """The elements that values by keyword are, each where table K.6-1 has it.

    `ScheduledStationAETitle` goes into the step's item, `RequestedProcedureCodeSequence` takes a
    code as VALUE^SCHEME^MEANING, `OtherPatientIDsSequence.PatientID` is one in a sequence's item.
    Raises EntryError, with all that is wrong.
    """
    found: Elements = {}
    step: Elements = {}
    faults: list[str] = []
    for keyword, text in values.items():
        try:
            path = key_path(keyword)
        except IdentifierError as error:
            faults.append(str(error))
            continue
        tags = path.tags
        if len(tags) > 1 and tags[0] == STEP_SEQUENCE:
            tags = tags[1:]
            is_of_step = True
        else:
            is_of_step = tags[0] in OF_STEP
        try:
            _put(step if is_of_step else found, KeyPath(path.name, tags), text)
        except EntryError as error:
            faults += error.faults
    if faults:
        raise EntryError(*faults)
    found[STEP_SEQUENCE] = Element("SQ", items=(step,))
    return found


def _put(held: Elements, path: KeyPath, text: str) -> None:
    first, *below = path.tags
    if not below:
        if path.vr != "SQ":
            held[first] = Element(path.vr, text.strip())
        elif text.strip():
            held[first] = Element("SQ", items=(_code(path.name, first, text),))
        return
    inner = dict(held[first].items[0]) if first in held and held[first].items else {}  # type: ignore[index]
    _put(inner, KeyPath(path.name, tuple(below)), text)
    held[first] = Element("SQ", items=(inner,))


def _code(name: str, tag: BaseTag, text: str) -> Elements:
    """The item for a code (PS3.3 table 8.8-1)."""
    parts = [part.strip() for part in text.split("^")]
    if tag not in CODES or len(parts) != len(_CODE_KEYWORDS) or not all(parts):
        takes = "a code as VALUE^SCHEME^MEANING" if tag in CODES else f"{name}.KEYWORD"
        raise EntryError(f'{name}: takes {takes}, not "{text[:64]}"')
    pairs = zip(map(Tag, _CODE_KEYWORDS), parts, strict=True)
    return {tag: Element(dictionary_VR(tag), part) for tag, part in pairs}


def completed(held: Elements, identity: str, seed: str) -> list[Entry]:
    """The entries that elements are, one for each item of the step sequence, all filled in.

    `identity`: what tells this archive from others, 32 hexadecimal digits: Study Instance UIDs
    are made of it, 2.25.* (PS3.5 B.2). `seed`: what tells these elements from others where they
    have no number of their own, such as the name of their file. Raises EntryError, with all that
    is wrong.
    """
    sequence = held.get(STEP_SEQUENCE)
    if sequence is None or not sequence.items:
        raise EntryError("ScheduledProcedureStepSequence: missing, or without an item")
    root = {tag: element for tag, element in held.items() if _is_kept(tag)}
    made, faults = [], dict[str, None]()
    for number, item in enumerate(sequence.items, 1):
        one = _normal({**root, STEP_SEQUENCE: Element("SQ", items=(dict(item),))})
        if found := [*_missing(one), *_wrong(one)]:
            faults |= dict.fromkeys(found)
        else:
            made.append(Entry(_filled(one, identity, seed, number)))
    if faults:
        raise EntryError(*faults)
    return made


def _is_kept(tag: BaseTag) -> bool:
    """Whether it is of the entry, and not of how it was encoded or asked for."""
    return tag.group >= 0x0008 and tag.element != 0 and tag != CHARACTER_SET


def _normal(held: Elements) -> Elements:
    """The same with each value in the form of its VR."""
    return {tag: _normal_element(held[tag]) for tag in sorted(held)}


def _normal_element(element: Element) -> Element:
    if element.items is not None:
        return replace(element, items=tuple(map(_normal, element.items)))
    values = (normal(element.vr, one) for one in split(element.vr, element.text))
    return replace(element, text="\\".join(values).strip("\\"))


def _missing(held: Elements) -> Iterator[str]:
    """What is of type 1 and cannot be filled in."""
    step = (held[STEP_SEQUENCE].items or ({},))[0]
    for tags, where in ((_NEEDED_OF_PATIENT, held), (_NEEDED_OF_STEP, step)):
        for tag in tags:
            if not where.get(tag, _ABSENT).text.strip("^= "):
                yield f"{keyword_for_tag(tag)}: missing"


def _wrong(held: Elements, inside: str = "") -> Iterator[str]:
    """What is wrong with values that are there."""
    for tag, element in held.items():
        name = inside + (keyword_for_tag(tag) or str(tag))
        if element.items is not None:
            prefix = "" if tag == STEP_SEQUENCE else f"{name}."
            for item in element.items:
                yield from _wrong(item, prefix)
            continue
        values = split(element.vr, element.text)
        if len(values) > 1 and element.vr not in WHOLE_TEXT_VRS and _is_single(tag):
            yield f"{name}: takes one value, not {len(values)}"
        for value in values:
            if value and (fault := fault_of(element.vr, value)):
                yield f"{name}: {fault}"


def _is_single(tag: BaseTag) -> bool:
    try:
        return dictionary_VM(tag) == "1"
    except KeyError:  # a private one
        return False


def _filled(held: Elements, identity: str, seed: str, number: int) -> Elements:
    """The same with what is of type 1 or 1C and can be told, or is ours to give."""
    step = dict((held[STEP_SEQUENCE].items or ({},))[0])
    _fill_ids(held, step, identity, seed, number)
    _fill(step, _TIME, _ANY_TIME)
    modality = step[_MODALITY].text
    words = held.get(_PROCEDURE, _ABSENT).text or step.get(_PROTOCOL, _ABSENT).text
    words = words or _meaning(held, _PROCEDURE_CODE) or _meaning(step, _PROTOCOL_CODE) or modality
    pairs = (held, _PROCEDURE, _PROCEDURE_CODE), (step, _PROTOCOL, _PROTOCOL_CODE)
    for where, tag, code in pairs:
        if not where.get(code, _ABSENT).items:  # type 1C: this, or the code
            _fill(where, tag, words)
    held[STEP_SEQUENCE] = Element("SQ", items=({tag: step[tag] for tag in sorted(step)},))
    return {tag: held[tag] for tag in sorted(held)}


def _fill_ids(held: Elements, step: Elements, identity: str, seed: str, number: int) -> None:
    patient, accession = held[_PATIENT_ID].text, held.get(_ACCESSION, _ABSENT).text
    own = _short(identity, patient, accession, seed if not accession else "")
    _fill(held, _PROCEDURE_ID, accession or own)
    procedure = held[_PROCEDURE_ID].text
    numbered = f"{procedure}-{number}"
    is_short = len(numbered) <= _ID_CHARACTERS
    _fill(step, _STEP_ID, numbered if is_short else _short(identity, numbered, patient))
    made = uuid.uuid5(uuid.UUID(hex=identity), "\0".join((patient, accession, procedure)))
    _fill(held, _STUDY_UID, f"2.25.{made.int}")


def _short(*parts: str) -> str:
    """An ID made of these texts, always the same."""
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=8).digest()
    return b32encode(digest).decode().rstrip("=")


def _fill(held: Elements, tag: BaseTag, text: str) -> None:
    if not held.get(tag, _ABSENT).text:
        held[tag] = Element(dictionary_VR(tag), text)


def _meaning(held: Elements, tag: BaseTag) -> str:
    items = held.get(tag, _ABSENT).items
    return items[0].get(Tag("CodeMeaning"), _ABSENT).text if items else ""


def to_values(entry: Entry) -> dict[str, str]:
    """The same flat, as `from_values` takes it; what that has no form for is left out."""
    found = dict[str, str]()
    for held in (entry.elements, entry.step):
        for tag, element in held.items():
            name = keyword_for_tag(tag)
            if not name or tag == STEP_SEQUENCE or (held is entry.elements and tag in OF_STEP):
                continue
            if element.items is None:
                found[name] = element.text
            elif tag in CODES and len(element.items) == 1:
                parts = [element.items[0].get(Tag(key), _ABSENT).text for key in _CODE_KEYWORDS]
                if all(parts):
                    found[name] = "^".join(parts)
    return found

"""FHIR ImagingStudy (R4 and R5), of what the instances of a study say.

The two forms exclude each other: what is a Coding in R4 is a CodeableConcept in R5, or one that may
be a reference. What a study does not say is left out, never made up.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

from scp.copies.documents.series_document import SeriesDocument

Json = dict[str, Any]
Attributes = Mapping[str, Any]  # DICOM JSON (PS3.18 F.2): by tag

DCM = "http://dicom.nema.org/resources/ontology/DCM"
_URI, _UID = "urn:ietf:rfc:3986", "urn:dicom:uid"
# Of a Coding Scheme Designator (PS3.16 table 8-1), where FHIR has one.
_SYSTEMS = {
    "DCM": DCM, "SCT": "http://snomed.info/sct", "LN": "http://loinc.org",
    "RADLEX": "http://radlex.org", "UCUM": "http://unitsofmeasure.org",
}  # fmt: skip
_ACCESSION = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}]
}
_UNKNOWN = {
    "extension": [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
            "valueCode": "unknown",
        }
    ]
}
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)")
_TIME = re.compile(r"(\d\d)(\d\d)(\d\d)(\.\d{1,6})?")
_OFFSET = re.compile(r"([+-])(\d\d)(\d\d)")
_MOST_UNSIGNED = (1 << 31) - 1
# Prefix, given, middle, family, suffix, by their places in a name (PS3.5 6.2.1).
_SPOKEN = (3, 1, 2, 0, 4)
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


class FhirVersion(StrEnum):
    """Of FHIR, the version whose form is written."""

    R4 = "R4"
    R5 = "R5"


def imaging_study(study: str, series: Sequence[SeriesDocument], version: FhirVersion) -> Json:
    """The resource of a study, without an id: who takes it gives it one."""
    firsts = [_first(one) for one in series]
    said = firsts[0] if firsts else {}
    modalities = Counter(text for one in firsts if (text := _text(one, "00080060")))
    found: Json = {
        "resourceType": "ImagingStudy",
        "identifier": [
            {"use": "official", "system": _UID, "value": f"urn:oid:{study}"},
            *({"type": _ACCESSION, "value": text} for text in _texts(said, "00080050")),
        ],
        "status": "available",
        "modality": [_code(version, DCM, text) for text in modalities],
        "subject": _subject(said),
        "started": _started(said, "00080020", "00080030"),
        "referrer": _person(said, "00080090", "Practitioner"),
        "numberOfSeries": len(series),
        "numberOfInstances": sum(len(one.facts) for one in series),
        **_procedures(said, version),
        "description": _text(said, "00081030"),
        "series": [_series(*one, version) for one in zip(series, firsts, strict=True)],
    }
    return _without_empty(found)


def _series(document: SeriesDocument, said: Attributes, version: FhirVersion) -> Json:
    modality, body = _text(said, "00080060"), _text(said, "00180015")
    coded: Json = {"display": body}
    of_body = coded if version is FhirVersion.R4 else {"concept": {"coding": [coded]}}
    return _without_empty({
        "uid": _text(said, "0020000E"),
        "number": _number(said, "00200011"),
        "modality": _code(version, DCM, modality) if modality else _UNKNOWN,
        "description": _text(said, "0008103E"),
        "numberOfInstances": len(document.facts),
        "bodySite": of_body if body else None,
        "started": _started(said, "00080021", "00080031"),
        "instance": list(map(partial(_instance, document), document.facts)),
    })  # fmt: skip


def _instance(document: SeriesDocument, instance: str) -> Json:
    said = partial(document.text_of, instance)
    words = said(b"00080008").split("\\")
    sop_class = said(b"00080016")
    return _without_empty({
        "uid": instance,
        "sopClass": {"system": _URI, "code": f"urn:oid:{sop_class}"} if sop_class else _UNKNOWN,
        "number": _unsigned(said(b"00200013")),
        "title": " ".join(said(b"00420010").split()) or "\\".join(filter(None, words)),
    })  # fmt: skip


def _first(document: SeriesDocument) -> Attributes:
    return document.members(next(iter(document.facts)))


def _subject(said: Attributes) -> Json:
    patient, person = _text(said, "00100020"), _person(said, "00100010", "Patient")
    named = {"identifier": {"value": patient}} if patient else {}
    return {"type": "Patient", **named, **person} if patient or person else _UNKNOWN


def _person(said: Attributes, tag: str, kind: str) -> Json:
    """A reference to who is named, by the name alone."""
    names = [one for one in said.get(tag, {}).get("Value", []) if one]
    if not names:
        return {}
    group = next((names[0][one] for one in _GROUPS if names[0].get(one)), "")
    parts = [*group.split("^"), *[""] * len(_SPOKEN)]
    spoken = " ".join(" ".join(parts[one] for one in _SPOKEN).split())
    return {"type": kind, "display": spoken} if spoken else {}


def _procedures(said: Attributes, version: FhirVersion) -> Json:
    items = said.get("00081032", {}).get("Value", [])
    concepts = [concept for item in items if item and (concept := _concept(item))]
    if version is FhirVersion.R4:
        return {"procedureCode": concepts}
    return {"procedure": [{"concept": one} for one in concepts]}


def _concept(item: Attributes) -> Json:
    coded = _without_empty({
        "system": _SYSTEMS.get(_text(item, "00080102"), ""),
        "code": _text(item, "00080100"),
        "display": _text(item, "00080104"),
    })  # fmt: skip
    return {"coding": [coded]} if coded else {}


def _code(version: FhirVersion, system: str, code: str) -> Json:
    coded = {"system": system, "code": code}
    return coded if version is FhirVersion.R4 else {"coding": [coded]}


def _started(said: Attributes, day: str, time: str) -> str:
    """When it began: with a time only where its offset from UTC is told, as FHIR takes no other."""
    date = _DATE.fullmatch(_text(said, day))
    if not date:
        return ""
    clock, offset = _TIME.match(_text(said, time)), _OFFSET.fullmatch(_text(said, "00080201"))
    told = "-".join(date.groups())
    if clock and offset:
        told += (
            f"T{clock[1]}:{clock[2]}:{clock[3]}{clock[4] or ''}{offset[1]}{offset[2]}:{offset[3]}"
        )
    try:
        datetime.fromisoformat(told)
    except ValueError:  # a 31st of February
        return ""
    return told


def _number(said: Attributes, tag: str) -> int | None:
    return _unsigned(_text(said, tag))


def _unsigned(text: str) -> int | None:
    """A number of FHIR's unsignedInt; None where it is none."""
    return number if text.isdecimal() and (number := int(text[:16])) <= _MOST_UNSIGNED else None


def _texts(said: Attributes, tag: str) -> Iterable[str]:
    values = said.get(tag, {}).get("Value", [])
    return [text for one in values if one is not None and (text := " ".join(str(one).split()))]


def _text(said: Attributes, tag: str) -> str:
    return next(iter(_texts(said, tag)), "")


def _without_empty(found: Json) -> Json:
    """Without what says nothing: FHIR has no empty values."""
    return {name: value for name, value in found.items() if value not in (None, "", [], {})}

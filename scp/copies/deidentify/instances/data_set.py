"""A data set without what identifies its patient: what is not known to be safe goes."""

import os
from io import BytesIO
from typing import BinaryIO

from scp.copies.conversion.codecs import SYNTAXES, Syntax
from scp.copies.conversion.data_set import (
    PIXEL_DATA,
    DataSetSource,
    Made,
    Scope,
    StoredElement,
    Writer,
    belongs,
    chained,
)
from scp.copies.deidentify.elements import (
    DeidentificationReport,
    Identity,
    Items,
    code_item,
    encoded,
    made,
    refusals,
    text_of,
)
from scp.copies.deidentify.pixels import bulk
from scp.copies.deidentify.rules import Profile, Pseudonyms, Retain
from storage.diagnostics import DataSetError
from storage.dicom import FileMeta
from storage.dicom.values import charset as charset_of
from storage.dicom.values import decoded

_PATIENT_NAME, _PATIENT_ID, _STUDY = 0x00100010, 0x00100020, 0x0020000D
_CHARACTER_SET = 0x00080005
_UIDS = {
    "StudyInstanceUID": _STUDY, "SeriesInstanceUID": 0x0020000E, "SOPInstanceUID": 0x00080018,
}  # fmt: skip
_MODALITY, _TEMPORAL = 0x00080060, 0x00280303
_REMOVED, _METHOD, _CODES = 0x00120062, 0x00120063, 0x00120064
_BULK = PIXEL_DATA & 0xFFFF0000
# Modalities that image a body in slices.
_VOLUMES = frozenset({"CT", "MR", "NM", "PT"})


def deidentified(
    file: BinaryIO, start: int, meta: FileMeta, profile: Profile, pseudonyms: Pseudonyms,
    report: DeidentificationReport, charset: str = "",
) -> BinaryIO:  # fmt: skip
    """What the data set becomes that lies in `file` from `start` on, not deflated; a file.

    It reads from `file`, and closes it when it is closed. `charset` is the Specific Character Set
    of text that names none. Raises TranscodeError where that is not a whole data set, DataSetError
    where it is refused.
    """
    syntax_uid = meta.transfer_syntax_uid
    target = SYNTAXES.get(syntax_uid, Syntax())
    source = _source(file, start, target)
    head = source.elements_before(_BULK)
    held = DataSetSource(
        file, start, head[-1].end if head else start, source.implicit_vr, source.little_endian
    )
    scope = Scope(held, list(head))
    refusals.check(scope, meta, profile)
    taken: set[str] = set()
    rest = DataSetSource(
        file, held.end, source.end, source.implicit_vr, source.little_endian
    ).elements()
    pixels = bulk.cleaned(source, rest, scope, syntax_uid, taken.add)
    # Without an ID instances of one study are of one patient, and nobody else's.
    patient = text_of(scope, _PATIENT_ID) or f"study\0{text_of(scope, _STUDY)}"
    held_by = _patient(scope, charset)
    named = _named(held_by[0], profile, pseudonyms, patient)
    items = Items(target, profile, pseudonyms, patient, taken.add)
    out = BytesIO()
    Writer(
        out, target, lambda level: _told(items.adapted(level), level, target, profile, named), False
    ).write(held)
    report.identify(_identity(scope, profile, pseudonyms, patient, held_by, named))
    report.add(taken, text_of(scope, _MODALITY) in _VOLUMES)
    if pixels.file is not file:
        file.close()
    return chained(out.getvalue() + pixels.head, pixels.file, pixels.start, pixels.end)


def _source(file: BinaryIO, start: int, syntax: Syntax) -> DataSetSource:
    end = file.seek(0, os.SEEK_END)
    source = DataSetSource(file, start, end, syntax.implicit_vr, syntax.little_endian)
    # What does not belong into a data set, as of a file's header, is explicit, whatever that is.
    if not any(one.vr for one in source.elements_before(_BULK) if belongs(one.tag)):
        # Implicit VR, whatever its transfer syntax says.
        return DataSetSource(file, start, end, True, syntax.little_endian)
    return source


def _patient(scope: Scope, default: str) -> tuple[str, str]:
    """The Patient ID and name of a data set, as text."""
    named = charset_of(text_of(scope, _CHARACTER_SET), default)
    found = (("LO", scope.value(_PATIENT_ID, 1024)), ("PN", scope.value(_PATIENT_NAME, 1024)))
    patient_id, name = (decoded(vr, value, named) for vr, value in found)
    return patient_id, name


def _named(
    patient_id: str, profile: Profile, pseudonyms: Pseudonyms, patient: str
) -> tuple[str, str]:
    """The Patient ID and name that are said. Raises DataSetError where it is not known which."""
    own_id, name = profile.patient_id, profile.patient_name
    if profile.identifiers:
        held = profile.identifiers.get(patient_id)
        if held is None:
            raise DataSetError("its Patient ID is not among the identifiers that are given")
        own_id, name = held
    return (own_id or pseudonyms.patient_id(patient),
            name or pseudonyms.patient_name(patient))  # fmt: skip


def _identity(
    scope: Scope, profile: Profile, pseudonyms: Pseudonyms, patient: str,
    held: tuple[str, str], named: tuple[str, str],
) -> Identity:  # fmt: skip
    """Who the instance was, and who it is said to be."""
    keeps_uids = Retain.UIDS in profile.retained
    identity = {
        "PatientID": held[0], "NewPatientID": named[0],
        "PatientName": held[1], "NewPatientName": named[1],
    }  # fmt: skip
    for keyword, tag in _UIDS.items():
        uid = text_of(scope, tag)
        identity |= {keyword: uid, f"New{keyword}": uid if keeps_uids else pseudonyms.uid(uid)}
    shifts = Retain.SHIFTED_DATES in profile.retained
    return identity | {"DaysEarlier": str(pseudonyms.days(patient)) if shifts else ""}


def _told(
    elements: list[StoredElement | Made], scope: Scope, target: Syntax, profile: Profile,
    named: tuple[str, str],
) -> list[StoredElement | Made]:  # fmt: skip
    """With the patient's pseudonyms, and that and how it was done (PS3.15 E.1.1)."""
    if scope.outer:
        return elements
    items = b"".join(code_item(target, code, "DCM", words) for code, words in profile.codes)
    texts = (
        (_PATIENT_NAME, "PN", named[1]),
        (_PATIENT_ID, "LO", named[0]),
        (_REMOVED, "CS", "YES"),
        (_METHOD, "LO", "\\".join(words[:64] for _, words in profile.codes)),
        (_TEMPORAL, "CS", profile.temporal),
    )
    told: list[StoredElement | Made] = [made(tag, vr, encoded(vr, text)) for tag, vr, text in texts]
    told.append(made(_CODES, "SQ", items))
    found = {one.tag: one for one in (*elements, *told)}
    return [found[tag] for tag in sorted(found)]

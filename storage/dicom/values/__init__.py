"""Values of elements: which attributes are kept, character sets, UIDs, text to bytes and back."""

from storage.dicom.values import charsets, conversion
from storage.dicom.values.attributes import (
    BY_KEYWORD,
    BY_TAG,
    IN_SEQUENCE,
    PATIENT_IDENTITY,
    TABLE,
    UNIQUE,
    Attribute,
    Key,
    Level,
    row_level,
    stored_at,
)
from storage.dicom.values.charsets import UTF_8, Charset, charset
from storage.dicom.values.conversion import (
    CHARSET_VRS,
    LONG_FORM_VRS,
    WHOLE_TEXT_VRS,
    decoded,
    element,
    is_number,
    split,
    strip,
    to_bytes,
    uid_bytes,
    vr_of_tag,
)
from storage.dicom.values.memo import LONG_CHARACTERS, kept
from storage.dicom.values.uids import UID_KEYWORDS, Uids, are_uids, check_uid

__all__ = [
    "BY_KEYWORD",
    "BY_TAG",
    "CHARSET_VRS",
    "IN_SEQUENCE",
    "LONG_CHARACTERS",
    "LONG_FORM_VRS",
    "PATIENT_IDENTITY",
    "TABLE",
    "UID_KEYWORDS",
    "UNIQUE",
    "UTF_8",
    "WHOLE_TEXT_VRS",
    "Attribute",
    "Charset",
    "Key",
    "Level",
    "Uids",
    "are_uids",
    "charset",
    "charsets",
    "check_uid",
    "conversion",
    "decoded",
    "element",
    "is_number",
    "kept",
    "row_level",
    "split",
    "stored_at",
    "strip",
    "to_bytes",
    "uid_bytes",
    "vr_of_tag",
]

"""What a key of config.toml may be one of."""

from enum import StrEnum
from typing import Literal

# PS3.3 C.12.1.1.2: what pydicom reads, but for the empty value and two misspellings. Listed here,
# for to load pydicom takes longer than all else that a configuration needs.
_REGISTERED = ("100", "101", "109", "110", "126", "127", "13", "138", "144", "148", "166", "6")
CHARSETS = frozenset({
    *(f"ISO_IR {number}" for number in (*_REGISTERED, "192")),
    *(f"ISO 2022 IR {number}" for number in (*_REGISTERED, "58", "87", "149", "159")),
    "GB18030", "GBK",
})  # fmt: skip
OnConflict = Literal["replace", "keep", "refuse"]
TlsProfile = Literal["bcp195", "bcp195-modified"]  # PS3.15 B.12, B.13
# Who may read what is received, and the umask that leaves it so.
READERS = {"owner": 0o077, "group": 0o027, "everyone": 0o022}
LogFormat = Literal["text", "json"]
Hierarchy = Literal["lenient", "strict"]
Readers = Literal["owner", "group", "everyone"]
FhirForm = Literal["R4", "R5"]
WebAuth = Literal["none", "basic", "token", "proxy"]
# As storage.worklist has them: PS3.3 C.4.10, and what archives add.
EntryState = Literal[
    "SCHEDULED", "ARRIVED", "READY", "STARTED", "COMPLETED", "DISCONTINUED", "CANCELLED", "DEPARTED"
]


class Service(StrEnum):
    """What a peer may be allowed to ask for."""

    ECHO, STORE, FIND = "echo", "store", "find"
    MOVE, GET, COMMIT = "move", "get", "commit"
    WORKLIST, STEP = "worklist", "step"


class Notice(StrEnum):
    """How a peer is told of studies that are here: by DIMSE (PS3.4 R), or as FHIR ImagingStudy."""

    IAN, FHIR = "ian", "fhir"

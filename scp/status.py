"""The statuses that the node answers with, named, and which error gets which."""

from enum import IntEnum

from storage.errors import (
    ArchiveError,
    DataSetError,
    DuplicateError,
    IdentifierError,
    MismatchError,
    ResourceError,
)


class Status(IntEnum):
    """Status (0000,0900), PS3.7 annex C and the service classes of PS3.4."""

    SUCCESS = 0x0000
    PROCESSING_FAILURE = 0x0110  # PS3.7 C.5.17
    DUPLICATE_SOP_INSTANCE = 0x0111  # PS3.7 C.5.6
    NO_SUCH_SOP_INSTANCE = 0x0112  # PS3.7 C.5.16
    INVALID_ARGUMENT_VALUE = 0x0115  # PS3.7 C.5.10
    NO_SUCH_ACTION = 0x0123  # PS3.7 C.5.14
    RESOURCE_LIMITATION = 0x0213  # PS3.7 C.5.19
    SOP_CLASS_NOT_SUPPORTED = 0x0122  # PS3.7 C.5.20
    NOT_AUTHORIZED = 0x0124  # PS3.7 C.5.22
    UNRECOGNIZED_OPERATION = 0x0211  # PS3.7 C.5.24
    OUT_OF_RESOURCES = 0xA700  # PS3.4 B.2.3, C.4.1.1.4
    UNABLE_TO_COUNT_MATCHES = 0xA701  # PS3.4 C.4.2.1.5
    UNABLE_TO_PERFORM_SUB_OPERATIONS = 0xA702  # PS3.4 C.4.2.1.5
    MOVE_DESTINATION_UNKNOWN = 0xA801  # PS3.4 C.4.2.1.5
    DOES_NOT_MATCH_SOP_CLASS = 0xA900  # PS3.4 B.2.3, C.4.1.1.4
    SUB_OPERATIONS_WITH_FAILURES = 0xB000  # PS3.4 C.4.2.1.5
    ELEMENTS_DISCARDED = 0xB006  # PS3.4 B.2.3
    CANNOT_UNDERSTAND = 0xC000  # PS3.4 B.2.3, C.4.1.1.4
    CANCEL = 0xFE00  # PS3.4 C.4.1.1.4
    PENDING = 0xFF00  # PS3.4 C.4.1.1.4
    PENDING_KEYS_UNSUPPORTED = 0xFF01  # PS3.4 C.4.1.1.4


_STATUS_OF: tuple[tuple[type[ArchiveError], Status], ...] = (
    (MismatchError, Status.DOES_NOT_MATCH_SOP_CLASS),
    (IdentifierError, Status.DOES_NOT_MATCH_SOP_CLASS),
    (DuplicateError, Status.DUPLICATE_SOP_INSTANCE),
    (ResourceError, Status.OUT_OF_RESOURCES),
    (DataSetError, Status.CANNOT_UNDERSTAND),
)


def status_of(error: ArchiveError) -> Status:
    """The failure status that tells a peer of `error`."""
    for kind, status in _STATUS_OF:
        if isinstance(error, kind):
            return status
    return Status.CANNOT_UNDERSTAND


def retrieve_status_of(error: ArchiveError) -> Status:
    """The same for a retrieve, where resources lack for the matches (PS3.4 C.4.2.1.5)."""
    if isinstance(error, ResourceError):
        return Status.UNABLE_TO_COUNT_MATCHES
    return status_of(error)


def is_warning(status: int) -> bool:
    """Whether `status` is of the Warning class (PS3.7 C.4)."""
    return status == 0x0001 or 0xB000 <= status <= 0xBFFF or status in (0x0107, 0x0116)

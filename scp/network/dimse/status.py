"""The statuses that the node answers with, named, and which error gets which."""

from dataclasses import dataclass
from enum import IntEnum

from scp.config import Service
from storage.diagnostics import (
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

    @property
    def kind(self) -> str:
        """Its class of PS3.7 annex C."""
        if is_warning(self):
            return "Warning"
        named = {Status.SUCCESS: "Success", Status.CANCEL: "Cancel"}
        pending = self in (Status.PENDING, Status.PENDING_KEYS_UNSUPPORTED)
        return "Pending" if pending else named.get(self, "Failure")


@dataclass(frozen=True)
class AnsweredStatus:
    """When a status is answered to requests of these services."""

    status: Status
    services: tuple[Service, ...]
    when: str


_STORE, _FIND = Service.STORE, Service.FIND
_MOVE, _GET, _COMMIT = Service.MOVE, Service.GET, Service.COMMIT
_ALL = tuple(Service)
ANSWERS: tuple[AnsweredStatus, ...] = (
    AnsweredStatus(Status.SUCCESS, (Service.ECHO,), "always"),
    AnsweredStatus(Status.SUCCESS, (_STORE,), "it is in the archive, on the disk"),
    AnsweredStatus(Status.SUCCESS, (_FIND,), "every match was answered"),
    AnsweredStatus(
        Status.SUCCESS, (_MOVE, _GET), "every sub-operation ended in Success; or none matched"
    ),
    AnsweredStatus(Status.SUCCESS, (_COMMIT,), "the request is written down"),
    AnsweredStatus(Status.PENDING, (_FIND,), "a match"),
    AnsweredStatus(Status.PENDING, (_MOVE, _GET), "sub-operations go on"),
    AnsweredStatus(
        Status.PENDING_KEYS_UNSUPPORTED,
        (_FIND,),
        "a match; not all keys, or not all stored headers, can be matched or returned",
    ),
    AnsweredStatus(Status.CANCEL, (_FIND, _MOVE, _GET), "a C-CANCEL came"),
    AnsweredStatus(
        Status.ELEMENTS_DISCARDED, (_STORE,), "held with other content, and on_conflict is keep"
    ),
    AnsweredStatus(
        Status.SUB_OPERATIONS_WITH_FAILURES, (_MOVE, _GET), "some sub-operations failed or warned"
    ),
    AnsweredStatus(
        Status.DUPLICATE_SOP_INSTANCE,
        (_STORE,),
        "held with other content, and on_conflict is refuse",
    ),
    AnsweredStatus(
        Status.OUT_OF_RESOURCES,
        (_STORE,),
        "the disk has less free than [limits] free_bytes, or takes no more; or the index is locked",
    ),
    AnsweredStatus(
        Status.OUT_OF_RESOURCES,
        (_FIND,),
        "more match than [limits] find_responses, more headers are to be read than [query] "
        "most_headers, a stored header cannot be read, or the index is locked or made anew",
    ),
    AnsweredStatus(
        Status.UNABLE_TO_COUNT_MATCHES, (_MOVE, _GET), "the index is locked or being made anew"
    ),
    AnsweredStatus(
        Status.UNABLE_TO_PERFORM_SUB_OPERATIONS, (_MOVE, _GET), "every sub-operation failed"
    ),
    AnsweredStatus(
        Status.MOVE_DESTINATION_UNKNOWN,
        (_MOVE,),
        "the destination is not configured with an address",
    ),
    AnsweredStatus(
        Status.DOES_NOT_MATCH_SOP_CLASS,
        (_STORE,),
        "a UID is missing, is none, or is not the one of the command",
    ),
    AnsweredStatus(
        Status.DOES_NOT_MATCH_SOP_CLASS,
        (_FIND, _MOVE, _GET),
        "the identifier does not fit the level or the information model",
    ),
    AnsweredStatus(
        Status.CANNOT_UNDERSTAND,
        (_STORE, _FIND, _MOVE, _GET),
        "the data set or identifier cannot be read, or is more than is read of one",
    ),
    AnsweredStatus(Status.NO_SUCH_SOP_INSTANCE, (_COMMIT,), "not the well-known SOP Instance"),
    AnsweredStatus(Status.NO_SUCH_ACTION, (_COMMIT,), "not the action of requesting commitment"),
    AnsweredStatus(
        Status.INVALID_ARGUMENT_VALUE,
        (_COMMIT,),
        "no reference, or no Transaction UID; of a report: none that was asked for",
    ),
    AnsweredStatus(
        Status.RESOURCE_LIMITATION, (_COMMIT,), "it cannot be written down, or names too much"
    ),
    AnsweredStatus(
        Status.SOP_CLASS_NOT_SUPPORTED,
        tuple(service for service in Service if service is not _STORE),
        "the SOP class is not that of the presentation context",
    ),
    AnsweredStatus(
        Status.NOT_AUTHORIZED,
        (_STORE,),
        "its presentation context was granted for the sub-operations of C-GET alone",
    ),
    AnsweredStatus(
        Status.UNRECOGNIZED_OPERATION, _ALL, "the presentation context is not for such a request"
    ),
    AnsweredStatus(Status.PROCESSING_FAILURE, _ALL, "an internal error, which is in the log"),
)


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

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
    INVALID_ATTRIBUTE_VALUE = 0x0106  # PS3.7 C.5.11
    ATTRIBUTE_LIST_ERROR = 0x0107  # PS3.7 C.4.2
    PROCESSING_FAILURE = 0x0110  # PS3.7 C.5.17
    DUPLICATE_SOP_INSTANCE = 0x0111  # PS3.7 C.5.6
    NO_SUCH_SOP_INSTANCE = 0x0112  # PS3.7 C.5.16
    INVALID_ARGUMENT_VALUE = 0x0115  # PS3.7 C.5.10
    MISSING_ATTRIBUTE = 0x0120  # PS3.7 C.5.13
    MISSING_ATTRIBUTE_VALUE = 0x0121  # PS3.7 C.5.12
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
_WORKLIST, _STEP = Service.WORKLIST, Service.STEP
_ALL = tuple(Service)
ANSWERS: tuple[AnsweredStatus, ...] = (
    AnsweredStatus(Status.SUCCESS, (Service.ECHO,), "always"),
    AnsweredStatus(Status.SUCCESS, (_STORE,), "it is in the archive, on the disk"),
    AnsweredStatus(Status.SUCCESS, (_FIND,), "every match was answered"),
    AnsweredStatus(
        Status.SUCCESS, (_MOVE, _GET), "every sub-operation ended in Success; or none matched"
    ),
    AnsweredStatus(Status.SUCCESS, (_COMMIT,), "the request is written down"),
    AnsweredStatus(Status.SUCCESS, (_WORKLIST,), "every entry that matches was answered"),
    AnsweredStatus(
        Status.SUCCESS, (_STEP,), "what was said is written down, on the disk; or is answered"
    ),
    AnsweredStatus(Status.PENDING, (_FIND, _WORKLIST), "a match"),
    AnsweredStatus(Status.PENDING, (_MOVE, _GET), "sub-operations go on"),
    AnsweredStatus(
        Status.PENDING_KEYS_UNSUPPORTED,
        (_FIND,),
        "a match; not all keys, or not all stored headers, can be matched or returned",
    ),
    AnsweredStatus(
        Status.PENDING_KEYS_UNSUPPORTED,
        (_WORKLIST,),
        "a match; of bulk data, private attributes, documents or a time zone keys were given",
    ),
    AnsweredStatus(Status.CANCEL, (_FIND, _MOVE, _GET, _WORKLIST), "a C-CANCEL came"),
    AnsweredStatus(
        Status.ATTRIBUTE_LIST_ERROR,
        (_STEP,),
        "written down, though attributes of type 1 were missing where the entry could be told, or "
        "some were repeated that must not be set; these are named",
    ),
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
        Status.OUT_OF_RESOURCES,
        (_WORKLIST,),
        "more match than [limits] find_responses, or folder or tables of entries cannot be read",
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
        Status.DOES_NOT_MATCH_SOP_CLASS,
        (_WORKLIST,),
        "a sequence of the identifier has several items, or a key is too long",
    ),
    AnsweredStatus(
        Status.CANNOT_UNDERSTAND,
        (_STORE, _FIND, _MOVE, _GET, _WORKLIST),
        "the data set or identifier cannot be read, or is more than is read of one",
    ),
    AnsweredStatus(Status.NO_SUCH_SOP_INSTANCE, (_COMMIT,), "not the well-known SOP Instance"),
    AnsweredStatus(
        Status.NO_SUCH_SOP_INSTANCE, (_STEP,), "there is no such performed procedure step"
    ),
    AnsweredStatus(
        Status.DUPLICATE_SOP_INSTANCE, (_STEP,), "the performed procedure step is there already"
    ),
    AnsweredStatus(
        Status.MISSING_ATTRIBUTE, (_STEP,), "an attribute of type 1 is missing, and named"
    ),
    AnsweredStatus(
        Status.MISSING_ATTRIBUTE_VALUE, (_STEP,), "an attribute of type 1 is empty, and named"
    ),
    AnsweredStatus(
        Status.INVALID_ATTRIBUTE_VALUE,
        (_STEP,),
        "a status that is none or not the one to begin with, or an attribute that must not be set; "
        "nothing is set, and they are named",
    ),
    AnsweredStatus(
        Status.INVALID_ARGUMENT_VALUE, (_STEP,), "the data set cannot be read, or a UID is none"
    ),
    AnsweredStatus(Status.NO_SUCH_ACTION, (_COMMIT,), "not the action of requesting commitment"),
    AnsweredStatus(
        Status.INVALID_ARGUMENT_VALUE,
        (_COMMIT,),
        "no reference, or no Transaction UID; of a report: none that was asked for",
    ),
    AnsweredStatus(
        Status.RESOURCE_LIMITATION,
        (_COMMIT, _STEP),
        "it cannot be written down, or names too much",
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
    AnsweredStatus(
        Status.PROCESSING_FAILURE,
        (_STEP,),
        "with Error ID A710: the step was completed or discontinued, and is not updated any more",
    ),
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

"""An instance as it came, and what becomes of it."""

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

from pydicom.tag import Tag

from storage.diagnostics import DuplicateError, MismatchError, both_uids
from storage.dicom import Header
from storage.dicom.values import Uids
from storage.files import IncomingDataSet
from storage.index import FileFacts
from storage.journal import milliseconds


class OnConflict(StrEnum):
    """What happens to a SOP Instance that is held already, with other content."""

    REPLACE = "replace"
    KEEP = "keep"
    REFUSE = "refuse"


class StoreOutcome(Enum):
    """What became of an instance that was not refused."""

    STORED = "stored"
    UNCHANGED = "already there"
    REPLACED = "replaced"
    KEPT = "other content kept"


@dataclass(frozen=True)
class Received:
    """An instance as it came: what its C-STORE command said, and the data set."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    data_set: (
        IncomingDataSet | bytes | memoryview
    )  # as it arrived: of `Archive.receive`, for the same UIDs
    charset: str  # for text that names no Specific Character Set
    sender: str = ""  # the calling AE title


@dataclass(frozen=True)
class Stored:
    """The outcome of a store, under which UIDs, and how these contradict others that are held."""

    outcome: StoreOutcome
    uids: Uids
    disagreements: tuple[str, ...] = ()


def facts_of(received: Received, intake: IncomingDataSet, at: str) -> FileFacts:
    """What the index holds of the file of an instance that has arrived; `at`: its receipt's."""
    return FileFacts(
        received.transfer_syntax_uid, intake.size, intake.digest, received.charset, intake.arrived,
        received.sender, milliseconds(at),
    )  # fmt: skip


def receipt(header: Header, facts: FileFacts, at: str) -> dict[str, Any]:
    """What the journal says of the receipt of an instance."""
    return {
        "at": at, "uids": header.uids, "syntax": facts.transfer_syntax_uid,
        "bytes": facts.file_bytes, "digest": facts.digest, "sender": facts.sender,
        "charset": facts.charset,
    }  # fmt: skip


def check_command(received: Received, header: Header) -> None:
    """Raise MismatchError unless the data set is the instance that the command names."""
    said_of = {"SOPClassUID": received.sop_class_uid, "SOPInstanceUID": received.sop_instance_uid}
    wrong = [(keyword, said) for keyword, said in said_of.items() if said != header[keyword]]
    if wrong:
        keyword, said = wrong[0]
        tags = [Tag(name) for name, _ in wrong]
        raise MismatchError(both_uids(said, header[keyword]), *tags)


def outcome_of(is_same: bool | None, on_conflict: OnConflict) -> StoreOutcome:
    """What becomes of an instance that is held with the same content, with other, or not (None).

    Raises DuplicateError.
    """
    if is_same is None:
        return StoreOutcome.STORED
    if is_same:
        return StoreOutcome.UNCHANGED
    if on_conflict is OnConflict.REFUSE:
        raise DuplicateError("Held with other content, and on_conflict is refuse")
    return StoreOutcome.KEPT if on_conflict is OnConflict.KEEP else StoreOutcome.REPLACED

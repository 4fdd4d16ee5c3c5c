"""What became of the instances of a request to store (PS3.18 10.5.3, annex I)."""

import logging
from dataclasses import dataclass, field

from pydicom.tag import Tag

from scp.network.dimse import Status, sop_classes, status_of
from storage import Stored, StoreOutcome
from storage.diagnostics import ArchiveError, Event, MismatchError
from storage.dicom.data_sets import Element, Elements

logger = logging.getLogger(__name__)

# Who sent it, for the journal and for [[forward]]; behind it comes the user, where there is one.
SENDER = "STOW-RS"
_RETRIEVE_URL = Tag(0x0008, 0x1190)
_CLASS, _INSTANCE = Tag(0x0008, 0x1150), Tag(0x0008, 0x1155)
_FAILURE_REASON, _WARNING_REASON = Tag(0x0008, 0x1197), Tag(0x0008, 0x1196)
_FAILED, _STORED, _OTHERS = Tag(0x0008, 0x1198), Tag(0x0008, 0x1199), Tag(0x0008, 0x119A)
# Of the refusals of a request so many are lines of the log; the answer tells of each.
_MOST_LOGGED = 100
# Referenced Transfer Syntax not supported (PS3.18 table I.2-2), which no DIMSE service has.
SYNTAX_NOT_SUPPORTED = 0xC122


class NotTakenError(MismatchError):
    """An instance of a SOP class or transfer syntax that is not taken; `reason` tells which."""

    def __init__(self, words: str, sop_class: str) -> None:
        super().__init__(words)
        known = sop_classes.is_storage(sop_class)
        self.reason = SYNTAX_NOT_SUPPORTED if known else int(Status.SOP_CLASS_NOT_SUPPORTED)


@dataclass
class Report:
    """What became of each instance of a request."""

    sender: str = SENDER
    stored: list[Elements] = field(default_factory=list)
    failed: list[Elements] = field(default_factory=list)
    others: list[Elements] = field(default_factory=list)  # of which no UIDs are known
    reasons: list[str] = field(default_factory=list)
    studies: set[str] = field(default_factory=set)
    is_out_of_resources: bool = False

    @property
    def status(self) -> int:
        """Of the answer (PS3.18 10.5.3.1)."""
        refused = len(self.failed) + len(self.others)
        if not refused:
            return 200
        if self.stored:
            return 202
        return 503 if self.is_out_of_resources else 409

    def elements(self, url: str) -> Elements:
        """The answer's data set (PS3.18 table 10.5.3-2)."""
        found: Elements = {_RETRIEVE_URL: Element("UR", url if self.stored else "")}
        for tag, items in ((_FAILED, self.failed), (_STORED, self.stored), (_OTHERS, self.others)):
            if items:
                found[tag] = Element("SQ", items=tuple(items))
        return found

    def refuse(self, said: tuple[str, str], error: ArchiveError) -> None:
        """Note why an instance was refused; `said` are its SOP Class and SOP Instance UID."""
        status = status_of(error)
        self.is_out_of_resources |= status is Status.OUT_OF_RESOURCES
        self.reasons.append(str(error))
        if len(self.reasons) <= _MOST_LOGGED:  # a body may have 100,000 parts of nothing
            logger.error(Event("store refused", error, instance=said[1]))
        number = error.reason if isinstance(error, NotTakenError) else int(status)
        reason = Element("US", str(number))
        if all(said):
            named = {_CLASS: Element("UI", said[0]), _INSTANCE: Element("UI", said[1])}
            self.failed.append({**named, _FAILURE_REASON: reason})
        else:
            self.others.append({_FAILURE_REASON: reason})

    def accept(self, said: tuple[str, str], stored: Stored, url: str) -> None:
        """Note that an instance was stored, and where it is to be had."""
        item: Elements = {
            _CLASS: Element("UI", said[0]), _INSTANCE: Element("UI", said[1]),
            _RETRIEVE_URL: Element("UR", url),
        }  # fmt: skip
        if stored.outcome is StoreOutcome.KEPT:
            item[_WARNING_REASON] = Element("US", str(int(Status.ELEMENTS_DISCARDED)))
        self.stored.append(item)
        self.studies.add(stored.uids[0])
        logger.info(Event(stored.outcome.value, peer=self.sender, instance=stored.uids[2]))
        for disagreement in stored.disagreements:
            logger.warning(Event("disagreement", disagreement, instance=stored.uids[2]))

"""A message answered: what it asks for is done first, and acknowledged when it is on the disk."""

import hashlib
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from scp.config import HL7_CHARSETS, Orders
from scp.network.orders.done_messages import DoneMessages
from scp.runtime import AuditTrail
from storage.diagnostics import ArchiveError, Event
from storage.worklist import By, Known, Rules, State, Worklist, day_before
from storage.worklist.entries import (
    CANCEL,
    DISCONTINUE,
    Entry,
    EntryError,
    MessageError,
    Order,
    completed,
    from_values,
    read_orders,
)

logger = logging.getLogger(__name__)

ACCEPTED, ERROR, REJECTED = "AA", "AE", "AR"  # MSA-1 (HL7 table 0008)
_MOST_WORDS = 400
# How long past its day an order can be taken back: to look through all of years takes seconds.
_MOST_DAYS = 365
_ENDED = {CANCEL: State.CANCELLED, DISCONTINUE: State.DISCONTINUED}
# What an order that takes another one back names it by, and of what all have to be the same.
_NAMED_BY = ("accession", "study_uid", "procedure_id", "step_id")
_KEYWORDS = {
    "accession": "AccessionNumber", "study_uid": "StudyInstanceUID",
    "procedure_id": "RequestedProcedureID", "step_id": "ScheduledProcedureStepID",
}  # fmt: skip


@dataclass(frozen=True)
class Answered:
    """An answer, as bytes, and its code."""

    code: str
    data: bytes


@dataclass(frozen=True)
class _Head:
    """What of the first segment an answer repeats; texts of ASCII, or of the character set."""

    separator: str
    encoding: str
    fields: tuple[str, ...]  # by their numbers
    codec: str
    charset: str  # MSH-18

    def field(self, number: int) -> str:
        return self.fields[number] if number < len(self.fields) else ""


@dataclass(frozen=True)
class _Asked:
    """What a message asks for: entries, and those that it takes back, with what they are then."""

    controls: list[str]
    entries: list[Entry]
    ended: list[tuple[Known, State]]


class Answerer:
    """Answers messages; safe to use from many threads."""

    def __init__(
        self,
        worklist: Worklist,
        rules: Rules,
        settings: Orders,
        audit: AuditTrail,
        done: DoneMessages,
    ) -> None:
        self._worklist, self._rules, self._settings = worklist, rules, settings
        self._audit, self._done = audit, done
        self._lock = threading.Lock()  # one message at a time: a repeated one waits for the first

    def answer(self, message: bytes, address: str) -> Answered:
        """Do what a message asks, and answer it; one that was done before is accepted again."""
        head = _head(message, self._settings.charset)
        with self._lock:
            code, words = self._outcome(message, head, address)
        return Answered(code, _acknowledgement(head, code, words))

    def _outcome(self, message: bytes, head: _Head, address: str) -> tuple[str, str]:
        told: dict[str, object] = {}
        code, words = ACCEPTED, ""
        try:
            if self._done.has(message):
                return ACCEPTED, ""
            asked = self._asked(_text(message, head))
            with self._worklist.turn():
                if self._done.has(message):  # by another node meanwhile
                    return ACCEPTED, ""
                told = self._take(asked)
                # Where this fails, and one node has the archive, what was asked for stands, and is
                # done once more when it comes again.
                self._done.add(message)
        except MessageError as error:
            code, words = (REJECTED if error.is_rejected else ERROR), str(error)
        except EntryError as error:
            code, words = ERROR, "; ".join(error.faults)
        except (ArchiveError, OSError) as error:
            code, words = ERROR, str(error)
        number = head.field(10)
        fields = {"address": address, "message": number[:64], "answer": code, **told}
        logger.log(
            logging.INFO if code == ACCEPTED else logging.WARNING,
            Event("order", *([words] if words else []), **fields),
        )
        self._audit.write("order", **fields, reason=words or None)
        return code, words

    def _asked(self, text: str) -> _Asked:
        """What a message asks for. Raises MessageError, EntryError, ResourceError."""
        orders = read_orders(text, self._settings.station)
        seed = hashlib.sha256(text.encode()).hexdigest()
        identity = self._worklist.identity()
        entries = [
            entry
            for order in orders
            if order.control not in _ENDED
            for entry in completed(from_values(order.values), identity, seed)
        ]
        ended = [
            (one, _ENDED[order.control])
            for order in orders
            if order.control in _ENDED
            for one in self._named(order)
        ]
        return _Asked([order.control for order in orders], entries, ended)

    def _take(self, asked: _Asked) -> dict[str, object]:
        """Do what a message asks, all of it or nothing; what log and audit trail tell of it.

        Raises EntryError, ResourceError.
        """
        if asked.entries:
            self._worklist.put(asked.entries)
            self._reopen(asked.entries)
        for one, state in asked.ended:
            self._worklist.decide(one.entry, state, By.HL7)
        about = [*asked.entries, *(one.entry for one, _ in asked.ended)]
        return {
            "control": ",".join(dict.fromkeys(asked.controls)),
            "accession": ",".join(dict.fromkeys(one.accession for one in about)),
            "studies": list(dict.fromkeys(one.study_uid for one in about)),
        }

    def _reopen(self, entries: list[Entry]) -> None:
        """Have what an order took back before, and one orders anew, be scheduled again."""
        keys = {one.key for one in entries}
        for known in self._worklist.known(min(one.day for one in entries), self._rules):
            is_taken_back = known.state in (State.CANCELLED, State.DISCONTINUED)
            if known.entry.key in keys and is_taken_back:
                self._worklist.decide(known.entry, None, By.HL7)

    def _named(self, order: Order) -> list[Known]:
        """The entries that an order takes back. Raises MessageError where there is none."""
        patient = order.values.get("PatientID", "")
        wanted = _wanted(order.values)
        if not patient or not wanted:
            raise MessageError(f"{order.control} names no patient and order to be taken back")
        found = [
            known
            for known in self._worklist.known(day_before(_MOST_DAYS), self._rules)
            if known.entry.patient_id == patient
            and all(getattr(known.entry, name) == text for name, text in wanted.items())
        ]
        if not found:
            told = " ".join(f"{_KEYWORDS[name]}={text}" for name, text in wanted.items())
            raise MessageError(f"no order of this patient is known by {told}")
        return found


def _wanted(values: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name in _NAMED_BY if (text := values.get(_KEYWORDS[name], ""))}


def _head(message: bytes, charset: str) -> _Head:
    """What the first segment says, whatever the message is: each has to be answered."""
    first = message.lstrip(b"\r\n").partition(b"\r")[0].partition(b"\n")[0][:4096]
    is_head = first.startswith(b"MSH") and len(first) > 8 and first[3:4].isascii()
    separator = first[3:4].decode("ascii") if is_head else "|"
    parts = first.split(separator.encode()) if is_head else [b"MSH", b"^~\\&"]
    encoding = parts[1].decode("latin-1") if len(parts) > 1 else ""
    encoding = encoding if len(encoding) >= 4 and encoding.isascii() else "^~\\&"
    # MSH-1 is the separator itself.
    fields = ("MSH", separator, *(part.decode("latin-1") for part in parts[1:]))
    told = fields[18].partition(encoding[1])[0].strip() if len(fields) > 18 else ""
    codec = HL7_CHARSETS.get((told or charset).upper(), "")
    return _Head(separator, encoding, fields, codec, told)


def _text(message: bytes, head: _Head) -> str:
    """The message as text. Raises MessageError."""
    if not head.codec:
        words = f'MSH-18 is "{head.charset[:40]}": takes {", ".join(HL7_CHARSETS)}'
        raise MessageError(words, is_rejected=True)
    try:
        return message.decode(head.codec)
    except UnicodeDecodeError as error:
        segment = message[: error.start].count(b"\r") + 1
        words = f"byte {error.start}, in segment {segment}, is not of {head.charset or head.codec}"
        raise MessageError(f"{words}: MSH-18 names the character set") from error


def _acknowledgement(head: _Head, code: str, words: str) -> bytes:
    """ACK (HL7 2.5.1 2.9.2): MSH with the ends exchanged, and MSA with what was wrong."""
    at, sep = head.field, head.separator
    event = at(9).split(head.encoding[0])[1:2]
    kind = head.encoding[0].join(["ACK", *event])
    now = time.strftime("%Y%m%d%H%M%S")
    number = hashlib.sha256(f"{code}{at(10)}{now}".encode()).hexdigest()[:20]
    fields = ["MSH", head.encoding, at(5), at(6), at(3), at(4), now, "", kind, number,
              at(11) or "P", at(12) or "2.3.1"]  # fmt: skip
    if head.charset:
        fields += [""] * 5 + [head.charset]
    answer = ["MSA", code, at(10), *([_escaped(words[:_MOST_WORDS], head)] if words else [])]
    return "\r".join([sep.join(fields), sep.join(answer), ""]).encode("latin-1", "replace")


def _escaped(words: str, head: _Head) -> str:
    """Text with no separator in it (HL7 2.5.1 2.7.1)."""
    component, repetition, escape, part = tuple(head.encoding[:4])
    names = {escape: "E", head.separator: "F", component: "S", repetition: "R", part: "T"}
    plain = "".join(one if one.isprintable() and one.isascii() else "?" for one in words)
    return "".join(f"{escape}{names[one]}{escape}" if one in names else one for one in plain)

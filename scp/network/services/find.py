"""C-FIND (PS3.4 C.4.1): one pending response an entity that matches."""

import logging
import time
from collections.abc import Iterable, Iterator
from itertools import islice

from pydicom.tag import BaseTag

from scp.network.association import Cancelled, Request
from scp.network.dimse import Status, identifier
from storage import Query
from storage.archive import HeaderLimits, QueryAnswers, turns
from storage.archive.finding import asked_keys
from storage.diagnostics import ArchiveError, Event, ResourceError, Sentence
from storage.dicom.data_sets import Elements

logger = logging.getLogger(__name__)

# Instances, or keys, that a line of the log names.
_NAMED = 20
# Between two lines of the log on a query that takes long.
_PROGRESS_SECONDS = 10.0


def handle(request: Request) -> None:
    """Answer a query, and log it."""
    started = time.monotonic()
    sent = 0
    try:
        query = request.query()
        request.audit |= {"level": query.level.name, **query.named}
        query.check_upper_keys()
        limits = HeaderLimits(
            request.node.settings.query.most_headers, turns(), _Progress(request, query).told
        )
        stop = request.stop_if_cancelled
        found = request.node.archive.find(query, request.charset, stop, limits)
        is_partly = bool(query.unsupported)
        for data in _identifiers(request, found):
            is_partly = is_partly or bool(found.search.left_out or found.search.unread)
            pending = Status.PENDING_KEYS_UNSUPPORTED if is_partly else Status.PENDING
            sent += 1
            request.respond_match(pending, data)
        request.respond(Status.SUCCESS)
    except Cancelled:
        request.respond(Status.CANCEL)
    except ArchiveError as error:
        request.refuse(error)
        logger.error(Event("query refused", error, **request.who))
        return
    seconds = time.monotonic() - started
    request.audit["answers"] = sent
    logger.info(
        Event(
            "queried",
            **request.who,
            root=query.root.name,
            level=query.level.name,
            answers=sent,
            status=f"{request.final_status or 0:04X}",
            # The only word of it where nothing is found: answers say so by their status.
            unmatched=_named(query.unsupported) or None,
            unread=_named(found.search.unread) or None,
            seconds=seconds,
        )
    )
    if found.search.read:
        keys, read = _named(query.from_headers), found.search.read
        asked_keys.note(request.node.archive.tree.data, query.from_headers, read)
        words = f"no index serves keys={keys}: read headers={read} in seconds={seconds:.3f}"
        logger.info(Sentence(words, keys=keys, headers=read, seconds=seconds))


class _Progress:
    """Says now and then how far the headers are read that a query takes."""

    def __init__(self, request: Request, query: Query) -> None:
        self._who = request.who
        self._query = query
        self._next = time.monotonic() + _PROGRESS_SECONDS

    def told(self, read: int, total: int) -> None:
        """Say it where the last time is a while ago."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PROGRESS_SECONDS
            keys = _named(self._query.from_headers)
            logger.info(Event("reading headers", **self._who, keys=keys, read=read, of=total))


def _named(tags: Iterable[BaseTag]) -> str:
    return ",".join(str(tag) for tag in islice(tags, _NAMED))


def _identifiers(request: Request, found: QueryAnswers) -> Iterator[bytes]:
    """The answers' identifiers. Raises ResourceError where there are others that are not given.

    Success would say that these were all (PS3.4 C.4.1.3.1).
    """
    limit, query = request.node.settings.limits.find_responses, found.search.query
    encoder = identifier.AnswerEncoder(
        query.returned, _constant(request, query), request.transfer_syntax, query.character_set
    )
    request.stop_if_cancelled()
    for number, answer in enumerate(found):
        if limit and number == limit:
            raise ResourceError(f"More than {limit} matches: narrow the query")
        yield encoder.encode(answer.texts, answer.extra)
    if left_out := found.search.left_out:
        words = "too much to read of stored headers, and so not matched"
        logger.warning(Event(words, count=len(left_out), instances=",".join(left_out[:_NAMED])))
    unreadable = found.search.unreadable
    if unreadable:
        named = ",".join(unreadable[:_NAMED])
        logger.error(Event("cannot be read, and so not matched", instances=named))
        raise ResourceError(f"{len(unreadable)} stored headers cannot be read, see the log")


def _constant(request: Request, query: Query) -> Elements:
    """What every answer carries, unasked (PS3.4 C.4.1.1.3.2)."""
    texts = {
        identifier.QUERY_RETRIEVE_LEVEL: query.level.name,
        identifier.RETRIEVE_AE_TITLE: request.node.settings.node.ae_title,
    }
    if query.asks_availability:
        texts[identifier.INSTANCE_AVAILABILITY] = "ONLINE"
    return identifier.from_texts(texts)

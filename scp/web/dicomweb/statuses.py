"""Which status is answered to which transaction of PS3.18, and when."""

from dataclasses import dataclass
from enum import Enum


class Transaction(Enum):
    """One of PS3.18 8.9, 9 and 10."""

    CAPABILITIES = "Retrieve Capabilities"
    RETRIEVE = "Retrieve"
    SEARCH = "Search"
    STORE = "Store"
    URI = "URI"


@dataclass(frozen=True)
class AnsweredStatus:
    """When a status is answered to some transactions."""

    status: int
    transactions: tuple[Transaction, ...]
    when: str


_ALL = tuple(Transaction)
_CAPABILITIES, _RETRIEVE, _SEARCH, _STORE, _URI = _ALL
_GETS = (_RETRIEVE, _SEARCH, _URI)
# Successes first; the failures are those of `request.errors` and of HTTP itself.
ANSWERED: tuple[AnsweredStatus, ...] = (
    AnsweredStatus(200, (_CAPABILITIES,), "always, with what may be asked"),
    AnsweredStatus(200, (_RETRIEVE, _URI), "the resource is in the payload"),
    AnsweredStatus(200, (_SEARCH,), "the answers are in the payload, if any"),
    AnsweredStatus(200, (_STORE,), "all instances are stored, on the disk"),
    AnsweredStatus(202, (_STORE,), "some instances are stored, and others are not: the payload "
                   "tells of each"),
    AnsweredStatus(204, (_SEARCH,), "nothing matches, and XML was asked for"),
    AnsweredStatus(206, (_RETRIEVE,), "some of the instances are in the payload; or the bytes of "
                   "a range"),
    AnsweredStatus(206, (_URI,), "the bytes of a range are in the payload"),
    AnsweredStatus(304, (_RETRIEVE, _URI), "the entity tag of If-None-Match is that of the "
                   "resource"),
    AnsweredStatus(400, _ALL, "a parameter, a header or the Host cannot be what it is; the payload "
                   "says which"),
    AnsweredStatus(400, (_STORE,), "the body is cut short, or holds nothing that could be an "
                   "instance"),
    AnsweredStatus(401, _ALL, "[web] auth wants to know who asks; WWW-Authenticate says how"),
    AnsweredStatus(403, _ALL, "who asks may not, by [users]; or a page of a stranger asks"),
    AnsweredStatus(403, (_STORE,), "[web] store is false"),
    AnsweredStatus(404, (_RETRIEVE, _URI), "it is not held"),
    AnsweredStatus(404, (_SEARCH, _STORE), "there is no such path"),
    AnsweredStatus(405, _ALL, "another method; Allow names those that there are"),
    AnsweredStatus(406, _ALL, "it is in none of the media types or transfer syntaxes that are "
                   "accepted; the payload names those that there are"),
    AnsweredStatus(409, (_STORE,), "no instance is stored; the payload has the reasons"),
    AnsweredStatus(413, (_RETRIEVE, _URI), "a picture of more pixels or frames than are drawn"),
    AnsweredStatus(415, (_STORE,), "the body is of another media type, or has a Content-Encoding"),
    AnsweredStatus(416, (_RETRIEVE, _URI), "the range begins behind the end"),
    AnsweredStatus(429, _ALL, "too many wrong passwords or tokens; Retry-After says when to ask "
                   "again"),
    AnsweredStatus(500, _GETS, "what is stored cannot be read"),
    AnsweredStatus(503, _ALL, "resources lack, or too much is asked at one time; Retry-After says "
                   "when to ask again"),
)  # fmt: skip

"""Media types with their parameters as headers have them (RFC 9110 8.3.1, 12.5.1)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from scp.web.media.media_types import MULTIPART, OTHER_NAMES

ANY = "*/*"
# A header is longer only to make work.
_MOST_CHARACTERS, _MOST_RANGES = 8192, 64
# What is quoted, and what is between commas or semicolons: PS3.18 itself has `type=` without quotes
# in places, where its slash would want them (RFC 9110 5.6.2).
_PIECE = re.compile(r'"(?:\\.|[^"\\])*"?|[^",;]+|[,;]', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_MEDIA_TYPE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True)
class MediaRange:
    """A media type, or many with `*`: that of the parts where it is one of several parts.

    `is_multipart` is None where that is left open. `transfer_syntax`: empty where none is named,
    `*` where any will do.
    """

    media_type: str
    is_multipart: bool | None = False
    transfer_syntax: str = ""
    quality: float = 1.0
    parameters: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def precision(self) -> int:
        """Which of two ranges for a media type counts: the more precise one (RFC 9110 12.5.1)."""
        kind, _, rest = self.media_type.partition("/")
        names_syntax = self.transfer_syntax not in ("", "*")
        return 2 * ((kind != "*") + (rest != "*")) + names_syntax

    def takes(self, media_type: str) -> bool:
        """Whether a media type is in it."""
        kind, _, rest = self.media_type.partition("/")
        if rest == "*":
            return kind in ("*", media_type.partition("/")[0])
        return self.media_type == media_type.lower()


def media_ranges(text: str) -> list[MediaRange]:
    """The ranges of a header, in their order; what is none is passed over (PS3.18 8.7.7)."""
    found = []
    for pieces in _lists(text[:_MOST_CHARACTERS])[:_MOST_RANGES]:
        head, *rest = pieces
        # The plus of a query that was not percent-encoded has become a space.
        media_type = head.strip().replace(" ", "+").lower()
        media_type = ANY if media_type == "*" else media_type  # as some clients write it
        if _MEDIA_TYPE.fullmatch(media_type):
            found.append(_range(media_type, dict(_parameters(rest))))
    return found


def _range(media_type: str, parameters: dict[str, str]) -> MediaRange:
    is_multipart: bool | None = None if media_type == ANY else False
    if media_type in (MULTIPART, "multipart/*"):
        is_multipart = True
        media_type = parameters.get("type", ANY).strip().lower() or ANY
    media_type = OTHER_NAMES.get(media_type, media_type)
    syntax = parameters.get("transfer-syntax", "").strip()
    return MediaRange(media_type, is_multipart, syntax, _quality(parameters), parameters)


def _quality(parameters: Mapping[str, str]) -> float:
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        return 1.0
    return quality if 0 <= quality <= 1 else 1.0


def _parameters(pieces: list[str]) -> Iterator[tuple[str, str]]:
    """The parameters, of one that is there several times the last one first."""
    for piece in reversed(pieces):
        name, equals, value = piece.partition("=")
        if equals:
            yield name.strip().lower(), _unquoted(value.strip())


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    closed = len(value) > 1 and value.endswith('"')
    return _ESCAPED.sub(r"\1", value[1:-1] if closed else value[1:])


def _lists(text: str) -> list[list[str]]:
    """What is between commas, each in what is between semicolons."""
    found = [[""]]
    for piece in _PIECE.findall(text):
        if piece == ",":
            found.append([""])
        elif piece == ";":
            found[-1].append("")
        else:
            found[-1][-1] += piece
    return found

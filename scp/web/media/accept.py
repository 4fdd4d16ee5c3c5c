"""Which of what there is is given: the Accept header and the query parameter (PS3.18 8.7.8)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from scp.web.media.media_ranges import ANY, MediaRange, media_ranges
from scp.web.media.media_types import (
    COMPRESSED_TYPE,
    DICOM,
    EXPLICIT_VR_LITTLE_ENDIAN,
    JSON,
    MULTIPART,
    OCTETS,
    PLAIN_JSON,
    PLAIN_XML,
    SYNTAXES_OF,
    WADL,
    XML,
)

# What is repeated of a header in an error.
_SHOWN_CHARACTERS = 200


class NotAcceptableError(Exception):
    """Nothing of what is asked for is to be had (406); the text names what is."""


@dataclass(frozen=True)
class Offer:
    """A form in which something can be given, alone or as parts of one body.

    `transfer_syntaxes`: those that there are, as it is stored first; none where its media type has
    none.
    """

    media_type: str
    is_multipart: bool = False
    transfer_syntaxes: tuple[str, ...] = ()

    def syntax_for(self, asked: str) -> str | None:
        """Of those the one that is `asked`: a UID, `*`, or the default where it is empty.

        None where it is not there. The default gives way to how it is stored, as that may be how it
        is to be had alone (PS3.18 8.7.3).
        """
        there = self.transfer_syntaxes
        if not there:
            return ""
        if asked == "*":
            return there[0]
        if asked:
            return asked if asked in there else None
        default = SYNTAXES_OF.get(self.media_type, there)[0]
        return default if default in there else there[0]

    def __str__(self) -> str:
        kind = f'{MULTIPART}; type="{self.media_type}"' if self.is_multipart else self.media_type
        syntaxes = self.transfer_syntaxes or ("",)
        return ", ".join(f"{kind}; transfer-syntax={one}" if one else kind for one in syntaxes)


@dataclass(frozen=True)
class Choice:
    """The form that is given. `asked_syntax`: as it was asked for, empty or `*` too.

    Of a body of parts `media_type` and `transfer_syntax` are theirs.
    """

    media_type: str
    is_multipart: bool = False
    transfer_syntax: str = ""
    asked_syntax: str = ""

    @property
    def content_type(self) -> str:
        """What the Content-Type of it, or of a part of it, is (PS3.18 8.7.9)."""
        syntax = self.transfer_syntax
        return f"{self.media_type}; transfer-syntax={syntax}" if syntax else self.media_type

    def syntax_of(self, transfer_syntaxes: Sequence[str]) -> str | None:
        """The same choice for another part, of what there is of that; None where there is not."""
        return Offer(self.media_type, True, tuple(transfer_syntaxes)).syntax_for(self.asked_syntax)


def choose(header: str, parameter: str, offers: Iterable[Offer]) -> Choice:
    """What is given of `offers`, the default one first.

    The media types of the query parameter come first, and where none of them is there those of the
    header. Without either anything is acceptable (RFC 9110 12.5.1). Raises NotAcceptableError.
    """
    there = list(offers)
    asked = [text for text in (parameter, header) if text.strip()] or [ANY]
    for text in asked:
        if found := _best(media_ranges(text), there):
            return found
    words = "; ".join(map(str, there)) if there else "nothing"
    shown = ascii(", ".join(asked)[:_SHOWN_CHARACTERS])[1:-1]
    raise NotAcceptableError(f"Accept: there is {words}; and not {shown}")


def _best(ranges: Sequence[MediaRange], offers: Iterable[Offer]) -> Choice | None:
    """Of what is in a range the one of the highest quality.

    Of several one that is named goes before one that is not forbidden, and the first of them.
    """
    found = [
        (-counts.quality, "*" in counts.media_type, ranges.index(counts), number, choice)
        for number, offer in enumerate(offers)
        for counts, choice in _choices(ranges, offer)
        if counts.quality > 0
    ]
    return min(found, key=lambda one: one[:4])[4] if found else None


def _choices(ranges: Sequence[MediaRange], offer: Offer) -> Iterable[tuple[MediaRange, Choice]]:
    """In each transfer syntax that is asked for, with the most precise of the ranges for it."""
    found: dict[str, MediaRange] = {}
    for one in ranges:
        is_meant = one.is_multipart in (None, offer.is_multipart)
        syntax = offer.syntax_for(one.transfer_syntax) if is_meant else None
        if syntax is None or not one.takes(offer.media_type):
            continue
        if syntax not in found or one.precision > found[syntax].precision:
            found[syntax] = one
    for syntax, one in found.items():
        asked = one.transfer_syntax if syntax else ""
        yield one, Choice(offer.media_type, offer.is_multipart, syntax, asked)


def choose_dicom(
    header: str, parameter: str, transfer_syntaxes: Sequence[str], is_one: bool = False
) -> Choice:
    """How instances go: as parts or, where there `is_one`, as it is (table 8.7.3-2)."""
    syntaxes = tuple(transfer_syntaxes)
    offers = [Offer(DICOM, True, syntaxes), Offer(DICOM, False, syntaxes)]
    return choose(header, parameter, offers if is_one else offers[:1])


def choose_metadata(header: str, parameter: str) -> str:
    """The media type of metadata and of answers to a search: JSON, or XML in parts."""
    offers = Offer(JSON), Offer(XML, True), Offer(PLAIN_JSON)
    return _JSON_NAMES.get(found := choose(header, parameter, offers).media_type, found)


def choose_report(header: str, parameter: str) -> Choice:
    """The form of what is said of instances that were to be stored: JSON, or XML (10.5.4)."""
    alone = JSON, XML, PLAIN_JSON, PLAIN_XML
    found = choose(header, parameter, [*map(Offer, alone), Offer(XML, True)])
    return Choice(_JSON_NAMES.get(found.media_type, found.media_type), found.is_multipart)


def choose_bulk(header: str, parameter: str) -> Choice:
    """How a value goes that is no pixel data: as it is, or as a part (table 8.7.3-4)."""
    syntaxes = (EXPLICIT_VR_LITTLE_ENDIAN,)
    offers = Offer(OCTETS, False, syntaxes), Offer(OCTETS, True, syntaxes)
    return choose(header, parameter, offers)


# A viewer asks for each frame by the same words.
@lru_cache(maxsize=64)
def choose_pixels(
    header: str, parameter: str, stored: str, can_be_native: bool, is_one: bool = False
) -> Choice:
    """How frames go: uncompressed, or as they are stored (tables 8.7.3-4 and -5).

    `stored`: their transfer syntax, Explicit VR Little Endian where they are not compressed.
    """
    native = (EXPLICIT_VR_LITTLE_ENDIAN,) if can_be_native else ()
    own = COMPRESSED_TYPE.get(stored, "")
    # Whose type says nothing, asks for any transfer syntax and gets the bytes as they are.
    octets = tuple(dict.fromkeys((stored, *native)))
    forms = [(OCTETS, octets), (own, (stored,))] if can_be_native else [(own, (stored,)),
             (OCTETS, octets)]  # fmt: skip
    ways = (True, False) if is_one else (True,)
    offers = [Offer(kind, way, syntaxes) for way in ways for kind, syntaxes in forms if kind]
    return choose(header, parameter, offers)


def choose_rendered(
    header: str, parameter: str, media_types: Iterable[str], is_several: bool = False
) -> Choice:
    """The media type of pictures (table 8.7.4-1); of several of them each is a part."""
    kinds = list(media_types)
    offers = [Offer(kind, True) for kind in kinds]
    # Whoever names the media type of a picture takes it in parts where there are several.
    alone = [Offer(kind) for kind in kinds]
    if not is_several:
        return choose(header, parameter, [*alone, *offers])
    found = choose(header, parameter, [*offers, *alone])
    return Choice(found.media_type, True)


def choose_by_uri(header: str, parameter: str, shown: Sequence[str], is_image: bool) -> Choice:
    """What an instance is given as by WADO-URI (PS3.18 9.3): as it is, or as it is `shown`."""
    kinds = (*shown, DICOM) if is_image else (DICOM, *shown)
    return choose(header, parameter, map(Offer, kinds))


def choose_capabilities(header: str, parameter: str) -> str:
    """The media type of the capabilities (PS3.18 8.9.2): WADL, or JSON."""
    kinds = {WADL: WADL, PLAIN_JSON: PLAIN_JSON, PLAIN_XML: WADL, JSON: PLAIN_JSON}
    return kinds[choose(header, parameter, map(Offer, kinds)).media_type]


# What is asked for by a plainer name is given by its own.
_JSON_NAMES = {PLAIN_JSON: JSON, PLAIN_XML: XML}

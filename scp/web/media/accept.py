"""Which form of a resource is to be given: the Accept header by PS3.18 8.7, or `accept`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

MULTIPART = "multipart/related"
DICOM, JSON, XML = "application/dicom", "application/dicom+json", "application/dicom+xml"
OCTETS = "application/octet-stream"
_ANY = "*/*"
_NATIVE = "1.2.840.10008.1.2.1"
_MOST_CHARACTERS, _MOST_RANGES = 8192, 64

# The media type of compressed frames, by transfer syntax (PS3.18 table 8.7.3-2, -3 and -5).
COMPRESSED = {
    **dict.fromkeys(("50", "51", "53", "55", "57", "70"), "image/jpeg"),
    **dict.fromkeys(("80", "81"), "image/jls"),
    **dict.fromkeys(("90", "91"), "image/jp2"),
    **dict.fromkeys(("92", "93"), "image/jpx"),
    **dict.fromkeys(("201", "202", "203"), "image/jphc"),
    **dict.fromkeys(("110",), "image/jxl"),
    **dict.fromkeys(("100", "100.1", "101", "101.1"), "video/mpeg2"),
    **dict.fromkeys(("102", "102.1", "103", "103.1", "104", "104.1", "105", "105.1", "106",
                     "106.1"), "video/mp4"),
    **dict.fromkeys(("107", "108"), "video/H265"),
}  # fmt: skip
_JPEG_PREFIX = "1.2.840.10008.1.2.4."
_RLE, _RLE_TYPE = "1.2.840.10008.1.2.5", "image/dicom-rle"
# As it was called before, and by some still is.
_OTHER_NAMES = {
    "image/x-dicom-rle": _RLE_TYPE,
    "image/x-jls": "image/jls",
    "image/jpg": "image/jpeg",
}


class NotAcceptableError(Exception):
    """Nothing that is asked for is to be had; the text names what is."""


@dataclass(frozen=True)
class MediaRange:
    """What a client would take: a media type, or one of many with `*`; multipart or not."""

    media_type: str
    is_multipart: bool = False
    transfer_syntax: str = ""  # "*": any
    quality: float = 1.0
    parameters: dict[str, str] = field(default_factory=dict, compare=False)

    def takes(self, media_type: str) -> bool:
        """Whether it is one of this range."""
        kind, _, rest = self.media_type.partition("/")
        return self.media_type in (_ANY, media_type) or (
            rest == "*" and media_type.startswith(f"{kind}/")
        )


@dataclass(frozen=True)
class Choice:
    """The form that is given; `transfer_syntax` is "*", a UID, or empty where none is told."""

    media_type: str
    is_multipart: bool
    transfer_syntax: str = ""


def media_ranges(accept: str) -> list[MediaRange]:
    """The ranges of an Accept header, what is wanted most first; of what is none, none."""
    found = []
    for text in _split(accept[:_MOST_CHARACTERS], ",")[:_MOST_RANGES]:
        head, *rest = _split(text, ";")
        media_type = head.strip().lower()
        if "/" not in media_type:
            continue
        parameters = dict(filter(None, map(_parameter, rest)))
        found.append(_range(media_type, parameters))
    return sorted((one for one in found if one.quality > 0), key=lambda one: -one.quality)


def _range(media_type: str, parameters: dict[str, str]) -> MediaRange:
    syntax = parameters.get("transfer-syntax", "")
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        quality = 1.0
    is_multipart = media_type == MULTIPART
    inner = parameters.get("type", _ANY).lower() if is_multipart else media_type
    inner = _OTHER_NAMES.get(inner, inner)
    return MediaRange(inner, is_multipart, syntax, quality, parameters)


def _split(text: str, at: str) -> list[str]:
    """The parts of a text, but for separators within quotes."""
    parts, begin, is_quoted, number = [], 0, False, 0
    while number < len(text):
        character = text[number]
        if character == "\\" and is_quoted:
            number += 1
        elif character == '"':
            is_quoted = not is_quoted
        elif character == at and not is_quoted:
            parts.append(text[begin:number])
            begin = number + 1
        number += 1
    return [part for part in (*parts, text[begin:]) if part.strip()]


def _parameter(text: str) -> tuple[str, str] | None:
    name, equals, value = text.partition("=")
    if not equals:
        return None
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return name.strip().lower(), value


def _wanted(accept: str, parameter: str) -> list[MediaRange]:
    """What is wanted; `parameter`, of the URL, goes before the header (PS3.18 8.3.3.1)."""
    return media_ranges(parameter or accept or _ANY)


def _choose(
    accept: str, parameter: str, offer: Callable[[MediaRange], Choice | None], there_is: str
) -> Choice:
    wanted = _wanted(accept, parameter)
    for one in wanted:
        if found := offer(one):
            return found
    raise NotAcceptableError(f"there is {there_is}; {(parameter or accept)[:200]!r} is not")


def choose_dicom(accept: str, parameter: str, syntaxes: Sequence[str]) -> Choice:
    """How instances go: as parts of one answer or, where there is one, as it is.

    `syntaxes` are those that some of them can be had in.
    """

    def offer(one: MediaRange) -> Choice | None:
        if not one.takes(DICOM):
            return None
        if one.transfer_syntax not in ("", "*", *syntaxes):
            return None
        is_multipart = one.is_multipart or one.media_type != DICOM
        # Who takes anything is given what is there.
        syntax = "*" if one.media_type == _ANY and not one.transfer_syntax else one.transfer_syntax
        return Choice(DICOM, is_multipart, syntax)

    return _choose(accept, parameter, offer,
                   f'{MULTIPART}; type="{DICOM}" in {", ".join(syntaxes)}')  # fmt: skip


def choose_metadata(accept: str, parameter: str) -> str:
    """The media type of metadata or of answers to a search: JSON, or XML in parts."""

    def offer(one: MediaRange) -> Choice | None:
        if one.is_multipart:
            return Choice(XML, True) if one.media_type in (XML, "application/*", _ANY) else None
        kinds = (JSON, "application/json")
        return Choice(JSON, False) if any(map(one.takes, kinds)) else None

    return _choose(accept, parameter, offer, f'{JSON} and {MULTIPART}; type="{XML}"').media_type


def choose_report(accept: str, parameter: str) -> str:
    """The media type of what is said of stored instances."""

    def offer(one: MediaRange) -> Choice | None:
        kinds = {JSON: JSON, "application/json": JSON, XML: XML}
        found = next((kinds[kind] for kind in kinds if one.takes(kind)), None)
        return Choice(found, False) if found else None

    return _choose(accept, parameter, offer, f"{JSON} and {XML}").media_type


def choose_bulk(accept: str, parameter: str) -> bool:
    """Whether bulk data goes in parts; else it goes as it is."""

    def offer(one: MediaRange) -> Choice | None:
        return Choice(OCTETS, one.is_multipart) if one.takes(OCTETS) else None

    return _choose(accept, parameter, offer, f'{OCTETS}, {MULTIPART}; type="{OCTETS}"').is_multipart


def choose_pixels(accept: str, parameter: str, stored: str, can_be_native: bool) -> Choice:
    """How frames go that are stored in a transfer syntax: as they are, or uncompressed."""
    own_type = compressed_type(stored)

    def offer(one: MediaRange) -> Choice | None:
        is_multipart = one.is_multipart or one.media_type == _ANY
        asks_stored = one.transfer_syntax in ("*", stored)
        if one.takes(OCTETS):
            if asks_stored:
                return Choice(OCTETS, is_multipart, stored)
            if one.transfer_syntax in ("", _NATIVE) and can_be_native:
                return Choice(OCTETS, is_multipart, _NATIVE)
        if own_type and one.takes(own_type) and one.transfer_syntax in ("", "*", stored):
            return Choice(own_type, is_multipart, stored)
        return None

    there_is = [OCTETS] if can_be_native else []
    there_is += [f"{own_type}; transfer-syntax={stored}"] if own_type else []
    return _choose(accept, parameter, offer, f"{' and '.join(there_is)}, as {MULTIPART} or alone")


def choose_rendered(accept: str, parameter: str, given: Iterable[str], is_several: bool) -> Choice:
    """The media type of pictures, of those `given`; of several they go in parts."""
    kinds = list(given)

    def offer(one: MediaRange) -> Choice | None:
        found = next((kind for kind in kinds if one.takes(kind)), None)
        return Choice(found, one.is_multipart or is_several) if found else None

    return _choose(accept, parameter, offer, ", ".join(kinds))


def choose_capabilities(accept: str, parameter: str) -> str:
    """The media type of the capabilities."""
    wadl = "application/vnd.sun.wadl+xml"
    kinds = {wadl: wadl, "application/xml": wadl, "application/json": "application/json",
             JSON: "application/json"}  # fmt: skip

    def offer(one: MediaRange) -> Choice | None:
        found = next((kinds[kind] for kind in kinds if one.takes(kind)), None)
        return Choice(found, False) if found else None

    return _choose(accept, parameter, offer, f"{wadl} and application/json").media_type


def compressed_type(transfer_syntax_uid: str) -> str:
    """The media type of frames in a transfer syntax; empty where they are not compressed."""
    if transfer_syntax_uid == _RLE:
        return _RLE_TYPE
    if not transfer_syntax_uid.startswith(_JPEG_PREFIX):
        return ""
    return COMPRESSED.get(transfer_syntax_uid.removeprefix(_JPEG_PREFIX), "")

"""What the statement says of DICOM Web Services: PS3.2 N.5.3 and N.7.3.3, PS3.18."""

from http import HTTPStatus

from scp.config import Settings, Web
from scp.conformance.sections.query import kinds
from scp.conformance.writing import Section, StatementTable, literal, name_of, table
from scp.network.dimse import STORAGE_SYNTAXES, Status
from scp.web.dicomweb import (
    ANSWERED,
    GIVEN,
    RETURNED,
    ROUTES,
    SYNTAX_NOT_SUPPORTED,
    TAKEN,
    AnsweredStatus,
    Transaction,
    parameters_of,
)
from scp.web.media.media_types import COMPRESSED_TYPE
from scp.web.retrieval import instances
from storage.dicom.values import TABLE, Level

_NAMES = {Level.STUDY: "Studies", Level.SERIES: "Series", Level.IMAGE: "Instances"}
# Failure Reason, Warning Reason (PS3.18 annex I).
_REASONS = (
    (Status.OUT_OF_RESOURCES, "there is no room, or no resource, for it"),
    (Status.DOES_NOT_MATCH_SOP_CLASS, "it is of another study than the path names, or is not "
     "what its File Meta Information says"),
    (Status.CANNOT_UNDERSTAND, "it is no DICOM file, or is damaged; or metadata cannot be an "
     "instance"),
    (Status.SOP_CLASS_NOT_SUPPORTED, "its SOP class is none that is stored"),
    (SYNTAX_NOT_SUPPORTED, "its transfer syntax is none that is taken"),
    (Status.DUPLICATE_SOP_INSTANCE, "it is held with other content, and [storage] on_conflict is "
     "`refuse`"),
    (Status.ELEMENTS_DISCARDED, "a warning: it is held with other content, which stays"),
)  # fmt: skip


def sections(settings: Settings) -> tuple[Section, ...]:
    """DICOM Web Services in detail."""
    web = settings.web
    if web is None:
        return (Section(2, "DICOM Web Services in detail", ("None.",)),)
    return (
        Section(2, "DICOM Web Services in detail", _policies(web)),
        Section(3, "URI Web Service", _by_uri()),
        Section(4, "Status codes of the URI Web Service", (_statuses(Transaction.URI),)),
        Section(3, "Studies Web Service"),
        Section(4, "Retrieve transaction (WADO-RS)", _retrieve(web)),
        Section(5, "Status codes of Retrieve", (_statuses(Transaction.RETRIEVE),)),
        Section(4, "Store transaction (STOW-RS)", _store(web)),
        Section(5, "Status codes of Store", (_statuses(Transaction.STORE),)),
        Section(4, "Search transaction (QIDO-RS)", _search(settings, web)),
        *(_matched(level) for level in _NAMES),
        Section(5, "Status codes of Search", (_statuses(Transaction.SEARCH),)),
        Section(3, "Retrieve Capabilities transaction", _capabilities()),
    )


def _policies(web: Web) -> tuple[str, ...]:
    return (
        f"As origin server over HTTP 1.1, at {literal(web.path)} and, for the URI service, at "
        f"{literal(web.uri_path)}; as user agent nothing. A connection stays open for further "
        "requests, which are answered one by one. Bodies may come in chunks; one with a "
        "Content-Encoding is refused. Nothing is answered asynchronously.",
        "HEAD is answered as GET, without the body. Entity tags and If-None-Match are for single "
        "resources and metadata in JSON, Range, of one span of bytes, for instances, frames and "
        "bulk data that come alone. JSON is given as gzip where Accept-Encoding lets it be.",
        "Without an Accept header any media type counts as accepted. The query parameter `accept` "
        "goes before it. Text is UTF-8, and no other `charset` is to be had. A parameter that is "
        "not known is not taken into account, which a Warning header tells; one with a value that "
        "it cannot have is refused.",
    )


def _parameters(kind: str) -> str:
    return ", ".join(map(literal, parameters_of(kind)))


def _statuses(of: Transaction) -> StatementTable:
    rows = [_row(one) for one in ANSWERED if of in one.transactions]
    return table(("Status", "Code", "Condition"), rows)


def _row(one: AnsweredStatus) -> tuple[str, str, str]:
    kind = "Success" if one.status < HTTPStatus.BAD_REQUEST else "Failure"
    return kind, f"{one.status} ({HTTPStatus(one.status).phrase})", one.when


def _by_uri() -> tuple[str | StatementTable, ...]:
    return (
        "Any instance that is held, by its UIDs; requestType is WADO.",
        table(("Option", "What is taken"), [
            ("Media types", ", ".join(map(literal, GIVEN["uri"]))),
            ("Parameters", _parameters("uri")),
            ("Default", "a JPEG of an image, of several frames of the first; the file of anything "
             "else"),
            ("Transfer syntax", "Explicit VR Little Endian where it can be made, else as stored; "
             "`transferSyntax` takes those of Retrieve, and `*`"),
            ("anonymize", "`yes`: the profile that the node is named with, under another SOP "
             "Instance UID"),
            ("Presentation states", "not applied: refused"),
        ]),
    )  # fmt: skip


def _retrieve(web: Web) -> tuple[str | StatementTable, ...]:
    rows = [
        (route.name, literal(route.shown(web)), ", ".join(map(literal, GIVEN[route.resource])),
         _parameters(route.resource))
        for route in ROUTES if route.name.startswith("Retrieve") and route.resource != "uri"
    ]  # fmt: skip
    return (
        table(("Resource", "URI template", "Media types", "Query parameters"), rows),
        "Of several instances those that can go in no transfer syntax that is asked for are left "
        "out, which 206 and a Warning tell. Implicit VR Little Endian and Explicit VR Big Endian "
        f"are not used (PS3.18 8.7.3): {_instead()}. The parameter `transfer-syntax` takes `*`, "
        "which is as stored, and each that the table of transcoding has for that; without it the "
        "default is Explicit VR Little Endian, else as stored.",
        "Media types of compressed frames and of video, as they are stored:",
        table(("Transfer syntax", "Media type"), _compressed()),
        "A thumbnail is a picture of the image in the middle of the study or series, of 128 pixels "
        "or as `viewport` has it, without annotations.",
    )


def _instead() -> str:
    """In what goes what is stored in a transfer syntax that is not used."""
    others = [uid for uid in STORAGE_SYNTAXES if uid not in instances.forms_of(uid)]
    given = {name_of(instances.forms_of(uid)[0]) for uid in others}
    return f"instances stored in these go in {', '.join(sorted(given))}"


def _compressed() -> list[tuple[str, str]]:
    return [(name_of(uid), literal(kind)) for uid, kind in COMPRESSED_TYPE.items()]


def _store(web: Web) -> tuple[str | StatementTable, ...]:
    if not web.store:
        return ("Not supported: [web] store is false.",)
    paths = [literal(one.shown(web)) for one in ROUTES if one.name == "StoreInstances"]
    rows = [(f"{int(number):04X}", str(int(number)), words) for number, words in _REASONS]
    return (
        table(("Option", "What is taken"), [
            ("URI templates", ", ".join(paths)),
            ("Media types of the request", ", ".join(map(literal, TAKEN))),
            ("Media types of the response", ", ".join(map(literal, GIVEN["report"]))),
            ("SOP classes, transfer syntaxes", "those of C-STORE"),
            ("Bulk data", "parts by their Content-Location, or Content-ID: as they are; JPEG, "
             "JPEG-LS and JPEG 2000 that name no transfer syntax in that of their codestream; PNG "
             "and GIF uncompressed; all these with the Image Pixel Description Macro, where the "
             "metadata lack it"),
        ]),
        "An instance is stored as one of C-STORE is, and as durably when it is acknowledged. "
        "Nothing is coerced. Failure Reason (0008,1197) and Warning Reason (0008,1196):",
        table(("Code", "Decimal", "When"), rows),
    )  # fmt: skip


def _search(settings: Settings, web: Web) -> tuple[str | StatementTable, ...]:
    rows = [
        (route.name, literal(route.shown(web)), ", ".join(map(literal, GIVEN[route.resource])))
        for route in ROUTES if route.resource == "search"
    ]  # fmt: skip
    most = settings.limits.find_responses
    limit = f"{most} answers at most" if most else "any number of answers"
    return (
        table(("Resource", "URI template", "Media types"), rows),
        f"A native implementation; {limit} to a search, in one order as long as the archive does "
        "not change. How many remain a Warning tells. A search that nothing matches is answered "
        "with an empty list, in XML with 204.",
        f"Query parameters: {_parameters('search')}, and attributes to be matched, as keywords or "
        "tags, in sequences with dots between. Any attribute is matched, and returned where it is "
        "included, by the rules of C-FIND, dates and times combined; names fuzzily where that is "
        "asked. UIDs are listed with commas.",
    )


def _matched(level: Level) -> Section:
    always = set(RETURNED[level])
    rows = [
        (one.keyword, f"({one.tag.group:04X},{one.tag.element:04X})",
         ", ".join(kinds(one.vr)) if one.can_match else "-",
         "always" if one.keyword in always else "where it is included")
        for one in TABLE
        if one.level == level or (one.level is Level.PATIENT and level is Level.STUDY)
        if not one.sequence
    ]  # fmt: skip
    headings = ("Attribute", "Tag", "Matching", "Returned")
    return Section(5, f"{_NAMES[level]}: attributes matched and returned", (table(headings, rows),))


def _capabilities() -> tuple[str | StatementTable, ...]:
    return (
        "OPTIONS of any path: `application/vnd.sun.wadl+xml` by default, or `application/json`.",
        _statuses(Transaction.CAPABILITIES),
    )

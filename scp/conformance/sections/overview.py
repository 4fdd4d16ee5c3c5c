"""The overview, the introduction and the implementation model: PS3.2 N.1 to N.4."""

from scp.config import CHARSETS, Settings
from scp.conformance.sections.initiation import ACTIVITIES
from scp.conformance.writing import (
    Contents,
    Part,
    Section,
    StatementTable,
    by_name,
    is_provider,
    literal,
    name_of,
    table,
    yes,
)
from scp.copies.corrected import reachable
from scp.copies.deidentify.rules import CODES
from scp.network.association import access
from scp.network.dimse import (
    MODALITY_WORKLIST,
    PERFORMED_STEP,
    PERFORMED_STEP_RETRIEVE,
    QUERY_RETRIEVE,
    STORAGE_CLASSES,
    STORAGE_COMMITMENT,
    STORAGE_SYNTAXES,
    UNCOMPRESSED_SYNTAXES,
    VERIFICATION,
    service_of,
)
from scp.web.dicomweb import ROUTES
from storage.dicom import IMPLEMENTATION_VERSION_NAME

_PROFILES = (
    "Basic Application Level Confidentiality Profile (PS3.15 E.2), for what the commands `export` "
    "and `send` give away where that is asked for, with the options "
    + ", ".join(words for _, words in CODES.values())
    + ". Attributes that the profile has no action for are removed or replaced unless their values "
    "are known to be safe: numbers, terms of PS3.3, codes of PS3.16, UIDs of PS3.6. Samples are "
    "not cleaned; what is beside them in Pixel Data is removed."
)
OTHER_CLASSES = (
    VERIFICATION, STORAGE_COMMITMENT, *QUERY_RETRIEVE,
    MODALITY_WORKLIST, PERFORMED_STEP, PERFORMED_STEP_RETRIEVE,
)  # fmt: skip
_WHO_ASKS = frozenset(uid for one in ACTIVITIES if one.role == "SCU" for uid in one.sop_classes)


def overview(settings: Settings) -> tuple[Section, ...]:
    """PS3.2 N.1."""
    return (
        Section(
            1,
            "Overview",
            (
                "minipacs is a DICOM archive node. It stores what is sent to it, answers queries "
                "about that, sends it to others or gives it back, and commits to keeping it. Data "
                "sets are kept byte for byte as they came; it creates none, and changes none but "
                "as a person has corrected it.",
            ),
        ),
        Section(
            2,
            "Supported content",
            (
                "SOP classes of Storage, and the roles of the node. Beside these it takes every "
                "later Storage SOP class of the standard and every private SOP class; but none of "
                "those that belong to no study (PS3.4 annex GG).",
                _classes(by_name(STORAGE_CLASSES)),
            ),
        ),
        Section(2, "DIMSE services", ("Roles of the node:", _classes(classes_of(settings)))),
        *_not_dimse(settings),
        Section(
            2,
            "Specific Character Sets",
            (
                "Defined terms in which text is read and matched, with their code extensions "
                "(PS3.3 C.12.1.1.2):",
                table(("Defined term",), ((term,) for term in sorted(CHARSETS))),
            ),
        ),
        Section(
            2,
            "Transfer syntaxes",
            (
                "In which the node takes and keeps instances of Storage, which of them it takes "
                "for the other services too, and which it can convert when it sends:",
                _syntaxes(),
            ),
        ),
        Section(1, "Table of contents", (Contents(),)),
        *_introduction(settings),
    )


def classes_of(settings: Settings) -> tuple[str, ...]:
    """The SOP classes beside those of Storage that are served as configured."""
    served = access.served(settings)
    return tuple(uid for uid in OTHER_CLASSES if service_of(uid) in served)


def _classes(uids: list[str] | tuple[str, ...]) -> StatementTable:
    rows = ((name_of(uid), uid, yes(uid in _WHO_ASKS), yes(is_provider(uid))) for uid in uids)
    return table(("SOP class", "UID", "User (SCU)", "Provider (SCP)"), rows)


def _not_dimse(settings: Settings) -> tuple[Section, ...]:
    return (
        Section(2, "DICOM Web Services", _web_services(settings)),
        Section(
            2,
            "Media services",
            (
                "None is claimed. `minipacs import` takes in files, folders, zip archives, and "
                "what a DICOMDIR refers to; `minipacs export --dicomdir` writes a file-set for "
                "General Purpose media.",
            ),
        ),
        Section(2, "Real-Time Video service", ("None.",)),
        Section(2, "De-identification profiles", (_PROFILES,)),
    )


def _web_services(settings: Settings) -> tuple[Part, ...]:
    web = settings.web
    if web is None:
        return ("None is configured.",)
    names = dict.fromkeys(route.name for route in ROUTES)
    rows = ((name, yes(False), yes(web.store or name != "StoreInstances")) for name in names)
    return (
        "As origin server (PS3.18), in processes of its own; in detail below.",
        table(("Transaction", "User agent", "Origin server"), rows),
    )


def _syntaxes() -> StatementTable:
    rows = (
        (name_of(uid), uid, yes(uid in UNCOMPRESSED_SYNTAXES), yes(reachable(uid)))
        for uid in by_name(STORAGE_SYNTAXES)
    )
    return table(("Transfer syntax", "UID", "Other services", "Can be converted"), rows)


def _introduction(settings: Settings) -> tuple[Section, ...]:
    title = literal(settings.node.ae_title)
    return (
        Section(1, "Introduction"),
        Section(
            2,
            "Revision history",
            (
                f"Of {IMPLEMENTATION_VERSION_NAME}, as {literal(settings.source.name)} "
                "configures it.",
            ),
        ),
        Section(
            2,
            "Audience",
            ("Those who connect other systems to the node, and who know what DICOM is.",),
        ),
        Section(
            2,
            "Remarks",
            (
                "`minipacs conformance` prints this from the tables that the node serves by and "
                "from its configuration. That two systems conform is no proof that they work "
                "together: only a test is.",
            ),
        ),
        Section(
            2,
            "Terms and references",
            (
                "Terms and abbreviations (AE, SCU, SCP, UID, VR) are those of PS3.1 to PS3.20; "
                "the form is that of PS3.2 annex N.",
            ),
        ),
        Section(1, "Implementation model"),
        Section(
            2,
            "Application Entities and data flow",
            (
                f"There is one Application Entity, `{title}`. Who has instances sends them with "
                "C-STORE, and may have the node commit to them; who looks for some asks with "
                "C-FIND, and has them sent to another AE with C-MOVE or to itself with C-GET.",
            ),
        ),
        Section(
            2,
            f"Functional definition of {title}",
            (
                "It waits for associations on its ports, in several processes "
                f"({settings.node.workers or 'one for each core'}) that share ports, archive and "
                "limits. A C-STORE is answered with Success when the data set is in the archive, "
                + ("which is an object store and a database that other nodes may share."
                   if settings.store else "on the disk." if settings.storage.sync else
                   "though not yet on the disk (`sync` is false).")
                + " Queries are answered from an index of the archive. For a C-MOVE, and for the "
                "reports of storage commitment, it opens associations of its own.",
            ),
        ),
    )  # fmt: skip

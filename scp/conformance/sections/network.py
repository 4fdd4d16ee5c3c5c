"""Associations: PS3.2 N.7.1 and N.7.2."""

from collections.abc import Callable

from pynetdicom._globals import APPLICATION_CONTEXT_NAME
from pynetdicom.pdu_primitives import A_ASSOCIATE

from scp.config import Settings
from scp.conformance.sections.initiation import ACTIVITIES
from scp.conformance.sections.overview import classes_of
from scp.conformance.writing import (
    Section,
    StatementTable,
    is_user_for_callers,
    literal,
    name_of,
    table,
)
from scp.network.association import Rejection, access
from scp.network.dimse import STORAGE_CLASSES, STORAGE_SYNTAXES, syntaxes_of
from storage.dicom import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

_ALL_STORAGE = "Every Storage SOP class"
_WHEN: dict[Callable[[str], Rejection], str] = {
    access.application_context_not_supported: "the application context is not DICOM's",
    access.called_not_recognized: "the called AE title is not the node's",
    access.calling_not_recognized: "the caller is not configured, or calls from elsewhere",
    access.local_limit_exceeded: "too many associations are open, of all, of the caller, or of its "
    "address",
}


def sections(settings: Settings) -> tuple[Section, ...]:
    """PS3.2 N.7.1 and N.7.2."""
    title = literal(settings.node.ae_title)
    return (
        Section(1, "Network and media communication details"),
        Section(2, "General"),
        Section(
            3,
            "General association parameters",
            (table(("Name", "Value"), _parameters(settings)),),
        ),
        Section(2, "Specifications"),
        Section(3, f"{title} Application Entity"),
        Section(
            4,
            "Sequencing of real-world activities",
            (
                "None is required. Requests on one association are served one after the other; "
                "different associations do not wait for each other.",
            ),
        ),
        Section(4, "Association initiation", (
            "What is proposed is what is needed: of each SOP class that is to be sent a context "
            "with the stored transfer syntax, and one with those it can be converted to; up to 128 "
            "contexts an association. A peer may be configured to be offered fewer.",
            table(("Activity", "Content", "SOP classes", "Transfer syntaxes", "Role"),
                  _initiated()),
        )),
        Section(4, "Association acceptance"),
        Section(5, "Accepted presentation contexts", (
            "Of the transfer syntaxes proposed in a presentation context the first of these is "
            "accepted; but Explicit VR Little Endian before Implicit VR Little Endian, for "
            "Query/Retrieve Deflated Explicit VR Little Endian behind all others, and where "
            "the requestor is to be SCP of a Storage SOP class, for C-GET, uncompressed ones "
            "before others (of video the one that most of the SOP class is held in).",
            table(("SOP class", "UID", "Transfer syntaxes", "Role"), _accepted(settings)),
            "A service that is denied to a caller has its presentation contexts refused: user "
            "rejection. Another transfer syntax or SOP class is refused as not supported.",
            "Beyond PS3.8: items that are unknown or of a wrong size are left out, titles end at "
            "a NUL, implementation version names are cut to 16 characters, zero bytes may follow "
            "the last item, of several role selections for a SOP class all roles count, one of no "
            "role is left out, and presentation contexts may have even numbers, up to 256 of them. "
            "So it is with the A-ASSOCIATE-AC of a peer, and an A-ASSOCIATE-RJ may have any "
            "values. An A-ASSOCIATE-RQ in which a title is blank is rejected as one whose title is "
            "not recognized.",
        )),
        Section(5, "Rejected associations", (_rejections(),)),
    )  # fmt: skip


def _parameters(settings: Settings) -> tuple[tuple[str, object], ...]:
    limits = settings.limits
    return (
        ("Application Context Name", APPLICATION_CONTEXT_NAME),
        ("Implementation Class UID", IMPLEMENTATION_CLASS_UID),
        ("Implementation Version Name", IMPLEMENTATION_VERSION_NAME),
        ("AE title", literal(settings.node.ae_title)),
        ("Maximum PDU size received", f"{limits.pdu_bytes} bytes"),
        ("Maximum number of associations accepted", limits.associations),
        ("of these from one caller", limits.peer_associations or "no limit of its own"),
        (
            "of these from one address",
            access.most_from_address(settings, "")[0] or "no limit of its own",
        ),
        ("Maximum number of associations initiated", "as many as requests ask for"),
        ("Asynchronous operations window", "not supported: answered as 1, 1"),
        ("SCP/SCU role selection", "supported"),
        ("SOP Class Common Extended Negotiation", "accepted and ignored"),
        ("User identity negotiation", "accepted and not evaluated"),
        ("ARTIM and association timeout", f"{limits.acse_timeout:g} s"),
        ("Timeout of DIMSE responses", f"{limits.dimse_timeout:g} s"),
        ("Timeout of silent connections", f"{limits.network_timeout:g} s"),
    )


def _initiated() -> list[tuple[str, str, str, str, str]]:
    return [
        (
            one.name,
            one.content,
            _ALL_STORAGE
            if one.sop_classes == STORAGE_CLASSES
            else ", ".join(map(name_of, one.sop_classes)),
            "as stored, and as it can be converted to"
            if one.transfer_syntaxes is STORAGE_SYNTAXES
            else ", ".join(map(name_of, one.transfer_syntaxes)),
            one.role,
        )
        for one in ACTIVITIES
    ]


def _accepted(settings: Settings) -> list[tuple[str, str, str, str]]:
    storage = min(STORAGE_CLASSES)  # one stands for all: they differ in nothing here
    rows = [
        (name_of(uid), uid, _listed(syntaxes_of(uid)), _role(uid)) for uid in classes_of(settings)
    ]
    return [*rows, (_ALL_STORAGE, "-", _listed(syntaxes_of(storage)), _role(storage))]


def _listed(syntaxes: frozenset[str]) -> str:
    return (
        "all of 1.8" if syntaxes == STORAGE_SYNTAXES else ", ".join(map(name_of, sorted(syntaxes)))
    )


def _role(sop_class: str) -> str:
    return "SCP, SCU (C-GET)" if is_user_for_callers(sop_class) else "SCP"


def _rejections() -> StatementTable:
    rows = []
    for make, when in _WHEN.items():
        one, words = make(when), A_ASSOCIATE()
        words.result, words.result_source, words.diagnostic = one.result, one.source, one.reason
        rows.append((f"{one.result} ({words.result_str})", f"{one.source} ({words.source_str})",
                     f"{one.reason} ({words.reason_str})", when))  # fmt: skip
    return table(("Result", "Source", "Reason", "When"), rows)

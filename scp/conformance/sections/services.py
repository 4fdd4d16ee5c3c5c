"""Which service is whose, and what is not supported: the frame of PS3.2 N.5."""

from scp.config import Service, Settings
from scp.conformance.sections import query, store, web, worklist
from scp.conformance.sections.overview import OTHER_CLASSES
from scp.conformance.writing import Section, is_provider, literal, table, yes
from scp.network.association import access
from scp.network.dimse import STORAGE_CLASSES, service_of

_NAMES = {
    Service.ECHO: "Verification",
    Service.STORE: "Storage",
    Service.FIND: "Query/Retrieve, C-FIND",
    Service.MOVE: "Query/Retrieve, C-MOVE",
    Service.GET: "Query/Retrieve, C-GET",
    Service.COMMIT: "Storage Commitment",
    Service.WORKLIST: "Modality Worklist",
    Service.STEP: "Modality Performed Procedure Step",
}


def sections(settings: Settings) -> tuple[Section, ...]:
    """PS3.2 N.5."""
    return (
        Section(1, "Service and interoperability description"),
        Section(
            2,
            "Mapping of services to Application Entities",
            (table(("Service", "Application Entity", "Provider (SCP)"), _mapping(settings)),),
        ),
        Section(2, "DIMSE services in detail"),
        *worklist.sections(settings),
        Section(3, "Unified Worklist and Procedure Step service", ("Not supported.",)),
        Section(3, "Instance Availability Notification service", store.notification()),
        *store.sections(settings),
        *store.commitment_sections(settings),
        *query.sections(settings),
        *query.retrieve_sections(settings),
        Section(3, "Print Management service", ("Not supported.",)),
        Section(
            3,
            "Verification service",
            (
                "As SCP C-ECHO is answered whenever an association is open. As SCU the node sends "
                "C-ECHO to its peers when `minipacs peers` is called.",
            ),
        ),
        *web.sections(settings),
        Section(2, "Media services in detail", ("None.",)),
        Section(2, "Real-Time Video services in detail", ("None.",)),
        Section(
            2,
            "Cross-service considerations",
            (
                "What was answered with Success is found by the next C-FIND and retrieved by the "
                "next C-MOVE or C-GET, whoever asks. Patients are told apart by Patient ID alone, "
                "studies, series and instances by their UIDs.",
            ),
        ),
        Section(
            2,
            "Use of Specific Character Sets",
            (
                "Data sets stay in theirs. Text that names none is taken for "
                f"{settings.storage.charset}, or for what is configured for its sender. Answers "
                "are in none where ASCII does, in that of the request where it does, else in "
                "ISO_IR 192. What PS3.3 C.12.1.1.2 does not let stand there is not named: "
                "a set with code extensions alone becomes the one without, one of two bytes a "
                "character the second value, empty values behind the first are left out; all "
                "else becomes ISO_IR 192.",
                "Defined terms are taken in any case and with other separators (ISO-IR 192), and "
                "by other names (UTF-8, GB2312); one that allows no code extensions counts alone. "
                "Bytes that are not of the sets named, and only these, are read in the set that is "
                "configured, else as ISO 8859-1; where most are of the configured set, a component "
                "group is read in that as a whole. Escape sequences of ISO 2022 that DICOM does "
                "not have are read where they are known (JIS C 6226, katakana in G0, UTF-8); no "
                "ESC goes into an answer.",
            ),
        ),
    )


def _mapping(settings: Settings) -> list[tuple[str, str, str]]:
    known = (*OTHER_CLASSES, *STORAGE_CLASSES)
    served = {service_of(uid) for uid in known if is_provider(uid)} & access.served(settings)
    return [(name, literal(settings.node.ae_title), yes(service in served))
            for service, name in _NAMES.items()]  # fmt: skip

"""The sections of PS3.2 annex N, in their order."""

from scp.conformance import access, query, retrieve, store
from scp.conformance.document import Document, Section, table
from scp.conformance.names import name_of
from scp.contexts import QUERY_RETRIEVE, STORAGE_COMMITMENT, VERIFICATION
from scp.settings import Service, Settings

_SERVICES = {
    Service.ECHO: "Verification",
    Service.STORE: "Storage",
    Service.FIND: "Query",
    Service.MOVE: "Retrieve, C-MOVE",
    Service.GET: "Retrieve, C-GET",
    Service.COMMIT: "Storage Commitment",
}
# Which services the node also asks for itself: PS3.7 calls that SCU.
_ALSO_USER = {Service.ECHO, Service.STORE}


def statement(settings: Settings) -> Document:
    """The statement of a node with these settings."""
    title = f"DICOM Conformance Statement of minipacs as {settings.node.ae_title}"
    return Document(
        title,
        (
            *_overview(),
            *_introduction(settings),
            *_model(settings),
            Section(1, "Service and interoperability description"),
            *_verification(),
            *store.sections(settings),
            *store.commitment_sections(),
            *query.sections(settings),
            *retrieve.sections(settings),
            *access.network_sections(settings),
            *access.security_sections(settings),
            *access.configuration_sections(settings),
        ),
    )


def _overview() -> tuple[Section, ...]:
    rows = [
        (name, "Yes" if service in _ALSO_USER else "No", "Yes")
        for service, name in _SERVICES.items()
    ]
    return (
        Section(
            1,
            "Overview",
            (
                "minipacs is a DICOM archive node. It stores what is sent to it, answers queries "
                "about that, and sends it to others or gives it back. It keeps the data sets byte "
                "for byte as they came, and creates and changes none.",
            ),
        ),
        Section(2, "Network services", (table(("Service", "User (SCU)", "Provider (SCP)"), rows),)),
        Section(
            2,
            "Media, web and real-time services",
            ("None. `minipacs import` reads files and a DICOMDIR as a File-set Reader would.",),
        ),
    )


def _introduction(settings: Settings) -> tuple[Section, ...]:
    return (
        Section(
            1,
            "Introduction",
            (
                f"Printed by `minipacs conformance` from the configuration {settings.source.name} "
                "and from the tables that the node serves by. It is for those who connect other "
                "systems to the node, and is no proof that they understand each other: only a test "
                "is.",
            ),
        ),
    )


def _model(settings: Settings) -> tuple[Section, ...]:
    workers = settings.node.workers or "one for each core"
    return (
        Section(
            1,
            "Implementation model",
            (
                f"One application entity, `{settings.node.ae_title}`, served by several processes "
                f"({workers}) that share its port and its archive.",
            ),
        ),
        Section(
            2,
            "Application data flow",
            (
                "A C-STORE request is answered with Success when its data set is in the archive, "
                "on the disk. A C-FIND request is answered from an index of the archive. A C-MOVE "
                "request has the entity open associations to the destination, over which it sends "
                "C-STORE requests; a C-GET request is answered over its own association.",
            ),
        ),
    )


def _verification() -> tuple[Section, ...]:
    classes = [
        (name_of(uid), uid, "SCU, SCP" if uid == VERIFICATION else "SCP")
        for uid in (VERIFICATION, STORAGE_COMMITMENT, *QUERY_RETRIEVE)
    ]
    return (
        Section(
            2,
            "SOP classes beside those of Storage",
            (table(("SOP class", "UID", "Role"), classes),),
        ),
        Section(
            2,
            "Verification",
            (
                "C-ECHO is answered with Success whenever an association is open. As SCU the node "
                "sends C-ECHO to the configured peers when `minipacs peers` is called.",
            ),
        ),
    )

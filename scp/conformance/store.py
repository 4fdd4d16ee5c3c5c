"""What the statement says of storage and of storage commitment."""

from scp.conformance.document import Section, table
from scp.conformance.names import name_of, statuses, syntaxes
from scp.contexts import STORAGE_CLASSES, STORAGE_SYNTAXES, UNCOMPRESSED_SYNTAXES
from scp.settings import Service, Settings
from storage.commitments import FailureReason

_CONFLICTS = {
    "replace": "the new one takes the place of the old one, which is kept aside: Success",
    "keep": "the old one stays, and the new one is not kept: a warning, B006",
    "refuse": "the old one stays, and the new one is refused: 0111",
}


def sections(settings: Settings) -> tuple[Section, ...]:
    """Storage."""
    classes = sorted((name_of(uid), uid) for uid in STORAGE_CLASSES)
    return (
        Section(
            2,
            "Storage",
            (
                "As SCP at level 2 (full) of PS3.4 B.4.1: all attributes are kept, standard and "
                "private ones. As SCU the node sends what it holds to destinations of C-MOVE "
                "requests and of `minipacs send`; nothing is coerced either way.",
                "Values are not judged: all that an instance needs is a Study, a Series and a SOP "
                "Instance UID. The same instance again is Success. For other content under the "
                f"same UIDs `on_conflict` is `{settings.storage.on_conflict}`: "
                f"{_CONFLICTS[settings.storage.on_conflict]}.",
                "Text that names no Specific Character Set is taken for "
                f"{settings.storage.charset}, or for what is configured for its sender.",
            ),
        ),
        Section(
            3,
            "SOP classes of Storage",
            (
                "Role SCP, and SCU towards destinations. Accepted as well: retired ones, every "
                "later storage class below the same arcs, and private SOP classes. Refused are "
                "those that belong to no study (PS3.4 annex GG).",
                table(("SOP class", "UID"), classes),
            ),
        ),
        Section(
            3,
            "Transfer syntaxes of Storage",
            (
                "Of those proposed in a presentation context the first is accepted; Explicit VR "
                "Little Endian comes before Implicit VR Little Endian, which loses the VRs of "
                "private elements.",
                syntaxes(STORAGE_SYNTAXES),
            ),
        ),
        Section(3, "Statuses of C-STORE", (statuses(Service.STORE),)),
    )


def commitment_sections() -> tuple[Section, ...]:
    """Storage commitment."""
    reasons = [(f"{one:04X}", one.name.replace("_", " ").lower()) for one in FailureReason]
    return (
        Section(
            2,
            "Storage Commitment Push Model",
            (
                "As SCP. The files of the instances are read again and held to the digest taken at "
                "their receipt. The N-EVENT-REPORT goes over the requestor's association while "
                "that is open, else over one that the node opens (role selection: SCP), until it "
                "is taken; also after a restart.",
                syntaxes(UNCOMPRESSED_SYNTAXES),
                table(("Failure Reason", "Meaning"), reasons),
                statuses(Service.COMMIT),
            ),
        ),
    )

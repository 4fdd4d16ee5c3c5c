"""What the statement says of storage and of storage commitment: PS3.2 N.5.2.5 and N.5.2.6."""

from scp.config import OnConflict, Settings
from scp.conformance.writing import Section, by_name, code, literal, name_of, table
from scp.copies.corrected import reachable
from scp.forwarding import ATTEMPTS, REPORT_SECONDS
from scp.forwarding import RETRY_SECONDS as FORWARD_SECONDS
from scp.network.dimse import STORAGE_SYNTAXES, Status
from scp.network.services import RETRY_SECONDS, SAME_ASSOCIATION_SECONDS
from storage.archive import FailureReason
from storage.outbox import MOST

_CONFLICTS: dict[OnConflict, str] = {
    "replace": "the new one takes its place, and the old one is kept aside: "
    f"{code(Status.SUCCESS)}",
    "keep": "the old one stays, and the new one is dropped: a warning, "
    f"{code(Status.ELEMENTS_DISCARDED)}",
    "refuse": f"the old one stays, and the new one is refused: "
    f"{code(Status.DUPLICATE_SOP_INSTANCE)}",
}
_REASONS = {
    FailureReason.PROCESSING_FAILURE: "its file is gone, is damaged, or cannot be read",
    FailureReason.NO_SUCH_INSTANCE: "it is not held",
    FailureReason.CLASS_INSTANCE_CONFLICT: "it is held with another SOP class",
    FailureReason.DUPLICATE_TRANSACTION: "the Transaction UID was used before",
}


def sections(settings: Settings) -> tuple[Section, ...]:
    """Storage."""
    return (
        Section(3, "Storage service"),
        Section(
            4,
            "SCU of the Storage SOP classes",
            (
                "Instances go to destinations of C-MOVE, to those of `minipacs send` and of "
                "`[[forward]]`, and, over "
                "the requestor's association, to those who ask with C-GET. UIDs stay as they "
                "are, and attributes but for those that a person has corrected by a command of "
                "the node's: these are coerced, and Original Attributes Sequence (0400,0561) has "
                "the values received.",
            ),
        ),
        Section(
            5,
            "Transcoding of transfer syntaxes",
            (
                "An instance is sent in the transfer syntax in which it is stored where the "
                "receiver accepts that, byte for byte; else in the first of these that it "
                "accepts. Pixel Data is decompressed, never compressed anew, under the same SOP "
                "Instance UID. What can be had in none of the accepted ones has failed, and the "
                "others are sent.",
                table(("Stored transfer syntax", "Sent as, if not as stored"), _conversions()),
            ),
        ),
        Section(4, "SCP of the Storage SOP classes", _provider(settings)),
    )


def _conversions() -> list[tuple[str, str]]:
    return [
        (name_of(uid), ", ".join(map(name_of, reachable(uid))) or "-")
        for uid in by_name(STORAGE_SYNTAXES)
    ]


def _kept(settings: Settings) -> str:
    rules = [key for key, value in settings.retention if value and key != "superseded_days"]
    by_rule = f", or [retention] lets their study go ({', '.join(rules)})" if rules else ""
    return f"Instances are kept until somebody deletes them by a command of the node's{by_rule}."


def _bounds(settings: Settings) -> str:
    """What is kept of replaced versions."""
    storage = settings.storage
    percent = 0 if settings.store else storage.superseded_percent  # its store has no such bound
    limits = [
        *([f"{storage.superseded_copies} of one instance"] if storage.superseded_copies else []),
        *([f"{percent} % of the disk"] if percent else []),
    ]
    if storage.on_conflict != "replace" or not limits:
        return ""
    return (
        f" Of replaced versions {' and '.join(limits)} are kept; where no older one may be deleted "
        f"(the first, and those of the last day, may not) the answer is "
        f"{code(Status.OUT_OF_RESOURCES)}, and the version that is held stays."
    )


def _lasting(settings: Settings) -> str:
    """What has become of an instance by then."""
    if settings.store:
        return (
            "its file is in the object store and its row committed in the database, for all nodes "
            "that share these. While either does not answer nothing is taken, "
            f"{code(Status.OUT_OF_RESOURCES)}."
        )
    return (
        "its file is on the disk." if settings.storage.sync else
        "its file has been written (`sync` is false)."
    )  # fmt: skip


def _provider(settings: Settings) -> tuple[str, ...]:
    conflict = settings.storage.on_conflict
    return (
        "Level 2 (Full) of PS3.4 B.4.1: all attributes are kept, standard, standard extended and "
        "private ones. Nothing is coerced when it is stored. Digital signatures are kept as they "
        "came; none is made or verified.",
        "Values are not judged: all that an instance needs is a Study, a Series and a SOP Instance "
        "UID, and that its SOP class and SOP instance are those of the request.",
        "The same instance once more is Success. For an instance that is held with other content "
        f"`on_conflict` is `{conflict}`: {_CONFLICTS[conflict]}.{_bounds(settings)}",
        "Success is answered when the instance can be found by C-FIND, and " + _lasting(settings),
        f"Less than {settings.limits.free_bytes} bytes free on the disk: nothing more is taken, "
        f"{code(Status.OUT_OF_RESOURCES)}.",
        _kept(settings),
    )


def _user() -> tuple[str, ...]:
    retries = ", ".join(f"{seconds:g}" for seconds in FORWARD_SECONDS)
    return (
        "Of destinations of `[[forward]]`. What a destination acknowledged is asked for on an "
        f"association of its own, some seconds later; the report is waited for on it for "
        f"{REPORT_SECONDS:g} s, or less while more is to be sent, and taken on any association "
        "that the destination opens, with the role SCP where it selects that. What it does not "
        f"commit to is sent again, {MOST} times at most. A destination that does not accept the "
        "SOP class is not asked.",
        "What no response came for is sent again after "
        f"{retries} s and so on, also after a restart; so is what was answered A7xx. What was "
        f"refused for another reason is sent {ATTEMPTS} times, and then kept as failed.",
    )


def commitment_sections(settings: Settings) -> tuple[Section, ...]:
    """Storage commitment."""
    retries = ", ".join(f"{seconds:g}" for seconds in RETRY_SECONDS)
    reasons = [(f"{one:04X}", one.name.replace("_", " ").lower(), _REASONS[one])
               for one in FailureReason]  # fmt: skip
    return (
        Section(3, "Storage Commitment service"),
        Section(4, "SCU of Storage Commitment", _user()),
        Section(
            4,
            "SCP of Storage Commitment",
            (
                "Push Model. The N-ACTION is answered when the request is written down. Then the "
                "file of each instance is read and held to the digest taken at its receipt.",
                "The N-EVENT-REPORT goes over the requestor's association while that is open "
                f"(and is answered within {SAME_ASSOCIATION_SECONDS:g} s), else over one that the "
                "node opens to the address configured for the requestor, with the role SCP. Where "
                f"it is not taken it is sent again, after {retries} s and so on, also after a "
                "restart. A requestor without an address is told on its own association or not "
                "at all.",
                "It holds the Retrieve AE Title, "
                f"`{literal(settings.node.ae_title)}`. Storage Media File-Set attributes are not "
                "supported.",
                _kept(settings),
                "Failure Reason (0008,1197):",
                table(("Failure Reason", "Name", "When"), reasons),
            ),
        ),
    )


def notification() -> tuple[str, ...]:
    """Instance Availability Notification (PS3.4 annex R)."""
    retries = ", ".join(f"{seconds:g}" for seconds in FORWARD_SECONDS)
    return (
        'As SCU. A peer with `notify = ["ian"]` is told of a study once nothing of it came for its '
        "`notify_quiet` seconds, by an N-CREATE request with all instances of the study that are "
        "held, each with Instance Availability ONLINE and the AE title of the node as Retrieve AE "
        "Title; what comes later is told of by another one. The Referenced Performed Procedure "
        "Step Sequence is empty. Success and warnings are taken for told. A notification waits on "
        f"the disk until then: a peer that is not there is tried again after {retries} seconds, "
        f"the last of these again and again; what it refuses is sent {ATTEMPTS} times.",
    )

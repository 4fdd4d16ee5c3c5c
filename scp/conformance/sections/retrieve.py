"""What the statement says of retrieves: PS3.2 N.5.2.7, the C-MOVE and C-GET part."""

from scp.config import Settings
from scp.conformance.writing import Section, code
from scp.network.dimse import Status
from scp.network.scu import FEW


def sections(settings: Settings) -> tuple[Section, ...]:
    """Retrieve."""
    without = "A relational retrieve may leave out the keys of the levels above."
    if settings.query.hierarchy == "lenient":
        without = (
            "The keys of the levels above may be left out, and levels be named, as by C-FIND; the "
            'key of its own level may not ([query] hierarchy = "lenient"; a peer may have its own).'
        )
    return (
        Section(
            4,
            "SCP of C-MOVE and C-GET",
            (
                "An identifier holds the unique keys of its level and of those above: single "
                "values, at the level of the retrieve a list of UIDs too (but not of Patient "
                "IDs); no wildcards, no universal matching. Other keys are ignored. "
                f"{without}",
                f"Pending responses come with every instance of up to {FEW}, else with the "
                f"first and every {FEW}th behind it, and at least once a second. An instance that "
                "cannot be sent has failed, and the others are sent. After a C-CANCEL what is "
                "under way still ends.",
                "Counts are those of instances, 65535 at most. Final responses with failures "
                "have the Failed SOP Instance UID List, in explicit VR as far as 65534 bytes go.",
            ),
        ),
        Section(
            5,
            "C-MOVE",
            (
                "The destination is a configured AE title; of any other, or of one without an "
                f"address, the answer is {code(Status.MOVE_DESTINATION_UNKNOWN)}. Its C-STORE "
                "requests name the Move Originator and its Message ID, and have the priority of "
                "the request. As many associations as are configured are used at once; one that "
                "is lost is opened once more.",
            ),
        ),
        Section(
            5,
            "C-GET",
            (
                "Instances go back over the requestor's association, of the SOP classes for which "
                "it was granted the role SCP. There uncompressed transfer syntaxes are accepted "
                "before others, but of video the one that most of the SOP class is held in.",
            ),
        ),
    )

"""What the statement says of retrieves."""

from scp.conformance.document import Section, table
from scp.conformance.names import name_of, statuses, syntaxes
from scp.contexts import STORAGE_SYNTAXES, UNCOMPRESSED_SYNTAXES
from scp.settings import Service, Settings
from scp.transcode import reachable


def sections(settings: Settings) -> tuple[Section, ...]:
    """Retrieve."""
    peers = [
        (title, f"{peer.host}:{peer.port}", "yes" if peer.tls else "no", peer.sends)
        for title, peer in settings.peers.items()
        if peer.host
    ]
    conversions = [
        (name_of(uid), "yes" if reachable(uid) else "no") for uid in sorted(STORAGE_SYNTAXES)
    ]
    return (
        Section(
            2,
            "Retrieve",
            (
                "As SCP of C-MOVE and C-GET. Identifiers hold unique keys; lists of UIDs at the "
                "level of the retrieve. Each instance is sent in the transfer syntax in which it "
                "is stored where the receiver accepts that, else converted; one that cannot be "
                "sent has failed, and the others are sent.",
                "The requests of a C-MOVE name the Move Originator and its Message ID. Pending "
                "responses come with every instance of few, else with every 50th, and at least "
                "once a second. An association that is lost is opened once more.",
                syntaxes(UNCOMPRESSED_SYNTAXES),
            ),
        ),
        Section(
            3,
            "Conversion",
            (
                "Into these, where the stored transfer syntax can be read:",
                syntaxes(UNCOMPRESSED_SYNTAXES),
                table(("Stored transfer syntax", "Can be converted"), conversions),
            ),
        ),
        Section(
            3,
            "Destinations",
            (table(("AE title", "Address", "TLS", "Associations at once"), peers),)
            if peers
            else ("None is configured: every C-MOVE is answered A801.",),
        ),
        Section(3, "Statuses of C-MOVE and C-GET", (statuses(Service.MOVE, Service.GET),)),
    )

"""What is answered, and what is done when something fails: PS3.2 N.7.3."""

from scp.config import Service, Settings
from scp.conformance.writing import Section, StatementTable, code, name_of, statuses, table
from scp.network.dimse import CONTEXT, Status, status


def sections(settings: Settings) -> tuple[Section, ...]:
    """PS3.2 N.7.3."""
    return (
        Section(2, "Status codes"),
        Section(3, "General communication and failure behaviour"),
        Section(4, "As association initiator", (_initiator(settings),)),
        Section(4, "As association acceptor", (_acceptor(settings),)),
        Section(
            3,
            "Statuses of DIMSE services",
            (
                "Responses with a failure have an Error Comment (0000,0902) in words, and "
                "Offending Element (0000,0901) where it is of one. The log has the same.",
            ),
        ),
        Section(4, "Statuses of C-ECHO", (statuses(Service.ECHO),)),
        Section(4, "Statuses of C-STORE", (statuses(Service.STORE),)),
        Section(4, "Statuses of C-STORE, as received", (_received(),)),
        Section(4, "Statuses of C-FIND", (statuses(Service.FIND),)),
        *_of_worklist(settings),
        Section(4, "Statuses of C-MOVE", (statuses(Service.MOVE),)),
        Section(4, "Statuses of C-GET", (statuses(Service.GET),)),
        Section(
            4,
            f"Statuses of N-ACTION, {name_of(CONTEXT[0])}",
            (statuses(Service.COMMIT),),
        ),
        Section(
            4,
            "Statuses of N-EVENT-REPORT, as received",
            (
                table(
                    ("Status", "What is done"),
                    (
                        (code(Status.SUCCESS), "the commitment is told, and ended"),
                        ("any other, or none", "it is told again, later"),
                    ),
                ),
            ),
        ),
    )


def _of_worklist(settings: Settings) -> tuple[Section, ...]:
    if settings.worklist is None:
        return ()
    words = "Statuses of N-CREATE, N-SET and N-GET, Modality Performed Procedure Step"
    return (
        Section(4, "Statuses of C-FIND, Modality Worklist", (statuses(Service.WORKLIST),)),
        Section(4, words, (statuses(Service.STEP),)),
    )


def _initiator(settings: Settings) -> StatementTable:
    limits = settings.limits
    failed = "every instance that was still to be sent has failed"
    return table(
        ("Failure", "Behaviour"),
        (
            (f"no connection or association within {limits.acse_timeout:g} s", failed),
            ("association rejected, or TLS not agreed on", failed),
            ("presentation context not accepted",
             "the instances that need it have failed, the others are sent"),
            (f"no response within {limits.dimse_timeout:g} s, A-ABORT, connection lost",
             "the association is ended, the instance under way has failed, and one more "
             "association is opened for the others"),
        ),
    )  # fmt: skip


def _acceptor(settings: Settings) -> StatementTable:
    limits = settings.limits
    return table(
        ("Failure", "Behaviour"),
        (
            (f"no A-ASSOCIATE-RQ within {limits.acse_timeout:g} s", "the connection is closed"),
            (f"nothing heard for {limits.network_timeout:g} s", "A-ABORT"),
            ("malformed PDU or command set, more than 128 presentation contexts", "A-ABORT"),
            ("request on a presentation context that was not accepted", "A-ABORT"),
            ("A-ABORT, connection lost",
             "a data set that has not come whole is dropped; what was answered with Success stays; "
             "a C-FIND or retrieve under way ends"),
        ),
    )  # fmt: skip


def _received() -> StatementTable:
    warnings = sorted(
        one for one in range(0x10000) if status.is_warning(one) and not is_of_a_range(one)
    )
    some = ", ".join(f"{one:04X}" for one in warnings)
    return table(
        ("Status", "Sub-operation"),
        (
            (code(Status.SUCCESS), "completed"),
            (f"B000 to BFFF, {some}", "completed with a warning"),
            ("any other", "failed; it is sent no more"),
        ),
    )


def is_of_a_range(number: int) -> bool:
    """Whether it is one of a whole range of warnings (PS3.7 C.4)."""
    return number >> 12 == 0xB

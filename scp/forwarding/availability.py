"""Instance Availability Notification as SCU (PS3.4 R.3)."""

from collections.abc import Iterable

from pydicom.tag import Tag
from pydicom.uid import generate_uid
from pynetdicom.association import Association

from scp.config import Peer
from scp.forwarding.notices import NotToldError
from scp.forwarding.shared import ForwardingContext
from scp.network.association import NoAssociationError, Obstacle, associate, finish
from scp.network.dimse import (
    AVAILABILITY_NOTIFICATION,
    UNCOMPRESSED_SYNTAXES,
    Command,
    Field,
    Status,
    command_set,
    identifier,
    is_warning,
    next_message,
    writer,
)
from storage import Location
from storage.dicom.data_sets import Element, Elements

PROPOSAL = (AVAILABILITY_NOTIFICATION, tuple(sorted(UNCOMPRESSED_SYNTAXES)))
_ONLINE = "ONLINE"
_STUDY, _SERIES = Tag("StudyInstanceUID"), Tag("SeriesInstanceUID")
_SERIES_SEQUENCE, _SOP_SEQUENCE = Tag("ReferencedSeriesSequence"), Tag("ReferencedSOPSequence")
_STEP_SEQUENCE = Tag("ReferencedPerformedProcedureStepSequence")
_SOP_CLASS, _SOP_INSTANCE = Tag("ReferencedSOPClassUID"), Tag("ReferencedSOPInstanceUID")
_AVAILABILITY, _RETRIEVE_TITLE = Tag("InstanceAvailability"), Tag("RetrieveAETitle")
# Of what is asked, and not of who is asked (PS3.7 annex C).
_LATER = (Status.PROCESSING_FAILURE, Status.RESOURCE_LIMITATION)


class AvailabilityTeller:
    """Tells a peer of all instances of a study that are here."""

    def __init__(self, post: ForwardingContext, title: str) -> None:
        self._post, self._title = post, title
        self._peer: Peer = post.settings.peers[title]

    def tell(self, study: str) -> int:
        """See `Teller.tell`."""
        with self._post.archive.locate_below(study) as found:
            instances = list(found)
        if not instances:
            return 0
        try:
            association = associate(
                self._post.settings, self._post.tls, self._title, self._peer, [PROPOSAL]
            )
        except NoAssociationError as error:
            if error.obstacle is Obstacle.NOTHING_ACCEPTED:
                raise NotToldError("takes no Instance Availability Notification") from error
            raise NotToldError(str(error)) from error
        try:
            self._create(association, study, instances)
        finally:
            association.release()
            finish(association)
        return len(instances)

    def _create(self, association: Association, study: str, instances: list[Location]) -> None:
        context = association.accepted_contexts[0]
        syntax = str(context.transfer_syntax[0])
        request = Command(
            Field.N_CREATE_RQ,
            message_id=1,
            sop_class=AVAILABILITY_NOTIFICATION,
            sop_instance=generate_uid(prefix=None),
            has_data_set=True,
        )
        notice = notification(study, instances, self._post.settings.node.ae_title)
        data = identifier.encode(notice, syntax)
        writer.send(association, context.context_id or 0, command_set.encode(request), data)
        answer = next_message(association, association.dimse_timeout or 0)
        if answer is None:
            raise NotToldError("does not answer")
        status = answer.command.status or 0
        if status != Status.SUCCESS and not is_warning(status):
            comment = f": {answer.command.comment}" if answer.command.comment else ""
            words = f"answers status {status:04X}{comment}"
            raise NotToldError(words, is_refused=status not in _LATER)


def notification(study: str, instances: Iterable[Location], title: str) -> Elements:
    """The attributes of a notification (PS3.4 table R.3.2-1); `title` is where they are to be had.

    No performed procedure step is named: the sequence is of type 2, and may be empty.
    """
    by_series: dict[str, list[Elements]] = {}
    for one in instances:
        item = identifier.from_texts({
            _SOP_CLASS: one.sop_class_uid, _SOP_INSTANCE: one.uids[2],
            _AVAILABILITY: _ONLINE, _RETRIEVE_TITLE: title,
        })  # fmt: skip
        by_series.setdefault(one.uids[1], []).append(_sorted(item))
    series = tuple(
        _sorted({**identifier.from_texts({_SERIES: uid}), _SOP_SEQUENCE: _sequence(items)})
        for uid, items in by_series.items()
    )
    return _sorted({
        **identifier.from_texts({_STUDY: study}),
        _STEP_SEQUENCE: _sequence(()),
        _SERIES_SEQUENCE: _sequence(series),
    })  # fmt: skip


def _sequence(items: Iterable[Elements]) -> Element:
    return Element("SQ", items=tuple(items))


def _sorted(held: Elements) -> Elements:
    return {tag: held[tag] for tag in sorted(held)}

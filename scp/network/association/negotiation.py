"""Association negotiation as the acceptor, by the node's own contexts and rights."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import cast

from pydicom.uid import UID
from pynetdicom._globals import APPLICATION_CONTEXT_NAME
from pynetdicom.acse import ACSE
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassExtendedNegotiation,
)
from pynetdicom.presentation import PresentationContext

from scp.network.association import access
from scp.network.association.remembered import Negotiation
from scp.network.association.shared import WorkerContext
from scp.network.dimse import extended_negotiation, sop_classes
from scp.network.upper_layer import upper_layer_of
from scp.runtime import site
from storage.diagnostics import Event, ResourceError

logger = logging.getLogger(__name__)

_WHY = {
    sop_classes.USER_REJECTION: "refused: `allow` under [peers] does not have its service",
    sop_classes.NO_ABSTRACT_SYNTAX: "refused: no service of this node",
    sop_classes.NO_TRANSFER_SYNTAX: "refused: none of its transfer syntaxes is taken",
}


class NodeACSE(ACSE):
    """pynetdicom's ACSE with the acceptor's decisions replaced.

    pynetdicom's own lists every context beforehand, so that it can know no private SOP class
    without taking transfer syntaxes that nobody knows, and counts associations per process.
    """

    node: WorkerContext
    slot: int | None = None  # taken where the association was accepted
    secured: Mapping[str, str] = MappingProxyType({})  # the TLS that was agreed on, in words
    _asked_index = False  # as to which there may be another answer next time

    def recall(self, request: bytes) -> bytes | None:
        """Accept an association as one with the same A-ASSOCIATE-RQ was; the A-ASSOCIATE-AC.

        None where that cannot be, so that it has to be negotiated.
        """
        known = self.node.negotiations.find(request, self.requestor.address)
        if known is None or not self._is_ordinary or self._take_slot(known.calling_title):
            return None
        self.requestor.primitive, self.acceptor.primitive = known.request, known.acceptance
        self.requestor._ae_title = known.calling_title  # which was checked then
        self.assoc._accepted_cx = {**known.accepted}
        self.assoc._rejected_cx = [*known.rejected]
        upper_layer_of(self.assoc).tell_oddities("A-ASSOCIATE-RQ", known.oddities)
        if known.rejected:
            self._log_denied(known.calling_title)
        self._establish()
        return known.answer

    @property
    def _is_ordinary(self) -> bool:
        """Whether nothing but request, address and settings decides, and no more is to be said."""
        is_verbose = logger.isEnabledFor(logging.DEBUG)
        return not (self.secured or self._asked_index or is_verbose)

    def _remember(self) -> None:
        if not self._is_ordinary or self.requestor.user_identity:
            return
        layer = upper_layer_of(self.assoc)
        negotiation = Negotiation(
            cast(A_ASSOCIATE, self.requestor.primitive),
            cast(A_ASSOCIATE, self.acceptor.primitive),
            self.requestor.ae_title, layer.oddities,
            self.assoc._accepted_cx, self.assoc._rejected_cx,
        )  # fmt: skip
        self.node.negotiations.remember(layer.request, self.requestor.address, negotiation)

    def _negotiate_as_acceptor(self) -> None:
        request = cast(A_ASSOCIATE, self.requestor.primitive)
        self.requestor.ae_title = request.calling_ae_title
        rejection = self._rejection(request)
        if rejection:
            self._reject(rejection)
            return
        if self.requestor.user_identity:
            _, response = self._check_user_identity()
            if response:
                self.acceptor.add_negotiation_item(response)
        self._negotiate_options()
        self.acceptor._common_ext = self._check_sop_class_common_extended()
        if self.requestor.asynchronous_operations != (1, 1):
            window = self._check_async_ops()
            if window:
                self.acceptor.add_negotiation_item(window)
        self._negotiate_contexts(request)
        self.send_accept()
        self._establish()
        self._remember()

    def _establish(self) -> None:
        # pynetdicom's checks leave its own in this place, which closes in the thread of who calls.
        vars(self.assoc).pop("abort", None)
        self.assoc.is_established = True

    def _rejection(self, request: A_ASSOCIATE) -> access.Rejection | None:
        if request.application_context_name != APPLICATION_CONTEXT_NAME:
            return access.application_context_not_supported(
                f"application context {request.application_context_name} is not DICOM's"
            )
        blank = upper_layer_of(self.assoc).blank_titles
        if "calling" in blank:
            return access.calling_not_recognized("its own AE title is blank")
        if "called" in blank:
            return access.called_not_recognized("the AE title that it calls is blank")
        rejection = access.admit(
            self.node.settings,
            request.calling_ae_title,
            request.called_ae_title,
            self.requestor.address,
        )
        return rejection or self._take_slot(request.calling_ae_title)

    def _take_slot(self, title: str) -> access.Rejection | None:
        slots, settings = self.node.slots, self.node.settings
        most, where = access.most_associations(settings, title)
        most_there, where_there = access.most_from_address(settings, title)
        address = self.requestor.address if most_there else ""
        self.slot = slots.take(title, most, address, most_there)
        if self.slot is not None:
            self.node.counters.associate(title, "accepted")
            return None
        if most and slots.taken_by(title) >= most:
            return access.local_limit_exceeded(f"{where} = {most} are open")
        limit = settings.limits.associations
        if most_there and slots.taken() < limit and slots.taken_from(address) >= most_there:
            words = f"{where_there} = {most_there} are open from {site(address)}"
            return access.local_limit_exceeded(words)
        return access.local_limit_exceeded(f"[limits] associations = {limit} are open")

    @property
    def identity(self) -> dict[str, str]:
        """Who calls, from where, and whom, for the audit trail."""
        request = cast(A_ASSOCIATE, self.requestor.primitive)
        return {
            "peer": self.requestor.ae_title.strip(),
            "address": self.requestor.address,
            "called": str(request.called_ae_title).strip(),
            **self.secured,
        }

    @property
    def _who(self) -> dict[str, str]:
        return {"peer": self.requestor.ae_title.strip(), "address": self.requestor.address}

    def _reject(self, rejection: access.Rejection) -> None:
        logger.warning(Event("association rejected", rejection.words, **self._who))
        self.node.audit.write(
            "association", **self.identity, outcome="rejected", reason=rejection.words
        )
        self.node.counters.associate(self.requestor.ae_title, "rejected")
        self.send_reject(rejection.result, rejection.source, rejection.reason)
        self.assoc.is_rejected = True
        self.assoc.kill()

    def _negotiate_options(self) -> None:
        for uid, offered in self.requestor.sop_class_extended.items():
            agreed = extended_negotiation.answer(str(uid), offered)
            if agreed is not None:
                item = SOPClassExtendedNegotiation()
                item.sop_class_uid = uid
                item.service_class_application_information = agreed
                self.acceptor.add_negotiation_item(item)

    def _negotiate_contexts(self, request: A_ASSOCIATE) -> None:
        allowed = access.rights(self.node.settings, request.calling_ae_title)
        served = access.served(self.node.settings)
        reports = access.is_forwarded_to(self.node.settings, request.calling_ae_title)
        roles = {
            str(uid): (bool(item.scu_role), bool(item.scp_role))
            for uid, item in self.requestor.role_selection.items()
        }
        answers = [
            sop_classes.negotiate(proposed, roles, allowed, reports, self._held_video, served)
            for proposed in request.presentation_context_definition_list
        ]
        accepted = [answer for answer in answers if answer.result == sop_classes.ACCEPTED]
        self.assoc._accepted_cx = {cast(int, cx.context_id): cx for cx in accepted}
        self.assoc._rejected_cx = [cx for cx in answers if cx.result != sop_classes.ACCEPTED]
        self._log_denied(request.calling_ae_title)
        if logger.isEnabledFor(logging.DEBUG):
            for line in _lines(request, answers):
                logger.debug(Event("negotiation", line, peer=self._who["peer"]))
        for abstract_syntax in sorted({str(cx.abstract_syntax) for cx in accepted} & set(roles)):
            granted = sop_classes.granted_roles(abstract_syntax, roles, allowed, reports)
            item = SCP_SCU_RoleSelectionNegotiation()
            item.sop_class_uid = UID(abstract_syntax)
            item.scu_role, item.scp_role = granted
            self.acceptor.add_negotiation_item(item)

    def _held_video(self, sop_class_uid: str) -> list[str]:
        self._asked_index = True
        try:
            return self.node.archive.video_syntaxes(sop_class_uid)
        except ResourceError as error:  # what is asked of the index later fails by itself
            logger.warning(Event("index not read", str(error), **self._who))
            return []

    def _log_denied(self, calling: str) -> None:
        """Say which services that the node gives were asked for and not granted."""
        settings = self.node.settings
        not_allowed = access.served(settings) - access.rights(settings, calling)
        asked = {sop_classes.service_of(str(cx.abstract_syntax)) for cx in self.assoc._rejected_cx}
        denied = sorted({service for service in asked if service} & not_allowed)
        if denied:
            logger.warning(
                Event(
                    "contexts refused",
                    "[peers] does not allow them",
                    **self._who,
                    services=",".join(denied),
                )
            )


def _lines(request: A_ASSOCIATE, answers: Sequence[PresentationContext]) -> Iterator[str]:
    """What was proposed and what became of it, in words: why a modality is refused."""
    calling, called = str(request.calling_ae_title).strip(), str(request.called_ae_title).strip()
    yield f"{calling} calls {called}, takes PDUs of {request.maximum_length_received or 0} bytes"
    proposed = request.presentation_context_definition_list
    for asked, answer in zip(proposed, answers, strict=True):
        offered = ", ".join(_name(uid) for uid in asked.transfer_syntax)
        yield f"context {asked.context_id} {_name(asked.abstract_syntax)}: {_result(answer)}" + (
            "" if answer.result == sop_classes.ACCEPTED else f"; offered {offered or 'nothing'}"
        )


def _result(answer: PresentationContext) -> str:
    if answer.result != sop_classes.ACCEPTED:
        return _WHY[answer.result or 0]
    roles = [name for name, has in (("send", answer.as_scp), ("get", answer.as_scu)) if has]
    return f"accepted in {_name(answer.transfer_syntax[0])}, to {' and '.join(roles)}"


def _name(uid: object) -> str:
    text = str(uid)
    name = UID(text).name
    return name if name != text else f"{text} (unknown)"

"""Messages of pynetdicom's, one by one."""

import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import A_ASSOCIATE

from support.names import CLIENT_SECONDS, EXPLICIT


def identifier(level: str | None, **values: Any) -> Dataset:
    """An identifier; level None leaves the Query/Retrieve Level out."""
    data_set = Dataset()
    if level is not None:
        data_set.QueryRetrieveLevel = level
    for keyword, value in values.items():
        setattr(data_set, keyword, value)
    return data_set


def store_request(
    sop_class: str, sop_instance: str, data_set: bytes, message_id: int = 1
) -> C_STORE:
    """A C-STORE request, whatever its UIDs look like."""
    request = C_STORE()
    request.MessageID = message_id
    request.Priority = 2
    request.AffectedSOPClassUID = UID(sop_class)
    # Past pynetdicom's check: it would not send an empty one.
    request._affected_sop_instance_uid = UID(sop_instance)
    request.DataSet = BytesIO(data_set)
    return request


def send(
    association: Association,
    sop_class: str,
    sop_instance: str,
    data_set: bytes,
    transfer_syntax: str = EXPLICIT,
    context_class: str = "",
) -> C_STORE:
    """C-STORE bytes as they are; the response. `context_class` where it is not the command's."""
    context = accepted(association, context_class or sop_class, transfer_syntax)
    with at_rest(association):
        association.dimse.send_msg(store_request(sop_class, sop_instance, data_set), context)
        response = next_message(association)
    assert isinstance(response, C_STORE), "no response, or the association was aborted"
    return response


def next_message(association: Association) -> Any:
    """The next DIMSE message, or None where the association has ended."""
    deadline = time.monotonic() + CLIENT_SECONDS
    while time.monotonic() < deadline:
        try:
            return association.dimse.msg_queue.get(timeout=0.1)[1]
        except queue.Empty:
            # Its end is announced only once, and pynetdicom's loop may have had the message.
            if association.acse.is_aborted() or not association.is_alive():
                return None
    return None


def offending_elements(response: Any) -> list[int]:
    """Offending Element (0000,0901), which may hold several."""
    value = response.OffendingElement
    return [int(tag) for tag in ([value] if isinstance(value, int) else value)]


def store_fragments(
    association: Association, sop_class: str, sop_instance: str, data_set: bytes
) -> tuple[list[Any], list[Any]]:
    """The P-DATA primitives of a C-STORE in PDUs of 4 KiB: the first half, and the rest."""
    message = C_STORE_RQ()
    message.primitive_to_message(store_request(sop_class, sop_instance, data_set))
    context = accepted(association, sop_class, EXPLICIT)
    fragments = list(message.encode_msg(context, 4096))
    assert len(fragments) > 3
    return fragments[: len(fragments) // 2], fragments[len(fragments) // 2 :]


def accepted(association: Association, sop_class: str, transfer_syntax: str) -> int:
    """The ID of the presentation context that was accepted for both."""
    for context in association.accepted_contexts:
        agreed = (str(context.abstract_syntax), str(context.transfer_syntax[0]))
        if agreed == (sop_class, transfer_syntax):
            assert context.context_id
            return context.context_id
    raise AssertionError(f"no context for {sop_class} in {transfer_syntax}")


def take_late_rejection(association: Association) -> None:
    """Have an association be rejected that is.

    Its thread asks whether it is connected before it looks at the answer. On a busy machine the
    rejection has closed the connection by then, and pynetdicom takes it for one that was not made.
    """
    if association.is_established or association.is_rejected:
        return
    with suppress(queue.Empty):
        while True:
            answer = association.dul.to_user_queue.get_nowait()
            if isinstance(answer, A_ASSOCIATE) and answer.result:
                association.acceptor.primitive = answer
                association.is_rejected, association.is_aborted = True, False


def keep_responses(association: Association) -> None:
    """Make good a race of pynetdicom's.

    Its loop may still be running when a send_ method begins to wait, takes the response before
    it, and drops it; the method then waits for nothing.
    """
    serve = association._serve_request

    def serve_or_give_back(message: Any, context_id: int) -> None:
        if message.is_valid_request:
            serve(message, context_id)
            return
        messages = association.dimse.msg_queue
        with messages.mutex:
            messages.queue.appendleft((context_id, message))
            messages.not_empty.notify()

    association._serve_request = serve_or_give_back  # type: ignore[method-assign]


@contextmanager
def at_rest(association: Association) -> Iterator[None]:
    """Keep pynetdicom's loop from taking the response, as its own send_ methods do."""
    association._reactor_checkpoint.clear()
    while not association._is_paused:
        if not association.is_alive():
            raise AssertionError("the association has ended")
    try:
        yield
    finally:
        association._reactor_checkpoint.set()


def find(
    association: Association, model: str, level: str | None, **values: Any
) -> tuple[list[Dataset], Dataset]:
    """C-FIND: the answers, and the final status."""
    answers = []
    for status, answer in association.send_c_find(identifier(level, **values), model):
        assert "Status" in status, "no response, or the association was aborted"
        if status.Status not in (0xFF00, 0xFF01):
            return answers, status
        assert answer is not None
        answers.append(answer)
    raise AssertionError("no final response")

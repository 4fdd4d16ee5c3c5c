"""What was proposed and what became of it, in words: why a modality is refused."""

from collections.abc import Iterator, Sequence

from pydicom.uid import UID
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext

from scp import contexts

_WHY = {
    contexts.USER_REJECTION: "refused: `allow` under [peers] does not have its service",
    contexts.NO_ABSTRACT_SYNTAX: "refused: no service of this node",
    contexts.NO_TRANSFER_SYNTAX: "refused: none of its transfer syntaxes is taken",
}


def lines(request: A_ASSOCIATE, answers: Sequence[PresentationContext]) -> Iterator[str]:
    """A line about the association, and one about each presentation context."""
    calling, called = str(request.calling_ae_title).strip(), str(request.called_ae_title).strip()
    yield f"{calling} calls {called}, takes PDUs of {request.maximum_length_received or 0} bytes"
    proposed = request.presentation_context_definition_list
    for asked, answer in zip(proposed, answers, strict=True):
        offered = ", ".join(_name(uid) for uid in asked.transfer_syntax)
        yield f"context {asked.context_id} {_name(asked.abstract_syntax)}: {_result(answer)}" + (
            "" if answer.result == contexts.ACCEPTED else f"; offered {offered or 'nothing'}"
        )


def _result(answer: PresentationContext) -> str:
    if answer.result != contexts.ACCEPTED:
        return _WHY[answer.result or 0]
    roles = [name for name, has in (("send", answer.as_scp), ("get", answer.as_scu)) if has]
    return f"accepted in {_name(answer.transfer_syntax[0])}, to {' and '.join(roles)}"


def _name(uid: object) -> str:
    text = str(uid)
    name = UID(text).name
    return name if name != text else f"{text} (unknown)"

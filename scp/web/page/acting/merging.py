"""The studies of a patient made another one's, as `minipacs merge-patient` does."""

from werkzeug.wrappers import Response

from scp.node.acts.correcting import CorrectionPlan
from scp.web.page.acting.plans import changes, facts_of, state_of, work_of
from scp.web.page.acting.shown import confirm
from scp.web.page.acting.tickets import taken
from scp.web.page.acting.undertaking import begun, led_back
from scp.web.page.study import path_of, study_of
from scp.web.page.surface import page, sealed, seen_other, unsealed
from scp.web.request import Asked, ConflictError, NotFoundError
from storage.diagnostics import ArchiveError
from storage.maintenance.changes import UncorrectableError

_MOST_CHARACTERS = 200


def form(asked: Asked, study: str) -> Response:
    """Ask for the other patient; or show what would come of it."""
    values = study_of(asked, study)
    if "q" not in asked.request.args:
        return _form(asked, values)
    told = unsealed(asked.context.node.secret, asked.request.args["q"])
    if told is None or told.get("study") != study:
        raise NotFoundError("what was given has ended; give it again")
    try:
        plan = CorrectionPlan.of_merge(asked.context.archive, told["from"], told["into"])
    except UncorrectableError as error:
        raise ConflictError(str(error)) from None
    facts = [("patient_id", f"{told['from']} → {told['into']}"), *facts_of(plan)]
    facts += [("reason", told["reason"])] if told["reason"] else []
    return confirm(
        asked, state_of(plan), told, study=values, title="merge", facts=facts,
        changes=list(changes(plan)), button=("merge",), back=path_of(study),
        notes=[("merge_means",)],
    )  # fmt: skip


def checked(asked: Asked, study: str) -> Response:
    """Take the other patient, and lead to what would come of it."""
    values, sent = study_of(asked, study), asked.request.form
    into = sent.get("into", "").strip()[:_MOST_CHARACTERS]
    reason = sent.get("reason", "").strip()[:_MOST_CHARACTERS]
    try:
        CorrectionPlan.of_merge(asked.context.archive, values["PatientID"], into)
    except (UncorrectableError, ArchiveError) as error:
        return _form(asked, values, str(error), into, reason)
    told = {"from": values["PatientID"], "into": into, "reason": reason, "study": study}
    return seen_other(f"{path_of(study)}/merge?q={sealed(asked.context.node.secret, told)}")


def merged(asked: Asked, study: str) -> Response:
    """Do it."""
    ticket, back = taken(asked), path_of(study)
    if before := led_back(asked, ticket.key, back):
        return before
    told = ticket.values
    try:
        plan = CorrectionPlan.of_merge(asked.context.archive, told["from"], told["into"])
    except (UncorrectableError, ArchiveError) as error:
        if before := led_back(asked, ticket.key, back):
            return before
        raise ConflictError(str(error)) from None
    work = work_of(asked, plan, told["reason"], back, "did_merge")
    return begun(asked, ticket, state_of(plan), back, work)


def _form(
    asked: Asked, values: dict[str, str], fault: str = "", into: str = "", reason: str = ""
) -> Response:
    path = f"{path_of(values['StudyInstanceUID'])}/merge"
    return page(
        asked, "acting/merge", 400 if fault else 200, study=values, fault=fault, into=into,
        path=path, reason=reason, back=path_of(values["StudyInstanceUID"]),
        here=path if fault else asked.request.full_path,
    )  # fmt: skip

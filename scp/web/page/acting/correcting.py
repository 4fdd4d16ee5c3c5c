"""Other values of a study or of its patient, as `minipacs correct` gives them; and taken back."""

import json
from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Response

from scp.node.acts.actor import Actor
from scp.node.acts.correcting import CorrectionPlan, parsed, undo
from scp.web.page.acting.plans import changes, facts_of, state_of, work_of
from scp.web.page.acting.shown import confirm
from scp.web.page.acting.tickets import digest, taken
from scp.web.page.acting.undertaking import Outcome, Telling, begun, led_back
from scp.web.page.study import path_of, study_of
from scp.web.page.surface import clean, page, sealed, seen_other, unsealed
from scp.web.request import Asked, BadRequestError, ConflictError, NotFoundError
from storage import ArchiveError, Level
from storage.maintenance.changes import Selection, UncorrectableError, correction

_OF_PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
_OF_STUDY = ("AccessionNumber", "StudyDate", "StudyTime", "StudyDescription", "StudyID",
             "ReferringPhysicianName")  # fmt: skip
FIELDS = (*_OF_PATIENT, *_OF_STUDY)
_MOST_CHARACTERS = 3000  # of all that is given: it goes by a URL, sealed


def form(asked: Asked, study: str) -> Response:
    """The values, to be written over; or what would come of those that were given."""
    asked.resource(study)
    values = study_of(asked, study)
    if "q" in asked.request.args:
        return _confirm(asked, values)
    return _form(asked, values, asked.request.args.get("of") == "patient")


def checked(asked: Asked, study: str) -> Response:
    """Take what was given, and lead to what would come of it."""
    sent, values = asked.request.form, study_of(asked, study)
    is_of_patient = sent.get("of") == "patient"
    try:
        given = _given(sent, is_of_patient)
        _plan(asked, values, given, is_of_patient)
    except (UncorrectableError, ArchiveError) as error:
        return _form(asked, values, is_of_patient, str(error), sent)
    told = {
        "values": json.dumps(given, ensure_ascii=False), "of": "patient" if is_of_patient else "",
        "reason": sent.get("reason", "").strip()[:200], "study": study,
    }  # fmt: skip
    q = sealed(asked.context.node.secret, told)
    return seen_other(f"{path_of(study)}/correct?q={q}")


def corrected(asked: Asked, study: str) -> Response:
    """Do it."""
    ticket, back = taken(asked), path_of(study)
    if before := led_back(asked, ticket.key, back):
        return before
    told = ticket.values
    given, values = json.loads(told["values"]), study_of(asked, study)
    try:
        plan = _plan(asked, values, given, told["of"] == "patient")
    except UncorrectableError as error:
        if before := led_back(asked, ticket.key, back):
            return before
        raise ConflictError(str(error)) from None
    work = work_of(asked, plan, told["reason"], back, "did_correct")
    return begun(asked, ticket, state_of(plan), back, work)


def undo_asked_for(asked: Asked, study: str, number: int) -> Response:
    """Confirm that a correction is taken back."""
    values, data = study_of(asked, study), asked.context.archive.tree.data
    try:
        one = correction.to_undo(data, number)
    except UncorrectableError as error:
        raise ConflictError(str(error)) from None
    level, key = one.entity
    return confirm(
        asked, digest(number), study=values, title="undo_correction",
        facts=[("correction", f"#{number}"), ("of", str(Selection(level, key))),
               ("who", one.user)],
        changes=[(name, [text], ", ".join(one.before.get(name, [])))
                 for name, text in one.values.items()],
        button=("undo_n", str(number)), back=f"{path_of(study)}/way", notes=[("undo_means",)],
    )  # fmt: skip


def undone(asked: Asked, study: str, number: int) -> Response:
    """Do it."""
    ticket, back = taken(asked), f"{path_of(study)}/way"
    if before := led_back(asked, ticket.key, back):
        return before
    archive = asked.context.archive
    try:
        one = correction.to_undo(archive.tree.data, number)
    except UncorrectableError as error:
        if before := led_back(asked, ticket.key, back):
            return before
        raise ConflictError(str(error)) from None

    def work(actor: Actor, telling: Telling) -> Outcome:
        undo(actor, archive, one)
        return Outcome([("did_undo", str(number))])

    return begun(asked, ticket, digest(number), back, work)


def _confirm(asked: Asked, values: dict[str, str]) -> Response:
    study, q = values["StudyInstanceUID"], asked.request.args["q"]
    told = unsealed(asked.context.node.secret, q)
    if told is None or told.get("study") != study:
        raise NotFoundError("what was given has ended; give it again")
    try:
        plan = _plan(asked, values, json.loads(told["values"]), told["of"] == "patient")
    except UncorrectableError as error:
        raise ConflictError(str(error)) from None
    facts = [*facts_of(plan), *([("reason", told["reason"])] if told["reason"] else ())]
    notes = [("others_stay", patient, str(count)) for patient, count in plan.others.items()]
    return confirm(
        asked, state_of(plan), told, study=values, title="correct", facts=facts,
        changes=list(changes(plan)), button=("correct",), back=path_of(study),
        notes=[("correct_means",), *notes],
    )  # fmt: skip


def _plan(
    asked: Asked, study: Mapping[str, str], given: Mapping[str, str], is_of_patient: bool
) -> CorrectionPlan:
    charset = asked.context.settings.storage.charset
    named = Selection(Level.STUDY, study["StudyInstanceUID"])
    if is_of_patient:
        if not study["PatientID"]:
            raise BadRequestError("the study has no Patient ID")
        named = Selection(Level.PATIENT, study["PatientID"])
    return CorrectionPlan.of(asked.context.archive, [named], given, charset)


def _form(
    asked: Asked, values: dict[str, str], is_of_patient: bool, fault: str = "",
    sent: Mapping[str, str] | None = None,
) -> Response:  # fmt: skip
    """The form; with what was sent in it, where there is a fault."""
    keywords = _OF_PATIENT if is_of_patient else FIELDS
    archive, study = asked.context.archive, values["StudyInstanceUID"]
    entity = (Level.PATIENT, values["PatientID"]) if is_of_patient else (Level.STUDY, study)
    shown = correction.shown(archive, entity, [], keywords)
    fields: list[dict[str, Any]] = []
    for keyword in keywords:
        first = shown[keyword][0] if shown[keyword] else ""
        fields.append({
            "keyword": keyword, "was": digest(_as_shown(first)), "others": shown[keyword][1:],
            "value": sent.get(keyword, "") if sent else _as_shown(first),
        })  # fmt: skip
    return page(
        asked, "acting/correct", 400 if fault else 200, study=values, fields=fields, fault=fault,
        is_of_patient=is_of_patient, back=path_of(study), path=f"{path_of(study)}/correct",
        more=sent.get("more", "") if sent else "", reason=sent.get("reason", "") if sent else "",
        here=f"{path_of(study)}/correct" if sent else asked.request.full_path,
    )  # fmt: skip


def _given(sent: Mapping[str, str], is_of_patient: bool) -> dict[str, str]:
    """What was written over, and what was written beside. Raises UncorrectableError."""
    keywords = _OF_PATIENT if is_of_patient else FIELDS
    found = {
        keyword: sent[keyword].strip(" ")
        for keyword in keywords
        if keyword in sent and digest(sent[keyword]) != sent.get(f"was-{keyword}")
    }
    lines = [line.strip() for line in sent.get("more", "").splitlines() if line.strip()]
    more = parsed(lines)
    if twice := found.keys() & more.keys():
        raise UncorrectableError(f"{min(twice)}: is given twice")
    found |= more
    if not found:
        raise UncorrectableError("nothing is given another value")
    if sum(len(text) for text in found.values()) > _MOST_CHARACTERS:
        raise UncorrectableError(f"takes {_MOST_CHARACTERS} characters in all; `minipacs correct`")
    return found


def _as_shown(text: str) -> str:
    """A value as a field has it, and sends it back: in one line."""
    return clean(text).replace("\r", " ").replace("\n", " ")

"""The studies: looked for as C-FIND looks, what came last first, page by page.

What is looked for goes by POST, since it names patients; the URL of the answers has it sealed.
"""

import re
from collections.abc import Mapping
from datetime import date, timedelta

from werkzeug.wrappers import Response

from scp.web.page.surface import PREFIX, harmless, page, sealed, seen_other, unsealed
from scp.web.page.watching import state
from scp.web.request import Asked, BadRequestError
from storage import Level
from storage.archive import LatestStudies, counts
from storage.archive import asked as asked_for
from storage.diagnostics import IdentifierError

SHOWN = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate",
    "StudyTime", "AccessionNumber", "StudyDescription", "ReferringPhysicianName",
    "ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances",
)  # fmt: skip
_MOST = 50
# The fields of the form; and of how many days back a button of it asks.
_FIELDS = ("PatientName", "PatientID", "AccessionNumber", "StudyDescription", "Modality", "From",
           "To", "Sender")  # fmt: skip
_MOST_CHARACTERS, _MOST_DAYS = 200, 36500
_BETWEEN_WORDS = re.compile(r"[\s,^]+")
# When something of the last study of a page arrived, and its row.
_PLACE, _MOST_NUMBER = re.compile(r"[0-9]{1,19}-[0-9]{1,18}"), 2**63 - 1
_WILDCARDS = frozenset("*?")


def lead(asked: Asked) -> Response:
    """The way to the page, from the address of the node alone."""
    return seen_other(PREFIX)


def search(asked: Asked) -> Response:
    """Take a search, and lead to its answers."""
    form = asked.request.form
    given = {
        name: harmless(form.get(name, "")).strip()[:_MOST_CHARACTERS] for name in _FIELDS
    }  # fmt: skip
    days = form.get("days", "")
    if days.isdecimal() and 0 < int(days[:6]) <= _MOST_DAYS:
        given["From"], given["To"] = str(date.today() - timedelta(int(days) - 1)), ""
    wanted = {name: text for name, text in given.items() if text}
    if not wanted:
        return seen_other(PREFIX)
    return seen_other(f"{PREFIX}?q={sealed(asked.context.node.secret, wanted)}")


def listed(asked: Asked) -> Response:
    """A page of studies: of all, or of those that match."""
    request = asked.request
    token, before = request.args.get("q", ""), _place(request.args.get("before"))
    wanted = unsealed(asked.context.node.secret, token) if token else {}
    notice, fault = "", ""
    if wanted is None:
        wanted, notice = {}, "search_ended"
    found = LatestStudies((), None)
    archive = asked.context.archive
    latest = state(archive)
    try:
        query = asked_for(Level.STUDY, _conditions(wanted), SHOWN).query
        found = archive.latest_studies(
            query, _MOST, before=before, sender=wanted.get("Sender", ""),
            contained=_contained(wanted),
        )  # fmt: skip
    except IdentifierError as error:
        fault = str(error)
    asked.told["answers"] = len(found.studies)
    first = f"{PREFIX}?q={token}" if wanted else PREFIX
    place = "-".join(map(str, found.rest or ()))
    rest = f"{first}{'&' if wanted else '?'}before={place}" if place else ""
    return page(
        asked, "studies", 400 if fault else 200, studies=found.studies, is_search=bool(wanted),
        notice=notice, fault=fault, given={name: wanted.get(name, "") for name in _FIELDS},
        before=before, first=first, rest=rest, latest=latest,
        held=None if wanted else counts(archive)["study"],
    )  # fmt: skip


def _place(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    if not _PLACE.fullmatch(text):
        raise BadRequestError(f"before={text[:40]}: takes two numbers, as in a link to older ones")
    arrived, _, row = text.partition("-")
    return min(int(arrived), _MOST_NUMBER), int(row)


def _conditions(given: Mapping[str, str]) -> list[tuple[str, str]]:
    """Pairs of keyword and value, as C-FIND matches them (PS3.4 C.2.2.2)."""
    found = [(name, given[name]) for name in ("PatientID", "AccessionNumber") if name in given]
    if "PatientName" in given:
        found.append(("PatientName", _anywhere(given["PatientName"])))
    if _has_wildcards(description := given.get("StudyDescription", "")):
        found.append(("StudyDescription", description))
    if modalities := re.findall(r"[^\s,;\\]+", given.get("Modality", "").upper()):
        found.append(("ModalitiesInStudy", "\\".join(modalities)))
    days = [_day(given.get(name, "")) for name in ("From", "To")]
    if any(days):
        found.append(("StudyDate", "-".join(days)))
    return found


def _day(text: str) -> str:
    """A date as DICOM has it (VR DA)."""
    try:
        return f"{date.fromisoformat(text):%Y%m%d}" if text else ""
    except ValueError:
        raise IdentifierError(f"{text[:20]} is no date; it takes YYYY-MM-DD") from None


def _contained(given: Mapping[str, str]) -> list[tuple[str, str]]:
    """The words of a description, in any order and case: C-FIND would want the very letters."""
    text = given.get("StudyDescription", "")
    return [] if _has_wildcards(text) else [("StudyDescription", word) for word in text.split()]


def _has_wildcards(text: str) -> bool:
    return bool(_WILDCARDS & set(text))


def _anywhere(text: str) -> str:
    """What matches wherever the words stand in this order; with wildcards it is as it was given."""
    if _has_wildcards(text):
        return text
    return f"*{_BETWEEN_WORDS.sub('*', text.strip(' ,^'))}*"

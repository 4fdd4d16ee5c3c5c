"""The whole way of a study: who sent it, what became of it, where it went, who asked for it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from werkzeug.wrappers import Response

from scp.runtime import lines_told
from scp.web.page.study.held import path_of, study_of
from scp.web.page.surface import page
from scp.web.request import Asked
from storage import Level
from storage.index import corrected_rows, counts
from storage.journal import pinned
from storage.journal.corrections import Correction, Entity, in_force
from storage.outbox import of_study_beside

_MOST_INSTANCES, _MOST_LINES, _MOST_BYTES = 20_000, 200, 64 << 20
_QUEUE_SECONDS = 2.0
# Of a line of the audit trail: who, in the first of these that it has; and what is told elsewhere.
_WHO = ("peer", "user", "destination")
_ELSEWHERE = frozenset({
    "at", "event", "address", "agent", "called", "study", "studies", "path", "StudyInstanceUID",
})  # fmt: skip


def shown(asked: Asked, study: str) -> Response:
    """The view of it."""
    found = study_of(asked, study)
    archive = asked.context.archive
    uids = [one.uids for one in islice(archive.locate_below(study),
                                       _MOST_INSTANCES)]  # fmt: skip
    received = counts.of_study(archive.index, study)
    lines, is_cut = _audit(asked, study)
    return page(
        asked, "way", study=found, study_path=path_of(study), received=received,
        with_digest=sum(one.with_digest for one in received),
        instances=sum(one.instances for one in received),
        forwarded=of_study_beside(archive.tree.data, uids, _QUEUE_SECONDS),
        corrections=list(_corrections(asked, study, uids)),
        pinned=pinned(archive.journal).get(study), audit=lines, audit_cut=is_cut,
        audit_on=asked.context.settings.audit.enabled,
    )  # fmt: skip


def _corrections(asked: Asked, study: str, uids: Iterable[tuple[str, ...]]) -> Iterator[Correction]:
    """Those of the study, of what is below it and of its patient, also where they are undone."""
    archive = asked.context.archive
    known = in_force(archive.tree.data)
    entities: set[Entity] = {(Level.STUDY, study)}
    for one in uids:
        entities |= set(zip((Level.SERIES, Level.IMAGE), one[1:], strict=True))
    for patient in corrected_rows.patient_ids(archive.index, Level.STUDY, study):
        entities |= {(Level.PATIENT, other) for other in known.patient_ids(patient)}
    return (one for one in known.all.values() if one.entity in entities)


@dataclass
class _Told:
    """Lines of the audit trail that say the same of a day: who, from where, what; the newest."""

    event: str
    who: str
    address: str
    last: str
    first: str
    what: str
    count: int = 1


def _audit(asked: Asked, study: str) -> tuple[list[_Told], bool]:
    """What the audit trail tells of a study, the newest first; and whether there may be more.

    A viewer asks for each slice: what one does in a day is told once, with how often.
    """
    found: dict[tuple[str, ...], _Told] = {}
    is_cut = False
    for line, is_last in lines_told(asked.context.settings, study.encode(), _MOST_BYTES):
        is_cut = is_last
        if not _is_of(line, study):
            continue
        event, address, at = (str(line.get(name, "")) for name in ("event", "address", "at"))
        of = next((name for name in _WHO if line.get(name)), "")
        who = str(line.get(of, ""))
        # What people did is told one by one.
        key = event, who, address, at if "by" in line else at[:10]
        if held := found.get(key):
            held.first, held.count = at, held.count + 1
        elif len(found) == _MOST_LINES:
            return list(found.values()), True
        else:
            found[key] = _Told(event, who, address, at, at, _what(line, of))
    return list(found.values()), is_cut


def _is_of(line: Mapping[str, Any], study: str) -> bool:
    """Whether a line is of a study: its UID may be the beginning of another one's."""
    several = line.get("studies")
    named = [
        str(line.get("study", "")), *str(line.get("StudyInstanceUID", "")).split("\\"),
        *(map(str, several) if isinstance(several, list) else ()),
        *str(line.get("path", "")).split("/"),
    ]  # fmt: skip
    return study in named


def _what(line: Mapping[str, Any], of: str) -> str:
    """The other fields of a line than who, which is the field `of`."""
    told = ((name, value) for name, value in line.items()
            if name not in _ELSEWHERE and name != of
            and value not in ("", None, [], {}))  # fmt: skip
    return ", ".join(f"{name}={_text(value)}" for name, value in told)


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name}:{one}" for name, one in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)

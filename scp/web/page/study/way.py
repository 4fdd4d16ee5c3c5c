"""The whole way of a study: who sent it, what became of it, where it went, who asked for it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from werkzeug.wrappers import Response

from scp.runtime import LinesTold
from scp.web.page.study.held import path_of, study_of
from scp.web.page.surface import page
from scp.web.request import Asked
from storage import Level
from storage.index import corrected_rows, counts
from storage.journal import pinned
from storage.journal.corrections import Correction, Entity, in_force
from storage.outbox import of_study_beside

# Of instances it is told how far each of so many is; of the trail first its end is looked at, and
# all of it where that is asked for.
_MOST_INSTANCES, _MOST_LINES, _FEW_BYTES, _ALL_BYTES = 100_000, 200, 64 << 20, 1 << 60
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
    uids = [one.uids for one in islice(archive.locate_below(study), _MOST_INSTANCES)]
    received = counts.of_study(archive.index, study)
    instances = sum(one.instances for one in received)
    is_all = asked.request.args.get("trail") == "all"
    lines, since, has_more = _audit(asked, study, _ALL_BYTES if is_all else _FEW_BYTES)
    return page(
        asked, "way", study=found, study_path=path_of(study), received=received,
        with_digest=sum(one.with_digest for one in received),
        instances=instances, looked=len(uids) if len(uids) < instances else 0,
        forwarded=of_study_beside(archive.tree.data, uids, _QUEUE_SECONDS),
        corrections=list(_corrections(asked, study, uids)),
        pinned=pinned(archive.journal).get(study), audit=lines, audit_since=since,
        audit_more=has_more, audit_on=asked.context.settings.audit.enabled,
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


def _audit(asked: Asked, study: str, most_bytes: int) -> tuple[list[_Told], str, bool]:
    """What the audit trail tells of a study, the newest first.

    Beside it since when it was looked at, where that is not all of it, and whether what was looked
    at tells more. A viewer asks for each slice: what one does in a day is told once, and how often.
    """
    found: dict[tuple[str, ...], _Told] = {}
    has_more = False
    lines = LinesTold(asked.context.settings, study.encode(), most_bytes)
    for line in lines:
        if not _is_of(line, study):
            continue
        event, address, at = (str(line.get(name, "")) for name in ("event", "address", "at"))
        of = next((name for name in _WHO if line.get(name)), "")
        who = str(line.get(of, ""))
        # What people did is told one by one.
        key = event, who, address, at if "by" in line else at[:10]
        if held := found.get(key):
            held.first, held.last = min(held.first, at), max(held.last, at)
            held.count += 1
        elif len(found) == _MOST_LINES:
            has_more = True
        else:
            found[key] = _Told(event, who, address, at, at, _what(line, of))
    told = sorted(found.values(), key=lambda one: one.last, reverse=True)
    return told, lines.since if lines.is_cut else "", has_more


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

"""What leaves the archive for superseded/, and comes back from there, as by the commands."""

from itertools import islice
from typing import Any

from werkzeug.wrappers import Response

from scp.node.acts.actor import Actor
from scp.node.acts.deleting import Deletion, Restoration
from scp.node.acts.marked import marked
from scp.web.page.acting.shown import confirm, facts_of, found, named, state_of, uids_of
from scp.web.page.acting.tickets import digest, taken
from scp.web.page.acting.undertaking import Outcome, Telling, begun, led_back
from scp.web.page.study import path_of
from scp.web.page.surface import PREFIX, number, page, size
from scp.web.request import Asked, NotFoundError
from storage.diagnostics import ArchiveError
from storage.dicom import header, part10
from storage.files import Kept
from storage.journal import pinned
from storage.maintenance.changes import KeptFiles

# Of what was deleted so many files are looked at, and so many studies shown.
_LOOKED_AT, _MOST = 20_000, 100
_KEYWORDS = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate",
             "StudyDescription")  # fmt: skip


def asked_for(asked: Asked, study: str, series: str = "", instance: str = "") -> Response:
    """Confirm that it goes."""
    uids = uids_of(study, series, instance)
    values, instances = found(asked, uids)
    days = asked.context.settings.retention.superseded_days
    notes = [("delete_kept_days", str(days)) if days else ("delete_kept",)]
    if study in pinned(asked.context.archive.journal):
        notes.append(("delete_pinned",))
    return confirm(
        asked, state_of(instances), study=values, facts=facts_of(uids, instances),
        title="delete", button=("delete_n", number(len(instances))), back=path_of(*uids),
        notes=notes, is_danger=True,
    )  # fmt: skip


def deleted(asked: Asked, study: str, series: str = "", instance: str = "") -> Response:
    """Do it."""
    uids = uids_of(study, series, instance)
    ticket, back = taken(asked), _back(asked, uids)
    if before := led_back(asked, ticket.key, back):
        return before
    _, instances = found(asked, uids)
    plan = Deletion([named(uids)], instances, [])
    settings, archive = asked.context.settings, asked.context.archive

    def work(actor: Actor, telling: Telling) -> Outcome:
        with marked(settings.storage.path, settings.storage.charset):
            done = plan.run(actor, archive, telling)
        return Outcome([("did_delete", number(done))], undo=f"{path_of(study)}/restore")

    return begun(asked, ticket, state_of(instances), back, work)


def _back(asked: Asked, uids: tuple[str, ...]) -> str:
    """The view of what is left above: of the series or the study, else of all studies."""
    archive = asked.context.archive
    gone = len(archive.locate_below(*uids))
    levels = range(1, len(uids))
    left = [one for one in levels if len(archive.locate_below(*uids[:one])) > gone]
    return path_of(*uids[: left[-1]]) if left else PREFIX


def restore_asked_for(asked: Asked, study: str) -> Response:
    """Confirm that what was deleted of a study comes back."""
    files = _restorable(asked, study)
    first = next(iter(files))
    facts = [
        ("series", number(len({one.uids[1] for one in files}))),
        ("instances", number(len(files))), ("size", size(files.bytes)),
    ]  # fmt: skip
    return confirm(
        asked, _state(files), study=_values(asked, first) | {"StudyInstanceUID": study},
        facts=facts, title="restore", button=("restore_n", number(len(files))),
        back=f"{PREFIX}/deleted", notes=[],
    )  # fmt: skip


def restored(asked: Asked, study: str) -> Response:
    """Do it."""
    ticket, back = taken(asked), path_of(study)
    if before := led_back(asked, ticket.key, back):
        return before
    settings, archive = asked.context.settings, asked.context.archive
    plan = Restoration(_restorable(asked, study), [])
    # A temporary database of this thread's has them: the work has its own.
    state = _state(plan.files)

    def work(actor: Actor, telling: Telling) -> Outcome:
        charset = settings.storage.charset
        with marked(settings.storage.path, charset):
            again = Restoration.planned(archive, [named((study,))], charset)
            done = again.run(actor, archive, charset, telling)
        return Outcome([("did_restore", number(done))], undo=f"{back}/delete")

    return begun(asked, ticket, state, back, work)


def listed(asked: Asked) -> Response:
    """What was deleted, by study, and may come back."""
    tree = asked.context.archive.tree
    studies: dict[str, list[Kept]] = {}
    looked = 0
    for one in islice(tree.superseded.all(), _LOOKED_AT):
        looked += 1
        if not tree.holds(one.uids):
            studies.setdefault(one.uids[0], []).append(one)
    newest = sorted(studies.values(), key=lambda files: -max(one.since for one in files))
    rows = [_row(asked, files) for files in newest[:_MOST]]
    is_cut = looked == _LOOKED_AT or len(newest) > _MOST
    return page(asked, "acting/deleted", rows=rows, is_cut=is_cut)


def _row(asked: Asked, files: list[Kept]) -> dict[str, Any]:
    return {
        "study": files[0].uids[0], "values": _values(asked, files[0]),
        "instances": len({one.uids for one in files}), "bytes": sum(one.bytes for one in files),
        "at": int(max(one.since for one in files) * 1e9),
    }  # fmt: skip


def _restorable(asked: Asked, study: str) -> KeptFiles:
    asked.resource(study)
    charset = asked.context.settings.storage.charset
    files = Restoration.planned(asked.context.archive, [named((study,))], charset).files
    if not files:
        raise NotFoundError(f"of the study {study} nothing is in superseded/ that is not held")
    return files


def _state(files: KeptFiles) -> str:
    return digest(sorted((*one.uids, one.path.name) for one in files))


def _values(asked: Asked, one: Kept) -> dict[str, str]:
    """Of whom a file is; what it does not tell is empty."""
    try:
        with one.path.open("rb") as file:
            syntax = part10.read(file).transfer_syntax_uid
            told = header(file, syntax, asked.context.settings.storage.charset)
            return {name: told[name] for name in _KEYWORDS}
    except (ArchiveError, OSError):
        return dict.fromkeys(_KEYWORDS, "")

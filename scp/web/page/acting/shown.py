"""What several of these views show, and what state it is in."""

from collections.abc import Iterable, Mapping, Sequence

from werkzeug.wrappers import Response

from scp.web.page.acting.tickets import confirmation, digest
from scp.web.page.study import study_of
from scp.web.page.surface import number, size
from scp.web.request import Asked, NotFoundError
from storage import Level, Location
from storage.maintenance.changes import Selection

# A string's key, and what is put into it.
Said = tuple[str, ...]


def uids_of(study: str, series: str = "", instance: str = "") -> tuple[str, ...]:
    """Those of a path."""
    return tuple(uid for uid in (study, series, instance) if uid)


def named(uids: Sequence[str]) -> Selection:
    """The study, series or instance that UIDs lead to."""
    return Selection(list(Level)[len(uids)], uids[-1])


def confirm(
    asked: Asked, state: str, values: Mapping[str, str] | None = None, *, title: str,
    button: Said, facts: Iterable[tuple[str, str]], back: str, study: Mapping[str, str] | None,
    changes: Iterable[tuple[str, list[str], str]] = (), notes: Iterable[Said] = (),
    is_danger: bool = False,
) -> Response:  # fmt: skip
    """The view that says what will be done; `changes` are an attribute, its values, its new one."""
    return confirmation(
        asked, "acting/confirm", state, values, title=title, button=button, facts=facts,
        back=back, study=study, changes=list(changes), notes=notes, is_danger=is_danger,
    )  # fmt: skip


def found(asked: Asked, uids: Sequence[str]) -> tuple[dict[str, str], Sequence[Location]]:
    """The values of a study, and the instances of it that are below UIDs. Raises NotFoundError."""
    study = study_of(asked, uids[0])
    asked.resource(*uids)
    instances = asked.context.archive.locate_below(*uids)
    if not len(instances):
        raise NotFoundError(f"the {named(uids)} is not held")
    return study, instances


def state_of(instances: Iterable[Location], *more: object) -> str:
    """Of which content they are."""
    return digest([(*one.uids, one.digest) for one in instances], *more)


def facts_of(uids: Sequence[str], instances: Sequence[Location]) -> list[tuple[str, str]]:
    """What it is, how many and how large; pairs of a string's key and a text."""
    what = [("series_uid", uids[1])] if len(uids) == 2 else []
    what = [("instance_uid", uids[2])] if len(uids) == 3 else what
    return [
        *what, ("series", number(len({one.uids[1] for one in instances}))),
        ("instances", number(len(instances))),
        ("size", size(sum(one.file_bytes for one in instances))),
    ]  # fmt: skip

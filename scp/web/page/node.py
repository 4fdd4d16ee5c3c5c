"""The node: whether it is well, what it holds, where things go, who its peers are, what is set."""

import re
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from werkzeug.wrappers import Response

from scp.config import TABLES, Settings, engine_places, without_password
from scp.runtime import LinesTold, log
from scp.web.page.acting import confirmation, on_node
from scp.web.request import Asked
from storage import ArchiveError
from storage.archive import counts
from storage.maintenance.recovery import index_bytes, why_not_usable
from storage.outbox import Standing, failed_beside, standings_beside
from storage.sharing.answering import SharedEngine
from storage.sharing.nodes import ArchiveStanding, standing_of

_QUEUE_SECONDS, _MOST_FAILED = 2.0, 100
# For which the engines of a shared archive are waited for.
_ENGINE_SECONDS = 3
# The end of the audit trail, in which the last contact of each peer is looked for.
_TRAIL_BYTES = 4 << 20
# What is set, but not shown: of these names, whatever table they are in.
_SECRET = re.compile(r"pass|secret|token|hash|^key$")
_HIDDEN = "•••"
_OF_DOCUMENT = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


def shown(asked: Asked) -> Response:
    """The view of it."""
    settings, archive = asked.context.settings, asked.context.archive
    data = settings.storage.path
    fault = why_not_usable(data, settings.limits.free_bytes)
    standing = standing_of(data, _ENGINE_SECONDS)
    engines = _engines(settings, standing)
    gone = standing is not None and bool(standing.engines[SharedEngine.DATABASE])
    disk = shutil.disk_usage(data)
    queue, failed, queue_fault = _queue(settings)
    peers, since = _peers(settings)
    return confirmation(
        asked, "node", path=on_node.ECHO_PATH, rights=sorted(asked.user.rights),
        faults=[fault] if fault else [], counts=None if gone else counts(archive), free=disk.free,
        total=disk.total, index_bytes=index_bytes(data), forwarding=queue,
        forwarding_fault=queue_fault, failed=failed[:_MOST_FAILED],
        failed_cut=len(failed) > _MOST_FAILED, peers=peers, peers_since=since,
        any_peer=settings.access.any_peer, warnings=log.LAST_WARNINGS.lines(),
        engines=engines, nodes=standing.nodes if standing else (), is_shared=standing is not None,
        source=settings.source, configuration=list(_configuration(settings)),
    )  # fmt: skip


def conformance(asked: Asked) -> Response:
    """The conformance statement (PS3.2), a document with a style of its own."""
    answer = Response(
        asked.context.node.statement(asked.context.settings),
        content_type="text/html; charset=utf-8",
    )
    answer.headers["Content-Security-Policy"] = _OF_DOCUMENT
    return answer


def _engines(settings: Settings, standing: ArchiveStanding | None) -> list[dict[str, str]]:
    """What a shared archive lies in, where that is, and why it does not answer; else nothing."""
    if not (standing and settings.index and settings.store):
        return []
    places = engine_places(settings.index, settings.store)
    return [
        {"name": str(engine), "where": places[engine], "fault": fault}
        for engine, fault in standing.engines.items()
    ]  # fmt: skip


def _queue(settings: Settings) -> tuple[Mapping[str, Standing], list[Any], str]:
    """How far each destination is, what has failed, and why that is not known."""
    data = settings.storage.path
    titles = {title: Standing() for title in settings.destinations}
    try:
        found = titles | standings_beside(data, _QUEUE_SECONDS)
        failed = failed_beside(data, _QUEUE_SECONDS, _MOST_FAILED + 1)
    except ArchiveError as error:
        return titles, [], str(error)
    return dict(sorted(found.items())), failed, ""


def _peers(settings: Settings) -> tuple[list[dict[str, object]], str]:
    """Those that are set, and when each of them was heard of last.

    Beside them since when the audit trail was looked at, where that is not all of it.
    """
    last: dict[str, Mapping[str, Any]] = {}
    lines = LinesTold(settings, b'"at":', _TRAIL_BYTES)
    for line in lines:
        title = str(line.get("peer") or line.get("destination") or "")
        held = last.setdefault(title, line)
        if str(line.get("at", "")) > str(held.get("at", "")):
            last[title] = line
    found: list[dict[str, object]] = [
        {
            "title": title, "address": f"{one.host}:{one.port}" if one.host else "",
            "tls": one.tls, "allow": sorted(one.allow),
            "at": str(last.get(title, {}).get("at", "")),
            "event": str(last.get(title, {}).get("event", "")),
        }
        for title, one in sorted(settings.peers.items())
    ]  # fmt: skip
    return found, lines.since if lines.is_cut else ""


def _configuration(settings: Settings) -> Iterator[dict[str, str]]:
    """Each value in force, by table and key; those that are secret are not shown."""
    for name in TABLES:
        held = getattr(settings, name)
        if isinstance(held, tuple):
            tables = {f"[[{name}]] {number}": one for number, one in enumerate(held, 1)}
        elif isinstance(held, dict):
            tables = {f"[{name}.{title}]": one for title, one in held.items()}
        else:
            tables = {f"[{name}]": held} if held is not None else {}
        for table, one in tables.items():
            for field, described in type(one).model_fields.items():
                key = described.alias or field
                value = _HIDDEN if _SECRET.search(key) else _shown(getattr(one, field))
                yield {"table": table, "key": key, "value": value}


def _shown(value: object) -> str:
    if isinstance(value, tuple | frozenset):
        return ", ".join(sorted(map(str, value)))
    if isinstance(value, str):
        return without_password(value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

"""What goes on to other nodes, as `minipacs stats` and `minipacs forward` show it."""

from dataclasses import asdict

from rich.table import Table

from scp.cli.output import cell, say, say_json
from scp.config import Settings
from scp.runtime import Audit, trail, user
from storage.diagnostics import ResourceError
from storage.outbox import Failed, Standing, opened, overview


def standings(settings: Settings) -> dict[str, Standing]:
    """By destination: those in the queue, and those of the rules. Raises ResourceError."""
    with opened(settings.storage.path, settings.storage.sync) as outbox:
        found = overview.standings(outbox) if outbox else {}
    titles = sorted({*found, *(title for rule in settings.forward for title in rule.to)})
    return {title: found.get(title, Standing()) for title in titles}


def as_json(found: dict[str, Standing]) -> dict[str, object]:
    """The same for a machine."""
    return {title: asdict(one) for title, one in found.items()}


def shown(found: dict[str, Standing]) -> Table:
    """The same for a person."""
    made = Table(title="\nForwarding", title_justify="left", box=None, header_style="bold")
    made.add_column("")
    for name in ("waiting", "failed", "sent", "committed", "oldest waiting"):
        made.add_column(name, justify="right", no_wrap=True)
    made.add_column("last error", overflow="fold")
    for title, one in found.items():
        counts = (one.waiting, one.failed, one.sent, one.committed)
        oldest = one.oldest_waiting[:16].replace("T", " ")
        texts = cell(oldest), cell(one.last_error)
        made.add_row(cell(title), *(f"{count:,}" for count in counts), *texts)
    return made


def failed(settings: Settings, title: str) -> list[Failed]:
    """What is sent no more by itself, to one destination or to all. Raises ResourceError."""
    with opened(settings.storage.path, settings.storage.sync) as outbox:
        return overview.failed(outbox, title) if outbox else []


def retry(settings: Settings, title: str) -> int:
    """Have what failed sent again; how many instances that are. Raises ResourceError."""
    with opened(settings.storage.path, settings.storage.sync) as outbox:
        if outbox is None:
            raise ResourceError(f"{settings.storage.path}: nothing was ever sent on")
        count = overview.retry(outbox, title)
    audit = Audit(*trail(settings))
    audit.write("forward-retry", user=user(), destination=title or None, instances=count)
    audit.close()
    return count


def tell(settings: Settings, title: str, in_json: bool) -> bool:
    """Print how far each destination is and what has failed; whether nothing has."""
    found = {to: one for to, one in standings(settings).items() if title in ("", to)}
    lost = failed(settings, title)
    if in_json:
        document = {"forwarding": as_json(found), "failed": [asdict(one) for one in lost]}
        say_json(document)
        return not lost
    for to, one in found.items():
        say(f"{to}: waiting={one.waiting}, failed={one.failed}, sent={one.sent}, "
                   f"committed={one.committed}")  # fmt: skip
        if one.last_error:
            say(f"  {one.last_error_at}: {one.last_error}")
    for failure in lost:
        say(f"{failure.destination}: study {failure.uids[0]}, instance {failure.uids[2]}: "
                   f"{failure.words} (attempts={failure.attempts})")  # fmt: skip
    return not lost

"""What goes on to other nodes, as `minipacs stats` and `minipacs forward` show it."""

from collections.abc import Callable
from dataclasses import asdict

from rich.table import Table

from scp.cli.output.tables import cell, moment
from scp.config import Settings
from storage.outbox import Standing, opened, overview

# What shows that an error is over, by what it was in.
_DONE = {"sending": "sent", "asking": "asked"}


def standings(settings: Settings) -> dict[str, Standing]:
    """By destination: those in the queue, and those of rules and notices. Raises ResourceError."""
    with opened(settings.storage.path, settings.storage.sync) as outbox:
        found = overview.standings(outbox) if outbox else {}
    return {to: found.get(to, Standing()) for to in sorted({*found, *settings.destinations})}


def as_json(found: dict[str, Standing]) -> dict[str, object]:
    """The same for a machine."""
    return {title: asdict(one) for title, one in found.items()}


def shown(found: dict[str, Standing]) -> Table:
    """The same for a person."""
    made = Table(title="\nForwarding", title_justify="left", box=None, header_style="bold")
    made.add_column("")
    for name in ("waiting", "failed", "sent", "committed", "oldest waiting"):
        made.add_column(name, justify="right", no_wrap=True)
    for title, one in found.items():
        counts = (one.waiting, one.failed, one.sent, one.committed)
        made.add_row(cell(title), *(f"{count:,}" for count in counts), moment(one.oldest_waiting))
    return made


def last_errors(found: dict[str, Standing]) -> list[str]:
    """What was wrong last with each destination, and when."""
    return [f"{title}: {last_error(one, moment)}" for title, one in found.items() if one.last_error]


def last_error(one: Standing, time_of: Callable[[str], str] = str) -> str:
    """What was wrong last with a destination, when, and since when it is over if it is."""
    told = f"{time_of(one.last_error_at)}: {one.last_error}"
    if not one.last_error_over_since:
        return told
    return f"{told} (over: {_DONE[one.last_error_in]} since {time_of(one.last_error_over_since)})"

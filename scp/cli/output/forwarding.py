"""What goes on to other nodes, as `minipacs stats` and `minipacs forward` show it."""

from dataclasses import asdict

from rich.table import Table

from scp.cli.output.tables import cell
from scp.config import Settings
from storage.outbox import Standing, opened, overview


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

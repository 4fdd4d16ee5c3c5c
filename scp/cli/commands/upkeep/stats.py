"""`minipacs stats`: what is held, as tables and bars for a person or as JSON for a machine."""

from rich.table import Table

from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    ConfigPath,
    refusals_shown,
    settings_as_owner,
)
from scp.cli.output import cell, forwarding, moment, say, say_json, show, size
from scp.config import Settings
from scp.node import opened
from storage.archive import HeldShare, Statistics, statistics
from storage.diagnostics import ResourceError
from storage.outbox import Standing

app = Commands()

_BAR_WIDTH = 30


@app.command()
def stats(
    path: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show what is held: by modality, by sender and by month, and how it grew."""
    settings = settings_as_owner(path)
    with refusals_shown():
        run(settings, as_json)


def run(settings: Settings, as_json: bool) -> None:
    """Show what is held. Raises ArchiveError."""
    with opened(settings) as archive:
        found = statistics(archive)
    standings = _forwarding(settings)
    if as_json:
        document = {**found.as_json(), "forwarding": forwarding.as_json(standings)}
        say_json(document)
        return
    say(_summary(found))
    tables = (_modalities(found), _senders(found), _months(found), forwarding.shown(standings))
    for table in tables:
        if table.row_count:
            show(table)
    for error in forwarding.last_errors(standings):
        say(error)


def _forwarding(settings: Settings) -> dict[str, Standing]:
    """How far each destination is; a queue that cannot be read does not hide the rest."""
    try:
        return forwarding.standings(settings)
    except ResourceError as error:
        say(f"minipacs: {error}", err=True)
        return {}


def _summary(found: Statistics) -> str:
    held = ", ".join(f"{count:,} {name}" for name, count in found.entities.items())
    return f"{held}; {size(found.bytes)}, {size(found.free_bytes)} free on the disk"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    table.add_column(columns[0])
    for name in columns[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _modalities(found: Statistics) -> Table:
    table = _table("\nBy modality", "", "studies", "series", "instances", "bytes")
    for modality, counts in found.by_modality.items():
        *entities, held = counts.values()
        table.add_row(cell(modality or "(none)"), *(f"{count:,}" for count in entities), size(held))
    return table


def _senders(found: Statistics) -> Table:
    table = _table("\nBy sender", "", "instances", "bytes", "last")
    for sender, share in found.by_sender.items():
        counts = f"{share.instances:,}", size(share.bytes), moment(share.last)
        table.add_row(cell(sender or "(unknown)"), *counts)
    return table


def _months(found: Statistics) -> Table:
    """By month of arrival, with what was held at its end and a bar of what came."""
    table = _table("\nBy month of arrival (UTC)", "", "instances", "bytes", "in all")
    table.add_column("", no_wrap=True)
    most = max((share.bytes for share in found.by_month.values()), default=0)
    held = 0
    for month, share in found.by_month.items():
        held += share.bytes
        counts = f"{share.instances:,}", size(share.bytes), size(held)
        table.add_row(cell(month or "(unknown)"), *counts, _bar(share, most))
    return table


def _bar(share: HeldShare, most: int) -> str:
    eighths = round(share.bytes * _BAR_WIDTH * 8 / most) if most else 0
    whole, part = divmod(max(eighths, 1), 8)
    return "█" * whole + (chr(0x2590 - part) if part else "")

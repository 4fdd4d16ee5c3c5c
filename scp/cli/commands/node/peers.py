"""`minipacs peers`: each peer that we send to asked for an echo (C-ECHO, PS3.4 annex A)."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Annotated, Any

import typer
from rich.table import Table

from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    ConfigPath,
    OnceCommand,
    failure,
    load,
    log_for_command,
)
from scp.cli.output import cell, say_json, show
from scp.config import ConfigError, Peer, Service, Settings
from scp.network.scu import Echo, echo
from scp.network.tls import contexts

app = Commands()

_AT_ONCE = 16
# Commands behind this one, by their word, and their modules beside it.
_CHANGES = {"add": "peers_add", "remove": "peers_remove"}


class _Peers(OnceCommand):
    """The command, or one that changes who is a peer, where its word comes first."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **options: Any
    ) -> Any:
        """The context of the one that was asked for."""
        if not args or args[0] not in _CHANGES:
            return super().make_context(info_name, args, parent, **options)
        module: Any = import_module(f"scp.cli.commands.node.{_CHANGES[args[0]]}")
        command = typer.main.get_command(module.app)
        return command.make_context(f"{info_name} {args[0]}", args[1:], parent, **options)


@app.command(cls=_Peers)
def peers(
    titles: Annotated[
        list[str] | None, typer.Argument(metavar="AET", help="AE titles; left out: all.")
    ] = None,
    as_json: AsJson = False,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Ask each peer that is sent to for an echo; exit code 1 where one does not answer.

    `minipacs peers add AET HOST:PORT` and `minipacs peers remove AET` change who is one: -h behind
    them tells more. A peer of such a title is asked by `minipacs peers -- add`.
    """
    settings = load(path)
    unknown = [title for title in titles or () if title not in settings.peers]
    if unknown:
        hint = "; the word add or remove comes first" if unknown[0] in _CHANGES else ""
        raise failure(f"{settings.source}: [peers.{unknown[0]}]: there is no such table{hint}")
    log_for_command()
    try:
        answered = run(settings, titles or (), as_json)
    except ConfigError as error:
        raise failure(str(error)) from None
    raise typer.Exit(0 if answered else 1)


def run(settings: Settings, titles: Iterable[str], as_json: bool = False) -> bool:
    """Ask and show the peers `titles`, or all; whether all that we send to answered.

    Raises ConfigError where the files of [tls] cannot be used.
    """
    tls = contexts(settings)
    peers = {title: settings.peers[title] for title in titles or settings.peers}
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        asked = {
            title: threads.submit(echo, settings, tls, title, peer)
            for title, peer in peers.items()
            if peer.host
        }
    answers = {title: one.result() for title, one in asked.items()}
    if as_json:
        say_json([_plain(title, peer, answers.get(title)) for title, peer in peers.items()])
    else:
        show(_table(peers, answers))
    return not any(answer.fault for answer in answers.values())


def _table(peers: dict[str, Peer], answers: dict[str, Echo]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("peer", "address", "echo", "may ask for", "calls from"):
        table.add_column(name)
    for title, peer in peers.items():
        row = title, _address(peer), _words(answers.get(title)), _rights(peer), _sources(peer)
        table.add_row(*map(cell, row))
    return table


def _plain(title: str, peer: Peer, answer: Echo | None) -> dict[str, object]:
    """The same of one for a machine; `answered` is null where it was not asked."""
    return {
        "peer": title,
        "host": peer.host or None,
        "port": peer.port,
        "tls": peer.tls,
        "answered": None if answer is None else not answer.fault,
        "seconds": None if answer is None or answer.fault else round(answer.seconds, 3),
        "fault": answer.fault or None if answer else None,
        "allow": [str(service) for service in Service if service in peer.allow],
        "from": [str(network) for network in peer.sources],
    }


def _address(peer: Peer) -> str:
    tls = " (TLS)" if peer.tls else ""
    return f"{peer.host}:{peer.port}{tls}" if peer.host else "-"


def _words(found: Echo | None) -> str:
    if found is None:
        return "not asked: no host"
    return found.fault or f"answered in {found.seconds * 1000:.0f} ms"


def _rights(peer: Peer) -> str:
    if peer.allow == frozenset(Service):
        return "all"
    return ", ".join(service for service in Service if service in peer.allow) or "nothing"


def _sources(peer: Peer) -> str:
    return ", ".join(str(network) for network in peer.sources) or "any address"

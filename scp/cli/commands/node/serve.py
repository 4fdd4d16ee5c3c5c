"""`minipacs serve`: the node."""

import logging
import os
import sys
from typing import Annotated

import typer

from scp.cli.options import DEFAULT_CONFIG, Commands, ConfigPath, failure, load, ownership
from scp.config import READERS, ConfigError, Settings, loader, sharing
from scp.network.tls import contexts
from scp.node import Supervisor, take_part
from scp.runtime import StartError, bind, log, pynetdicom_log
from storage import prepare
from storage.diagnostics import ArchiveError
from storage.sharing.own_folder import take_for_shared

logger = logging.getLogger(__name__)

app = Commands()

Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log every detail.")]


@app.command()
def serve(path: ConfigPath = DEFAULT_CONFIG, verbose: Verbose = False) -> None:
    """Run the node until SIGTERM or SIGINT, then finish what is under way."""
    settings = load(path)
    log.set_up(verbose, settings.log.format == "json")
    pynetdicom_log.set_up(verbose)
    storage = settings.storage
    os.umask(READERS[storage.readers])
    try:
        ownership.require_own(settings)
        _require_viewer(settings)
        tls = contexts(settings)
        doors = bind(settings)
        is_whole, run = _prepared(settings)
    except (ConfigError, StartError) as error:
        raise failure(str(error)) from None
    except ArchiveError as error:
        where = "[index], [store]" if settings.index else "[storage] path"
        raise failure(f"{settings.source}: {where}: {error}") from None
    for warning in loader.warnings(settings):
        logger.warning(warning)
    # A node takes Ctrl-C for itself. The hook of commands is in Python: where a finalizer has no
    # stack left, as within a hostile data set that nests deeply, neither has that.
    sys.unraisablehook = sys.__unraisablehook__
    Supervisor(settings, doors, tls, is_whole, _statement, run).run()


def _prepared(settings: Settings) -> tuple[bool, int]:
    """Whether the archive is ready to be asked, and the number of this run, of several nodes.

    Raises ConfigError, ArchiveError.
    """
    storage = settings.storage
    if place := sharing.place_of(settings):
        take_for_shared(storage.path)
        sharing.share(settings, place)
        return True, take_part(settings)
    return prepare(storage.path, storage.sync, storage.charset, storage.any_file_system), 0


def _statement(settings: Settings) -> str:
    """The conformance statement as HTML, for who looks at the page."""
    from scp.conformance import conformance_statement
    from scp.conformance.writing import document

    return document.as_html(conformance_statement(settings))


def _require_viewer(settings: Settings) -> None:
    """Raise ConfigError where [web] viewer names no viewer."""
    if settings.web and settings.web.viewer:
        from scp.web.viewer import require_viewer  # a node without one needs no part of it

        require_viewer(settings)

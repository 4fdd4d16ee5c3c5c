"""The commands, one function each."""

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from scp.cli import archive, configure, correct, export, forward, retention
from scp.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    ConfigPath,
    begin,
    failure,
    load,
    log_for_command,
    told,
)
from scp.cli.output import say, say_page
from scp.config import READERS, ConfigError, loader
from scp.runtime import log

logger = logging.getLogger(__name__)

app = Commands(
    add_completion=True,
    no_args_is_help=True,
    rich_markup_mode="markdown",  # else [retention] and the like are taken for colours, and gone
    pretty_exceptions_enable=False,
    help="A DICOM node that stores, finds and gives back.",
)

app.add_typer(configure.app)
app.add_typer(archive.app)
app.add_typer(retention.app)
app.add_typer(correct.app)
app.add_typer(export.app)
app.add_typer(forward.app)

Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log every detail.")]


@app.command()
def serve(path: ConfigPath = DEFAULT_CONFIG, verbose: Verbose = False) -> None:
    """Run the node until SIGTERM or SIGINT, then finish what is under way."""
    settings = load(path)
    # Imported late: what is wrong in the configuration should be said at once.
    from scp.cli.options import ownership
    from scp.network.tls import contexts
    from scp.node import Supervisor
    from scp.runtime import StartError, bind, pynetdicom_log
    from storage import prepare
    from storage.diagnostics import FolderError

    log.set_up(verbose, settings.log.format == "json")
    pynetdicom_log.set_up(verbose)
    storage = settings.storage
    os.umask(READERS[storage.readers])
    try:
        ownership.require_own(settings)
        tls = contexts(settings)
        doors = bind(settings)
        is_whole = prepare(storage.path, storage.sync, storage.charset, storage.any_file_system)
    except (ConfigError, StartError) as error:
        raise failure(str(error)) from None
    except FolderError as error:
        raise failure(f"{settings.source}: [storage] path: {error}") from None
    for warning in loader.warnings(settings):
        logger.warning(warning)
    Supervisor(settings, doors, tls, is_whole).run()


@app.command()
def check(
    path: ConfigPath = DEFAULT_CONFIG,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended; nothing is deleted.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare tree, index and digests; each fault a line, exit code 1 with any."""
    from scp.cli.commands.check import run
    from scp.cli.options import ownership

    settings = begin(path, ownership.CHECKS)

    with told():
        left = run(settings, repair, as_json)
    raise typer.Exit(1 if left else 0)


def _found(paths: list[Path]) -> list[Path]:
    """The paths, which lead to something that can be seen; else the command ends."""
    for path in paths:
        try:
            path.stat()
        except PermissionError as error:
            from storage.files import words_of

            raise typer.BadParameter(f"Path '{path}': {words_of(error)}.") from None
        except OSError:
            raise typer.BadParameter(f"Path '{path}' does not exist.") from None
    return paths


@app.command(name="import")
def import_(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...", callback=_found, help="Files, folders, DICOMDIR or zip archives."
        ),
    ],
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Take in files from disk as if they were sent; the node may run meanwhile."""
    from scp.cli.commands.transfer.import_files import run
    from scp.cli.options import ownership

    settings = begin(path, ownership.IMPORTS)

    with told():
        whole = run(settings, paths, settings.node.workers or os.cpu_count() or 1)
    raise typer.Exit(0 if whole else 1)


@app.command()
def stats(
    path: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show what is held: by modality, by sender and by month, and how it grew."""
    settings = begin(path)
    from scp.cli.commands.stats import run

    with told():
        run(settings, as_json)


@app.command()
def peers(
    titles: Annotated[
        list[str] | None, typer.Argument(metavar="[AET]...", help="AE titles; left out: all.")
    ] = None,
    path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Ask each peer that is sent to for an echo; exit code 1 where one does not answer."""
    settings = load(path)
    unknown = [title for title in titles or () if title not in settings.peers]
    if unknown:
        raise failure(f"{settings.source}: [peers.{unknown[0]}]: there is no such table")
    from scp.cli.commands.peers import run

    log_for_command()
    try:
        answered = run(settings, titles or ())
    except ConfigError as error:
        raise failure(str(error)) from None
    raise typer.Exit(0 if answered else 1)


@app.command()
def conformance(
    path: ConfigPath = DEFAULT_CONFIG,
    as_html: Annotated[bool, typer.Option("--html", help="As HTML, not as Markdown.")] = False,
    to: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there.")
    ] = None,
) -> None:
    """Print the DICOM Conformance Statement of the node as configured."""
    settings = load(path)
    from scp.conformance import conformance_statement
    from scp.conformance.writing import document

    write = document.as_html if as_html else document.as_markdown
    page = write(conformance_statement(settings))
    if to is None:
        say_page(page)
        return
    os.umask(os.umask(0o022) | 0o022)  # what others rely on, they do not write
    try:
        to.write_text(page + "\n", "utf-8")
    except OSError as error:
        raise failure(f"{to}: cannot be written: {error.strerror}") from None


@app.command()
def rebuild(path: ConfigPath = DEFAULT_CONFIG) -> None:
    """Make the index anew from the tree; the node may run meanwhile."""
    settings = begin(path)
    from scp.cli.output import Files, shown
    from storage.diagnostics import ArchiveError, FolderError
    from storage.maintenance.recovery import rebuilding, startup

    storage = settings.storage
    try:
        startup.begin(storage.path)
        with shown("rebuild") as progress:
            told = Files(progress, "making the index anew")
            held = rebuilding.rebuild(storage.path, storage.charset, told)
    except FolderError as error:
        raise failure(f"{settings.source}: [storage] path: {error}") from None
    except ArchiveError as error:
        say(f"minipacs: index not rebuilt: {error}", err=True)
        raise typer.Exit(1) from None
    say(f"index rebuilt instances={held}")


def main() -> None:
    """Run the command line."""
    app(prog_name="minipacs")

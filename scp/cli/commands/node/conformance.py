"""`minipacs conformance`: the DICOM Conformance Statement of the node as configured."""

import os
from pathlib import Path
from typing import Annotated

import typer

from scp.cli.options import DEFAULT_CONFIG, Commands, ConfigPath, failure, load, refusals_shown
from scp.cli.output import say_page
from scp.config import sharing
from scp.conformance import conformance_statement
from scp.conformance.writing import document

app = Commands()


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
    with refusals_shown():
        sharing.share(settings, sharing.place_of(settings))
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

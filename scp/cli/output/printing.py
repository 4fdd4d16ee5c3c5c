"""What commands print: all of it goes through here, and so is escaped as the log is."""

import sys
from contextlib import suppress
from typing import Any

import typer

from storage.diagnostics import escaped, json_text


def say(*lines: str, err: bool = False) -> None:
    """Print lines; what is in them of peers and files neither begins another nor moves a cursor."""
    _out("\n".join(map(escaped, lines)), err)


def say_json(document: Any) -> None:
    """Print a document for a machine."""
    _out(json_text(document, indent=2))


def say_page(page: str) -> None:
    """Print a text of many lines that is made here."""
    say(*page.split("\n"))


def plain_value(value: object) -> Any:
    """A setting as JSON and TOML can have it."""
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, tuple | frozenset):
        return sorted(str(one) for one in value)
    return str(value)


def say_raw(text: str, end: str = "\n") -> None:
    """Print a text whose parts are escaped already."""
    be_lenient()
    typer.echo(f"{text}{end}", nl=False)


def ask(question: str) -> bool:
    """Ask the person at the terminal."""
    return typer.confirm(escaped(question))


def _out(text: str, err: bool = False) -> None:
    be_lenient()
    typer.echo(text, err=err)


def be_lenient() -> None:
    """Letters that the terminal's encoding has not are escaped too, and end no command."""
    with suppress(AttributeError):  # a stand-in of a test
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]

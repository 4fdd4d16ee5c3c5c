"""What commands print: all of it goes through here, and so is escaped as the log is."""

import sys
from collections.abc import Callable
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
    """Ask the person at the terminal; where nobody answers the command ends."""
    try:
        return bool(answer(typer.confirm, question))
    except typer.Abort:
        raise typer.Exit(1) from None


def answer(asking: Callable[..., Any], words: str, **options: Any) -> Any:
    """What a person answers to `typer.confirm` or `typer.prompt`.

    Raises typer.Abort where nobody does, which is told, and KeyboardInterrupt, which typer has made
    one with that.
    """
    try:
        return asking(escaped(words), **options)
    except typer.Abort as abort:
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
    at_terminal = sys.stdin is not None and sys.stdin.isatty()  # and Ctrl-D was the answer
    hint = "" if at_terminal else ": without a terminal it takes --yes"
    say("", f"minipacs: nobody answers{hint}", err=True)
    raise typer.Abort


def _out(text: str, err: bool = False) -> None:
    be_lenient()
    typer.echo(text, err=err)


def be_lenient() -> None:
    """Letters that the terminal's encoding has not are escaped too, and end no command."""
    with suppress(AttributeError):  # a stand-in of a test
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]

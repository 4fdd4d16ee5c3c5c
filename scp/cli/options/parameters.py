"""Parameters that several commands have, declared once."""

import inspect
import re
from collections.abc import Callable
from functools import wraps
from typing import Annotated

import typer

from scp.cli.options.options import failure
from scp.cli.output import ask

Command = Callable[..., None]

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")]
_AGE = re.compile(r"(\d+)([hdw])")
_SECONDS = {"h": 3600.0, "d": 86400.0, "w": 604800.0}
# Asks a person whether to go on.
Ask = Callable[[str], bool]


def asking(yes: bool) -> Ask:
    """Asks the person at the terminal, unless the answer was given with the command."""
    return lambda text: yes or ask(text)


def age_in_seconds(text: str) -> float:
    """The seconds of an age such as 30d. Raises ValueError."""
    found = _AGE.fullmatch(text.strip())
    if not found:
        raise ValueError(f'takes a number of hours, days or weeks such as "30d", not "{text}"')
    return int(found[1]) * _SECONDS[found[2]]


def require_no_question(as_json: bool, yes: bool, dry_run: bool) -> None:
    """End a command that would ask where a machine reads, which has but one document."""
    if as_json and not (yes or dry_run):
        raise failure("--json: takes --yes or --dry-run")


def takes(**made: Callable[..., object]) -> Callable[[Command], Command]:
    """Have a command take the options that are the parameters of other functions.

    `takes(selections=required)`: in the place of its parameter `selections` the command has the
    parameters of `required`, and is given what that makes of them.
    """
    options = {name: list(inspect.signature(make).parameters) for name, make in made.items()}

    def decorate(command: Command) -> Command:
        parameters: list[inspect.Parameter] = []
        for name, own in inspect.signature(command).parameters.items():
            if name in made:
                parameters += inspect.signature(made[name]).parameters.values()
            else:
                parameters.append(own)

        @wraps(command)
        def taking(**given: object) -> None:
            for name, make in made.items():
                given[name] = make(**{option: given.pop(option) for option in options[name]})
            command(**given)

        del taking.__wrapped__
        by_name = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
        taking.__signature__ = inspect.Signature(by_name)  # type: ignore[attr-defined]
        taking.__annotations__ = {one.name: one.annotation for one in parameters}
        return taking

    return decorate

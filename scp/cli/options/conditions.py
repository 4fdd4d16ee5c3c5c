"""What is looked for: Keyword=VALUE, as often as there are conditions."""

from collections.abc import Sequence
from typing import Annotated

import typer

from scp.cli.options.options import failure

Conditions = Annotated[
    list[str] | None,
    typer.Argument(metavar="Keyword=VALUE", help="What it is to be; without any, all is found."),
]


def parsed_conditions(texts: Sequence[str] | None) -> list[tuple[str, str]]:
    """Keywords and values of texts such as Modality=CT; else the command ends."""
    found = []
    for text in texts or ():
        keyword, is_one, value = text.partition("=")
        if not is_one or not keyword:
            raise failure(f'takes Keyword=VALUE such as Modality=CT, not "{text}"')
        found.append((keyword, value))
    return found

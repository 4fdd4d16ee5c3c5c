"""What the commands share: the configuration that they take, and how they end."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scp import config, log
from scp.config import ConfigError
from scp.printing import say
from scp.settings import READERS, Settings

if TYPE_CHECKING:
    from scp.ownership import Kind

ConfigPath = Annotated[
    Path,
    typer.Option(
        "--config", "-c", envvar="MINIPACS_CONFIG", help="The configuration, a TOML file."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]

DEFAULT_CONFIG = Path("config.toml")
# The data folder that the command is on.
_in_use: list[Path] = []


def load(path: Path) -> Settings:
    """The settings of a configuration; else the command ends with what is wrong."""
    try:
        return config.load(path)
    except ConfigError as error:
        raise failure(str(error)) from None


def begin(path: Path, kind: "Kind | None" = None) -> Settings:
    """The same, with the log set up, and files made as they say and as the data folder's owner.

    What else is to be read of the files of [tls] is read before.
    """
    settings = load(path)
    log.set_up()
    # What became of an association a command says itself.
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    os.umask(READERS[settings.storage.readers])
    from scp import ownership

    _in_use.append(settings.storage.path)
    with told():
        ownership.take_on(settings, kind or ownership.USUAL)
    return settings


@contextmanager
def told() -> Iterator[None]:
    """What the archive or the configuration refuses in here ends the command with its words."""
    from storage.errors import ArchiveError

    try:
        yield
    except (ArchiveError, ConfigError) as error:
        raise failure(f"{error}{_as_whom(error)}") from None


def _as_whom(error: Exception) -> str:
    """As whom the command works, where that is why something was refused."""
    from scp.ownership import as_whom

    cause = error.__cause__
    return as_whom(_in_use[0], cause) if isinstance(cause, PermissionError) and _in_use else ""


def failure(message: str) -> typer.Exit:
    """What ends a command that is used or configured wrongly."""
    say(*f"minipacs: {message}".split("\n"), err=True)
    return typer.Exit(2)

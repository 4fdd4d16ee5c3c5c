"""What the commands share: the configuration that they take, and how they end."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from scp import config, log
from scp.config import ConfigError
from scp.printing import say
from scp.settings import READERS, Settings

ConfigPath = Annotated[
    Path,
    typer.Option(
        "--config", "-c", envvar="MINIPACS_CONFIG", help="The configuration, a TOML file."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]

DEFAULT_CONFIG = Path("config.toml")


def load(path: Path) -> Settings:
    """The settings of a configuration; else the command ends with what is wrong."""
    try:
        return config.load(path)
    except ConfigError as error:
        raise failure(str(error)) from None


def begin(path: Path) -> Settings:
    """The same, with the log set up, and files made as they say."""
    settings = load(path)
    log.set_up()
    # What became of an association a command says itself.
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    os.umask(READERS[settings.storage.readers])
    return settings


@contextmanager
def told() -> Iterator[None]:
    """What the archive or the configuration refuses in here ends the command with its words."""
    from storage.errors import ArchiveError

    try:
        yield
    except (ArchiveError, ConfigError) as error:
        raise failure(str(error)) from None


def failure(message: str) -> typer.Exit:
    """What ends a command that is used or configured wrongly."""
    say(*f"minipacs: {message}".split("\n"), err=True)
    return typer.Exit(2)

"""What the commands share: the configuration that they take, and how they end."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from scp.cli.output import say

if TYPE_CHECKING:  # what help does not need is loaded where it is used
    from typer.models import CommandFunctionType

    from scp.cli.options.ownership import CommandNeeds
    from scp.config import Settings

ConfigPath = Annotated[
    Path,
    typer.Option(
        "--config", "-c", envvar="MINIPACS_CONFIG", help="The configuration, a TOML file."
    ),
]

DEFAULT_CONFIG = Path("config.toml")
# The data folder that the command is on.
_in_use: list[Path] = []
_HELP = {"help_option_names": ["-h", "--help"]}


class OnceCommand(TyperCommand):
    """A command that takes each option once, but for those that say otherwise.

    Else of an option that is repeated the last one alone would count, and nobody be told.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what was given; ends the command where an option is given twice."""
        if not ctx.resilient_parsing:
            _, _, order = self.make_parser(ctx).parse_args(args=list(args))
            given: set[str] = set()
            for option in order:
                if option.param_type_name != "option" or getattr(option, "multiple", False):
                    continue
                is_switch = getattr(option, "is_flag", False) and not option.secondary_opts
                if option.name in given and not is_switch:
                    raise failure(f"{option.opts[0]}: is given twice, and takes one value")
                given.add(str(option.name))
        return super().parse_args(ctx, args)


class Commands(typer.Typer):
    """Commands of that kind; with no more than one it is that command."""

    def __init__(self, **options: Any) -> None:
        # As plain text: rich takes [retention] for a colour and markdown <UID> for a tag, which are
        # gone then; and both take 0.1 s to load.
        common = {"add_completion": False, "rich_markup_mode": None, "context_settings": _HELP}
        super().__init__(**{**common, "pretty_exceptions_enable": False, **options})

    def command(
        self, name: str | None = None, **options: Any
    ) -> "Callable[[CommandFunctionType], CommandFunctionType]":
        """Register one."""
        return super().command(name, **{"cls": OnceCommand, "context_settings": _HELP, **options})


def load(path: Path) -> "Settings":
    """The settings of a configuration; else the command ends with what is wrong."""
    from scp.config import ConfigError, loader

    try:
        return loader.load(path)
    except ConfigError as error:
        raise failure(str(error)) from None


def log_for_command() -> None:
    """Have the log set up for a command, which says itself what became of an association."""
    from scp.runtime import log

    log.set_up()
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)


def settings_as_owner(path: Path, kind: "CommandNeeds | None" = None) -> "Settings":
    """The settings, with the log set up, and files made as they say and as the data folder's owner.

    What else is to be read of the files of [tls] is read before.
    """
    from scp.cli.options import ownership
    from scp.config import READERS, sharing

    settings = load(path)
    log_for_command()
    os.umask(READERS[settings.storage.readers])

    _in_use.append(settings.storage.path)
    with refusals_shown():
        place = sharing.place_of(settings)  # whose keys its owner need not be able to read
        ownership.take_on(settings, kind or ownership.USUAL)
        sharing.share(settings, place)
    return settings


@contextmanager
def refusals_shown() -> Iterator[None]:
    """What the archive or the configuration refuses in here ends the command with its words."""
    from scp.config import ConfigError
    from storage.diagnostics import ArchiveError

    try:
        yield
    except (ArchiveError, ConfigError) as error:
        raise failure(f"{error}{_as_whom(error)}") from None


def _as_whom(error: Exception) -> str:
    """As whom the command works, where that is why something was refused."""
    from scp.cli.options.ownership import as_whom

    cause = error.__cause__
    return as_whom(_in_use[0], cause) if isinstance(cause, PermissionError) and _in_use else ""


def failure(message: str, code: int = 2) -> typer.Exit:
    """What ends a command that is used or configured wrongly; `code` 1: that could not be done."""
    say(*f"minipacs: {message}".split("\n"), err=True)
    return typer.Exit(code)

"""Options that several commands take, and what they mean."""

from typing import TYPE_CHECKING

from scp.cli.options import csv_files, selection
from scp.cli.options.conditions import Conditions, parsed_conditions
from scp.cli.options.options import (
    DEFAULT_CONFIG,
    Commands,
    ConfigPath,
    OnceCommand,
    failure,
    load,
    log_for_command,
    refusals_shown,
    settings_as_owner,
)
from scp.cli.options.parameters import (
    AsJson,
    Ask,
    DryRun,
    Yes,
    age_in_seconds,
    asking,
    require_no_question,
    takes,
)
from scp.cli.options.peers import peer_of
from scp.cli.options.selection import required, selected

if TYPE_CHECKING:  # it needs the files of the archive, which not every command has to do with
    from scp.cli.options import ownership

__all__ = [
    "DEFAULT_CONFIG",
    "AsJson",
    "Ask",
    "Commands",
    "Conditions",
    "ConfigPath",
    "DryRun",
    "OnceCommand",
    "Yes",
    "age_in_seconds",
    "asking",
    "csv_files",
    "failure",
    "load",
    "log_for_command",
    "ownership",
    "parsed_conditions",
    "peer_of",
    "refusals_shown",
    "require_no_question",
    "required",
    "selected",
    "selection",
    "settings_as_owner",
    "takes",
]

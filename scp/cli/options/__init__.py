"""Options that several commands take, and what they mean."""

from scp.cli.options import ownership, selection
from scp.cli.options.conditions import Conditions, parsed_conditions
from scp.cli.options.deidentify import MapFile, mapping, profile_asked_for
from scp.cli.options.options import (
    DEFAULT_CONFIG,
    Commands,
    ConfigPath,
    failure,
    load,
    log_for_command,
    refusals_shown,
    settings_as_owner,
)
from scp.cli.options.parameters import AsJson, Ask, DryRun, Yes, asking, takes
from scp.cli.options.peers import peer_of
from scp.cli.options.selection import required, selected

__all__ = [
    "DEFAULT_CONFIG",
    "AsJson",
    "Ask",
    "Commands",
    "Conditions",
    "ConfigPath",
    "DryRun",
    "MapFile",
    "Yes",
    "asking",
    "failure",
    "load",
    "log_for_command",
    "mapping",
    "ownership",
    "parsed_conditions",
    "peer_of",
    "profile_asked_for",
    "refusals_shown",
    "required",
    "selected",
    "selection",
    "settings_as_owner",
    "takes",
]

"""Options that several commands take, and what they mean."""

from scp.cli.options import ownership, selection
from scp.cli.options.deidentify import (
    BurnedIn,
    Deidentify,
    PatientId,
    PatientName,
    Recognizable,
    Retained,
    Video,
    asked,
)
from scp.cli.options.options import (
    DEFAULT_CONFIG,
    AsJson,
    Commands,
    ConfigPath,
    begin,
    failure,
    load,
    log_for_command,
    told,
)
from scp.cli.options.selection import Instances, Patients, SeriesUids, Studies, required, selected

__all__ = [
    "DEFAULT_CONFIG",
    "AsJson",
    "BurnedIn",
    "Commands",
    "ConfigPath",
    "Deidentify",
    "Instances",
    "PatientId",
    "PatientName",
    "Patients",
    "Recognizable",
    "Retained",
    "SeriesUids",
    "Studies",
    "Video",
    "asked",
    "begin",
    "failure",
    "load",
    "log_for_command",
    "ownership",
    "required",
    "selected",
    "selection",
    "told",
]

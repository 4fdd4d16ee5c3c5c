"""What [worklist] says of states, as storage takes it."""

from scp.config import Worklist
from storage.worklist import Rules

_HOUR = 3600.0


def rules_of(settings: Worklist | None) -> Rules:
    """The rules in force, or those that are usual."""
    if settings is None:
        return Rules()
    return Rules(settings.quiet, settings.abandoned * _HOUR)

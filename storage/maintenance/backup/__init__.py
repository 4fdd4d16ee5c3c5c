"""A copy of an archive, made while it is in use, and brought up by the next one."""

from storage.maintenance.backup.backup import back_up

__all__ = [
    "back_up",
]

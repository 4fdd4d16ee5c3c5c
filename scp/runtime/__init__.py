"""Processes and what they share: sockets, slots, heartbeats, log, audit trail."""

from scp.runtime import child, heartbeat, log, memory, pynetdicom_log, systemd
from scp.runtime.association_slots import Slots, site
from scp.runtime.attempts import REFUSALS, Attempts
from scp.runtime.audit import MANY, Audit, StoreTally, tell, trail, user
from scp.runtime.heartbeat import Beats, Watch
from scp.runtime.log import one_line
from scp.runtime.sockets import Doors, StartError, bind, bound

__all__ = [
    "MANY",
    "REFUSALS",
    "Attempts",
    "Audit",
    "Beats",
    "Doors",
    "Slots",
    "StartError",
    "StoreTally",
    "Watch",
    "bind",
    "bound",
    "child",
    "heartbeat",
    "log",
    "memory",
    "one_line",
    "pynetdicom_log",
    "site",
    "systemd",
    "tell",
    "trail",
    "user",
]

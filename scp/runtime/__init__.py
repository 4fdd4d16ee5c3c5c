"""Processes and what they share: sockets, slots, heartbeats, log, audit trail."""

from scp.runtime import child, heartbeat, log, memory, pynetdicom_log, systemd
from scp.runtime.association_slots import AssociationSlots, site
from scp.runtime.attempts import REFUSALS, Attempts
from scp.runtime.audit import MANY, AuditTrail, LinesTold, StoreTally, tell, trail, user
from scp.runtime.heartbeat import HangDetector, Heartbeats
from scp.runtime.log import one_line
from scp.runtime.shared_lock import SharedLock
from scp.runtime.sockets import ListeningSockets, StartError, bind, bound

__all__ = [
    "MANY",
    "REFUSALS",
    "AssociationSlots",
    "Attempts",
    "AuditTrail",
    "HangDetector",
    "Heartbeats",
    "LinesTold",
    "ListeningSockets",
    "SharedLock",
    "StartError",
    "StoreTally",
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

"""UIDs, codes and settings in words."""

from collections.abc import Iterable

from pydicom._uid_dict import UID_dictionary

from scp.config import Service
from scp.conformance.writing.document import StatementTable, literal, table
from scp.network.dimse import ANSWERS, Status, granted_roles

# What a caller of all rights is granted.
_ALL = frozenset(Service)


def name_of(uid: str) -> str:
    """The name that PS3.6 gives to a UID, and whether it is retired: some share a name."""
    entry = UID_dictionary.get(uid)
    if entry is None:
        return uid
    return f"{entry[0]} (Retired)" if entry[3] else str(entry[0])


def by_name(uids: Iterable[str]) -> list[str]:
    """UIDs in the order of their names."""
    return sorted(uids, key=lambda uid: (name_of(uid), uid))


def yes(is_so: object) -> str:
    """Y or N, as PS3.2 writes it."""
    return "Y" if is_so else "N"


def is_provider(sop_class: str) -> bool:
    """Whether the node is SCP of a SOP class: it lets a caller be its SCU."""
    return granted_roles(sop_class, {sop_class: (True, True)}, _ALL)[0]


def is_user_for_callers(sop_class: str) -> bool:
    """Whether the node is SCU of a SOP class on an association that it accepts (C-GET)."""
    return granted_roles(sop_class, {sop_class: (True, True)}, _ALL)[1]


def code(status: Status) -> str:
    """A status as the standard writes it."""
    return f"{status:04X}"


def statuses(*services: Service) -> StatementTable:
    """What is answered to requests of a service, and when."""
    rows = [
        (answer.status.kind, code(answer.status), _words(answer.status.name), answer.when)
        for answer in ANSWERS
        if set(answer.services) & set(services)
    ]
    return table(("Kind", "Status", "Name", "When"), rows)


def _words(name: str) -> str:
    return name.replace("_", " ").lower().replace("sop ", "SOP ")


def value(setting: object) -> str:
    """The value of a key as it is in force."""
    if isinstance(setting, bool):
        return str(setting).lower()
    if isinstance(setting, frozenset):
        return ", ".join(sorted(literal(str(one)) for one in setting)) or "none"
    if isinstance(setting, tuple):
        return ", ".join(literal(str(one)) for one in setting) or "-"
    if setting is None:
        return "-"
    return f"{setting:g}" if isinstance(setting, float) else literal(str(setting))


def address(host: str | None, port: int | None) -> str:
    """Where something listens."""
    shown = literal(host or "")
    return f"[{shown}]:{port}" if host and ":" in host else f"{shown}:{port}"

"""UIDs and codes in words."""

from pydicom._uid_dict import UID_dictionary

from scp.conformance.document import Table, table
from scp.settings import Service
from scp.status import ANSWERS


def name_of(uid: str) -> str:
    """The name that PS3.6 gives to a UID."""
    return str(UID_dictionary[uid][0]) if uid in UID_dictionary else uid


def syntaxes(uids: "frozenset[str] | tuple[str, ...]") -> Table:
    """Transfer syntaxes, by name and UID."""
    return table(("Transfer syntax", "UID"), sorted((name_of(uid), uid) for uid in uids))


def statuses(*services: Service) -> Table:
    """What is answered to requests of a service, and when."""
    rows = [
        (answer.status.kind, f"{answer.status:04X}", answer.when)
        for answer in ANSWERS
        if set(answer.services) & set(services)
    ]
    return table(("Kind", "Status", "When"), rows)

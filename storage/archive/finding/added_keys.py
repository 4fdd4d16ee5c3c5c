"""Keys that an operator has added to the index, for queries to be answered without a header read.

They are lines of the journal, so that they outlast the index and are in a backup.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from pydicom.datadict import keyword_for_tag
from pydicom.tag import BaseTag, Tag

from storage.diagnostics import IdentifierError, ResourceError
from storage.dicom import LAST_HEADER_TAG
from storage.dicom.data_sets import BULK_VRS, CHARACTER_SET
from storage.dicom.values import BY_TAG, vr_of_tag
from storage.index import Index
from storage.journal import Journal, journal_of
from storage.query import is_key, key_path

KEYS = "keys"
# How long a process may not know of what another has added: its instances are filled in later.
_LOOK_SECONDS = 1.0
_NO_TAGS: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Decided:
    """A key that was added: its attribute, and when that was."""

    keyword: str
    at: str

    @property
    def tag(self) -> BaseTag:
        """The tag, of PS3.6."""
        return Tag(self.keyword)

    @property
    def vr(self) -> str:
        """The VR; the first where PS3.6 leaves a choice."""
        return vr_of_tag(self.tag)


def decided(journal: Journal) -> dict[str, Decided]:
    """The keys that are added, by keyword. Raises ResourceError."""
    found: dict[str, Decided] = {}
    for line in journal.read(KEYS):
        keyword, is_added = line.get("keyword"), line.get("added")
        if not isinstance(keyword, str) or not isinstance(is_added, bool):
            continue  # of another version, or damaged
        found.pop(keyword, None)
        if is_added and not _fault_of(keyword):
            found[keyword] = Decided(keyword, str(line.get("at", "")))
    return found


def add(journal: Journal, keyword: str) -> None:
    """Have an attribute be a key of the index. Raises ResourceError."""
    journal.append(KEYS, keyword=keyword, added=True)


def remove(journal: Journal, keyword: str) -> None:
    """Have it be one that is looked for in headers again. Raises ResourceError."""
    journal.append(KEYS, keyword=keyword, added=False)


def bring_up(index: Index, journal: Journal) -> None:
    """Have the keys of an index be those that are decided on. Raises ResourceError."""
    with index.engine.reading():
        index.engine.added_keys.bring_up(_by_tag(journal))


def is_brought_up(index: Index, journal: Journal) -> bool:
    """Whether they are. Raises ResourceError."""
    with index.engine.reading():
        return index.engine.added_keys.agree_with(_by_tag(journal))


def _by_tag(journal: Journal) -> dict[int, str]:
    return {int(one.tag): one.at for one in decided(journal).values()}


def addable(name: str) -> str:
    """The keyword of an attribute that may be added, by that or its tag.

    Raises IdentifierError, which says why it may not.
    """
    path = key_path(name)
    if len(path.tags) > 1 or path.vr == "SQ":
        raise IdentifierError(
            f"{name}: is a sequence or lies in one; of such an item is matched as a whole, by "
            "reading headers (PS3.4 C.2.2.2.6)"
        )
    (tag,) = path.tags
    if fault := _fault_of_tag(tag):
        raise IdentifierError(f"{name}: {fault}", tag)
    return keyword_for_tag(tag)


def may_be_added(tag: BaseTag) -> bool:
    """Whether an attribute is one that may be added."""
    return not _fault_of_tag(tag) and vr_of_tag(tag) != "SQ"


def _fault_of(keyword: str) -> str:
    """Why the index cannot have a key, as of a version that takes others; empty where it can."""
    try:
        addable(keyword)
    except IdentifierError as error:
        return str(error)
    return ""


def _fault_of_tag(tag: BaseTag) -> str:
    """Why an attribute that is no sequence cannot be added; empty where it can."""
    if tag.is_private:
        return "is private; which element it is depends on its creator in each header"
    if tag in BY_TAG:
        return "has a column of its own, or is computed"
    if not is_key(tag) or tag == CHARACTER_SET or not keyword_for_tag(tag):
        return "is no attribute of PS3.6 that a query can have as a key"
    if vr_of_tag(tag) in BULK_VRS or tag > LAST_HEADER_TAG:
        return "is bulk data, which is neither matched nor returned"
    return ""


@dataclass
class _Known:
    """What was added by a time; `size` is that of the journal's lines."""

    size: int = -1
    tags: frozenset[int] = _NO_TAGS
    until: float = 0.0


_known: dict[Path, _Known] = {}


def added_tags(data: Path) -> frozenset[int]:
    """The tags of the keys of a data folder, as they were a moment ago: for each store.

    What was added since is due for an instance until it is filled in.
    """
    known = _known.setdefault(data, _Known())
    if time.monotonic() >= known.until:
        known.until = time.monotonic() + _LOOK_SECONDS
        try:
            journal = journal_of(data, sync=False)
            size = journal.size(KEYS)
            if size != known.size:
                known.tags = frozenset(int(one.tag) for one in decided(journal).values())
                known.size = size
        except ResourceError:  # no store is refused for it
            pass
    return known.tags

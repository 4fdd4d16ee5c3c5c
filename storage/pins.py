"""Studies that a person has pinned: no rule takes them out of the archive.

They are lines of the journal, so that they outlast the index and are in a backup.
"""

from storage.journal import PINS, Journal


def pinned(journal: Journal) -> dict[str, str]:
    """The Study Instance UIDs that are pinned, each with the time of it, the first one first."""
    found: dict[str, str] = {}
    for line in journal.read(PINS):
        study, is_pinned = line.get("study"), line.get("pinned")
        if not isinstance(study, str) or not isinstance(is_pinned, bool):
            continue  # of another version, or damaged: nothing that could be acted on
        if is_pinned:
            found.setdefault(study, str(line.get("at", "")))
        else:
            found.pop(study, None)
    return found


def pin(journal: Journal, study: str) -> None:
    """Have a study stay. Raises ResourceError."""
    journal.append(PINS, study=study, pinned=True)


def unpin(journal: Journal, study: str) -> None:
    """Let the rules have a study again. Raises ResourceError."""
    journal.append(PINS, study=study, pinned=False)

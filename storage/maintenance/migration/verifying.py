"""Two archives held against each other: whatever the one tells, the other tells too."""

from collections import Counter
from collections.abc import Iterator

from storage.archive import Archive, statistics
from storage.files import FileFacts
from storage.index import facts_of_study, studies
from storage.journal import pinned
from storage.journal.corrections import in_force


def differences(source: Archive, target: Archive) -> Iterator[str]:
    """What differs, in a line each. Raises OSError, ResourceError."""
    for study in sorted({*studies(source.index), *studies(target.index)}):
        ours, theirs = facts_of_study(source.index, study), facts_of_study(target.index, study)
        for uids in sorted({*ours, *theirs}):
            if words := _difference(ours.get(uids), theirs.get(uids)):
                yield f"{'/'.join(uids)}: {words}"
    ours_told, theirs_told = _told(source), _told(target)
    for name, value in ours_told.items():
        if value != theirs_told[name]:
            yield f"{name}: {_short(value)}, and {_short(theirs_told[name])} in the other archive"


def _difference(ours: FileFacts | None, theirs: FileFacts | None) -> str:
    if ours == theirs:
        return ""
    if ours is None or theirs is None:
        return "is not held" if ours is None else "is not held in the other archive"
    names = [name for name in vars(ours) if getattr(ours, name) != getattr(theirs, name)]
    return f"another {', '.join(names)} in the other archive"


def _told(archive: Archive) -> dict[str, object]:
    told = statistics(archive)
    kept = Counter(
        (one.uids, round(one.since * 1000)) for one in archive.tree.superseded.all()
    )  # fmt: skip
    return {
        "entities": told.entities, "bytes": told.bytes, "by modality": told.by_modality,
        "by sender": {name: vars(one) for name, one in sorted(told.by_sender.items())},
        "by month": {name: vars(one) for name, one in told.by_month.items()},
        "superseded files": kept, "pinned studies": pinned(archive.journal),
        "corrections": dict(in_force(archive.tree.data).all),
    }  # fmt: skip


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 300 else f"{text[:300]}..."

"""Rows against rows: children without a parent, parents without children."""

from collections.abc import Callable, Iterator

from storage.dicom.values import Level
from storage.index import TABLES, Index, prune
from storage.index.consistency import orphans
from storage.maintenance.check.faults import Fault, FaultKind
from storage.maintenance.check.repair import Mended, mending

_CHILDREN = {Level.PATIENT: "studies", Level.STUDY: "series", Level.SERIES: "instances"}


def check(index: Index, repair: bool) -> Iterator[Fault]:
    """The rows that hang in the air. One statement each: no store is seen half done."""

    def found(fault: Fault, what: str, mend: Callable[..., None], *given: object) -> Fault:
        def act() -> Mended:
            mend(index, *given)
            return Mended(what)

        return mending(fault, repair, act)

    for level in (Level.STUDY, Level.SERIES, Level.IMAGE):
        for number, uid in orphans.without_parent(index, level):
            fault = Fault(FaultKind.NO_PARENT, uids=(uid,), detail=TABLES[Level(level - 1)])
            what = "rows removed; their files are entered anew"
            yield found(fault, what, orphans.cut, level, number)
    for level in (Level.SERIES, Level.STUDY, Level.PATIENT):
        for number, uid in orphans.without_children(index, level):
            fault = Fault(FaultKind.NO_CHILDREN, uids=(uid,), detail=_CHILDREN[level])
            yield found(fault, "row removed", prune, level, number)
    strays = orphans.stray_name_parts(index)
    unused = orphans.unused_shared_headers(index)
    for level, number in strays:
        fault = Fault(FaultKind.NO_PARENT, detail=f"{TABLES[level]} (parts of a name)")
        yield found(fault, "rows removed", orphans.forget_name_parts, level, number)
    for number in unused:
        fault = Fault(FaultKind.NO_CHILDREN, detail="instances (shared header)")
        yield found(fault, "row removed", orphans.forget_shared_header, number)

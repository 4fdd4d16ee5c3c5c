"""What of a study a peer has, and what of that is held here already."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pydicom.tag import Tag

from scp.network.dimse import identifier
from scp.network.fetching.remote import Find, RemoteArchive, RemoteAsked, is_below
from scp.network.scu import PeerError
from storage import Archive, Level
from storage.dicom.data_sets import Element, Elements
from storage.dicom.values import UNIQUE
from storage.maintenance.changes import Selection, selected

_PATIENT, _STUDY, _SERIES, _INSTANCE = (UNIQUE[level].tag for level in Level)
_SOP_CLASS = Tag("SOPClassUID")
_NOTHING = Element("UI")
# So many are named in one identifier.
_MOST_NAMED = 200
# The UIDs of a study, a series and an instance.
Uids = tuple[str, str, str]


@dataclass
class StudyPlan:
    """A study at a peer, or series or instances of it.

    `series`: of each series the SOP class of each of its instances; None where the peer does not
    tell of instances. `only`: the instances that are wanted of a series, None all; a series that is
    not named is not wanted, where any is.
    """

    uid: str
    patient: str
    only: dict[str, set[str] | None] = field(default_factory=dict)
    series: dict[str, dict[str, str] | None] = field(default_factory=dict)
    held: set[Uids] = field(default_factory=set)

    @property
    def listed(self) -> list[Uids]:
        """The instances that the peer has, as far as it tells."""
        return [
            (self.uid, series, one) for series, held in self.series.items() for one in held or ()
        ]

    @property
    def missing(self) -> list[Uids]:
        """Those of them that are not held."""
        return [uids for uids in self.listed if uids not in self.held]

    @property
    def untold(self) -> list[str]:
        """The series of which the peer does not tell the instances."""
        return [series for series, held in self.series.items() if held is None]

    @property
    def unlisted(self) -> str:
        """What is wanted and not among what the peer lists, in words; nothing where all is."""
        if not self.series:
            return "the peer lists no series of it"
        for series, held in self.series.items():
            if held is not None and not held:
                return f"the peer lists no instances of the series {series}"
            absent = (self.only.get(series) or set()) - (held or {}).keys()
            if held is not None and absent:
                return f"the peer does not list the instance {min(absent)}"
        return ""

    @property
    def is_here(self) -> bool:
        """Whether all of it is held, as far as can be told."""
        return not self.missing and not self.untold and not self.unlisted

    @property
    def sop_classes(self) -> list[str]:
        """Those of what is missing; none where one is not known."""
        classes = [(self.series[series] or {}).get(one, "") for _, series, one in self.missing]
        return [] if self.untold or not all(classes) else list(dict.fromkeys(classes))

    def look(self, archive: Archive) -> None:
        """See what is held now. Raises ResourceError."""
        self.held = set()
        for series in self.series:
            locations = selected(archive, Selection(Level.SERIES, series))
            self.held |= {one.uids for one in locations if one.uids[0] == self.uid}

    def requests(self) -> Iterator[Elements]:
        """Identifiers of retrieves for what is missing, of as high a level as can be."""
        missing = self.missing
        if not self.only and len(missing) == len(self.listed):
            yield _identifier(Level.STUDY, self.uid)
            return
        for series, held in self.series.items():
            wanted = [one for _, of, one in missing if of == series]
            if held is None or (wanted and len(wanted) == len(held) and not self.only.get(series)):
                yield _identifier(Level.SERIES, self.uid, series)
                continue
            for start in range(0, len(wanted), _MOST_NAMED):
                named = "\\".join(wanted[start : start + _MOST_NAMED])
                yield _identifier(Level.IMAGE, self.uid, series, named)


def _is_named(uid: str) -> bool:
    """Whether a value names one entity, and no more."""
    return bool(uid) and not any(letter in uid for letter in "\\*?")


def _identifier(level: Level, *uids: str) -> Elements:
    """That of a retrieve: the unique keys (PS3.4 C.4.2.2.1)."""
    tags = (_STUDY, _SERIES, _INSTANCE)
    keys: Elements = {tag: Element("UI", uid) for tag, uid in zip(tags, uids, strict=False)}
    return keys | {identifier.QUERY_RETRIEVE_LEVEL: Element("CS", level.name)}


class Plan:
    """The studies, series and instances that are asked for, by study."""

    def __init__(self) -> None:
        self.studies: dict[str, StudyPlan] = {}
        self.unnamed = 0  # answers without the UIDs by which to ask for what they are

    def add(self, remote: RemoteArchive, asked: RemoteAsked) -> int:
        """Ask a peer for what is wanted; how many entities that are. Raises what asking does."""
        count = 0
        for found in remote.entities(asked):
            count += 1
            uids = [found.get(tag, _NOTHING).text for tag in (_STUDY, _SERIES, _INSTANCE)]
            if not all(map(_is_named, uids[: asked.level])):
                self.unnamed += 1
                continue
            self._add(asked.level, found.get(_PATIENT, _NOTHING).text, *uids)
        return count

    def _add(self, level: Level, patient: str, study: str, series: str, instance: str) -> None:
        is_new = study not in self.studies
        plan = self.studies.setdefault(study, StudyPlan(study, patient))
        if level <= Level.STUDY:
            plan.only.clear()  # all of it
        elif is_new or plan.only:
            only = plan.only.setdefault(series, set() if level is Level.IMAGE else None)
            if level is Level.SERIES:
                plan.only[series] = None
            elif only is not None:
                only.add(instance)


def list_instances(find: Find, plan: StudyPlan) -> None:
    """Ask a peer for the series and instances of a study. Raises what `find` does."""
    series: Iterable[str] = plan.only
    if not plan.only:
        keys: Elements = {_STUDY: Element("UI", plan.uid), _SERIES: Element("UI")}
        answers = [one for one in find(Level.SERIES, keys) if is_below(one, keys)]
        series = [uid for one in answers if (uid := one.get(_SERIES, _NOTHING).text)]
    for uid in series:
        plan.series[uid] = _instances(find, plan, uid)


def _instances(find: Find, plan: StudyPlan, series: str) -> dict[str, str] | None:
    only = plan.only.get(series)
    keys: Elements = {
        _STUDY: Element("UI", plan.uid), _SERIES: Element("UI", series),
        _INSTANCE: Element("UI"), _SOP_CLASS: Element("UI"),
    }  # fmt: skip
    try:
        answers = [one for one in find(Level.IMAGE, keys) if is_below(one, keys)]
    except PeerError:
        if only:
            return dict.fromkeys(only, "")
        return None
    found = {answer.get(_INSTANCE, _NOTHING).text: answer.get(_SOP_CLASS, _NOTHING).text
             for answer in answers}  # fmt: skip
    return {uid: sop_class for uid, sop_class in found.items()
            if uid and (only is None or uid in only)}  # fmt: skip

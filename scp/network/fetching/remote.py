"""Another archive asked by keywords, from patients and studies down (PS3.4 C.4.1.2)."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydicom.tag import BaseTag

from storage import Level
from storage.diagnostics import IdentifierError
from storage.dicom.data_sets import Element, Elements
from storage.dicom.values import BY_TAG, UNIQUE
from storage.query import KeyPath, is_universal, key_path, matches

# Asks a peer for entities of a level.
Find = Callable[[Level, Elements], Iterator[Elements]]

# What is asked of studies in the place of a key of their series (PS3.4 C.6.2.1).
_IN_STUDIES = {"Modality": "ModalitiesInStudy", "SOPClassUID": "SOPClassesInStudy"}
# As they go to a peer: it knows no other forms (PS3.4 C.2.2.2.5).
_FORMS = {
    "DA": (re.compile(r"\d{8}(-(\d{8})?)?|-\d{8}"), "YYYYMMDD, YYYYMMDD-YYYYMMDD, YYYYMMDD-"),
    "TM": (re.compile(r"[\d.]+(-[\d.]*)?|-[\d.]+"), "HHMMSS, HHMMSS-HHMMSS, HHMMSS-"),
    "DT": (re.compile(r"[\d.+]+(-[\d.+]*)?|-[\d.+]+"), "YYYYMMDDHHMMSS, or a range of two"),
}
# Whose matching differs from one archive to another too much to hold an answer to it.
_AS_PEERS_MATCH = frozenset({"PN", "TM", "DT", "SQ", "UN"})
_NOTHING = Element("UN")


@dataclass(frozen=True)
class RemoteAsked:
    """Entities of a level: what they are to be, by the level that is asked, and what is shown."""

    level: Level
    where: Mapping[Level, Mapping[KeyPath, str]]
    shown: Sequence[KeyPath]

    @property
    def depth(self) -> Level:
        """The lowest level that has to be asked."""
        return max(self.level, *self.where) if self.where else self.level


def remote_asked(
    level: Level, where: Sequence[tuple[str, str]], shown: Sequence[str]
) -> RemoteAsked:
    """What `where` says, pairs of a keyword and a value.

    Raises IdentifierError where a keyword is none, or cannot have that value, or comes twice.
    """
    found: dict[Level, dict[KeyPath, str]] = {}
    for name, text in where:
        path = key_path(name)
        of = found.setdefault(_level_of(path, level), {})
        if path in of:
            raise IdentifierError(f"{name}: a peer is asked for one value of it, or a list of UIDs")
        form, words = _FORMS.get(path.vr, (None, ""))
        if form and text and not form.fullmatch(text):
            raise IdentifierError(f"{name}={text}: takes {words}", path.tags[-1])
        of[path] = text
    paths = [key_path(name) for name in shown]
    for path in paths:
        if _level_of(path, level) > level:
            raise IdentifierError(f"{path.name} is of a lower level than what is asked for")
    return RemoteAsked(level, found, paths)


def _level_of(path: KeyPath, asked: Level) -> Level:
    """The level at which an attribute is asked: that of its entity, else the one asked for."""
    attribute = BY_TAG.get(path.tags[0])
    return attribute.level if attribute else asked


class RemoteArchive:
    """What a peer says that it holds; `unheeded` are the keys that it was asked in vain."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self.unheeded: dict[str, None] = {}

    def entities(self, asked: RemoteAsked) -> Iterator[Elements]:
        """The answers for each entity, with those of the entities above it, as they come.

        Raises what `find` does.
        """
        seen: set[tuple[str, ...]] = set()
        for found in self._below(asked, self._first(asked), {}):
            key = tuple(_text(found, UNIQUE[level].tag) for level in Level if level <= asked.level)
            if key not in seen:
                seen.add(key)
                yield found

    def _first(self, asked: RemoteAsked) -> Level:
        """Where to begin: at the studies, which say what is asked of their patients.

        Of a series or an instance that is named alone, there: nobody walks a whole archive for it.
        """
        if asked.depth is Level.PATIENT:
            return Level.PATIENT
        above = {level for level in asked.where if level <= Level.STUDY}
        for level in (Level.SERIES, Level.IMAGE):
            if key_path(UNIQUE[level].keyword) in asked.where.get(level, {}) and not above:
                return level
        return Level.STUDY

    def _below(self, asked: RemoteAsked, level: Level, above: Elements) -> Iterator[Elements]:
        """The entities of a level below one that was found, and of the levels down from there."""
        answers = self._find(level, self._keys(asked, level, above))
        if level < asked.depth:
            answers = iter(list(answers))  # one question after the other: a peer may take no more
        for answer in answers:
            if not is_below(answer, above) or not self._fits(asked, level, answer):
                continue
            found = above | answer
            if level >= asked.depth:
                yield found
            elif level >= asked.level:  # is there one below it that is as it is to be?
                if list(self._below(asked, Level(level + 1), found)):
                    yield found
            else:
                yield from self._below(asked, Level(level + 1), found)

    def _keys(self, asked: RemoteAsked, level: Level, above: Elements) -> Elements:
        # Of the levels above only what identifies them; in the Study Root there is no patient.
        unique = [UNIQUE[one] for one in Level if min(level, Level.STUDY) <= one <= level]
        keys: Elements = {a.tag: Element(a.vr, _text(above, a.tag)) for a in unique}
        if level is Level.STUDY:
            keys |= _key(key_path(UNIQUE[Level.PATIENT].keyword), "")
        for path in asked.shown:
            if _is_asked_at(path, asked.level, level):
                keys |= _key(path, "")
        for path, text in self._where(asked, level).items():
            keys |= _key(path, text)
        return keys

    def _where(self, asked: RemoteAsked, level: Level) -> dict[KeyPath, str]:
        """What an entity of a level is to be; studies are asked for their patients' too."""
        found = dict(asked.where.get(level, {}))
        if level is not Level.STUDY:
            return found
        found |= asked.where.get(Level.PATIENT, {})
        for lower in (Level.SERIES, Level.IMAGE):
            for path, text in asked.where.get(lower, {}).items():
                if path.name in _IN_STUDIES:
                    found.setdefault(key_path(_IN_STUDIES[path.name]), text)
        return found

    def _fits(self, asked: RemoteAsked, level: Level, answer: Elements) -> bool:
        """Whether an answer is as it was asked to be: there are peers that ignore keys."""
        for path, text in self._where(asked, level).items():
            tag, vr = path.tags[0], path.vr
            if len(path.tags) > 1 or vr in _AS_PEERS_MATCH or is_universal(vr, text):
                continue
            if tag not in answer:
                if path.name not in _IN_STUDIES.values():
                    self.unheeded[path.name] = None
            elif answer[tag].text and not matches(vr, answer[tag].text, text):
                return False
        return True


def is_below(answer: Elements, above: Elements) -> bool:
    """Whether an answer is of the study and series that it was asked for: some ignore these."""
    for level in (Level.STUDY, Level.SERIES):
        wanted, found = (_text(held, UNIQUE[level].tag) for held in (above, answer))
        if wanted and found and found not in wanted.split("\\"):
            return False
    return True


def _is_asked_at(path: KeyPath, asked: Level, level: Level) -> bool:
    """Whether an attribute that is shown of entities at `asked` is to be asked at `level`."""
    of = _level_of(path, asked)
    return of == level or (level is Level.STUDY and of is Level.PATIENT)


def _key(path: KeyPath, text: str) -> Elements:
    """A key, in the items of sequences or not."""
    first, *below = path.tags
    if not below:
        vr = BY_TAG[first].vr if first in BY_TAG else path.vr
        return {first: Element("SQ", items=()) if vr == "SQ" else Element(vr, text)}
    inner = _key(KeyPath(path.name, tuple(below)), text)
    return {first: Element("SQ", items=(inner,))}


def _text(held: Elements, tag: BaseTag) -> str:
    return held.get(tag, _NOTHING).text

"""The row of a patient, study or series held against what the files of its instances tell.

Of an attribute that they tell differently the one received last answers, also where it was
superseded by an instance without it: so a row may hold what any of them told, but nothing else.
"""

from functools import lru_cache
from pathlib import Path

from storage import extract, part10
from storage.attributes import Level, stored_at
from storage.corrections import in_force
from storage.errors import ArchiveError
from storage.extract import UID_KEYWORDS, Header
from storage.folding import fold
from storage.held import Row, by_number, chains
from storage.models import Index
from storage.rows import row_of
from storage.tree import Tree

# What one patient has one of.
_OF_PERSON = {"PatientName": "PN", "PatientBirthDate": "DA", "PatientSex": "CS"}


class Told:
    """A row, and what was heard of it."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.texts: dict[str, str] = {}  # of each attribute the last one
        self.differing: dict[str, tuple[str, str]] = {}  # of one patient, two texts
        self._columns = tuple(a.column for a in stored_at(row.level))
        self._unheard = {column for column in self._columns if row.values[column]}
        self._persons: dict[str, tuple[str, str]] = {}
        self._heard = False

    def hear(self, header: Header) -> None:
        """An instance of the entity, as its file has it."""
        self._heard = True
        for column in self._columns:
            if text := header[column]:
                self.texts[column] = text
        self.hear_superseded(header)
        if self.row.level is Level.PATIENT and self.row.values["PatientID"]:
            for column, vr in _OF_PERSON.items():
                self._compare(column, vr, header[column])

    def hear_superseded(self, header: Header) -> None:
        """One that was an instance of it."""
        self._unheard -= {c for c in self._unheard if header[c] == self.row.values[c]}

    def doubts(self) -> list[str]:
        """The columns that hold what no file tells, or nothing where one does."""
        if not self._heard:
            return []
        silent = (c for c in self._columns if c in self.texts and not self.row.values[c])
        return [*sorted(self._unheard), *silent]

    def _compare(self, column: str, vr: str, text: str) -> None:
        # Groups other than the alphabetic one are often left out.
        form = fold(vr, text.split("=")[0] if vr == "PN" else text)
        if not form:
            return
        first = self._persons.setdefault(column, (form, text))
        if first[0] != form and column not in self.differing:
            self.differing[column] = first[1], text


def look_again(
    tree: Tree, index: Index, row: Row, above: tuple[str, ...], charset: str
) -> Told | None:
    """All that is told of an entity, with its row as it is now; None where that is not settled.

    `above` is the Study Instance UID of a series.

    The row is read first: whoever gave it a value had put the file there before, and what has
    displaced that file since has kept it.
    """
    now = by_number(index, row.level, row.number)
    if now is None or now.identity != row.identity:
        return None
    told, charsets = Told(now), {charset}
    own = [] if row.level is Level.PATIENT else [row.uid]
    for chain in chains(index, now):
        study, series, instance = (*above, *own, *(below.uid for below in chain))
        held_charset = str(chain[-1].values["charset"]) or charset
        charsets.add(held_charset)
        header = read_header(tree.path((study, series, instance)), held_charset)
        if header and belongs(now, header := in_force(tree.data).corrected(header)):
            told.hear(header)
    if told.doubts():
        _hear_superseded(tree, told, (*above, *own), charsets)
    after = by_number(index, row.level, row.number)
    return told if after and after.values == now.values else None


def belongs(row: Row, header: Header) -> bool:
    """Whether an instance is one of the entity, by its header."""
    made = row_of(row.level, header)
    return all(row.values[name] == made[name] for name in _identity(row))


def _identity(row: Row) -> tuple[str, ...]:
    if row.level is Level.PATIENT:
        return "PatientID", "IssuerOfPatientID", "of_study"
    return (UID_KEYWORDS[row.level - 1],)


def _hear_superseded(tree: Tree, told: Told, uids: tuple[str, ...], charsets: set[str]) -> None:
    for path in tree.superseded.walk(*uids):
        for charset in charsets:
            header = _kept_header(path, charset)
            if header and belongs(told.row, header):
                told.hear_superseded(header)


@lru_cache(maxsize=4096)  # read for each row that is doubtful; nothing there ever changes
def _kept_header(path: Path, charset: str) -> Header | None:
    return read_header(path, charset)


def read_header(path: Path, charset: str) -> Header | None:
    """The header of a file, or None where it has none: that is told elsewhere."""
    try:
        with path.open("rb") as file:
            meta = part10.read(file)
            return extract.header(file, meta.transfer_syntax_uid, charset)
    except (ArchiveError, OSError):
        return None

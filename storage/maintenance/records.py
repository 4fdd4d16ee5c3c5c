"""The archive for programs and notebooks: looked through and read, and never changed."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from storage.archive import Archive, asked
from storage.diagnostics import ArchiveError, FolderError, ResourceError
from storage.dicom.values import TABLE, UNIQUE, UTF_8, Level, Uids
from storage.files import is_free, name_of
from storage.index import index_path
from storage.journal import journal_of, require_migrated
from storage.journal.corrections import in_force
from storage.maintenance.recovery import fault_of_index, with_remedy
from storage.query import key_path
from storage.sharing.place import SharedPlace, shared_place

if TYPE_CHECKING:
    from numpy import ndarray

_LEVELS = {level.name: level for level in Level} | {"INSTANCE": Level.IMAGE}
# VRs whose values are numbers in a Dataset (PS3.5 6.2).
_WHOLE = frozenset({"US", "SS", "UL", "SL", "UV", "SV"})
_REAL = frozenset({"FL", "FD"})


class Record(Mapping[str, object]):
    """A patient, study, series or instance: texts by keyword; of a sequence a list of such.

    `level` is PATIENT, STUDY, SERIES or IMAGE. The unique keys of its level and of those above are
    there always.
    """

    def __init__(self, level: Level, uids: Mapping[str, str], values: Mapping[str, object]) -> None:
        self.level = level.name
        self._uids = uids
        self._values = {**values, **uids}

    def __getitem__(self, keyword: str) -> object:
        return self._values[keyword]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Record({self.level}, {self._values})"

    @property
    def uids(self) -> dict[str, str]:
        """The unique keys: Patient ID, and the UIDs down to its level."""
        return dict(self._uids)

    @property
    def dataset(self) -> Dataset:
        """The same as a data set of pydicom's, in UTF-8."""
        return _data_set(self._values)


class ArchiveReader:
    """A data folder that a program reads, beside a node or without one; see `open_archive`.

    Its methods raise ArchiveError: IdentifierError where a key cannot be asked for, ResourceError
    where the index or a file cannot be read.
    """

    def __init__(self, data: Path, charset: str, closed: Callable[[], None] = lambda: None) -> None:
        """`closed` is called once it is closed."""
        self._data, self._charset, self._closed = data, charset, closed
        self._archive = Archive(data, sync=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def close(self) -> None:
        """Close the calling thread's connection to the index."""
        self._archive.close_thread()
        self._closed()

    def find(
        self,
        level: str = "STUDY",
        show: Sequence[str] = (),
        *,
        fuzzy: bool = False,
        **where: str | Sequence[str],
    ) -> Iterator[Record]:
        """What is held that matches, as they are read: `find("STUDY", PatientName="doe*")`.

        `level` is PATIENT, STUDY, SERIES, IMAGE or INSTANCE. Keywords match as in a C-FIND (PS3.4
        C.2.2.2); of several values any will do. A record has all that the index holds of its level
        and those above; `show` are further keywords, as those of counts, which cost more, and of
        attributes that are looked up in the files. `fuzzy`: names that sound alike.
        """
        at = _LEVELS.get(level.upper())
        if at is None:
            raise ArchiveError(f'level: takes one of {", ".join(_LEVELS)}, not "{level}"')
        conditions = [
            (keyword, one)
            for keyword, given in where.items()
            for one in ([given] if isinstance(given, str) else given)
        ]
        held = [a.keyword for a in TABLE if a.stored and a.level <= at and not a.sequence]
        wanted = asked(at, conditions, list(dict.fromkeys((*held, *show))), fuzzy)
        return (Record(at, found.uids, found.values)
                for found in self._archive.entities(wanted, self._charset))  # fmt: skip

    def instances(self, record: Record) -> Iterator[Record]:
        """The instances of a patient, study or series, or that instance."""
        where: dict[str, Any] = record.uids
        return self.find("IMAGE", **where)

    def open(self, instance: Record) -> BinaryIO:
        """The file of an instance, byte for byte as it came, for the caller to close."""
        uids = _uids(instance)
        try:
            return self._archive.tree.open(uids)
        except OSError as error:
            name = self._archive.tree.name(uids)
            raise ResourceError(f"{name}: {error.strerror or error}") from error

    def dcmread(self, instance: Record, *, as_stored: bool = False, **options: Any) -> Dataset:
        """An instance as pydicom reads it, with the values that were corrected.

        `as_stored`: as it came. `options` are those of `pydicom.dcmread`.
        """
        import pydicom

        with self.open(instance) as file:
            made = pydicom.dcmread(file, **options)
        if not as_stored:
            self._correct(made, _uids(instance))
        return made

    def frames(self, instance: Record, *, raw: bool = False) -> "Iterator[ndarray[Any, Any]]":
        """The frames of an image, decoded one at a time: rows, columns and, of colour, samples.

        `raw`: as they are encoded, else colours in RGB. Raises what pydicom's decoders do.
        """
        from pydicom.pixels.utils import iter_pixels

        with self.open(instance) as file:
            yield from iter_pixels(file, raw=raw)

    def _correct(self, made: Dataset, uids: Uids) -> None:
        corrections = in_force(self._data)
        if not corrections:
            return
        changed = corrections.changes(uids, str(made.get("PatientID", "") or ""))
        if not all(text.isascii() for text in changed.values()):
            made.decode()  # what is there is in another character set
            made.SpecificCharacterSet = UTF_8
        for keyword, text in changed.items():
            setattr(made, keyword, text)


def open_archive(data: Path | str | SharedPlace, charset: str = "ISO_IR 100") -> ArchiveReader:
    """Open a data folder to read it; a node may serve it meanwhile.

    Of an archive that several nodes have it takes the place where that lies; no folder of a node is
    needed then, and what is made to read it is gone when it is closed. `scp.config.open_archive`
    takes a configuration, of either. `charset` is the Specific Character Set of text that names
    none, as `[storage] charset` has it. Raises FolderError where `data` is no data folder, or there
    is no archive whose index is whole; ResourceError where a place is none, or does not answer.
    """
    if isinstance(data, SharedPlace):
        return _opened_apart(data, charset)
    data = Path(data)
    if shared_place(data):
        return _opened_shared(data, charset)
    if not (data / "tree").is_dir():
        raise FolderError(f"{data}: is no data folder of minipacs: there is no tree/ in it")
    index = index_path(data)
    if index.exists() and not os.access(index, os.W_OK):  # SQLite's readers write beside it
        raise FolderError(f"{data}: belongs to another user, and reading it takes its index: run "
                          f"as {name_of(index.stat().st_uid)}")  # fmt: skip
    try:
        is_alone = is_free(data)
    except OSError:  # it may not be written
        is_alone = False
    if fault := fault_of_index(index, look_through=False, is_start=is_alone):
        raise FolderError(f"{data}: {with_remedy(data, fault)}")
    return ArchiveReader(data, charset)


def _opened_apart(place: SharedPlace, charset: str) -> ArchiveReader:
    """A shared archive, with a folder of this reader's own."""
    from storage.sharing.opened import leave, share

    scratch = TemporaryDirectory(prefix="minipacs-")
    data = Path(scratch.name)

    def closed() -> None:
        leave(data)
        scratch.cleanup()

    share(data, place)
    try:
        return _opened_shared(data, charset, closed)
    except BaseException:
        closed()
        raise


def _opened_shared(
    data: Path, charset: str, closed: Callable[[], None] = lambda: None
) -> ArchiveReader:
    from storage.sharing.preparing import require_prepared

    require_prepared(data)
    require_migrated(journal_of(data, sync=False))
    return ArchiveReader(data, charset, closed)


def _uids(instance: Record) -> Uids:
    if instance.level != Level.IMAGE.name:
        raise ArchiveError(f"takes an instance, not a {instance.level.lower()}: see `instances`")
    study, series, one = (instance.uids[UNIQUE[level].keyword] for level in list(Level)[1:])
    return study, series, one


def _data_set(values: Mapping[str, object]) -> Dataset:
    made = Dataset()
    made.SpecificCharacterSet = UTF_8
    for name, value in values.items():
        try:
            path = key_path(name)
        except ArchiveError:  # no attribute: of its receipt
            continue
        if len(path.tags) > 1:
            continue
        if isinstance(value, list):
            made.add_new(Tag(path.tags[0]), "SQ", [_data_set(item) for item in value])
        else:
            made.add_new(Tag(path.tags[0]), path.vr, _typed(path.vr, str(value)))
    return made


def _typed(vr: str, text: str) -> Any:
    """A value as pydicom holds it."""
    if vr not in _WHOLE | _REAL:
        return text
    kind = int if vr in _WHOLE else float
    found = [kind(part) for part in text.split("\\") if part]
    return found[0] if len(found) == 1 else found or None

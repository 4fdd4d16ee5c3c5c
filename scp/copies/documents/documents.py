"""What instances say as DICOM JSON (PS3.18 F.2), from the documents of their series.

A document is never believed for what it is called: each of its lines tells of which content of an
instance it was made, by the digest of that, and is read again where another one is held. So it is
right after instances were replaced, deleted and restored, and after the index was made anew.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pydicom

from scp.copies.corrected import AsCorrected, in_turn
from scp.copies.documents.series_document import Basis, Facts, SeriesDocument
from scp.web.models import json_model
from storage import Archive, Location
from storage.diagnostics import ResourceError
from storage.dicom import part10
from storage.journal.corrections import in_force

logger = logging.getLogger(__name__)

# Where an instance's bulk data is to be had: an address below that of the instance. In a text value
# there would be a backslash before each quotation mark.
BULK_DATA = b'"BulkDataURI":"bulkdata/'
# To be raised when what is written of a data set changes: the VRs of many are in a dictionary.
_FORM = f"1 {pydicom.__version__}"
# Of a series: what says more of each instance is as quickly read again.
_MOST_BYTES = 32 << 20
# Of documents that lie read in memory; in a process that asks again and again.
_MOST_PARSED_BYTES = 8 << 20
_PATIENT_ID = b"00100020"

Members = Sequence[bytes]
Series = tuple[str, str]  # Study and Series Instance UID
Maker = Callable[[Location], tuple[Facts, Members]]  # reads an instance


@dataclass(frozen=True)
class Described:
    """An instance, and what its data set says as an object of DICOM JSON, in UTF-8.

    Where bulk data is to be had begins with `BULK_DATA`, and goes on with a path of tags.
    """

    location: Location
    text: bytes


class Documents:
    """Gives what instances say; safe to use from many threads.

    `most_bytes`: of what is kept of all series; 0: nothing is.
    """

    def __init__(self, archive: Archive, copies: AsCorrected, most_bytes: int) -> None:
        self._archive, self._copies, self._most_bytes = archive, copies, most_bytes
        self._model = json_model()
        self._lock = threading.Lock()
        self._parsed: OrderedDict[Series, tuple[object, Basis, SeriesDocument]] = OrderedDict()
        # Of what was corrected, the name of the node is a part (PS3.3 C.12.1).
        self._form = f"{_FORM} {copies.system}"

    def of(self, found: Iterable[Location]) -> Iterator[Described]:
        """What each instance says, of all those of a series or study in any order.

        What a document lacks is read, and kept once all were given. Raises ArchiveError, OSError.
        """
        held: dict[Series, _Held] = {}
        basis = self._basis()

        def document_of(location: Location) -> _Held:
            series = location.uids[:2]
            if series not in held:
                held[series] = _Held(self._archive, basis, series, *self._read(series, basis))
            return held[series]

        def is_lacking(location: Location) -> bool:
            return not document_of(location).tells_of(location)

        for location in in_turn(self._copies, found, whole=False, is_opened=is_lacking):
            yield Described(location, document_of(location).text(location, self._made))
        if self._most_bytes:
            for one in held.values():
                self._keep(one, basis)

    def document(self, study: str, series: str) -> SeriesDocument | None:
        """That of a whole series as it is now; None where it has no instance.

        Raises ArchiveError, OSError.
        """
        basis = self._basis()
        with self._archive.locate_below(study, series) as found:
            held = _Held(self._archive, basis, (study, series), *self._read((study, series), basis))

            def is_lacking(location: Location) -> bool:
                return not held.tells_of(location)

            for location in in_turn(self._copies, found, whole=False, is_opened=is_lacking):
                held.text(location, self._made)
        if self._most_bytes:
            self._keep(held, basis)
        merged = held.merged
        return merged if merged.facts else None

    def _basis(self) -> Basis:
        """What a document made now depends on: told before anything is read."""
        try:
            journal = self._archive.journal.make_identity()
        except OSError as error:
            words = f"The journal cannot be read: {error.strerror}"
            raise ResourceError(words) from error
        return Basis(self._form, journal, in_force(self._archive.tree.data).last_number)

    def _read(self, series: Series, basis: Basis) -> tuple[Basis, SeriesDocument]:
        stamp = self._archive.documents.stamp(*series)
        with self._lock:
            parsed = self._parsed.get(series)
        if parsed and parsed[0] == stamp and parsed[1].is_alike(basis):
            return parsed[1:]
        text = self._archive.documents.read(*series, 2 * _MOST_BYTES)
        if text:
            try:
                read = SeriesDocument.read(text, {"form": basis.form, "journal": basis.journal})
            except (ValueError, KeyError, TypeError, AttributeError):
                pass  # of another version, or another journal: it is made anew
            else:
                self._remember(series, stamp, *read)
                return read
        return basis, SeriesDocument()

    def _remember(
        self, series: Series, stamp: object, basis: Basis, document: SeriesDocument
    ) -> None:
        """Spare the next one to read it, for some that were asked for last."""
        with self._lock:
            self._parsed[series] = stamp, basis, document
            self._parsed.move_to_end(series)
            while (
                len(self._parsed) > 1
                and sum(one.size for _, _, one in self._parsed.values()) > _MOST_PARSED_BYTES
            ):
                self._parsed.popitem(last=False)

    def _made(self, location: Location) -> tuple[Facts, Members]:
        copy = self._copies.open(location)
        with copy.file as file:
            file.seek(0)
            meta = part10.read(file)
            members = self._model.members(
                file, meta.data_set_offset, meta.transfer_syntax_uid, location.charset, _bulk_data
            )
        facts = Facts(location.uids[2], location.digest, location.charset, copy.is_corrected)
        return facts, members

    def _keep(self, held: "_Held", basis: Basis) -> None:
        if not held.is_changed or held.merged.size > _MOST_BYTES:
            return
        study, series = held.series
        try:
            self._archive.documents.write(study, series, held.merged.written(basis))
        except ResourceError as error:  # it can be made again
            logger.warning("metadata not kept: %s", error)
            return
        # What was deleted meanwhile was forgotten before this was written.
        with self._archive.locate_below(study, series) as found:
            there = {location.uids[2] for location in found}
        if not there.issuperset(held.merged.facts):
            self._archive.documents.forget(study, series)


def series_of(
    archive: Archive, documents: Documents, study: str
) -> list[tuple[str, SeriesDocument]]:
    """The series of a study, by Series Instance UID, each with its document; as they arrived.

    Raises ArchiveError, OSError.
    """
    with archive.locate_below(study) as found:
        series = dict.fromkeys(location.uids[1] for location in found)
    made = ((one, documents.document(study, one)) for one in series)
    return [(one, document) for one, document in made if document]


@dataclass
class _Held:
    """The document of a series that instances are asked of, and what it turns out to lack."""

    archive: Archive
    basis: Basis  # as it is now
    series: Series
    read_for: Basis
    document: SeriesDocument
    fresh: list[tuple[Facts, Members]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def text(self, location: Location, made: Maker) -> bytes:
        """What an instance says, from the document where that tells of this content."""
        instance = location.uids[2]
        self.seen.add(instance)
        if self.tells_of(location):
            return self.document.text(instance)
        facts, members = made(location)
        self.fresh.append((facts, members))
        return b"{%s}" % b",".join(members)

    @property
    def is_changed(self) -> bool:
        """Whether it is to be kept anew."""
        return bool(self.fresh or self.seen != self.document.facts.keys()
                    or self.read_for != self.basis)  # fmt: skip

    @cached_property
    def merged(self) -> SeriesDocument:
        """The document with what it lacked, and without what is held no more."""
        gone = self.document.facts.keys() - self.seen
        if not self.fresh and not gone:
            return self.document
        return self.document.with_more(self.fresh, gone)

    def tells_of(self, location: Location) -> bool:
        """Whether the document tells of this content."""
        facts = self.document.facts.get(location.uids[2])
        if not facts or (facts.digest, facts.charset) != (location.digest, location.charset):
            return False
        if self.read_for.corrections == self.basis.corrections:
            return True
        return not facts.is_corrected and not self._is_corrected(location)

    def _is_corrected(self, location: Location) -> bool:
        """Whether corrections apply now to an instance of which the document tells as it came."""
        corrections = in_force(self.archive.tree.data)
        if not corrections:
            return False
        patient = self.document.text_of(location.uids[2], _PATIENT_ID)
        return bool(corrections.applying(location.uids, patient))


def _bulk_data(path: tuple[int, ...]) -> str:
    """Of a value by its tag; in items of sequences by tag, number of the item, and so on."""
    steps = (f"{one:08X}" if n % 2 == 0 else str(one) for n, one in enumerate(path))
    return "bulkdata/" + "/".join(steps)

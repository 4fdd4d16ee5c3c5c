"""WADO-RS: instances as files (PS3.18 10.4), as they are stored or in another transfer syntax."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian
from werkzeug.wrappers import Response

from scp.copies.conversion.codecs import SYNTAXES, Syntax
from scp.copies.conversion.data_set import DataSetSource, Scope, TranscodeError
from scp.copies.corrected import Copies, in_turn, inflated, reachable, transcode_file
from scp.web.http import body_of_file
from scp.web.media import DICOM, Part, choose_dicom
from scp.web.request import Asked, NotFoundError, Resource, multipart, part, warned
from storage import Location
from storage.archive import Selected
from storage.dicom import part10
from storage.dicom.data_sets import DEFLATED
from storage.journal import CORRECTIONS

# Not used with Web Services (PS3.18 8.7.3): what is stored in these goes in another one.
_NOT_OF_THE_WEB = frozenset({str(ImplicitVRLittleEndian), str(ExplicitVRBigEndian)})


@dataclass(frozen=True)
class DicomFile:
    """An instance as a Part 10 file: `head`, if any, goes before what `file` holds."""

    transfer_syntax_uid: str
    head: bytes
    file: BinaryIO
    length: int

    def chunks(self) -> Iterator[bytes]:
        """Its bytes; the file is closed behind them."""
        if self.head:
            yield self.head
        yield from body_of_file(self.file, 0, self.length - len(self.head))


def located(asked: Asked, resource: Resource) -> Selected:
    """The instances of a resource. Raises NotFoundError where there are none."""
    found = asked.closing.enter_context(asked.context.archive.locate_below(*resource.uids))
    if not len(found):
        raise NotFoundError(f"{resource.url} is not held")
    return found


@dataclass(frozen=True)
class HeldDataSet:
    """The data set of an instance: from `start` of a file to its end, inflated if Deflated."""

    file: BinaryIO
    start: int
    transfer_syntax_uid: str

    def source(self) -> DataSetSource:
        """The same, to be taken apart. Raises TranscodeError."""
        # Of video, and what else has no decoder, data sets are Explicit VR Little Endian.
        syntax = SYNTAXES.get(self.transfer_syntax_uid, Syntax())
        form = syntax.implicit_vr, syntax.little_endian
        return DataSetSource(self.file, self.start, self.file.seek(0, 2), *form)

    def scope(self) -> Scope:
        """Its elements. Raises TranscodeError."""
        source = self.source()
        return Scope(source, list(source.elements()))


def data_set_of(asked: Asked, location: Location) -> HeldDataSet:
    """A data set; what it lies in is closed with `asked`. Raises as `Copies.open`."""
    file = asked.closing.enter_context(asked.context.copies.open(location).file)
    file.seek(0)
    meta = part10.read(file)
    if meta.transfer_syntax_uid in DEFLATED:
        return HeldDataSet(asked.closing.enter_context(inflated(file)), 0, meta.transfer_syntax_uid)
    return HeldDataSet(file, meta.data_set_offset, meta.transfer_syntax_uid)


def retrieve(
    asked: Asked, study: str, series: str | None = None, instance: str | None = None
) -> Response:
    """The instances of a study or series, or that one."""
    resource = asked.resource(study, series, instance)
    found = located(asked, resource)
    stored = list(dict.fromkeys(syntax for _, syntax in found.kinds))
    ways = {one: forms_of(one) for one in stored}
    first = dict.fromkeys(forms[0] for forms in ways.values() if forms)
    others = (form for forms in ways.values() for form in forms[1:])
    choice = choose_dicom(
        *asked.accept, tuple(dict.fromkeys((*first, *others))), is_one=len(found) == 1
    )
    given = {one: choice.syntax_of(forms) or "" for one, forms in ways.items()}
    asked.told["instances"] = len(found)
    can_be_other = choice.asked_syntax in ("", "*")
    if len(found) == 1 and not choice.is_multipart:
        syntax = given[found[0].transfer_syntax_uid]
        return single(asked, found[0], syntax, can_be_other=can_be_other)
    return _several(asked, resource, found, given, can_be_other)


def forms_of(stored: str) -> tuple[str, ...]:
    """The transfer syntaxes in which what is stored in one can go, as it is stored first."""
    return tuple(one for one in (stored, *reachable(stored)) if one not in _NOT_OF_THE_WEB)


def single(
    asked: Asked, location: Location, syntax: str, copies: Copies | None = None, how: str = "",
    can_be_other: bool = False,
) -> Response:  # fmt: skip
    """An instance alone; `how` tells one of other `copies` from the usual one."""
    made = as_file(copies or asked.context.copies, location, syntax, can_be_other)
    kind = f"application/dicom; transfer-syntax={made.transfer_syntax_uid}"
    answer = Response(made.chunks(), content_type=kind, direct_passthrough=True)
    answer.content_length = made.length
    answer.set_etag(tag_of(asked, location, syntax, how))
    answer.call_on_close(made.file.close)
    return answer.make_conditional(asked.request, accept_ranges=True, complete_length=made.length)


def _several(
    asked: Asked, resource: Resource, found: Selected, given: dict[str, str], can_be_other: bool
) -> Response:
    is_partial = not all(given.values())

    def parts() -> Iterator[Part]:
        copies = asked.context.copies
        for location in in_turn(copies, (one for one in found if given[one.transfer_syntax_uid])):
            made = as_file(copies, location, given[location.transfer_syntax_uid], can_be_other)
            where = resource.of_instance(location.uids).url
            kind = f"application/dicom; transfer-syntax={made.transfer_syntax_uid}"
            yield part(kind, where, made.chunks(), made.length)

    # Partial content: in some of the media types alone (PS3.18 10.4.3).
    answer = multipart(parts(), DICOM, 206 if is_partial else 200)
    if is_partial:
        left = sum(not given[one.transfer_syntax_uid] for one in found)
        return warned(asked, answer, [f"{left} instances have no decoder here"])
    return answer


def as_file(
    copies: Copies, location: Location, syntax: str, can_be_other: bool = False
) -> DicomFile:
    """An instance in a transfer syntax. Raises ArchiveError, OSError, TranscodeError.

    One that is damaged, and stored as is not used with Web Services, is better had so than not at
    all, where another transfer syntax will do.
    """
    copy = copies.open(location)
    if syntax == location.transfer_syntax_uid:
        return DicomFile(syntax, b"", copy.file, copy.file.seek(0, 2))
    with copy.file as file:
        file.seek(0)
        try:
            converted = transcode_file(file, syntax)
        except TranscodeError:
            if not can_be_other or location.transfer_syntax_uid not in _NOT_OF_THE_WEB:
                raise
            return as_file(copies, location, location.transfer_syntax_uid)
    head = part10.header(location.sop_class_uid, copy.sop_instance_uid, syntax)
    return DicomFile(syntax, head, converted, len(head) + converted.seek(0, 2))


def tag_of_all(asked: Asked, found: Selected, *how: str) -> str:
    """The same of all instances of a resource."""
    held = hashlib.blake2b(digest_size=16)
    for location in found:
        held.update(f"{location.digest}{location.charset}".encode())
    corrected = asked.context.archive.journal.size(CORRECTIONS)
    held.update("\0".join((str(corrected), asked.base, *how)).encode())
    return held.hexdigest()


def tag_of(asked: Asked, location: Location, *how: str) -> str:
    """An entity tag: another one where the bytes are others, or what was corrected of them."""
    corrected = asked.context.archive.journal.size(CORRECTIONS)
    text = "\0".join((location.digest, str(corrected), *how))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

"""Keys that no column serves: which headers are read for them, how far, and how many."""

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from support import CT, EXPLICIT, ct, encoded, samples
from support.data.images import DEFLATED
from support.network.raw import ex

from storage import Archive, Level, Query, Received, Root, prepare
from storage.archive import HeaderLimits, QueryAnswers
from storage.archive.finding import answers, header_reader
from storage.diagnostics import ArchiveError, ResourceError
from storage.dicom.data_sets import Element, UnusualError
from storage.files import turn
from storage.index import Location, pages
from storage.query import Options

SERIES = 60
CHARSET = "ISO_IR 100"
REQUESTS = "RequestAttributesSequence"
COMMENT = 64


@pytest.fixture
def empty(tmp_path: Path, place_index: Callable[[Path], None]) -> Iterator[Archive]:
    prepare(tmp_path / "data", sync=False, charset=CHARSET)
    place_index(tmp_path / "data")
    archive = Archive(tmp_path / "data", sync=False)
    yield archive
    archive.close_thread()


def store(archive: Archive, instance: str, data: bytes, sop_class: str = CT) -> None:
    archive.store(Received(sop_class, instance, EXPLICIT, data, CHARSET))


@pytest.fixture(scope="module")
def archive(
    tmp_path_factory: pytest.TempPathFactory, place_index: Callable[[Path], None]
) -> Iterator[Archive]:
    """A series of each instance; the KVP of every third is 120."""
    data = tmp_path_factory.mktemp("headers") / "data"
    prepare(data, sync=False, charset=CHARSET)
    place_index(data)
    archive = Archive(data, sync=False)
    for number in range(SERIES):
        item = Dataset()
        item.RequestedProcedureID = f"R{number}"
        item.ScheduledProcedureStepID = "STEP"
        made = ct("1.1", f"1.2.{number}", f"1.3.{number}", KVP="120" if number % 3 == 0 else "80",
                  RequestAttributesSequence=Sequence([item]))  # fmt: skip
        store(archive, f"1.3.{number}", encoded(made))
    yield archive
    archive.close_thread()


def asked(level: Level = Level.SERIES, options: Options | None = None, **keys: Any) -> Query:
    named = {"StudyInstanceUID": "1.1", "SeriesInstanceUID": "", "SOPInstanceUID": "", **keys}
    held = {
        Tag(name): key
        if isinstance(key, Element)
        else Element("UI" if "UID" in name else "LO", key)
        for name, key in named.items()
    }
    return Query(Root.STUDY, level, held, options=options or Options())


def item(**keys: str) -> Element:
    return Element("SQ", items=({Tag(name): Element("SH", text) for name, text in keys.items()},))


def found(answers: QueryAnswers) -> list[str]:
    return [answer.texts[1] for answer in answers]


# ---- which headers are read


def test_answers_come_in_the_order_of_their_rows(archive: Archive) -> None:
    everything = found(archive.find(asked(), CHARSET))
    assert found(archive.find(asked(KVP="*"), CHARSET)) == everything
    third = [f"1.2.{number}" for number in range(0, SERIES, 3)]
    expected = [one for one in everything if one in third]
    assert found(archive.find(asked(KVP="120"), CHARSET)) == expected


def test_columns_narrow_what_is_read(archive: Archive) -> None:
    answers = archive.find(asked(KVP="120", SeriesInstanceUID="1.2.3\\1.2.4"), CHARSET)
    assert (found(answers), answers.search.read, answers.search.total) == (["1.2.3"], 2, 2)


@pytest.mark.parametrize(("modality", "read"), [("CT", 1), ("MR", 0)])
def test_what_is_computed_narrows_what_is_read(archive: Archive, modality: str, read: int) -> None:
    answers = archive.find(asked(Level.STUDY, ModalitiesInStudy=modality, KVP="80"), CHARSET)
    assert (len(list(answers)), answers.search.read) == (read, read)


def test_the_columns_of_an_item_narrow_what_is_read(archive: Archive) -> None:
    """And the item is matched as a whole all the same (PS3.4 C.2.2.2.6)."""
    for step, expected in (("STEP", ["1.2.7"]), ("OTHER", [])):
        key = item(RequestedProcedureID="R7", ScheduledProcedureStepID=step)
        answers = archive.find(asked(RequestAttributesSequence=key), CHARSET)
        assert (found(answers), answers.search.read) == (expected, len(expected))
    key, options = item(RequestedProcedureID='""'), Options(empty_value=True)
    answers = archive.find(asked(options=options, RequestAttributesSequence=key), CHARSET)
    assert (found(answers), answers.search.read) == ([], SERIES)


def test_of_an_image_its_own_item_counts(empty: Archive) -> None:
    """The columns are those of its series."""
    for number, procedure in (("1.3.1", "R1"), ("1.3.2", "R2")):
        request = Dataset()
        request.RequestedProcedureID = procedure
        made = ct("1.1", "1.2", number, RequestAttributesSequence=Sequence([request]))
        store(empty, number, encoded(made))
    keys = {"SeriesInstanceUID": "1.2", REQUESTS: item(RequestedProcedureID="R1")}
    images = [answer.texts[-1] for answer in empty.find(asked(Level.IMAGE, **keys), CHARSET)]
    assert images == ["1.3.1"]
    assert found(empty.find(asked(**keys), CHARSET)) == []


def test_what_is_deleted_meanwhile_is_left_out(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = pages.newest

    def without(*given: Any) -> dict[int, Location]:
        held = newest(*given)
        return {number: one for number, one in held.items() if one.uids[1] != "1.2.3"}

    monkeypatch.setattr(pages, "newest", without)
    answers = archive.find(asked(KVP="120"), CHARSET)
    assert "1.2.3" not in found(answers)
    assert not answers.search.unreadable


# ---- how far


WITHOUT_A_COLUMN = (
    "KVP", "PixelSpacing", "ReferencedImageSequence", "ReferencedStudySequence", "WindowCenter",
    "PatientInsurancePlanCodeSequence", "ROIContourSequence", "DoseUnits", "PixelDataProviderURL",
)  # fmt: skip


def outcomes(archive: Archive, keys: list[dict[Tag, Element]]) -> list[Any]:
    given = []
    for one in keys:
        answers = archive.find(Query(Root.STUDY, Level.IMAGE, one), CHARSET)
        held = sorted((answer.texts, sorted(answer.extra.items())) for answer in answers)
        given.append((held, sorted(answers.search.unreadable), sorted(answers.search.left_out)))
    return given


def test_a_header_that_is_read_in_part_says_what_the_whole_does(
    empty: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each sample of pydicom's, in every encoding; of sequences and private elements too."""
    for sample in samples():
        named = (sample.sop_class_uid, sample.sop_instance_uid, sample.transfer_syntax_uid)
        try:
            empty.store(Received(*named, sample.data_set, CHARSET))
        except ArchiveError:  # the tests of the corpus say which, and why
            continue
    uids = {Tag("StudyInstanceUID"): Element("UI"), Tag("SOPInstanceUID"): Element("UI")}
    keys = [uids | {Tag(name): Element("LO")} for name in WITHOUT_A_COLUMN]
    keys += [
        uids | {Tag(0x00090010): Element("LO", "GEMS_IDEN_01"), Tag(0x00091001): Element("LO")},
        uids | {Tag(0x00431027): Element("SH")},
        uids | {Tag("ReferencedImageSequence"): item(ReferencedSOPInstanceUID="1.*")},
        uids | {Tag(0x7FE00000): Element("UL")},
        uids | {Tag("KVP"): Element("DS"), Tag("ReferencedStudySequence"): Element("SQ", items=())},
    ]
    partly = outcomes(empty, keys)

    def leave(*_: object) -> Dataset:
        raise UnusualError("left to the whole")

    monkeypatch.setattr(header_reader, "read_beginning", leave)
    assert partly == outcomes(empty, keys)
    assert any(extra for held, _, _ in partly for _, extra in held)


NUMBER = ex(0x00200013, "IS", b"1 ")
KVP, OTHER_KVP = ex(0x00180060, "DS", b"80"), ex(0x00180060, "DS", b"70")
# A sequence whose end comes too soon, so that what is of its item looks as if it were not.
_ITEM, _ITEM_END, _END = (b"\xfe\xff" + rest for rest in (
    b"\x00\xe0\xff\xff\xff\xff", b"\x0d\xe0\0\0\0\0", b"\xdd\xe0\0\0\0\0"))  # fmt: skip
_BEGIN = b"\x18\0\x12\0SQ\0\0\xff\xff\xff\xff" + _ITEM
_OF_ITEM = OTHER_KVP + ex(0x00181000, "LO", b"X ")
STRAYS = [_BEGIN + end + _OF_ITEM + _ITEM_END + _END for end in (_END, _ITEM_END + _END)]


def image() -> bytes:
    """A CT with more of an image than of a header."""
    return encoded(ct("1.1", "1.2", "1.3", KVP="80", PixelData=b"\0" * 100_000))


@pytest.mark.parametrize(("change", "expected"), [
    (lambda data: data, "80"),
    # A private element in front that is longer than what is read first, or than all that is.
    (lambda data: data.replace(KVP, ex(0x00090010, "UN", b"\0" * 40_000) + KVP), "80"),
    (lambda data: data.replace(KVP, ex(0x00090010, "UN", b"\0" * 400_000) + KVP), "80"),
    # Against PS3.5 7.1 behind what it belongs in front of.
    (lambda data: data.replace(KVP, b"").replace(NUMBER, NUMBER + KVP), "80"),
    (lambda data: data.replace(KVP, b""), ""),
    (lambda data: data.replace(KVP, KVP + OTHER_KVP), "80"),  # the first of two
    (lambda data: data.replace(KVP, STRAYS[0] + KVP), "80"),
    (lambda data: data.replace(KVP, STRAYS[1] + KVP), "80"),
])  # fmt: skip
def test_a_value_is_found_wherever_it_lies(
    empty: Archive, change: Callable[[bytes], bytes], expected: str
) -> None:
    store(empty, "1.3", change(image()))
    (answer,) = empty.find(asked(Level.IMAGE, KVP=""), CHARSET)
    assert answer.extra[Tag("KVP")].text == expected


def test_no_more_is_read_than_is_wanted(empty: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an image of megabytes it is the beginning."""
    store(empty, "1.3", image())

    def whole(*_: object) -> Dataset:
        raise AssertionError("all of it was read")

    monkeypatch.setattr(header_reader, "read_data_set", whole)
    (answer,) = empty.find(asked(Level.IMAGE, KVP=""), CHARSET)
    assert answer.extra[Tag("KVP")].text == "80"


def test_what_is_deflated_is_read_too(empty: Archive) -> None:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = encoded(ct("1.1", "1.2", "1.3", KVP="80"))
    data = deflater.compress(data) + deflater.flush()
    empty.store(Received(CT, "1.3", DEFLATED, data + b"\0" * (len(data) % 2), CHARSET))
    (answer,) = empty.find(asked(Level.IMAGE, KVP="80"), CHARSET)
    assert answer.extra[Tag("KVP")].text == "80"


# ---- how many


@pytest.mark.parametrize("most", [1, 20, SERIES - 1])
def test_more_headers_than_may_be_are_refused(archive: Archive, most: int) -> None:
    """Before any is read, and within an Error Comment by key, number and setting."""
    answers = archive.find(asked(KVP="120"), CHARSET, limits=HeaderLimits(most))
    with pytest.raises(ResourceError) as raised:
        next(iter(answers))
    words = str(raised.value)[:COMMENT]
    assert all(part in words for part in ("KVP", f"over {most} ", "[query] most_headers")), words
    assert answers.search.read == 0


@pytest.mark.parametrize("most", [0, SERIES, SERIES + 1])
def test_as_many_as_may_be_are_read(archive: Archive, most: int) -> None:
    answers = archive.find(asked(KVP="120"), CHARSET, limits=HeaderLimits(most))
    assert len(found(answers)) == SERIES // 3
    assert (answers.search.read, answers.search.total) == (SERIES, SERIES)


def test_what_is_below_narrows_how_many_may_be_read(empty: Archive) -> None:
    """Of a relational query (PS3.4 C.4.1.2.2): each entity that has such is counted."""
    for number in range(20):
        made = ct(f"1.{number}", f"1.{number}.2", f"1.{number}.3", KVP="80")
        store(empty, f"1.{number}.3", encoded(made))
    query = asked(
        Level.STUDY, Options(relational=True), StudyInstanceUID="", Modality="CT", KVP="*"
    )
    read = empty.find(query, CHARSET, limits=HeaderLimits(20))
    assert (len(list(read)), read.search.read, read.search.total) == (20, 20, 20)
    query = asked(
        Level.STUDY, Options(relational=True), StudyInstanceUID="", Modality="CT", KVP="80"
    )
    with pytest.raises(ResourceError, match="KVP: over 19 headers"):
        list(empty.find(query, CHARSET, limits=HeaderLimits(19)))


@pytest.mark.parametrize("keys", [
    {"KVP": ""}, {"KVP": "*"}, {REQUESTS: Element("SQ", items=())},
    {REQUESTS: item(RequestedProcedureID="")},
])  # fmt: skip
def test_keys_that_are_asked_for_alone_are_left_out_beyond(
    archive: Archive, keys: dict[str, Any]
) -> None:
    """Each entity is answered: the keys narrow nothing (PS3.4 C.2.2.1.3)."""
    answers = archive.find(asked(**keys), CHARSET, limits=HeaderLimits(SERIES - 1))
    assert [answer.extra for answer in answers] == [{}] * SERIES
    assert (answers.search.read, answers.search.unread) == (0, [Tag(name) for name in keys])


def test_a_key_for_what_is_empty_is_not_asked_for_alone(archive: Archive) -> None:
    query = asked(options=Options(empty_value=True), KVP='""')
    with pytest.raises(ResourceError, match="KVP: over 5 headers"):
        list(archive.find(query, CHARSET, limits=HeaderLimits(5)))


# ---- how it ends, and beside whom


class StopError(Exception):
    """What a test ends a search by."""


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """With each header it is asked whether to go on."""
    monkeypatch.setattr(answers, "_LOOK_SECONDS", 0.0)


@pytest.mark.usefixtures("looks")
def test_a_search_ends_between_two_headers(archive: Archive) -> None:
    told = list[tuple[int, int]]()

    def stop() -> None:
        if told and told[-1][0] == 30:
            raise StopError

    limits = HeaderLimits(told=lambda read, total: told.append((read, total)))
    sought = archive.find(asked(KVP="NONE"), CHARSET, stop, limits)
    with pytest.raises(StopError):
        list(sought)
    assert told == [(number, SERIES) for number in range(1, 31)]
    assert sought.search.read == 30


@pytest.mark.usefixtures("looks")
def test_who_waits_for_a_turn_can_end_it(archive: Archive) -> None:
    told = list[tuple[int, int]]()

    def stop() -> None:
        if len(told) == 5:
            raise StopError

    limits = HeaderLimits(turns=2, told=lambda read, total: told.append((read, total)))
    path = archive.tree.data / "headers.lock"
    with turn(path, 2, lambda: None), turn(path, 2, lambda: None), pytest.raises(StopError):
        list(archive.find(asked(KVP="120"), CHARSET, stop, limits))
    assert told == [(0, SERIES)] * 5
    assert len(found(archive.find(asked(KVP="120"), CHARSET, limits=HeaderLimits(turns=1)))) == 20


def test_a_turn_is_of_a_page_not_of_a_search(archive: Archive) -> None:
    """Between two answers another search goes on: nobody waits for the end of a long one."""
    limits = HeaderLimits(turns=1)
    first = iter(archive.find(asked(KVP="120"), CHARSET, limits=limits))
    assert next(first).texts[1] == "1.2.0"
    assert len(found(archive.find(asked(KVP="120"), CHARSET, limits=limits))) == SERIES // 3
    assert len(list(first)) == SERIES // 3 - 1


def test_without_a_file_for_it_there_is_no_turn(tmp_path: Path) -> None:
    def wait() -> None:
        raise AssertionError("it waits")

    with turn(tmp_path / "none" / "headers.lock", 1, wait):
        pass

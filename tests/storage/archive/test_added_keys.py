"""Keys that were added to the index: it answers what the headers do, and reads none of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from support import CT, EXPLICIT, IMPLICIT, ct, encoded, samples
from support.network.raw import ex

from storage import Archive, Level, Options, Query, Received, Root, prepare
from storage.archive import HeaderLimits, QueryAnswers
from storage.archive.finding import added_keys, asked_keys, key_filling
from storage.archive.finding.key_values import KeyValues
from storage.diagnostics import ArchiveError, IdentifierError, ResourceError
from storage.dicom.data_sets import Element
from storage.dicom.values import charset, to_bytes, vr_of_tag
from storage.files import turn
from storage.maintenance.changes.correction import correct, undo
from storage.maintenance.recovery import rebuild

CHARSET, UTF_8 = "ISO_IR 100", "ISO_IR 192"
KYOTO = "Yamada^Tarou=山田^太郎=やまだ^たろう"
LONG = "x" * 2000
# Of an attribute of each VR what instances say: nothing, one value, several, and what is odd.
SAID: dict[str, tuple[str | None, ...]] = {
    "KVP": ("120", "080", "1.2e2", "", None),
    "WindowCenter": ("40\\400", "400", "1\\2\\40", "abc", None),
    "ExposureTime": ("7", "007", "", "7\\8"),
    "ImageComments": ("Ünten", "back\\slash", LONG, "ends \n", None, "unten"),
    "InstitutionAddress": ("Straße 1", "STRASSE 1", "", "Street [1]", "a\0b"),
    "SoftwareVersions": ("A1\\B2", "B2", "  B2 ", "a1", None),
    "ScanOptions": ("HELIX\\FAST", "FAST", "", "HEL*"),
    "DateOfLastCalibration": ("20240131\\20250101", "2024.01.31", "2024", "soon", None),
    "TimeOfLastCalibration": ("101500.25", "10", "23:59", "", "1015\\2359"),
    "AcquisitionDateTime": ("20240131101500+0100", "20240131", "202401310915", None),
    "PhysiciansOfRecord": ("Doe^John\\Weiß^Anna", KYOTO, "Weiss^Anna^", "ﾔﾏﾀﾞ^ﾀﾛｳ", None, "^"),
    "ResponsiblePerson": ("Émile^Zola", "Zola^Emile", "", "Doe^John\\Roe^Jane"),
    "IrradiationEventUID": ("1.2.3\\1.2.4", "1.2.4", "1.2.40", None),
    "SmallestImagePixelValue": ("0", "7", "70", None),
    "FrameIncrementPointer": ("00181063", "00181063\\00181065", None),
    "PixelDataProviderURL": ("http://a/b", "http://a/B", None),
}
# What is asked of each VR, beside the values themselves.
ASKED: dict[str, tuple[str, ...]] = {
    "DS": ("12*", "40", "80\\120", "4e1"), "IS": ("7", "8\\9"), "US": ("7", "00"),
    "LT": ("unten", "*n", "?nten", "back*", "X*", "ends"), "ST": ("Stra*", "str*", "*[1]", "a?b"),
    "LO": ("b2", "?2", "A*\\C*", "A1\\B2"), "CS": ("HEL*", "FAST\\SLOW", "*I*"),
    "DA": ("20240101-20241231", "-20241231", "2024", "20240131", "2025-", "soon"),
    "TM": ("10-11", "1015", "2359", "-09"),
    "DT": ("20240131-20240201", "202401310915+0000", "2024"),
    "PN": ("doe*", "*anna", "Wei?^Anna", "Wei??^Anna", "Zola", "emile^zola", "=山田*", "山?^太郎",
           "ﾔﾏﾀ*", "やまだ^たろう", "Doe^*", "doe^john\\zola*", "\u0301", "=\u0301"),
    "UI": ("1.2.4", "1.2.3\\1.2.4\\1.2.5", "1.2.*"), "AT": ("00181063", "00181063\\00181065"),
    "UR": ("http://a/*", "http://a/b"),
}  # fmt: skip
EVERY = ("", "*", '""', "?*", "NONE")
OPTIONS = (Options(), Options(empty_value=True, multiple_values=True, fuzzy_names=True))
UNIQUE = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def element(name: str, text: str) -> RawDataElement:
    """As it is, whatever PS3.5 says of such a value."""
    tag = Tag(name)
    value = to_bytes(vr_of_tag(tag), text, charset(UTF_8))
    return RawDataElement(tag, vr_of_tag(tag), len(value), value, 0, False, True)


def instances() -> Iterator[Received]:
    """Each value once, in changing company: of some patients, studies and series."""
    for number in range(6):
        uids = f"1.{number % 2}", f"2.{number % 2}.{number % 3}", f"3.{number}"
        made = ct(*uids, PatientID=f"P{number % 2}", SpecificCharacterSet=UTF_8)
        for name, said in SAID.items():
            if (text := said[number % len(said)]) is not None:
                made[name] = element(name, text)
        yield Received(CT, uids[2], EXPLICIT, encoded(made), CHARSET)
    # Text that names no character set: read by what came with it, or by what is asked with.
    for number, assumed in enumerate((CHARSET, ""), 6):
        made = encoded(ct("1.2", "2.2", f"3.{number}", ImageComments="?nten"))
        data = made.replace(b"?nten", b"\xdcnten")
        yield Received(CT, f"3.{number}", EXPLICIT, data, assumed)
    # Of another VR than PS3.6 has, and one that is unknown.
    for number, vr in enumerate(("LO", "UN"), 8):
        made = encoded(ct("1.2", "2.3", f"3.{number}", KVP="120"))
        other = ex(0x00180060, vr, b"120 ")
        data = made.replace(ex(0x00180060, "DS", b"120 "), other)
        yield Received(CT, f"3.{number}", EXPLICIT, data, CHARSET)
    implicit = encoded(ct("1.2", "2.3", "3.10", KVP="80", ScanOptions="FAST"), True)
    yield Received(CT, "3.10", IMPLICIT, implicit, CHARSET)


@dataclass
class Held:
    """An archive, and what is asked of it."""

    archive: Archive
    charset: str = CHARSET
    read: list[int] = field(default_factory=list)  # headers, of each query

    def add(self, *keywords: str) -> None:
        """Have the index hold attributes, if not yet their values."""
        for keyword in keywords:
            added_keys.add(self.archive.journal, keyword)
        added_keys._known.clear()
        added_keys.bring_up(self.archive.index, self.archive.journal)

    def fill(self) -> None:
        key_filling.fill(self.archive.tree.data, lambda done, of: None)
        assert not key_filling.is_due(self.archive.tree.data)

    def ask(self, query: Query, most: int = 0) -> QueryAnswers:
        return self.archive.find(query, self.charset, limits=HeaderLimits(most))

    def outcome(self, query: Query) -> Any:
        """All that comes of it, by the index or by the headers."""
        found = self.ask(query)
        answers = sorted(repr((one.texts, sorted(one.extra.items(), key=str))) for one in found)
        self.read.append(found.search.read)
        return answers, sorted(found.search.unreadable), sorted(found.search.left_out)


@pytest.fixture
def empty(tmp_path: Path, place_index: Callable[[Path], None]) -> Iterator[Held]:
    prepare(tmp_path / "data", sync=False, charset=CHARSET)
    place_index(tmp_path / "data")
    archive = Archive(tmp_path / "data", sync=False)
    yield Held(archive)
    archive.close_thread()


@pytest.fixture
def held(empty: Held) -> Held:
    for one in instances():
        empty.archive.store(one)
    return empty


def query(level: Level, options: Options = OPTIONS[0], **keys: str) -> Query:
    """Of entities whatever is above them."""
    unique = {name: "" for name, of in zip(UNIQUE, Level, strict=True) if of <= level}
    named = {Tag(name): Element(vr_of_tag(Tag(name)), key) for name, key in (unique | keys).items()}
    return Query(Root.PATIENT, level, named, options=options)


def queries(keyword: str) -> Iterator[Query]:
    """Of each kind, at each level."""
    said = [text for text in SAID[keyword] if text is not None and len(text) < len(LONG)]
    texts = dict.fromkeys([*EVERY, *said, *ASKED[vr_of_tag(Tag(keyword))]])
    for number, text in enumerate(texts):
        for level in Level:
            yield query(level, OPTIONS[(number + level) % 2], **{keyword: text})
        yield query(Level.IMAGE, OPTIONS[1], **{keyword: text})


def compare(held: Held, asked: list[Query]) -> None:
    """Hold what the index answers to what the headers say."""
    by_index = [held.outcome(one) for one in asked]
    reads = held.read[:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KeyValues, "tags", frozenset())
        by_headers = [held.outcome(one) for one in asked]
    for one, answer, wanted in zip(asked, by_index, by_headers, strict=True):
        assert answer == wanted, (one.level, one.keys, one.options)
    held.read = reads


# ---- the same answers


# Those of a VR that one before them has.
_ALIKE = [
    name
    for number, name in enumerate(SAID)
    if vr_of_tag(Tag(name)) in {vr_of_tag(Tag(before)) for before in list(SAID)[:number]}
]


@pytest.mark.parametrize(
    "keyword",
    [pytest.param(name, marks=[pytest.mark.long] * (name in _ALIKE)) for name in SAID],
)
def test_the_index_answers_what_the_headers_do(held: Held, keyword: str) -> None:
    held.add(keyword)
    held.fill()
    compare(held, list(queries(keyword)))
    # What is too long to be kept, or read by a character set that nobody told, is read.
    assert max(held.read) <= 2 * (keyword == "ImageComments")


def test_what_arrives_brings_its_values_with_it(empty: Held) -> None:
    empty.add(*SAID)
    for one in instances():
        empty.archive.store(one)
    assert not key_filling.is_due(empty.archive.tree.data)
    compare(empty, [query(level, **{name: ""}) for name in SAID for level in Level])
    compare(empty, list(queries("PhysiciansOfRecord")))
    compare(empty, [query(Level.IMAGE, KVP="120", ImageComments="*", SoftwareVersions="")])


def test_a_rebuild_fills_them_as_it_goes(held: Held) -> None:
    held.add("KVP", "PhysiciansOfRecord")
    held.archive.close_thread()
    rebuild(held.archive.tree.data, CHARSET)
    assert not key_filling.is_due(held.archive.tree.data)
    compare(held, [query(level, PhysiciansOfRecord="Wei?^Anna", KVP="*") for level in Level])
    assert max(held.read) == 0


def test_each_sample_is_answered_as_its_header_is(empty: Held) -> None:
    """Of every encoding; filled in, and brought along."""
    keywords = ("KVP", "WindowCenter", "SoftwareVersions", "PhysiciansOfRecord", "ScanOptions")
    for number, sample in enumerate(samples()):
        if number == 40:
            empty.add(*keywords)
        named = (sample.sop_class_uid, sample.sop_instance_uid, sample.transfer_syntax_uid)
        try:
            empty.archive.store(Received(*named, sample.data_set, CHARSET))
        except ArchiveError:  # the tests of the corpus say which, and why
            continue
    empty.fill()
    compare(empty, [query(level, **{name: ""}) for name in keywords for level in Level])
    assert max(empty.read) == 0


def test_a_corrected_value_is_matched_and_answered(held: Held) -> None:
    """Also of a patient by the ID that it came with, and until it is undone."""
    held.add("ImageComments", "KVP")
    held.fill()
    tree = held.archive.tree
    asked = [
        query(level, OPTIONS[1], **{keyword: text})
        for level in Level
        for keyword, texts in (("ImageComments", ("", "new*", "*n")), ("KVP", ("99", "120", '""')))
        for text in texts
    ]
    told = {"user": "me", "before": {}}
    for entity, values in (
        ((Level.STUDY, "1.1"), {"ImageComments": "new"}),
        ((Level.PATIENT, "P0"), {"ImageComments": "newest", "PatientID": "P9"}),
        ((Level.IMAGE, "3.7"), {"KVP": "99"}),
    ):
        made = correct(tree, entity, values, **told)
        compare(held, asked)
    assert len(list(held.ask(query(Level.IMAGE, ImageComments="new*")))) == 6
    undo(tree, made.number, "me")
    compare(held, asked)


def test_what_cannot_be_read_is_told_of_as_before(held: Held) -> None:
    held.add("KVP")
    tree = held.archive.tree
    for path in sorted(tree.data.glob("tree/*/*/*.dcm"))[:2]:
        path.write_bytes(path.read_bytes()[:200])
    held.fill()
    compare(held, list(queries("KVP")))
    assert max(held.read) == 2


def test_text_without_a_character_set_is_read_by_that_of_who_asks(held: Held) -> None:
    held.add("ImageComments")
    held.fill()
    for held.charset in (CHARSET, "ISO_IR 101", "ISO_IR 144"):
        asked = [query(Level.IMAGE, ImageComments=text) for text in ("", "Ünten", "*nten")]
        compare(held, asked)


# ---- before all is filled in, and beside what else is done


def test_until_they_are_filled_in_headers_are_read(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page; what is cut off goes on from there."""
    monkeypatch.setattr(key_filling, "_PAGE", 3)
    held.add("KVP")
    everything, index = query(Level.IMAGE, KVP=""), held.archive.index
    held.outcome(everything)
    for expected in (8, 5, 2, 0):
        steps = key_filling.KeyFilling(held.archive.tree, index).steps()
        next(steps)
        steps.close()
        compare(held, [query(level, KVP="120") for level in Level])
        held.outcome(everything)
        assert held.read[-1] == expected
    assert not key_filling.is_due(held.archive.tree.data)


def test_who_does_not_know_of_a_key_yet_leaves_its_values_to_be_filled_in(held: Held) -> None:
    """As another process that looked a moment ago."""
    held.add("KVP")
    held.fill()
    added_keys._known[held.archive.tree.data] = added_keys._Known(until=float("inf"))
    held.archive.store(Received(CT, "3.90", EXPLICIT, encoded(ct("1.1", "2.1", "3.90", KVP="120")),
                                CHARSET))  # fmt: skip
    compare(held, list(queries("KVP")))
    assert max(held.read) == 1
    held.fill()
    held.read.clear()
    compare(held, list(queries("KVP")))
    assert max(held.read) == 0


def test_what_is_replaced_or_deleted_takes_its_values_with_it(held: Held) -> None:
    from storage.index import forget

    held.add("KVP", "WindowCenter")
    held.fill()
    other = encoded(ct("1.0", "2.0.0", "3.0", KVP="55", WindowCenter="9\\8\\7"))
    held.archive.store(Received(CT, "3.0", EXPLICIT, other, CHARSET))
    held.archive.tree.withdraw(("1.1", "2.1.1", "3.1"), None)
    forget(held.archive.index, ("1.1", "2.1.1", "3.1"))
    compare(held, [*queries("KVP"), query(Level.IMAGE, KVP="55"), *queries("WindowCenter")])
    count = "SELECT COUNT(DISTINCT instance) FROM added_value"
    assert held.archive.index.engine.execute(count, ()) == [(10,)]


def test_a_file_that_was_replaced_while_it_was_read_is_left_out(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.add("KVP")
    filling = key_filling.KeyFilling(held.archive.tree, held.archive.index)
    read = filling._read

    def beside(*given: Any) -> Any:
        found = read(*given)
        other = encoded(ct("1.2", "2.3", "3.10", KVP="66"))
        held.archive.store(Received(CT, "3.10", EXPLICIT, other, CHARSET))  # the last row's number
        return found

    monkeypatch.setattr(filling, "_read", beside)
    for _ in filling.steps():
        pass
    compare(held, [*queries("KVP"), query(Level.IMAGE, KVP="66")])


def test_a_key_that_is_removed_leaves_nothing(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    from storage.index.engines import added_keys as tables

    monkeypatch.setattr(tables, "_MANY", 3)
    held.add("KVP", "ScanOptions")
    held.fill()
    for keyword in ("KVP", "ScanOptions"):
        added_keys.remove(held.archive.journal, keyword)
        assert key_filling.is_due(held.archive.tree.data)
        held.fill()
        compare(held, [query(Level.SERIES, KVP="120"), query(Level.IMAGE, ScanOptions="FAST")])
    assert not held.archive.index.engine.added_keys.are_there
    held.add("KVP")  # again
    held.fill()
    compare(held, list(queries("KVP")))
    assert held.read[-1] == 0


def test_a_key_that_is_removed_while_it_is_asked_for_narrows_nothing(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.add("KVP")
    held.fill()
    unchanged = KeyValues.are_unchanged

    def removed(values: KeyValues) -> Any:
        added_keys.remove(held.archive.journal, "KVP")
        held.fill()
        return unchanged.fget(values)

    asked = query(Level.IMAGE, KVP="120")
    wanted = held.outcome(asked)
    monkeypatch.setattr(KeyValues, "are_unchanged", property(removed))
    assert held.outcome(asked) == wanted
    assert held.read[-1] == 11


# ---- how much is looked at


def test_no_bound_of_headers_and_no_turn_is_for_what_the_index_holds(held: Held) -> None:
    held.add("KVP")
    held.fill()
    limits = HeaderLimits(most=1, turns=1)
    with turn(held.archive.tree.data / "headers.lock", 1, lambda: None):
        found = held.archive.find(query(Level.IMAGE, KVP="120"), CHARSET, limits=limits)
        assert len(list(found)) == 5
    assert (found.search.read, found.search.total) == (0, 0)


def test_beside_a_key_that_was_not_added_fewer_headers_are_read(held: Held) -> None:
    held.add("KVP")
    held.fill()
    both = held.ask(query(Level.IMAGE, KVP="080", ScanOptions="*F*"))
    list(both)
    assert (both.search.read, both.search.total) == (3, 3)
    with pytest.raises(ResourceError, match="ScanOptions: over 1 headers"):
        list(held.ask(query(Level.IMAGE, KVP="", ScanOptions="*F*"), most=1))


@pytest.mark.parametrize(("keys", "looked_at"), [
    ({"KVP": "55"}, 1),
    ({"KVP": "120"}, 5),
    ({"PhysiciansOfRecord": "weiss^anna"}, 2),
    ({"PhysiciansOfRecord": "*anna"}, 2),
    ({"KVP": "1.2e2", "ScanOptions": "FAST"}, 2),
])  # fmt: skip
def test_no_more_are_looked_at_than_may_match(
    held: Held, keys: dict[str, str], looked_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what has another VR than PS3.6 knows."""
    held.add("KVP", "PhysiciansOfRecord", "ScanOptions")
    held.fill()
    looked: list[int] = []
    of = KeyValues.of

    def counted(values: KeyValues, rows: list[int]) -> Any:
        looked.extend(rows)
        return of(values, rows)

    monkeypatch.setattr(KeyValues, "of", counted)
    list(held.ask(query(Level.IMAGE, **keys)))
    assert len(looked) == looked_at


def test_many_that_may_match_are_not_listed_first(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage.archive.finding import key_values

    monkeypatch.setattr(key_values, "_MOST_LOOKED_UP", 1)
    held.add("KVP", "PhysiciansOfRecord")
    held.fill()
    compare(held, [*queries("KVP"), *queries("PhysiciansOfRecord")])


# ---- which can be added


@pytest.mark.parametrize(("name", "why"), [
    ("KVPP", "no attribute of PS3.6; the nearest is KVP"),
    ("PatientName", "a column of its own"),
    ("ModalitiesInStudy", "a column of its own, or is computed"),
    ("ReferencedStudySequence", "a sequence"),
    ("RequestAttributesSequence.RequestedProcedureID", "lies in one"),
    ("PixelData", "bulk data"),
    ("00091001", "private"),
    ("(0018,0000)", "no attribute"),
    ("SpecificCharacterSet", "no attribute of PS3.6 that a query can have"),
    ("QueryRetrieveLevel", "no attribute of PS3.6 that a query can have"),
    ("MediaStorageSOPInstanceUID", "no attribute of PS3.6 that a query can have"),
    ("DigitalSignaturesSequence", "a sequence"),
    ("DataSetTrailingPadding", "no attribute"),
])  # fmt: skip
def test_what_cannot_be_added_is_refused_and_why(name: str, why: str) -> None:
    with pytest.raises(IdentifierError) as refused:
        added_keys.addable(name)
    assert why in str(refused.value)


@pytest.mark.parametrize("name", ["KVP", "00180060", "(0018,0060)"])
def test_an_attribute_is_added_by_its_keyword_or_tag(name: str) -> None:
    assert added_keys.addable(name) == "KVP"


def test_lines_of_another_version_are_passed_over(held: Held) -> None:
    journal = held.archive.journal
    for keyword in (7, "PatientName", "KVP"):
        journal.append(added_keys.KEYS, keyword=keyword, added=True)
    journal.append(added_keys.KEYS, keyword="KVP")
    assert list(added_keys.decided(held.archive.journal)) == ["KVP"]


# ---- which are asked for


def test_the_note_of_what_was_asked_is_bounded(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """And of what is damaged, or cannot be written, nothing is told."""
    monkeypatch.setattr(asked_keys, "_MOST_BYTES", 1000)
    data = held.archive.tree.data
    keys = [Tag("KVP"), Tag("ReferencedStudySequence"), Tag(0x00091001)]
    for _ in range(100):
        asked_keys.note(data, keys, 7)
    asked_keys.note(data, keys[1:], 7)
    asked_keys.note(data / "nowhere", keys, 7)
    (one,) = asked_keys.asked_keys(data)
    assert (one.keyword, one.headers) == ("KVP", 7 * one.queries)
    assert 10 < one.queries < 40
    files = list(data.glob("asked-keys*"))
    assert len(files) == 2
    assert all(path.stat().st_size < 1200 for path in files)
    files[0].write_text("{\n[]\n{}\n")
    assert len(asked_keys.asked_keys(data)) <= 1

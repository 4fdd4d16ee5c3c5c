"""What is read at most of a stranger's data set, counted in elements, items, values and seconds."""

import os
import random
import re
import struct
import time
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from pydicom.tag import Tag
from support import CT, ECHO, EXPLICIT, FIND, IMPLICIT, RunningNode, samples
from support.network.plain_peer import Wire
from support.network.wire import (
    Held,
    association_request,
    command_set,
    message,
    messages,
    request,
    uid,
    us,
)

from storage.diagnostics.errors import (
    ArchiveError,
    BudgetError,
    DataSetError,
    IdentifierError,
)
from storage.dicom import instance_header
from storage.dicom.data_sets.budget import WHOLE, ReadBudget, heeding
from storage.dicom.data_sets.reader import DEFLATED as DEFLATED_SYNTAXES
from storage.dicom.data_sets.reader import _data_set, _form, _read_counted
from storage.dicom.data_sets.reducing import reduced
from storage.dicom.data_sets.references import TRANSACTION_UID, read_references
from storage.dicom.values.conversion import LONG_FORM_VRS
from storage.query.identifier import Query, Root
from storage.query.rules import matches

DEFLATED, BIG_ENDIAN = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
COMMIT, WELL_KNOWN = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
MIB = 1 << 20
# Far more than it takes: the machine may be slow. Without a budget it is minutes.
SECONDS = 20.0
UNDEFINED = 0xFFFFFFFF
SEQUENCE, REQUESTS, REFERENCES = 0x00321064, 0x00400275, 0x00081199


def ex(tag: int, vr: str, value: bytes = b"", length: int | None = None) -> bytes:
    """An element in Explicit VR Little Endian."""
    size = len(value) if length is None else length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    return head + struct.pack("<2xI" if vr in LONG_FORM_VRS else "<H", size) + value


def im(tag: int, value: bytes = b"", length: int | None = None) -> bytes:
    """An item, or an element in Implicit VR."""
    size = len(value) if length is None else length
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, size) + value


ITEM, OPEN = im(0xFFFEE000), im(0xFFFEE000, length=UNDEFINED)
ITEM_END, END = im(0xFFFEE00D), im(0xFFFEE0DD)


def sequence(tag: int, items: bytes, undefined: bool = False) -> bytes:
    return ex(tag, "SQ", items + END, UNDEFINED) if undefined else ex(tag, "SQ", items)


def nested(depth: int) -> bytes:
    return (ex(SEQUENCE, "SQ", b"", UNDEFINED) + OPEN) * depth + (ITEM_END + END) * depth


def nested_by_length(depth: int) -> bytes:
    heads, size = [], 0
    for _ in range(depth):
        heads.append(ex(SEQUENCE, "SQ", b"", size + 8) + im(0xFFFEE000, length=size))
        size += 20
    return b"".join(reversed(heads))


def many(one: bytes, size: int = 3 * MIB) -> bytes:
    return one * (size // len(one))


def each(count: int, vr: str = "LO", start: int = 0x00090000) -> bytes:
    return b"".join(ex(start + number, vr) for number in range(count))


def deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


ESCAPES = b"\x1b$B0!\x1b(B"
# What is between the level and the end of an identifier -> what is said of it; None: it is read.
BOMBS: dict[str, tuple[Callable[[], bytes], str | None]] = {
    "empty items": (lambda: sequence(SEQUENCE, many(ITEM)), r"More than 10000 items in \(0032"),
    "empty items, to a delimiter": (
        lambda: sequence(SEQUENCE, many(ITEM), True), r"More than 10000 items in \(0032,1064\)"),
    "items to delimiters": (
        lambda: sequence(SEQUENCE, many(OPEN + ITEM_END)), "More than 10000 items"),
    "items of an empty element": (
        lambda: sequence(SEQUENCE, many(im(0xFFFEE000, ex(0x00080100, "SH")))), "10000 items"),
    "sequences in an item": (
        lambda: sequence(SEQUENCE, im(0xFFFEE000, many(sequence(0x00080096, ITEM)))), "10000"),
    "UN to a delimiter": (
        lambda: ex(0x00091001, "UN", many(ITEM) + END, UNDEFINED), "More than 10000 items"),
    "sequences in sequences": (lambda: nested(60_000), "nested too deep: 64 levels"),
    "sequences in sequences, by length": (
        lambda: nested_by_length(60_000), "nested too deep: 64|More than .* bytes of values"),
    "sequences without end": (
        lambda: (ex(SEQUENCE, "SQ", b"", UNDEFINED) + OPEN) * 90_000, "nested too deep"),
    "private elements": (lambda: each(200_000), "More than 20000 elements"),
    "one element again and again": (lambda: many(ex(0x00081030, "LO")), "More than 20000 elements"),
    "empty sequences": (lambda: each(250_000, "SQ"), "More than 20000 elements"),
    "private creators": (
        lambda: b"".join(ex(g << 16 | e, "LO", b"ACME") for g in range(9, 999, 2)
                         for e in range(0x10, 0x100)), "More than 20000 elements"),
    "character sets": (
        lambda: ex(0x00080005, "UN", many(b"ISO 2022 IR 87\\")), r"4096 bytes in \(0008,0005\)"),
    "names of carets": (lambda: ex(0x00100010, "PN", b"^*" * 32_000), "Over 16384 characters in"),
    "names of groups": (lambda: ex(0x00100010, "PN", b"=" * 64_000), "Over 16384 characters in"),
    "names of stars": (lambda: ex(0x00100010, "PN", b"^*" * 8_000), None),
    "names of wildcards": (lambda: ex(0x00100010, "PN", b"*?" * 8_000), None),
    "escape sequences": (
        lambda: ex(0x00081030, "UN", many(ESCAPES)), r"More than 1048576 bytes of text"),
    "escape sequences in many": (
        lambda: b"".join(ex(0x00091000 + n, "LO", ESCAPES * 8000) for n in range(60)), "of text"),
    "numbers": (lambda: ex(0x00101030, "UN", many(b"1\\")), "More than 200000 values"),
    "floats": (lambda: ex(0x00189074, "FD", b"\1" * 65528) * 1 + b"".join(
        ex(0x00191000 + n, "FD", b"\1" * 65528) for n in range(60)), "More than 200000 values"),
    "tags": (lambda: ex(0x00280009, "UN", many(b"\0\1\0\2")), "More than 200000 values"),
    "values of nothing": (lambda: ex(0x00081030, "UN", many(b"\\")), "More than 200000 values"),
    "UIDs of nothing": (lambda: ex(0x00080018, "UN", many(b"\\")), "More than 200000 values"),
    "one long UID": (lambda: ex(0x00080018, "UN", many(b"1")), "Over 16384 characters in SOP"),
    "dashes for a date": (lambda: ex(0x0008002A, "DT", b"-" * 16_000), None),
    "dates for a date": (lambda: ex(0x0008002A, "DT", b"2020-" * 3_200), None),
    "bulk data": (lambda: ex(0x00420011, "OB", many(b"1")), None),
    "unlimited text": (lambda: ex(0x0040A160, "UT", many(b"1")), "More than 1048576 bytes of text"),
    "a length beyond the end": (lambda: ex(SEQUENCE, "SQ", bytes(100), 6 * MIB), "cut short"),
}  # fmt: skip


@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED])
@pytest.mark.parametrize("what", BOMBS)
def test_an_identifier_is_read_within_its_budget(what: str, syntax: str) -> None:
    made, words = BOMBS[what]
    data = ex(0x00080052, "CS", b"STUDY ") + made()
    data = deflate(data) if syntax == DEFLATED else data
    started, said = time.process_time(), ""
    try:
        query = Query.read(Root.STUDY, data, syntax, "")
        for key in query.keys.values():
            assert not [n for n in range(20) if matches(key.vr, f"a{n}", key.text)]
    except (DataSetError, IdentifierError) as error:
        said = str(error)
    assert time.process_time() - started < SECONDS
    assert not said if words is None else re.search(words, said), said


UIDS = ex(0x00080016, "UI", CT.encode() + b"\0") + ex(0x00080018, "UI", b"1.4.7\0")
HIERARCHY = ex(0x0020000D, "UI", b"1.2.7\0") + ex(0x0020000E, "UI", b"1.3.7\0")
# What a header has between its UIDs -> what is said of it where it is refused.
HEADERS: dict[str, tuple[Callable[[], bytes], str]] = {
    **{what: (BOMBS[what][0], "") for what in (
        "empty items", "empty items, to a delimiter", "items to delimiters",
        "items of an empty element", "sequences in an item", "UN to a delimiter",
        "sequences in sequences", "sequences in sequences, by length", "private elements",
        "one element again and again", "empty sequences", "bulk data",
    )},
    "items that the index needs": (lambda: sequence(REQUESTS, ITEM * 700_000), "bytes in .0040"),
    "fewer of these": (lambda: sequence(REQUESTS, ITEM * 20_000), r"10000 items in \(0040,0275"),
    "a long name": (lambda: ex(0x00100010, "UN", many(b"^", 5 * MIB)), "bytes in .0010,0010."),
    "a long comment": (lambda: ex(0x00104000, "UN", bytes(2 * MIB)), "1048576 bytes of text"),
    "sequences without end": (BOMBS["sequences without end"][0], "ends early"),
}  # fmt: skip


@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED])
@pytest.mark.parametrize("what", HEADERS)
def test_a_header_is_found_whatever_lies_between(what: str, syntax: str) -> None:
    """What the index does not need is passed over; of what it needs, so much is read."""
    made, words = HEADERS[what]
    # Not where it belongs: in front of what is looked for.
    data = UIDS + made() + HIERARCHY
    data = deflate(data) if syntax == DEFLATED else data
    started = time.process_time()
    if words:
        with pytest.raises(DataSetError, match=words):
            instance_header.header(BytesIO(data), syntax, "")
    else:
        assert instance_header.header(BytesIO(data), syntax, "").uids == ("1.2.7", "1.3.7", "1.4.7")
    assert time.process_time() - started < SECONDS


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED])
def test_a_large_structure_is_no_fault(undefined: bool, syntax: str) -> None:
    """A report of 60,000 measurements, and the evidence for it."""

    def item(value: bytes) -> bytes:
        return OPEN + value + ITEM_END if undefined else im(0xFFFEE000, value)

    code = item(ex(0x00080100, "SH", b"121071") + ex(0x00080102, "SH", b"DCM "))
    measured = item(ex(0x0040A040, "CS", b"NUM ") + sequence(0x0040A043, code, undefined))
    reference = item(ex(0x00081150, "UI", CT.encode()) + ex(0x00081155, "UI", b"1.2.3.4\0"))
    evidence = sequence(0x00081140, reference * 30_000, undefined)
    data = UIDS + evidence + HIERARCHY + sequence(0x0040A730, measured * 60_000, undefined)
    data = deflate(data) if syntax == DEFLATED else data
    started = time.process_time()
    assert instance_header.header(BytesIO(data), syntax, "").uids == ("1.2.7", "1.3.7", "1.4.7")
    assert time.process_time() - started < SECONDS


def test_a_sequence_of_gigabytes_is_passed_over(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("w+b") as file:
        file.write(UIDS + ex(0x00091010, "SQ", b"", 3 << 30) + im(0xFFFEE000, length=(3 << 30) - 8))
        file.seek((3 << 30) - 8, os.SEEK_CUR)
        file.write(HIERARCHY)
        file.seek(0)
        assert instance_header.header(file, EXPLICIT, "").uids == ("1.2.7", "1.3.7", "1.4.7")


def test_what_inflates_to_gigabytes_is_given_up() -> None:
    deflater = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    head, zeros = UIDS + ex(0x00091010, "OB", b"", 0x7FFFFFFE), bytes(16 * MIB)
    data = deflater.compress(head)
    data += b"".join(deflater.compress(zeros) for _ in range(4)) + deflater.flush()
    started = time.process_time()
    with pytest.raises(DataSetError, match=r"ends early|more than 3 seconds"):
        instance_header.header(BytesIO(data), DEFLATED, "")
    assert time.process_time() - started < SECONDS
    with pytest.raises(BudgetError, match="More than 16777216 bytes when it is inflated"):
        Query.read(Root.STUDY, deflate(bytes(20 * MIB)), DEFLATED, "")


@pytest.mark.parametrize("cut", range(1, 6))
def test_a_deflated_identifier_without_its_end_is_refused(cut: int) -> None:
    """It may lack a key, and would ask for more than was meant."""
    data = ex(0x00080052, "CS", b"STUDY ") + ex(0x00100020, "LO", b"P1")
    whole = deflate(data)
    assert Query.read(Root.STUDY, whole + b"\0", DEFLATED, "").keys[Tag("PatientID")].text == "P1"
    with pytest.raises(DataSetError, match=r"ends early|damaged"):
        Query.read(Root.STUDY, whole[:-cut], DEFLATED, "")


# ---- memory

MOST_MIB = 100


@pytest.mark.parametrize("what", ["empty items", "sequences in sequences, by length",
                                  "UIDs of nothing", "numbers", "private elements"])  # fmt: skip
def test_a_bomb_takes_little_memory(what: str) -> None:
    data = ex(0x00080052, "CS", b"STUDY ") + BOMBS[what][0]()
    read, written = os.pipe()
    child = os.fork()
    if not child:
        Path("/proc/self/clear_refs").write_text("5")
        before = _peak_mib()
        try:
            Query.read(Root.STUDY, data, EXPLICIT, "")
        except ArchiveError:
            os.write(written, struct.pack("i", _peak_mib() - before))
        os._exit(0)
    os.close(written)
    os.waitpid(child, 0)
    with os.fdopen(read, "rb") as pipe:
        assert struct.unpack("i", pipe.read())[0] < MOST_MIB


def _peak_mib() -> int:
    line = next(s for s in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in s)
    return int(line.split()[1]) // 1024


# ---- who asked for it


class GoneError(Exception):
    pass


@pytest.mark.parametrize("read", [
    lambda: Query.read(Root.STUDY, ex(0x00080052, "CS", b"STUDY ") + sequence(
        SEQUENCE, ITEM * 9_000), EXPLICIT, ""),
    lambda: Query.read(Root.STUDY, ex(0x00080052, "CS", b"STUDY ") + sequence(
        SEQUENCE, ITEM * 9_000, True), EXPLICIT, ""),
    lambda: instance_header.header(BytesIO(UIDS + each(300_000) + HIERARCHY), EXPLICIT, ""),
])  # fmt: skip
def test_a_reader_stops_when_its_peer_is_gone(read: Callable[[], object]) -> None:
    def gone() -> None:
        raise GoneError

    with heeding(gone), pytest.raises(GoneError):
        read()
    with pytest.raises(GoneError), heeding(gone):
        read()
    read()  # nobody is asked any more


# ---- what is passed over


def test_what_is_left_of_a_data_set_is_what_was_there() -> None:
    """Of real data sets, whole and damaged: the same values as pydicom's, or a refusal."""
    wanted = {int(Tag(0x0008, 0x0005)), *map(int, instance_header._TAGS), 0x00081140, 0x0040A730}
    draw, compared = random.Random(15), 0
    for sample in samples():
        data, syntax = sample.data_set[:20_000], sample.transfer_syntax_uid
        if syntax in DEFLATED_SYNTAXES:
            continue
        for damaged in (data, *(_damaged(data, draw) for _ in range(3))):
            expected, found = _values(damaged, syntax, wanted, False), None
            found = _values(damaged, syntax, wanted, True)
            compared += found is not None and expected is not None
            assert found is None or expected is None or found == expected, sample.name
    assert compared > 100


def _damaged(data: bytes, draw: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(3):
        at = draw.randrange(min(len(changed), 3000))
        if draw.random() < 0.5:
            changed[at] = draw.choice((0, 1, 8, 0xFE, 0xFF))
        else:
            del changed[at : at + draw.randint(1, 12)]
    return bytes(changed)


def _values(data: bytes, syntax: str, wanted: set[int], reduces: bool) -> dict[int, object] | None:
    form, last, budget = _form(syntax), 0x7FDFFFFF, ReadBudget(WHOLE)
    try:
        if reduces:
            few = reduced(BytesIO(data), False, *form, wanted, last, budget)
            found = _data_set(few, form[1], budget)
        else:
            found = _read_counted(BytesIO(data), form, [*wanted], last, budget)
    except DataSetError:
        return None
    return {
        int(tag): one.value if isinstance(one.value, bytes | None) else len(one.value)
        for tag, one in found._dict.items()
    }


# ---- storage commitment

_SEQUENCES = {REFERENCES: (0x00081150, 0x00081155)}


def _asked(items: bytes, transaction: bytes = b"1.9.9\0") -> bytes:
    return ex(TRANSACTION_UID, "UN", transaction) + sequence(REFERENCES, items)


def _reference(number: int) -> bytes:
    named = f"1.2.840.10008.{number:040d}".encode()
    return im(0xFFFEE000, ex(0x00081150, "UI", CT.encode()) + ex(0x00081155, "UI", named))


@pytest.mark.parametrize(("syntax", "count"), [(EXPLICIT, 100_000), (DEFLATED, 20_000)])
def test_a_request_names_instances_by_the_hundred_thousand(syntax: str, count: int) -> None:
    data = ex(TRANSACTION_UID, "UI", b"1.9.9\0") + sequence(
        REFERENCES, b"".join(map(_reference, range(count)))
    )
    started = time.process_time()
    found = read_references(deflate(data) if syntax == DEFLATED else data, syntax, _SEQUENCES)
    assert time.process_time() - started < SECONDS
    assert len(found.items[REFERENCES]) == count
    assert found.items[REFERENCES][7] == (CT, f"1.2.840.10008.{7:040d}")


@pytest.mark.parametrize(("data", "words"), [
    (lambda: _asked(many(ITEM)), r"More than 10000 items in \(0008,1199\)"),
    (lambda: _asked(b"", b"1." + b"2" * MIB), "Transaction UID is longer than 64 characters"),
    (lambda: _asked(b"", b"1\\" * MIB), "More than 200000 values|longer than 64"),
    (lambda: _asked(im(0xFFFEE000, ex(0x00081155, "UI", b"1" * 65))), "UID of an item is longer"),
    (lambda: ex(REFERENCES, "SQ", many(OPEN + ITEM_END) + END, UNDEFINED), "More than 10000 items"),
])  # fmt: skip
def test_what_is_said_of_a_request_is_true(data: Callable[[], bytes], words: str) -> None:
    started = time.process_time()
    with pytest.raises(DataSetError, match=words):
        read_references(data(), EXPLICIT, _SEQUENCES)
    assert time.process_time() - started < SECONDS


# ---- on the wire


def _answers(node: RunningNode, sop_class: str, syntax: str, *sent: bytes) -> list[Held]:
    opening = association_request([(1, sop_class, [syntax]), (3, ECHO, [IMPLICIT])])
    with Wire(node.port) as wire:
        wire.associate(opening)
        for one in sent:
            assert wire.send(one)
        pdus, answers = [wire.receive()], list[Held]()
        while not answers or answers[-1].number(0x0900) in (0xFF00, 0xFF01):
            answers = list(messages(pdus))
            if not answers or answers[-1].number(0x0900) in (0xFF00, 0xFF01):
                pdus.append(wire.receive())
                assert pdus[-1]
        return answers


def test_a_node_says_which_limit_it_was(node: RunningNode) -> None:
    items = many(ITEM, MIB // 2)
    find = command_set(request(0x0020, FIND["STUDY"], True, (0x0700, us(0))))
    asked = ex(0x00080052, "CS", b"STUDY ") + sequence(SEQUENCE, items)
    store = command_set(request(0x0001, CT, True, (0x0700, us(0)), (0x1000, uid("1.4.7"))))
    stored = UIDS + HIERARCHY + sequence(REQUESTS, ITEM * 20_000)
    act = command_set([(0x0003, uid(COMMIT)), (0x0100, us(0x0130)), (0x0110, us(1)),
                       (0x0800, us(1)), (0x1001, uid(WELL_KNOWN)), (0x1008, us(1))])  # fmt: skip
    for sop_class, command, data, status, words in (
        (FIND["STUDY"], find, asked, 0xC000, "More than 10000 items in (0032,1064)"),
        (CT, store, stored, 0xC000, "More than 10000 items in (0040,0275)"),
        (COMMIT, act, _asked(items), 0x0213, "More than 10000 items in (0008,1199)"),
        (COMMIT, act, _asked(b"", b"1." + b"2" * MIB), 0x0115,
         "Transaction UID is longer than 64 characters"),
    ):  # fmt: skip
        (answer,) = _answers(node, sop_class, EXPLICIT, message(1, command, data))
        assert answer.number(0x0900) == status
        assert answer.text(0x0902) == words


def test_what_is_too_much_of_a_stored_header_is_left_out(node: RunningNode) -> None:
    """Of others the query is answered, and all say that not all was matched."""
    for number, items in ((7, 20_000), (8, 2)):
        command = (0x0700, us(0)), (0x1000, uid(f"1.4.{number}"))
        data = ex(0x00080016, "UI", CT.encode() + b"\0")
        data += ex(0x00080018, "UI", b"1.4.%d\0" % number)
        data += ex(0x0020000D, "UI", b"1.2.%d\0" % number)
        data += ex(0x0020000E, "UI", b"1.3.%d\0" % number) + sequence(SEQUENCE, ITEM * items)
        stored = message(1, command_set(request(0x0001, CT, True, *command)), data)
        (answer,) = _answers(node, CT, EXPLICIT, stored)
        assert answer.number(0x0900) == 0x0000
    find = command_set(request(0x0020, FIND["STUDY"], True, (0x0700, us(0))))
    mark = node.mark()
    asked = ex(0x00080052, "CS", b"STUDY ") + ex(0x0020000D, "UI") + sequence(SEQUENCE, b"")
    *pending, last = _answers(node, FIND["STUDY"], EXPLICIT, message(1, find, asked))
    assert last.number(0x0900) == 0x0000
    assert [b"1.2.8" in (one.data or b"") for one in pending] == [True]
    node.wait_for_log("too much to read of stored headers", "1.4.7", after=mark)


def test_a_title_that_is_none_ends_the_association(node: RunningNode) -> None:
    """It would be repeated in answers, log and trail."""
    long = command_set(request(0x0001, CT, True, (0x0700, us(0)), (0x1000, b"1" * 2000)))
    with Wire(node.port) as wire:
        wire.associate(association_request([(1, CT, [EXPLICIT])]))
        assert wire.send(message(1, long, b""))
        assert wire.is_over(10.0)
    node.wait_for_log("a UID or title of 2000 characters")
    assert node.echoes()

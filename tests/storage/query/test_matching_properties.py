"""For any value and any key the index answers what a plain reading of PS3.4 C.2.2.2 says.

The reading is this file's own: it shares no code with storage.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from support.names import examples

from storage import Archive, Level, Options, Query, Root, prepare
from storage.dicom.data_sets.elements import Element
from storage.dicom.instance_header import Header
from storage.dicom.values.attributes import BY_KEYWORD, TABLE, UNIQUE
from storage.index.writer import FileFacts, forget, record

# ---- the reading


def is_universal(key: str) -> bool:
    """C.2.2.2.3: a key of zero length, or a star alone; of a list, one of them."""
    parts = [part.strip(" ") for part in key.split("\\")]
    return not any(parts) or any(part and set(part) == {"*"} for part in parts)


def parts_of(key: str) -> list[str]:
    """The keys of a list, an extension; padding does not count (PS3.5 6.2)."""
    return [part.strip(" ") for part in key.split("\\") if part.strip(" ")]


def fits(key: str, value: str) -> bool:
    """C.2.2.2.1 and C.2.2.2.4: `*` stands for any characters or none, `?` for any one."""
    signs = {"*": ".*", "?": "."}
    pattern = "".join(signs.get(character) or re.escape(character) for character in key)
    return re.fullmatch(pattern, value, re.DOTALL) is not None


def text(value: str, key: str) -> bool:
    """Any value of the attribute fits any key."""
    pairs = itertools.product(parts_of(key), value.split("\\"))
    return is_universal(key) or any(fits(part, single) for part, single in pairs)


PLAIN = {"Ä": "a", "ä": "a", "É": "e", "é": "e"}
# `?` stands for a letter of the name as it is written, too: each of these is either.
LETTERS = {"ß": ("ss", "ß"), "ﾊﾟ": ("パ", "ハ\u309a"), "ﾊ": ("ハ",), "ﾟ": ("\u309a",)}


def readings(written: str) -> Iterator[str]:
    """A name as it may be read, one or two characters in place of a letter."""
    parts = re.split("(" + "|".join(LETTERS) + ")", written)
    for read in itertools.product(*(LETTERS.get(part, (part,)) for part in parts)):
        yield "".join(read)


def groups_of(name: str) -> list[str]:
    """Component groups without case, accents, and what is empty at the end (PS3.5 6.2.1)."""
    groups = []
    for group in name.lower().translate(str.maketrans(PLAIN)).split("=")[:3]:
        components = [component.strip(" ") for component in group.split("^")]
        while components and not components[-1]:
            components.pop()
        groups.append("^".join(components))
    return groups + [""] * (3 - len(groups))


def one_name(value: str, key: str) -> bool:
    """C.2.2.2.1.1: a key of one group finds it in any; else group by group, empty ones in all."""
    held, wanted = groups_of(value), groups_of(key)
    if not any(wanted):
        return True
    if not wanted[1] and not wanted[2]:
        return not wanted[0].strip("*") or any(fits(wanted[0], group) for group in held)
    return all(
        not part.strip("*") or fits(part, group) for part, group in zip(wanted, held, strict=True)
    )


def name(value: str, key: str) -> bool:
    """Any of the names, by any of the keys."""
    pairs = itertools.product(parts_of(key), value.split("\\"))
    return is_universal(key) or any(
        one_name(read, next(readings(part))) for part, single in pairs for read in readings(single)
    )


Span = tuple[int, int]


def day(written: str) -> Span | None:
    """A DA value as a number."""
    return (int(written), int(written)) if re.fullmatch(r"\d{8}", written) else None


def time_of_day(written: str) -> Span | None:
    """The first and last microsecond of a TM value: one of less precision stands for its span."""
    match = re.fullmatch(r"(\d\d)((\d\d)((\d\d)(\.\d{1,6})?)?)?", written)
    if not match:
        return None
    hours, minutes, seconds, fraction = match[1], match[3], match[5], match[6]
    first = int(hours) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    if fraction:
        start = first * 10**6 + int(fraction[1:].ljust(6, "0"))
        return start, start + 10 ** (7 - len(fraction)) - 1
    seconds_long = 1 if seconds else 60 if minutes else 3600
    return first * 10**6, (first + seconds_long) * 10**6 - 1


Read = Callable[[str], Span | None]
EARLIEST, LATEST = -1, 10**14


def bounds(key: str, read: Read) -> tuple[str, Span] | None:
    """The form of a key, `one`, `a-b`, `a-` or `-b`, and what it spans (C.2.2.2.5)."""
    single = read(key)
    if single:
        return "one", single
    ends = [end.strip(" ") for end in key.split("-")]
    if len(ends) != 2 or not any(ends):
        return None
    first, last = (read(end) for end in ends)
    if (ends[0] and not first) or (ends[1] and not last):
        return None
    form = f"{'a' if first else ''}-{'b' if last else ''}"
    return form, (first[0] if first else EARLIEST, last[1] if last else LATEST)


def ranges(read: Read) -> Callable[[str, str], bool]:
    """Range matching by `read`; what is malformed is found by its own text alone."""

    def one(value: str, key: str) -> bool:
        held, asked = read(value), bounds(key, read)
        if asked is None:
            return value == key
        return held is not None and asked[1][0] <= held[0] <= asked[1][1]

    def any_of(value: str, key: str) -> bool:
        pairs = itertools.product(parts_of(key), value.split("\\"))
        return is_universal(key) or any(one(single, part) for part, single in pairs)

    return any_of


def integer(value: str, key: str) -> bool:
    """By value, an extension; what is no integer is found by its own text."""

    def read(written: str) -> int | str:
        return int(written) if re.fullmatch(r"[+-]?[0-9]+", written) else written

    pairs = itertools.product(parts_of(key), value.split("\\"))
    return is_universal(key) or any(read(part) == read(single) for part, single in pairs if single)


def uids(value: str, key: str) -> bool:
    """C.2.2.2.2."""
    return is_universal(key) or value in parts_of(key)


# ---- values and keys


def joined(one: SearchStrategy[str], most: int, filler: Sequence[str] = ()) -> SearchStrategy[str]:
    """Several with backslashes between; rarely with more fillers than fit a statement."""
    several = st.lists(one, min_size=1, max_size=most).map("\\".join)
    if not filler:
        return several
    return st.one_of(several, several, several.map(lambda key: "\\".join([key, *filler])))


LOOKS = "AaB1_%[]'\"-é山"
ONE_TEXT = st.text(LOOKS + "*? ", max_size=6).map(lambda value: value.strip(" "))
TEXT_KEY = st.one_of(st.text(LOOKS + "*? ", max_size=7), st.text("A*", max_size=9))

COMPONENTS = st.text("AaBbÄäÉéßﾊﾟ山や' ", max_size=4)
NAME_KEY_COMPONENTS = st.text("AaBbÄäÉéßﾊﾟ山や'*? ", max_size=4)


def names(component: SearchStrategy[str]) -> SearchStrategy[str]:
    group = st.lists(component, min_size=1, max_size=3).map("^".join)
    return st.lists(group, min_size=1, max_size=3).map("=".join).map(lambda made: made.strip(" "))


DAYS = st.sampled_from(["20231231", "20240101", "20240102", "20240229", "20241231"])
TIMES = st.sampled_from(
    ["00", "09", "0959", "10", "1000", "1030", "103015", "103015.5", "103015.25", "23", "235959"]
)
NO_DAYS, NO_TIMES = st.sampled_from(["today", "202401011"]), st.sampled_from(["noon", "103", "1"])


def range_keys(one: SearchStrategy[str], malformed: SearchStrategy[str]) -> SearchStrategy[str]:
    dash = st.sampled_from(["-", " - "])
    either = st.one_of(one, malformed)
    return st.one_of(
        one,
        malformed,
        st.builds(lambda first, sign, last: first + sign + last, one, dash, one),
        st.builds(lambda first, last: f"{first}-{last}", either, either),
        one.map(lambda first: f"{first}-"),
        one.map(lambda last: f"-{last}"),
        st.sampled_from(["", "*", "-"]),
    )


INTEGERS = st.one_of(
    st.integers(-12, 12).map(str),
    st.integers(0, 12).map(lambda number: f"{number:03}"),
    st.integers(0, 12).map(lambda number: f"+{number}"),
    st.sampled_from(["-0", "ten", "1 0", "1-2"]),
)
UIDS = st.sampled_from(["1.2", "1.2.3", "1.2.30", "1.20", "2.25.1"])
MANY_UIDS = [f"1.9.{number}" for number in range(150)]
MANY_TEXTS = [f"filler {number}" for number in range(150)]


@dataclass(frozen=True)
class Kind:
    """An attribute of the index, what it may hold, what may be asked, and the rule for it."""

    keyword: str
    values: SearchStrategy[str]
    keys: SearchStrategy[str]
    rule: Callable[[str, str], bool]


def or_absent(one: SearchStrategy[str], most: int = 2) -> SearchStrategy[str]:
    """Mostly one value, now and then more (against PS3.6 for some) or none."""
    return st.one_of(one, one, joined(one, most), st.just(""))


NAMES, NAME_KEYS = names(COMPONENTS), names(NAME_KEY_COMPONENTS)
KINDS = (
    Kind("PatientName", or_absent(NAMES), joined(NAME_KEYS, 2), name),
    Kind("OtherPatientNames", or_absent(NAMES, 3), joined(NAME_KEYS, 2), name),
    Kind("StudyDate", or_absent(st.one_of(DAYS, NO_DAYS)),
         joined(range_keys(DAYS, NO_DAYS), 2), ranges(day)),
    Kind("StudyTime", or_absent(st.one_of(TIMES, NO_TIMES)),
         joined(range_keys(TIMES, NO_TIMES), 2), ranges(time_of_day)),
    Kind("StudyDescription", or_absent(ONE_TEXT), joined(TEXT_KEY, 2), text),
    Kind("AccessionNumber", or_absent(ONE_TEXT), joined(TEXT_KEY, 2, MANY_TEXTS), text),
    Kind("ImageType", or_absent(ONE_TEXT, 4), joined(TEXT_KEY, 2), text),
    Kind("InstanceNumber", or_absent(INTEGERS), joined(INTEGERS, 3), integer),
    Kind("SOPClassUID", UIDS, joined(UIDS, 3, MANY_UIDS), uids),
)  # fmt: skip


# ---- the archive


@pytest.fixture(scope="module")
def archive(
    tmp_path_factory: pytest.TempPathFactory, place_index: Callable[[Path], None]
) -> Iterator[Archive]:
    data = tmp_path_factory.mktemp("properties") / "data"
    prepare(data, sync=False, charset="ISO_IR 100")
    place_index(data)
    opened = Archive(data, sync=False)
    yield opened
    opened.close_thread()


# Of the file, which these tests do not look at.
FACTS = FileFacts(**{f.name: 100 if f.name == "file_bytes" else "" for f in fields(FileFacts)})
EMPTY = {attribute.column: "" for attribute in TABLE if attribute.stored}


def header(number: int, held: dict[str, str]) -> Header:
    """A header that holds `held`, of entities of its own at every level."""
    own = {
        "PatientID": f"P{number}",
        "StudyInstanceUID": f"1.2.1.{number}",
        "SeriesInstanceUID": f"1.2.2.{number}",
        "SOPInstanceUID": f"1.2.3.{number}",
        "SOPClassUID": "1.2.4",
    }
    return Header({**EMPTY, **own, **held})


def found(
    archive: Archive, values: Sequence[dict[str, str]], keys: dict[str, str], options: Options
) -> list[int]:
    """Which of `values`, each in an instance of its own, the index finds by `keys`."""
    headers = [header(number, held) for number, held in enumerate(values)]
    try:
        for made in headers:
            record(archive.index, made, FACTS)
        attributes = [BY_KEYWORD[keyword] for keyword in keys]
        level = max(Level.STUDY, *(attribute.level for attribute in attributes))
        unique = UNIQUE[level]
        asked = {a.tag: Element(a.vr, keys[a.keyword]) for a in attributes}
        query = Query(Root.STUDY, level, {unique.tag: Element("UI", ""), **asked}, options=options)
        place = query.returned.index(unique)
        answers = archive.find(query, "ISO_IR 100")
        return sorted(int(answer.texts[place].rsplit(".", 1)[1]) for answer in answers)
    finally:
        for made in headers:
            forget(archive.index, made.uids)


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.keyword) for kind in KINDS])
def test_the_index_answers_what_the_rule_says(archive: Archive, kind: Kind) -> None:
    """Keys are made from values too: else few would ever match."""

    @settings(max_examples=examples(120), deadline=None, database=None)
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        values = data.draw(st.lists(kind.values, min_size=1, max_size=4), label="values")
        likely = st.sampled_from(values).flatmap(altered)
        key = data.draw(st.one_of(kind.keys, likely), label="key")
        if kind.rule is name:
            assume(not AMBIGUOUS.search(key))
        held = [{kind.keyword: value} for value in values]
        expected = [number for number, value in enumerate(values) if kind.rule(value, key)]
        assert found(archive, held, {kind.keyword: key}, Options()) == expected

    holds()


# Whether `A^*` finds `A`, whose caret does not count, is asked in the table of queries.
AMBIGUOUS = re.compile(r"\^[\^ ]*[*?][\^*? ]*(=|\\|$)")


def altered(value: str) -> SearchStrategy[str]:
    """A value as a key: as it is, or with a wildcard, in another case, padded, or cut."""
    places = st.integers(0, len(value))
    return st.one_of(
        st.just(value),
        st.just(value.swapcase()),
        st.just(f" {value} "),
        places.map(lambda place: value[:place] + "*"),
        places.map(lambda place: "*" + value[place:]),
        places.map(lambda place: value[:place] + "?" + value[place + 1 :]),
        places.map(lambda place: value[:place] + "*" + value[place + 1 :]),
    )


def as_one_moment(date: str, time: str, date_key: str, time_key: str) -> bool:
    """C.2.2.2.5: ranges of the same form are one range of moments where that was negotiated."""
    days, times = bounds(date_key, day), bounds(time_key, time_of_day)
    if not (days and times) or days[0] != times[0] or days[0] == "one":
        return ranges(day)(date, date_key) and ranges(time_of_day)(time, time_key)
    held_day, held_time = day(date), time_of_day(time)
    if held_day is None or held_time is None:
        return False
    (first_day, last_day), (first_time, last_time) = days[1], times[1]
    return (first_day, first_time) <= (held_day[0], held_time[0]) <= (last_day, last_time)


@settings(max_examples=examples(200), deadline=None, database=None)
@given(
    st.lists(
        st.tuples(st.one_of(DAYS, st.just("")), st.one_of(TIMES, st.just(""))),
        min_size=1,
        max_size=4,
    ),
    range_keys(DAYS, NO_DAYS),
    range_keys(TIMES, NO_TIMES),
)
def test_the_index_answers_what_the_rule_of_combined_matching_says(
    archive: Archive, held: list[tuple[str, str]], date_key: str, time_key: str
) -> None:
    values = [{"StudyDate": date, "StudyTime": time} for date, time in held]
    keys = {"StudyDate": date_key, "StudyTime": time_key}
    expected = [
        number
        for number, (date, time) in enumerate(held)
        if as_one_moment(date, time, date_key, time_key)
    ]
    assert found(archive, values, keys, Options(date_time=True)) == expected


@pytest.mark.parametrize("weight", ["1E1000000", "-1E-1000000", "Infinity", "NaN", "sNaN", "0E9"])
def test_a_number_beyond_reason_is_kept_and_found_as_it_is(archive: Archive, weight: str) -> None:
    values = [{"PatientWeight": weight}, {"PatientWeight": "1"}]
    assert found(archive, values, {"PatientWeight": weight}, Options()) == [0]

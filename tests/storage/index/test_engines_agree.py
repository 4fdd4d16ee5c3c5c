"""Whatever is entered, asked and forgotten: PostgreSQL holds and answers what SQLite does."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.machine.postgres import ScratchPostgres

from storage import Level, Options, Query, Root
from storage.dicom import Header
from storage.dicom.data_sets import Element
from storage.dicom.values import BY_KEYWORD, TABLE, Uids
from storage.index import (
    TABLES,
    FileFacts,
    Index,
    counts,
    forget,
    open_index,
    pages,
    record,
    search,
)
from storage.index.opening import open_postgres
from storage.index.tables import column_names

LONG = "x" * 3000
NAMES = (
    "Weiß^Anna", "WEISS^Anna^", "Æsop^Karl", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう", "",
    "Doe^J\\Roe^Jane", "Smith^100%_\\[x]", "Ångström^É", f"Long^{LONG}", "𐌀^\U0010ffff",
)  # fmt: skip
TEXTS = (
    "CHEST", "chest", "C%T", "C_T", "a\\b", "[x]", "", LONG, "é山", "A1\\A2\\A1", "*?", "x y",
)  # fmt: skip
SAID: dict[str, tuple[str, ...]] = {
    "PatientID": ("P1", "P2", "", LONG),
    "IssuerOfPatientID": ("", "HERE"),
    "PatientName": NAMES,
    "OtherPatientNames": NAMES,
    "PatientBirthDate": ("19700101", "1970.01.01", "19700101\\1980", "soon", ""),
    "StudyDate": ("20240131", "20240131\\20250101", "2024", ""),
    "StudyTime": ("1015", "101500.25", "noon", ""),
    "AccessionNumber": TEXTS,
    "StudyDescription": TEXTS,
    "PatientWeight": ("070", "70.0", "7e1", "heavy", "70\\80"),
    "AdmittingDiagnosesDescription": TEXTS,
    "Modality": ("CT", "MR", ""),
    "SeriesNumber": ("1", "01", "x"),
    "OperatorsName": NAMES,
    "SOPClassUID": ("1.2.3", "1.2.4"),
    "ImageType": ("ORIGINAL\\PRIMARY", "DERIVED", "", "A\\*"),
}
UIDS = [(f"1.{n % 3}", f"2.{n % 5}", f"3.{n}") for n in range(10)]
KEYS = (
    "?", "*", "**", "C?T", "*a*", "weis?^*", "Wei??^A*", "ﾔﾏ*ﾞ*", "20240101-20241231", "-1012",
    "70", "1.2.3\\1.2.9", "*[x]*", "*%*", "?1*2", '""', "doe", "ro*", "=山*", "x*",
    f"*{LONG[:300]}*", LONG,
)  # fmt: skip
EMPTY = {attribute.column: "" for attribute in TABLE if attribute.stored}


@pytest.fixture(scope="module")
def both(
    postgres: ScratchPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Index]]:
    path: Path = tmp_path_factory.mktemp("both") / "index.sqlite"
    made: list[Index] = [open_index(path, sync=False), open_postgres(postgres.url, "both")]
    for one in made:
        one.create()
    yield made
    for one in made:
        one.engine.close_thread()


def header(chance: random.Random, uids: Uids) -> Header:
    said = {keyword: chance.choice(texts) for keyword, texts in SAID.items()}
    named = dict(
        zip(("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"), uids, strict=True)
    )
    return Header({**EMPTY, **said, **named})


def held(index: Index) -> dict[str, list[Any]]:
    """All that it holds, named by what stands above it; what either keeps for itself left out."""
    identity = ["patient.PatientID", "patient.IssuerOfPatientID", "patient.of_study"]
    uids = ["study.StudyInstanceUID", "series.SeriesInstanceUID", "instance.SOPInstanceUID"]
    joined, found = "patient", {}
    for level in Level:
        table = TABLES[level]
        if level > Level.PATIENT:
            above = TABLES[Level(level - 1)]
            joined += f" JOIN {table} ON {table}.parent_id = {above}.id"
        names = [f"{table}.{name}" for name in column_names(level) if name != "shared_id"]
        columns = ", ".join([*identity, *uids[:level], *names])
        found[table] = _rows(index, f"SELECT {columns} FROM {joined}")
    parts = "SELECT level, part, COUNT(*) FROM name_part GROUP BY level, part"
    found["parts"] = _rows(index, parts)
    shared = "SELECT patient, study, series, corrected, came FROM shared_header"
    found["shared"] = _rows(index, shared)
    found["sums"] = sorted(counts.by_receipt(index)) + sorted(counts.by_study(index))
    return found


def _rows(index: Index, statement: str) -> list[Any]:
    return sorted(map(tuple, index.engine.execute(statement, ())), key=repr)


def query(chance: random.Random) -> Query:
    level = chance.choice((Level.STUDY, Level.SERIES, Level.IMAGE))
    options = Options(*(chance.random() < 0.5 for _ in range(5)))
    keys = {}
    for keyword in chance.sample(list(SAID), chance.randint(1, 3)):
        attribute = BY_KEYWORD[keyword]
        key = chance.choice((*KEYS, *SAID[keyword]))
        keys[attribute.tag] = Element(attribute.vr, "\\".join([key] * chance.choice((1, 1, 1, 20))))
    for keyword in ("ModalitiesInStudy", "SOPClassesInStudy", "NumberOfStudyRelatedInstances"):
        attribute = BY_KEYWORD[keyword]
        asked = chance.choice(("", "CT", "CT\\MR", "?T", "1.2.3")) if chance.random() < 0.3 else ""
        keys[attribute.tag] = Element(attribute.vr, asked)
    return Query(Root.STUDY, level, keys, options=options)


def answers(index: Index, asked: Query) -> list[tuple[str, ...]]:
    return sorted(texts for _, texts in search.rows(index, asked))


def compare(both: list[Index], chance: random.Random, queries: int) -> int:
    """Hold one to the other; how many answers there were."""
    sqlite, postgresql = both
    assert held(postgresql) == held(sqlite)
    found = 0
    for _ in range(queries):
        asked = query(chance)
        wanted = answers(sqlite, asked)
        assert answers(postgresql, asked) == wanted, asked
        count = [search.count(index, asked, 0) for index in both]
        assert count == [len(wanted)] * 2
        found += len(wanted)
    for uids in UIDS:
        chains = [pages.chain(index, uids) for index in both]
        assert [bool(one) for one in chains] in ([True] * 2, [False] * 2)
        for row in (chains[1] or ())[:-1]:
            assert pages.inconsistencies(postgresql, row) == {}
    return found


def run(both: list[Index], seed: int, rounds: int = 2, queries: int = 25) -> None:
    chance, found = random.Random(seed), 0
    for _ in range(rounds):
        for _ in range(12):
            uids = chance.choice(UIDS)
            if chance.random() < 0.2:
                for one in both:
                    forget(one, uids)
                continue
            made, arrived = header(chance, uids), chance.randrange(1_000_000)
            facts = FileFacts("1.2", 10, "d", "", arrived, chance.choice("AB"), 1_700_000_000_000)
            for one in both:
                record(one, made, facts)
        found += compare(both, chance, queries)
    assert found
    for one in both:
        for uids in UIDS:
            forget(one, uids)
        assert held(one)["patient"] == []


@pytest.mark.parametrize("seed", range(2))
def test_both_hold_and_answer_the_same(both: list[Index], seed: int) -> None:
    run(both, seed)


@pytest.mark.long
@pytest.mark.parametrize("first", range(100, 600, 50))
def test_both_hold_and_answer_the_same_for_long(both: list[Index], first: int) -> None:
    for seed in range(first, first + 50):
        run(both, seed, rounds=4)


@pytest.mark.parametrize(("name", "keys"), [
    ("Weiß^Anna", ("weiss^anna", "Wei*", "*anna*", "Weiß^Anna")),
    ("Doe^J\\Roe^Jane", ("doe^j", "roe*", "*jane*")),
    ("山田=Yamada", ("yamada", "山*", "=Yamada")),
    ("", ('""',)),
])  # fmt: skip
def test_a_name_is_found_where_another_attribute_has_more_values_than_one(
    both: list[Index], name: str, keys: tuple[str, ...]
) -> None:
    """Against PS3.6 it has several, and the row is marked; the name may have one all the same."""
    texts = {"PatientName": name, "AccessionNumber": "A1\\A2", "PatientID": "P1"}
    uids = {"StudyInstanceUID": "1.9", "SeriesInstanceUID": "2.9", "SOPInstanceUID": "3.9"}
    for one in both:
        record(one, Header({**EMPTY, **texts, **uids}), FileFacts("1.2", 10, "d", "", 1, "A", 1))
    options = Options(relational=True, empty_value=True)
    for level in (Level.STUDY, Level.IMAGE):
        for key in (*keys, "nobody", "no*", '""'):
            asked = Query(Root.STUDY, level, {
                BY_KEYWORD["PatientName"].tag: Element("PN", key),
            }, options=options)  # fmt: skip
            found = [[said for said, *_ in answers(one, asked)] for one in both]
            assert found == [[name] if key in keys else []] * 2, key
    for one in both:
        forget(one, ("1.9", "2.9", "3.9"))

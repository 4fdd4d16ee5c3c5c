"""The forms of values that an index is looked up in: none that matches a key is passed over."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from peewee import Table

from storage.index import Index
from storage.index.engines import Engine
from storage.query import form_condition, forms, has_form, matches

# What values and keys are put together of: where folding, wildcards and groups meet.
PIECES = {
    "PN": ["a", "Ä", "ß", "ss", "^", "^", "=", "=", " ", "ﾊ", "ﾊﾟ", "ﾟ", "ハ", "\u0301", "\\", "山"],
    "LO": ["a", "A", "B", " ", "\\", "[", "]", "é", "0"],
    "LT": ["a", "A", " ", "\\", "\n", "["],
    "CS": ["A", "B", "_", " ", "\\"],
    "DA": ["2024", "0131", "01", "-", "\\", ".", "20240131", "2023", " "],
    "TM": ["10", "15", ":", "-", "\\", "101500", ".5", " "],
    "DS": ["1", "0", ".", "-", "e", "+", "\\", " ", "2"],
    "US": ["1", "0", "\\", "12"],
    "UI": ["1", ".", "2", "\\", "1.2", "3"],
    "AT": ["00181063", "\\", "0018"],
    "UC": ["a", "A", " ", "\\"],
}
WILDCARDS = ["*", "?"]
CASES = 500


def texts(chance: random.Random, pieces: list[str]) -> Iterator[str]:
    while True:
        yield "".join(chance.choices(pieces, k=chance.randint(0, 5)))


@pytest.fixture(scope="module")
def engine(new_index: Callable[[], Index]) -> Engine:
    made = new_index().engine
    made.execute('CREATE TABLE held (form TEXT COLLATE "C")' if not made.dialect.calls_python
                 else "CREATE TABLE held (form TEXT)", ())  # fmt: skip
    return made


def is_found(engine: Engine, vr: str, value: str, key: str) -> bool:
    held: Any = Table("held", ("form",))
    with engine.at_one_time():
        engine.execute("DELETE FROM held", ())
        for form in forms(vr, value):
            engine.execute("INSERT INTO held VALUES (?)", (form,))
        asked = held.select(held.form).where(form_condition(vr, held.form, key))
        return bool(list(asked.execute(engine.database)))


@pytest.mark.parametrize("vr", PIECES)
def test_what_matches_is_found_by_a_form(engine: Engine, vr: str) -> None:
    chance = random.Random(vr)
    values, keys = texts(chance, PIECES[vr]), texts(chance, PIECES[vr] + WILDCARDS)
    found = passed = 0
    for _ in range(CASES):
        value, key = next(values), next(keys)
        if chance.random() < 0.3:  # a key that has to do with the value
            parts = list(value)
            for at in range(len(parts)):
                if chance.random() < 0.3:
                    parts[at] = chance.choice(["*", "?", parts[at]])
            key = "".join(parts)
        if not has_form(vr, key):
            continue
        is_there = is_found(engine, vr, value, key)
        if matches(vr, value, key):
            assert is_there, (value, key)
            found += 1
        passed += not is_there
    assert found > 20
    assert passed > 20


@pytest.mark.parametrize(("vr", "key"), [("DT", "2024"), ("LO", "a\0b"), ("PN", "=*"), ("LO", "")])
def test_some_keys_have_none(vr: str, key: str) -> None:
    assert not has_form(vr, key)

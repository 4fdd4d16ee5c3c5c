"""The document of a series: what is said alike said once, and each instance given back whole."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scp.copies.documents import SeriesDocument
from scp.copies.documents.series_document import Basis, Facts

BASIS = Basis("form", "journal", 3)
TAGS = ["00080005", "00080016", "00100010", "00280010", "7FE00010"]
Said = dict[str, Any]

said = st.dictionaries(st.sampled_from(TAGS), st.sampled_from(["one", "two", "tab\tline\n", ""]))
instances = st.dictionaries(st.sampled_from("abcdef"), said, max_size=6)


def members(one: Said) -> list[bytes]:
    return [f"{json.dumps(tag)}:{json.dumps(one[tag])}".encode() for tag in sorted(one)]


def facts(instance: str) -> Facts:
    return Facts(instance, f"digest of {instance}", "ISO_IR 100", instance == "a")


def fresh(found: dict[str, Said]) -> list[tuple[Facts, list[bytes]]]:
    return [(facts(instance), members(one)) for instance, one in found.items()]


def read_back(document: SeriesDocument) -> SeriesDocument:
    basis, found = SeriesDocument.read(document.written(BASIS), {"form": "form"})
    assert basis == BASIS
    return found


@given(instances, instances, st.sets(st.sampled_from("abcdef")))
def test_each_instance_says_what_it_said_whatever_came_and_went(
    first: dict[str, Said], then: dict[str, Said], gone: set[str]
) -> None:
    document = SeriesDocument().with_more(fresh(first))
    document = read_back(document).with_more(fresh(then), gone)
    left = {one: what for one, what in first.items() if one not in gone} | then
    for found in (document, read_back(document)):
        assert {one: json.loads(found.text(one)) for one in found.facts} == left
        assert list(found.facts.values()) == [facts(one) for one in found.facts]
        for one in left:
            assert list(json.loads(found.text(one))) == sorted(left[one])


def test_what_all_say_alike_is_held_once() -> None:
    alike = dict.fromkeys(TAGS, "the same")
    document = SeriesDocument().with_more(fresh(dict.fromkeys("abc", alike)))
    assert document.shared == members(alike)
    assert document.own == {"a": [], "b": [], "c": []}
    more = document.with_more(fresh({"d": alike | {TAGS[2]: "another"}}))
    assert more.tags == [TAGS[2].encode()]
    assert more.shared == members({tag: one for tag, one in alike.items() if tag != TAGS[2]})


def test_what_is_cut_off_or_of_another_form_is_no_document() -> None:
    one = {TAGS[0]: "a"}
    text = SeriesDocument().with_more(fresh({"a": one, "b": one | {TAGS[1]: "b"}})).written(BASIS)
    for wrong in (b"", b"{}", text[:-40], text.replace(b'"form"', b'"from"', 1), b"\x00" * 9):
        with pytest.raises((ValueError, TypeError)):
            SeriesDocument.read(wrong, {"form": "form"})
    with pytest.raises(ValueError, match="another form"):
        SeriesDocument.read(text, {"form": "another"})


def test_the_text_of_an_attribute_has_backslashes_between_its_values() -> None:
    held = {"00080008": {"vr": "CS", "Value": ["A", None, "B"]}, "00200013": {"vr": "IS"}}
    document = SeriesDocument().with_more(fresh({"a": held, "b": {}}))
    assert document.text_of("a", b"00080008") == "A\\\\B"
    assert [document.text_of("a", b"00200013"), document.text_of("b", b"00080008")] == ["", ""]

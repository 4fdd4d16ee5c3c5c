"""The criteria of [[forward]]: which instances go where, and how soon."""

from collections import defaultdict

import pytest

from scp.config.schema import Forward
from scp.forwarding.rules import CRITERIA, destinations
from storage.dicom.values.attributes import BY_KEYWORD

HELD = {
    "Modality": "CT", "StationName": "CT01", "StudyDescription": "CT Thorax nativ",
    "SeriesDescription": "Lung 1.0", "BodyPartExamined": "CHEST",
}  # fmt: skip

GOES = [
    # criteria, whether it goes; of HELD, from SCANNER1
    ({}, True),
    ({"modality": ("CT",)}, True),
    ({"modality": ("ct",)}, True),
    ({"modality": ("MR",)}, False),
    ({"modality": ("MR", "CT")}, True),
    ({"modality": ("C",)}, False),
    ({"modality": ("C?",)}, True),
    ({"modality": ("?",)}, False),
    ({"modality": ("*",)}, True),
    ({"modality": ("[CT]*",)}, False),
    ({"modality": (" CT ",)}, True),
    ({"senders": ("SCANNER1",)}, True),
    ({"senders": ("scanner?",)}, True),
    ({"senders": ("SCANNER2", "MR*")}, False),
    ({"station": ("CT0?",)}, True),
    ({"station": ("CT",)}, False),
    ({"description": ("*THORAX*",)}, True),
    ({"description": ("lung*",)}, True),
    ({"description": ("thorax",)}, False),
    ({"description": ("*abdomen*", "*skull*")}, False),
    ({"body_part": ("chest",)}, True),
    ({"body_part": ("HEAD",)}, False),
    ({"modality": ("CT",), "body_part": ("HEAD",)}, False),
    ({"modality": ("CT",), "body_part": ("CH*",), "senders": ("*1",), "station": ("*",)}, True),
]


@pytest.mark.parametrize(("criteria", "goes"), GOES)
def test_an_instance_goes_where_every_criterion_fits(
    criteria: dict[str, tuple[str, ...]], goes: bool
) -> None:
    rule = Forward(to=("WARD",), **criteria)
    assert destinations([rule], HELD, "SCANNER1") == ({"WARD": None} if goes else {})


@pytest.mark.parametrize(("pattern", "goes"), [("*", True), ("?*", False), ("CT", False)])
def test_an_attribute_that_is_not_there_is_empty(pattern: str, goes: bool) -> None:
    rule = Forward(to=("WARD",), station=(pattern,))
    assert bool(destinations([rule], defaultdict(str), "SCANNER1")) == goes


@pytest.mark.parametrize(("values", "goes"), [("OT\\MR", True), ("OT\\SR", False)])
def test_of_several_values_any_will_do(values: str, goes: bool) -> None:
    rule = Forward(to=("WARD",), modality=("MR",))
    assert bool(destinations([rule], {"Modality": values}, "SCANNER1")) == goes


@pytest.mark.parametrize("sender", ["A", " A "])
def test_it_never_goes_back_to_who_sent_it(sender: str) -> None:
    rules = [Forward(to=("A", "B")), Forward(to=("A",))]
    assert destinations(rules, HELD, sender) == {"B": None}


@pytest.mark.parametrize(
    ("quiets", "least"), [((5, 60), 5), ((60, 5), 5), ((None, 60), None), ((60, None), None)]
)
def test_of_two_rules_the_one_that_waits_for_less_counts(
    quiets: tuple[float | None, float | None], least: float | None
) -> None:
    rules = [Forward(to=("A",), quiet=quiet) for quiet in quiets]
    assert destinations(rules, HELD, "SCANNER1") == {"A": least}


def test_every_criterion_is_of_an_attribute_that_the_index_knows() -> None:
    assert {*CRITERIA, "senders", "to", "quiet"} == set(Forward.model_fields)
    for keywords in CRITERIA.values():
        assert all(keyword in BY_KEYWORD for keyword in keywords)

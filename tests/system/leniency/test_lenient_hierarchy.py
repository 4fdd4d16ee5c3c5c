"""Identifiers as clients write them, beside those of the standard: [query] hierarchy."""

from collections.abc import Iterator

import pytest
from pynetdicom.association import Association
from support import (
    CT,
    EXPLICIT,
    FIND,
    GET,
    MOVE,
    RunningNode,
    ct,
    destination,
    encoded,
    identifier,
    running_node,
    send,
)

# Patient -> studies -> series -> instances.
HELD = {
    "P1": {
        "1.1": {"1.1.1": ["1.1.1.1", "1.1.1.2"], "1.1.2": ["1.1.2.1"]},
        "1.2": {"1.2.1": ["1.2.1.1"]},
    },
    "P2": {"2.1": {"2.1.1": ["2.1.1.1"]}},
}  # fmt: skip


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with destination("DEST", CT) as (_, port):
        tables = {
            "peers": {
                "DEST": {"host": "127.0.0.1", "port": port}, "STRICT": {"hierarchy": "strict"},
            }
        }  # fmt: skip
        with running_node(tmp_path_factory.mktemp("node"), tables) as running:
            with running.association((CT, EXPLICIT)) as association:
                for patient, studies in HELD.items():
                    for study, held in studies.items():
                        for series, instances in held.items():
                            for instance in instances:
                                data = ct(study, series, instance, PatientID=patient,
                                          AccessionNumber=f"A{study}", Modality="CT")  # fmt: skip
                                answer = send(association, CT, instance, encoded(data))
                                assert answer.Status == 0x0000
            yield running


def asked(association: Association, model: str, level: str, **keys: str) -> tuple[int, list[str]]:
    """The status, and the unique keys of the level in the answers."""
    of = {"PATIENT": "PatientID", "STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID"}
    wanted = of.get(level.upper(), "SOPInstanceUID")
    query = identifier(level, **{wanted: "", **keys})
    found = list(association.send_c_find(query, FIND[model]))
    answers = sorted(str(data.get(wanted)) for _, data in found if data is not None)
    return found[-1][0].Status, answers


FINDS = [
    ("STUDY", "PATIENT", {"PatientID": "P1"}, ["P1"]),  # Orthanc
    ("STUDY", "PATIENT", {"PatientName": "*"}, ["P1", "P2"]),
    ("STUDY", "IMAGE", {"StudyInstanceUID": "1.1"}, ["1.1.1.1", "1.1.1.2", "1.1.2.1"]),
    ("STUDY", "IMAGE", {"SOPInstanceUID": "1.1.2.1"}, ["1.1.2.1"]),
    ("STUDY", "SERIES", {"AccessionNumber": "A1.1"}, ["1.1.1", "1.1.2"]),  # dicomtrolley
    ("STUDY", "SERIES", {"StudyInstanceUID": "", "SeriesInstanceUID": "1.2.1"}, ["1.2.1"]),
    ("STUDY", "series", {"StudyInstanceUID": "1.1"}, ["1.1.1", "1.1.2"]),
    ("STUDY", "INSTANCE", {"StudyInstanceUID": "1.1", "SeriesInstanceUID": "1.1.2"}, ["1.1.2.1"]),
    ("STUDY", "instance", {"AccessionNumber": "A1.2"}, ["1.2.1.1"]),
    ("PATIENT", "STUDY", {"StudyInstanceUID": "2.1"}, ["2.1"]),
    ("PATIENT", "SERIES", {"StudyInstanceUID": "2.1"}, ["2.1.1"]),
]


@pytest.mark.parametrize(("model", "level", "keys", "expected"), FINDS)
def test_a_query_that_says_what_it_wants_is_answered(
    node: RunningNode, model: str, level: str, keys: dict[str, str], expected: list[str]
) -> None:
    with node.association((FIND[model], EXPLICIT)) as association:
        assert asked(association, model, level, **keys) == (0x0000, expected)
    with node.association((FIND[model], EXPLICIT), ae_title="STRICT") as association:
        assert asked(association, model, level, **keys) == (0xA900, [])


@pytest.mark.parametrize(("model", "level"), [
    ("STUDY", "SERIES"), ("STUDY", "IMAGE"), ("PATIENT", "STUDY"), ("STUDY", "BODY"),
    ("STUDY", ""),
])  # fmt: skip
def test_a_query_for_everything_of_a_lower_level_is_not(
    node: RunningNode, model: str, level: str
) -> None:
    with node.association((FIND[model], EXPLICIT)) as association:
        assert asked(association, model, level) == (0xA900, [])


@pytest.mark.parametrize("keys", [
    {"StudyInstanceUID": "*"}, {"PatientName": "*"}, {"PatientName": "*^*=*"}, {"Modality": "**"},
    {"PatientID": "?*"}, {"PatientID": "X\\*"}, {"NumberOfSeriesRelatedInstances": "1"},
    {"BodyPartExamined": "*"}, {"StudyDate": "*", "StudyTime": "*"},
])  # fmt: skip
def test_keys_that_all_match_do_not_say_what_is_wanted(
    node: RunningNode, keys: dict[str, str]
) -> None:
    with node.association((FIND["STUDY"], EXPLICIT)) as association:
        assert asked(association, "STUDY", "SERIES", **keys) == (0xA900, [])
        status, found = asked(association, "STUDY", "SERIES", **keys, AccessionNumber="A1.2")
    assert (status, found) == (0x0000, ["1.2.1"])


def test_a_whole_hierarchy_is_matched_as_the_standard_has_it(node: RunningNode) -> None:
    """Keys of upper levels beside the unique ones do not narrow it, in either way."""
    keys = {"StudyInstanceUID": "1.1", "AccessionNumber": "OTHER"}
    for title in ("TESTER", "STRICT"):
        with node.association((FIND["STUDY"], EXPLICIT), ae_title=title) as association:
            status, found = asked(association, "STUDY", "SERIES", **keys)
        assert (status, found) == (0x0000, ["1.1.1", "1.1.2"])


RETRIEVES = [
    ("PATIENT", {"PatientID": "P1"}, 4),  # Orthanc
    ("IMAGE", {"SOPInstanceUID": "1.1.2.1"}, 1),
    ("INSTANCE", {"SOPInstanceUID": "1.1.2.1"}, 1),
    ("SERIES", {"SeriesInstanceUID": "1.1.1"}, 2),
    ("series", {"SeriesInstanceUID": "1.1.1", "StudyInstanceUID": ""}, 2),
    ("SERIES", {"SeriesInstanceUID": "1.1.1", "StudyInstanceUID": "1.2"}, 0),
]


@pytest.mark.parametrize(("level", "keys", "count"), RETRIEVES)
def test_a_retrieve_that_names_its_own_is_served(
    node: RunningNode, level: str, keys: dict[str, str], count: int
) -> None:
    with node.association((MOVE["STUDY"], EXPLICIT)) as association:
        *_, (last, _) = association.send_c_move(identifier(level, **keys), "DEST", MOVE["STUDY"])
    assert (last.Status, last.get("NumberOfCompletedSuboperations", 0)) == (0x0000, count)


NEVER = [
    ("PATIENT", {"PatientID": ""}), ("PATIENT", {"StudyInstanceUID": "1.1"}),
    ("STUDY", {"PatientID": "P1"}), ("SERIES", {"StudyInstanceUID": "1.1"}),
    ("SERIES", {"AccessionNumber": "A1.1"}), ("IMAGE", {"StudyInstanceUID": "1.1"}),
    ("IMAGE", {"SOPInstanceUID": "*"}), ("STUDY", {"StudyInstanceUID": "1.?"}),
    ("SERIES", {"SeriesInstanceUID": "1.1.1", "StudyInstanceUID": "1.1\\1.2"}),
]  # fmt: skip


@pytest.mark.parametrize(("level", "keys"), NEVER)
@pytest.mark.parametrize("title", ["TESTER", "STRICT"])
def test_a_retrieve_never_widens(
    node: RunningNode, title: str, level: str, keys: dict[str, str]
) -> None:
    contexts = (MOVE["STUDY"], EXPLICIT), (GET["STUDY"], EXPLICIT)
    with node.association(*contexts, ae_title=title) as association:
        query = identifier(level, **keys)
        *_, (moved, _) = association.send_c_move(query, "DEST", MOVE["STUDY"])
        *_, (got, _) = association.send_c_get(query, GET["STUDY"])
    assert (moved.Status, got.Status) == (0xA900, 0xA900)


@pytest.mark.parametrize(("level", "keys", "count"), RETRIEVES[:5])
def test_strict_is_the_standard(
    node: RunningNode, level: str, keys: dict[str, str], count: int
) -> None:
    with node.association((MOVE["STUDY"], EXPLICIT), ae_title="STRICT") as association:
        *_, (last, _) = association.send_c_move(identifier(level, **keys), "DEST", MOVE["STUDY"])
    assert last.Status == 0xA900

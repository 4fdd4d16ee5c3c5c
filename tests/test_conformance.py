"""`minipacs conformance`: what it prints, held against a node that serves."""

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pynetdicom.association import Association
from support import (
    CLIENT_SECONDS,
    CT,
    ECHO,
    EXPLICIT,
    FIND,
    RunningNode,
    ct,
    encoded,
    find,
    identifier,
    running_node,
    send,
)

from scp.conformance.names import statuses
from scp.settings import Service
from scp.status import ANSWERS, Status

ROOT = Path(__file__).parent.parent
TABLES = {
    "peers": {
        "CT1": {"allow": ["echo", "store"], "from": ["127.0.0.0/8"]},
        "WORKSTATION": {"host": "127.0.0.1", "port": 11113, "sends": 2},
    },
    "limits": {"pdu_bytes": 65536, "associations": 7},
}
_TABLE = re.compile(r"(?:^\|.*\|$\n)+", re.MULTILINE)
# By VR: a value, another one, keys of a kind of matching that find the first.
VALUES: dict[str, tuple[object, object, dict[str, str]]] = {
    "AS": ("030Y", "031Y", {}),
    "CS": ("ABC", "XYZ", {"wildcard": "A?*"}),
    "DA": ("20240131", "20240201", {"range": "20240101-20240131"}),
    "DS": ("1.5", "2.5", {}),
    "IS": ("7", "8", {}),
    "LO": ("Alpha", "alpha", {"wildcard": "*pha"}),
    "LT": ("Alpha", "Omega", {"wildcard": "Al*"}),
    "PN": ("Alpha^Beta", "Omega", {"wildcard": "alpha*"}),
    "SH": ("Alpha", "Omega", {"wildcard": "?lpha"}),
    "ST": ("Alpha", "Omega", {"wildcard": "Al*"}),
    "TM": ("101500", "101600", {"range": "10-1015"}),
    "UI": ("1.2.3", "1.2.4", {"list of UID": "9.9\\1.2.3"}),
    "US": (7, 8, {}),
}
UPPER = {"PATIENT": "PatientID", "STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID",
         "IMAGE": "SOPInstanceUID"}  # fmt: skip
# What the data set has of its own.
FIXED = {"SOPClassUID": (CT, "1.2.840.10008.5.1.4.1.1.4"),
         "SOPClassesInStudy": (CT, "1.2.840.10008.5.1.4.1.1.4"),
         "ModalitiesInStudy": ("ABC", "XYZ")}  # fmt: skip


def printed(node: RunningNode, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "scp", "conformance", "-c", str(node.config), *options], cwd=ROOT,
        text=True, capture_output=True, check=False, timeout=CLIENT_SECONDS,
    )  # fmt: skip


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with running_node(tmp_path_factory.mktemp("conformance"), TABLES) as served:
        yield served


@pytest.fixture(scope="module")
def text(node: RunningNode) -> str:
    done = printed(node)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def rows(text: str, title: str, number: int = 0) -> list[dict[str, str]]:
    """The rows of a section's table, by heading."""
    (section,) = re.findall(rf"^#+ [0-9.]+ {re.escape(title)}$(.*?)(?=^#|\Z)", text, re.M | re.S)
    lines = _TABLE.findall(section)[number].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def results(node: RunningNode, contexts: list[tuple[str, str]]) -> dict[tuple[str, str], bool]:
    """Which of these the node accepts, each proposed alone."""
    found = {}
    for start in range(0, len(contexts), 128):
        association = node.associate(*contexts[start : start + 128])
        for context in association.accepted_contexts + association.rejected_contexts:
            key = str(context.abstract_syntax), str(context.transfer_syntax[0])
            found[key] = context.result == 0
        association.release() if association.is_established else association.abort()
    return found


# ---- contexts


def test_every_storage_context_that_is_claimed_is_accepted(node: RunningNode, text: str) -> None:
    classes = [row["UID"] for row in rows(text, "SOP classes of Storage")]
    syntaxes = [row["UID"] for row in rows(text, "Transfer syntaxes of Storage")]
    assert len(classes) > 150
    assert len(syntaxes) > 40
    wanted = [(classes[n % len(classes)], syntax) for n, syntax in enumerate(syntaxes)]
    wanted += [(one, syntaxes[n % len(syntaxes)]) for n, one in enumerate(classes)]
    wanted = list(dict.fromkeys(wanted))
    assert results(node, wanted) == dict.fromkeys(wanted, True)


def test_every_other_context_that_is_claimed_is_accepted(node: RunningNode, text: str) -> None:
    classes = [row["UID"] for row in rows(text, "SOP classes beside those of Storage")]
    syntaxes = [row["UID"] for row in rows(text, "Query")]
    wanted = [(one, syntax) for one in classes for syntax in syntaxes]
    assert results(node, wanted) == dict.fromkeys(wanted, True)


NOT_CLAIMED = {
    "Modality Worklist": ("1.2.840.10008.5.1.4.31", EXPLICIT),
    "Modality Performed Procedure Step": ("1.2.840.10008.3.1.2.3.3", EXPLICIT),
    "Basic Film Session": ("1.2.840.10008.5.1.1.1", EXPLICIT),
    "Color Palette Storage, in no study": ("1.2.840.10008.5.1.4.39.1", EXPLICIT),
    "Instance Root Retrieve": ("1.2.840.10008.5.1.4.1.2.4.2", EXPLICIT),
    "queries in JPEG": (FIND["STUDY"], "1.2.840.10008.1.2.4.50"),
    "a private transfer syntax": (CT, "1.2.840.113619.5.2"),
}


@pytest.mark.parametrize("name", NOT_CLAIMED)
def test_what_is_not_claimed_is_not_served(node: RunningNode, text: str, name: str) -> None:
    sop_class, syntax = context = NOT_CLAIMED[name]
    assert results(node, [context]) == {context: False}
    for classes, syntaxes in (
        ("SOP classes of Storage", "Transfer syntaxes of Storage"),
        ("SOP classes beside those of Storage", "Query"),
    ):
        claimed = sop_class in {row["UID"] for row in rows(text, classes)}
        assert not (claimed and syntax in {row["UID"] for row in rows(text, syntaxes)})


def test_roles_are_as_claimed(text: str) -> None:
    roles = {row["UID"]: row["Role"] for row in rows(text, "SOP classes beside those of Storage")}
    assert roles[ECHO] == "SCU, SCP"
    assert set(roles.values()) == {"SCU, SCP", "SCP"}


def test_the_association_is_as_claimed(node: RunningNode, text: str) -> None:
    claimed = {row["What"]: row["Value"] for row in rows(text, "Associations")}
    with node.association((ECHO, EXPLICIT)) as association:
        acceptor = association.acceptor
        assert claimed["Maximum PDU size received"] == f"{acceptor.maximum_length} bytes"
        assert claimed["Implementation Class UID"] == acceptor.implementation_class_uid
        assert claimed["Implementation Version Name"] == acceptor.implementation_version_name
    assert claimed["Associations accepted at once"] == "7"
    rejected = node.associate((ECHO, EXPLICIT), called="OTHER").acceptor.primitive
    assert ("1", "1", "7") in {
        (row["Result"], row["Source"], row["Reason"])
        for row in rows(text, "Rejected associations")
        if str(rejected.diagnostic) == row["Reason"]
    }


# ---- keys


def claimed_keys(text: str) -> list[tuple[str, dict[str, str]]]:
    return [(level, row) for level in UPPER for row in rows(text, f"Keys at {level} level")]


def values_of(row: dict[str, str]) -> tuple[object, object, dict[str, str]]:
    keyword = row["Attribute"].split(">")[-1]
    if keyword in FIXED:
        return *FIXED[keyword], {}
    return VALUES[row["VR"]]


@pytest.fixture(scope="module")
def filled(node: RunningNode, text: str) -> RunningNode:
    """The node with an instance that has a value for every attribute that is claimed."""
    held = ct("1.2.3", "1.2.3", "1.2.3")
    for _, row in claimed_keys(text):
        name = row["Attribute"]
        if name in FIXED or (name.startswith("NumberOf") and row["Matching"] == "-"):
            continue
        if ">" in name:
            sequence, name = name.split(">")
            if sequence not in held:
                setattr(held, sequence, [Dataset()])
            setattr(held[sequence].value[0], name, values_of(row)[0])
        else:
            setattr(held, name, values_of(row)[0])
    with node.association((CT, EXPLICIT)) as association:
        assert send(association, CT, "1.2.3", encoded(held)).Status == 0
    return node


def key(row: dict[str, str], value: object) -> dict[str, object]:
    name = row["Attribute"]
    if ">" not in name:
        return {name: value}
    sequence, name = name.split(">")
    return {sequence: [identifier(None, **{name: value})]}


def answers(association: Association, level: str, wanted: dict[str, object]) -> int:
    levels = list(UPPER)
    upper = {UPPER[one]: VALUES["LO" if one == "PATIENT" else "UI"][0]
             for one in levels[: levels.index(level)]}  # fmt: skip
    found, final = find(association, FIND["PATIENT"], level, **{**upper, **wanted})
    assert final.Status == 0
    return len(found)


def test_every_key_that_is_claimed_matches_in_every_way_that_is_claimed(
    filled: RunningNode, text: str
) -> None:
    wrong = []
    with filled.association((FIND["PATIENT"], EXPLICIT)) as association:
        for level, row in claimed_keys(text):
            if row["Matching"] == "-":
                assert answers(association, level, key(row, "")) == 1, row
                continue
            value, other, more = values_of(row)
            tries = {"single": (value, 1), "other": (other, 0), "universal": ("", 1)}
            for kind in row["Matching"].split(", "):
                if kind in more and row["Attribute"] not in FIXED:
                    tries[kind] = (more[kind], 1)
            for kind, (asked, count) in tries.items():
                if answers(association, level, key(row, asked)) != count:
                    wrong.append((level, row["Attribute"], kind))
    assert wrong == []


def test_extended_negotiation_is_as_claimed(text: str) -> None:
    claimed = rows(text, "Extended negotiation")
    found = [row["Supported"] for row in claimed if row["Service"] == "C-FIND"]
    assert found == ["yes", "yes", "yes", "no", "no", "yes", "yes"]  # tests ask for each


# ---- statuses, configuration


def test_each_status_has_its_place(text: str) -> None:
    assert {answer.status for answer in ANSWERS} == set(Status)
    for service, title in {Service.STORE: "Statuses of C-STORE", Service.FIND: "Statuses of C-FIND",
                           Service.MOVE: "Statuses of C-MOVE and C-GET"}.items():  # fmt: skip
        shown = {row["Status"] for row in rows(text, title)}
        assert shown >= {row[1] for row in statuses(service).rows}


def test_the_statement_follows_the_configuration(text: str, tmp_path: Path) -> None:
    assert rows(text, "Who may do what")[0] == {
        "AE title": "CT1", "From": "127.0.0.0/8", "Services": "echo, store",
    }  # fmt: skip
    assert rows(text, "Destinations")[0]["AE title"] == "WORKSTATION"
    other = RunningNode(
        tmp_path,
        {"node": {"ae_title": "ELSE"}, "storage": {"on_conflict": "refuse"},
         "access": {"any_called_title": True, "any_peer": False},
         "tls": {"certificate": "a", "key": "b", "port": 2762, "require_client": True}},
    )  # fmt: skip
    said = printed(other).stdout
    for words in (
        "of minipacs as ELSE", "`on_conflict` is `refuse`", "Any called AE title is taken",
        "TLS 1.2 and 1.3 on port 2762", "A caller has to show", "every C-MOVE is answered A801",
    ):  # fmt: skip
        assert words in said
        assert words not in text


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_says_the_same_and_needs_nothing_else(node: RunningNode, text: str) -> None:
    page = printed(node, "--html").stdout
    tags = _Tags()
    tags.feed(page)
    assert tags.open == []
    assert {"table", "h1", "h2", "h3", "h4"} <= tags.seen
    assert not {"script", "link", "img"} & tags.seen
    assert page.count("<tr>") == len(re.findall(r"^\| (?!---)", text, re.M))


@pytest.mark.parametrize(("options", "words"), [
    (("--pdf",), "No such option"), (("-c", "no.such.file"), "no.such.file"),
])  # fmt: skip
def test_wrong_usage_is_told(node: RunningNode, options: tuple[str, ...], words: str) -> None:
    done = printed(node, *options)
    assert done.returncode == 2
    assert words in done.stderr

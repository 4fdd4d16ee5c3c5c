"""`minipacs check`: each fault made by hand, found, mended where that can be, and then gone."""

import json
import logging
import os
import pty
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from support import (
    CT,
    EXPLICIT,
    ROOT,
    RunningNode,
    client,
    ct,
    encoded,
    identifier,
    keys,
    program,
    running_node,
    samples,
    send,
)
from support.checks.faults import killed

from scp.cli.commands.upkeep.check import run as check_and_show
from scp.cli.output.progress import Shown
from scp.config.loader import load
from storage import Archive, Query, Received, Root, prepare
from storage.archive.totals import counts
from storage.diagnostics.errors import ArchiveError
from storage.dicom import part10
from storage.journal import RECEIPTS, FolderJournal
from storage.journal.receipts import withdraw
from storage.maintenance.check.checking import check
from storage.maintenance.check.faults import Fault, FaultKind

CHARSET = "ISO_IR 100"
JPEG = "1.2.840.10008.1.2.4.50"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

# UIDs and values of what lies in every folder.
HELD: list[tuple[str, str, str, dict[str, Any]]] = [
    ("1.1", "1.2", "1.3.1", {"StudyDescription": "Chest"}),
    ("1.1", "1.2", "1.3.2", {"StudyDescription": "Chest"}),
    ("1.1", "1.4", "1.3.3", {"SeriesDescription": "Scout"}),
    ("2.1", "2.2", "2.3", {"PatientID": "P2", "PatientName": "Roe^Max"}),
]
FIRST = ("1.1", "1.2", "1.3.1")
FIRST_FILE = "1.1/1.2/1.3.1.dcm"


def instance(study: str, series: str, uid: str, **values: Any) -> Received:
    return Received(CT, uid, EXPLICIT, encoded(ct(study, series, uid, **values)), CHARSET)


def store(data: Path, *received: Received) -> None:
    archive = Archive(data, sync=False)
    try:
        for one in received:
            archive.store(one)
    finally:
        archive.close_thread()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder to be copied: a start claims its own until the process ends."""
    data = tmp_path_factory.mktemp("template") / "data"
    prepare(data, sync=False, charset=CHARSET)
    store(data, *(instance(*uids, **values) for *uids, values in HELD))
    return data


@dataclass
class Checked:
    """What a check said."""

    code: int
    text: str
    errors: str

    @property
    def document(self) -> dict[str, Any]:
        return dict(json.loads(self.text))

    @property
    def kinds(self) -> Counter[str]:
        return Counter(fault["kind"] for fault in self.document["faults"])


def run(config: Path, *options: str) -> Checked:
    done = program.run("check", "-c", config, *options)
    assert "Traceback" not in done.stderr
    return Checked(done.returncode, done.stdout, done.stderr)


def run_here(
    capsys: pytest.CaptureFixture[str], node: RunningNode, repair: bool = False
) -> Checked:
    """The same without a process of its own, as JSON."""
    left = check_and_show(load(node.config), repair, as_json=True)
    shown = capsys.readouterr()
    return Checked(1 if left else 0, shown.out, shown.err)


@pytest.fixture
def node(template: Path, tmp_path: Path) -> RunningNode:
    """A node that does not run yet, with what is held."""
    shutil.copytree(template, tmp_path / "data")
    return RunningNode(tmp_path)


def test_a_night_reads_some_of_the_files(node: RunningNode) -> None:
    path = node.data / "tree" / FIRST_FILE
    before = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns - 10**12))
    assert run(node.config, "--since", "1h").code == 1  # it is in none but arrived just now
    nights = [run(node.config, "--sample", "1").code, run(node.config).code]
    assert nights == [1, 1]
    done = program.run("check", "-c", node.config, "--since", "yesterday")
    assert done.returncode == 2
    words = '--since: takes a number of hours, days or weeks such as "30d", not "yesterday"'
    assert words in done.stderr


# ---- what is done to a folder


Break = Callable[[Path], None]


def sql(*statements: str) -> Break:
    """By the hand of somebody whose SQLite holds nothing to its foreign keys."""

    def run_them(data: Path) -> None:
        connection = sqlite3.connect(data / "index.sqlite")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    return run_them


def both(*breaks: Break) -> Break:
    def run_them(data: Path) -> None:
        for each in breaks:
            each(data)

    return run_them


def file(change: Callable[[bytes], bytes], name: str = FIRST_FILE) -> Break:
    def write(data: Path) -> None:
        path = data / "tree" / name
        path.write_bytes(change(path.read_bytes()))

    return write


def put(name: str, content: bytes = b"notes") -> Break:
    def write(data: Path) -> None:
        path = data / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return write


def move(name: str, to: str) -> Break:
    def rename(data: Path) -> None:
        path = data / "tree" / to
        path.parent.mkdir(parents=True, exist_ok=True)
        (data / "tree" / name).rename(path)

    return rename


def copy(name: str, to: str) -> Break:
    def duplicate(data: Path) -> None:
        path = data / "tree" / to
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data / "tree" / name, path)

    return duplicate


def folder(name: str) -> Break:
    def make(data: Path) -> None:
        path = data / "tree" / name
        path.mkdir(parents=True)
        os.utime(path, (1, 1))  # else it may be one that is being filled

    return make


def link(name: str, to: str) -> Break:
    def make(data: Path) -> None:
        (data / "tree" / name).symlink_to(data / "tree" / to)

    return make


def stored(*received: Received) -> Break:
    return lambda data: store(data, *received)


def receipt(withdrawn: bool) -> Break:
    """What a store of other content leaves that ended before its file was put into the tree."""

    def write(data: Path) -> None:
        journal = FolderJournal(data, sync=False)
        told = {"syntax": EXPLICIT, "bytes": 7, "digest": "0" * 64, "charset": CHARSET}
        journal.append(RECEIPTS, uids=FIRST, **told)
        if withdrawn:
            withdraw(journal, FIRST, "0" * 64)

    return write


def in_syntax(content: bytes) -> bytes:
    old, new = (part10.header(CT, FIRST[2], syntax) for syntax in (EXPLICIT, JPEG))
    assert content.startswith(old)
    return new + content[len(old) :]


def last_byte(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


HAND = part10.header(CT, "4.3", EXPLICIT) + encoded(ct("4.1", "4.2", "4.3", PatientID="P4"))
EMPTY_ROWS = {
    "patient": "INSERT INTO patient (PatientID) VALUES ('none')",
    "study": "INSERT INTO study (parent_id, StudyInstanceUID) SELECT id, '8.1' FROM patient "
    "WHERE PatientID = 'P2'",
    "series": "INSERT INTO series (parent_id, SeriesInstanceUID) SELECT id, '8.2' FROM study "
    "WHERE StudyInstanceUID = '2.1'",
}


def _filled(statement: str) -> Break:
    """The same with every column that has no default in SQL."""

    def run_it(data: Path) -> None:
        table = statement.split()[2]
        connection = sqlite3.connect(data / "index.sqlite")
        given = statement[statement.index("(") + 1 : statement.index(")")].split(", ")
        columns = [row[1:3] for row in connection.execute(f"PRAGMA table_info({table})")]
        more = [(n, kind) for n, kind in columns if n not in [*given, "id"]]
        names = ", ".join([*given, *(n for n, _ in more)])
        nothing = ", ".join("''" if kind == "TEXT" else "0" for _, kind in more)
        text = statement.replace(f"({', '.join(given)})", f"({names})", 1)
        if " VALUES (" in text:
            text = text[:-1] + f", {nothing})"
        else:
            text = text.replace(" FROM", f", {nothing} FROM", 1)
        connection.execute(text)
        connection.commit()
        connection.close()

    return run_it


@dataclass(frozen=True)
class Case:
    """What is done, the kinds found, and what --repair leaves; `lost`: files not in the tree."""

    done: Break
    kinds: list[str]
    left: list[str] = field(default_factory=list)
    repaired: list[str] | None = None  # the kinds that --repair tells, where it finds more
    lost: int = 0
    files: int = len(HELD)


TABLES = ("instance", "shared_header", "series", "study", "patient", "name_part")

CASES: dict[str, Case] = {
    "file gone": Case(lambda d: (d / "tree" / FIRST_FILE).unlink(), ["missing"], files=3),
    "file and row gone": Case(
        both(lambda d: (d / "tree" / FIRST_FILE).unlink(),
             sql("DELETE FROM instance WHERE SOPInstanceUID = '1.3.1'")),
        ["lost"], files=3,
    ),
    "all rows and a file gone": Case(
        both(lambda d: (d / "tree" / FIRST_FILE).unlink(),
             sql(*(f"DELETE FROM {table}" for table in TABLES))),
        ["lost"] + ["not_indexed"] * 3, files=3,
    ),
    "file empty": Case(file(lambda c: b""), ["not_part10"], files=3),
    "file of zeros": Case(file(lambda c: bytes(len(c))), ["not_part10"], files=3),
    "header alone": Case(file(lambda c: c[:360]), ["header"], files=3),
    "cut in its pixels": Case(file(lambda c: c[:-4]), ["changed"], ["changed"]),
    "longer": Case(file(lambda c: c + bytes(8)), ["changed"], ["changed"]),
    "a bit flipped": Case(file(last_byte), ["changed"], ["changed"]),
    "a bit flipped, and forgotten by the index": Case(
        both(file(last_byte), sql("UPDATE instance SET digest = ''")),
        ["changed", "row", "row", "row"], ["changed"],
    ),
    "digest of the index": Case(sql("UPDATE instance SET digest = 'x' WHERE SOPInstanceUID = "
                                    "'1.3.1'"), ["row"]),
    "transfer syntax of the index": Case(
        sql(f"UPDATE instance SET TransferSyntaxUID = '{JPEG}' WHERE SOPInstanceUID = '1.3.1'"),
        ["transfer_syntax"],
    ),
    "transfer syntax of the file": Case(
        file(in_syntax), ["transfer_syntax", "pixel_data"], ["transfer_syntax", "pixel_data"],
    ),
    "length of the index": Case(sql("UPDATE instance SET file_bytes = 1"), ["length"] * 4),
    "row gone": Case(sql("DELETE FROM instance WHERE SOPInstanceUID = '1.3.1'"), ["not_indexed"]),
    "all rows gone": Case(sql(*(f"DELETE FROM {table}" for table in TABLES)), ["not_indexed"] * 4),
    "file by hand": Case(put("4.1/4.2/4.3.dcm", HAND), ["not_indexed"], files=5),
    "file by hand, damaged": Case(put("4.1/4.2/4.3.dcm"), ["not_part10"]),
    "file by hand, cut short": Case(
        put("4.1/4.2/4.3.dcm", HAND[:-4]), ["not_indexed", "cut_short"], ["cut_short"], files=5
    ),
    "moved": Case(move(FIRST_FILE, "7.1/7.2/7.3.dcm"), ["missing", "misplaced"]),
    "moved to no UIDs": Case(move(FIRST_FILE, "1.1/1.2/copy.dcm"), ["missing", "misplaced"]),
    "swapped": Case(
        both(move(FIRST_FILE, "a"), move("2.1/2.2/2.3.dcm", FIRST_FILE),
             move("a", "2.1/2.2/2.3.dcm")),
        ["misplaced"] * 2,
    ),
    "copied": Case(copy(FIRST_FILE, "7.1/7.2/7.3.dcm"), ["misplaced"]),
    "moved, and a bit flipped": Case(
        both(file(last_byte), move(FIRST_FILE, "7.1/7.2/7.3.dcm")),
        ["missing", "misplaced"], ["changed"],
    ),
    "moved, and cut short": Case(
        both(file(lambda c: c[:-4]), move(FIRST_FILE, "7.1/7.2/7.3.dcm")),
        ["missing", "misplaced"], files=3,
    ),
    "instance row": Case(sql("UPDATE instance SET InstanceNumber = '9', \"Rows\" = '5' "
                             "WHERE SOPInstanceUID = '1.3.1'"), ["row"]),
    "folded form of an instance row": Case(
        sql("UPDATE instance SET InstanceNumber_folded = '9' WHERE SOPInstanceUID = '1.3.1'"),
        ["row"],
    ),
    "series row": Case(sql("UPDATE series SET Modality = 'MR' WHERE SeriesInstanceUID = '1.2'"),
                       ["row"]),
    "series row, a value that no file has": Case(
        sql("UPDATE series SET SeriesDescription = 'x' WHERE SeriesInstanceUID = '1.2'"), ["row"]
    ),
    "study row": Case(sql("UPDATE study SET StudyDescription = '' WHERE StudyInstanceUID = '1.1'"),
                      ["row"]),
    "patient's name": Case(sql("UPDATE patient SET PatientName = 'X' WHERE PatientID = 'P1'"),
                           ["row"]),
    "patient's name, as it is compared": Case(
        sql("UPDATE patient SET PatientName_alphabetic = 'X' WHERE PatientID = 'P1'"), ["row"]
    ),
    "patient's name, in parts": Case(sql("DELETE FROM name_part"), ["row"] * 4),
    "parts of nobody's name": Case(
        sql("INSERT INTO name_part VALUES (0, 'abc', 99), (1, 'abc', 99)"), ["no_parent"] * 2
    ),
    "what an instance says of its series": Case(
        sql("UPDATE shared_header SET series = '{}' WHERE id = (SELECT shared_id FROM instance "
            "WHERE SOPInstanceUID = '2.3')"), ["row"] * 2, repaired=["row"],
    ),
    "what nobody says": Case(
        sql("INSERT INTO shared_header VALUES (99, 1, 'x', 0, '', '{}', '{}', '{}')"),
        ["no_children"],
    ),
    "file touched": Case(lambda d: os.utime(d / "tree" / FIRST_FILE), ["row"]),
    "patient's ID": Case(sql("UPDATE patient SET PatientID = 'X' WHERE PatientID = 'P1'"),
                         ["row"] * 3),
    "study's UID": Case(
        sql("UPDATE study SET StudyInstanceUID = '9.9' WHERE StudyInstanceUID = '1.1'"),
        ["missing"] * 3 + ["not_indexed"] * 3,
    ),
    "study's UID, a way out of the tree": Case(
        sql("UPDATE study SET StudyInstanceUID = '../../x' WHERE StudyInstanceUID = '2.1'"),
        ["missing", "not_indexed"],
    ),
    "instance in another series": Case(
        sql("UPDATE instance SET parent_id = (SELECT id FROM series WHERE SeriesInstanceUID = "
            "'2.2') WHERE SOPInstanceUID = '1.3.1'"),
        ["missing", "not_indexed"],
    ),
    "patient without studies": Case(_filled(EMPTY_ROWS["patient"]), ["no_children"]),
    "study without series": Case(_filled(EMPTY_ROWS["study"]), ["no_children"]),
    "series without instances": Case(_filled(EMPTY_ROWS["series"]), ["no_children"]),
    "series gone": Case(sql("DELETE FROM series WHERE SeriesInstanceUID = '2.2'"),
                        ["no_parent", "no_children", "not_indexed"]),
    "patient gone": Case(sql("DELETE FROM patient WHERE PatientID = 'P1'"),
                         ["no_parent", "no_parent"],
                         repaired=["no_parent"] * 2 + ["not_indexed"] * 3),
    "an instance UID in two series": Case(
        stored(instance("1.1", "1.4", "1.3.1")), ["uids_disagree"], ["uids_disagree"], files=5
    ),
    "a study of two patients": Case(
        stored(instance("1.1", "1.2", "1.3.9", PatientID="P9")),
        ["uids_disagree"] * 2, ["uids_disagree"] * 2, files=5,
    ),
    "a UID at two levels": Case(
        stored(instance("5.1", "1.1", "5.3", PatientID="P9")), ["uids_disagree"],
        ["uids_disagree"], files=5,
    ),
    "one patient of two names": Case(
        stored(instance("1.1", "1.2", "1.3.9", PatientName="Doe^John", PatientSex="M")),
        ["patients_disagree"], ["patients_disagree"], files=5,
    ),
    "one patient of one name": Case(
        stored(instance("1.1", "1.2", "1.3.9", PatientName="DOE^Jane^^")), [], files=5
    ),
    "a file put where another lay": Case(
        both(lambda d: (d / "tree" / FIRST_FILE).unlink(),
             put(FIRST_FILE, HAND)), ["misplaced"], repaired=["misplaced", "lost"],
    ),
    "a store that was killed": Case(receipt(withdrawn=False), []),
    "a store that was withdrawn": Case(receipt(withdrawn=True), []),
    "pixels that came damaged": Case(
        stored(instance("6.1", "6.2", "6.3", PatientID="P6", SamplesPerPixel=1, BitsAllocated=16)),
        ["pixel_data"], ["pixel_data"], files=5,
    ),
    "file in tree/": Case(put("notes.txt"), ["strange"]),
    "file in a study's folder": Case(put("1.1/notes.dcm"), ["strange"]),
    "no .dcm": Case(put("1.1/1.2/notes.txt"), ["strange"]),
    "foreign folder": Case(put("Backup of tree/1.2/notes.txt"), ["strange"]),
    "folder in a series": Case(put("1.1/1.2/deeper/notes.txt"), ["strange"]),
    "symbolic link": Case(link("1.1/1.2/1.3.7.dcm", FIRST_FILE), ["strange"]),
    "symbolic link to a folder": Case(link("1.9", "1.1"), ["strange"]),
    "empty series' folder": Case(folder("1.1/1.9"), ["empty_folder"]),
    "empty series' folder in a study's of its own": Case(folder("1.9/1.9"), ["empty_folder"]),
    "empty study's folder": Case(folder("1.9"), ["empty_folder"]),
}  # fmt: skip


# Asked over the network, too; the others only in the same way.
ASKED = {
    "file gone", "all rows gone", "swapped", "study's UID", "patient's ID", "series gone",
    "an instance UID in two series",
}  # fmt: skip
STUDIES = {"PatientID": "", "StudyInstanceUID": "", "NumberOfStudyRelatedInstances": ""}


def everything(data: Path) -> Counter[bytes]:
    """What is in the files and links of a folder; nothing of it may ever be deleted."""
    paths = [p for name in ("tree", "superseded") for p in (data / name).rglob("*")]
    return Counter(p.read_bytes() for p in paths if p.is_file() and not p.is_symlink())


def truth(data: Path) -> set[tuple[str, ...]]:
    """Patient, study and number of instances, by the files themselves."""
    read = [dcmread(path, stop_before_pixels=True) for path in data.glob("tree/*/*/*.dcm")]
    studies = Counter((str(d.PatientID), str(d.StudyInstanceUID)) for d in read)
    return {(*study, str(count)) for study, count in studies.items()}


def found(archive: Archive) -> set[tuple[str, ...]]:
    """The same, by a query."""
    asked = encoded(identifier("STUDY", **STUDIES))
    query = Query.read(Root.STUDY, asked, EXPLICIT, CHARSET)
    columns = [attribute.keyword for attribute in query.returned]
    answers = [dict(zip(columns, a.texts, strict=True)) for a in archive.find(query, CHARSET)]
    return {tuple(answer[keyword] for keyword in STUDIES) for answer in answers}


def told(node: RunningNode, folder: Path) -> set[tuple[str, ...]]:
    """The same, by findscu."""
    folder.mkdir()
    asked = keys(QueryRetrieveLevel="STUDY", **STUDIES)
    client("findscu", node, ["-S", "-X", *asked], cwd=folder)
    answers = [dcmread(path, force=True) for path in folder.iterdir()]
    return {
        (str(a.PatientID), str(a.StudyInstanceUID), str(a.NumberOfStudyRelatedInstances))
        for a in answers
    }


@pytest.mark.parametrize("name", CASES)
def test_a_fault_is_found_and_mended_and_queries_tell_the_truth(
    node: RunningNode, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    case = CASES[name]
    case.done(node.data)
    before = everything(node.data)
    checked = run_here(capsys, node)
    assert checked.kinds == Counter(case.kinds), checked.text
    assert checked.code == (1 if case.kinds else 0)
    assert everything(node.data) == before
    mended = run_here(capsys, node, repair=True)
    assert mended.kinds == Counter(case.repaired or case.kinds), mended.text
    assert mended.code == (1 if case.left else 0), mended.text
    assert all(fault["done"] for fault in mended.document["faults"])
    assert everything(node.data) == before
    archive = Archive(node.data, sync=False)
    try:
        assert Counter(f.kind.code for f in check(archive, CHARSET)) == Counter(case.left)
        assert counts(archive)["image"] == case.files == len(node.files())
        assert found(archive) == truth(node.data)
    finally:
        archive.close_thread()
    if name in ASKED:
        with running_node(node.folder) as served:
            assert told(served, tmp_path / "answers") == truth(node.data)


def test_what_is_found_is_told_in_a_line_each_and_a_last_one(node: RunningNode) -> None:
    CASES["file gone"].done(node.data)
    path = node.data / "tree" / FIRST_FILE
    checked = run(node.config)
    assert checked.text.splitlines() == [
        f"{path}: in the index, but not in the tree",
        "held patient=2, study=2, series=3, image=4, faults=1",
    ]
    mended = run(node.config, "--repair")
    assert mended.text.splitlines() == [
        f"{path}: in the index, but not in the tree -> row dropped: send it again",
        "held patient=2, study=2, series=3, image=3, faults=1, mended=1, left=0",
    ]
    assert mended.code == 0


def test_json_tells_what_is_held_and_of_each_fault_what_can_be_done(node: RunningNode) -> None:
    CASES["a bit flipped"].done(node.data)
    document = run(node.config, "--json").document
    (fault,) = document["faults"]
    size = sum(len(encoded(ct(*uids, **values))) for *uids, values in HELD)
    held = {"patients": 2, "studies": 2, "series": 3, "instances": 4, "bytes": size}
    assert document["held"] == held
    assert fault["uids"] == list(FIRST)
    assert fault["path"] == str(node.data / "tree" / FIRST_FILE)
    assert (fault["repairable"], fault["mended"]) == (False, False)
    assert "send it again" in fault["sentence"]


def test_what_is_sent_again_takes_the_place_of_what_was_damaged(node: RunningNode) -> None:
    CASES["a bit flipped"].done(node.data)
    assert run(node.config, "--repair").code == 1
    store(node.data, instance(*FIRST, **HELD[0][3]))
    assert run(node.config).code == 0


# ---- what is known


def two_faults(node: RunningNode) -> list[str]:
    """A file that is gone, and one that does not belong there; the lines of them."""
    CASES["file gone"].done(node.data)
    CASES["file in tree/"].done(node.data)
    tree = node.data / "tree"
    return [
        f"{tree / FIRST_FILE}: in the index, but not in the tree",
        f"{tree}/notes.txt: does not belong in tree/: a file outside of a series' folder",
    ]


SUMMARY = "held patient=2, study=2, series=3, image=4, faults="


def test_what_is_accepted_fails_no_later_check_and_something_new_does(node: RunningNode) -> None:
    lines = two_faults(node)
    assert run(node.config).code == 1
    unanswered = run(node.config, "--accept")
    assert (unanswered.code, unanswered.text.splitlines()[:3]) == (1, [*lines, f"{SUMMARY}2"])
    assert "without a terminal it takes --yes" in unanswered.errors
    assert run(node.config).code == 1
    refused = program.run("check", "-c", node.config, "--accept", answer="n\n")
    assert (refused.returncode, refused.stdout.splitlines()[-1][-16:]) == (1, "nothing accepted")
    done = program.run("check", "-c", node.config, "--accept", answer="y\n")
    assert (done.returncode, done.stdout.splitlines()[:3]) == (0, [*lines, f"{SUMMARY}2"])
    assert "left=2: missing=1, strange=1. Accept as known?" in done.stdout
    for _ in range(2):
        known = run(node.config)
        assert (known.code, known.text) == (0, f"{SUMMARY}2, accepted=2\n")
    CASES["empty study's folder"].done(node.data)
    fresh = run(node.config)
    assert (fresh.code, fresh.text.splitlines()) == (
        1, [f"{node.data}/tree/1.9: an empty folder", f"{SUMMARY}3, accepted=2"],
    )  # fmt: skip
    again = run(node.config, "--accept", "--yes")
    assert (again.code, again.text.splitlines()[-1].split(":")[0]) == (0, "accepted=1")
    assert run(node.config, "--accept").text == f"{SUMMARY}3, accepted=3\n"  # nothing is asked


def test_what_is_accepted_can_be_seen_and_forgotten(node: RunningNode) -> None:
    lines = two_faults(node)
    assert run(node.config, "--forget-accepted").text.startswith("accepted=0")
    run(node.config, "--accept", "-y")
    faults = run(node.config, "--json").document["faults"]
    assert [fault["kind"] for fault in faults] == ["missing", "strange"]
    shown = run(node.config, "--accepted")
    assert (shown.code, shown.text.splitlines()) == (
        0,
        [f"{line} (accepted {told['accepted']})" for line, told in zip(lines, faults, strict=True)]
        + [f"{SUMMARY}2, accepted=2"],
    )  # fmt: skip
    assert run(node.config, "--forget-accepted").code == 1
    assert run(node.config).code == 0
    assert run(node.config, "--forget-accepted", "-y").code == 0
    later = run(node.config)
    assert (later.code, later.text.splitlines()) == (1, [*lines, f"{SUMMARY}2"])
    told = [json.loads(line) for line in (node.data / "audit" / "audit.jsonl").open()]
    assert [(one["event"], one["faults"]) for one in told] == [
        ("accept", 2),
        ("forget-accepted", 2),
    ]
    assert (told[0]["kinds"], told[0]["outcome"]) == ({"missing": 1, "strange": 1}, "done")
    assert told[0]["studies"] == ["1.1"]


def test_json_tells_of_each_fault_when_it_was_accepted(node: RunningNode) -> None:
    two_faults(node)
    before = run(node.config, "--json")
    assert (before.code, {fault["accepted"] for fault in before.document["faults"]}) == (1, {None})
    accepted = run(node.config, "--accept", "--yes", "--json")
    assert accepted.code == 0
    assert all(fault["accepted"].startswith("20") for fault in accepted.document["faults"])
    assert run(node.config, "--json").document == accepted.document


def test_repair_mends_what_is_accepted_and_leaves_the_rest_known(node: RunningNode) -> None:
    for name in ("file gone", "pixels that came damaged"):
        CASES[name].done(node.data)
    run(node.config, "--accept", "-y")
    mended = run(node.config, "--repair")
    line, summary = mended.text.splitlines()
    assert " -> row dropped: send it again" in line
    assert summary.endswith("faults=2, accepted=1, mended=1, left=0")
    assert mended.code == 0
    assert run(node.config).text.endswith("faults=1, accepted=1\n")


def test_a_lost_instance_that_is_accepted_stays_lost_and_is_new_once_it_was_sent_again(
    node: RunningNode,
) -> None:
    CASES["file and row gone"].done(node.data)
    run(node.config, "--accept", "-y")
    assert program.run("rebuild", "-c", node.config).returncode == 0
    assert run(node.config).text.endswith("image=3, faults=1, accepted=1\n")
    store(node.data, instance(*FIRST, **HELD[0][3]))
    assert run(node.config).text.endswith("image=4, faults=0\n")
    CASES["file and row gone"].done(node.data)
    again = run(node.config, "--json")
    assert (again.code, again.kinds) == (1, Counter(lost=1))


def test_one_person_more_of_one_patient_is_another_fault(node: RunningNode) -> None:
    for number, name in enumerate(("Doe^John", "Zoe^Ann")):
        store(node.data, instance("1.1", "1.2", f"1.3.{9 + number}", PatientName=name))
        done = run(node.config, "--accept", "-y")
        assert (done.code, "\naccepted=1: " in done.text) == (0, True), done.text


def test_what_is_accepted_beside_a_node_is_in_the_backup(node: RunningNode, tmp_path: Path) -> None:
    two_faults(node)
    with running_node(node.folder) as served:
        assert run(served.config, "--accept", "-y").code == 0
        with served.association((CT, EXPLICIT)) as association:
            data = encoded(ct("3.1", "3.2", "3.3"))
            assert send(association, CT, "3.3", data).Status == 0
        assert run(served.config).text.endswith("faults=2, accepted=2\n")
        backup = program.run("backup", "-c", served.config, tmp_path / "copy")
        assert backup.returncode == 0, backup.stderr
    assert run(node.config).text.endswith("faults=2, accepted=2\n")
    here, there = (data / "journal" / "accepted.jsonl" for data in (node.data, tmp_path / "copy"))
    assert here.read_bytes() == there.read_bytes()


@pytest.mark.parametrize("call", [1, 2])
def test_what_was_written_before_a_kill_is_accepted_and_the_rest_is_not(
    node: RunningNode, call: int
) -> None:
    lines = two_faults(node)
    killed(
        node,
        "storage.journal.FolderJournal.write",
        call,
        "check",
        "--accept",
        "--yes",
    )
    left = run(node.config)
    assert (left.code, left.text.splitlines()[:-1]) == (1, lines[call - 1 :])
    assert run(node.config, "--accept", "-y").code == 0
    assert run(node.config).code == 0


def test_where_nothing_can_be_looked_at_nothing_is_accepted(node: RunningNode) -> None:
    fault = Fault(FaultKind.RIGHTS, str(node.data / "journal"), detail="not to be read")
    code = (
        "from scp.cli.commands.upkeep import check\n"
        "from storage.maintenance.check.faults import Fault, FaultKind\n"
        f"fault = Fault(FaultKind.RIGHTS, {fault.path!r}, detail={fault.detail!r})\n"
        "check.rights_faults.above = lambda *_: [fault]\n"
        "from scp.cli import main\nmain()\n"
    )
    done = program.run("check", "-c", node.config, "--accept", "-y", code=code)
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, str(fault))
    assert not (node.data / "journal" / "accepted.jsonl").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--accept", "--json"), "--json: takes --yes beside --accept"),
        (("--forget-accepted", "--repair"), "--forget-accepted: takes nothing beside it"),
        (("--forget-accepted", "--accept", "-y"), "--forget-accepted: takes nothing beside it"),
        (("--forget-accepted", "--json"), "--forget-accepted: takes nothing beside it"),
    ],
    ids=str,
)
def test_options_that_do_not_go_together_are_told(
    node: RunningNode, given: tuple[str, ...], words: str
) -> None:
    two_faults(node)
    done = run(node.config, *given)
    assert (done.code, done.text) == (2, "")
    assert words in done.errors
    assert not (node.data / "journal" / "accepted.jsonl").exists()


def test_a_disk_that_is_full_is_told_and_nothing_is_known(node: RunningNode) -> None:
    two_faults(node)
    code = (
        "import os\nwrite = os.write\n"
        "os.write = lambda to, data: write(to, data[:7] if b'\"accepted\":' in data else data)\n"
        "from scp.cli import main\nmain()\n"
    )
    for options in ((), ("--json",)):
        done = program.run("check", "-c", node.config, "--accept", "-y", *options, code=code)
        assert done.returncode == 2
        assert "minipacs: The journal cannot be written: No space left on device" in done.stderr
    assert {fault["accepted"] for fault in json.loads(done.stdout)["faults"]} == {None}
    assert run(node.config).code == 1


# ---- how far it is


def test_a_terminal_sees_a_bar_and_a_pipe_only_the_faults(node: RunningNode) -> None:
    CASES["file gone"].done(node.data)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "scp", "check", "-c", str(node.config)]
    seen = bytearray()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    ) as process:
        os.close(theirs)
        with suppress(OSError):  # the end of a terminal
            while part := os.read(ours, 65536):
                seen += part
        assert process.stdout
        lines = process.stdout.read().decode().splitlines()
    os.close(ours)
    assert process.returncode == 1
    assert b"reading files" in seen or b"walking the tree" in seen
    assert [line.split(":")[-1].strip() for line in lines[:1]] == [
        "in the index, but not in the tree"
    ]
    assert len(lines) == 2


def test_a_log_tells_now_and_then_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shown = Shown("check")
    shown.begin("reading files", 1000)
    with caplog.at_level(logging.INFO):
        shown.advance(10)
        assert caplog.messages == []
        monkeypatch.setattr("scp.cli.output.progress._LOG_SECONDS", 0)
        shown.advance(20)
    assert caplog.messages == ["check reading files bytes=30 of=1000"]


# ---- where no check can be made


def _other_version(node: RunningNode) -> None:
    sql("PRAGMA user_version = 7")(node.data)


def _no_folder(node: RunningNode) -> None:
    shutil.rmtree(node.data)


def _a_file(node: RunningNode) -> None:
    shutil.rmtree(node.data)
    node.data.write_text("no folder")


def _no_tree(node: RunningNode) -> None:
    shutil.rmtree(node.data / "tree")


def _garbage(node: RunningNode) -> None:
    (node.data / "index.sqlite").write_bytes(b"no database" * 1000)


def _no_index(node: RunningNode) -> None:
    for path in node.data.glob("index.sqlite*"):
        path.unlink()


def _no_config(node: RunningNode) -> None:
    node.config.unlink()


def _lost_table(node: RunningNode) -> None:
    sql("DROP TABLE name_part")(node.data)


REFUSED = {
    "no folder": (_no_folder, "data"),
    "a file": (_a_file, "data"),
    "no tree": (_no_tree, "tree"),
    "no index": (_no_index, "index not there; `minipacs rebuild`"),
    "another version": (_other_version, "index of another version; `minipacs rebuild`"),
    "an index that is none": (_garbage, "index damaged: "),
    "a table gone": (_lost_table, "name_part"),
    "no configuration": (_no_config, "config.toml"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_where_no_check_can_be_made_one_line_says_so(node: RunningNode, name: str) -> None:
    spoil, words = REFUSED[name]
    spoil(node)
    checked = run(node.config, "--repair", "--json")
    assert checked.code == 2, checked.text + checked.errors
    (line,) = checked.errors.splitlines()
    assert words in line
    assert line.startswith("minipacs: ")
    assert checked.text == ""


# ---- files from the field


# pydicom's, that are damaged on purpose: name -> kind.
ODD = {
    "MR_small_padded.dcm": FaultKind.PIXEL_DATA,
    "MR_truncated.dcm": FaultKind.CUT_SHORT,
}


def test_of_files_as_they_came_only_damaged_ones_are_faults(tmp_path: Path) -> None:
    """Each store is followed by a check: many of the files have the UIDs of others."""
    prepare(tmp_path, sync=False, charset=CHARSET)
    archive = Archive(tmp_path, sync=False)
    odd, held, rounds = {}, 0, [list(samples())]
    while rounds[-1]:
        later, seen = [], {}
        for sample in rounds[-1]:
            if sample.uids in seen:
                later.append(sample)
                continue
            received = Received(
                sample.sop_class_uid, sample.sop_instance_uid, sample.transfer_syntax_uid,
                sample.data_set, CHARSET,
            )  # fmt: skip
            try:
                seen[archive.store(received).uids] = sample.name
                held += 1
            except ArchiveError:
                continue
        for fault in check(archive, CHARSET):
            study, series, uid = fault.uids
            if (study, series, uid) in seen:  # else it was told in an earlier round
                odd[seen[study, series, uid]] = fault.kind
        rounds.append(later)
    archive.close_thread()
    assert held > 100
    assert odd == ODD

"""The commands on the worklist, as a person calls them, beside a node that serves it."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import ROOT, RunningNode, minipacs, running_node
from support.program import Program
from worklist.modality import Modality, of_step, worklist, write_entries

from storage.worklist import day_before

TODAY = day_before(0)
HEADER = "Name;Geb.;Sex;ID;Accession;Modality;Station;Date;Time;Procedure"


def row(number: int, date: str = TODAY, patient: str = "") -> str:
    return (f"Doe^J{number};01.02.1970;f;{patient or f'P{number}'};A{number};CT;CT01;{date};9:30;"
            "CT chest")  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    tables = {"worklist": {}, "node": {"workers": 1}, "metrics": {"port": 0}}
    with running_node(tmp_path_factory.mktemp("commands"), tables) as node:
        yield node


@pytest.fixture
def node(served: RunningNode) -> Iterator[RunningNode]:
    """The node, with an empty worklist before and behind."""
    yield served
    for path in (served.data / "worklist").glob("*"):
        path.unlink()


def csv(node: RunningNode, *rows: str, encoding: str = "utf-8") -> Path:
    path = node.config.with_name("day.csv")
    path.write_bytes("\r\n".join([HEADER, *rows, ""]).encode(encoding))
    return path


def accessions(node: RunningNode) -> list[str]:
    return sorted(str(one.AccessionNumber) for one in Modality(node).found({"AccessionNumber": ""}))


def test_an_entry_that_is_added_is_found_at_once(node: RunningNode) -> None:
    values = ("PatientName=Doe^Jane", "PatientID=P1", "Modality=CT", "ScheduledStationAETitle=CT01")
    done = worklist(node, "add", *values, "--time", "0930")
    assert done.returncode == 0, done.stderr
    told = dict(part.split("=") for part in done.stdout.split() if "=" in part)
    keys = {"AccessionNumber": "", "StudyInstanceUID": ""} | of_step(
        ScheduledProcedureStepStartDate=TODAY, ScheduledProcedureStepStartTime="0930"
    )
    (answer,) = Modality(node).found(keys)
    assert answer.AccessionNumber == told["accession"]
    assert answer.StudyInstanceUID == told["study"]


def test_an_entry_that_is_none_is_not_added(node: RunningNode) -> None:
    done = worklist(node, "add", "PatientName=A\x1b[31m", "Modality=CT", "PatientId=1")
    assert done.returncode == 2
    assert "the nearest is PatientID" in done.stderr
    done = worklist(node, "add", "PatientName=A\x1b[31m", "Modality=CT", "PatientID=1",
                    "ScheduledStationAETitle=CT01")  # fmt: skip
    assert "PatientName: has the control character U+001B" in done.stderr
    assert "\x1b" not in done.stderr
    assert accessions(node) == []


def test_markup_and_what_moves_a_cursor_is_shown_as_text(node: RunningNode) -> None:
    entry = {
        "PatientName": "<b>[red]\u202e^X",
        "PatientID": "1",
        "Modality": "CT",
        "ScheduledStationAETitle": "CT01",
        "ScheduledProcedureStepStartDate": TODAY,
    }
    write_entries(node, "a.json", entry)
    shown = worklist(node, "list").stdout
    assert "<b>[red]\\u202e^X" in shown
    assert "\u202e" not in shown


def test_a_table_is_taken_as_a_whole(node: RunningNode) -> None:
    done = worklist(node, "import", csv(node, *(row(n) for n in range(20)), encoding="cp1252"))
    assert (done.returncode, done.stdout) == (0, "took entries=20\n")
    assert len(accessions(node)) == 20
    worklist(node, "import", csv(node, *(row(n) for n in range(20))))
    assert len(accessions(node)) == 20


def test_one_wrong_date_in_row_7_and_nothing_is_taken(node: RunningNode) -> None:
    rows = [row(n) for n in range(20)]
    rows[5] = row(5, "31.02.2026")
    rows[9] = rows[9].replace("P9", "")
    done = worklist(node, "import", csv(node, *rows))
    assert done.returncode == 1
    assert 'row 7: Date: "31.02.2026" is no date' in done.stderr
    assert done.stderr.rstrip().endswith("nothing is taken")
    assert accessions(node) == []
    assert list((node.data / "worklist").iterdir()) == []


def test_every_wrong_row_is_named(node: RunningNode) -> None:
    rows = [row(1), row(2, patient="\x07"), row(3).replace("CT01", ""), row(1)]
    done = worklist(node, "import", csv(node, *rows))
    assert "row 3: PatientID: has the control character" in done.stderr
    assert "row 4: ScheduledStationAETitle: missing" in done.stderr
    done = worklist(node, "import", csv(node, row(1), row(2), row(1, patient="P2")))
    assert "row 4: Accession Number A1 is that of patient P1 too" in done.stderr
    assert accessions(node) == []


def test_a_dry_run_shows_and_takes_nothing(node: RunningNode) -> None:
    done = worklist(node, "import", csv(node, row(1)), "--dry-run")
    assert "19700201" in done.stdout
    assert "would take entries=1" in done.stdout
    assert accessions(node) == []


def test_columns_of_any_name_are_mapped(node: RunningNode) -> None:
    path = csv(node, row(1))
    path.write_text(path.read_text().replace("Accession", "Fall"))
    done = worklist(node, "import", path)
    assert 'column "Fall" is no keyword' in done.stderr
    assert worklist(node, "import", path, "--map", "Fall=AccessionNumber").returncode == 0
    assert accessions(node) == ["A1"]


def test_an_entry_of_another_patients_number_is_refused(node: RunningNode) -> None:
    worklist(node, "import", csv(node, row(1)))
    done = worklist(node, "import", csv(node, row(2), row(1, patient="P9")))
    assert done.returncode == 1
    assert "row 3: Accession Number A1 with step A1-1 is that of another patient" in done.stderr
    assert accessions(node) == ["A1"]


def test_what_is_cancelled_is_not_answered_until_that_is_taken_back(node: RunningNode) -> None:
    worklist(node, "import", csv(node, row(1), row(2)))
    assert "CANCELLED, was SCHEDULED" in worklist(node, "cancel", "A1").stdout
    assert accessions(node) == ["A2"]
    assert worklist(node, "complete", "A2/A2-1").returncode == 0
    assert accessions(node) == []
    listed = json.loads(worklist(node, "list", "--state", "cancelled", "--json").stdout)
    assert [one["accession"] for one in listed] == ["A1"]
    worklist(node, "cancel", "A1", "--undo")
    assert accessions(node) == ["A1"]
    missing = worklist(node, "cancel", "NOBODY")
    assert missing.returncode == 1
    assert "no entry has it" in missing.stderr
    for number in ("A1", "A2"):
        worklist(node, "complete", number, "--undo")


def test_what_is_not_taken_is_listed(node: RunningNode) -> None:
    (node.data / "worklist" / "half.json").write_text('{"PatientName": "Do')
    done = worklist(node, "list")
    assert done.returncode == 1
    assert "half.json: not taken: is no JSON" in done.stderr
    checked = minipacs("check", node)
    assert checked.returncode == 1
    assert "half.json: a file of the worklist that is not taken: is no JSON" in checked.stdout


def test_why_a_modality_is_not_shown_an_entry(node: RunningNode) -> None:
    worklist(node, "import", csv(node, row(1), row(2)))
    worklist(node, "cancel", "A2")
    keys = {"PatientName": "Roe*"} | of_step(ScheduledStationAETitle="CT02", Modality="CT")
    assert Modality(node, "CT02").found(keys) == []
    done = worklist(node, "explain", "CT02")
    assert "PatientName=Roe*, ScheduledStationAETitle=CT02, Modality=CT; answers=0" in done.stdout
    (first, second) = json.loads(worklist(node, "explain", "CT02", "--json").stdout)[0]["entries"]
    assert first["hidden"] == ["PatientName: asked Roe*, is Doe^J1",
                               "ScheduledStationAETitle: asked CT02, is CT01"]  # fmt: skip
    assert "it is CANCELLED by command" in second["hidden"][0]
    nobody = worklist(node, "explain", "XX")
    assert (nobody.returncode, nobody.stdout) == (1, "XX has asked for no worklist\n")
    worklist(node, "cancel", "A2", "--undo")


def test_a_worklist_is_asked_as_a_modality_asks(node: RunningNode) -> None:
    worklist(node, "import", csv(node, row(1), row(2)))
    text = node.config.read_text()
    peer = f'\n[peers.{node.title}]\nhost = "127.0.0.1"\nport = {node.port}\n'
    try:
        node.config.write_text(text + peer)
        done = worklist(node, "ask", node.title, "PatientName=*J2")
        assert done.returncode == 0, done.stderr
        assert "Doe^J2" in done.stdout
        assert "Doe^J1" not in done.stdout
        assert worklist(node, "ask", node.title, "Modality=MR").returncode == 1
    finally:
        node.config.write_text(text)


def test_what_is_exported_another_folder_serves(node: RunningNode, tmp_path: Path) -> None:
    worklist(node, "import", csv(node, row(1).replace("J1", "Änne"), row(2)))
    for form in ("wl", "json"):
        assert worklist(node, "export", tmp_path / form, "--format", form).returncode == 0
    keys = {"PatientName": "", "StudyInstanceUID": "", "AccessionNumber": ""} | of_step()
    before = Modality(node).found(keys)
    for path in (node.data / "worklist").glob("*"):
        path.unlink()
    for path in (tmp_path / "wl").iterdir():
        os.link(path, node.data / "worklist" / path.name)
    assert Modality(node).found(keys) == before
    table = tmp_path / "out.csv"
    assert worklist(node, "export", table, "--format", "csv").returncode == 0
    assert len(table.read_text().splitlines()) == 3
    for path in (node.data / "worklist").glob("*"):
        path.unlink()
    again = worklist(node, "import", table)
    assert again.returncode == 0, again.stderr
    assert [one.StudyInstanceUID for one in Modality(node).found(keys)] == [
        one.StudyInstanceUID for one in before
    ]


@pytest.mark.parametrize("step", ["before it has its name", "behind that"])
def test_an_import_that_is_killed_has_all_rows_or_none(node: RunningNode, step: str) -> None:
    kill = f"__import__('os').kill(__import__('os').getpid(), {int(signal.SIGKILL)})"
    replaced = "storage.worklist.entries.folder"
    code = f"import {replaced} as m\nimport pathlib\nold = pathlib.Path.replace\n"
    if step.startswith("before"):
        code += f"pathlib.Path.replace = lambda *_: {kill}\n"
    else:
        code += f"pathlib.Path.replace = lambda *a: (old(*a), {kill})\n"
    path = csv(node, *(row(n) for n in range(50)))
    program = Program("worklist", "import", "-c", str(node.config), str(path), cwd=ROOT,
                      code=f"{code}from scp.cli import main\nmain()")  # fmt: skip
    assert program.wait() != 0
    assert len(accessions(node)) == (0 if step.startswith("before") else 50)


def test_a_backup_has_entries_and_steps(node: RunningNode, tmp_path: Path) -> None:
    worklist(node, "import", csv(node, row(1), row(2)))
    worklist(node, "cancel", "A2")
    to = tmp_path / "backup"
    assert minipacs("backup", node, str(to)).returncode == 0
    (entries,) = (to / "worklist").iterdir()
    assert entries.read_bytes() == (node.data / "worklist" / entries.name).read_bytes()
    assert "CANCELLED" in (to / "journal" / "steps.jsonl").read_text()
    (node.data / "worklist" / entries.name).unlink()
    minipacs("backup", node, str(to))
    assert list((to / "worklist").iterdir()) == []


def test_a_backup_that_is_put_back_says_the_same(tmp_path: Path) -> None:
    tables = {"worklist": {}, "node": {"workers": 1}}
    with running_node(tmp_path / "first", tables) as first:
        worklist(first, "import", csv(first, row(1), row(2)))
        worklist(first, "cancel", "A2")
        keys = {"StudyInstanceUID": "", "AccessionNumber": ""} | of_step()
        before = Modality(first).found(keys)
        assert minipacs("backup", first, str(tmp_path / "backup")).returncode == 0
    (tmp_path / "second").mkdir()
    os.rename(tmp_path / "backup", tmp_path / "second" / "data")
    with running_node(tmp_path / "second", tables) as second:
        assert Modality(second).found(keys) == before


def test_what_commands_do_is_in_the_audit_trail(node: RunningNode) -> None:
    worklist(node, "import", csv(node, row(1)))
    worklist(node, "cancel", "A1")
    worklist(node, "cancel", "A1", "--undo")
    Modality(node, "AUDITED").found({"PatientID": "P1"})
    lines = (node.data / "audit" / "audit.jsonl").read_text().splitlines()
    told = [json.loads(line) for line in lines]
    states = [one["state"] for one in told if one["event"] == "worklist-state"]
    assert states[-2:] == ["CANCELLED", "taken back"]
    assert [one["entries"] for one in told if one["event"] == "worklist-import"][-1] == 1
    asked = [one for one in told if one["event"] == "worklist" and one["peer"] == "AUDITED"]
    assert [(one["answers"], one["status"]) for one in asked] == [(1, "0000")]
    assert not any("Doe" in line for line in lines)

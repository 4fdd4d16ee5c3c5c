"""`minipacs export --deidentify` and `send --deidentify`, as a user runs them."""

import csv
import json
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet
from support import (
    CT,
    EXPLICIT,
    IMPLICIT,
    RunningNode,
    ct,
    destination,
    encoded,
    free_port,
    minipacs,
    samples,
)
from support.fuzzing import stuffed

from storage import Archive, Received, prepare

CHARSET = "ISO_IR 100"
JPEG = next(one for one in samples() if one.transfer_syntax_uid.endswith(".4.50"))
NAMES = (b"Doe", b"Jane", b"QZ-ID")


@pytest.fixture
def node(tmp_path: Path) -> RunningNode:
    """One that does not run, with a study in several transfer syntaxes."""
    (tmp_path / "node").mkdir()
    node = RunningNode(tmp_path / "node")
    prepare(node.data, sync=False, charset=CHARSET)
    archive = Archive(node.data, sync=False)
    for number, syntax in enumerate((EXPLICIT, IMPLICIT, stuffed.BIG_ENDIAN, stuffed.DEFLATED)):
        data = stuffed.encoded(instance(number), syntax)
        archive.store(Received(CT, f"1.3.{number}", syntax, data, CHARSET))
    burned = encoded(ct("5.1", "5.2", "5.3", PatientID="B", BurnedInAnnotation="YES"))
    archive.store(Received(CT, "5.3", EXPLICIT, burned, CHARSET))
    archive.store(Received(JPEG.sop_class_uid, JPEG.sop_instance_uid, JPEG.transfer_syntax_uid,
                           JPEG.data_set, CHARSET))  # fmt: skip
    archive.close_thread()
    return node


def instance(number: int) -> Dataset:
    made = ct("1.1", "1.2", f"1.3.{number}", PatientID="QZ-ID", PatientName="Doe^Jane")
    made.PixelData = bytes([number, 1, 2, 3]) * 1000
    made["PixelData"].VR = "OW"
    made.BitsAllocated, made.PixelRepresentation = 16, 0
    return made


def exported(node: RunningNode, target: Path, *options: str) -> list[Dataset]:
    done = minipacs("export", node, str(target), "--deidentify", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return [dcmread(path) for path in sorted(target.glob("*/*/*.dcm"))]


def test_what_is_exported_names_nobody(node: RunningNode, tmp_path: Path) -> None:
    found = exported(node, tmp_path / "out", "--patient", "QZ-ID")
    assert len(found) == 4
    for path in (tmp_path / "out").glob("*/*/*.dcm"):
        data = stuffed.inflated(path.read_bytes())
        assert not [name for name in (*NAMES, b"1.3.") if name in data + str(path.parent).encode()]
        assert path.stem == dcmread(path).SOPInstanceUID
    assert {one.PixelData[1:4] for one in found} == {b"\1\2\3"}
    assert len({one.StudyInstanceUID for one in found}) == 1
    assert len({one.SOPInstanceUID for one in found}) == 4
    syntaxes = {str(one.file_meta.TransferSyntaxUID) for one in found}
    assert syntaxes == {EXPLICIT, IMPLICIT, stuffed.BIG_ENDIAN, stuffed.DEFLATED}
    told = (node.data / "audit" / "audit.jsonl").read_text()
    assert json.loads(told)["deidentified"] == "basic"
    assert not [uid for one in found if (uid := str(one.SOPInstanceUID)) in told]


def test_it_comes_out_the_same_each_time_and_from_a_backup(
    node: RunningNode, tmp_path: Path
) -> None:
    first = exported(node, tmp_path / "first", "--patient", "QZ-ID")
    minipacs("backup", node, str(tmp_path / "backup"))
    (tmp_path / "again").mkdir()
    again = RunningNode(tmp_path / "again", {"storage": {"path": str(tmp_path / "backup")}})
    assert minipacs("rebuild", again).returncode == 0
    second = exported(again, tmp_path / "second", "--patient", "QZ-ID")
    assert first == second
    secret = node.data / "journal" / "deidentification.jsonl"
    assert secret.stat().st_mode & 0o777 == 0o600


def test_a_patient_can_be_given_an_id_and_a_name(node: RunningNode, tmp_path: Path) -> None:
    options = ("--study", "1.1", "--patient-id", "T-7", "--patient-name", "Trial^Seven")
    found = exported(node, tmp_path / "out", *options, "--retain", "uids", "--retain", "dates")
    assert {(one.PatientID, str(one.PatientName)) for one in found} == {("T-7", "Trial^Seven")}
    assert {one.StudyInstanceUID for one in found} == {"1.1"}
    codes = [item.CodeValue for item in found[0].DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113106", "113110"]


def test_patients_have_the_identifiers_of_a_file(node: RunningNode, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    lines = ("\ufeffNewPatientID;PatientID;NewPatientName", "T-7;QZ-ID;Trial^Seven", "T-8;X;", "")
    own.write_text("\r\n".join(lines))
    found = exported(node, tmp_path / "out", "--patient", "QZ-ID", "--identifiers", str(own))
    assert {(one.PatientID, str(one.PatientName)) for one in found} == {("T-7", "Trial^Seven")}
    # Who is not in it is refused: a pseudonym among them would be another patient's ID, it may be.
    done = minipacs("export", node, str(tmp_path / "all"), "--deidentify", "--study", "5.1",
                    "--identifiers", str(own), "--burned-in")  # fmt: skip
    assert done.returncode == 1
    assert "5.3: not exported: its Patient ID is not among the identifiers" in done.stdout


@pytest.mark.parametrize(("text", "words"), [
    ("PatientID\nP1\n", "has no column NewPatientID"),
    ("PatientID,NewPatientID\n", "has no patients"),
    ("PatientID,NewPatientID\nP1,\n", "line 2: PatientID or NewPatientID is empty"),
    ("PatientID,NewPatientID\nP1,A\nP1,B\n", "line 3: another NewPatientID for P1"),
    ("PatientID,NewPatientID\nP1,A\\B\n", "line 2: takes at most 64 characters"),
])  # fmt: skip
def test_identifiers_that_are_none_export_nothing(
    node: RunningNode, tmp_path: Path, text: str, words: str
) -> None:
    own = tmp_path / "own.csv"
    own.write_text(text)
    done = minipacs("export", node, str(tmp_path / "out"), "--deidentify", "--study", "1.1",
                    "--identifiers", str(own))  # fmt: skip
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "out").exists()


def test_a_table_tells_who_is_who(node: RunningNode, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    found = exported(node, tmp_path / "out", "--patient", "QZ-ID", "--map", str(table),
                     "--retain", "shifted-dates")  # fmt: skip
    assert table.stat().st_mode & 0o777 == 0o600
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["SOPInstanceUID"] for row in rows} == {f"1.3.{number}" for number in range(4)}
    assert {row["NewSOPInstanceUID"] for row in rows} == {one.SOPInstanceUID for one in found}
    assert {(row["PatientID"], row["PatientName"]) for row in rows} == {("QZ-ID", "Doe^Jane")}
    (new,) = {(row["NewPatientID"], row["NewPatientName"]) for row in rows}
    assert {(one.PatientID, str(one.PatientName)) for one in found} == {new}
    (days,) = {int(row["DaysEarlier"]) for row in rows}
    assert days > 0
    assert {row["NewStudyInstanceUID"] for row in rows} == {one.StudyInstanceUID for one in found}


def test_a_table_is_never_overwritten_or_given_away(node: RunningNode, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("kept")
    wanted = ("export", node, str(tmp_path / "out"), "--study", "1.1")
    assert "table.csv: File exists" in minipacs(*wanted, "--deidentify", "--map", str(table)).stderr
    assert table.read_text() == "kept"
    inside = str(tmp_path / "out" / "table.csv")
    done = minipacs(*wanted, "--deidentify", "--map", inside)
    assert (done.returncode, "lies in what is given away" in done.stderr) == (2, True)
    assert "--map: takes --deidentify" in minipacs(*wanted, "--map", inside).stderr
    assert not (tmp_path / "out").exists()


def test_zip_and_media_are_de_identified_too(node: RunningNode, tmp_path: Path) -> None:
    options = ("--deidentify", "--patient", "QZ-ID")
    target = tmp_path / "out.zip"
    assert minipacs("export", node, str(target), *options, "--zip").returncode == 0
    with zipfile.ZipFile(target) as zipped:
        zip_found = {dcmread(BytesIO(zipped.read(one))).SOPInstanceUID
                     for one in zipped.namelist()}  # fmt: skip
    media = tmp_path / "media"
    done = minipacs("export", node, str(media), *options, "--dicomdir")
    assert done.returncode == 0, done.stdout
    assert {one.SOPInstanceUID for one in FileSet(media / "DICOMDIR")} == zip_found
    assert not [path for path in media.rglob("*") if path.is_file()
                if any(name in path.read_bytes() for name in NAMES)]  # fmt: skip


def test_compressed_pixels_stay_as_they_are(node: RunningNode, tmp_path: Path) -> None:
    options = ("--instance", JPEG.sop_instance_uid, "--burned-in")
    (found,) = exported(node, tmp_path / "out", *options)
    assert found.PixelData == JPEG.dataset.PixelData
    assert found.PatientID != JPEG.dataset.PatientID


def test_burned_in_annotation_is_reported_and_not_exported(
    node: RunningNode, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    done = minipacs("export", node, str(target), "--study", "5.1", "--deidentify")
    assert done.returncode == 1
    assert "5.3: not exported: says that it has burned in annotation" in done.stdout
    assert not list(target.glob("*/*/*"))
    assert len(exported(node, tmp_path / "asked", "--study", "5.1", "--burned-in")) == 1


@pytest.mark.parametrize(("values", "words", "option"), [
    ({"RecognizableVisualFeatures": "YES"}, "can be recognized", "--recognizable"),
    ({"Modality": "US"}, "does not say that it has no burned in annotation", "--burned-in"),
], ids=["face", "ultrasound"])  # fmt: skip
@pytest.mark.parametrize("command", ["export", "send"])
def test_what_may_show_who_it_is_takes_an_option(
    node: RunningNode, tmp_path: Path, command: str, values: dict[str, str], words: str, option: str
) -> None:
    archive = Archive(node.data, sync=False)
    data = encoded(ct("6.1", "6.2", "6.3", PatientID="F", **values))
    archive.store(Received(CT, "6.3", EXPLICIT, data, CHARSET))
    archive.close_thread()
    with destination("DEST", CT) as (inbox, port):
        node.configure({"peers": {"DEST": {"host": "127.0.0.1", "port": port}}})
        to = {"export": tmp_path / "out", "send": "DEST"}[command]
        refused = minipacs(command, node, str(to), "--study", "6.1", "--deidentify")
        assert refused.returncode == 1
        assert f"{words}" in refused.stdout
        assert f"{option} takes it as it is" in refused.stdout
        assert not inbox.data_sets()
        to = {"export": tmp_path / "asked", "send": "DEST"}[command]
        done = minipacs(command, node, str(to), "--study", "6.1", "--deidentify", option)
        assert done.returncode == 0, done.stdout
    assert inbox.data_sets() or list((tmp_path / "asked").glob("*/*/*.dcm"))


@pytest.mark.parametrize("options", [(), ("--zip",), ("--dicomdir",)])
def test_what_was_taken_is_told_and_is_nowhere(
    node: RunningNode, tmp_path: Path, options: tuple[str, ...]
) -> None:
    mark = "QZMARK"
    values = {"Manufacturer": mark, "SeriesNumber": None, "BodyPartExamined": mark}
    made = ct("7.1", "7.2", "7.3", PatientID=mark, **values)
    made.Modality = made.StudyDate = mark
    made.add_new(0x00200011, "CS", mark)  # written as CS, of the length of one
    data = encoded(made).replace(b"\x20\0\x11\0CS", b"\x20\0\x11\0IS")
    archive = Archive(node.data, sync=False)
    archive.store(Received(CT, "7.3", EXPLICIT, data, CHARSET))
    archive.close_thread()
    target = tmp_path / "out"
    done = minipacs("export", node, str(target), "--study", "7.1", "--deidentify", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Manufacturer (1)" in done.stdout
    assert "SeriesNumber (1)" in done.stdout
    assert mark not in done.stdout + done.stderr
    paths = (
        [target] if options == ("--zip",) else [one for one in target.rglob("*") if one.is_file()]
    )
    names = " ".join(str(one.relative_to(tmp_path)) for one in paths)
    if options == ("--zip",):
        with zipfile.ZipFile(target) as zipped:
            names = " ".join(zipped.namelist())
            whole = b"".join(map(zipped.read, zipped.namelist()))
    else:
        whole = b"".join(one.read_bytes() for one in paths)
    assert whole
    assert mark.encode() not in whole
    assert mark not in names


def test_what_is_sent_is_converted_and_names_nobody(node: RunningNode) -> None:
    with destination("DEST", CT) as (inbox, port):
        node.configure({"peers": {"DEST": {"host": "127.0.0.1", "port": port}}})
        done = minipacs("send", node, "DEST", "--study", "1.1", "--deidentify")
        arrived = inbox.data_sets()
    assert done.returncode == 0, done.stdout
    assert "sent=4, warned=0, failed=0" in done.stdout
    assert len(arrived) == 4
    for uid, data in arrived.items():
        assert uid.startswith("2.25.")
        assert uid.encode() in data or len(data) < 3000  # deflated
        assert not [name for name in (*NAMES, b"1.3.") if name in data]
    told = json.loads((node.data / "audit" / "audit.jsonl").read_text())
    assert (told["event"], told["deidentified"]) == ("send", "basic")


@pytest.mark.parametrize(("given", "words"), [
    (("--retain", "uids"), "--retain: takes --deidentify"),
    (("--patient-id", "X"), "--patient-id: takes --deidentify"),
    (("--burned-in",), "--burned-in: takes --deidentify"),
    (("--recognizable",), "--recognizable: takes --deidentify"),
    (("--video",), "--video: takes --deidentify"),
    (("--deidentify", "--retain", "names"), "'names' is not one of"),
    (("--deidentify", "--retain", "dates", "--retain", "shifted-dates"), "takes one of dates"),
    (("--deidentify", "--patient-id", "a\\b"), "--patient-id: takes at most 64 characters"),
    (("--deidentify", "--patient-name", "Ö"), "--patient-name: takes at most 64 characters"),
    (("--deidentify", "--patient-name", "x" * 65), "takes at most 64 characters"),
])  # fmt: skip
@pytest.mark.parametrize("command", ["export", "send"])
def test_options_that_are_wrong_are_told_and_nothing_is_done(
    node: RunningNode, tmp_path: Path, command: str, given: tuple[str, ...], words: str
) -> None:
    node.configure({"peers": {"DEST": {"host": "127.0.0.1", "port": free_port()}}})
    to = str(tmp_path / "out") if command == "export" else "DEST"
    done = minipacs(command, node, to, "--study", "1.1", *given)
    assert done.returncode == 2
    told = " ".join(done.stderr.replace("│", " ").split())
    assert words in told
    assert "Traceback" not in told
    assert not (tmp_path / "out").exists()
    assert not (node.data / "journal" / "deidentification.jsonl").exists()


def test_corrections_are_exported_and_de_identified_with_what_was_there_before(
    node: RunningNode, tmp_path: Path
) -> None:
    new = "QZ^Corrected"
    corrected = minipacs("correct", node, "--study", "1.1", f"PatientName={new}", "--yes")
    assert corrected.returncode == 0, corrected.stderr
    done = minipacs("export", node, str(tmp_path / "plain"), "--study", "1.1")
    assert done.returncode == 0, done.stderr
    plain = [dcmread(path) for path in (tmp_path / "plain").rglob("*.dcm")]
    assert len(plain) == 4
    for one in plain:
        (original,) = one.OriginalAttributesSequence
        assert (one.PatientName, original.ModifyingSystem) == (new, "MINIPACS")
        assert original.ModifiedAttributesSequence[0].PatientName == "Doe^Jane"
    for one in exported(node, tmp_path / "anonymous", "--study", "1.1"):
        assert "OriginalAttributesSequence" not in one
        assert str(one.PatientName).startswith("ANON^")
    for path in (tmp_path / "anonymous").rglob("*.dcm"):
        data = path.read_bytes()
        assert not [name for name in (*NAMES, b"QZ^Corrected") if name in data]

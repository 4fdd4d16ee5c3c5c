"""`minipacs export`, as a user runs it."""

import json
import os
import resource
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.fileset import FileSet
from support import (
    CLIENT_SECONDS,
    CT,
    EXPLICIT,
    IMPLICIT,
    ROOT,
    RunningNode,
    ct,
    data_set_bytes,
    dcmtk,
    encoded,
    minipacs,
    samples,
)
from support.program import run

from storage import Archive, Received, prepare

CHARSET = "ISO_IR 100"
MR = "1.2.840.10008.5.1.4.1.1.4"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
# instance -> study, transfer syntax
HELD = {
    "1.3.1": ("1.1", EXPLICIT), "1.3.2": ("1.1", EXPLICIT), "1.3.3": ("1.1", IMPLICIT),
    "2.3.1": ("2.1", EXPLICIT),
}  # fmt: skip


@pytest.fixture
def node(tmp_path: Path) -> RunningNode:
    """One that does not run: what is exported comes from the folder."""
    (tmp_path / "node").mkdir()
    node = RunningNode(tmp_path / "node")
    store(node, {one: (CT, syntax, data_set(one)) for one, (_, syntax) in HELD.items()})
    return node


def store(node: RunningNode, held: dict[str, tuple[str, str, bytes]]) -> None:
    if not node.data.exists():
        prepare(node.data, sync=False, charset=CHARSET)
    archive = Archive(node.data, sync=False)
    for instance, (sop_class, syntax, data) in held.items():
        archive.store(Received(sop_class, instance, syntax, data, CHARSET))
    archive.close_thread()


def data_set(instance: str) -> bytes:
    study, syntax = HELD[instance]
    values = {"PatientName": "Dö^Jane", "SpecificCharacterSet": CHARSET, "StudyID": "S"}
    return encoded(ct(study, f"{study}.2", instance, **values), syntax == IMPLICIT)


def stored(node: RunningNode) -> dict[str, bytes]:
    """The files of the tree, by SOP Instance UID."""
    return {path.stem: path.read_bytes() for path in node.data.glob("tree/*/*/*.dcm")}


def exported(folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in folder.glob("*/*/*.dcm")}


@pytest.mark.parametrize(("given", "instances"), [
    (("--patient", "P1"), list(HELD)), (("--study", "1.1"), ["1.3.1", "1.3.2", "1.3.3"]),
    (("--series", "2.1.2"), ["2.3.1"]), (("--instance", "1.3.2"), ["1.3.2"]),
])  # fmt: skip
def test_what_is_named_is_written_as_it_lies(
    node: RunningNode, tmp_path: Path, given: tuple[str, str], instances: list[str]
) -> None:
    done = minipacs("export", node, str(tmp_path / "out"), *given)
    assert done.returncode == 0, done.stderr
    held = stored(node)
    assert exported(tmp_path / "out") == {one: held[one] for one in instances}
    assert f"exported={len(instances)}, failed=0" in done.stdout
    told = json.loads((node.data / "audit" / "audit.jsonl").read_text())
    assert (told["event"], told["exported"], told["outcome"]) == ("export", len(instances), "done")


def test_folders_are_named_by_date_modality_and_uid(node: RunningNode, tmp_path: Path) -> None:
    minipacs("export", node, str(tmp_path / "out"), "--instance", "1.3.1")
    (path,) = (tmp_path / "out").glob("*/*/*")
    series = dcmread(path)
    assert path.parent.parent.name == f"{series.StudyDate}_1.1"
    assert path.parent.name == f"{series.Modality}{series.get('SeriesNumber', '')}_1.1.2"


def test_a_zip_holds_the_same_and_can_be_imported(node: RunningNode, tmp_path: Path) -> None:
    target, held = tmp_path / "out.zip", stored(node)
    done = minipacs("export", node, str(target), "--patient", "P1", "--zip")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(target) as zipped:
        assert zipped.testzip() is None
        assert {Path(one).stem: zipped.read(one) for one in zipped.namelist()} == held
    assert imported(tmp_path, target) == held


def test_compressed_pixels_are_stored_in_a_zip_and_others_deflated(
    node: RunningNode, tmp_path: Path
) -> None:
    jpeg = next(one for one in samples() if one.transfer_syntax_uid.endswith(".4.50"))
    store(node, {jpeg.sop_instance_uid: (jpeg.sop_class_uid, jpeg.transfer_syntax_uid,
                                         jpeg.data_set)})  # fmt: skip
    for number, study in enumerate(("1.1", jpeg.uids[0])):
        minipacs("export", node, str(tmp_path / f"{number}.zip"), "--study", study, "--zip")
    kinds = [
        {one.compress_type for one in zipfile.ZipFile(tmp_path / f"{number}.zip").infolist()}
        for number in range(2)
    ]
    assert kinds == [{zipfile.ZIP_DEFLATED}, {zipfile.ZIP_STORED}]


def test_media_have_a_dicomdir_that_others_read(node: RunningNode, tmp_path: Path) -> None:
    target = tmp_path / "media"
    done = minipacs("export", node, str(target), "--patient", "P1", "--dicomdir")
    assert done.returncode == 0, done.stdout + done.stderr
    found = FileSet(target / "DICOMDIR")
    assert sorted(one.SOPInstanceUID for one in found) == sorted(HELD)
    assert {str(one.load().PatientName) for one in found} == {"Dö^Jane"}
    for path in (path for path in target.rglob("*") if path.name != "DICOMDIR"):
        assert path.name == path.name.upper()
        assert len(path.name) == 8
    dump = subprocess.run(
        [dcmtk("dcmdump"), str(target / "DICOMDIR")], text=True,
        capture_output=True, check=True, errors="replace",
    )  # fmt: skip
    assert not dump.stderr
    assert dump.stdout.count("DirectoryRecordType") == 1 + 2 + 2 + len(HELD)
    again = imported(tmp_path, target)
    assert set(again) == set(HELD)
    assert again["1.3.1"] == stored(node)["1.3.1"]
    syntaxes = {dcmread(path).file_meta.TransferSyntaxUID for path in target.glob("PT*/*/*/*")}
    assert syntaxes == {EXPLICIT}  # implicit VR is not for media (PS3.11 D.3.2)


def test_dcmtk_makes_the_same_directory_of_the_files(node: RunningNode, tmp_path: Path) -> None:
    target = tmp_path / "media"
    minipacs("export", node, str(target), "--study", "1.1", "--dicomdir")
    ours = {os.path.relpath(one.path, target) for one in FileSet(target / "DICOMDIR")}
    (target / "DICOMDIR").rename(tmp_path / "ours")
    subprocess.run(
        [dcmtk("dcmmkdir"), "+r", "+id", str(target), "+D", str(target / "DICOMDIR"), "+I"],
        check=True, capture_output=True, cwd=target,
    )  # fmt: skip
    theirs = {os.path.relpath(one.path, target) for one in FileSet(target / "DICOMDIR")}
    assert ours == theirs


def test_every_sample_that_is_held_is_in_the_dicomdir(tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    node = RunningNode(tmp_path / "node")
    prepare(node.data, sync=False, charset=CHARSET)
    done = minipacs("import", node, *[str(sample.path) for sample in samples()])
    held, patients = stored(node), set()
    for path in node.data.glob("tree/*/*/*.dcm"):
        patients.add(str(dcmread(path, specific_tags=["PatientID"]).get("PatientID", "")))
    assert len(held) > 30, done.stderr
    found: set[str] = set()
    for number, patient in enumerate(sorted(patients - {""})):
        target = tmp_path / f"media{number}"
        done = minipacs("export", node, str(target), "--patient", patient, "--dicomdir")
        assert done.returncode == 0, done.stdout + done.stderr
        found |= {str(one.SOPInstanceUID) for one in FileSet(target / "DICOMDIR")}
    assert len(found) > 25


def test_a_damaged_instance_is_named_and_not_exported(node: RunningNode, tmp_path: Path) -> None:
    path = next(node.data.glob("tree/*/*/1.3.2.dcm"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    done = minipacs("export", node, str(tmp_path / "out"), "--study", "1.1")
    assert done.returncode == 1
    assert "1.3.2: not exported: not the bytes that were received" in done.stdout
    assert set(exported(tmp_path / "out")) == {"1.3.1", "1.3.3"}


def test_json_tells_what_was_exported_and_what_was_not(node: RunningNode, tmp_path: Path) -> None:
    next(node.data.glob("tree/*/*/1.3.2.dcm")).write_bytes(b"no DICOM")
    given = ("--study", "1.1", "--study", "9.9", "--json")
    done = minipacs("export", node, str(tmp_path / "out"), *given)
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert (document["exported"], document["failed"]) == (2, 1)
    assert document["absent"] == ["study 9.9"]
    (problem,) = document["problems"]
    assert (problem["study"], problem["instance"]) == ("1.1", "1.3.2")
    nothing = minipacs("export", node, str(tmp_path / "none"), "--study", "9.9", "--json")
    assert nothing.returncode == 1
    assert (json.loads(nothing.stdout)["exported"], (tmp_path / "none").exists()) == (0, False)


def _full(tmp_path: Path) -> Path:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").touch()
    return tmp_path / "full"


def _cut_off(tmp_path: Path) -> Path:
    (tmp_path / "cut" / "export.part").mkdir(parents=True)
    return tmp_path / "cut"


def _file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("mine")
    return tmp_path / "file"


@pytest.mark.parametrize(("target", "given", "code", "words"), [
    (_full, ("--study", "1.1"), 2, "is not empty"),
    (_cut_off, ("--study", "1.1"), 2, "an export into it was cut off"),
    (_file, ("--study", "1.1"), 2, "cannot be written: File exists"),
    (_file, ("--study", "1.1", "--zip"), 2, "is there already"),
    (lambda p: p / "node" / "data" / "x", ("--study", "1.1"), 2, "the archive's own folder"),
    (lambda p: Path("/proc/x/y"), ("--study", "1.1"), 2, "cannot be written"),
    (lambda p: p / "out", (), 2, "takes one or more of --patient"),
    (lambda p: p / "out", ("--study", "9.9"), 1, "study 9.9: nothing is held"),
], ids=["full", "cut off", "a file", "zip", "own folder", "no place", "unnamed", "no"])  # fmt: skip
def test_wrong_usage_is_told_and_changes_nothing(
    node: RunningNode, tmp_path: Path, target: Callable[[Path], Path], given: tuple[str, ...],
    code: int, words: str,
) -> None:  # fmt: skip
    path = target(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    done = minipacs("export", node, str(path), *given)
    assert done.returncode == code, done.stderr
    assert words in " ".join((done.stderr + done.stdout).split())
    assert "Traceback" not in done.stderr
    new = set(tmp_path.rglob("*")) - set(before)
    assert not {one for one in new if not one.is_relative_to(node.data)}


@pytest.mark.parametrize("options", [(), ("--zip",), ("--dicomdir",)])
def test_a_disk_that_is_full_is_told_and_nothing_is_left(
    node: RunningNode, tmp_path: Path, options: tuple[str, ...]
) -> None:
    target = tmp_path / "out"

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))

    done = subprocess.run(
        [sys.executable, "-m", "scp", "export", str(target), "--study", "1.1", *options,
         "-c", str(node.config)],
        cwd=ROOT, text=True, capture_output=True, check=False, timeout=CLIENT_SECONDS,
        preexec_fn=limit,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"{target}: not exported, nothing is left of it: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["node"]


@pytest.mark.parametrize("options", [(), ("--zip",)])
def test_a_kill_leaves_nothing_that_looks_whole(
    node: RunningNode, tmp_path: Path, options: tuple[str, ...]
) -> None:
    target = tmp_path / "out"
    code = (
        "import os, signal, shutil\n"
        "from scp.cli import main\n"
        "copy, calls = shutil.copyfileobj, []\n"
        "def killing(source, target, length=0):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 2:\n"
        "        target.write(source.read(100)); target.flush()\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    copy(source, target, length)\n"
        "shutil.copyfileobj = killing\n"
        "main()\n"
    )
    done = run("export", target, "--study", "1.1", *options, "-c", node.config, code=code)
    assert done.returncode == -signal.SIGKILL
    assert not target.is_file()
    assert not exported(target)
    again = minipacs("export", node, str(target), "--study", "1.1", *options)
    assert again.returncode == 2
    assert "was cut off, or still runs: remove" in again.stderr
    assert set(stored(node)) == set(HELD)


def imported(tmp_path: Path, source: Path) -> dict[str, bytes]:
    """What another node has after it imported this."""
    (tmp_path / "other").mkdir()
    other = RunningNode(tmp_path / "other")
    prepare(other.data, sync=False, charset=CHARSET)
    done = minipacs("import", other, str(source))
    assert done.returncode == 0, done.stdout + done.stderr
    for path in other.data.glob("tree/*/*/*.dcm"):
        assert data_set_bytes(path)
    return stored(other)

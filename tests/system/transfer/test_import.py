"""`minipacs import` as a user runs it, and what it does at the moments that matter."""

import json
import os
import pkgutil
import signal
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.fileset import FileSet
from pydicom.uid import ExplicitVRLittleEndian
from support import (
    CLIENT_SECONDS,
    CT,
    EXPLICIT,
    ROOT,
    TEST_FILES,
    RunningNode,
    StartNode,
    ct,
    data_set_bytes,
    encoded,
    found,
    minipacs,
    samples,
    send,
)
from support.checks.faults import damage

from storage import Archive, Received, prepare
from storage.archive import batch
from storage.archive.import_sources import ImportSource, UnusablePath, under
from storage.archive.importer import Importer
from storage.diagnostics.errors import ArchiveError, ResourceError
from storage.dicom import part10
from storage.dicom.values.conversion import element
from storage.files.tree import Tree
from storage.journal import RECEIPTS

CHARSET = "ISO_IR 100"


def instance(number: int, size: int = 0) -> bytes:
    """A data set of study 1.1; larger than what is held in memory where that is asked for."""
    values = {"PixelData": bytes(size)} if size else {}
    return encoded(ct("1.1", "1.2", f"1.3.{number}", PatientID="P", **values))


def part10_file(number: int, size: int = 0) -> bytes:
    return part10.header(CT, f"1.3.{number}", EXPLICIT) + instance(number, size)


@dataclass
class Imported:
    """What an import said."""

    code: int
    lines: list[str]
    errors: str

    @property
    def counts(self) -> dict[str, int]:
        """Of its last line."""
        pairs = (part.split("=") for part in self.lines[-1].split(", "))
        return {name: int(count) for name, count in pairs if name not in ("seconds", "files/s")}


def command(node: RunningNode, *paths: object) -> list[str]:
    given = [str(path) for path in paths]
    return [sys.executable, "-m", "scp", "import", "-c", str(node.config), *given]


def imported(node: RunningNode, *paths: object) -> Imported:
    done = minipacs("import", node, *map(str, paths))
    assert "Traceback" not in done.stderr
    return Imported(done.returncode, done.stdout.splitlines(), done.stderr)


@pytest.fixture
def node(tmp_path: Path) -> RunningNode:
    """One that does not run yet."""
    (tmp_path / "node").mkdir()
    return RunningNode(tmp_path / "node", {"node": {"workers": 2}})


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


_MANY = 2000


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of so many files, made once: that takes as long as to import them."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(_MANY):
        (folder / f"{number:04}").write_bytes(part10_file(number))
    return folder


# ---- what lies under a path


def write_zip(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def write_tree(folder: Path) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "one.dcm").write_bytes(part10_file(1))
    (folder / "a" / "b" / "no ending").write_bytes(part10_file(2, 200_000))
    (folder / "a" / "readme.txt").write_text("no instance")
    (folder / "a" / "empty.dcm").touch()
    (folder / "a" / "again").symlink_to(folder)
    os.mkfifo(folder / "a" / "pipe.dcm")
    write_zip(folder / "a" / "more.ZIP", {"x/3.dcm": part10_file(3), "x/notes": b"notes"})


def test_all_that_lies_below_a_folder_is_taken(node: RunningNode, files: Path) -> None:
    write_tree(files)
    done = imported(node, files)
    assert done.code == 0, done.lines
    assert done.counts == {
        "files": 6, "stored": 3, "no DICOM": 3, "refused": 0,
        "bytes": sum(f.size for f in under([files]) if isinstance(f, ImportSource)),
    }  # fmt: skip
    assert [path.stem for path in sorted(node.files())] == ["1.3.1", "1.3.2", "1.3.3"]
    assert node.incoming() == []
    with node.start().association((CT, EXPLICIT)):
        assert found(node, "1.1", "1.2") == ["1.3.1", "1.3.2", "1.3.3"]
    node.stop()


def test_what_a_dicomdir_names_is_taken_and_what_it_lacks_is_told(
    node: RunningNode, files: Path
) -> None:
    medium = FileSet()
    for number in (1, 2, 3):
        one = ct("1.1", "1.2", f"1.3.{number}", PatientID="P", StudyID="1", StudyDate="20260101",
                 StudyTime="10", SeriesNumber="1", InstanceNumber=str(number))  # fmt: skip
        one.PatientName = "Doe^Jane"
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.file_meta.MediaStorageSOPClassUID = CT
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
        medium.add(one)
    medium.write(files)
    lying = sorted(path for path in files.rglob("*") if path.is_file() and "DIR" not in path.name)
    lying[0].unlink()
    lying[1].rename(lying[1].with_name(lying[1].name.lower()))  # as some systems copy a medium
    (files / "stranger.dcm").write_bytes(part10_file(9))
    done = imported(node, files / "DICOMDIR")
    assert done.code == 1
    assert done.lines[0] == f"{lying[0]}: Named by DICOMDIR, not there"
    assert (done.counts["stored"], done.counts["refused"]) == (2, 1)
    assert not any(path.stem == "1.3.9" for path in node.files())


def test_the_dicomdirs_from_the_field_lead_to_the_same_files(node: RunningNode) -> None:
    folder = TEST_FILES / "dicomdirtests"
    by_name = imported(node, folder / "DICOMDIR")
    assert by_name.code == 0, by_name.lines
    by_folder = imported(node, folder / "77654033", folder / "98892001", folder / "98892003")
    assert by_folder.counts["already there"] == by_name.counts["stored"] == 31


REFUSED: dict[str, tuple[bytes, str]] = {
    "no study": (
        part10.header(CT, "1.3.1", EXPLICIT)
        + encoded(ct("1.1", "1.2", "1.3.1", StudyInstanceUID="")),
        "No Study Instance UID",
    ),
    "other UID": (part10.header(CT, "1.3.8", EXPLICIT) + instance(1), "sent 1.3.8, is 1.3.1"),
    "path": (
        part10.header(CT, "../../x", EXPLICIT) + encoded(ct("1.1", "1.2", "../../x")),
        "SOP Instance UID",
    ),
    "no syntax": (part10.header(CT, "1.3.1", "") + instance(1), "No Transfer Syntax UID"),
    "strange syntax": (
        part10.header(CT, "1.3.1", "1.2.840.113619.5.2") + instance(1),
        "Transfer syntax 1.2.840.113619.5.2 is none that is taken",
    ),
    "palette": (
        part10.header("1.2.840.10008.5.1.4.39.1", "1.3.1", EXPLICIT) + instance(1),
        "SOP class 1.2.840.10008.5.1.4.39.1 is none that is stored",
    ),
    "cut in its header": (part10_file(1)[:200], "cut short"),
}


def test_what_c_store_refuses_is_refused_with_its_reason(node: RunningNode, files: Path) -> None:
    for name, (content, _) in REFUSED.items():
        (files / name).write_bytes(content)
    (files / "fine").write_bytes(part10_file(7))
    done = imported(node, files)
    assert done.code == 1
    told = [line for line in done.lines[:-1] if not line.startswith("not taken: ")]
    reasons = dict(line.removeprefix(f"{files}/").split(": ", 1) for line in told)
    assert reasons.keys() == REFUSED.keys()
    for name, (_, words) in REFUSED.items():
        assert words in reasons[name], name
    assert [path.stem for path in node.files()] == ["1.3.7"]
    assert sorted(path.name for path in node.folder.parent.iterdir()) == ["files", "node"]


def odd_file(
    number: int, order: str = "<", implicit: bool = False, length: int | None = 0
) -> bytes:
    """File Meta Information as some write it, and a data set; `length`: by how much it is wrong."""

    def one(tag: int, vr: str, value: bytes) -> bytes:
        return element(tag, vr, value, implicit, order == "<")

    body = one(0x00020002, "UI", CT.encode() + b"\0") + one(0x00020003, "UI", b"1.3.%d" % number)
    body += one(0x00020010, "UI", EXPLICIT.encode() + b"\0")
    if length is None:
        return body + instance(number)
    head = one(0x00020000, "UL", struct.pack(order + "I", max(len(body) + length, 0)))
    return head + body + instance(number)


PREAMBLE, TITLE = bytes(128) + b"DICM", element(0x00020016, "AE", b"SOMEONE ")
# Instances 1.3.10 and on: what of each is the data set, where that is not `instance`.
ODD: dict[str, tuple[bytes, bytes]] = {
    "no group length": (PREAMBLE + odd_file(10, length=None), b""),
    "a length too short": (PREAMBLE + odd_file(11, length=-5), b""),
    "a length of zero": (PREAMBLE + odd_file(12, length=-9999), b""),
    "a length too long": (PREAMBLE + odd_file(13, length=77), b""),
    "a preamble of TIFF": (b"II*\0" * 32 + b"DICM" + odd_file(14), b""),
    "no preamble": (b"DICM" + odd_file(15), b""),
    "no preamble, no prefix": (odd_file(16), b""),
    "no prefix, no length": (odd_file(17, length=None), b""),
    "implicit": (PREAMBLE + odd_file(18, implicit=True), b""),
    "big endian": (PREAMBLE + odd_file(19, ">"), b""),
    "implicit, no preamble": (odd_file(20, implicit=True), b""),
    "big endian, implicit": (PREAMBLE + odd_file(21, ">", implicit=True), b""),
    "begins with group 0002": (
        PREAMBLE + odd_file(22).replace(instance(22), TITLE + instance(22)), TITLE
    ),
}  # fmt: skip


def test_files_with_odd_headers_are_taken_and_their_data_sets_kept(
    node: RunningNode, files: Path
) -> None:
    for name, (content, _) in ODD.items():
        (files / name).write_bytes(content)
    done = imported(node, files)
    assert (done.code, done.counts["stored"]) == (0, len(ODD)), done.lines
    for number, (name, (_, front)) in enumerate(ODD.items(), 10):
        (path,) = (one for one in node.files() if one.stem == f"1.3.{number}")
        assert data_set_bytes(path) == front + instance(number), name


def damaged_zip(path: Path) -> None:
    write_zip(path, {"1.dcm": part10_file(1, 100_000), "2.dcm": part10_file(2)})
    content = bytearray(path.read_bytes())
    content[200] ^= 0xFF
    path.write_bytes(content)


def locked_zip(path: Path) -> None:
    write_zip(path, {"1.dcm": part10_file(1), "2.dcm": part10_file(2)})
    content = bytearray(path.read_bytes())
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # says of the first that it is encrypted
        content[content.index(mark) + at] |= 1
    path.write_bytes(content)


ZIPS: dict[str, tuple[Callable[[Path], None], str, int]] = {
    "a member damaged": (damaged_zip, "(1.dcm): Cannot be read: ", 1),
    "a member encrypted": (locked_zip, "(1.dcm): Cannot be unpacked: ", 1),
    "no zip at all": (lambda path: path.write_bytes(b"PK no zip"), ": Cannot be unpacked: ", 0),
}


@pytest.mark.parametrize("name", ZIPS)
def test_of_a_damaged_archive_the_rest_is_taken(node: RunningNode, files: Path, name: str) -> None:
    make, words, stored = ZIPS[name]
    make(files / "all.zip")
    done = imported(node, files)
    assert done.code == 1
    assert done.lines[0].startswith(f"{files / 'all.zip'}{words}")
    assert (done.counts.get("stored", 0), done.counts["refused"]) == (stored, 1)
    assert [path.stem for path in node.files()] == ["1.3.2"][:stored]


def test_data_sets_without_a_header_are_taken_in_the_syntax_that_they_are_in(
    node: RunningNode, files: Path
) -> None:
    (files / "explicit").write_bytes(instance(1))
    (files / "implicit").write_bytes(encoded(ct("1.1", "1.2", "1.3.2"), implicit=True))
    (files / "text").write_bytes(b"\x08\x00\x05\x00 no data set" * 9)
    done = imported(node, files)
    assert done.counts["stored"] == 2
    syntaxes = {}
    for path in node.files():
        with path.open("rb") as file:
            syntaxes[path.stem] = part10.read(file).transfer_syntax_uid
    assert syntaxes == {"1.3.1": EXPLICIT, "1.3.2": "1.2.840.10008.1.2"}


def test_every_sample_becomes_what_c_store_makes_of_it(
    node: RunningNode, files: Path, start_node: StartNode
) -> None:
    """Those whose UIDs no other has: of the others the last one stays."""
    seen: dict[tuple[str, str, str], int] = {}
    for sample in samples():
        seen[sample.uids] = seen.get(sample.uids, 0) + 1
    single = [sample for sample in samples() if seen[sample.uids] == 1]
    for number, sample in enumerate(single):
        (files / str(number)).write_bytes(sample.path.read_bytes())
    other = start_node()
    for sample in single:
        sop_class, syntax = sample.sop_class_uid, sample.transfer_syntax_uid
        with other.association((sop_class, syntax)) as association:
            send(association, sop_class, sample.sop_instance_uid, sample.data_set, syntax)
    imported(node, files)
    assert len(node.files()) > 60
    assert content(node) == content(other)


def content(node: RunningNode) -> dict[Path, bytes]:
    return {path.relative_to(node.data): path.read_bytes() for path in node.files()}


# ---- again, interrupted, beside a node


def test_what_is_there_already_costs_no_write(node: RunningNode, files: Path) -> None:
    write_tree(files)
    imported(node, files)
    journal = (node.data / "journal" / f"{RECEIPTS}.jsonl").stat().st_size
    before = {path: path.stat().st_ino for path in node.files()}
    done = imported(node, files)
    assert (done.code, done.counts["already there"]) == (0, 3)
    assert (node.data / "journal" / f"{RECEIPTS}.jsonl").stat().st_size == journal
    assert {path: path.stat().st_ino for path in node.files()} == before


@pytest.mark.parametrize(("policy", "outcome", "code"), [
    ("replace", "replaced", 0), ("keep", "other content kept", 0), ("refuse", "refused", 1),
])  # fmt: skip
def test_other_content_follows_on_conflict(
    tmp_path: Path, files: Path, policy: str, outcome: str, code: int
) -> None:
    (tmp_path / "node").mkdir()
    node = RunningNode(tmp_path / "node", {"storage": {"on_conflict": policy}})
    (files / "one").write_bytes(part10_file(1))
    imported(node, files)
    (files / "one").write_bytes(part10_file(1, 8))
    done = imported(node, files)
    assert (done.code, done.counts[outcome]) == (code, 1)
    kept = list((node.data / "superseded").rglob("*.dcm"))
    assert len(kept) == (1 if policy == "replace" else 0)


HEED = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL);"
    "os.execv(sys.argv[1], sys.argv[1:])"
)


def await_first_file(node: RunningNode, process: "subprocess.Popen[str]") -> None:
    look = threading.Event()
    while not any((node.data / "tree").glob("*/*/*.dcm")):
        assert process.poll() is None
        look.wait(0.005)


@pytest.mark.parametrize(("number", "code"), [
    (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL),
    pytest.param(signal.SIGTERM, 1, marks=pytest.mark.long),
])  # fmt: skip
def test_an_import_that_was_ended_goes_on_when_it_is_run_again(
    node: RunningNode, many: Path, number: int, code: int
) -> None:
    # A shell has what it runs in the background ignore SIGINT, and tests may be run so.
    heeding = [sys.executable, "-c", HEED, *command(node, many)]
    with subprocess.Popen(
        heeding, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        await_first_file(node, process)
        process.send_signal(number)
        text, errors = process.communicate(timeout=CLIENT_SECONDS)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    if code > 0:
        assert errors.splitlines()[-1] == "minipacs: interrupted: run it again to go on"
        assert f"stored={len(node.files())}" in text
    assert 0 < len(node.files()) < _MANY
    done = imported(node, many)
    assert done.code == 0
    assert done.counts["stored"] + done.counts.get("already there", 0) == _MANY
    assert sorted(path.stem for path in node.files()) == sorted(f"1.3.{n}" for n in range(_MANY))
    assert node.incoming() == []
    archive = Archive(node.data)
    assert damage(archive) == []
    archive.close_thread()


def test_a_process_of_it_that_is_killed_ends_it_with_a_line(node: RunningNode, many: Path) -> None:
    with subprocess.Popen(
        command(node, many), cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        await_first_file(node, process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        _, errors = process.communicate(timeout=CLIENT_SECONDS)
    assert process.returncode == 1
    assert errors.splitlines()[-1] == "minipacs: a process of it was killed: run it again to go on"
    assert imported(node, many).code == 0
    assert len(node.files()) == _MANY


def test_an_import_beside_a_running_node_is_found_at_once(
    start_node: StartNode, files: Path
) -> None:
    node = start_node()
    write_tree(files)
    assert imported(node, files).code == 0
    assert found(node, "1.1", "1.2") == ["1.3.1", "1.3.2", "1.3.3"]
    (line,) = [
        json.loads(line)
        for line in (node.data / "audit" / "audit.jsonl").read_text().splitlines()
        if '"event":"import"' in line
    ]
    assert (line["studies"], line["outcomes"]["stored"], line["refused"]) == (["1.1"], 3, 0)


STAGE = "tree.stay_beside(); tree.stage(b'data')"


def in_a_process(data: Path, code: str) -> None:
    """Run `code` on the tree: a start claims its folder until the process ends."""
    program = f"""
from pathlib import Path
from storage.files.tree import Tree
tree = Tree(Path({str(data)!r}), sync=False)
{code}
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=CLIENT_SECONDS)


def test_what_is_staged_beside_a_node_outlasts_its_start_but_not_who_staged_it(
    tmp_path: Path,
) -> None:
    in_a_process(tmp_path, "tree.prepare()")
    in_a_process(tmp_path, STAGE)
    (left,) = (tmp_path / "incoming").iterdir()
    beside = Tree(tmp_path, sync=False)
    beside.stay_beside()
    staged = beside.stage(b"data")
    in_a_process(tmp_path, "tree.prepare()")
    assert {left, staged} == set((tmp_path / "incoming").iterdir())
    in_a_process(tmp_path / "other", "tree.prepare()")
    in_a_process(tmp_path / "other", STAGE)
    in_a_process(tmp_path / "other", "assert tree.prepare() == 1")


# ---- where it cannot go on


def test_a_disk_without_room_ends_it_with_one_line(tmp_path: Path, files: Path) -> None:
    (tmp_path / "node").mkdir()
    node = RunningNode(tmp_path / "node", {"limits": {"free_bytes": 1 << 62}})
    (files / "one").write_bytes(part10_file(1))
    done = imported(node, files)
    assert done.code == 1
    assert done.errors.splitlines()[-1].startswith("minipacs: Disk full: ")
    assert node.files() == node.incoming() == []


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "no path": ((), "Missing argument 'PATH'"),
    "a path that is not there": (("/no/such/path",), "does not exist"),
    "an unknown option": (("--fast", "."), "No such option"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_is_told_and_changes_nothing(node: RunningNode, name: str) -> None:
    given, words = WRONG[name]
    done = imported(node, *given)
    assert done.code == 2
    assert words in " ".join(done.errors.split())
    assert not node.data.exists()


def test_a_wrong_configuration_is_told(node: RunningNode, files: Path) -> None:
    node.config.write_text("[node]\nport = 70000\n")
    done = imported(node, files)
    assert done.code == 2
    assert "[node] port: takes an integer" in done.errors


# ---- many at once


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    prepare(tmp_path / "data", sync=False, charset=CHARSET)
    made = Archive(tmp_path / "data", sync=True)
    yield made
    made.index.database.close_all()


def store_some(archive: Archive, *contents: tuple[int, int]) -> list[str]:
    """Store several at once, by number and size; what became of each."""
    given = []
    for number, size in contents:
        intake = archive.receive(CT, f"1.3.{number}", EXPLICIT)
        intake.write(instance(number, size))
        given.append((Received(CT, f"1.3.{number}", EXPLICIT, intake, CHARSET), intake))
    try:
        results = batch.store_all(archive, given)
    finally:
        for _, intake in given:
            intake.discard()
    return [
        type(one).__name__ if isinstance(one, ArchiveError) else one.outcome.value
        for one in results
    ]


def test_each_of_many_becomes_what_it_would_alone(archive: Archive) -> None:
    assert store_some(archive, (1, 0), (2, 100_000)) == ["stored", "stored"]
    again = store_some(archive, (1, 0), (2, 8), (3, 0), (3, 0), (3, 8))
    assert again == ["already there", "replaced", "stored", "already there", "replaced"]
    assert damage(archive) == []
    assert len(list(archive.tree.walk())) == 3


FAILING = [
    "storage.files.incoming.IncomingDataSet.begin_sync",
    "storage.files.incoming.IncomingDataSet.finish",
    "storage.journal.FolderJournal.append_all", "storage.files.tree.Tree.place",
    "storage.files.tree.Tree.sync_places", "storage.archive.batch.record",
]  # fmt: skip


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("step", FAILING)
def test_where_one_step_fails_nothing_of_all_is_left(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, step: str, at: int
) -> None:
    owner, name = step.rsplit(".", 1)
    whole = getattr(pkgutil.resolve_name(owner), name)
    calls = iter(range(1, 100))

    def failing(*given: object, **named: object) -> object:
        if next(calls) == at:
            raise ResourceError("no room")
        return whole(*given, **named)

    once = step.endswith(("append_all", "Tree.sync_places"))
    with monkeypatch.context() as patch:
        patch.setattr(step, failing)
        outcomes = store_some(archive, (1, 0), (2, 100_000), (3, 0))
    assert outcomes == (["stored"] * 3 if once and at == 2 else ["ResourceError"] * 3)
    if outcomes[0] != "stored":
        assert list(archive.tree.root.iterdir()) == []
        assert store_some(archive, (1, 0), (2, 100_000), (3, 0)) == ["stored"] * 3
    assert damage(archive) == []
    assert list((archive.tree.data / "incoming").iterdir()) == []


def test_a_refusal_holds_up_none_of_the_others(archive: Archive) -> None:
    importer = Importer(archive, CHARSET, "import", lambda *_: "")
    folder = archive.tree.data.parent
    sources = []
    for number, text in enumerate([part10_file(1), REFUSED["no study"][0], part10_file(2)]):
        path = folder / f"{number}.dcm"
        path.write_bytes(text)
        sources.append(ImportSource(path, size=len(text)))
    taken = importer.take(sources)
    assert [one.outcome or one.refused for one in taken] == [
        "stored", "No Study Instance UID in the data set", "stored",
    ]  # fmt: skip


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (found_one,) = list(under([tmp_path / "gone"]))
    assert found_one == UnusablePath(str(tmp_path / "gone"), "No such file or directory")

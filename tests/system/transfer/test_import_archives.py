"""`minipacs import` of tar archives and of standard input, and what it says of what it leaves."""

import gzip
import io
import json
import lzma
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import CLIENT_SECONDS, CT, EXPLICIT, ROOT, RunningNode, ct, encoded, minipacs
from support.checks.faults import damage
from support.program import said

from storage import Archive, prepare
from storage.archive import Importer, Stream, Taken, UnusablePath, tar_members, under
from storage.dicom import part10

CHARSET = "ISO_IR 100"


def part10_file(number: int, size: int = 0) -> bytes:
    values = {"PixelData": bytes(size)} if size else {}
    data_set = encoded(ct("1.1", "1.2", f"1.3.{number}", PatientID="P", **values))
    return part10.header(CT, f"1.3.{number}", EXPLICIT) + data_set


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE) -> bytes:
    """A member as it lies in an archive."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(content), "/etc/passwd"
    padding = bytes(-len(content) % tarfile.BLOCKSIZE)
    return info.tobuf(tarfile.GNU_FORMAT) + content + padding


END = bytes(2 * tarfile.BLOCKSIZE)
TWO = member("a/1.dcm", part10_file(1)) + member("a/2.dcm", part10_file(2, 200_000))
TAR = TWO + member("a/notes", b"notes") + member("DICOMDIR", b"x") + END


@pytest.fixture
def node(tmp_path: Path) -> RunningNode:
    """One that does not run yet."""
    (tmp_path / "node").mkdir()
    return RunningNode(tmp_path / "node", {"node": {"workers": 2}})


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    prepare(tmp_path / "data", sync=False, charset=CHARSET)
    made = Archive(tmp_path / "data", sync=True)
    yield made
    made.index.database.close_all()


def taken(archive: Archive, path: Path) -> dict[str, str]:
    """What became of each member of a tar archive."""
    importer = Importer(archive, CHARSET, "import", lambda *_: "")
    (stream,) = under([path])
    assert isinstance(stream, Stream)
    results: list[Taken] = []
    for one in stream.members():
        if isinstance(one, UnusablePath):
            results.append(Taken(one.path, 0, refused=one.reason))
        else:
            results += importer.take([one])
    return {one.source.removeprefix(str(path)): one.outcome or one.refused for one in results}


def held(node: RunningNode) -> list[str]:
    return sorted(path.stem for path in node.files())


# ---- tar archives


def packed(how: str) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=how) as archive:  # type: ignore[call-overload]
        for number in (1, 2):
            content = part10_file(number, 200_000 * (number - 1))
            info = tarfile.TarInfo("long name/" * 30 + f"{number}.dcm")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


@pytest.mark.parametrize("how", ["w:", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_archive_is_known_by_its_content(archive: Archive, tmp_path: Path, how: str) -> None:
    (tmp_path / "some file").write_bytes(packed(how))
    assert list(taken(archive, tmp_path / "some file").values()) == ["stored", "stored"]
    assert list(taken(archive, tmp_path / "some file").values()) == ["already there"] * 2
    assert damage(archive) == []
    assert list((archive.tree.data / "incoming").iterdir()) == []


def test_an_xz_file_of_several_streams_is_read_to_its_end(archive: Archive, tmp_path: Path) -> None:
    parts = lzma.compress(TAR[:700]) + bytes(8) + lzma.compress(TAR[700:])
    (tmp_path / "all.tar.xz").write_bytes(parts)
    assert list(taken(archive, tmp_path / "all.tar.xz").values()) == ["stored"] * 2 + ["no DICOM"]


LINKS = {
    "a symbolic link": tarfile.SYMTYPE, "a hard link": tarfile.LNKTYPE,
    "a device": tarfile.CHRTYPE, "a pipe": tarfile.FIFOTYPE, "a folder": tarfile.DIRTYPE,
}  # fmt: skip


@pytest.mark.parametrize("name", LINKS)
def test_what_is_no_file_is_passed_over(archive: Archive, tmp_path: Path, name: str) -> None:
    path = tmp_path / "all.tar"
    path.write_bytes(member("1.dcm", kind=LINKS[name]) + member("2.dcm", part10_file(2)) + END)
    assert taken(archive, path) == {"(2.dcm)": "stored"}


def test_names_that_lead_out_are_told_and_never_paths(archive: Archive, tmp_path: Path) -> None:
    names = ["/etc/1.dcm", "../../2.dcm", "same", "same"]
    path = tmp_path / "all.tar"
    path.write_bytes(b"".join(member(n, part10_file(at)) for at, n in enumerate(names)) + END)
    assert set(taken(archive, path)) == {f"({name})" for name in names}
    assert len(list(archive.tree.walk())) == 4


def corrupted(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


LONG = tarfile.TarInfo("././@LongLink")
LONG.type, LONG.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
PAX = tarfile.TarInfo("pax")
PAX.type, PAX.size = tarfile.XHDTYPE, 1 << 33
SPARSE = (tarfile.TarInfo("sparse").tobuf()[:156] + b"S").ljust(482, b"\0") + b"\1" + bytes(29)
DAMAGED: dict[str, tuple[bytes, int]] = {
    "cut within a member": (TAR[: len(TWO) - 1000], 1),
    "cut within a header": (TAR[: len(TWO) + 100], 2),
    "a header damaged": (corrupted(TAR, len(TWO) + 10), 2),
    "compressed, and cut": (gzip.compress(TAR)[:-100], 1),
    "compressed, with a wrong checksum": (corrupted(gzip.compress(TAR), -5), 2),
    "a name without end": (TWO + LONG.tobuf(tarfile.GNU_FORMAT) + bytes(8 << 20), 2),
    "a pax record without end": (gzip.compress(TWO + PAX.tobuf() + bytes(64 << 20)), 2),
    "a sparse map": (TWO + SPARSE + bytes(9000), 2),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_of_a_damaged_tar_the_rest_is_taken_and_the_damage_told(
    archive: Archive, tmp_path: Path, name: str
) -> None:
    content, stored = DAMAGED[name]
    (tmp_path / "all.tar").write_bytes(content)
    became = taken(archive, tmp_path / "all.tar")
    assert list(became.values()).count("stored") >= stored
    assert became[""].startswith("Cannot be unpacked: "), became
    assert damage(archive) == []


def test_an_xz_file_takes_no_more_memory_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "all.tar.xz").write_bytes(lzma.compress(TAR, preset=6))
    monkeypatch.setattr(tar_members, "_XZ_BYTES", 1 << 20)
    (found,) = Stream(tmp_path / "all.tar.xz").members()
    assert isinstance(found, UnusablePath)
    assert found.reason.startswith("Cannot be unpacked: ")


def test_a_beginning_that_is_too_long_is_not_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_members, "_AGAIN_BYTES", 10)
    file = tar_members.OnePass(io.BytesIO(b"0123456789abcdef"))
    assert (file.read(4), file.seek(0), file.read(10), file.seek(3)) == (
        b"0123",
        0,
        b"0123456789",
        3,
    )
    assert file.read(13) == b"3456789abcdef"
    with pytest.raises(tar_members.DataSetError, match="one pass"):
        file.seek(0)


def test_archives_in_a_folder_are_taken_beside_its_files(node: RunningNode, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "all.TAR.gz").write_bytes(gzip.compress(TAR))
    (folder / "7.dcm").write_bytes(part10_file(7))
    (folder / "no.tar").write_bytes(b"no archive")
    done = minipacs("import", node, str(folder))
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith(f"{folder}/no.tar: Cannot be unpacked: it is no tar archive\n")
    assert held(node) == ["1.3.1", "1.3.2", "1.3.7"]
    assert node.incoming() == []


def test_a_full_disk_ends_a_tar_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    node = RunningNode(tmp_path / "node", {"limits": {"free_bytes": 1 << 62}})
    (tmp_path / "all.tar").write_bytes(TAR)
    done = minipacs("import", node, str(tmp_path / "all.tar"))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("minipacs: Disk full: ")
    assert node.files() == node.incoming() == []


# ---- standard input


def given(node: RunningNode, content: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "scp", "import", "-c", str(node.config), "-", *options]
    return subprocess.run(
        command, cwd=ROOT, input=content, capture_output=True, timeout=CLIENT_SECONDS, check=False
    )


def zipped() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.dcm", part10_file(1))
        archive.writestr("2.dcm", part10_file(2, 200_000))
    return made.getvalue()


INPUTS: dict[str, tuple[Callable[[], bytes], int]] = {
    "tar": (lambda: TAR, 2), "tar.xz": (lambda: lzma.compress(TAR), 2), "zip": (zipped, 2),
    "a file": (lambda: part10_file(1), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", INPUTS)
def test_standard_input_is_a_file_or_an_archive(node: RunningNode, name: str) -> None:
    make, count = INPUTS[name]
    done = given(node, make())
    assert done.returncode == 0, done.stderr
    assert held(node) == ["1.3.1", "1.3.2"][:count]
    assert node.incoming() == []


@pytest.mark.parametrize("content", [b"", b"/some/1.dcm\n/some/2.dcm\n"])
def test_other_input_is_refused_and_says_how_paths_are_given(
    node: RunningNode, content: bytes
) -> None:
    done = given(node, content)
    assert done.returncode == 1
    assert done.stdout.startswith(b"-: Neither a DICOM file nor a tar or zip archive; paths are")


# ---- what is said of what was not taken


def test_what_is_not_taken_is_told_by_reason(node: RunningNode, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(5):
        head = part10.header(CT, f"1.3.9{number}", EXPLICIT)
        data_set = encoded(ct("1.1", "1.2", f"1.3.{number}", PatientID="P"))
        (folder / f"{number}.dcm").write_bytes(head + data_set)
    (folder / "notes").write_text("notes")
    done = minipacs("import", node, str(folder))
    lines = done.stdout.splitlines()
    assert lines[5].startswith("not taken: 5 x ")
    assert "sent UID, is UID: " in lines[5]
    assert lines[5].endswith("2.dcm, ...")
    assert lines[6] == f"not taken: 1 x no DICOM: {folder}/notes"
    assert lines[7].startswith("files=6, no DICOM=1, refused=5, ")
    report = tmp_path / "report"
    done = minipacs("import", node, str(folder), "--json", "--report", str(report))
    assert (done.returncode, [*said(done.stderr.splitlines())]) == (1, [])
    assert report.read_text().splitlines() == lines[:5]
    told = json.loads(done.stdout)
    assert (told["files"], told["refused"], told["outcomes"]) == (6, 5, {"no DICOM": 1})
    assert [(one["count"], len(one["examples"])) for one in told["not_taken"]] == [(5, 3), (1, 1)]
    wrong = minipacs("import", node, str(folder), "--report", str(tmp_path / "no" / "report"))
    assert (wrong.returncode, wrong.stdout) == (2, "")
    full = minipacs("import", node, str(folder), "--report", "/dev/full")
    assert full.stdout.splitlines() == lines[:-1] + full.stdout.splitlines()[-1:]
    assert "No space left on device" in full.stderr


# ---- where header and data set name other UIDs


@pytest.mark.parametrize("in_tar", [False, True])
def test_the_uids_of_the_data_set_count_where_that_is_asked_for(
    node: RunningNode, tmp_path: Path, in_tar: bool
) -> None:
    mr = "1.2.840.10008.5.1.4.1.1.4"
    contents = []
    for number, (sop_class, uid) in enumerate([(CT, "1.3.99"), (mr, "1.3.1"), (CT, "1.3.2")]):
        values = {"PixelData": bytes(100_000)}
        data_set = encoded(ct("1.1", "1.2", f"1.3.{number}", PatientID="P", **values))
        contents.append(part10.header(sop_class, uid, EXPLICIT) + data_set)
    folder = tmp_path / "files"
    folder.mkdir()
    if in_tar:
        members = [member(f"{at}.dcm", content) for at, content in enumerate(contents)]
        (folder / "all.tar").write_bytes(b"".join(members) + END)
    else:
        for at, content in enumerate(contents):
            (folder / f"{at}.dcm").write_bytes(content)
    refused = minipacs("import", node, str(folder))
    assert (refused.returncode, held(node)) == (1, ["1.3.2"])
    done = minipacs("import", node, str(folder), "--data-set-uids")
    assert (done.returncode, held(node)) == (0, ["1.3.0", "1.3.1", "1.3.2"]), done.stdout
    for path in node.files():
        with path.open("rb") as file:
            meta = part10.read(file)
        assert (meta.sop_instance_uid, meta.sop_class_uid) == (path.stem, CT)
    again = minipacs("import", node, str(folder), "--data-set-uids")
    assert "already there=3" in again.stdout
    archive = Archive(node.data)
    assert damage(archive) == []
    archive.close_thread()


# ---- ended midway


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_tar_that_was_ended_midway_goes_on_when_it_is_given_again(
    node: RunningNode, number: int
) -> None:
    """While it waits for more from a pipe."""
    content = b"".join(member(f"{at}.dcm", part10_file(at)) for at in range(150)) + END
    heeding = "import os, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    heeding += "os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-c", heeding, sys.executable, "-m", "scp", "import", "-c"]
    with subprocess.Popen(
        [*command, str(node.config), "-"], cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(content[: len(content) * 2 // 3])
        process.stdin.flush()
        while not any((node.data / "tree").glob("*/*/*.dcm")):
            assert process.poll() is None
        process.send_signal(number)
        assert process.wait(CLIENT_SECONDS) in (130, 1, -signal.SIGKILL)
        errors = process.stderr.read()
    assert b"Traceback" not in errors
    if number != signal.SIGKILL:
        assert errors.splitlines()[-1] == b"minipacs: interrupted: run it again to go on"
    assert 0 < len(node.files()) < 150
    assert given(node, content).returncode == 0
    assert len(node.files()) == 150
    assert node.incoming() == []
    archive = Archive(node.data)
    assert damage(archive) == []
    archive.close_thread()

"""`minipacs query` and `fetch` against other archives: Orthanc, and DCMTK's dcmqrscp."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom import dcmread
from support import TEST_FILES, RunningNode, dcmtk, free_port, minipacs, running_node
from support.network.destinations import await_port
from support.network.orthanc import TITLE, Orthanc

pytestmark = pytest.mark.long

# Two patients and five studies: CR, CT and MR, in Explicit VR Little Endian.
FOLDERS = [TEST_FILES / "dicomdirtests" / name for name in ("77654033", "98892003")]
FILES = sorted(path for folder in FOLDERS for path in folder.rglob("*") if path.is_file())
UIDS = {str(dcmread(path).SOPInstanceUID) for path in FILES}


def fetch(node: RunningNode, peer: str, *given: str) -> str:
    done = minipacs("fetch", node, peer, *given)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def held(node: RunningNode) -> set[str]:
    return {path.stem for path in node.files()}


@contextmanager
def serving(folder: Path, title: str, peer: str, port: int) -> Iterator[RunningNode]:
    peers = {peer: {"host": "127.0.0.1", "port": port}}
    with running_node(folder, {"node": {"ae_title": title}, "peers": peers}) as node:
        yield node


# ---- Orthanc


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """One that holds all."""
    with Orthanc(tmp_path_factory.mktemp("orthanc")).running() as orthanc:
        for path in FILES:
            orthanc.call("POST", "/instances", path.read_bytes())
        yield orthanc


def test_orthanc_is_asked_and_sends_what_it_holds(orthanc: Orthanc, tmp_path: Path) -> None:
    with serving(tmp_path / "node", "MINE", TITLE, orthanc.port) as node:
        orthanc.knows(node)
        found = minipacs("query", node, TITLE, "Modality=MR", "--level", "series", "--uids")
        assert (found.returncode, len(found.stdout.split())) == (0, 7)
        told = fetch(node, TITLE, "Modality=CT", "--level", "series")
        assert "fetched=4, held=0, missing=0" in told
        assert f"fetched={len(UIDS) - 4}, held=4, missing=0" in fetch(node, TITLE, "--all")
        assert held(node) == UIDS
        assert f"fetched=0, held={len(UIDS)}" in fetch(node, TITLE, "--all", "--associations", "2")


# ---- dcmqrscp


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, own_port: int) -> Iterator[int]:
    """A dcmqrscp that holds all; its port."""
    folder, port = tmp_path_factory.mktemp("dcmqrscp"), free_port()
    (folder / "held").mkdir()
    (folder / "dcmqrscp.cfg").write_text(f"""
NetworkTCPPort = {port}
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
mine = (MINE, 127.0.0.1, {own_port})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
ARCHIVE {folder / "held"} RW (200, 1024mb) ANY
AETable END
""")
    program = [dcmtk("dcmqrscp"), "-c", str(folder / "dcmqrscp.cfg")]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await_port(process, port)
        subprocess.run(
            [dcmtk("storescu"), "-aec", "ARCHIVE", "127.0.0.1", str(port), *map(str, FILES)],
            check=True,
        )
        yield port
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("by", ["get", "move"])
def test_dcmqrscp_is_asked_and_sends_what_it_holds(
    by: str, archive: int, own_port: int, tmp_path: Path
) -> None:
    with serving(tmp_path / "node", "MINE", "ARCHIVE", archive) as node:
        peers = {"ARCHIVE": {"host": "127.0.0.1", "port": archive}}
        node.stop()
        node.configure({"node": {"ae_title": "MINE", "port": own_port}, "peers": peers})
        node.start()
        found = minipacs("query", node, "ARCHIVE", "PatientName=Doe^Peter", "--json")
        assert found.returncode == 0, found.stderr
        told = fetch(node, "ARCHIVE", "Modality=CT", "--level", "series", "--by", by)
        assert "fetched=4, held=0, missing=0" in told
        fetch(node, "ARCHIVE", "--all", "--by", by)
        assert held(node) == UIDS

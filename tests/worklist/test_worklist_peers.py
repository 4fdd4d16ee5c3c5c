"""DCMTK's wlmscpfs and Orthanc's plugin on the same entries: what each gets wrong, by name.

They read what `minipacs worklist export` writes, and are asked what the node is asked.
"""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE
from support import CLIENT_SECONDS, dcmtk, free_port, running_node
from support.network.orthanc import TITLE, Orthanc
from worklist.modality import EXPLICIT, WORKLIST, data_set, worklist, write_entries
from worklist.test_worklist_queries import ENTRIES, MATCHING

pytestmark = pytest.mark.long

_PLUGIN = Path("/usr/share/orthanc/plugins/libModalityWorklists.so")
# What each answers otherwise than the node, of the cases of the table; case and accents of names
# are left to who answers (PS3.4 C.2.2.2.1.1).
WRONG: dict[str, set[str]] = {
    # Keys that are optional are not matched, though answered FF00; names by their very bytes.
    "wlmscpfs": {
        "C.2.2.2: of a list of modalities any (an extension)",
        "C.2.2.2.1.1: case of names does not count",
        "C.2.2.2.4: name by *",
        "C.2.2.2.1.1: accents do not count",
        "PS3.5 6.2.1: ideographic group",
        "C.2.2.2.1.1: a key of one group finds it in any",
        "K.6-1: Study Instance UID",
        "C.2.2.2.2: a list of UIDs",
        "K.6-1: Scheduled Procedure Step ID",
        "K.6-1: Scheduled Station Name",
        "K.6-1: step description",
        "K.6-1: procedure description by wildcard",
        "C.2.2.2.1: a number by its value",
        "C.2.2.2.6: code of the procedure",
        "C.2.2.2.6: code inside the step",
        "C.2.2.2.6: keys of a code are of one item",
        "C.2.2.2.6: other patient ID",
        "C.2.2.1.3: an attribute that the table does not have",
        "K.6-1: pregnancy status, a binary number",
        "K.6-1: status",
        "K.6-1: status of what is not served",
    },
    # Of several stations none is found, times by their digits, dates and times apart, codes not at
    # all.
    "Orthanc": {
        "C.2.2.2.3: * finds an absent value too",
        "K.2.2.3: the first of an entry's stations",
        "K.2.2.3: the second of them",
        "PS3.5 6.2: spaces around a title do not count",
        "PS3.5 6.2: 0900 is 090000",
        "PS3.5 6.2: 100000 is 1000",
        "C.2.2.2.5: times until",
        "K.6-1: a period from a time of the first day to one of the last",
        "K.6-1: within the period every time counts",
        "K.6-1: a period without an end",
        "C.2.2.2.1.1: accents do not count",
        "PS3.5 6.2.1: ideographic group",
        "C.2.2.2.1.1: a key of one group finds it in any",
        "C.2.2.2.1: a number by its value",
        "C.2.2.2.6: code of the procedure",
        "C.2.2.2.6: code inside the step",
        "C.2.2.2.6: keys of a code are of one item",
        "C.2.2.2.6: other patient ID",
        "K.6-1: keys of the step are matched in its item",
    },
}


class WorklistOrthanc(Orthanc):
    """Orthanc with its plugin for worklists."""

    def _settings(self) -> dict[str, Any]:
        entries = {"Enable": True, "Database": str(self.folder / "entries")}
        return super()._settings() | {"Worklists": entries, "DicomAlwaysAllowFindWorklist": True}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The entries that are served, as files."""
    folder = tmp_path_factory.mktemp("exported")
    with running_node(tmp_path_factory.mktemp("node"), {"worklist": {}}) as node:
        write_entries(node, "entries.json", ENTRIES)
        states = ("--state", "scheduled", "--state", "arrived")
        assert worklist(node, "export", folder, *states).returncode == 0
    return folder


@pytest.fixture(scope="module", params=["wlmscpfs", "Orthanc"])
def peer(
    request: pytest.FixtureRequest, exported: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str, int]]:
    """Name, AE title and port of one that serves them."""
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        if request.param == "Orthanc":
            if not _PLUGIN.exists():
                pytest.skip(f"{_PLUGIN} is not there: on Debian, apt-get install orthanc")
            _link(exported, folder / "entries")
            orthanc = stack.enter_context(WorklistOrthanc(folder, _PLUGIN).running())
            yield request.param, TITLE, orthanc.port
            return
        _link(exported, folder / "WLM")
        (folder / "WLM" / "lockfile").touch()
        port = free_port()
        process = stack.enter_context(
            subprocess.Popen([dcmtk("wlmscpfs"), "-dfp", str(folder), str(port)])
        )
        stack.callback(process.terminate)
        _await(port)
        yield request.param, "WLM", port


def _link(exported: Path, folder: Path) -> None:
    folder.mkdir()
    for path in exported.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())


def _associated(title: str, port: int) -> Any:
    entity = AE("CT01")
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = CLIENT_SECONDS
    entity.add_requested_context(WORKLIST, EXPLICIT)
    return entity.associate("127.0.0.1", port, ae_title=title)


def _await(port: int) -> None:
    for _ in range(1000):
        association = _associated("WLM", port)
        if association.is_established:
            association.release()
            return
    raise AssertionError("wlmscpfs does not start")


def _found(title: str, port: int, keys: Dataset) -> str:
    association = _associated(title, port)
    assert association.is_established
    try:
        answers = [one for _, one in association.send_c_find(keys, WORKLIST) if one]
    finally:
        association.release()
    return "".join(sorted(str(one.get("PatientID", "?")) for one in answers))


def test_what_a_peer_gets_wrong(peer: tuple[str, str, int]) -> None:
    name, title, port = peer
    told = {
        case: _found(title, port, data_set({"PatientID": ""} | keys)) for case, keys, _ in MATCHING
    }
    wrong = {case for case, _, found in MATCHING if told[case] != found}
    assert wrong == WRONG[name], {case: told[case] for case in wrong ^ WRONG[name]}

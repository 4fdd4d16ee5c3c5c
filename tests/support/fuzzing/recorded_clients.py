"""The clients whose associations are recorded: pynetdicom's and DCMTK's, of every service."""

import copy
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import build_role, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation, UserIdentityNegotiation

from support import (
    CT,
    EXPLICIT,
    FIND,
    GET,
    IMPLICIT,
    MOVE,
    TEST_FILES,
    RunningNode,
    client,
    find,
    identifier,
    keys,
    retrieved,
    send,
)
from support.fuzzing.recordings import BIG_ENDIAN, COMMIT, Recording, Tap, held_samples


def _echo(node: RunningNode, folder: Path) -> None:
    assert node.echoes()


def _store(node: RunningNode, folder: Path) -> None:
    for sample in held_samples():
        context = (sample.sop_class_uid, sample.transfer_syntax_uid)
        with node.association(context) as association:
            send(association, sample.sop_class_uid, sample.sop_instance_uid, sample.data_set,
                 sample.transfer_syntax_uid)  # fmt: skip


_KEYS: dict[str, dict[str, Any]] = {
    "PATIENT": {"PatientID": "", "PatientName": "*a*", "PatientBirthDate": "19000101-"},
    "STUDY": {"StudyInstanceUID": "", "StudyDate": "19900101-20301231", "ModalitiesInStudy": ""},
    "SERIES": {"SeriesInstanceUID": "", "Modality": "CT\\MR", "BodyPartExamined": "?*"},
    "IMAGE": {"SOPInstanceUID": "", "InstanceNumber": "1", "Rows": "", "ImageComments": ""},
}


@contextmanager
def _negotiated(node: RunningNode, model: str) -> Iterator[Association]:
    """A relational association, with a user's identity."""
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid, extended.service_class_application_information = model, b"\1" * 7
    user = UserIdentityNegotiation()
    user.user_identity_type, user.primary_field, user.secondary_field = 2, b"who", b"word"
    contexts = [(model, EXPLICIT), (model, IMPLICIT), (model, BIG_ENDIAN)]
    with node.association(*contexts, ext_neg=[extended, user]) as association:
        yield association


def _find(node: RunningNode, folder: Path) -> None:
    for model in FIND.values():
        with _negotiated(node, model) as association:
            for level, asked in _KEYS.items():
                find(association, model, level, **asked)


def _retrieve_keys() -> list[dict[str, str]]:
    return [{"StudyInstanceUID": sample.uids[0]} for sample in held_samples()[:3]]


def _get(node: RunningNode, folder: Path) -> None:
    classes = sorted({sample.sop_class_uid for sample in held_samples()})
    for syntax in (EXPLICIT, IMPLICIT):
        with node.association(
            (GET["STUDY"], EXPLICIT),
            *((uid, syntax) for uid in classes),
            ext_neg=[build_role(uid, scp_role=True) for uid in classes],
            evt_handlers=[(evt.EVT_C_STORE, lambda event: 0x0000)],
        ) as association:
            for asked in _retrieve_keys():
                retrieved(association.send_c_get(identifier("STUDY", **asked), GET["STUDY"]))


def _move(node: RunningNode, folder: Path) -> None:
    with node.association((MOVE["STUDY"], EXPLICIT)) as association:
        for asked in _retrieve_keys()[:1]:
            data_set = identifier("STUDY", **asked)
            retrieved(association.send_c_move(data_set, "PEER", MOVE["STUDY"]))


def _commit(node: RunningNode, folder: Path) -> None:
    action = Dataset()
    action.TransactionUID = "1.2.840.99.1"
    reference = Dataset()
    reference.ReferencedSOPClassUID = CT
    reference.ReferencedSOPInstanceUID = held_samples()[0].sop_instance_uid
    action.ReferencedSOPSequence = [reference]
    with node.association(
        (COMMIT, EXPLICIT), ext_neg=[build_role(COMMIT, scu_role=True, scp_role=True)]
    ) as association:
        status, _ = association.send_n_action(action, 1, COMMIT, "1.2.840.10008.1.20.1.1")
        assert status.Status == 0x0000


def _dcmtk_store(node: RunningNode, folder: Path) -> None:
    files = [TEST_FILES / name for name in ("CT_small.dcm", "MR_small_implicit.dcm")]
    client("storescu", node, ["-R"], files)
    client("storescu", node, ["-R", "-xx"], [TEST_FILES / "JPGExtended.dcm"])


def _dcmtk_find(node: RunningNode, folder: Path) -> None:
    study, series, _ = held_samples()[0].uids
    upper = {"StudyInstanceUID": study, "SeriesInstanceUID": series}
    below = {"SERIES": 1, "IMAGE": 2}
    for level, asked in _KEYS.items():
        unique = dict([*upper.items()][: below.get(level, 0)])
        client("findscu", node, ["-S", *keys(QueryRetrieveLevel=level, **(asked | unique))])


def _dcmtk_get(node: RunningNode, folder: Path) -> None:
    for asked in _retrieve_keys()[:2]:
        got = folder / "got"
        got.mkdir()
        client("getscu", node, ["-S", "-od", got, *keys(QueryRetrieveLevel="STUDY", **asked)])
        shutil.rmtree(got)


def _dcmtk_move(node: RunningNode, folder: Path) -> None:
    asked = keys(QueryRetrieveLevel="STUDY", **_retrieve_keys()[0])
    client("movescu", node, ["-S", "-aem", "PEER", *asked])


_CLIENTS: dict[str, Callable[[RunningNode, Path], None]] = {
    "echo": _echo,
    "store": _store,
    "find": _find,
    "get": _get,
    "move": _move,
    "commit": _commit,
    "echoscu": lambda node, folder: client("echoscu", node) and None,
    "storescu": _dcmtk_store,
    "findscu": _dcmtk_find,
    "getscu": _dcmtk_get,
    "movescu": _dcmtk_move,
}


def record(node: RunningNode, folder: Path) -> list[Recording]:
    """Run every client against the node; what each sent."""
    folder.mkdir()
    recordings = []
    for name, run in _CLIENTS.items():
        with Tap(node.port) as tap:
            tapped = copy.copy(node)
            tapped.port = tap.port
            run(tapped, folder)
        assert tap.streams, name
        recordings += [Recording(f"{name} {n}", bytes(s)) for n, s in enumerate(tap.streams)]
    return recordings

"""`minipacs fetch` from peers that do not do what they are asked."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID
from pynetdicom import AE, evt
from support import CT, EXPLICIT, RunningNode, ct, minipacs

FIND, GET = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.3"
Answers = Iterator[Any]


def listing(event: evt.Event) -> Answers:
    """One study of a series and two instances."""
    level = event.identifier.QueryRetrieveLevel
    for instance in ("1.3.1", "1.3.2") if level == "IMAGE" else ("",):
        found = Dataset()
        found.QueryRetrieveLevel, found.PatientID, found.StudyInstanceUID = level, "P", "1.1"
        if level != "STUDY":
            found.SeriesInstanceUID = "1.2"
        if instance:
            found.SOPInstanceUID, found.SOPClassUID = instance, CT
        yield 0xFF00, found


def only_at(*levels: str, status: int = 0xC001) -> Callable[[evt.Event], Answers]:
    """Answers these levels, and others by a status."""

    def answer(event: evt.Event) -> Answers:
        if event.identifier.QueryRetrieveLevel in levels:
            yield from listing(event)
        else:
            yield status, None

    return answer


def cut_at(level: str) -> Callable[[evt.Event], Answers]:
    """Ends the association where this level is asked."""

    def answer(event: evt.Event) -> Answers:
        if event.identifier.QueryRetrieveLevel == level:
            event.assoc.abort()
        yield from listing(event)

    return answer


def image(study: str, instance: str) -> Dataset:
    """An instance that pynetdicom can send."""
    made = ct(study, f"{study[0]}.2", instance)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = UID(EXPLICIT)
    return made


def sending(*instances: tuple[str, str]) -> Callable[[evt.Event], Answers]:
    """Sends instances of studies, whatever is asked."""

    def answer(event: evt.Event) -> Answers:
        yield len(instances)
        for study, instance in instances:
            yield 0xFF00, image(study, instance)

    return answer


def failing(event: evt.Event) -> Answers:
    """Refuses the retrieve."""
    yield 1
    yield 0xA701, None


def hanging_up(event: evt.Event) -> Answers:
    """Aborts behind the first instance."""
    yield 2
    yield 0xFF00, image("1.1", "1.3.1")
    event.assoc.abort()


@contextmanager
def peer(
    find: Callable[[evt.Event], Answers], get: Callable[[evt.Event], Answers] | None
) -> Iterator[int]:
    """A peer that answers so; its port."""
    entity = AE("ODD")
    entity.add_supported_context(FIND)
    handlers: list[Any] = [(evt.EVT_C_FIND, find)]
    if get:
        entity.add_supported_context(GET)
        entity.add_supported_context(CT, scu_role=True, scp_role=True)
        handlers.append((evt.EVT_C_GET, get))
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        yield server.socket.getsockname()[1]
    finally:
        server.shutdown()


WHOLE = (("1.1", "1.3.1"), ("1.1", "1.3.2"))
ODD: dict[str, tuple[Any, Any, int, list[str], str]] = {
    "whole": (listing, sending(*WHOLE), 0, ["1.3.1", "1.3.2"], ""),
    "no C-GET and no C-MOVE": (listing, None, 1, [], "grants no C-GET and no C-MOVE"),
    "no queries": (only_at(), sending(*WHOLE), 1, [], "C001"),
    "cut in a query": (cut_at("SERIES"), sending(*WHOLE), 1, [], "ended the association"),
    "no series told of": (only_at("STUDY", status=0), sending(*WHOLE), 1, [], "lists no series"),
    "no instances told of": (
        only_at("STUDY", "SERIES"), sending(*WHOLE), 0, ["1.3.1", "1.3.2"], "",
    ),
    "nothing told of or sent": (only_at("STUDY", "SERIES"), sending(), 1, [], "sent nothing"),
    "Success, and one missing": (listing, sending(*WHOLE[:1]), 1, ["1.3.1"], "did not send it"),
    "a study not asked for": (
        listing, sending(*WHOLE, ("9.1", "9.3.1")), 1, ["1.3.1", "1.3.2", "9.3.1"],
        "not asked for",
    ),
    "a failure": (listing, failing, 1, [], "A701"),
    "cut midway": (listing, hanging_up, 1, ["1.3.1"], "ended the association"),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_what_is_not_as_asked_is_told_and_what_came_stays(name: str, tmp_path: Path) -> None:
    find, get, code, instances, words = ODD[name]
    with peer(find, get) as port:
        odd = {"host": "127.0.0.1", "port": port, "dimse_timeout": 5}
        node = RunningNode(tmp_path, {"peers": {"ODD": odd}})
        done = minipacs("fetch", node, "ODD", "--study", "1.1", "--json")
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert sorted(file.stem for file in node.files()) == instances
    assert words in done.stdout + done.stderr
    if done.stdout:
        told = json.loads(done.stdout)
        assert sum(one["fetched"] for one in told) <= len(instances)

"""Queries of a node and of Orthanc, both with their index in the same PostgreSQL, in turn."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
from lib.bench_clients import store
from lib.bench_images import Recipe
from lib.bench_peers import PDU_BYTES, Peer, Place, orthanc_command
from lib.bench_programs import MissingError, orthanc
from lib.bench_servers import Server, running
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind
from support.machine.cluster import Engines, new_archive

from scp.testing import NodeProcess

HELD = Recipe("small", studies=400, images=10, columns=16)
_PLUGIN = "libOrthancPostgreSQLIndex.so"
_PLUGINS = Path("/usr/share/orthanc/plugins")
_PENDING = (0xFF00, 0xFF01)
_COUNTS = ("ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances")
_STUDY = ("StudyInstanceUID", "PatientName", "PatientID", "StudyDate", "AccessionNumber")
_SERIES = ("SeriesInstanceUID", "Modality", "SeriesNumber")
_IMAGE = ("SOPInstanceUID", "SOPClassUID", "InstanceNumber")


@dataclass(frozen=True)
class Question:
    """A kind of query; `keys` are those of a run, whose number it is given."""

    name: str
    level: str
    asked: Sequence[str]
    answers: int
    keys: Callable[[int], dict[str, str]]

    def identifier(self, run: int) -> Dataset:
        """The identifier of a run."""
        made = Dataset()
        made.QueryRetrieveLevel = self.level
        for keyword in self.asked:
            setattr(made, keyword, "")
        for keyword, value in self.keys(run).items():
            setattr(made, keyword, value)
        return made


def _study(run: int) -> dict[str, str]:
    return {"StudyInstanceUID": HELD.study_uid(run * 7 % HELD.studies)}


def _series(of_study: dict[str, str]) -> dict[str, str]:
    return {**of_study, "SeriesInstanceUID": f"{of_study['StudyInstanceUID']}.1"}


QUESTIONS = (
    Question("one study by UID", "STUDY", _STUDY, 1, _study),
    Question("the same with counts", "STUDY", (*_STUDY, *_COUNTS), 1, _study),
    Question("the series of a study", "SERIES", _SERIES, 1, _study),
    Question("the images of a study's series", "IMAGE", _IMAGE, HELD.images,
             lambda run: _series(_study(run))),
    Question("all studies", "STUDY", _STUDY, HELD.studies, lambda _: {}),
    Question("all studies with counts", "STUDY", (*_STUDY, *_COUNTS), HELD.studies, lambda _: {}),
)  # fmt: skip


def report(engines: Engines, folder: Path, runs: int) -> Iterator[str]:
    """The lines of a table. Raises ClientError, ServerError, MissingError where it cannot be."""
    (folder / "held").mkdir()
    parts = HELD.made(folder / "held")
    whole = [(parts[0][0].parent, HELD.count)]
    with ExitStack() as stack:
        node = stack.enter_context(_node(engines, folder / "node"))
        peer = Peer("orthanc", "", partial(_command, engines), orthanc)
        other = stack.enter_context(running(peer))
        seconds = [store(server, whole) for server in (node, other)]
        yield f"{HELD.count:,} instances of {HELD.studies} studies in PostgreSQL, medians of {runs}"
        yield f"{'':32}{'node':>10}{'orthanc':>10}{'ratio':>8}"
        yield _line("stored by one sender, s", *seconds)
        asking = [stack.enter_context(_associated(server)) for server in (node, other)]
        for question in QUESTIONS:
            taken: list[list[float]] = [[], []]
            for run in range(runs):
                for association, found in zip(asking, taken, strict=True):
                    found.append(_ask(association, question, run) * 1000)
            yield _line(f"{question.name}, ms", *map(statistics.median, taken))


def _line(name: str, own: float, other: float) -> str:
    return f"{name:32}{own:10.2f}{other:10.2f}{own / other:8.2f}"


def _ask(association: Association, question: Question, run: int) -> float:
    identifier = question.identifier(run)
    began = time.perf_counter()
    responses = association.send_c_find(identifier, StudyRootQueryRetrieveInformationModelFind)
    statuses = [status.Status for status, _ in responses]
    seconds = time.perf_counter() - began
    found = sum(status in _PENDING for status in statuses)
    if statuses[-1:] != [0] or found != question.answers:
        raise MissingError(
            f"{question.name}: {found} answers of {question.answers}: {statuses[-1:]}"
        )
    return seconds


@contextmanager
def _associated(server: Server) -> Iterator[Association]:
    entity = AE("ASKS")
    entity.maximum_pdu_size = PDU_BYTES
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
    association = entity.associate("127.0.0.1", server.port, ae_title=server.title)
    if not association.is_established:
        raise MissingError(f"{server.name} takes no association")
    try:
        yield association
    finally:
        association.release()


@contextmanager
def _node(engines: Engines, folder: Path) -> Iterator[Server]:
    folder.mkdir()
    node = NodeProcess(folder, engines.tables(new_archive()))
    node.start()
    try:
        yield Server("minipacs", node.title, node.port, node.process.pid)
    finally:
        node.stop()


def _command(engines: Engines, place: Place) -> list[str]:
    """Orthanc with its index in a database of its own of that server, its files in a folder."""
    plugin = _PLUGINS / _PLUGIN
    if not plugin.exists():
        raise MissingError(f"{plugin} is not there (Debian: apt-get install orthanc-postgresql)")
    with psycopg.connect(engines.postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE orthanc")
    database = {
        "EnableIndex": True, "EnableStorage": False, "Host": "127.0.0.1",
        "Port": engines.postgres.port, "Database": "orthanc", "Username": "minipacs",
        "Password": "", "Lock": False,
    }  # fmt: skip
    return orthanc_command(place, Plugins=[str(plugin)], PostgreSQL=database)

"""What is asked of the servers, what each is to come to, and how it is measured."""

import json
import statistics
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from lib.bench_clients import ClientError, timed
from lib.bench_cpu import cpu_used
from lib.bench_images import Recipe
from lib.bench_pss import peak_pss
from lib.bench_rounds import Row, Values
from lib.bench_servers import Server
from lib.bench_web.client import Answer, Connection, connected
from lib.bench_web.held import Held

_JSON = "application/dicom+json"
_FILES = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_FRAMES = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
_CONNECTIONS = 4


@dataclass(frozen=True)
class Request:
    """A GET, as it is repeated: `path` of what is held, and of the number of the repeat."""

    key: str
    label: str
    limit: float  # of Orthanc's time
    path: Callable[[Held, int], str]
    accept: str
    parts: Callable[[Held], int]  # how many answers or parts there are to be; 0: it is a picture
    repeats: int = 10
    connections: int = 1

    @property
    def rows(self) -> tuple[Row, ...]:
        """Its lines of the results."""
        return Row(self.key, self.label, "ms"), Row(f"{self.key}c", "  CPU", "ms")

    def measure(self, server: Server, held: Held) -> Values:
        """Milliseconds of one; of several over as many connections all of them together."""
        if self.connections > 1:
            return self._at_once(server, held)
        seconds = []
        with connected(server) as connection, cpu_used(server.pid) as cpu:
            for number in range(self.repeats):
                path = self.path(held, number)
                with timed() as one:
                    answer = connection.get(path, self.accept)
                seconds += one
        _check(answer, self.parts(held), f"{path} of {server.name}")
        median = statistics.median(seconds) * 1000
        return {self.key: median, f"{self.key}c": cpu[0] / self.repeats * 1000}

    def _at_once(self, server: Server, held: Held) -> Values:
        failed: list[Exception] = []

        def ask(connection: Connection, first: int) -> None:
            try:
                for number in range(first, self.repeats, self.connections):
                    connection.get(self.path(held, number), self.accept)
            except ClientError as error:
                failed.append(error)

        with ExitStack() as stack:
            held_open = [stack.enter_context(connected(server)) for _ in range(self.connections)]
            with cpu_used(server.pid) as cpu, timed() as seconds:
                threads = [threading.Thread(target=ask, args=(one, number))
                           for number, one in enumerate(held_open)]  # fmt: skip
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
        if failed:
            raise failed[0]
        return {self.key: sum(seconds) * 1000, f"{self.key}c": cpu[0] * 1000}


def _check(answer: Answer, parts: int, what: str) -> None:
    """Raise ClientError where an answer is not what was asked for."""
    if answer.media_type.startswith(_JSON):
        found = len(json.loads(bytes(answer.body)))
    elif answer.media_type.startswith("multipart/"):
        boundary = answer.media_type.partition("boundary=")[2].partition(";")[0].strip('"')
        found = bytes(answer.body).count(b"--" + boundary.encode()) - 1
    else:
        found = 0 if answer.media_type.startswith("image/") else -1
    if found != parts:
        raise ClientError(f"{what}: {found} of {parts} in it")


def _series(recipe: Recipe) -> str:
    uid = recipe.study_uid()
    return f"/studies/{uid}/series/{uid}.1"


def _instance(recipe: Recipe, number: int) -> str:
    uid = recipe.study_uid()
    return f"{_series(recipe)}/instances/{uid}.1.{number % recipe.count + 1}"


def _all(held: Held) -> int:
    return held.studies.count + 3


def _of(ends: str) -> Callable[[Held, int], str]:
    return lambda held, number: _instance(held.ct, number * 7) + ends


REQUESTS: Sequence[Request] = (
    Request("QA", "QIDO: all 303 studies", 0.1, lambda held, _: "/studies", _JSON, _all),
    Request("QP", "  a page of 25", 0.2, lambda held, n: f"/studies?limit=25&offset={n}", _JSON,
            lambda held: min(25, _all(held))),
    Request("QO", "  of one Patient ID", 1.0,
            lambda held, n: f"/studies?PatientID={held.patient_id(n * 7)}", _JSON, lambda _: 1),
    Request("QI", "  500 instances of a series", 0.05,
            lambda held, _: f"{_series(held.ct)}/instances", _JSON, lambda held: held.ct.count,
            repeats=3),
    Request("M", "metadata of 500 instances", 0.15, lambda held, _: f"{_series(held.ct)}/metadata",
            _JSON, lambda held: held.ct.count, repeats=3),
    Request("R", "a series of 100 CT of 512 KB", 0.5, lambda held, _: _series(held.few_ct), _FILES,
            lambda held: held.few_ct.count, repeats=3),
    Request("RI", "  one of them", 1.0, _of(""), _FILES, lambda held: 1),
    Request("F", "  a frame", 0.7, _of("/frames/1"), _FRAMES, lambda held: 1),
    Request("F4", "  100 frames, 4 connections", 0.5, _of("/frames/1"), _FRAMES, lambda held: 1,
            repeats=100, connections=_CONNECTIONS),
    Request("J", "rendered as JPEG", 0.7, _of("/rendered"), "image/jpeg", lambda held: 0),
    Request("P", "  as PNG", 0.5, _of("/rendered"), "image/png", lambda held: 0, repeats=5),
    Request("V", "  JPEG of 128 x 128", 1.0, _of("/rendered?viewport=128,128"), "image/jpeg",
            lambda held: 0),
)  # fmt: skip


@dataclass(frozen=True)
class Memory:
    """The peak memory of a server while it gives a study of many instances, and what they say."""

    key: str = "PM"
    limit: float = 1.0

    @property
    def rows(self) -> tuple[Row, ...]:
        """Its line of the results."""
        return (Row(self.key, "peak PSS: files, metadata of 3,000", "MB"),)

    def measure(self, server: Server, held: Held) -> Values:
        """Megabytes of all processes."""
        where = _series(held.many)
        with connected(server) as connection, peak_pss(server.pid) as peak:
            for path, accept in ((where, _FILES), (f"{where}/metadata", _JSON)):
                answer = connection.get(path, accept)
                _check(answer, held.many.count, f"{path} of {server.name}")
        return {self.key: peak[0]}

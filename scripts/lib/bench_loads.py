"""Cases of many at once and of faults: senders, a query beside them, a start after a kill."""

import statistics
import tempfile
import threading
from functools import partial
from pathlib import Path

from lib.bench_association import find_by_association
from lib.bench_clients import begin_store, find, store, timed
from lib.bench_cpu import cpu_used
from lib.bench_images import SMALL, STUDIES, Recipe
from lib.bench_peers import Peer
from lib.bench_programs import dd
from lib.bench_rounds import Case, Row, Values, in_turns
from lib.bench_servers import killed, restarted, running, settle

_SENDERS = (32, 100)
_BESIDE = 4  # senders, while a study is asked for
_REPEATS = 20  # of a query in a run


def loads(scale: float) -> tuple[Case, ...]:
    """The cases, each with so many times its usual number of instances."""
    small, studies = SMALL.scaled(scale), STUDIES.scaled(scale)
    many = (
        Case(f"C{n}", (Row(f"C{n}", f"{small.count:,} of 2 KB in all, {n} clients"),),
             in_turns(partial(_many, f"C{n}", small.split(n))))
        for n in _SENDERS
    )  # fmt: skip
    return (
        *many,
        Case(
            "GB", (Row("GB", f"findscu beside {_BESIDE} clients that store", "ms"),),
            in_turns(partial(_beside, studies, small.split(_BESIDE))),
        ),
        Case(
            "K", (Row("K", f"start after kill -9 amid {small.count:,} of 2 KB"),),
            in_turns(partial(_killed, small.split(_BESIDE))),
        ),
    )  # fmt: skip


def asked_by_association(recipe: Recipe, folder: Path, peer: Peer) -> Values:
    """The server's own part of a query: no client starts, and its PDUs are made before."""
    parts = recipe.made(folder)
    with running(peer) as server:
        store(server, [(parts[0][0].parent, recipe.count)])
        studies = [recipe.study_uid(run * 7 % len(parts)) for run in range(_REPEATS)]
        with cpu_used(server.pid) as cpu:
            found = [find_by_association(server, study) for study in studies]
    return {"GA": statistics.median(found) * 1000, "GC": cpu[0] / _REPEATS * 1000}


def plain_write(mebibytes: int) -> float:
    """Seconds that dd takes to write so much and sync it, where the servers' folders are."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        settle()
        with timed() as seconds:
            dd(Path(name) / "plain", mebibytes)
    return sum(seconds)


def _many(row: str, recipe: Recipe, folder: Path, peer: Peer) -> Values:
    parts = recipe.made(folder)
    with running(peer) as server:
        return {row: store(server, parts)}


def _beside(studies: Recipe, recipe: Recipe, folder: Path, peer: Peer) -> Values:
    held, parts = studies.made(folder), recipe.made(folder)
    with running(peer) as server:
        store(server, [(held[0][0].parent, studies.count)])
        failed: list[Exception] = []
        ended = threading.Event()

        def send() -> None:
            try:
                while not ended.is_set():  # again and again: what is held is taken anew
                    store(server, parts)
            except Exception as error:
                failed.append(error)

        sender = threading.Thread(target=send)
        sender.start()
        try:
            number = len(held)
            found = [find(server, studies.study_uid(n * 7 % number)) for n in range(_REPEATS)]
        finally:
            ended.set()
            sender.join()
    if failed:
        raise failed[0]
    return {"GB": statistics.median(found) * 1000}


def _killed(recipe: Recipe, folder: Path, peer: Peer) -> Values:
    """Killed once half of what is sent has come; how long it takes to answer again."""
    parts = recipe.made(folder)
    with running(peer) as server:
        clients = begin_store(server, parts)
        half = len(parts) // 2
        for client in clients[:half]:
            client.wait()
        killed(server)
        for client in clients[half:]:
            client.wait()
            client.forget()
        for client in clients[:half]:
            client.forget()
        with timed() as seconds, restarted(server):
            pass
    return {"K": sum(seconds)}

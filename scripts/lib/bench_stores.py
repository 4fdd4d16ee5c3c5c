"""The cases of `bench`: what is sent, asked for and moved, and what each comes to."""

import statistics
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from lib import bench_corpus
from lib.bench_association import store_by_association
from lib.bench_clients import echo, find, store, store_singly
from lib.bench_cpu import cpu_used
from lib.bench_fill import copied, filled, instances_in
from lib.bench_images import CT, FEW_SMALL, LARGE, SMALL, STUDIES, Recipe
from lib.bench_loads import asked_by_association, loads, plain_write
from lib.bench_moves import measure_moves
from lib.bench_peers import NODE, NODE_WITHOUT_SYNC, Peer
from lib.bench_pss import peak_pss
from lib.bench_rounds import Case, Row, Session, Values, in_turns
from lib.bench_servers import running

_FILLED_STUDIES = 4_000  # 200,000 instances
_REPEATS = 20  # of a query in a run


def cases(scale: float, archive: Path | None = None) -> tuple[Case, ...]:
    """All cases, each with so many times its usual number of instances.

    `archive`: a folder of `bench-decade`'s, to be stored into in I.
    """
    return (*_stores(scale), *_others(scale, archive), *loads(scale))


def _stores(scale: float) -> tuple[Case, ...]:
    small, few, ct = (recipe.scaled(scale) for recipe in (SMALL, FEW_SMALL, CT))
    of_small, of_ct = f"{small.count:,} of 2 KB", f"{ct.count:,} CT of 512 KB"
    rows_b = (Row("B", f"{of_ct}, one association"), Row("BN", "  the same, node: sync = false"))
    return (
        Case(
            "A", (Row("A", f"{of_small}, one association"), Row("AC", "  CPU a store", "ms")),
            in_turns(partial(_one_association, small)),
        ),
        Case("B", rows_b, partial(_with_and_without_sync, ct)),
        Case("CA", (Row("CA", f"{of_small} in all, 4 clients"),), _one_row("CA", small.split())),
        Case("CB", (Row("CB", f"{of_ct} in all, 4 clients"),), _one_row("CB", ct.split())),
        Case(
            "D", (Row("D", f"{few.count:,} of 2 KB, no TCP_NODELAY"),),
            _one_row("D", few, no_delay=False),
        ),
        Case(
            "E", (
                Row("E", f"{few.count:,} of 2 KB, an association each"),
                Row("EC", "  CPU an association", "ms"),
                Row("EP", "  the same by a storescu each"),
            ),
            in_turns(partial(_singly, few)),
        ),
    )  # fmt: skip


def _others(scale: float, archive: Path | None) -> tuple[Case, ...]:
    large, studies, ct, few = (r.scaled(scale) for r in (LARGE, STUDIES, CT, FEW_SMALL))
    of_few, studies_held = f"{few.count:,} of 2 KB into", _filled_studies(scale)
    made_up = studies_held * bench_corpus.IMAGES_A_STUDY
    held = f"{instances_in(archive) if archive else made_up:,}"
    return (
        Case(
            "F", (
                Row("F", f"one of {large.frames:,} frames of 2 MiB"),
                Row("FM", "  peak PSS of all processes", "MB"),
                Row("FD", "  dd conv=fsync of as much"),
            ),
            in_turns(partial(_large, large)),
        ),
        Case(
            "G", (
                Row("G", f"findscu: 1 of {studies.count:,} studies", "ms"),
                Row("GE", "  echoscu", "ms"),
            ),
            in_turns(partial(_queries, studies)),
        ),
        Case(
            "GA", (
                Row("GA", "  its association alone, no start of findscu", "ms"),
                Row("GC", "  CPU of it", "ms"),
            ),
            in_turns(partial(asked_by_association, studies)),
        ),
        Case(
            "H", (Row("H", f"move of {ct.count:,} CT of 512 KB"),),
            lambda session, rows: measure_moves(session, {"H": ct}),
        ),
        Case(
            "I", (
                Row("IE", f"{of_few} an empty index"),
                Row("I", f"{of_few} {held}"),
            ),
            partial(_by_index, few, archive or studies_held),
        ),
    )  # fmt: skip


def _one_row(row: str, recipe: Recipe, no_delay: bool = True) -> Callable[..., None]:
    """A storescu for each study of the recipe, all at once."""

    def attempt(folder: Path, peer: Peer) -> Values:
        parts = recipe.made(folder)
        with running(peer) as server:
            return {row: store(server, parts, no_delay)}

    return in_turns(attempt)


def _with_and_without_sync(recipe: Recipe, session: Session, rows: tuple[str, ...]) -> None:
    """The node both ways, each in a row of its own; the others count in both."""
    rows_of = {NODE: rows[:1], NODE_WITHOUT_SYNC: rows[1:]}
    both = [NODE, NODE_WITHOUT_SYNC] if NODE in session.peers else []
    peers = [*both, *(peer for peer in session.peers if peer is not NODE)]

    def attempt(folder: Path, peer: Peer) -> Values:
        parts = recipe.made(folder)
        with running(peer) as server:
            return dict.fromkeys(rows_of.get(peer, rows), store(server, parts))

    in_turns(attempt, rows_of)(replace(session, peers=peers), rows)


def _one_association(recipe: Recipe, folder: Path, peer: Peer) -> Values:
    parts = recipe.made(folder)
    with running(peer) as server, cpu_used(server.pid) as cpu:
        seconds = store(server, parts)
    return {"A": seconds, "AC": cpu[0] / recipe.count * 1000}


def _singly(recipe: Recipe, folder: Path, peer: Peer) -> Values:
    files = [file for part, _ in recipe.made(folder) for file in sorted(part.iterdir())]
    with running(peer) as server, cpu_used(server.pid) as cpu:
        seconds = store_by_association(server, files)
    with running(peer) as server:
        alone = store_singly(server, files)
    return {"E": seconds, "EC": cpu[0] / len(files) * 1000, "EP": alone}


def _large(recipe: Recipe, folder: Path, peer: Peer) -> Values:
    parts = recipe.made(folder)
    with running(peer) as server, peak_pss(server.pid) as peak:
        seconds = store(server, parts)
    plain = {"FD": plain_write(recipe.frames * 2)} if peer is NODE else {}
    return {"F": seconds, "FM": peak[0], **plain}


def _queries(recipe: Recipe, folder: Path, peer: Peer) -> Values:
    parts = recipe.made(folder)
    whole = parts[0][0].parent
    with running(peer) as server:
        # One association for all: storescu looks through the folders of the studies.
        store(server, [(whole, recipe.count)])
        found = [find(server, recipe.study_uid(run * 7 % len(parts))) for run in range(_REPEATS)]
        echoes = [echo(server) for _ in range(_REPEATS)]
    return {"G": statistics.median(found) * 1000, "GE": statistics.median(echoes) * 1000}


def _by_index(recipe: Recipe, held: int | Path, session: Session, rows: tuple[str, ...]) -> None:
    """The node alone, with an empty index and with one that holds so many studies, or an archive's.

    Of that index and journal are copied, which a store asks; its files are not.
    """
    source = held / "data" if isinstance(held, Path) else filled(session.folder, held)

    def seed(folder: Path) -> None:
        copied(source, folder / "data")

    def attempt(folder: Path, peer: Peer) -> Values:
        parts, seconds = recipe.made(folder), dict.fromkeys(rows, 0.0)
        for row in ("IE", "I", "I", "IE"):  # so that a disk that grows slower hits both
            with running(peer, seed=seed if row == "I" else None) as server:
                seconds[row] += store(server, parts) / 2
        return seconds

    peers = [peer for peer in session.peers if peer is NODE]
    in_turns(attempt)(replace(session, peers=peers), rows)


def _filled_studies(scale: float) -> int:
    days = max(round(_FILLED_STUDIES * scale / bench_corpus.STUDIES_A_DAY), 1)
    return days * bench_corpus.STUDIES_A_DAY

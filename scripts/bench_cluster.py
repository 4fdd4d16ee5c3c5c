"""Measure stores by 4 senders into an archive that 1, 2 and 4 nodes share.

Beside them, in the same rounds, what the engines give to 4 processes that do no more than they
must: an object put, and one transaction of two rows. PostgreSQL syncs what it commits; SeaweedFS
syncs nothing. All share the processors of this machine, the senders too.

With `--delay` each node is as far away from both engines, and has one sender: so the sum grows with
the nodes as long as none waits for what another is about.

With `--queries` it asks a node instead, and Orthanc with its index in the same PostgreSQL, in turn.
"""

import argparse
import multiprocessing
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from lib.bench_beside_orthanc import report  # noqa: E402
from lib.bench_clients import begin_store, timed  # noqa: E402
from lib.bench_images import CT, SMALL, Recipe  # noqa: E402
from lib.bench_servers import Server  # noqa: E402
from support.machine.cluster import BUCKET, Engines, new_archive, running_engines  # noqa: E402
from support.machine.delaying_proxy import delaying  # noqa: E402

from scp.testing import NodeProcess  # noqa: E402

_SENDERS = 4
_NODES = (1, 2, 4)
_ASKED = 21
_STORED = b"Received Store Response (Success)"


def main() -> int:
    """Measure, and print a table."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="bench-cluster-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with running_engines(folder, durable=True) as engines:
            if options.queries:
                for line in report(engines, folder, _ASKED):
                    print(line, flush=True)
                return 0
            for words, recipe in (("2 KB", SMALL), ("CT of 512 KB", CT)):
                _report(
                    words, recipe.scaled(options.scale).split(_SENDERS), engines, folder, options
                )
    return 0


def _report(
    words: str, recipe: Recipe, engines: Engines, folder: Path, options: argparse.Namespace
) -> None:
    parts = recipe.made(folder)
    size = next(parts[0][0].iterdir()).stat().st_size
    delay = options.delay / 1000
    senders = {count: count if delay else _SENDERS for count in _NODES}
    ways: dict[str, Callable[[], float]] = {
        "engines": partial(_bare, engines, size, parts[0][1], delay),
        **{f"{count} node{'s' * (count > 1)}": partial(
            _by_nodes, count, engines, folder, parts[: senders[count]], delay) for count in _NODES},
    }  # fmt: skip
    counts = [recipe.count, *(sum(part[1] for part in parts[:of]) for of in senders.values())]
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(options.rounds):
        order = list(zip(ways.items(), counts, strict=True))
        for (way, measure), stored in order if number % 2 == 0 else reversed(order):
            rates[way].append(stored / measure())
    of_each = "one sender a node" if delay else f"{_SENDERS} senders"
    print(f"{recipe.count} of {words}, {of_each}, {options.rounds} rounds", end="")
    print(f", {options.delay:g} ms each way to the engines" if delay else "")
    for way, found in rates.items():
        shares = [own / bare for own, bare in zip(found, rates["engines"], strict=True)]
        middle, share = statistics.median(found), statistics.median(shares)
        print(f"  {way:10}{middle:8.0f}/s   {share:4.0%} of what the engines give", flush=True)


def _bare(engines: Engines, size: int, count: int, delay: float) -> float:
    """Seconds in which so many processes put, and commit, so many objects each."""
    with ExitStack() as stack:
        ways = [
            (_way(stack, engines.postgres.url, delay), _way(stack, engines.store.endpoint, delay))
            for _ in range(_SENDERS)
        ]
        return _bare_by(ways, engines, size, count)


def _way(stack: ExitStack, url: str, delay: float) -> str:
    """The address of an engine, from which each way takes so many seconds."""
    if not delay:
        return url
    parts = urlsplit(url)
    assert parts.port
    port = stack.enter_context(delaying(parts.port, delay)).port
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{port}")))


def _bare_by(
    ways: list[tuple[str, str]], engines: Engines, size: int, count: int
) -> float:  # fmt: skip
    context = multiprocessing.get_context("spawn")
    begin = context.Barrier(_SENDERS + 1)
    table = f"bare_{uuid4().hex[:8]}"
    _execute(
        engines.postgres.url,
        f"CREATE TABLE {table} (id bigserial primary key, key text, line text)",
    )
    bucket = engines.store.bucket(BUCKET, prefix=table)
    processes = [
        context.Process(target=_put_and_commit, args=(
            begin, replace(bucket, endpoint=endpoint), url, table, size, count))
        for url, endpoint in ways
    ]  # fmt: skip
    for process in processes:
        process.start()
    begin.wait()
    with timed() as seconds:
        for process in processes:
            process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit("bench-cluster: the engines did not do what they were asked")
    return sum(seconds)


def _execute(url: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def _put_and_commit(begin: Any, bucket: Any, url: str, table: str, size: int, count: int) -> None:
    import obstore
    import psycopg
    from obstore.store import S3Store

    client = S3Store(
        bucket.name, prefix=bucket.prefix, endpoint=bucket.endpoint, region=bucket.region,
        access_key_id=bucket.access_key, secret_access_key=bucket.secret_key,
        virtual_hosted_style_request=False, client_options={"allow_http": True},
    )  # fmt: skip
    data, line = Random(size).randbytes(size), "x" * 300
    insert = f"INSERT INTO {table} (key, line) VALUES (%s, %s), (%s, %s)".encode()
    with psycopg.connect(url) as connection:
        begin.wait()
        for _ in range(count):
            key = str(uuid4())
            obstore.put(client, key, data, mode="create")
            connection.execute(insert, (key, line, key, line))
            connection.commit()


def _by_nodes(
    count: int, engines: Engines, folder: Path, parts: list[tuple[Path, int]], delay: float
) -> float:
    """Seconds in which as many senders store all into an archive that so many nodes share."""
    with _nodes(count, engines, folder, len(parts), delay) as servers, timed() as seconds:
        clients = [
            (begin_store(servers[at % count], [part])[0], part[1]) for at, part in enumerate(parts)
        ]
        for client, _ in clients:
            client.wait()
    for client, expected in clients:
        client.check(_STORED, expected)
    return sum(seconds)


@contextmanager
def _nodes(
    count: int, engines: Engines, folder: Path, senders: int, delay: float
) -> Iterator[list[Server]]:
    archive = new_archive()
    with ExitStack() as stack:
        servers = []
        for number in range(count):
            own = folder / f"{archive}-{number}"
            own.mkdir()
            tables = engines.tables(archive, endpoint=_way(stack, engines.store.endpoint, delay))
            tables["index"]["url"] = _way(stack, engines.postgres.url, delay)
            node = NodeProcess(own, {**tables, "node": {"port": 0, "workers": senders // count}})
            stack.callback(node.stop)
            node.start()
            servers.append(Server("minipacs", node.title, node.port, node.process.pid))
        yield servers


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-cluster", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, metavar="F", help="of the instances")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument(
        "--delay", type=float, default=0.0, metavar="MS",
        help="each way between each node and the engines, in milliseconds",
    )  # fmt: skip
    parser.add_argument(
        "--queries", action="store_true",
        help="ask a node and Orthanc (Debian's orthanc-postgresql) instead",
    )  # fmt: skip
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

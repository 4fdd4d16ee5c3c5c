"""Measure objects put and read by 1, 4 and 8 threads, beside the client's own calls.

Rounds of both take turns, so that they share whatever else the machine does. Without an endpoint a
SeaweedFS of PyPI's package is started for the time, which syncs nothing; a shared folder is
measured too, beside files written and synced.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from uuid import uuid4

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from storage.files import FileFacts  # noqa: E402
from storage.files.objects.contract import ObjectStore  # noqa: E402
from storage.files.objects.keys import new_key  # noqa: E402
from storage.files.objects.s3 import Bucket, open_bucket  # noqa: E402
from storage.files.objects.shared_folder import SharedFolder  # noqa: E402

UIDS = "1.2.3", "1.2.3.4", "1.2.3.4.5"
FACTS = FileFacts("1.2.840.10008.1.2.1", 1, "d" * 64, "ISO_IR 192", 1, "CT1", 2)
SIZES = {"2 KB": 2 << 10, "512 KB": 512 << 10}
Put = Callable[[bytes], str]
Get = Callable[[str], bytes]


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=1.0, metavar="N", help="of a round")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--endpoint", metavar="URL")
    parser.add_argument("--bucket", default="minipacs")
    parser.add_argument("--access-key", default=os.environ.get("AWS_ACCESS_KEY_ID", ""))
    parser.add_argument("--secret-key", default=os.environ.get("AWS_SECRET_ACCESS_KEY", ""))
    given = parser.parse_args()
    print("a second, the client's own / ours; what ours is of it, by rounds, the middle one\n")
    print(f"{'':24}{'threads':>8}{'put':>18}{'':>7}{'get':>18}{'':>7}")
    with _bucket(given) as bucket:
        store = open_bucket(bucket)
        _report("bucket", _bare_bucket(bucket), _ours(store), given)
    with tempfile.TemporaryDirectory(prefix="bench-objects-") as name:
        folder = SharedFolder(Path(name) / "ours")
        (Path(name) / "ours").mkdir()
        folder.adopt("bench")
        _report("folder", _bare_folder(Path(name) / "bare"), _ours(folder), given)
    return 0


@contextmanager
def _bucket(given: argparse.Namespace) -> Iterator[Bucket]:
    prefix = f"bench-{uuid4()}"
    if given.endpoint:
        yield Bucket(
            given.bucket, given.endpoint, given.access_key, given.secret_key, prefix=prefix
        )
        return
    from support.machine.seaweed import running_seaweed

    with running_seaweed() as server:
        server.make_bucket("bench")
        yield server.bucket("bench", prefix)


def _ours(store: ObjectStore) -> tuple[Put, Get]:
    def put(data: bytes) -> str:
        key = new_key(UIDS)
        store.put(key, [data], FACTS)
        return key

    def get(key: str) -> bytes:
        with store.open(key) as file:
            return file.read()

    return put, get


def _bare_bucket(bucket: Bucket) -> tuple[Put, Get]:
    import obstore
    from obstore.store import S3Store

    client = S3Store(
        bucket.name, prefix=f"{bucket.prefix}-bare", endpoint=bucket.endpoint,
        region=bucket.region, access_key_id=bucket.access_key,
        secret_access_key=bucket.secret_key, client_options={"allow_http": True},
    )  # fmt: skip

    def put(data: bytes) -> str:
        key = f"bare/{uuid4()}"
        obstore.put(client, key, data, mode="create")
        return key

    return put, lambda key: bytes(obstore.get(client, key).bytes())


def _bare_folder(folder: Path) -> tuple[Put, Get]:
    folder.mkdir()

    def put(data: bytes) -> str:
        path = folder / str(uuid4())
        with path.open("xb", buffering=0) as file:
            file.write(data)
            os.fsync(file.fileno())
        return str(path)

    return put, lambda key: Path(key).read_bytes()


def _report(
    kind: str, bare: tuple[Put, Get], ours: tuple[Put, Get], given: argparse.Namespace
) -> None:
    for named, size in SIZES.items():
        data = Random(size).randbytes(size)
        for threads in (1, 4, 8):
            rates: list[list[float]] = [[], [], [], []]
            for _ in range(given.rounds):
                for at, (put, get) in enumerate((bare, ours)):
                    keys, rate = _rate(partial(put, data), threads, given.seconds)
                    rates[at].append(rate)
                    _, rate = _rate(partial(_get_any, get, keys, Random(1)), threads, given.seconds)
                    rates[2 + at].append(rate)
            told = "".join(_told(rates[at], rates[at + 1]) for at in (0, 2))
            print(f"{kind + ', ' + named:24}{threads:>8}{told}", flush=True)


def _told(bare: list[float], ours: list[float]) -> str:
    share = statistics.median(two / one for one, two in zip(bare, ours, strict=True))
    rates = f"{statistics.median(bare):,.0f} / {statistics.median(ours):,.0f}"
    return f"{rates:>18}{share:>7.0%}"


def _get_any(get: Get, keys: list[str], random: Random) -> bytes:
    return get(random.choice(keys))


def _rate(work: Callable[[], object], threads: int, seconds: float) -> tuple[list[str], float]:
    """What the work gave, and how often a second it was done."""
    begun = time.perf_counter()
    end = begun + seconds

    def run(_: int) -> list[object]:
        made = []
        while time.perf_counter() < end:
            made.append(work())
        return made

    with ThreadPoolExecutor(threads) as pool:
        made = [one for some in pool.map(run, range(threads)) for one in some]
    return [str(one) for one in made if isinstance(one, str)], len(made) / (
        time.perf_counter() - begun
    )


if __name__ == "__main__":
    sys.exit(main())

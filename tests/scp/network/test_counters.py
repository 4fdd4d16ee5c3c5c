"""What the workers count, in memory that they share."""

import os
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from scp.config.choices import Service
from scp.network.association.counters import (
    BOUNDS,
    OTHER,
    OUTCOMES,
    Counters,
    Series,
    of_request,
)

STORED: Series = ("instances", "in")
# What an instance may cost for all its metrics; a store takes about a millisecond.
MOST_SECONDS = 200e-6


def wait(child: int) -> None:
    assert os.waitpid(child, 0)[1] == 0


def by_outcome(counters: Counters) -> dict[tuple[str, str], int]:
    return {(title, outcome): n for title, outcome, n in counters.associations() if n}


def test_what_threads_of_several_processes_count_adds_up() -> None:
    counters, children = Counters(3), []
    for worker in range(3):
        child = os.fork()
        if child == 0:
            counters.adopt(worker)
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda _: counters.add([(STORED, 1), (("bytes", "in"), 10)]),
                              range(4000)))  # fmt: skip
            os._exit(0)
        children.append(child)
    for child in children:
        wait(child)
    sums = counters.sums()
    assert (sums[STORED], sums["bytes", "in"]) == (12_000, 120_000)


def test_who_is_killed_while_it_counts_leaves_each_count_whole() -> None:
    counters, told = Counters(1), 0
    for _ in range(3):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            counters.adopt(0)
            os.write(writing, b"1")
            while True:
                # Over the bytes of a word: half of it would be far off.
                counters.add([(STORED, 255)])
        os.read(reading, 1)
        deadline = time.monotonic() + 30
        while counters.sums()[STORED] < told + 255_000:
            assert time.monotonic() < deadline
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        before, told = told, counters.sums()[STORED]
        assert told % 255 == 0
        assert told > before
        os.close(reading)
        os.close(writing)


def test_a_reader_never_sees_a_count_go_backwards() -> None:
    counters = Counters(1)
    child = os.fork()
    if child == 0:
        counters.adopt(0)
        for _ in range(60_000):
            counters.add([(STORED, 257)])
        os._exit(0)
    seen = [0]
    while seen[-1] < 60_000 * 257:
        seen.append(counters.sums()[STORED])
        assert seen[-1] >= seen[-2]
        assert seen[-1] % 257 == 0
    wait(child)


def test_ten_thousand_invented_titles_are_counted_as_one() -> None:
    counters = Counters(1)
    counters.name(["CT1"])
    for number in range(10_000):
        counters.associate(f"T{number}", "accepted")
    counters.associate(" CT1 ", "accepted")
    assert by_outcome(counters) == {(OTHER, "accepted"): 10_000, ("CT1", "accepted"): 1}
    assert len(list(counters.associations())) == 2 * len(OUTCOMES)


def test_of_titles_beyond_all_bounds_the_last_are_others() -> None:
    counters = Counters(1)
    counters.name(f"P{number}" for number in range(5000))
    for title in ("P0", "P4094", "P4095", "P4999"):
        counters.associate(title, "rejected")
    assert by_outcome(counters) == {
        (OTHER, "rejected"): 2, ("P0", "rejected"): 1, ("P4094", "rejected"): 1
    }  # fmt: skip


def test_a_peer_of_the_name_of_the_others_is_one_of_them() -> None:
    counters = Counters(1)
    counters.name([OTHER, "A TITLE OF 16 CH"])
    for title in (OTHER, "UNKNOWN", "A TITLE OF 16 CH"):
        counters.associate(title, "abort")
    titles = Counter(title for title, _, _ in counters.associations())
    assert titles == {OTHER: len(OUTCOMES), "A TITLE OF 16 CH": len(OUTCOMES)}
    assert by_outcome(counters)[OTHER, "abort"] == 2


def test_a_worker_takes_over_the_names_that_are_given_later() -> None:
    counters = Counters(1)
    (ready, ready_end), (go, go_end) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        counters.adopt(0)
        counters.associate("LATER", "accepted")
        os.write(ready_end, b"1")
        os.read(go, 1)
        counters.learn()
        counters.associate("LATER", "release")
        os._exit(0)
    os.read(ready, 1)
    counters.name(["LATER"])
    os.write(go_end, b"1")
    wait(child)
    assert by_outcome(counters) == {(OTHER, "accepted"): 1, ("LATER", "release"): 1}
    for descriptor in (ready, ready_end, go, go_end):
        os.close(descriptor)


@pytest.mark.parametrize(
    ("seconds", "bound"),
    [(0.0, "0.001"), (0.001, "0.001"), (0.0011, "0.0025"), (0.2, "0.25"), (300.0, "300"),
     (300.1, "+Inf"), (1e6, "+Inf")],
)  # fmt: skip
def test_a_request_counts_in_the_first_bucket_that_holds_it(seconds: float, bound: str) -> None:
    added = dict(of_request(Service.FIND, 0x0000, seconds, (1, 2)))
    assert [one[2] for one in BOUNDS_OF if added.get(one)] == [bound]
    assert added["nanoseconds", Service.FIND] == int(seconds * 1e9)


BOUNDS_OF = [("seconds", Service.FIND, bound) for bound in BOUNDS]


@pytest.mark.parametrize(
    ("service", "status", "shown", "stored"),
    [
        (Service.STORE, 0x0000, "0000", 1),
        (Service.STORE, 0xB006, "B006", 1),
        (Service.STORE, 0xA700, "A700", 0),
        (Service.STORE, None, "none", 0),
        (Service.STORE, 0xC123, "other", 0),
        (Service.FIND, 0x0000, "0000", 0),
        (Service.MOVE, 0xFE00, "FE00", 0),
    ],
)
def test_a_request_counts_by_its_status(
    service: Service, status: int | None, shown: str, stored: int
) -> None:
    counters = Counters(1)
    counters.add(of_request(service, status, 0.01, (0, 0)))
    requests = {one: n for one, n in counters.sums().items() if one[0] == "requests" and n}
    assert requests == {("requests", service, shown): 1}
    assert counters.sums()[STORED] == stored


def test_an_instance_costs_little() -> None:
    counters, best = Counters(2), 1.0
    for _ in range(20):
        started = time.thread_time()
        for _ in range(1000):
            counters.add(of_request(Service.STORE, 0x0000, 0.003, (524_288, 0)))
        best = min(best, (time.thread_time() - started) / 1000)
    assert best < MOST_SECONDS
    print(f"microseconds={best * 1e6:.2f}")

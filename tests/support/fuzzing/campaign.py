"""A node under mutated input: batches of it, and what has to hold after each and at the end."""

import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from storage.maintenance.check.faults import FaultKind
from support import RunningNode, data_set_bytes, minipacs
from support.checks.watching import Held, assert_no_more, at_rest, files_outside, grown, strays
from support.fuzzing.exchange import END_SECONDS, Exchanged, exchange
from support.fuzzing.mutations import Input

# Bounds in seconds: a peer that hangs ends soon, and one that the machine keeps waiting is served.
LIMITS = {"acse_timeout": 5, "dimse_timeout": 5, "network_timeout": 5, "associations": 50}
_AT_ONCE = 4
_BATCH = 50
# What the memory of a process may grow by, once it has seen a part of the inputs: the allocator
# does not give back all that the largest took for a moment, so more of many than of few.
_GROWTH_KIB, _GROWTH_KIB_OF_MANY = 16 * 1024, 64 * 1024
_MANY = 10_000
# Within which a worker has given back what is free, twice.
_TRIMMED_SECONDS = 150.0
_WARM_UP = 0.25
# It reads what was replaced once for every row in doubt, and that is nearly all there is.
_CHECK_SECONDS = 1800.0
# Faults of what is kept as it came; every other kind would be the node's own.
OF_THE_SENDER = {
    kind.code
    for kind in (
        FaultKind.CUT_SHORT,
        FaultKind.PIXEL_DATA,
        FaultKind.UIDS_DISAGREE,
        FaultKind.PATIENTS_DISAGREE,
    )
}


@dataclass
class Campaign:
    """Inputs against a node, and what the node has said about what they sent."""

    node: RunningNode
    top: Path  # holds the node's folder; nothing else may appear in it
    acknowledged: set[tuple[str, str]] = field(default_factory=set)  # UID and digest
    slowest: float = 0.0

    def run(self, make: Callable[[int], Input], count: int) -> str:
        """Send inputs 0 to `count`; fails with the one, or with the batch, that was too much.

        Returns what was measured.
        """
        node, warm = self.node, max(int(count * _WARM_UP) // _BATCH * _BATCH, _BATCH)
        outside, workers, before = files_outside(node, self.top), node.workers, at_rest(node)
        mark = node.mark()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for start in range(0, count, _BATCH):
                if start == warm:
                    before = at_rest(node)
                numbers = range(start, min(start + _BATCH, count))
                inputs = [make(number) for number in numbers]
                results = pool.map(lambda one: exchange(node.port, one), inputs)
                for number, sent, result in zip(numbers, inputs, results, strict=True):
                    self._look_at(number, sent, result)
                batch = f"inputs {numbers.start} to {numbers.stop - 1}"
                # There may be other children: one is not yet told from a worker as it is forked.
                assert set(workers) <= set(node.workers), f"a worker died: {batch}"
                assert node.echoes(), f"no echo: {batch}"
                assert not node.bugs(mark), "\n".join([batch, *node.bugs(mark)])
                mark = node.mark()
        bound = _GROWTH_KIB_OF_MANY if count > _MANY else _GROWTH_KIB
        after = self._at_rest(before, bound)
        growth = grown(before, after)
        assert growth < bound, f"grew by {growth} KiB: {before} {after}"
        assert files_outside(node, self.top) == outside
        return f"slowest {self.slowest:.2f} s, grew by {growth} KiB\n{before}\n{after}"

    def _at_rest(self, before: Held, bound: int) -> Held:
        """What the node holds when all is over, and free memory was given back."""
        deadline = time.monotonic() + _TRIMMED_SECONDS
        after = assert_no_more(self.node, before)
        while grown(before, after) >= bound and time.monotonic() < deadline:
            after = assert_no_more(self.node, before)
        return after

    def _look_at(self, number: int, sent: Input, result: Exchanged) -> None:
        self.slowest = max(self.slowest, result.seconds)
        if not result.in_time:
            with tempfile.NamedTemporaryFile(suffix=".bin", delete=False) as kept:
                kept.write(sent.packed())
            raise AssertionError(
                f"input {number}, {sent.what}: not ended within {END_SECONDS:g} s; to keep it, "
                f"move {kept.name} to tests/regressions/"
            )
        for uid, data in result.acknowledged(sent):
            self.acknowledged.add((uid, hashlib.sha256(data).hexdigest()))

    def finish(self) -> None:
        """End the node, and compare what lies there with what it said."""
        node = self.node
        assert node.stop() == 0, "\n".join(node.log[-50:])
        assert node.logged("died") == []
        assert strays(node) == []
        assert node.incoming() == []
        held = {(path.stem, digest(path)) for path in node.files()}
        # What was replaced, its time behind its UID.
        held |= {
            (path.stem.rpartition(".")[0], digest(path))
            for path in (node.data / "superseded").glob("*/*/*.dcm")
        }
        assert self.acknowledged
        assert self.acknowledged <= held, f"lost: {sorted(self.acknowledged - held)[:5]}"
        done = minipacs("check", node, "--json", seconds=_CHECK_SECONDS)
        assert done.stderr == ""
        kinds = {fault["kind"] for fault in json.loads(done.stdout)["faults"]}
        assert kinds <= OF_THE_SENDER, kinds


def digest(path: Path) -> str:
    """The digest of the data set in a file."""
    return hashlib.sha256(data_set_bytes(path)).hexdigest()

"""Where a C-STORE's time goes: the node under a profiler, and its calls by stage."""

import os
import pstats
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lib.bench_clients import store
from lib.bench_images import Recipe
from lib.bench_peers import NODE, Place
from lib.bench_profiled_node import OUTPUT
from lib.bench_servers import running

# Stage -> where its time is spent: the end of a file's path, and a function; with all it calls.
_STAGES: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("waiting for the client", (("~", "<method 'poll' of 'select.poll' objects>"),)),
    (
        "receiving",
        (
            ("scp/network/upper_layer/transport.py", "fill"),
            ("scp/network/dimse/reader.py", "take_pdu"),
        ),
    ),
    ("reading the header", (("storage/dicom/instance_header.py", "header"),)),
    ("writing the file", (("storage/files/incoming.py", "_spill"),)),
    ("syncing the file", (("storage/files/tree.py", "close_staged"),)),
    ("renaming it, syncing its folder", (("storage/files/tree.py", "place"),)),
    ("the write-ahead log", (("storage/archive/receiving/log/log.py", "enter"),)),
    (
        "the journal",
        (("storage/journal/journal.py", "write_line"), ("storage/journal/journal.py", "sync")),
    ),
    ("the index", (("storage/index/writer.py", "record"),)),
    ("the response", (("scp/network/association/request.py", "respond"),)),
    ("the log", (("logging/__init__.py", "info"),)),
)
# As pstats has them: (file, line, function) -> calls, and times; the fourth is with all it calls.
_Calls = dict[tuple[str, int, str], tuple[float, ...]]
_WHOLE = ("scp/network/association/acceptor.py", "_run_reactor")


def profile(recipe: Recipe, folder: Path) -> Iterator[str]:
    """The lines of a table: milliseconds an instance, by stage."""
    output = folder / "profile"
    os.environ[OUTPUT] = str(output)
    with running(replace(NODE, command=_command)) as server:
        store(server, recipe.made(folder))
    calls = pstats.Stats(str(output)).stats  # type: ignore[attr-defined]
    whole = _seconds(calls, _WHOLE) / recipe.count * 1000
    left = whole
    yield f"{recipe.count:,} instances over one association; milliseconds an instance"
    for stage, functions in _STAGES:
        spent = sum(_seconds(calls, function) for function in functions) / recipe.count * 1000
        left -= spent
        yield f"{stage:34} {spent:6.3f}  {spent / whole:4.0%}"
    yield f"{'the rest':34} {left:6.3f}  {left / whole:4.0%}"
    yield f"{'all of it':34} {whole:6.3f}"
    yield "A profiler makes Python's share seem larger than it is: compare stages, not servers."


def _seconds(
    calls: dict[tuple[str, int, str], tuple[float, ...]], function: tuple[str, str]
) -> float:
    return sum(
        found[3] for (path, _, name), found in calls.items()
        if name == function[1] and path.endswith(function[0])
    )  # fmt: skip


def _command(place: Place) -> list[str]:
    """The node's own command, with the profiler around it."""
    python, _, _, *arguments = NODE.command(place)
    return [python, str(Path(__file__).with_name("bench_profiled_node.py")), *arguments]

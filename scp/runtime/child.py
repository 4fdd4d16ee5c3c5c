"""A forked process: it ends with what it was made for, and with its parent."""

import ctypes
import logging
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from scp.runtime import log
from storage.diagnostics import ResourceError

if TYPE_CHECKING:
    from concurrent.futures import Executor, ProcessPoolExecutor

logger = logging.getLogger(__name__)

# Lower than that of the workers: who sends should not notice.
_NICENESS = 10
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15  # <linux/prctl.h>


def fork(name: str, work: Callable[[], None]) -> int:
    """Have `work` done by a process of its own; returns its id. Its exit code is 1 where it failed.

    Even one that is stopped ends with its parent: it would hold the port and the folder.
    """
    parent = os.getpid()
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        end_with(parent)
        # What `ps` shows: 15 characters.
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)
        work()
        code = 0
    except BaseException as error:
        logger.error("%s: %s", name, log.one_line(error))
        logger.debug("details", exc_info=True)
    finally:
        logging.shutdown()
        # Not sys.exit: threads of associations that hang would be waited for.
        os._exit(code)


def pool(processes: int, begin: Callable[[], None] = lambda: None) -> "ProcessPoolExecutor":
    """Processes that do what they are given, started; each begins with `begin`, ends with this one.

    Raises BrokenExecutor where they cannot begin.
    """
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    made = ProcessPoolExecutor(
        processes, get_context("fork"), initializer=_begin, initargs=(os.getpid(), begin)
    )
    # Before they ignore it, Ctrl-C would have each show where it was.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        made.submit(int).result()  # forked now, while there is one thread
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return made


def be_nice() -> None:
    """Have this process and those that it forks leave the processors to who serves."""
    os.nice(_NICENESS)


def readers() -> "tuple[Executor, int]":
    """A process for each processor, and how many there are. Raises ResourceError."""
    from concurrent.futures import BrokenExecutor

    count = os.cpu_count() or 1
    try:
        return pool(count), count
    except BrokenExecutor as error:
        raise ResourceError("no process can be started that reads headers") from error


def _begin(parent: int, begin: Callable[[], None]) -> None:
    end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent sees to the end
    # The parent's would make it one more result, and the parent wait for ever.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    begin()


def end_with(parent: int) -> None:
    """Have this process end, at whatever it is, when its parent does."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended a moment ago
        os._exit(1)

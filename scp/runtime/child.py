"""A forked process: it ends with what it was made for, and with its parent."""

import ctypes
import logging
import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from scp.runtime import log
from storage.diagnostics import ArchiveError, ResourceError, Sentence

if TYPE_CHECKING:
    from concurrent.futures import Executor, ProcessPoolExecutor

logger = logging.getLogger(__name__)

# Lower than that of the workers: who sends should not notice.
_NICENESS = 10
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15  # <linux/prctl.h>
_LOOK_SECONDS = 0.2
# si_code of a signal that somebody sent: SI_TKILL to SI_USER, SI_KERNEL (<asm-generic/siginfo.h>).
_SENT = (*range(-6, 1), 0x80)
# Of the processes that are kept: id, place and exit status of one that has ended, and in how many
# seconds there will be another; None where it was told to end.
Ended = Callable[[int, int, int, float | None], None]


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


def awaited(signals: Iterable[int], seconds: float | None = None) -> int:
    """The next of these signals, which are blocked; 0 where none comes within so many seconds.

    Where a debugger or tracer takes hold of a process, sigtimedwait(2) can end as if a signal had
    come, and says nothing of which: that counts as none. For None it waits until one comes.
    """
    wanted = set(signals)
    while True:
        found = (
            signal.sigwaitinfo(wanted) if seconds is None else signal.sigtimedwait(wanted, seconds)
        )
        # A child's end says how it ended in its code, and is looked for by who waits for it.
        if (
            found
            and found.si_signo in wanted
            and (found.si_code in _SENT or found.si_signo == signal.SIGCHLD)
        ):
            return found.si_signo
        if seconds is not None:
            return 0


def fault_apart(name: str, work: Callable[[], None]) -> str:
    """Have `work` done by a process of its own, and wait for it; what an ArchiveError says in it.

    So what it opens is open nowhere else. Empty where it is done. Raises ResourceError where that
    process ends otherwise, as by an error that it has told.
    """
    ours, theirs = os.pipe()

    def run() -> None:
        os.close(ours)
        try:
            work()
        except ArchiveError as error:
            with open(theirs, "w") as told:
                told.write(str(error))

    process = fork(name, run)
    os.close(theirs)
    with open(ours) as told:
        fault = told.read()
    if os.waitpid(process, 0)[1]:
        raise ResourceError(f"{name}: a process for it has ended before it was done")
    return fault


def tell_end(name: str, told_by: logging.Logger) -> Ended:
    """Have it told of processes of a name that one has ended, and when another comes."""

    def told(process: int, place: int, status: int, seconds: float | None) -> None:
        if seconds is not None:
            words = f"{name} ended, starting again in seconds={seconds:g}"
            told_by.error(Sentence(words, seconds=seconds))

    return told


class KeptProcesses:
    """Processes that are started again where they end, seen from their parent.

    Each has a place, a number that no other one has meanwhile. The parent calls `tend` every few
    seconds, and when a child has ended.
    """

    def __init__(
        self, name: str, work: Callable[[int], None], ended: Ended, *,
        retry_seconds: tuple[float, float], grace_seconds: float, takes_turns: bool = False,
        to_renew: tuple[int, float] | None = None, to_end: int = signal.SIGTERM,
    ) -> None:  # fmt: skip
        """`retry_seconds`: how soon another is started, at first, and at most.

        `takes_turns`: none is started before all that are to end have ended. `to_renew` are the
        signal and the grace of those in whose place others come.
        """
        self._name, self._work, self._ended = name, work, ended
        self._retry_seconds, self._delay = retry_seconds, retry_seconds[0]
        self._takes_turns = takes_turns
        self._to_end = to_end, grace_seconds
        self._to_renew = to_renew or self._to_end
        self._running: dict[int, int] = {}  # process id -> place
        self._ending: dict[int, tuple[int, float]] = {}  # process id -> place, when it is killed
        self._started, self._next_start = 0.0, 0.0
        self._is_over = False

    def tend(self, count: int) -> None:
        """Start those that do not run, of so many, and see to the end of those that should not."""
        now = time.monotonic()
        for process in [*self._running, *self._ending]:
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                self._note(process, status, now)
        for process, (_, deadline) in self._ending.items():
            if deadline <= now:
                os.kill(process, signal.SIGKILL)
        if self._is_over or self._next_start > now or (self._takes_turns and self._ending):
            return
        while len(self._running) < count:
            self._started, place = now, self._free_place()
            self._running[self._start(place)] = place

    def restart(self) -> None:
        """Have others come in their places, with the next `tend`."""
        self._tell(self._to_renew, self._running)
        self._next_start, self._delay, self._is_over = 0.0, self._retry_seconds[0], False

    def stop(self) -> None:
        """Have them end, and start none."""
        self._is_over = True
        self._tell(self._to_end, [*self._running, *self._ending])

    def end(self) -> None:
        """Wait for their end."""
        self.stop()
        while self._ending:
            self.tend(0)
            if self._ending:
                awaited((signal.SIGCHLD,), _LOOK_SECONDS)

    def _start(self, place: int) -> int:
        return fork(self._name, lambda: self._work(place))

    def _free_place(self) -> int:
        taken = {*self._running.values(), *(place for place, _ in self._ending.values())}
        return next(place for place in range(len(taken) + 1) if place not in taken)

    def _tell(self, how: tuple[int, float], processes: Iterable[int]) -> None:
        number, grace = how
        for process in list(processes):
            held, until = self._ending.get(process, (self._running.pop(process, 0), float("inf")))
            self._ending[process] = held, min(until, time.monotonic() + grace)
            os.kill(process, number)

    def _note(self, process: int, status: int, now: float) -> None:
        if process in self._ending:
            place, _ = self._ending.pop(process)
            self._ended(process, place, status, None)
            return
        first, most = self._retry_seconds
        self._delay = first if now - self._started > most else min(self._delay * 2, most)
        self._next_start = now + self._delay
        self._ended(process, self._running.pop(process), status, self._delay)


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

"""A lock of threads and of processes forked since it was made."""

import os
import signal
from collections.abc import Callable

from scp.runtime.shared_lock import SharedLock


def child(does: Callable[[], object]) -> int:
    """What a forked process ends with that does this: 0, or 1 where it raises."""
    process = os.fork()
    if not process:
        code = 1
        try:
            does()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def hold(lock: SharedLock) -> None:
    with lock.held():
        pass


def test_a_child_has_it_neither_with_its_parent_nor_after_it_for_ever() -> None:
    lock = SharedLock("test", 0.01)
    with lock.held():
        assert child(lambda: hold(lock)) == 1
    assert child(lambda: hold(lock)) == 0
    hold(lock)


def test_it_is_free_when_who_holds_it_is_killed_though_its_child_lives() -> None:
    lock = SharedLock("test", 5.0)
    ready, said = os.pipe()
    stay, let = os.pipe()
    holder = os.fork()
    if not holder:
        with lock.held():
            if not os.fork():
                os.close(let)
                os.write(said, b"x")
                os.read(stay, 1)  # until the test is over
                os._exit(0)
            signal.pause()
    os.close(said)
    os.read(ready, 1)
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    try:
        hold(lock)
    finally:
        for descriptor in (ready, stay, let):
            os.close(descriptor)


def test_a_child_forked_while_another_thread_holds_it_is_not_stuck() -> None:
    """A thread's lock is copied as it is, and the thread that would free it is not."""
    lock = SharedLock("test", 0.01)

    def wait() -> None:
        try:
            hold(lock)
        except TimeoutError:  # it is the parent's, and waited for with a bound
            return
        raise AssertionError("two have it")

    with lock.held():
        assert child(wait) == 0

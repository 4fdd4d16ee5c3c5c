"""What a process takes for a signal that was sent to it, and what not."""

import ctypes
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from scp.runtime import child

_PTRACE_ATTACH, _PTRACE_DETACH = 16, 17  # <linux/ptrace.h>
_HOLDS = 3000
# The waits end all the time, so that some of them end while the process is held.
_WAITS = textwrap.dedent("""
    import signal
    from scp.runtime import child
    told = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, told)
    print("waits", flush=True)
    while not (found := child.awaited(told, 0.002)):
        pass
    print(found, flush=True)
""")


def test_a_process_that_a_tracer_holds_takes_no_signal_that_nobody_sent() -> None:
    process = subprocess.Popen([sys.executable, "-c", _WAITS], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "waits\n"
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes, libc.ptrace.restype = [ctypes.c_long] * 4, ctypes.c_long
    held = 0
    while held < _HOLDS and process.poll() is None:
        if libc.ptrace(_PTRACE_ATTACH, process.pid, 0, 0) < 0:
            pytest.skip(f"nobody may trace here: {os.strerror(ctypes.get_errno())}")
        os.waitpid(process.pid, 0)
        libc.ptrace(_PTRACE_DETACH, process.pid, 0, 0)
        held += 1
        time.sleep(0.0003)
    process.terminate()
    assert process.communicate()[0] == f"{signal.SIGTERM.value}\n"
    assert held == _HOLDS


@pytest.mark.parametrize("seconds", [None, 60.0])
def test_one_that_is_sent_ends_the_wait(seconds: float | None) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    try:
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR2)
        assert child.awaited({signal.SIGUSR2}, seconds) == signal.SIGUSR2
        assert child.awaited({signal.SIGUSR2}, 0.0) == 0
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

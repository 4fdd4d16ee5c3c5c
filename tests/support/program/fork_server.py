"""A process that has imported the program, and forks it as often as it is asked: see `process.py`.

A request comes on the socket whose number is given, with the descriptors of a connection and of
standard input, output and error. The connection is told the process id, then the exit code; the
process is reaped when its turn is asked for, as a parent would do.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[3]


def import_everything() -> None:
    """Import every module of the program but the one that runs it."""
    for package in ("storage", "scp"):
        for module in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
            if not module.name.endswith("__main__") and "testing" not in module.name:
                importlib.import_module(module.name)


def serve(requests: socket.socket) -> dict[str, Any] | None:
    """Fork for each request. Returns the request in the fork, and None once nobody asks."""
    asked = selectors.DefaultSelector()
    asked.register(requests, selectors.EVENT_READ)
    while True:
        for key, _ in asked.select():
            if key.fileobj is requests:
                message, descriptors, _, _ = socket.recv_fds(requests, 1 << 20, 4)
                if not message:
                    return None
                request: dict[str, Any] = json.loads(message)
                child = os.fork()
                if child == 0:
                    for registered in list(asked.get_map().values()):
                        os.close(registered.fd)
                    asked.close()
                    take_place(descriptors, request)
                    return request
                for one in descriptors[1:]:
                    os.close(one)
                connection = socket.socket(fileno=descriptors[0])
                with suppress(OSError):  # who asked is gone: the child is reaped all the same
                    connection.send(str(child).encode())
                ended = os.pidfd_open(child)
                asked.register(ended, selectors.EVENT_READ, (child, connection))
            elif isinstance(key.data, tuple):  # a process has ended
                child, connection = key.data
                asked.unregister(key.fd)
                os.close(key.fd)
                asked.register(connection, selectors.EVENT_READ, child)
                told = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
                assert told is not None
                exited = told.si_code == os.CLD_EXITED
                with suppress(OSError):  # nobody waits for it: it is reaped below
                    connection.send(str(told.si_status if exited else -told.si_status).encode())
            else:
                assert isinstance(key.fileobj, socket.socket)
                with suppress(OSError):  # closed, with the exit code unread
                    key.fileobj.recv(64)
                os.waitpid(key.data, 0)
                asked.unregister(key.fileobj)
                key.fileobj.close()


def take_place(descriptors: list[int], request: dict[str, Any]) -> None:
    """Be as a process that was started by itself."""
    if request["new_session"]:
        os.setsid()
    for number, descriptor in enumerate(descriptors[1:]):
        os.dup2(descriptor, number)
    for descriptor in descriptors:
        os.close(descriptor)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    # What the processes of one node share is not for other nodes to have a part in.
    from scp.copies.conversion.limits.budget import BUDGET, ConversionBudget

    BUDGET.__dict__.update(vars(ConversionBudget()))


def main() -> None:
    """Serve, and be the program in each fork."""
    number = int(sys.argv[1])
    sys.path[0] = str(ROOT)
    import_everything()
    gc.freeze()  # else each fork would look through it all at its end
    requests = socket.socket(fileno=number)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as Python starts with
    request = serve(requests)
    if request is None:
        return
    requests.detach()
    status = 0
    try:
        be_the_program(request)
    except SystemExit as exited:
        if not isinstance(exited.code, int | None):
            raise
        status = exited.code or 0
    end(status)


def be_the_program(request: dict[str, Any]) -> None:
    """What was asked for, as `python -c` or `python -m scp` runs it."""
    if request["code"]:
        sys.argv = ["-c", *request["arguments"]]
        exec(compile(request["code"], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = ["scp", *request["arguments"]]
        runpy.run_module("scp", run_name="__main__", alter_sys=True)


def end(status: int) -> NoReturn:
    """As Python ends, but for the modules, which it would take apart one by one.

    That is three quarters of the CPU time of a command: each page of what was imported would be
    copied for it.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()  # what closes a file or a database with its end
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()

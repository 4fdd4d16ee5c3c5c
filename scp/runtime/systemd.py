"""What systemd asks of a service: sockets that it opened, and to be told how it goes.

sd_listen_fds(3) and sd_notify(3), by their protocols; without systemd nothing of it happens.
"""

import os
import socket
from contextlib import suppress

from storage.diagnostics import escaped

_FIRST = 3


def inherited() -> dict[str, list[socket.socket]]:
    """The listening sockets that systemd opened for this process, by FileDescriptorName."""
    if os.environ.pop("LISTEN_PID", "") != str(os.getpid()):
        return {}
    count = int(os.environ.pop("LISTEN_FDS", "0"))
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[socket.socket]] = {}
    for number in range(count):
        name = names[number] if number < len(names) else ""
        os.set_inheritable(_FIRST + number, False)
        found.setdefault(name, []).append(socket.socket(fileno=_FIRST + number))
    return found


def notify(*lines: str) -> None:
    """Tell systemd a state such as READY=1. That nobody listens is no fault of the node's."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # of the abstract namespace
        address = f"\0{address[1:]}"
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.sendto("\n".join(map(escaped, lines)).encode(), address)

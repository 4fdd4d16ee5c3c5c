"""A guard: a client that a process has used hangs in each process that is forked from it.

Its threads are not there, and what they hold is never given back; that is so for a new client
too. So a process that forks others leaves stores alone, and each of the others opens its own.
"""

import os

from storage.files.objects.store_faults import StoreError

_used_in = 0  # the process, once one has used a client


def using() -> None:
    """Be told that the calling process uses a client. Raises StoreError where that would hang."""
    global _used_in
    if _used_in == os.getpid():
        return
    if _used_in:
        raise StoreError(
            f"The object store was in use in process {_used_in}, from which this one was forked: "
            "it is to be opened after that alone",
            is_final=True,
        )
    _used_in = os.getpid()

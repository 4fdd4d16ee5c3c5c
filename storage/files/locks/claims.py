"""The claim on a data folder, of the one node that serves it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storage.diagnostics import InUseError
from storage.files.locks.file_locks import claim

_NAME = "node.lock"


def claim_folder(data: Path) -> tuple[int, ...]:
    """Claim a data folder while the descriptors are open, here or in a process forked since.

    Raises InUseError where another process has it, OSError where it cannot be locked.
    """
    # A folder alone will not do: on CephFS a lock on one keeps nobody out, on a file it does.
    flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
    held = [os.open(data / _NAME, flags, 0o600)]
    try:
        if not claim(held[0]):
            raise InUseError(f"{data}: in use by another minipacs")
        # A node of a version before this one claims the folder; not everywhere can it be locked.
        held.append(os.open(data, os.O_RDONLY | os.O_CLOEXEC))
        with suppress(OSError):
            if not claim(held[1]):
                raise InUseError(f"{data}: in use by another minipacs")
    except BaseException:
        _close(held)
        raise
    return tuple(held)


@contextmanager
def claimed(data: Path) -> Iterator[None]:
    """Have the claim for the block alone. Raises as `claim_folder`."""
    held = claim_folder(data)
    try:
        yield
    finally:
        _close(held)


def is_free(data: Path) -> bool:
    """Whether no node has claimed the folder, at this moment. Raises OSError."""
    try:
        _close(claim_folder(data))
    except InUseError:
        return False
    return True


def _close(descriptors: list[int] | tuple[int, ...]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)

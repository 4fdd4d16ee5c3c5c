"""A forked process: it ends with what it was made for, and with its parent."""

import ctypes
import logging
import os
import signal
from collections.abc import Callable

from scp.runtime import log

logger = logging.getLogger(__name__)

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


def end_with(parent: int) -> None:
    """Have this process end, at whatever it is, when its parent does."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended a moment ago
        os._exit(1)

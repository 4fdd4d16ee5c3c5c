"""Ctrl-C ends a command with exit code 130 and a line, at whatever moment it comes.

While modules are loaded and options are read there is nothing to put in order, and an exception
could come up in the middle of any module, some of which make another one of it: the process ends
where it is. While a command works it is KeyboardInterrupt, so that the command can end what it has
in hand. This module is loaded first, and so imports next to nothing.

A process that was started with SIGINT ignored, as a shell has it for what runs in the background,
goes on ignoring it; a node takes the signal for itself.
"""

import os
import signal
import sys
from contextlib import suppress

TYPE_CHECKING = False  # that of `typing`, which takes longer to load than all that is here
if TYPE_CHECKING:
    from sys import UnraisableHookArgs
    from types import FrameType
    from typing import NoReturn

EXIT_CODE = 128 + signal.SIGINT


class _Seen:
    """Whether Ctrl-C came while a command worked."""

    interrupted = False


def end_at_once() -> None:
    """Have Ctrl-C end the process where it is: before a command works, and after."""
    if signal.getsignal(signal.SIGINT) in (signal.default_int_handler, _interrupt):
        signal.signal(signal.SIGINT, _end)


def let_commands_see_it() -> None:
    """Have Ctrl-C be KeyboardInterrupt, for a command that begins to work."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, _interrupt)
        sys.unraisablehook = _end_by_unraisable


def was_interrupted() -> bool:
    """Whether Ctrl-C came while a command worked."""
    return _Seen.interrupted


def end(is_told: bool = False) -> "NoReturn":
    """End the process, which was interrupted, with a line about it unless that `is_told`.

    Threads that wait for a peer would hold up a usual end.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or nobody reads it
            stream.flush()
    if not is_told:
        # The terminal has just shown ^C.
        line = "\nminipacs: interrupted\n" if os.isatty(2) else "minipacs: interrupted\n"
        with suppress(OSError):
            os.write(2, line.encode())
    os._exit(EXIT_CODE)


def _end(number: int, frame: "FrameType | None") -> "NoReturn":
    end()


def _interrupt(number: int, frame: "FrameType | None") -> "NoReturn":
    _Seen.interrupted = True
    raise KeyboardInterrupt


def _end_by_unraisable(args: "UnraisableHookArgs") -> None:
    """Of what came up where nothing can be raised, as in a finalizer: an interrupt ends it all."""
    if isinstance(args.exc_value, KeyboardInterrupt):
        end()
    sys.__unraisablehook__(args)

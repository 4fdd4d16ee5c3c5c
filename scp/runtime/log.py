"""Logging: one line an event, no tracebacks on a user's screen.

What a call has to say as key=value it gives as an `Event` (`storage.diagnostics`). Whatever a line
says, of peers, of files, of other libraries, is escaped here, once for all.

JSON lines are made by python-json-logger. Own are which fields there are, which an `Event` says,
and the text, in which letters of all scripts stay and what moves a cursor or hides text is escaped:
its serializer has a choice between all that is not ASCII and nothing.
"""

import logging
import mmap
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from storage.diagnostics import Event, Sentence, escaped, json_text

_PROGRESS_SECONDS = 5.0


class LoggedProgress:
    """Logs how far something is, now and then: called as often as may be, with done and of."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._told = time.monotonic()

    def __call__(self, done: int, of: int) -> None:
        """Log it, where the last time is a while ago."""
        if time.monotonic() - self._told >= _PROGRESS_SECONDS:
            self._told = time.monotonic()
            logging.getLogger(__name__).info(Event(self._what, files=done, of=of))


class _Clock:
    """Tells when a record was made; all but the milliseconds is made once a second."""

    def __init__(self, form: str, zone: Callable[[float], time.struct_time], point: str) -> None:
        self._form, self._zone, self._point = form, zone, point
        self._last = -1, ""

    def text(self, record: logging.LogRecord) -> str:
        """By `form`, in `zone`, with the milliseconds behind `point`."""
        second, text = self._last
        if second != int(record.created):
            second = int(record.created)
            text = time.strftime(self._form, self._zone(second)) + self._point
            self._last = second, text
        return f"{text}{int(record.msecs):03d}"


class _Record(logging.LogRecord):
    """A record of what a line tells, and of no more: where a call stands is told nowhere."""

    def __init__(
        self, name: str, level: int, pathname: str, lineno: int, msg: Any, args: Any,
        exc_info: Any, func: str | None = None, sinfo: str | None = None, **_: Any,
    ) -> None:  # fmt: skip
        self.name, self.msg = name, msg
        # A mapping by itself is for %(name)s, as `logging` has it.
        is_named = len(args) == 1 and isinstance(args[0], dict) and bool(args[0])
        self.args = args[0] if is_named else args
        self.levelno, self.levelname = level, logging.getLevelName(level)
        self.exc_info, self.exc_text, self.stack_info = exc_info, None, sinfo
        self.pathname = self.filename = self.module = pathname
        self.lineno, self.funcName = lineno, func or ""
        self.created = time.time()
        self.msecs = self.created % 1 * 1000
        self.relativeCreated = 0.0
        self.thread = self.threadName = self.processName = None
        self.process = os.getpid()


class _Lines(logging.StreamHandler[Any]):
    """Writes lines, each by one call; what `logging` asks more than once is asked once."""

    lock: Any

    def handle(self, record: logging.LogRecord) -> bool:
        """Write a record, which nothing is held against."""
        try:
            line = self.format(record) + self.terminator
            with self.lock:
                self.stream.write(line)
                self.stream.flush()
        except Exception:
            self.handleError(record)
        return True


class TextFormatter(logging.Formatter):
    """Formats a record as one line for people: time, level, message, key=value, detail."""

    def __init__(self) -> None:
        super().__init__()
        self._clock = _Clock("%Y-%m-%d %H:%M:%S", time.localtime, ",")

    def format(self, record: logging.LogRecord) -> str:
        """One line; with --verbose the traceback too, its lines set in."""
        record.message = record.getMessage()
        line = f"{self._clock.text(record)} {record.levelname:<7} {words_of(record)}"
        if record.exc_info and _is_verbose():
            told = self.formatException(record.exc_info).split("\n")
            line += "".join(f"\n    {escaped(one)}" for one in told)
        return line


class JsonLines(JsonFormatter):
    """Formats a record as a JSON object: its fields by name, and the line that people read."""

    def __init__(self) -> None:
        super().__init__([], json_serializer=_json, json_ensure_ascii=False)
        self._clock = _Clock("%Y-%m-%dT%H:%M:%S", time.gmtime, ".")

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Fill `log_data`: what each line has comes last, and is not to be overridden."""
        event = record.msg
        if isinstance(event, Event):
            log_data |= {k: _typed(v) for k, v in event.fields.items() if v is not None}
            if not isinstance(event, Sentence):
                log_data["event"] = event.name
            if event.detail is not None:
                log_data["detail"] = event.detail
        if "exc_info" in message_dict and _is_verbose():
            log_data["traceback"] = message_dict["exc_info"]
        at = f"{self._clock.text(record)}+00:00"
        log_data |= {
            "at": at, "level": record.levelname, "logger": record.name, "process": record.process,
            "message": words_of(record),
        }  # fmt: skip


def _json(log_data: dict[str, Any], **_: Any) -> str:
    return json_text(log_data)


class LastWarnings(logging.Handler):
    """The last warnings and errors of a process, of those that it forks and whom it is forked of.

    In memory that all of them share. Two that warn at the very same time may take one place: a line
    is lost then, and nobody waits.
    """

    _LINES, _LINE_BYTES = 64, 512

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._memory = mmap.mmap(-1, self._LINE_BYTES * (self._LINES + 1))
        self._count = memoryview(self._memory)[:8].cast("q")
        self.setFormatter(TextFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line, of a long one the beginning."""
        number = self._count[0]
        self._count[0] = number + 1
        line = self.format(record).partition("\n")[0].encode("utf-8", "replace")
        start = self._LINE_BYTES * (number % self._LINES + 1)
        self._memory[start : start + self._LINE_BYTES] = line[: self._LINE_BYTES].ljust(
            self._LINE_BYTES, b"\0"
        )

    def lines(self) -> list[str]:
        """Those that are kept, the last one first."""
        count = self._count[0]
        found = []
        for number in range(count - 1, max(count - self._LINES, 0) - 1, -1):
            start = self._LINE_BYTES * (number % self._LINES + 1)
            line = self._memory[start : start + self._LINE_BYTES].rstrip(b"\0")
            found.append(line.decode("utf-8", "replace"))
        return found


LAST_WARNINGS = LastWarnings()


def words_of(record: logging.LogRecord) -> str:
    """What a record says, in one line without its time; of an exception, what that says."""
    text = escaped(record.message)
    error = record.exc_info[1] if record.exc_info else None
    return f"{text}: {escaped(one_line(error))}" if error and not _is_verbose() else text


def one_line(error: BaseException | None) -> str:
    """What an exception says, with its kind, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _typed(value: object) -> object:
    """Numbers and truth as they are, all else as text."""
    if isinstance(value, float):
        return round(value, 3)
    return value if isinstance(value, int) else str(value)


def _is_verbose() -> bool:
    return logging.getLogger().isEnabledFor(logging.DEBUG)


def set_up(verbose: bool = False, as_json: bool = False) -> None:
    """Log to stderr. Once per process."""
    # Not told anywhere, and a third of what a line costs (Logging HOWTO, "Optimization").
    logging.logThreads = logging.logMultiprocessing = False
    logging._srcfile = None
    logging.setLogRecordFactory(_Record)
    handler = _Lines(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else TextFormatter())
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO, handlers=[handler, LAST_WARNINGS],
        force=True,
    )  # fmt: skip
    # pydicom warns of what is odd in a data set. A node keeps it as it is.
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")

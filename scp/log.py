"""Logging: one line an event, no tracebacks on a user's screen."""

import json
import logging
import re
import sys
import time
import warnings
from datetime import UTC, datetime

_FORMAT = "%(asctime)s %(levelname)-7s %(message)s"
_FIELD = re.compile(r"\b([a-z_]+)=(\S+)")


_PROGRESS_SECONDS = 5.0


class Progress:
    """Logs how far something is, now and then: called as often as may be, with done and of."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._told = time.monotonic()

    def __call__(self, done: int, of: int) -> None:
        """Log it, where the last time is a while ago."""
        if time.monotonic() - self._told >= _PROGRESS_SECONDS:
            self._told = time.monotonic()
            logging.getLogger(__name__).info("%s files=%d of=%d", self._what, done, of)


class OneLineFormatter(logging.Formatter):
    """Formats a record as one line; of an exception, only what it says."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; with --verbose the traceback too."""
        if logging.getLogger().isEnabledFor(logging.DEBUG):
            return super().format(record)
        error = record.exc_info[1] if record.exc_info else None
        record.exc_info = record.exc_text = None
        text = " ".join(super().format(record).split("\n"))
        return f"{text}: {one_line(error)}" if error else text


class JsonFormatter(OneLineFormatter):
    """Formats a record as a JSON object; what the message has as key=value, as fields too."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        message = super().format(record)
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        told = {
            "at": at, "level": record.levelname, "logger": record.name, "process": record.process,
            "message": message,
        }  # fmt: skip
        return json.dumps({**dict(_FIELD.findall(message)), **told}, ensure_ascii=False)


def one_line(error: BaseException | None) -> str:
    """What an exception says, with its kind, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def set_up(verbose: bool = False, as_json: bool = False) -> None:
    """Log to stderr. Once per process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else OneLineFormatter(_FORMAT))
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True
    )
    # pydicom warns of what is odd in a data set. A node keeps it as it is.
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")

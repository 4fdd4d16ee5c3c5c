"""An act that was confirmed: begun once, done beside the request, told where it leads."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from werkzeug.wrappers import Response

from scp.config import ConfigError
from scp.node.acts.actor import Actor, StoppedError
from scp.node.acts.board import DONE, FAILED, INTERRUPTED
from scp.runtime import one_line
from scp.web.page.acting.tickets import Ticket
from scp.web.page.surface import act_seen, seen_other, visit_of
from scp.web.request import Asked, ConflictError, NotFoundError
from storage.diagnostics import ArchiveError, Event, ResourceError
from storage.maintenance.changes import UncorrectableError

logger = logging.getLogger(__name__)

# What is done within that is shown as done at once.
_WAIT_SECONDS, _TELL_SECONDS = 1.5, 0.5
_MOST_DETAILS, _MOST_CHARACTERS = 8, 300
_ANYBODY = "anybody"


@dataclass
class Outcome:
    """What came of it: strings of the table with what is put into them, and words of the node."""

    words: Sequence[tuple[str, ...]]
    details: list[str] = field(default_factory=list)
    undo: str = ""  # the path of the view that undoes it
    has_failed: bool = False


class Telling:
    """How far an act is, told to all processes now and then. Raises StoppedError on the way."""

    def __init__(self, asked: Asked, key: str) -> None:
        self._board, self._undertakings = asked.context.node.acts, asked.context.undertakings
        self._key, self._done, self._total = key, 0, 0
        self._told = 0.0

    def begin(self, what: str, total: int, unit: str = "bytes") -> None:
        """What comes now, and how much of it there is."""
        self._done, self._total = 0, total
        self._tell()

    def advance(self, count: int) -> None:
        """How much more is done."""
        self._done += count
        if time.monotonic() - self._told >= _TELL_SECONDS:
            self._tell()
        if self._undertakings.is_stopped:
            raise StoppedError("interrupted: the node ended")

    def _tell(self) -> None:
        self._told = time.monotonic()
        self._board.put(self._key, done=self._done, total=self._total)


Work = Callable[[Actor, Telling], Outcome]


def led_back(asked: Asked, key: str, back: str) -> Response | None:
    """Where the act of that key leads, if it was begun before: a form may be sent twice."""
    return _result(key, back) if asked.context.node.acts.told(key) else None


def begun(asked: Asked, ticket: Ticket, state: str, back: str, work: Work) -> Response:
    """Have it done, once; and lead to the view `back`, which tells of it.

    `state` is a digest of what it would be done to now. Raises ConflictError where that is not what
    was confirmed, ResourceError and BusyError where too much was begun.
    """
    if before := led_back(asked, ticket.key, back):
        return before
    if state != ticket.state:
        # By the same form a moment ago: it was begun before anything changed.
        if before := led_back(asked, ticket.key, back):
            return before
        raise ConflictError("it has changed since it was shown: look again, and confirm it there")
    return undertaken(asked, ticket.key, back, work)


def undertaken(asked: Asked, key: str, back: str, work: Work) -> Response:
    """The same, whatever the state."""
    context, user = asked.context, asked.user.name
    context.undertakings.require_room()
    told = {"user": user, "visit": visit_of(asked.request), "done": 0, "total": 0}
    if context.node.acts.begin(key, told):
        actor = Actor(
            context.settings, user or _ANYBODY,
            {"by": "page", "address": asked.connection.address}, f"page {user or _ANYBODY}",
        )  # fmt: skip
        telling = Telling(asked, key)
        context.undertakings.begin(lambda: _run(asked, key, actor, telling, work), _WAIT_SECONDS)
    return _result(key, back)


def how_far(asked: Asked, key: str) -> Response:
    """How far an act is, for who waits for its end."""
    told = act_seen(asked, key)
    if told is None:
        raise NotFoundError("there is no such act")
    answer = Response(f"{told['state']} {told['done']} {told['total']}\n", mimetype="text/plain")
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def _result(key: str, back: str) -> Response:
    return seen_other(f"{back}?done={key}")


def _run(asked: Asked, key: str, actor: Actor, telling: Telling, work: Work) -> None:
    outcome, state = Outcome([]), DONE
    try:
        outcome = work(actor, telling)
        state = FAILED if outcome.has_failed else DONE
    except StoppedError:
        state = INTERRUPTED
    except (ArchiveError, ConfigError, UncorrectableError) as error:
        outcome, state = Outcome([], [str(error)]), FAILED
    except OSError as error:
        words = f"{error.filename or asked.context.settings.storage.path}: {error.strerror}"
        outcome, state = Outcome([], [words]), FAILED
    except Exception as error:
        logger.error(Event("page", one_line(error), path=asked.request.path[:200]))
        logger.debug("details", exc_info=True)
        outcome, state = Outcome([], ["internal error, see the node's log"]), FAILED
    finally:
        asked.context.archive.close_thread()
        more = len(outcome.details) - _MOST_DETAILS
        details = [one[:_MOST_CHARACTERS] for one in outcome.details[:_MOST_DETAILS]]
        details += [f"+ {more}"] if more > 0 else []
        with suppress(OSError, ResourceError):  # it was evicted meanwhile
            asked.context.node.acts.put(
                key, state=state, words=outcome.words, details=details, undo=outcome.undo
            )

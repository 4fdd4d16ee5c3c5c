"""What arrived last, and whether anything did since somebody looked.

Whoever looks at a list is told by a stream of events, which takes none of the threads; where there
is no room for one, a few bytes are asked for every few seconds. Both tell only that the list is
another one: what is in it is asked for as before.
"""

from werkzeug.wrappers import Response

from scp.web.http import EVENT_STREAM, HAND_OVER, not_modified
from scp.web.page.surface import page
from scp.web.page.watching import News, state
from scp.web.request import Asked, BusyError
from storage import Level
from storage.archive import Asked as Wanted
from storage.archive import asked as asked_for

# Of the instances that arrived last so many are looked at; and so many series of these shown.
_LOOKED_AT, _MOST = 5000, 60
_SHOWN = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDescription", "Modality",
    "SeriesDescription",
)  # fmt: skip
# When a browser asks again for a stream that ended, and when it may where there are too many.
_RETRY, _BUSY_SECONDS = b"retry: 2000\n\n", 60.0
_OF_STREAM = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
_MOST_CHARACTERS = 100


def latest(asked: Asked) -> Response:
    """The state of the archive, for who knows another one."""
    text = state(asked.context.archive)
    if unchanged := not_modified(asked.request, text):
        return unchanged
    answer = Response(text, content_type="text/plain; charset=utf-8")
    answer.set_etag(text)
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


def told(asked: Asked) -> Response:
    """The states of the archive as events, from that on which who asks knows (HTML 9.2)."""
    request = asked.request
    known = request.headers.get("Last-Event-ID") or request.args.get("known", "")
    answer = Response(iter([_RETRY]), content_type=EVENT_STREAM, headers=_OF_STREAM)
    if request.method == "HEAD":
        return answer
    hand_over = request.environ[HAND_OVER]
    if not hand_over(News(asked.context.archive, known[:_MOST_CHARACTERS])):
        raise BusyError("too many are told of arrivals; ask now and then", _BUSY_SECONDS)
    return answer


def listed(asked: Asked) -> Response:
    """The series that arrived last, with who sent them."""
    archive, charset = asked.context.archive, asked.context.settings.storage.charset
    latest, found = state(archive), []
    for one in archive.series_arrived(_LOOKED_AT, _MOST):
        held = next(archive.entities(_series(one.study, one.series), charset), None)
        if held:
            found.append({
                "study": one.study, "series": one.series, "instances": one.instances,
                "at": one.at, "sender": one.sender, "values": held.values,
            })  # fmt: skip
    return page(asked, "arrivals", arrivals=found, looked=_LOOKED_AT, latest=latest)


def _series(study: str, series: str) -> Wanted:
    where = [("StudyInstanceUID", study), ("SeriesInstanceUID", series)]
    return asked_for(Level.SERIES, where, _SHOWN)

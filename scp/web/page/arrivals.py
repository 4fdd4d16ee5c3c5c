"""What arrived last, and whether anything did since somebody looked.

A view asks every few seconds for a few bytes, which two look-ups in the index give. A stream of
events would hold a thread of the server for each window that is open, all day.
"""

from werkzeug.wrappers import Response

from scp.web.http import not_modified
from scp.web.page.surface import page
from scp.web.request import Asked
from storage import Archive, Level
from storage.archive import Asked as Wanted
from storage.archive import asked as asked_for

# Of the instances that arrived last so many are looked at; and so many series of these shown.
_LOOKED_AT, _MOST = 5000, 60
_SHOWN = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDescription", "Modality",
    "SeriesDescription",
)  # fmt: skip


def state(archive: Archive) -> str:
    """Another text whenever something has arrived."""
    return "-".join(map(str, archive.latest_arrival()))


def latest(asked: Asked) -> Response:
    """That text, for who has another one."""
    text = state(asked.context.archive)
    if unchanged := not_modified(asked.request, text):
        return unchanged
    answer = Response(text, content_type="text/plain; charset=utf-8")
    answer.set_etag(text)
    answer.headers["Cache-Control"] = "private, no-cache"
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
